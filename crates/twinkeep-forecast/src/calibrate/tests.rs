//! Calibration: the ranks of conformal prediction, and what they promise.

use twinkeep_domain::QUANTILES;

use super::{Outcome, conformal, shifts};
use crate::testing::uniform;

#[test]
fn the_rank_is_rounded_away_from_the_middle() {
    let errors = || (1..=99).map(|at| at as f32).collect::<Vec<_>>();
    assert_eq!(conformal(&mut errors(), 0.05), 5.0);
    assert_eq!(conformal(&mut errors(), 0.95), 95.0);
    // Rank 0.05 · 51 = 2.55 goes down, 0.95 · 51 = 48.45 goes up.
    assert_eq!(conformal(&mut errors()[..50].to_vec(), 0.05), 2.0);
    assert_eq!(conformal(&mut errors()[..50].to_vec(), 0.95), 49.0);
    assert_eq!(conformal(&mut [], 0.5), 0.0);
    assert_eq!(conformal(&mut [3.0], 0.95), 3.0);
}

fn outcomes(seed: u64, count: i64) -> Vec<Outcome> {
    // Quantiles that are far too narrow, around values of spread 1 and 10 in two buckets.
    let of = |at: i64| {
        let bucket = usize::from(at % 2 == 1);
        let width = if bucket == 0 { 1.0 } else { 10.0 };
        let quantiles = QUANTILES.map(|p| 0.1 * (p - 0.5));
        Outcome { bucket, quantiles, value: width * (uniform(seed, at, 0) - 0.5) }
    };
    (0..count).map(of).collect()
}

#[test]
fn shifted_quantiles_cover_new_values_in_every_bucket() {
    let shifts = shifts(&outcomes(1, 4_000), 2, 100);
    for (bucket, shift) in shifts.iter().enumerate() {
        for (lane, p) in QUANTILES.into_iter().enumerate() {
            if lane == QUANTILES.len() / 2 {
                assert_eq!(shift[lane], 0.0);
                continue;
            }
            let new = outcomes(2, 4_000);
            let own: Vec<_> = new.iter().filter(|outcome| outcome.bucket == bucket).collect();
            let below =
                own.iter().filter(|one| one.value <= one.quantiles[lane] + shift[lane]).count();
            let share = below as f32 / own.len() as f32;
            assert!((share - p).abs() < 0.03, "bucket {bucket}, {p}: {share}");
        }
    }
}

#[test]
fn a_bucket_with_few_values_takes_the_shift_of_all() {
    let pooled = shifts(&outcomes(1, 400), 2, 1_000);
    assert_eq!(pooled[0], pooled[1]);
    assert_ne!(pooled[0], [0.0; 7]);
    assert_eq!(shifts(&outcomes(1, 10), 2, 1), [[0.0; 7]; 2]);
}
