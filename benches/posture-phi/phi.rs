//! Looks into each file that it is given, and prints what it found and how fast.
//!
//!     phi [--all] FILE…
//!
//! One line a file: verdict, kinds by column, bytes that were looked at, and seconds of CPU. With
//! `--all`, files are looked at to their end though the verdict is certain.

use std::fs::File;
use std::io::Write as _;

use twinkeep_posture::phi::{Limits, inspect, verdict};

fn main() -> std::io::Result<()> {
    let (options, files): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let rows_enough = if options.is_empty() { Some(100) } else { None };
    let limits =
        Limits { bytes_max: 16 << 30, unpacked_max: 16 << 30, rows_enough, latest_year: 2026 };
    let mut out = std::io::stdout().lock();
    for path in files {
        let file = File::open(&path)?;
        let size = file.metadata()?.len();
        let start = cpu_seconds();
        let inspection = inspect(&file, size, limits)?;
        let seconds = cpu_seconds() - start;
        let places = inspection.places.iter();
        let found: Vec<String> = places
            .map(|it| format!("{}={}:{}", it.field, it.found.kind.code(), it.found.rows))
            .collect();
        writeln!(
            out,
            "{path}\t{:?}\t{:?}\t{}\t{}\t{seconds:.6}\t{}",
            verdict(&inspection.places),
            inspection.state,
            inspection.format,
            inspection.bytes,
            found.join(",")
        )?;
    }
    Ok(())
}

/// The time that this process has computed for; zero where the system does not say.
fn cpu_seconds() -> f64 {
    let said = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = said.split(' ').next().and_then(|first| first.parse::<f64>().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}
