//! A small world for tests: a pack of four variables, and subjects whose laws are known.
//!
//! - `level` wanders around a mean of its own; the mean is the best forecast, the last value is not.
//! - `echo` will be twice the last `level`, whatever it was before.
//! - `noise` is uniform between 0 and 100 and cannot be forecast.
//! - `group` (static, missing for a third) is 1 where `level` lies higher.

use twinkeep_domain::{
    Code, Cohort, Event, ForecastPlan, Pack, Range, SplitPlan, Subject, Timeline, Timestamp,
    Variable, VariableKind, Words,
};

use crate::TrainConfig;
use crate::random::bits;

mod shop;

pub(crate) use shop::*;

pub(crate) const LEVEL: usize = 0;
pub(crate) const ECHO: usize = 1;
pub(crate) const NOISE: usize = 2;
pub(crate) const GROUP: usize = 3;

pub(crate) fn pack() -> Pack {
    let variable = |code: &str, kind, target| Variable {
        code: Code::new(code).unwrap(),
        title: code.to_owned(),
        unit: "1".to_owned(),
        loinc: None,
        kind,
        target,
        range: Range { low: -500.0, high: 500.0 },
        missing: Vec::new(),
        aliases: Vec::new(),
        rules: Default::default(),
    };
    let variables = vec![
        variable("level", VariableKind::Series, true),
        variable("echo", VariableKind::Series, true),
        variable("noise", VariableKind::Series, true),
        variable("group", VariableKind::Static, false),
    ];
    let plan = ForecastPlan {
        cuts_hours: vec![12.0, 24.0],
        cuts_every_hours: None,
        observed_until: Default::default(),
        evaluation_cut_hours: 24.0,
        horizon_hours: 24.0,
        step_hours: 4.0,
        memory_hours: [2.0, 6.0, 24.0],
        buckets_hours: vec![8.0, 24.0],
        history_event_count_min: 3,
        splits: SplitPlan::new(60, 20).unwrap(),
    };
    let words = Words { subject: "unit".into(), subjects: "units".into() };
    Pack::new("test".into(), "Test".into(), 1, words, variables, plan).unwrap()
}

pub(crate) fn config() -> TrainConfig {
    TrainConfig { rounds_max: 120, snapshot_rows_max: 4, ..TrainConfig::default() }
}

/// Returns as many subjects as asked for; another seed gives others.
pub(crate) fn cohort(seed: u64, count: i64) -> Cohort {
    let codes = ["level", "echo", "noise", "group"].map(|code| Code::new(code).unwrap());
    let timelines = (0..count).map(|number| timeline(seed, number)).collect();
    Cohort { codes: codes.to_vec(), timelines }
}

pub(crate) fn event(subject: i64, hours: Option<f64>, code: usize, value: f32) -> Event {
    Event {
        subject: Subject::from_pseudonym(subject).unwrap(),
        time: hours.map(|hours| Timestamp::RELATIVE_ORIGIN.plus_hours(hours)),
        code: u32::try_from(code).unwrap(),
        value: Some(value),
        text: None,
    }
}

/// Returns a number between 0 and 1.
pub(crate) fn uniform(seed: u64, number: i64, step: u64) -> f32 {
    (bits(seed, [77, number.unsigned_abs(), step]) >> 40) as f32 / (1_u32 << 24) as f32
}

fn timeline(seed: u64, number: i64) -> Timeline {
    let draw = |step: u64| uniform(seed, number, step);
    let high = draw(0) < 0.5;
    let mean = draw(1) * 10.0 + if high { 60.0 } else { 30.0 };
    let mut events = vec![event(number, Some(0.0), LEVEL, mean)];
    if draw(2) < 0.67 {
        events.push(event(number, None, GROUP, f32::from(u8::from(high))));
    }
    let mut hours = 0.0;
    let mut before_cut = mean;
    for step in 0..48_u64 {
        hours += 0.5 + f64::from(draw(10 + step * 10));
        // Triangular noise: two draws.
        let level = mean + 10.0 * (draw(11 + step * 10) + draw(12 + step * 10) - 1.0);
        events.push(event(number, Some(hours), LEVEL, level));
        if step % 3 == 0 {
            let wobble = draw(13 + step * 10) - 0.5;
            let echo = if hours < 24.0 { 40.0 + wobble } else { 2.0 * before_cut + wobble };
            events.push(event(number, Some(hours + 0.1), ECHO, echo));
        }
        if step % 4 == 0 {
            events.push(event(number, Some(hours + 0.2), NOISE, 100.0 * draw(14 + step * 10)));
        }
        if hours < 24.0 {
            before_cut = level;
        }
    }
    Timeline::new(Subject::from_pseudonym(number).unwrap(), events).unwrap()
}
