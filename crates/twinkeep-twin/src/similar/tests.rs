//! Those who are alike are found, and nobody can be seen among them.

use twinkeep_domain::{
    Code, Cohort, Event, ForecastPlan, Pack, Range, Screening, SplitPlan, Subject, SubjectCodes,
    Timeline, Timestamp, Variable, VariableKind, Words,
};
use twinkeep_forecast::CodeMap;

use super::{GROUP_COUNT_MIN, Others, Similar, quartiles, rounded};

fn pack() -> Pack {
    let variable = |code: &str, kind: VariableKind| Variable {
        code: Code::new(code).unwrap(),
        title: code.to_owned(),
        unit: "1".to_owned(),
        loinc: None,
        kind,
        target: kind == VariableKind::Series,
        range: Range { low: 0.0, high: 1_000.0 },
        missing: Vec::new(),
        aliases: Vec::new(),
        rules: Default::default(),
    };
    let plan = ForecastPlan {
        cuts_hours: vec![4.0],
        cuts_every_hours: None,
        observed_until: Default::default(),
        evaluation_cut_hours: 4.0,
        horizon_hours: 8.0,
        step_hours: 1.0,
        memory_hours: [1.0, 2.0, 4.0],
        buckets_hours: vec![4.0, 8.0],
        history_event_count_min: 1,
        splits: SplitPlan::new(60, 20).unwrap(),
    };
    let words = Words { subject: "unit".into(), subjects: "units".into() };
    let variables = vec![
        variable("a", VariableKind::Series),
        variable("age", VariableKind::Static),
        variable("sex", VariableKind::Static),
    ];
    let subject = SubjectCodes {
        age: Some("age".into()),
        birth: None,
        sex: Some("sex".into()),
        female: 0.0,
        male: 1.0,
    };
    Pack::new("test".into(), "Test".into(), 1, words, variables, plan)
        .and_then(|pack| pack.with_screening(Screening { subject, ..Screening::default() }))
        .unwrap()
}

fn codes() -> Vec<Code> {
    ["a", "age", "sex"].map(|code| Code::new(code).unwrap()).to_vec()
}

/// Whoever is high stays high; the high are old women. Who leaves has nothing after the moment.
fn life(number: i64, high: bool, leaves: bool) -> Timeline {
    let subject = Subject::from_pseudonym(number).unwrap();
    let event = |hours: Option<f64>, code: u32, value: f32| Event {
        subject,
        time: hours.map(|hours| Timestamp::RELATIVE_ORIGIN.plus_hours(hours)),
        code,
        value: Some(value),
        text: None,
    };
    let base = if high { 100.0 } else { 10.0 } + (number % 7) as f32;
    let mut events = vec![
        event(None, 1, if high { 81.0 } else { 33.0 }),
        event(None, 2, if high { 0.0 } else { 1.0 }),
        event(Some(0.0), 0, base),
        event(Some(3.0), 0, base),
    ];
    if !leaves {
        events.push(event(Some(6.0), 0, base + 1.0));
        events.push(event(Some(11.0), 0, base + 2.0));
    }
    Timeline::new(subject, events).unwrap()
}

fn others<'a>(pack: &'a Pack, people: &Cohort, of: &Timeline) -> Others<'a> {
    let now = Timestamp::RELATIVE_ORIGIN.plus_hours(4.0);
    let mut others = Others::of(pack, &codes(), of, now).unwrap();
    let codes = CodeMap::new(pack, &people.codes);
    people.timelines.iter().for_each(|timeline| others.add(&codes, timeline));
    others
}

fn people(high: i64, low: i64, leaving: i64) -> Cohort {
    let mut timelines: Vec<Timeline> = (0..high).map(|number| life(number, true, false)).collect();
    timelines.extend((high..high + low).map(|number| life(number, false, false)));
    timelines.extend((high + low..high + low + leaving).map(|number| life(number, true, true)));
    Cohort { codes: codes(), timelines }
}

fn ask(people: &Cohort, of: &Timeline, count: usize) -> Option<Similar> {
    others(&pack(), people, of).nearest(count)
}

#[test]
fn it_went_on_as_with_those_who_were_alike() {
    let found = ask(&people(40, 60, 0), &life(5, true, false), 30).unwrap();
    assert_eq!((found.compared_count, found.similar_count), (90, 30));
    assert_eq!((found.age_years, found.female_share), (Some(80.0), Some(1.0)));
    assert_eq!(found.outcomes.len(), 2);
    let first = found.outcomes[0];
    assert_eq!((first.from_hours, first.to_hours, first.count), (0.0, 4.0, 30));
    assert!(first.quartiles.iter().all(|value| (101.0..=107.0).contains(value)));
    assert!(found.outcomes[1].quartiles.iter().all(|value| (102.0..=109.0).contains(value)));
    let low = ask(&people(40, 60, 0), &life(1_000, false, false), 30).unwrap();
    assert_eq!((low.age_years, low.female_share), (Some(35.0), Some(0.0)));
    assert!(low.outcomes[0].quartiles.iter().all(|value| *value < 20.0));
}

#[test]
fn the_subject_is_not_among_the_others_and_small_groups_are_not_told() {
    let of = life(3, true, false);
    // The subject is one of 20 others: 19 are too few.
    assert!(ask(&people(20, 0, 0), &of, 20).is_none());
    let found = ask(&people(21, 0, 0), &of, 1).unwrap();
    assert_eq!(found.similar_count, GROUP_COUNT_MIN);
    assert!(ask(&people(21, 0, 0), &of, 10_000).is_some());
    assert_eq!(format!("{found:?}"), "Similar(hidden)");
}

#[test]
fn who_was_not_observed_after_is_not_asked() {
    assert!(ask(&people(10, 0, 50), &life(1_000, true, false), 20).is_none());
    let found = ask(&people(25, 0, 50), &life(1_000, true, false), 20).unwrap();
    assert_eq!(found.compared_count, 20);
}

#[test]
fn one_person_more_or_less_changes_counts_by_nothing_or_ten() {
    for count in 25..45 {
        let found = ask(&people(count, 0, 0), &life(1_000, true, false), 500).unwrap();
        assert_eq!(found.similar_count % 10, 0);
        assert_eq!(found.similar_count, count as usize / 10 * 10);
    }
}

#[test]
fn quartiles_are_rounded_and_need_a_group() {
    assert_eq!(quartiles((0..19).map(|at| at as f32)), None);
    let values = (0..21).map(|at| 1_000.0 + at as f32).chain([f32::NAN]);
    assert_eq!(quartiles(values), Some((21, [1_000.0, 1_010.0, 1_020.0])));
    assert_eq!(rounded(0.123_45), 0.123);
}

#[test]
fn a_subject_without_a_time_has_no_moment() {
    let subject = Subject::from_pseudonym(1).unwrap();
    let event = Event { subject, time: None, code: 1, value: Some(50.0), text: None };
    let timeline = Timeline::new(subject, vec![event]).unwrap();
    assert!(Others::of(&pack(), &codes(), &timeline, Timestamp::RELATIVE_ORIGIN).is_none());
}
