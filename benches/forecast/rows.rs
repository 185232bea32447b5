//! Learns the values of PhysioNet 2012 and says how long it took; then hands the very same rows to
//! whoever reads. This is `benches/forecast/rows.py`, part of `make bench-forecast`.
//!
//! Usage: `forecast-rows ARCHIVE THREADS TEACHERS`. Standard output: one line of JSON with the
//! seconds, then of each target a line of JSON and its tables as 32-bit floats.

#![expect(clippy::expect_used, reason = "a benchmark stops where it fails")]

mod stays;

use std::io::{BufWriter, Write};
use std::time::Instant;

use twinkeep_domain::Pack;
use twinkeep_forecast::{Table, TrainConfig, learned_rows, train};
use twinkeep_intake::pack_file::shipped_pack;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("name set-a.tar.gz of PhysioNet 2012");
    let mut number = || arguments.next().and_then(|it| it.parse().ok());
    let (threads, teachers) = (number().expect("threads"), number().expect("teachers"));
    let pack = values_only(&shipped_pack("icu").expect("the pack is shipped"));
    let parts = stays::Parts::read(&pack, path.as_ref());
    let (taught, tuning) = (parts.cohort(&[0, 1, 2]), parts.cohort(&[3]));
    let config = TrainConfig { threads, teachers, ..TrainConfig::default() };
    let (began, before) = (Instant::now(), cpu_seconds());
    let model = train(&pack, &config, &taught, &tuning, &mut |_| ()).expect("there are stays");
    let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - before);
    let trees: usize = model.describe().iter().map(|target| target.tree_count).sum();
    let mut out = BufWriter::new(std::io::stdout().lock());
    writeln!(out, "{{\"wall\": {wall}, \"cpu\": {cpu}, \"trees\": {trees}}}").expect("a reader");
    let mut hand_out = |rows: twinkeep_forecast::LearnedRows| {
        let counts = (rows.train.labels.len(), rows.tuning.labels.len());
        let head = format!(
            "{{\"code\": \"{}\", \"width\": {}, \"rows\": [{}, {}]}}",
            rows.code, rows.width, counts.0, counts.1
        );
        writeln!(out, "{head}").expect("a reader");
        write(&mut out, &rows.train);
        write(&mut out, &rows.tuning);
    };
    learned_rows(&pack, &config, &taught, &tuning, &mut hand_out).expect("there are stays");
}

fn write(out: &mut impl Write, table: &Table) {
    for number in table.features.iter().chain(&table.labels) {
        out.write_all(&number.to_le_bytes()).expect("a reader");
    }
}

/// The pack without what happens in windows, which the peer does not learn.
fn values_only(pack: &Pack) -> Pack {
    let (words, plan) = (pack.words().clone(), pack.forecast().clone());
    Pack::new("values".into(), "Values".into(), 1, words, pack.variables().to_vec(), plan)
        .expect("it was one before")
}

/// Seconds of CPU of this process so far, in the kernel's hundredths (proc(5)).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |at| after.split_whitespace().nth(at).and_then(|it| it.parse::<f64>().ok());
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0
}
