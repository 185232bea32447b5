//! An event is stored once, whichever portion or feed brings it again.

use std::collections::BTreeSet;

use proptest::prelude::*;
use twinkeep_domain::{Code, Event, Events, Screened, SourceSubject, Subject, Timestamp};
use twinkeep_vault::Pseudonymizer;

use super::{
    MARKED_FILE, Sample, add, add_portion, event_count, new_feed, opening, root, sample, splits,
    staged,
};
use crate::{Disposition, FeedCounts, FeedId, NewFeed, PortionOutcome, Store};

#[test]
fn a_second_feed_with_the_same_events_brings_none_of_them_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    add(&store, &sample(1, 6, 40)).unwrap();
    // Events of the same times as before and one subject more; static events are the same too.
    let again = Sample { digest: [2; 32], ..sample(1, 7, 40) };
    let splits = splits();
    let mut writer = store.begin_feed(opening(&splits)).unwrap();
    let outcome = add_portion(&mut writer, &again, &[]).unwrap();
    assert_eq!(outcome, outcome_of(40, 6 * 40));
    let counts = FeedCounts { read: 300, accepted: 290, missing: 4, quarantined: 6 };
    let feed = NewFeed { counts, ..new_feed(&again) };
    let id = writer.finish(&feed, Disposition::Admit).unwrap();
    assert_eq!(event_count(&store), 7 * 40);
    let counts = store.feeds().unwrap()[1].counts;
    assert_eq!((counts.accepted, counts.quarantined), (290 - 240, 6 + 240));
    assert_eq!(counts.read, counts.accepted + counts.missing + counts.quarantined);
    let rows = store.quarantined(id, 0, 1000).unwrap();
    assert_eq!(rows.len(), 240);
    assert!(rows.iter().all(|row| row.reason == "duplicate"));
    assert!(rows.iter().all(|row| row.file.expose() == MARKED_FILE.as_bytes() && 0 < row.row));
    let subjects: BTreeSet<&str> =
        rows.iter().map(|row| row.parsed.as_ref().unwrap().source.as_str()).collect();
    assert_eq!(subjects.len(), 6);
}

#[test]
fn portions_of_one_feed_are_compared_with_one_another() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let splits = splits();
    let mut writer = store.begin_feed(opening(&splits)).unwrap();
    let first = sample(1, 5, 30);
    assert_eq!(add_portion(&mut writer, &first, &[]).unwrap().stored, 150);
    let outcome = add_portion(&mut writer, &sample(2, 5, 30), &[]).unwrap();
    assert_eq!(outcome, outcome_of(150, 0));
    let outcome = add_portion(&mut writer, &first, &[]).unwrap();
    assert_eq!(outcome, outcome_of(0, 150));
    assert_eq!(writer.totals(), outcome_of(300, 150));
    assert_eq!(writer.subject_count().unwrap(), 5);
    assert_eq!(event_count(&store), 0, "nothing counts before the end");
    assert!(store.subjects(None, 10).unwrap().is_empty());
    writer.finish(&new_feed(&first), Disposition::Admit).unwrap();
    assert_eq!(event_count(&store), 300);
    assert_eq!(staged(&store), 0);
    for (subject, _) in &first.mapping {
        let cohort = store.timeline(*subject).unwrap().unwrap();
        assert_eq!(cohort.timelines[0].events().len(), 60);
    }
    assert_eq!(store.subjects(None, 10).unwrap().len(), 5);
}

#[test]
fn an_event_with_another_value_or_text_is_another_event() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let person = |events: &[(i64, &str, Option<f32>, Option<&str>)], digest: u8| {
        make(&[(7, events)], digest)
    };
    let five = Some(5.0);
    add(&store, &person(&[(1, "A", five, None), (2, "A", Some(0.0), Some("x"))], 1)).unwrap();
    let splits = splits();
    let mut writer = store.begin_feed(opening(&splits)).unwrap();
    let second = person(
        &[
            (1, "A", five, Some("said so")),
            (1, "A", Some(5.5), None),
            (1, "B", five, None),
            (2, "A", Some(-0.0), Some("x")),
            (2, "A", None, Some("x")),
        ],
        2,
    );
    let outcome = add_portion(&mut writer, &second, &[]).unwrap();
    assert_eq!(outcome, outcome_of(4, 1), "0 and -0 are the same");
}

