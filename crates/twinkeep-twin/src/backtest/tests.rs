//! The past is judged by what was known then, and counted right.

use twinkeep_domain::{
    Basis, Code, Event, Forecast, ForecastPlan, ForecastPoint, Pack, Range, SplitPlan, Subject,
    TargetForecast, Timeline, Timestamp, Variable, VariableKind, Words,
};
use twinkeep_forecast::{Forecaster, SubjectState};

use super::{BackTest, backtest};

fn pack() -> Pack {
    let variable = Variable {
        code: Code::new("hours").unwrap(),
        title: "Hours".to_owned(),
        unit: "h".to_owned(),
        loinc: None,
        kind: VariableKind::Series,
        target: true,
        range: Range { low: 0.0, high: 1000.0 },
        missing: Vec::new(),
        aliases: Vec::new(),
        rules: Default::default(),
    };
    let plan = ForecastPlan {
        cuts_hours: vec![24.0],
        cuts_every_hours: None,
        observed_until: Default::default(),
        evaluation_cut_hours: 24.0,
        horizon_hours: 24.0,
        step_hours: 6.0,
        memory_hours: [2.0, 6.0, 24.0],
        buckets_hours: vec![24.0],
        history_event_count_min: 1,
        splits: SplitPlan::new(60, 20).unwrap(),
    };
    let words = Words { subject: "unit".into(), subjects: "units".into() };
    Pack::new("test".into(), "Test".into(), 1, words, vec![variable], plan).unwrap()
}

/// A value an hour, which is the hour.
fn timeline(hours: u16) -> Timeline {
    let subject = Subject::from_pseudonym(1).unwrap();
    let event = |hour: u16| Event {
        subject,
        time: Some(Timestamp::RELATIVE_ORIGIN.plus_hours(f64::from(hour))),
        code: 0,
        value: Some(f32::from(hour)),
        text: None,
    };
    Timeline::new(subject, (0..=hours).map(event).collect()).unwrap()
}

/// Knows that the value grows by one an hour, and sees nothing that is later than now.
struct Grows;

impl Forecaster for Grows {
    fn forecast(&self, state: &SubjectState, now: Timestamp, horizons: &[f32]) -> Forecast {
        let known = state.variable(0).unwrap();
        assert!(known.last_time() <= now, "a forecast must not see the future");
        let age = now.hours_since(known.last_time()) as f32;
        let point = |&horizon_hours: &f32| {
            let value = known.last() + age + horizon_hours;
            let quantiles = std::array::from_fn(|at| value + (at as f32 - 3.0) / 10.0);
            let outer = [value - 1.0, value + 1.0];
            ForecastPoint { horizon_hours, mean: value, quantiles, outer }
        };
        let target = TargetForecast {
            code: Code::new("hours").unwrap(),
            basis: Basis::Trees,
            last: Some((known.last(), age)),
            points: horizons.iter().map(point).collect(),
        };
        Forecast { prediction_time: now, targets: vec![target], windows: Vec::new() }
    }

    fn typical(&self, _: usize) -> f32 {
        0.0
    }
}

#[test]
fn every_value_within_the_horizon_of_a_moment_counts_once_for_it() {
    let (pack, timeline) = (pack(), timeline(48));
    let codes = [Code::new("hours").unwrap()];
    let found = backtest(&pack, &codes, &timeline, &Grows, 0, timeline.end().unwrap());
    // Moments 6, 12, 18, 24 have 24 values each before them; 30, 36, 42 have 18, 12, 6.
    let sum = |last: u16| f32::from(last * (last + 1) / 2);
    let carried = (4.0 * sum(24) + sum(18) + sum(12) + sum(6)) / 132.0;
    assert_eq!((found.forecast_count, found.value_count), (7, 132));
    assert!(found.mae.unwrap() < 1e-3);
    assert!((found.carry_forward_mae.unwrap() - carried).abs() < 1e-3);
    assert_eq!(found.coverage_90, Some(1.0));
}

#[test]
fn nothing_after_now_is_looked_at_and_a_long_past_takes_larger_steps() {
    let (pack, timeline) = (pack(), timeline(2000));
    let codes = [Code::new("hours").unwrap()];
    let now = Timestamp::RELATIVE_ORIGIN.plus_hours(12.0);
    let found = backtest(&pack, &codes, &timeline, &Grows, 0, now);
    assert_eq!((found.forecast_count, found.value_count), (1, 6));
    let found = backtest(&pack, &codes, &timeline, &Grows, 0, timeline.end().unwrap());
    assert_eq!(found.forecast_count, 47);
}

#[test]
fn without_a_past_there_is_nothing_to_compare() {
    let (pack, timeline) = (pack(), timeline(1));
    let codes = [Code::new("hours").unwrap()];
    let found = backtest(&pack, &codes, &timeline, &Grows, 0, timeline.end().unwrap());
    assert_eq!(found, BackTest::default());
}
