//! SciPy as the judge of every figure: the same samples, the same values.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::super::distance::{
    jensen_shannon, kolmogorov_smirnov, population_stability, wasserstein,
};
use super::super::normal::normal_quantile;
use super::super::probability::{
    chi_squared_tail, fisher_exact, kolmogorov_tail, kolmogorov_tail_exact,
};
use super::Dice;

/// Reads two samples and a table a line, and writes what SciPy says of them.
const SCRIPT: &str = r#"
import sys
import numpy as np
from scipy import stats
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr
for line in sys.stdin:
    one, other, table = ([float(x) for x in part.split()] for part in line.split("|"))
    ks = stats.ks_2samp(one, other, method="exact")
    p, q = np.array(table) / sum(table), np.array(table[::-1]) / sum(table)
    size = np.sqrt(len(one) * len(other) / (len(one) + len(other)))
    counts = [int(x) for x in table[:4]]
    print(repr([float(x) for x in [
        ks.statistic, ks.pvalue, stats.kstwobign.sf(ks.statistic * size),
        stats.wasserstein_distance(one, other), jensenshannon(p, q, base=2),
        np.sum(rel_entr(p, q) + rel_entr(q, p)), stats.chi2.sf(table[0], len(table)),
        stats.fisher_exact([counts[:2], counts[2:]]).pvalue,
        stats.norm.ppf(ks.statistic / 2 + 1e-3),
    ]]))
"#;

/// What we say.
fn ours(one: &[f64], other: &[f64], table: &[f64]) -> Vec<f64> {
    let all: f64 = table.iter().sum();
    let p: Vec<f64> = table.iter().map(|count| count / all).collect();
    let q: Vec<f64> = p.iter().rev().copied().collect();
    let ks = kolmogorov_smirnov(one, other);
    let (m, n) = (one.len() as u64, other.len() as u64);
    let counts: Vec<u64> = table.iter().map(|&count| count as u64).collect();
    vec![
        ks,
        kolmogorov_tail_exact(ks, m, n),
        kolmogorov_tail(ks, m, n),
        wasserstein(one, other),
        jensen_shannon(&p, &q),
        population_stability(&p, &q),
        chi_squared_tail(table[0], table.len() as f64),
        fisher_exact([counts[0], counts[1]], [counts[2], counts[3]]),
        normal_quantile(ks / 2.0 + 1e-3),
    ]
}

#[test]
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn every_figure_is_what_scipy_says() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/bin/python3");
    let there = Command::new(&python).args(["-c", "import scipy"]).output();
    if !there.is_ok_and(|it| it.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "SciPy is missing: .ci/peers.sh installs it");
        println!("skipped: SciPy is not installed");
        return;
    }
    let mut dice = Dice(20);
    let mut cases = Vec::new();
    for case in 0..60 {
        let sizes = [5 + case * 3, 7 + (case * 5) % 90];
        let shift = f64::from(u32::try_from(case % 6).unwrap()) / 4.0;
        let mut draw = |count, mean, coarse: bool| -> Vec<f64> {
            let values = dice.normals(count, mean, 1.0);
            // Some samples have ties, with themselves and with each other.
            values.into_iter().map(|it| if coarse { (it * 4.0).round() } else { it }).collect()
        };
        let one = draw(sizes[0], 0.0, case % 3 == 0);
        let other = draw(sizes[1], shift, case % 3 == 0);
        let table: Vec<f64> = (0..10).map(|_| 1.0 + (dice.uniform() * 60.0).floor()).collect();
        cases.push((one, other, table));
    }
    let text = |values: &[f64]| {
        values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(" ")
    };
    let lines: String = cases
        .iter()
        .map(|(one, other, table)| format!("{}|{}|{}\n", text(one), text(other), text(table)))
        .collect();
    let mut child = Command::new(&python)
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.lines().count(), cases.len());
    for ((one, other, table), line) in cases.iter().zip(said.lines()) {
        let theirs = line.trim_matches(['[', ']']).split(", ").map(|it| it.parse::<f64>().unwrap());
        for (at, (ours, theirs)) in ours(one, other, table).into_iter().zip(theirs).enumerate() {
            let apart = (ours - theirs).abs();
            assert!(apart < 1e-9, "figure {at}: {ours} {theirs}");
        }
    }
}
