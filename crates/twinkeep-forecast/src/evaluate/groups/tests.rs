//! Subgroups: who is in which, and that every forecast value is in one group of each.

use twinkeep_domain::{
    Code, Cohort, Event, Pack, Screening, Subgroup, SubgroupBy, SubjectCodes, Timeline, Timestamp,
};

use super::super::evaluate;
use crate::testing::{GROUP, LEVEL, cohort, config, event, pack};
use crate::{Forecaster, train};

const YEAR: f64 = 8_765.82;

fn divided() -> Pack {
    let subject = SubjectCodes { birth: Some("BIRTH".to_owned()), ..SubjectCodes::default() };
    let subgroup = |title: &str, by, cuts: &[f32], names: &[&str]| Subgroup {
        title: title.to_owned(),
        by,
        cuts: cuts.to_vec(),
        names: names.iter().map(|&name| name.to_owned()).collect(),
    };
    pack()
        .with_screening(Screening { subject, ..Screening::default() })
        .and_then(|pack| {
            pack.with_subgroups(vec![
                subgroup("Age", SubgroupBy::Age, &[40.0], &[]),
                subgroup("Level", SubgroupBy::Variable(GROUP), &[0.5], &["low", "high"]),
            ])
        })
        .unwrap()
}

/// Subjects of 30 and 50 years, and one of whom nothing is known.
fn people() -> Cohort {
    let mut codes = cohort(1, 1).codes;
    let birth = u32::try_from(codes.len()).unwrap();
    codes.push(Code::new("BIRTH").unwrap());
    let person = |number: i64, age: Option<f64>, group: Option<f32>| {
        let mut events: Vec<Event> =
            (0..60).map(|hour| event(number, Some(f64::from(hour)), LEVEL, 40.0)).collect();
        if let Some(age) = age {
            let time = Some(Timestamp::RELATIVE_ORIGIN.plus_hours(-age * YEAR));
            events.push(Event { time, code: birth, value: None, ..events[0].clone() });
        }
        events.extend(group.map(|group| event(number, None, GROUP, group)));
        Timeline::new(events[0].subject, events).unwrap()
    };
    let timelines = vec![
        person(1, Some(30.0), Some(0.0)),
        person(2, Some(50.0), Some(1.0)),
        person(3, None, None),
    ];
    Cohort { codes, timelines }
}

#[test]
fn each_subject_is_in_one_group_of_each_kind() {
    let pack = divided();
    let model = train(&pack, &config(), &cohort(1, 60), &cohort(2, 40), &mut |_| ()).unwrap();
    let found = evaluate(&pack, &model as &dyn Forecaster, &people());
    let groups: Vec<(&str, &str, u64, u64)> = found
        .subgroups
        .iter()
        .map(|one| (one.by.as_str(), one.group.as_str(), one.subject_count, one.value_count))
        .collect();
    let expected = [
        ("Age", "below 40", 1, 25),
        ("Age", "40 and above", 1, 25),
        ("Age", "not known", 1, 25),
        ("Level", "low", 1, 25),
        ("Level", "high", 1, 25),
        ("Level", "not known", 1, 25),
    ];
    assert_eq!(groups, expected);
    assert_eq!(found.value_count, 75);
    assert!(found.subgroups.iter().all(|one| one.targets[0].code == "level"));
}

#[test]
fn a_pack_that_divides_nobody_has_no_subgroups() {
    let model = train(&pack(), &config(), &cohort(1, 60), &cohort(2, 40), &mut |_| ()).unwrap();
    assert!(evaluate(&pack(), &model, &people()).subgroups.is_empty());
}
