//! A shop for tests of window targets: customers whose laws are known.
//!
//! On each of 60 days a customer leaves for good with probability 0.01; who is still there buys
//! with probability 0.5 (the eager half, for about 10) or 0.05 (the others, for about 100).

use twinkeep_domain::{
    Code, CodeList, CodePattern, Cohort, Distinct, Event, EventPlan, ForecastPlan, ObservedUntil,
    OtherCodes, Pack, Range, Screening, Subject, Timeline, Timestamp, Variable, VariableKind,
    WindowKind, WindowTarget,
};

use super::{pack, uniform};

pub(crate) const BUY: usize = 0;
pub(crate) const LEAVE: usize = 1;

/// Places among the window targets.
pub(crate) const SPENT: usize = 0;
pub(crate) const VISITS: usize = 1;
pub(crate) const RETURN: usize = 2;
pub(crate) const LEFT: usize = 3;
pub(crate) const QUIET: usize = 4;

pub(crate) const WINDOW_DAYS: usize = 8;

pub(crate) fn shop_pack() -> Pack {
    let base = pack();
    let buy = Variable {
        code: Code::new("buy").unwrap(),
        range: Range { low: 0.0, high: 500.0 },
        ..base.variables()[0].clone()
    };
    let mode = Variable {
        code: Code::new("mode").unwrap(),
        kind: VariableKind::Static,
        target: false,
        ..base.variables()[0].clone()
    };
    let plan = ForecastPlan {
        cuts_hours: vec![240.0],
        cuts_every_hours: Some(192.0),
        observed_until: ObservedUntil::EndOfData,
        evaluation_cut_hours: 240.0,
        horizon_hours: 192.0,
        step_hours: 24.0,
        memory_hours: [48.0, 192.0, 480.0],
        buckets_hours: vec![192.0],
        history_event_count_min: 1,
        ..base.forecast().clone()
    };
    let codes = CodeList { other: OtherCodes::Refuse, accept: vec!["leave".into()] };
    let words = base.words().clone();
    Pack::new("shop".into(), "Shop".into(), 1, words, vec![buy, mode], plan)
        .and_then(|pack| pack.with_screening(Screening { codes, ..Screening::default() }))
        .and_then(|pack| pack.with_windows(targets()))
        .unwrap()
}

fn targets() -> Vec<WindowTarget> {
    let pattern = |text: &str| CodePattern::new(text).unwrap();
    let target = |code: &str, about: &str, kind| WindowTarget {
        code: Code::new(code).unwrap(),
        title: code.to_owned(),
        codes: vec![pattern(about)],
        window_hours: 24.0 * WINDOW_DAYS as f32,
        kind,
    };
    let event = |competing: Vec<CodePattern>, once, absent| {
        let horizons_hours = vec![48.0, 96.0, 144.0, 192.0];
        WindowKind::Event(EventPlan { horizons_hours, competing, once, absent })
    };
    vec![
        target("spent", "buy", WindowKind::Sum),
        target("visits", "buy", WindowKind::Count(Distinct::Day)),
        target("return", "buy", event(vec![pattern("leave")], false, false)),
        target("left", "leave*", event(vec![], true, false)),
        target("quiet", "buy", event(vec![], false, true)),
    ]
}

pub(crate) fn shop_event(subject: i64, day: f64, code: usize, value: Option<f32>) -> Event {
    Event {
        subject: Subject::from_pseudonym(subject).unwrap(),
        time: Some(Timestamp::RELATIVE_ORIGIN.plus_hours(24.0 * day)),
        code: u32::try_from(code).unwrap(),
        value,
        text: None,
    }
}

/// Returns as many customers as asked for; another seed gives others.
pub(crate) fn shop_cohort(seed: u64, count: i64) -> Cohort {
    let codes = ["buy", "leave"].map(|code| Code::new(code).unwrap());
    let timelines = (0..count).map(|number| customer(seed, number)).collect();
    Cohort { codes: codes.to_vec(), timelines }
}

/// The even ones are eager.
pub(crate) fn is_eager(number: i64) -> bool {
    number % 2 == 0
}

fn customer(seed: u64, number: i64) -> Timeline {
    let draw = |step: u64| uniform(seed, number, step);
    let (often, amount) = if is_eager(number) { (0.5, 10.0) } else { (0.05, 100.0) };
    let mut events = vec![shop_event(number, 0.0, BUY, Some(amount))];
    for day in 1..60_u32 {
        let step = 10 * u64::from(day);
        let time = f64::from(day) + f64::from(draw(step)) / 3.0;
        if draw(step + 1) < 0.01 {
            events.push(shop_event(number, time, LEAVE, None));
            break;
        }
        if draw(step + 2) < often {
            let value = amount * (0.9 + 0.2 * draw(step + 3));
            events.push(shop_event(number, time, BUY, Some(value)));
        }
    }
    Timeline::new(Subject::from_pseudonym(number).unwrap(), events).unwrap()
}
