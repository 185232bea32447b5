//! Calibration: the ranks of conformal prediction, and what they promise.

use twinkeep_domain::QUANTILES;

use super::{Outcome, conformal, shifts, stretches};
use crate::target::stretched;
use crate::testing::uniform;

#[test]
fn the_rank_is_interpolated() {
    let errors = || (1..=99).map(|at| at as f32).collect::<Vec<_>>();
    assert_eq!(conformal(&mut errors(), 0.05), 5.0);
    assert_eq!(conformal(&mut errors(), 0.95), 95.0);
    // Rank 0.05 · 51 = 2.55 and 0.95 · 51 = 48.45.
    let near = |probability, expected: f32| {
        let found = conformal(&mut errors()[..50].to_vec(), probability);
        assert!((found - expected).abs() < 1e-4, "{found}");
    };
    near(0.05, 2.55);
    near(0.95, 48.45);
    assert_eq!(conformal(&mut [], 0.5), 0.0);
    assert_eq!(conformal(&mut [3.0], 0.95), 3.0);
    // Beyond the outermost value nothing is known.
    assert_eq!(conformal(&mut [1.0, 2.0, 3.0], 0.01), 1.0);
    assert_eq!(conformal(&mut [1.0, 2.0, 3.0], 0.99), 3.0);
}

#[test]
fn buckets_of_any_size_cover_what_they_promise_in_the_mean() {
    // A rank that is rounded outward covers half a rank too much: 1 % of 100 values, both ends.
    for size in [57, 100, 111] {
        let (mut inside, repeats) = (0.0, 4_000);
        for repeat in 0..repeats {
            let errors = || (0..size).map(|at| uniform(3, repeat, at)).collect::<Vec<_>>();
            let (low, high) = (conformal(&mut errors(), 0.05), conformal(&mut errors(), 0.95));
            // Of uniform values, the share inside is the width.
            inside += f64::from(high - low) / repeats as f64;
        }
        assert!((inside - 0.9).abs() < 0.003, "{size}: {inside}");
    }
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

#[test]
fn the_stretched_interval_covers_what_it_promises_and_is_wide_where_the_quantiles_are() {
    // The quantiles are those of the values, but the tails are heavier than any that are known:
    // the spread differs from value to value by a factor of ten.
    let of = |seed, at: i64| {
        let wide = 1.0 + 9.0 * uniform(seed, at, 1);
        let quantiles = QUANTILES.map(|p| wide * (p - 0.5));
        let tail = uniform(seed, at, 2);
        let value = wide * (tail - 0.5) * if uniform(seed, at, 3) < 0.1 { 5.0 } else { 1.0 };
        Outcome { bucket: 0, quantiles, value }
    };
    let outcomes = |seed| (0..4_000).map(|at| of(seed, at)).collect::<Vec<_>>();
    let stretch = stretches(&outcomes(1), 1, 100, 1e-3)[0];
    let inside = |seed, narrow: bool| {
        let own: Vec<Outcome> =
            outcomes(seed).into_iter().filter(|one| (one.quantiles[6] < 2.0) == narrow).collect();
        let count = own.iter().filter(|one| {
            let [low, high] = stretched(&one.quantiles, stretch, 1e-3);
            assert!(low <= one.quantiles[0] && one.quantiles[6] <= high);
            (low..=high).contains(&one.value)
        });
        count.count() as f64 / own.len() as f64
    };
    for narrow in [false, true] {
        assert!((inside(2, narrow) - 0.95).abs() < 0.015, "{}", inside(2, narrow));
    }
}

#[test]
fn where_nothing_ever_changes_the_stretched_interval_is_a_point() {
    let same = |value| Outcome { bucket: 0, quantiles: [7.0; 7], value };
    let stretch = stretches(&(0..200).map(|_| same(7.0)).collect::<Vec<_>>(), 1, 100, 1e-3);
    assert_eq!(stretch, [[0.0; 2]]);
    // One in ten lies far off: the interval must reach there, and no further than it may.
    let far = (0..200).map(|at| same(if at % 10 == 0 { 1e9 } else { 7.0 })).collect::<Vec<_>>();
    assert_eq!(stretches(&far, 1, 100, 1e-3), [[0.0, 1e6]]);
    let few = stretches(&[same(7.0), same(8.0)], 2, 1, 1e-3);
    assert!(few.iter().flatten().all(|stretch| (0.19..0.20).contains(stretch)));
}
