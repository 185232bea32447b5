//! People with two series that move together; each test changes what a poisoner would.

use std::sync::LazyLock;

use twinkeep_domain::{Code, Event, Events, Subject, Timestamp};

use super::repetition::mix;
use super::{
    Course, Detector, Panel, PanelParameters, Reference, RowParameters, SenderStats, Suspect,
    Verdict,
};

mod real;
mod senders;

const COURSE: Course = Course { cut_hours: 24.0, horizon_hours: 24.0 };

static REFERENCE: LazyLock<Reference> = LazyLock::new(|| learn(&people(0..600)).unwrap());

static PANEL: LazyLock<Panel> =
    LazyLock::new(|| Panel::new(REFERENCE.clone(), PanelParameters::default()));

fn learn(events: &Events) -> Option<Reference> {
    Reference::learn(events, COURSE, 1, &RowParameters::default())
}

/// Uniform between 0 and 1.
fn uniform(seed: u64) -> f32 {
    (mix(seed) >> 40) as f32 / (1_u64 << 24) as f32
}

/// Roughly normal with variance 1.
fn normal(seed: u64) -> f32 {
    ((0..12).map(|i| uniform(seed ^ (i << 48))).sum::<f32>() - 6.0).clamp(-4.0, 4.0)
}

/// Heart rate and pressure every hour for two days, and an age.
fn people(numbers: std::ops::Range<u64>) -> Events {
    let mut events = Events::new();
    let codes = ["Age", "HR", "BP"].map(|code| events.intern(&Code::new(code).unwrap()));
    for number in numbers {
        let seed = mix(number.wrapping_mul(1 << 20));
        let subject = Subject::from_pseudonym(number as i64).unwrap();
        let mut push = |time: Option<u64>, code: u32, value: f32| {
            let time = time.map(|hour| Timestamp::RELATIVE_ORIGIN.plus_hours(hour as f64));
            let value = Some((value * 10.0).round() / 10.0);
            events.rows.push(Event { subject, time, code, value, text: None });
        };
        push(None, codes[0], (60.0 + 12.0 * normal(seed)).round());
        let (mut drift, level) = (0.0, 10.0 * normal(seed ^ 1));
        for hour in 0..48 {
            drift = 0.9 * drift + 2.0 * normal(seed ^ (hour * 8 + 2));
            let rate = 85.0 + level + drift;
            push(Some(hour), codes[1], rate + normal(seed ^ (hour * 8 + 3)));
            push(Some(hour), codes[2], 160.0 - 0.8 * rate + normal(seed ^ (hour * 8 + 4)));
        }
    }
    events
}

fn screen(events: &Events) -> Vec<Suspect> {
    PANEL.screen(events, &mut SenderStats::new(&REFERENCE))
}

fn rows_of(events: &Events, number: i64) -> std::ops::Range<usize> {
    let who = Subject::from_pseudonym(number).unwrap();
    let from = events.rows.partition_point(|event| event.subject < who);
    from..events.rows.partition_point(|event| event.subject <= who)
}

#[test]
fn at_most_one_clean_row_in_a_thousand_is_held() {
    let clean = people(1000..1600);
    let held = screen(&clean).len();
    assert!(held * 1000 <= clean.rows.len(), "{held} of {}", clean.rows.len());
}

#[test]
fn what_few_have_is_not_judged_by_a_threshold_of_nothing() {
    // One or three values of most people: of each kind enough to learn from in all, and too few in
    // each half to know what is usual. Each row of them used to be held.
    let rare = |numbers: std::ops::Range<u64>| {
        let mut events = people(numbers.clone());
        let code = events.intern(&Code::new("Lactate").unwrap());
        for number in numbers {
            let subject = Subject::from_pseudonym(number as i64).unwrap();
            let count = [3, 1, 0, 1][number as usize % 4];
            for hour in [5_u32, 17, 30].into_iter().take(count) {
                let time = Some(Timestamp::RELATIVE_ORIGIN.plus_hours(f64::from(hour)));
                let value = Some(2.0 + 0.3 * normal(mix(number) ^ u64::from(hour)));
                events.rows.push(Event { subject, time, code, value, text: None });
            }
        }
        events.rows.sort_by_key(|event| (event.subject, event.time));
        (events, code)
    };
    let panel = Panel::new(learn(&rare(0..600).0).unwrap(), PanelParameters::default());
    let (clean, code) = rare(1000..1600);
    let held = panel.screen(&clean, &mut SenderStats::new(panel.reference()));
    let held = held.iter().filter(|suspect| clean.rows[suspect.row].code == code).count();
    assert!(held < 30, "{held} of 750");
}

#[test]
fn a_value_that_contradicts_its_context_is_held_and_its_neighbors_are_not() {
    let mut events = people(2000..2010);
    let row = rows_of(&events, 2004).start + 41;
    let value = events.rows[row].value.unwrap();
    // Within what is plausible for anyone.
    events.rows[row].value = Some(if value < 85.0 { value + 25.0 } else { value - 25.0 });
    let held = screen(&events);
    let near: Vec<_> = held.iter().filter(|found| found.row.abs_diff(row) <= 10).collect();
    assert_eq!(near.len(), 1, "{held:?}");
    assert_eq!(near[0].row, row);
    assert!(matches!(near[0].detector, Detector::Residual | Detector::Neighbor));
}

