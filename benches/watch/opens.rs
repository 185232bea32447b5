//! Opens, reads, and closes a file many times, and prints how long one time takes.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::fs::File;
use std::io::Read as _;
use std::time::Instant;

fn main() {
    let mut args = std::env::args().skip(1);
    let path = args.next().expect("a file");
    let count: u32 = args.next().and_then(|it| it.parse().ok()).unwrap_or(COUNT);
    let mut buffer = [0; 64];
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let started = Instant::now();
        for _ in 0..count {
            let mut file = File::open(&path).expect("the file opens");
            let _ = file.read(&mut buffer).expect("the file is read");
        }
        best = best.min(started.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    }
    println!("{best:.1}");
}

const COUNT: u32 = 20_000;
