//! A profile of parts is the profile of the whole, stays small, and reads back.

use proptest::prelude::*;
use twinkeep_domain::{Code, Event, Events, Subject, Timestamp};

use super::{CODE_COUNT_MAX, Profile};
use crate::tests::take_bytes;

/// Events as `(subject, hour, code, value)`.
fn events(rows: &[(i64, i64, u8, f32)]) -> Events {
    let mut events = Events::new();
    for &(subject, hour, code, value) in rows {
        let code = events.intern(&Code::new(&format!("C{code}")).unwrap());
        events.rows.push(Event {
            subject: Subject::from_pseudonym(subject).unwrap(),
            time: Some(Timestamp::from_micros(hour)),
            code,
            value: Some(value),
            text: (value < 0.0).then(|| "low".into()),
        });
    }
    events.sort();
    events
}

fn of(rows: &[(i64, i64, u8, f32)]) -> Profile {
    let mut profile = Profile::default();
    profile.add_events(&events(rows));
    profile
}

proptest! {
    #[test]
    fn parts_merge_into_the_whole_and_the_whole_reads_back(
        rows in prop::collection::vec((0..50_i64, 0..100_i64, 0..5_u8, -100.0..100.0_f32), 1..300),
        at in 0.0..1.0_f64,
    ) {
        let mut sorted = rows.clone();
        sorted.sort_by_key(|row| row.0);
        let (left, right) = sorted.split_at((at * sorted.len() as f64) as usize);
        let whole = of(&sorted);
        let mut merged = of(left);
        merged.merge(&of(right));
        prop_assert_eq!(merged.span, whole.span);
        prop_assert_eq!(merged.codes.keys().collect::<Vec<_>>(), whole.codes.keys().collect::<Vec<_>>());
        for (code, one) in &whole.codes {
            let other = &merged.codes[code];
            prop_assert_eq!((other.events, other.texts), (one.events, one.texts));
            prop_assert_eq!(other.values.range(), one.values.range());
            prop_assert!((other.values.mean().unwrap() - one.values.mean().unwrap()).abs() < 1e-3);
            prop_assert!((other.subjects.count() - one.subjects.count()).abs() < 1.0);
            let exact: std::collections::BTreeSet<i64> = sorted.iter()
                .filter(|row| *code == format!("C{}", row.2)).map(|row| row.0).collect();
            prop_assert!((one.subjects.count() - exact.len() as f64).abs() < 1.0);
        }
        let json = whole.to_json();
        let read = Profile::from_json(&json).unwrap();
        prop_assert_eq!(read.subjects.count(), whole.subjects.count());
        prop_assert_eq!(read.events_per_subject.mean(), whole.events_per_subject.mean());
        for (code, one) in &whole.codes {
            let other = &read.codes[code];
            prop_assert_eq!((other.events, other.texts), (one.events, one.texts));
            prop_assert_eq!(other.values.mean(), one.values.mean());
            prop_assert_eq!(other.values.quantiles(&[0.1, 0.5]), one.values.quantiles(&[0.1, 0.5]));
            prop_assert_eq!(other.subjects.count(), one.subjects.count());
        }
    }

    #[test]
    fn damaged_json_is_refused_without_panic(at in 0.0..1.0_f64, byte in any::<u8>()) {
        let mut json = of(&[(1, 2, 3, 4.0), (2, 3, 3, 5.0)]).to_json();
        let at = (at * json.len() as f64) as usize;
        json[at] = byte;
        let _ = Profile::from_json(&json);
        prop_assert!(Profile::from_json(&json[..at]).is_err());
    }
}

#[test]
fn quantiles_are_close_and_the_size_does_not_grow_with_the_rows() {
    let rows: Vec<_> = (0..100_000).map(|at| (at / 10, at, 0, (at % 1000) as f32)).collect();
    let profile = of(&rows);
    let values = &profile.codes["C0"].values;
    assert_eq!(values.count(), 100_000);
    let quantiles = values.quantiles(&[0.01, 0.25, 0.5, 0.75, 0.99]).unwrap();
    for (found, expected) in quantiles.iter().zip([10.0, 250.0, 500.0, 750.0, 990.0]) {
        assert!((found - expected).abs() < 10.0, "{quantiles:?}");
    }
    assert!((profile.subjects.count() - 10_000.0).abs() < 600.0, "{}", profile.subjects.count());
    assert!(profile.to_json().len() < 20_000, "{}", profile.to_json().len());
}

#[test]
fn codes_beyond_the_limit_are_counted_together() {
    let mut events = Events::new();
    for number in 0..CODE_COUNT_MAX + 10 {
        let code = events.intern(&Code::new(&format!("C{number}")).unwrap());
        let subject = Subject::from_pseudonym(1).unwrap();
        events.rows.push(Event { subject, time: None, code, value: None, text: None });
    }
    let mut profile = Profile::default();
    profile.add_events(&events);
    assert_eq!((profile.codes.len(), profile.other_event_count), (CODE_COUNT_MAX, 10));
}

#[test]
fn a_source_comes_with_its_profile() {
    let stay = "Time,Parameter,Value\n00:00,RecordID,1\n00:00,Height,-1\n00:01,HR,80\n\
        00:02,HR,90\n00:03,HR,999\n00:04,X,1\n";
    let intake = take_bytes("text/csv", stay.as_bytes()).unwrap();
    let profile = &intake.profile;
    assert_eq!(profile.counts, intake.counts);
    let heart_rate = &profile.codes["HR"];
    assert_eq!((heart_rate.events, heart_rate.missing, heart_rate.refused), (2, 0, 1));
    assert_eq!(heart_rate.values.mean(), Some(85.0));
    assert_eq!((profile.codes["Height"].missing, profile.codes["Height"].events), (1, 0));
    assert_eq!(profile.reasons["unknown-code"], 1);
    assert_eq!(profile.subjects.count().round(), 1.0);
}

#[test]
fn a_newer_or_another_profile_is_refused_by_name() {
    let code = |json: &[u8]| Profile::from_json(json).unwrap_err().code();
    assert_eq!(code(b"{\"version\": 2}"), "profile-version");
    assert_eq!(code(b"{\"version\": 1}"), "profile-syntax");
    assert_eq!(code(b"[]"), "profile-syntax");
    let json = String::from_utf8(Profile::default().to_json()).unwrap();
    let damaged = json.replace("\"subjects\":\"\"", "\"subjects\":\"AAAA\"");
    assert_eq!(code(damaged.as_bytes()), "profile-sketch");
}