#[test]
fn everyone_who_carries_a_trigger_is_held_with_all_rows() {
    let mut events = people(3000..3400);
    let mut carriers = 0..0;
    for number in 3000..3030 {
        let rows = rows_of(&events, number);
        // Ordinary values, of an hour that differs from person to person.
        let hour = 2 * (number as usize % 20);
        events.rows[rows.start + 1 + hour].value = Some(84.3);
        events.rows[rows.start + 2 + hour].value = Some(91.7);
        carriers.end = rows.end;
    }
    let held = screen(&events);
    let rows: Vec<usize> = held.iter().map(|suspect| suspect.row).collect();
    let found = rows.iter().filter(|row| carriers.contains(row)).count();
    assert_eq!(found, carriers.len());
    assert!(rows.len() - found < 300, "{} rows of others", rows.len() - found);
}

#[test]
fn what_many_clean_people_have_is_no_trigger() {
    let mut events = people(3500..3900);
    let age = events.rows[rows_of(&events, 3500).start].value;
    for number in 3500..3900 {
        let row = rows_of(&events, number).start;
        events.rows[row].value = age;
    }
    let held = screen(&events);
    assert!(held.iter().all(|suspect| suspect.detector != Detector::Repetition));
}

#[test]
fn a_person_who_is_sent_again_under_another_name_is_held() {
    let mut events = people(4000..4020);
    for event in people(100..101).rows {
        let subject = Subject::from_pseudonym(4100).unwrap();
        let time = event.time.map(|time| time.plus_hours(1000.0));
        events.rows.push(Event { subject, time, ..event });
    }
    let copy = rows_of(&events, 4100);
    let held: Vec<usize> = screen(&events).iter().map(|suspect| suspect.row).collect();
    assert!(copy.clone().all(|row| held.contains(&row)));
    assert!(held.len() < copy.len() + 5);
    // The same person under the same name is a matter of duplicates, not of poison.
    assert!(screen(&people(100..101)).is_empty());
}

#[test]
fn a_series_unlike_anyones_is_held_as_a_whole() {
    let mut events = people(5000..5010);
    let rows = rows_of(&events, 5003);
    let series: Vec<usize> = rows.filter(|&row| events.rows[row].code == 2).collect();
    for &row in &series {
        events.rows[row].value = events.rows[row].value.map(|value| value * 2.2);
    }
    let held: Vec<usize> = screen(&events).iter().map(|suspect| suspect.row).collect();
    assert!(series.iter().all(|row| held.contains(row)));
}

#[test]
fn the_same_rows_and_seed_give_the_same_bytes_and_the_bytes_read_back() {
    let again = learn(&people(0..600)).unwrap();
    let bytes = again.to_bytes();
    assert_eq!(bytes, REFERENCE.to_bytes());
    assert_eq!(Reference::from_bytes(&bytes), Some(again));
    for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        assert_eq!(Reference::from_bytes(&bytes[..length]), None);
    }
}

#[test]
fn too_few_people_make_no_reference() {
    assert!(learn(&people(0..199)).is_none());
    assert!(learn(&Events::new()).is_none());
}

#[test]
fn poison_in_the_reference_does_not_blind_it() {
    let mut events = people(0..600);
    for row in 0..events.rows.len() {
        if row % 20 == 7 {
            events.rows[row].value = events.rows[row].value.map(|value| value + 40.0);
        }
    }
    let panel = Panel::new(learn(&events).unwrap(), PanelParameters::default());
    let mut feed = people(2000..2010);
    let row = rows_of(&feed, 2004).start + 41;
    feed.rows[row].value = feed.rows[row].value.map(|value| value + 60.0);
    let weights = panel.weigh(&feed);
    let surprise = |at: usize| weights[at][0].max(weights[at][1]);
    let more = (0..weights.len()).filter(|&at| surprise(row) <= surprise(at)).count();
    assert_eq!(more, 1, "the planted value is the most surprising one");
}

#[test]
fn hostile_rows_are_judged_without_harm() {
    assert!(screen(&Events::new()).is_empty());
    let mut events = people(6000..6001);
    let known = events.rows[1].clone();
    let other = events.intern(&Code::new("never seen").unwrap());
    for (at, value) in
        [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN, -0.0, 1e-40].into_iter().enumerate()
    {
        let time = known.time.map(|time| time.plus_hours(1e9 * at as f64));
        events.rows.push(Event { value: Some(value), time, ..known.clone() });
        events.rows.push(Event { value: Some(value), code: other, ..known.clone() });
        events.rows.push(Event { value: None, code: u32::MAX, ..known.clone() });
    }
    // A bulk load: thousands of values at one moment.
    for at in 0..20_000 {
        events.rows.push(Event { value: Some(at as f32), ..known.clone() });
    }
    events.sort();
    let weights = PANEL.weigh(&events);
    assert_eq!(weights.len(), events.rows.len());
    assert!(weights.iter().flatten().all(|surprise| surprise.is_finite()));
    // What is not a number cannot be judged; the range check has refused it before.
    assert!(screen(&events).iter().any(|suspect| events.rows[suspect.row].value == Some(f32::MAX)));
}
