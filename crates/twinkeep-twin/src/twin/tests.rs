//! A twin: the same however it learned what it knows, and never wise after the event.

use twinkeep_domain::{
    Basis, Code, Event, Forecast, ForecastPlan, Pack, Range, SplitPlan, Subject, TargetForecast,
    Timeline, Timestamp, Variable, VariableKind, Words,
};
use twinkeep_forecast::{Forecaster, SubjectState};

use super::{Twin, history, horizons};

fn plan() -> ForecastPlan {
    ForecastPlan {
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
    }
}

fn pack() -> Pack {
    let variable = |code: &str| Variable {
        code: Code::new(code).unwrap(),
        title: code.to_owned(),
        unit: "1".to_owned(),
        loinc: None,
        kind: VariableKind::Series,
        target: true,
        range: Range { low: 0.0, high: 100.0 },
        missing: Vec::new(),
        aliases: Vec::new(),
        rules: Default::default(),
    };
    let words = Words { subject: "unit".into(), subjects: "units".into() };
    let variables = vec![variable("a"), variable("b")];
    Pack::new("test".into(), "Test".into(), 1, words, variables, plan()).unwrap()
}

/// The source lists its codes in another order than the pack, and one that the pack lacks.
fn codes() -> Vec<Code> {
    ["b", "unknown", "a"].map(|code| Code::new(code).unwrap()).to_vec()
}

fn at(hours: f64) -> Timestamp {
    Timestamp::RELATIVE_ORIGIN.plus_hours(hours)
}

fn event(hours: f64, code: u32, value: f32) -> Event {
    let subject = Subject::from_pseudonym(1).unwrap();
    Event { subject, time: Some(at(hours)), code, value: Some(value), text: None }
}

fn timeline() -> Timeline {
    let events = vec![
        event(1.0, 2, 10.0),
        event(3.0, 2, 14.0),
        event(4.0, 0, 50.0),
        event(5.0, 1, 99.0),
        event(6.0, 2, 12.0),
    ];
    Timeline::new(events[0].subject, events).unwrap()
}

/// Answers with what it was asked.
struct Echo;

impl Forecaster for Echo {
    fn forecast(&self, _: &SubjectState, now: Timestamp, horizons: &[f32]) -> Forecast {
        let point = |&horizon_hours: &f32| twinkeep_domain::ForecastPoint {
            horizon_hours,
            mean: 0.0,
            quantiles: [0.0; 7],
            outer: [0.0; 2],
        };
        let target = TargetForecast {
            code: Code::new("a").unwrap(),
            basis: Basis::Trees,
            last: None,
            points: horizons.iter().map(point).collect(),
        };
        Forecast { prediction_time: now, targets: vec![target], windows: vec![] }
    }

    fn typical(&self, _: usize) -> f32 {
        0.0
    }
}

#[test]
fn a_twin_knows_the_last_value_its_age_the_count_and_the_trend() {
    let twin = Twin::from_timeline(&pack(), &codes(), &timeline());
    let found = twin.summarize(at(8.0));
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].variable, found[0].last, found[0].age_hours), (0, 12.0, 2.0));
    assert_eq!(found[0].count, 3);
    // Times 1, 3, 6 and values 10, 14, 12: covariance 4, spread 38/3.
    assert!((found[0].trend_per_hour.unwrap() - 4.0 / (38.0 / 3.0)).abs() < 1e-5);
    assert_eq!((found[1].variable, found[1].count, found[1].trend_per_hour), (1, 1, None));
}

#[test]
fn events_one_by_one_make_the_same_twin_as_a_timeline() {
    let (pack, timeline) = (pack(), timeline());
    let whole = Twin::from_timeline(&pack, &codes(), &timeline);
    let empty = Timeline::new(timeline.subject(), Vec::new()).unwrap();
    let mut live = Twin::from_timeline(&pack, &codes(), &empty);
    assert_eq!(live.latest(), None);
    let known: Vec<bool> = timeline.events().iter().map(|event| live.apply(event)).collect();
    assert_eq!(known, [true, true, true, false, true]);
    assert!(live.summarize(at(9.0)) == whole.summarize(at(9.0)));
    assert_eq!(live.latest(), Some(at(6.0)));
}

#[test]
fn the_past_of_a_twin_knows_nothing_of_its_future() {
    let past = Twin::at(&pack(), &codes(), &timeline(), at(3.0));
    let found = past.summarize(at(3.0));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].last, found[0].count), (14.0, 2));
    assert_eq!(past.latest(), Some(at(3.0)));
}

#[test]
fn a_forecast_has_every_step_and_never_starts_before_the_latest_event() {
    let twin = Twin::from_timeline(&pack(), &codes(), &timeline());
    let forecast = twin.forecast(&Echo, &plan(), at(7.0));
    assert_eq!(forecast.prediction_time, at(7.0));
    let found: Vec<f32> =
        forecast.targets[0].points.iter().map(|point| point.horizon_hours).collect();
    assert_eq!(found, [6.0, 12.0, 18.0, 24.0]);
    assert_eq!(twin.forecast(&Echo, &plan(), at(2.0)).prediction_time, at(6.0));
}

#[test]
fn the_horizon_is_always_the_last_step() {
    let steps =
        |step_hours, horizon_hours| horizons(&ForecastPlan { step_hours, horizon_hours, ..plan() });
    assert_eq!(steps(10.0, 24.0), [10.0, 20.0, 24.0]);
    assert_eq!(steps(24.0, 24.0), [24.0]);
    assert_eq!(steps(0.1, 0.3).len(), 3);
    // A step that is absurdly small is widened.
    assert_eq!(steps(1e-6, 24.0).len(), 1_000);
}

#[test]
fn history_is_one_variable_up_to_now() {
    let found = history(&pack(), &codes(), &timeline(), 0, at(5.0));
    assert_eq!(found, [(-4.0, 10.0), (-2.0, 14.0)]);
    assert!(history(&pack(), &codes(), &timeline(), 7, at(5.0)).is_empty());
}

#[test]
fn a_twin_shows_nothing_about_its_subject() {
    let twin = Twin::from_timeline(&pack(), &codes(), &timeline());
    assert_eq!(format!("{twin:?}"), "Twin(hidden)");
    assert_eq!(format!("{:?}", twin.summarize(at(8.0))[0]), "VariableSummary(hidden)");
}
