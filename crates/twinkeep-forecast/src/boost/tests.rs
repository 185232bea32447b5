//! The learner against closed forms, and against functions that it must find.

use twinkeep_domain::QUANTILES;

use super::bins::{Column, cut_points};
use super::histogram::{Additive as _, FIXED_POINT_STEP, Gain, Sums, best_split, fill};
use super::leaf::{quantile, steps};
use super::{Knobs, LANE_COUNT, MEAN_LANE, Problem, Rows, Values, boost};
use crate::forest::Forest;
use crate::testing::uniform;

mod leaves;
mod objectives;

fn close(one: f32, other: f32) -> bool {
    (one - other).abs() <= 1e-4 * other.abs().max(1.0)
}

#[test]
fn a_few_distinct_values_get_a_bin_each() {
    let values = [3.0, 1.0, f32::NAN, 2.0, 1.0, 3.0];
    let column = Column::new(cut_points(values.into_iter(), 10), values.into_iter());
    assert_eq!(column.cuts, [1.5, 2.5]);
    assert_eq!(column.bins, [2, 0, 3, 1, 0, 2]);
    assert_eq!(column.missing_bin(), 3);
}

#[test]
fn many_values_get_bins_of_about_equal_size() {
    let values = || (0..10_000).map(|at| uniform(1, at, 0).powi(3));
    let column = Column::new(cut_points(values(), 255), values());
    assert_eq!(column.cuts.len(), 254);
    assert!(column.cuts.windows(2).all(|pair| pair[0] < pair[1]));
    for bin in 0..255 {
        let count = column.bins.iter().filter(|&&own| own == bin).count();
        assert!((30..50).contains(&count), "bin {bin}: {count}");
    }
}

#[test]
fn extreme_values_do_not_break_the_bins() {
    let tiny = f32::MIN_POSITIVE;
    for values in [vec![], vec![f32::NAN], vec![f32::MAX, f32::MIN], vec![1.0, 1.0 + f32::EPSILON]]
    {
        let cuts = cut_points(values.iter().copied(), 255);
        assert!(cuts.iter().all(|cut| cut.is_finite()), "{values:?}");
        let column = Column::new(cuts, values.iter().copied().chain([tiny]));
        assert!(column.bins.iter().all(|&bin| usize::from(bin) <= column.missing_bin()));
    }
}

#[test]
fn the_gain_is_the_weighted_sum_of_squares_over_rows() {
    // 10 rows; 4 lie below the median's estimate, none below the others'; residuals sum to 3.
    let mut sums = Sums { counts: [0; LANE_COUNT], residual: (3.0 / FIXED_POINT_STEP) as i64 };
    sums.counts[3] = 4;
    sums.counts[LANE_COUNT - 1] = 10;
    let gain = Gain::new(0.5, 2.0, 5.0);
    let mut expected = 0.5 / 2.0 * 9.0;
    for (lane, p) in QUANTILES.into_iter().enumerate() {
        let gradient = if lane == 3 { 4.0 - 5.0 } else { -p * 10.0 };
        expected += gradient * gradient / (7.0 * p * (1.0 - p));
    }
    assert!(close(gain.of(&sums), expected / 15.0));
}

#[test]
fn the_best_split_is_where_the_rows_part() {
    // Values in bins 0 and 1 lie below every estimate, those in bin 2 above; bin 3 is missing.
    let below = Sums::of_row(0x7f, -65_536);
    let above = Sums::of_row(0, 65_536);
    let mut histogram = [Sums::default(); 4];
    for _ in 0..5 {
        histogram[0].add(&below);
        histogram[1].add(&below);
        histogram[2].add(&above);
        histogram[3].add(&below);
    }
    let mut total = Sums::default();
    histogram.iter().for_each(|sums| total.add(sums));
    let gain = Gain::new(1.0, 1.0, 0.0);
    let split = best_split(7, &histogram, &total, &|sums| gain.of(sums), 1).unwrap();
    assert_eq!((split.feature, split.bin, split.missing_left), (7, 1, true));
    let mut left = total;
    left.subtract(&histogram[2]);
    let expected = gain.of(&left) + gain.of(&histogram[2]) - gain.of(&total);
    assert!(close(split.gain, expected));
    assert_eq!(best_split(7, &histogram, &total, &|sums| gain.of(sums), 11), None);
}

#[test]
fn sums_do_not_depend_on_the_order_and_subtract_exactly() {
    let row = |at: u32| (at, Sums::of_row((at * 37 % 128) as u8, (at as i32 - 500) * 12_345));
    let column =
        Column { cuts: vec![0.5, 1.5], bins: (0..1000).map(|at| (at % 4) as u8).collect() };
    let rows: Vec<(u32, Sums)> = (0..1000).map(row).collect();
    let fill_with = |rows: &[(u32, Sums)]| {
        let mut histogram = [Sums::default(); 4];
        fill(&mut histogram, &column, rows);
        histogram
    };
    let all = fill_with(&rows);
    let backwards: Vec<_> = rows.iter().rev().copied().collect();
    assert_eq!(all, fill_with(&backwards));
    let mut rest = all;
    let half = fill_with(&rows[..400]);
    rest.iter_mut().zip(&half).for_each(|(sums, less)| sums.subtract(less));
    assert_eq!(rest, fill_with(&rows[400..]));
}

