//! `make bench-drift`: judges a table of numbers beside its baseline, as often as there are tables,
//! and follows streams; `drift.py` makes both, and runs the peers on the same ones.
//!
//! `main tables COLUMNS ROWS_BEFORE ROWS_NOW TABLES FILE` reads 64-bit numbers, column by column,
//! the baseline first; `main streams LENGTH STREAMS FILE` reads errors of a model, the first half
//! of which is the baseline.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "it is a benchmark")]

use std::time::Instant;

use twinkeep_watch::detect::{
    About, Adwin, BaselineSeries, DriftParameters, Measured, PageHinkley, Sketch, Verdict, judge,
    normal_quantile,
};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| args[at].parse::<usize>().unwrap();
    let bytes = std::fs::read(args.last().unwrap()).unwrap();
    let numbers: Vec<f64> =
        bytes.as_chunks::<8>().0.iter().map(|&chunk| f64::from_le_bytes(chunk)).collect();
    match args[0].as_str() {
        "tables" => tables(&numbers, number(1), [number(2), number(3)], number(4)),
        _ => streams(&numbers, number(1), number(2)),
    }
}

/// Prints for each table which columns moved, and the seconds of it all.
fn tables(numbers: &[f64], columns: usize, [before, now]: [usize; 2], count: usize) {
    let parameters = DriftParameters::parse(DriftParameters::SHIPPED).unwrap();
    let series = |column: usize, values: &[f64]| Measured {
        about: About::Input,
        code: column.to_string(),
        people: values.len() as u64,
        values: values.to_vec(),
        inside: 0,
        weight: 1.0 / columns as f64,
    };
    let (mut baselines, mut judging) = (0.0, 0.0);
    for table in numbers.chunks_exact((before + now) * columns).take(count) {
        let (one, other) = table.split_at(before * columns);
        // Reading is no part of it, neither here nor of the peers.
        let [one, other] = [(one, before), (other, now)].map(|(table, rows)| -> Vec<Measured> {
            let columns = table.chunks_exact(rows).enumerate();
            columns.map(|(column, values)| series(column, values)).collect()
        });
        let started = Instant::now();
        let baseline: Vec<BaselineSeries> = one.iter().map(BaselineSeries::of).collect();
        baselines += started.elapsed().as_secs_f64();
        let started = Instant::now();
        let found = judge(&parameters, &baseline, &other);
        judging += started.elapsed().as_secs_f64();
        let named = |verdicts: &[Verdict]| {
            let those = found.iter().filter(|it| verdicts.contains(&it.verdict));
            those.map(|it| it.code.clone()).collect::<Vec<_>>().join(",")
        };
        println!("{};{}", named(&[Verdict::Alarm, Verdict::Moved]), named(&[Verdict::Alarm]));
    }
    println!("seconds {baselines} {judging}");
}

/// Prints for each stream when Page-Hinkley and ADWIN noticed something, and the seconds of each.
fn streams(numbers: &[f64], length: usize, count: usize) {
    let (mut hinkley_seconds, mut adwin_seconds) = (0.0, 0.0);
    for stream in numbers.chunks_exact(length).take(count) {
        let (baseline, now) = stream.split_at(length / 2);
        let sketch = Sketch::of(baseline);
        let started = Instant::now();
        let mut rise = PageHinkley::new(0.5);
        let noticed = now.iter().position(|&value| {
            rise.add(normal_quantile(sketch.rank(value)));
            rise.p_value() < 0.01
        });
        hinkley_seconds += started.elapsed().as_secs_f64();
        let started = Instant::now();
        let mut window = Adwin::new(0.002);
        let alarms: Vec<String> = stream
            .iter()
            .enumerate()
            .filter(|&(_, &value)| window.add(value))
            .map(|(at, _)| at.to_string())
            .collect();
        adwin_seconds += started.elapsed().as_secs_f64();
        println!("{};{}", noticed.map_or(-1, |at| at as i64), alarms.join(","));
    }
    println!("seconds {hinkley_seconds} {adwin_seconds}");
}
