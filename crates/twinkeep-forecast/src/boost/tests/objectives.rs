//! Counts, sums, and events: the same answer for all is the base rate, one split is exact, and
//! probabilities stay probabilities.

use twinkeep_domain::QUANTILES;

use super::super::hazard::{CAUSE_COUNT_MAX, Hazards, hazards, log_loss, log_odds};
use super::super::rounds::Objective;
use super::super::totals::{TotalScale, Totals};
use super::super::values::{Values, huber};
use super::super::{Column, Knobs, LANE_COUNT, Lanes, MEAN_LANE, Problem, Rows, boost, cut_points};
use super::{close, knobs};
use crate::forest::Forest;
use crate::testing::uniform;

/// Learns from one feature with one row a subject, and answers for 0.2 and 0.8.
fn learn<O: Objective>(
    knobs: &Knobs,
    objective: impl Fn(&[f32]) -> O,
    value: impl Fn(f32, f32) -> f32,
) -> [Lanes; 2] {
    let count = 4_000;
    let rows = |seed: u64| Rows {
        snapshot: (0..4_000).collect(),
        value: (0..count).map(|at| value(uniform(9, at, 3), uniform(seed, at, 4))).collect(),
    };
    let features = || (0..count).map(|at| uniform(9, at, 3));
    let cuts = cut_points(features(), 63);
    let column = Column::new(cuts, features());
    let horizon = Column::new(vec![], (0..count).map(|_| 1.0));
    let subjects: Vec<u32> = (0..4_000).collect();
    let (train, tuning) = (rows(1), rows(2));
    let mut objective = objective(&train.value);
    let problem = Problem {
        columns: vec![&column, &horizon],
        rows: train,
        subjects: &subjects,
        tuning_columns: vec![&column, &horizon],
        tuning_rows: tuning,
    };
    let boosted = boost(&problem, &mut objective, knobs);
    let forest = Forest::flatten(&boosted, &problem.columns);
    [0.2, 0.8].map(|feature| {
        let mut out = [boosted.start];
        forest.add(&[feature], &[1.0], &mut out);
        out[0]
    })
}

/// One tree of two leaves that steps all the way.
fn one_split() -> Knobs {
    Knobs {
        rounds_max: 1,
        learning_rate: 1.0,
        leaves_max: 2,
        leaf_rows_min: 1,
        subject_share: 1.0,
        ..knobs()
    }
}

fn scale(power: f32, mean: f32) -> TotalScale {
    TotalScale { unit: 1.0, mean, power }
}

#[test]
fn a_bent_total_comes_back_and_the_mean_lane_counts_in_means() {
    let scale = scale(1.5, 4.0);
    for value in [0.0, 0.001, 1.0, 77.0, 1e6] {
        assert!(close(scale.straighten(scale.bend(value)), value));
    }
    assert_eq!(scale.straighten(-3.0), 0.0);
    assert!(close(scale.mean_of(0.0), 4.0) && close(scale.mean_of(2.0_f32.ln()), 8.0));
}

#[test]
fn the_deviance_is_zero_where_the_mean_is_the_value_and_least_at_the_mean() {
    for power in [1.0, 1.5] {
        let scale = scale(power, 2.0);
        let objective = Totals::new(scale, 0.5, 0.0);
        for value in [0.5, 2.0, 9.0] {
            assert!(objective.deviance_of(value, value).abs() < 1e-5, "{power} {value}");
        }
        let sum = |mean: f32| -> f64 {
            [0.0, 1.0, 5.0].iter().map(|&value| objective.deviance_of(value, mean)).sum()
        };
        assert!(sum(2.0) < sum(1.9) && sum(2.0) < sum(2.1));
        // Poisson: 2 (y ln(y/μ) - (y - μ)), here for y = 5 and μ = 2, counted in means of 2.
        if power == 1.0 {
            let expected = 2.0 * (2.5 * 2.5_f64.ln() - 1.5);
            assert!((objective.deviance_of(5.0, 2.0) - expected).abs() < 1e-5);
        }
    }
}

#[test]
fn a_leaf_of_a_total_steps_to_its_mean_whatever_the_power() {
    for power in [1.0, 1.5] {
        let scale = scale(power, 2.0);
        let bent: Vec<f32> = [0.0, 3.0, 6.0, 0.0].iter().map(|&value| scale.bend(value)).collect();
        let fitted = [[0.0; LANE_COUNT]; 4];
        let full = Totals::new(scale, 0.5, 0.0).steps(&bent, &fitted, &[0, 1, 2]);
        assert!(close(scale.mean_of(full[MEAN_LANE]), 3.0), "{power}: {full:?}");
        let shrunk = Totals::new(scale, 0.5, 3.0).steps(&bent, &fitted, &[0, 1, 2]);
        // As if three more rows of the mean of all, 2, had been there.
        assert!(close(scale.mean_of(shrunk[MEAN_LANE]), 2.5), "{power}: {shrunk:?}");
    }
}

