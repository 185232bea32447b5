//! Measurements against a forecaster whose answers, and so whose errors, are known.

use twinkeep_domain::{
    Basis, Cohort, Forecast, ForecastPoint, QUANTILES, TargetForecast, Timeline, Timestamp,
};

use super::{EvaluationPlan, evaluate, evaluate_by, median};
use crate::Forecaster;
use crate::features::SubjectState;
use crate::testing::{ECHO, LEVEL, NOISE, cohort, event, pack};

/// Says the same for every subject and horizon; knows nothing of `noise`.
struct Constant {
    mean: f32,
    quantiles: [f32; QUANTILES.len()],
}

impl Forecaster for Constant {
    fn forecast(&self, state: &SubjectState, now: Timestamp, horizons: &[f32]) -> Forecast {
        let pack = pack();
        let point = |&horizon_hours: &f32| ForecastPoint {
            horizon_hours,
            mean: self.mean,
            quantiles: self.quantiles,
            outer: [self.quantiles[0] - 1.0, self.quantiles[6] + 1.0],
        };
        let target = |variable: usize| TargetForecast {
            code: pack.variables()[variable].code.clone(),
            basis: if variable == NOISE { Basis::NotEnoughHistory } else { Basis::Trees },
            last: state.variable(variable).map(|known| (known.last(), 1.0)),
            points: if variable == NOISE { vec![] } else { horizons.iter().map(point).collect() },
        };
        Forecast { prediction_time: now, targets: (0..3).map(target).collect(), windows: vec![] }
    }

    fn typical(&self, _: usize) -> f32 {
        7.0
    }
}

fn held_out(future: &[(f64, usize, f32)]) -> Cohort {
    let past = (0..5).map(|hour| (f64::from(hour), LEVEL, 10.0));
    let events: Vec<_> = past
        .chain(future.iter().copied())
        .map(|(hours, code, value)| event(1, Some(hours), code, value))
        .collect();
    let timeline = Timeline::new(events[0].subject, events).unwrap();
    Cohort { codes: cohort(1, 1).codes, timelines: vec![timeline] }
}

const SPREAD: [f32; 7] = [8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0];

#[test]
fn errors_and_coverage_are_what_they_are_by_hand() {
    // The second 24.0 is at the cut; 48.5 is beyond the horizon and does not count.
    let future = [(24.0, LEVEL, 12.5), (30.0, LEVEL, 8.0), (48.0, LEVEL, 20.0), (48.5, LEVEL, 0.0)];
    let found = evaluate(&pack(), &Constant { mean: 10.5, quantiles: SPREAD }, &held_out(&future));
    let level = &found.targets[LEVEL];
    assert_eq!((level.value_count, level.refused_count, level.unseen_count), (3, 0, 0));
    assert_eq!(level.mae, Some((1.5 + 3.0 + 9.0) / 3.0));
    let squares: f64 = 2.0 * 2.0 + 2.5 * 2.5 + 9.5 * 9.5;
    assert_eq!(level.rmse, Some((squares / 3.0).sqrt()));
    assert_eq!(level.carry_forward_mae, Some((2.5 + 2.0 + 10.0) / 3.0));
    assert_eq!(level.mase, Some(13.5 / 14.5));
    // 12.5 is in the 80 % interval, 8 on the edge of the 90 % interval, 20 outside all.
    assert_eq!(level.coverage_50, Some(0.0));
    assert_eq!(level.coverage_80, Some(1.0 / 3.0));
    assert_eq!(level.coverage_90, Some(2.0 / 3.0));
    assert_eq!(level.width_90, Some(6.0));
    assert_eq!((level.coverage_95, level.width_95), (Some(2.0 / 3.0), Some(8.0)));
    let pinball = |value: f32| -> f64 {
        let loss = |(q, p): (&f32, f32)| {
            let rest = value - q;
            f64::from(if rest < 0.0 { (p - 1.0) * rest } else { p * rest })
        };
        SPREAD.iter().zip(QUANTILES).map(loss).sum::<f64>() / 7.0
    };
    let expected = (pinball(12.5) + pinball(8.0) + pinball(20.0)) / 3.0;
    assert!((level.pinball.unwrap() - expected).abs() < 1e-6);
    assert_eq!(found.mase_median, level.mase);
    assert_eq!(found.coverage_90_mean, level.coverage_90);
    assert_eq!((found.value_count, found.subject_count), (3, 1));
}

#[test]
fn carry_forward_starts_from_the_training_mean_where_nothing_was_seen() {
    let found = evaluate(
        &pack(),
        &Constant { mean: 11.0, quantiles: SPREAD },
        &held_out(&[(25.0, ECHO, 17.0)]),
    );
    assert_eq!(found.targets[ECHO].unseen_count, 1);
    assert_eq!(found.targets[ECHO].carry_forward_mae, Some(10.0));
    assert_eq!(found.targets[ECHO].mae, Some(6.0));
}

