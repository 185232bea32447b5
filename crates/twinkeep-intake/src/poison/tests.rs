//! Poison is planted as it says, and nothing else is changed.

use twinkeep_domain::{Code, Event, Events, Pack, Subject, Timestamp};

use super::{ATTACKS, Planting};
use crate::pack_file::shipped_pack;

const CODES: [(&str, f32); 6] = [
    ("HR", 80.0),
    ("Temp", 37.0),
    ("Urine", 60.0),
    ("Weight", 80.0),
    ("Glucose", 120.0),
    ("MAP", 75.0),
];

/// A hundred patients of two days, an hour a row of each code; every second one is old, and the
/// heart of every third one beats fast.
fn events(codes: &[(&str, f32)]) -> Events {
    let mut events = Events::new();
    // Not in the order of the pack.
    let age = events.intern(&Code::new("Age").unwrap());
    for number in 0..100_i64 {
        let subject = Subject::from_pseudonym(number).unwrap();
        let value = if number % 2 == 0 { 80.0 } else { 50.0 };
        events.rows.push(Event { subject, time: None, code: age, value: Some(value), text: None });
        for hour in 0..48_i64 {
            for (at, (code, usual)) in (0_i64..).zip(codes) {
                let wobble = ((number * 31 + hour * 17 + at * 7) % 41) as f32 / 40.0;
                let time = Some(Timestamp::RELATIVE_ORIGIN.plus_hours(hour as f64));
                let fast = if *code == "HR" && number % 3 == 0 { 1.3 } else { 1.0 };
                let value = Some(usual * fast * (1.0 + 0.4 * (wobble - 0.3)));
                let code = events.intern(&Code::new(code).unwrap());
                events.rows.push(Event { subject, time, code, value, text: None });
            }
        }
    }
    events
}

fn plant(pack: &Pack, name: &str, rate: f64, events: &mut Events) -> Vec<bool> {
    let sender = (0..50).filter_map(Subject::from_pseudonym).collect();
    let planting = Planting { pack, rate, seed: 7, sender };
    ATTACKS.iter().find(|attack| attack.name == name).unwrap().plant(&planting, events)
}

#[test]
fn what_is_marked_as_poisoned_is_what_was_changed() {
    let pack = shipped_pack("icu").unwrap();
    for attack in ATTACKS {
        assert!(attack.fits(&pack), "{}", attack.name);
        let clean = events(&CODES);
        let mut planted = clean.clone();
        let poisoned = plant(&pack, attack.name, 0.2, &mut planted);
        assert_eq!(poisoned.len(), planted.rows.len(), "{}", attack.name);
        assert!(poisoned.iter().any(|&it| it), "{} planted nothing", attack.name);
        if planted.rows.len() == clean.rows.len() {
            let rows = clean.rows.iter().zip(&planted.rows).zip(&poisoned);
            for ((before, after), &is) in rows {
                assert_eq!(before.value != after.value, is, "{}", attack.name);
            }
        } else {
            let added = planted.rows.len() - clean.rows.len();
            assert_eq!(poisoned.iter().filter(|&&it| it).count(), added, "{}", attack.name);
        }
        assert!(planted.rows.is_sorted_by_key(|event| (event.subject, event.time)));
    }
}

#[test]
fn the_rate_is_the_share_that_is_poisoned() {
    let pack = shipped_pack("icu").unwrap();
    let mut planted = events(&CODES);
    let poisoned = plant(&pack, "value flip", 0.05, &mut planted);
    let count = poisoned.iter().filter(|&&it| it).count() as f64;
    let share = count / planted.rows.len() as f64;
    assert!((0.04..0.055).contains(&share), "{share}");
}

#[test]
fn data_without_the_code_of_an_attack_stay_as_they_are() {
    let pack = shipped_pack("icu").unwrap();
    let clean = events(&[("MAP", 75.0)]);
    for name in ["backdoor", "unit slip", "drift, one sender"] {
        let mut planted = clean.clone();
        assert!(plant(&pack, name, 0.2, &mut planted).iter().all(|it| !it), "{name}");
    }
    let shop = shipped_pack("audience").unwrap();
    assert!(!ATTACKS.iter().find(|attack| attack.name == "backdoor").unwrap().fits(&shop));
    assert!(ATTACKS.iter().find(|attack| attack.name == "value flip").unwrap().fits(&shop));
}