#[test]
fn one_split_of_totals_finds_both_means_and_both_shares_of_zeros() {
    // Below 0.5: 1 with probability 0.2. Above: 4 always.
    let value = |x: f32, noise: f32| match x < 0.5 {
        true => f32::from(u8::from(noise < 0.2)),
        false => 4.0,
    };
    for power in [1.0, 1.5] {
        let scale = scale(power, 2.0);
        let [low, high] = learn(
            &one_split(),
            |_| Totals::new(scale, 0.5, 0.0),
            |x, noise| scale.bend(value(x, noise)),
        );
        assert!((scale.mean_of(low[MEAN_LANE]) - 0.2).abs() < 0.02, "{power}: {low:?}");
        assert!((scale.mean_of(high[MEAN_LANE]) - 4.0).abs() < 0.05, "{power}: {high:?}");
        for (lane, p) in QUANTILES.into_iter().enumerate() {
            let expected = f32::from(u8::from(0.8 < p));
            assert!((scale.straighten(low[lane]) - expected).abs() < 1e-3, "{p}: {low:?}");
            assert!(close(scale.straighten(high[lane]), 4.0), "{p}: {high:?}");
        }
    }
}

#[test]
fn the_same_for_all_is_the_base_rate() {
    let values: Vec<f32> = (0..1_000).map(|at| [0.0, 0.0, 0.0, 1.0, 2.0][at % 5]).collect();
    let lanes = log_odds(&values, 2);
    let found = hazards(&lanes, 2);
    assert!((found[0] - 0.2).abs() < 1e-3 && (found[1] - 0.2).abs() < 1e-3, "{found:?}");
    assert_eq!(found[2..], [0.0; CAUSE_COUNT_MAX - 2]);
    // Of which the surprise is known: -(0.6 ln 0.6 + 0.4 ln 0.2).
    let mean = values.iter().map(|&value| log_loss(value, &lanes, 2)).sum::<f64>() / 1_000.0;
    let entropy = -(0.6 * 0.6_f64.ln() + 0.4 * 0.2_f64.ln());
    assert!((mean - entropy).abs() < 1e-3);
}

#[test]
fn constant_data_gives_the_base_rate_and_no_tree() {
    let coin = |_: f32, noise: f32| f32::from(u8::from(noise < 0.3));
    let knobs = Knobs { rounds_max: 60, ..knobs() };
    let [low, high] = learn(&knobs, |rows| Hazards::new(1, 1.0).with_rows(rows), coin);
    for lanes in [low, high] {
        assert!((hazards(&lanes, 1)[0] - 0.3).abs() < 0.03, "{lanes:?}");
    }
    let none = |_: f32, _: f32| 0.0;
    let [low, _] = learn(&knobs, |rows| Hazards::new(1, 1.0).with_rows(rows), none);
    assert!(hazards(&low, 1)[0] < 1e-3);
}

#[test]
fn a_leaf_of_an_event_takes_the_newton_step() {
    // From even odds: gradient 3 - 4 · 0.5, hessian 4 · 0.25.
    let values = [1.0, 1.0, 1.0, 0.0];
    let mut objective = Hazards::new(1, 0.0);
    let step = objective.steps(&values, &[[0.0; LANE_COUNT]; 4], &[0, 1, 2, 3]);
    assert!(close(step[0], 1.0));
    assert_eq!(step[1..], [0.0; LANE_COUNT - 1]);
    // Two causes from even odds of three: each gradient n - 4/3, each hessian 4 · 2/9.
    let mut objective = Hazards::new(2, 0.0);
    let step = objective.steps(&[1.0, 2.0, 2.0, 0.0], &[[0.0; LANE_COUNT]; 4], &[0, 1, 2, 3]);
    assert!(close(step[0], (1.0 - 4.0 / 3.0) / (8.0 / 9.0)));
    assert!(close(step[1], (2.0 - 4.0 / 3.0) / (8.0 / 9.0)));
}

#[test]
fn two_causes_are_learned_at_once_and_never_exceed_one() {
    // Below 0.5: the event 0.6, the other 0.1. Above: 0.1 and 0.8.
    let value = |x: f32, noise: f32| {
        let [event, other] = if x < 0.5 { [0.6, 0.1] } else { [0.1, 0.8] };
        match noise {
            _ if noise < event => 1.0,
            _ if noise < event + other => 2.0,
            _ => 0.0,
        }
    };
    let found = learn(&knobs(), |rows| Hazards::new(2, 1.0).with_rows(rows), value);
    for (lanes, expected) in found.iter().zip([[0.6, 0.1], [0.1, 0.8]]) {
        let hazards = hazards(lanes, 2);
        assert!(hazards.iter().sum::<f64>() < 1.0);
        for (hazard, expected) in hazards.iter().zip(expected) {
            assert!((hazard - expected).abs() < 0.08, "{hazards:?}");
        }
    }
    let certain = [f32::MAX, f32::MAX, f32::MIN, 0.0, 0.0, 0.0, 0.0, 0.0];
    let hazards = hazards(&certain, 4);
    assert!(hazards.iter().all(|hazard| hazard.is_finite()) && hazards.iter().sum::<f64>() <= 1.0);
}

#[test]
fn hubers_mean_starts_where_clamped_errors_cancel_out() {
    let start = |delta| Values::new(0.5, 0.0).with_huber(delta).start(&[0.0, 0.0, 0.0, 0.0, 100.0]);
    // Four errors of -m and one that counts as 1.
    assert!((start(Some(1.0))[MEAN_LANE] - 0.25).abs() < 1e-5);
    assert!((start(None)[MEAN_LANE] - 20.0).abs() < 1e-4);
    // The square up to delta, then a line that goes on as steeply: twice Huber's own.
    assert_eq!([0.0, 1.0, -2.0, 3.0].map(|rest| huber(rest, 2.0)), [0.0, 1.0, 4.0, 8.0]);
}