#[test]
fn refusals_are_counted_and_measured_nowhere() {
    let found = evaluate(
        &pack(),
        &Constant { mean: 11.0, quantiles: SPREAD },
        &held_out(&[(25.0, NOISE, 17.0), (26.0, NOISE, 17.0)]),
    );
    let noise = &found.targets[NOISE];
    assert_eq!((noise.value_count, noise.refused_count, found.refused_count), (0, 2, 2));
    assert_eq!((noise.mae, noise.mase, noise.coverage_90), (None, None, None));
    assert_eq!((found.subject_count, found.mase_median), (0, None));
}

#[test]
fn carry_forward_that_is_always_right_has_no_ratio() {
    let found = evaluate(
        &pack(),
        &Constant { mean: 11.0, quantiles: SPREAD },
        &held_out(&[(25.0, LEVEL, 10.0)]),
    );
    assert_eq!(found.targets[LEVEL].carry_forward_mae, Some(0.0));
    assert_eq!(found.targets[LEVEL].mase, None);
}

#[test]
fn nobody_held_out_is_an_evaluation_of_nothing() {
    let empty = Cohort::default();
    let found = evaluate(&pack(), &Constant { mean: 11.0, quantiles: SPREAD }, &empty);
    assert_eq!((found.value_count, found.mase_median), (0, None));
    let json = serde_json::to_string(&found).unwrap();
    assert!(json.starts_with(r#"{"cut_hours":24.0,"horizon_hours":24.0,"subject_count":0"#));
}

#[test]
fn the_median_of_an_even_number_is_between_the_middle_two() {
    assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    assert_eq!(median(vec![]), None);
}

#[test]
fn any_cut_and_any_shorter_horizon_can_be_measured() {
    let future = [(12.0, LEVEL, 11.0), (13.0, ECHO, 17.0), (20.0, LEVEL, 9.0), (29.0, LEVEL, 9.0)];
    let plan = EvaluationPlan { cut_hours: 10.0, horizon_hours: 18.0, spreads: &[Some(0.5)] };
    let mut rows = Vec::new();
    let forecaster = Constant { mean: 11.0, quantiles: SPREAD };
    let found = evaluate_by(&pack(), &plan, &forecaster, &held_out(&future), &mut |scored| {
        assert!(scored.point.is_some());
        rows.push((scored.code.as_str().to_owned(), scored.actual, scored.carry_forward));
    });
    let row = |code: &str, actual, carried| (code.to_owned(), actual, carried);
    assert_eq!(rows, [row("level", 11.0, 10.0), row("echo", 17.0, 7.0), row("level", 9.0, 10.0)]);
    let level = &found.targets[LEVEL];
    assert_eq!((found.cut_hours, found.horizon_hours, level.value_count), (10.0, 18.0, 2));
    // The median is 11: one value is on it, the other 2 away; half a unit is the spread.
    assert_eq!((level.mae, level.scaled_mae), (Some(1.0), Some(2.0)));
    assert_eq!(found.scaled_mae_mean, Some(2.0));
    // The pack has buckets up to 8 and 24 hours; the second ends at the horizon.
    let buckets: Vec<_> =
        level.horizons.iter().map(|it| (it.from_hours, it.to_hours, it.value_count)).collect();
    assert_eq!(buckets, [(0.0, 8.0, 1), (8.0, 18.0, 1)]);
    assert_eq!(level.horizons[1].mae, Some(2.0));
    // 9 is the second of the quantiles 8, 9, 10, 11; 11 is the fourth.
    assert_eq!(level.calibration, [0.0, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0]);
    assert_eq!(found.targets[ECHO].calibration, [0.0; 7]);
    assert_eq!(found.calibration_mean[3], 0.5);
}

#[test]
fn the_score_of_a_certain_forecast_is_its_absolute_error() {
    let sure = Constant { mean: 11.0, quantiles: [11.0; 7] };
    let found = evaluate(&pack(), &sure, &held_out(&[(25.0, LEVEL, 15.0), (26.0, LEVEL, 11.0)]));
    let crps = found.targets[LEVEL].crps.unwrap();
    assert!((crps - 2.0).abs() < 1e-6, "{crps}");
}

#[test]
fn a_value_that_was_not_forecast_is_handed_on_without_a_forecast() {
    let plan = EvaluationPlan::of(&pack());
    let mut points = Vec::new();
    let forecaster = Constant { mean: 11.0, quantiles: SPREAD };
    let cohort = held_out(&[(25.0, NOISE, 17.0)]);
    evaluate_by(&pack(), &plan, &forecaster, &cohort, &mut |scored| {
        points.push((scored.point.is_some(), scored.carry_forward));
    });
    assert_eq!(points, [(false, 7.0)]);
}