#[test]
fn a_leaf_steps_to_its_shrunk_mean_and_exact_quantiles() {
    let mut residuals: [Vec<f32>; LANE_COUNT] =
        std::array::from_fn(|_| (0..=100).rev().map(|at| at as f32).collect());
    let full = steps(&mut residuals, 0.0);
    for (lane, p) in QUANTILES.into_iter().enumerate() {
        assert!(close(full[lane], 100.0 * p), "{p}");
    }
    assert!(close(full[MEAN_LANE], 50.0));
    let shrunk = steps(&mut residuals, 101.0);
    assert!(full.iter().zip(&shrunk).all(|(&full, &shrunk)| close(shrunk, full / 2.0)));
    assert_eq!(quantile(&mut [], 0.5), 0.0);
    assert_eq!(quantile(&mut [4.0], 0.95), 4.0);
}

fn knobs() -> Knobs {
    Knobs {
        seed: 1,
        rounds_max: 200,
        patience_rounds: 20,
        learning_rate: 0.1,
        leaves_max: 15,
        leaf_rows_min: 20,
        leaf_subjects_min: 0,
        leaf_step_max: f32::INFINITY,
        feature_share: 1.0,
        subject_share: 0.8,
    }
}

/// Learns from one feature and a horizon with one row a snapshot, and forecasts at `features`.
fn learn(
    value: impl Fn(f32, f32, f32) -> f32,
    feature: impl Fn(i64) -> f32,
    asked: &[(f32, f32)],
) -> Vec<super::Lanes> {
    let count = 4_000;
    let columns = |seed: u64, cuts: Option<[Vec<f32>; 2]>| {
        let features = || (0..count).map(&feature);
        let horizons = || (0..count).map(|at| 24.0 * uniform(seed, at, 1));
        let [first, second] =
            cuts.unwrap_or_else(|| [cut_points(features(), 63), cut_points(horizons(), 63)]);
        let row = |at: i64| {
            let (x, h) = (feature(at), 24.0 * uniform(seed, at, 1));
            value(x, h, uniform(seed, at, 2))
        };
        let rows = Rows { snapshot: (0..4_000).collect(), value: (0..count).map(row).collect() };
        ([Column::new(first, features()), Column::new(second, horizons())], rows)
    };
    let (train, rows) = columns(1, None);
    let cuts = [train[0].cuts.clone(), train[1].cuts.clone()];
    let (tuning, tuning_rows) = columns(2, Some(cuts));
    let subjects: Vec<u32> = (0..4_000).collect();
    let problem = Problem {
        columns: train.iter().collect(),
        rows,
        subjects: &subjects,
        tuning_columns: tuning.iter().collect(),
        tuning_rows,
    };
    let boosted = boost(&problem, &mut Values::new(0.5, 1.0), &knobs());
    let forest = Forest::flatten(&boosted, &problem.columns);
    let answer = |&(feature, horizon): &(f32, f32)| {
        let mut out = [boosted.start];
        forest.add(&[feature], &[horizon], &mut out);
        out[0]
    };
    asked.iter().map(answer).collect()
}

#[test]
fn a_step_and_a_slope_are_learned() {
    let truth = |x: f32, h: f32| if x < 0.5 { 0.0 } else { 2.0 } + h / 24.0;
    let asked = [(0.2, 4.0), (0.2, 20.0), (0.8, 4.0), (0.8, 20.0)];
    let found =
        learn(|x, h, noise| truth(x, h) + 0.2 * (noise - 0.5), |at| uniform(9, at, 3), &asked);
    for (lanes, (x, h)) in found.iter().zip(asked) {
        assert!((lanes[MEAN_LANE] - truth(x, h)).abs() < 0.06, "{x} {h}: {lanes:?}");
        assert!((lanes[3] - truth(x, h)).abs() < 0.06, "{x} {h}: {lanes:?}");
    }
}

#[test]
fn spread_that_depends_on_a_feature_is_learned_by_the_quantiles() {
    // Uniform noise of width 1 or 4: quantiles are known exactly, the mean is 0 throughout.
    let width = |x: f32| if x < 0.5 { 1.0 } else { 4.0 };
    let found = learn(
        |x, _, noise| width(x) * (noise - 0.5),
        |at| uniform(9, at, 3),
        &[(0.2, 12.0), (0.8, 12.0)],
    );
    for (lanes, width) in found.iter().zip([1.0, 4.0]) {
        assert!(lanes[MEAN_LANE].abs() < 0.1 * width);
        for (lane, p) in QUANTILES.into_iter().enumerate() {
            let expected = width * (p - 0.5);
            assert!((lanes[lane] - expected).abs() < 0.1 * width, "{p}: {lanes:?}");
        }
    }
}

#[test]
fn that_a_value_is_missing_is_learned() {
    let feature = |at: i64| if at % 3 == 0 { f32::NAN } else { uniform(9, at, 3) };
    let truth = |x: f32| if x.is_nan() { 5.0 } else { x };
    let asked = [(f32::NAN, 12.0), (0.1, 12.0), (0.9, 12.0)];
    let found = learn(|x, _, noise| truth(x) + 0.1 * (noise - 0.5), feature, &asked);
    for (lanes, (x, _)) in found.iter().zip(asked) {
        assert!((lanes[MEAN_LANE] - truth(x)).abs() < 0.1, "{x}: {lanes:?}");
    }
}

#[test]
fn nothing_is_learned_where_there_is_nothing_to_learn() {
    let found = learn(|_, _, _| 3.0, |at| uniform(9, at, 3), &[(0.1, 1.0), (0.9, 20.0)]);
    assert!(found.iter().flatten().all(|&lane| close(lane, 3.0)), "{found:?}");
}