#[test]
fn a_writer_that_is_given_up_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    add(&store, &sample(1, 6, 10)).unwrap();
    let files = || -> usize {
        let folders = crate::layout::data_folders();
        folders.iter().map(|folder| dir.path().join(folder).read_dir().unwrap().count()).sum()
    };
    let before = files();
    let splits = splits();
    let mut writer = store.begin_feed(opening(&splits)).unwrap();
    add_portion(&mut writer, &sample(2, 6, 10), &[super::refused(1)]).unwrap();
    assert!(before < files() && 0 < staged(&store));
    drop(writer);
    assert_eq!((files(), staged(&store)), (before, 0));
    assert_eq!(add(&store, &sample(2, 6, 10)).unwrap(), FeedId(2));
}

#[test]
fn events_that_are_not_in_order_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let mut sample = sample(1, 2, 4);
    let mut events = sample.screened.into_events();
    events.rows.reverse();
    sample.screened = Screened::attest(events);
    assert_eq!(add(&store, &sample).unwrap_err().code(), "store-refused");
}

fn outcome_of(stored: u64, duplicates: u64) -> PortionOutcome {
    PortionOutcome { stored, duplicates, erased: 0 }
}

/// Subjects by number, with their events: time, code, value, text.
type People<'a> = &'a [(i64, &'a [(i64, &'a str, Option<f32>, Option<&'a str>)])];

fn make(people: People<'_>, digest: u8) -> Sample {
    let pseudonyms = Pseudonymizer::new(&root());
    let mut all = Events::new();
    let mut mapping = Vec::new();
    for (number, events) in people {
        let source = SourceSubject::from_number(*number);
        let subject = pseudonyms.pseudonym(&source);
        mapping.push((subject, source));
        for (time, code, value, text) in *events {
            let code = all.intern(&Code::new(code).unwrap());
            let time = (*time != 0).then(|| Timestamp::from_micros(*time));
            let text = text.map(Into::into);
            all.rows.push(Event { subject, time, code, value: *value, text });
        }
    }
    all.sort();
    Sample { screened: Screened::attest(all), mapping, digest: [digest; 32] }
}

/// An event as the property test sees it: person, time, code, value.
type Plain = (i64, i64, u8, u8);

fn plain() -> impl Strategy<Value = Plain> {
    (0_i64..4, 0_i64..4, 0_u8..3, 0_u8..3)
}

fn make_plain(events: &BTreeSet<Plain>, digest: u8) -> Sample {
    let names = ["A", "B", "C"];
    let mut people: std::collections::BTreeMap<i64, Vec<_>> = std::collections::BTreeMap::new();
    for (person, time, code, value) in events {
        let event = (*time, names[usize::from(*code)], Some(f32::from(*value)), None);
        people.entry(*person).or_default().push(event);
    }
    let people: Vec<_> =
        people.iter().map(|(person, events)| (*person, events.as_slice())).collect();
    make(&people, digest)
}

fn stored(store: &Store, subject: Subject) -> usize {
    let cohort = store.timeline(subject).unwrap().unwrap();
    cohort.timelines.iter().map(|timeline| timeline.events().len()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Feeds of portions that overlap at random: each event is there once, and every other is in
    /// quarantine.
    #[test]
    fn what_comes_twice_is_stored_once(
        feeds in prop::collection::vec(
            prop::collection::vec(prop::collection::btree_set(plain(), 0..30), 0..4), 1..4)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(dir.path(), &root()).unwrap();
        let splits = splits();
        let (mut brought, mut refused) = (0, 0);
        let mut expected: BTreeSet<Plain> = BTreeSet::new();
        for (number, portions) in feeds.iter().enumerate() {
            let mut writer = store.begin_feed(opening(&splits)).unwrap();
            for events in portions {
                add_portion(&mut writer, &make_plain(events, 0), &[]).unwrap();
                brought += events.len();
                expected.extend(events);
            }
            let last = make_plain(&BTreeSet::new(), number as u8 + 1);
            let counts = FeedCounts::default();
            let feed = NewFeed { counts, ..new_feed(&last) };
            let id = writer.finish(&feed, Disposition::Admit).unwrap();
            refused += store.quarantined(id, 0, 10_000).unwrap().len();
        }
        prop_assert_eq!(event_count(&store), expected.len());
        prop_assert_eq!(brought, expected.len() + refused);
        let everybody = store.subjects(None, 100).unwrap();
        let alone: usize = everybody.iter().map(|record| stored(&store, record.subject)).sum();
        prop_assert_eq!(alone, expected.len());
    }
}
