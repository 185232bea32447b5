//! Live events count at once, survive, are there once, and cannot be forged.

use std::fs;
use std::sync::Barrier;

use rusqlite::Connection;
use tempfile::TempDir;
use twinkeep_domain::{
    Code, Event, Events, Screened, SourceSubject, Split, SplitPlan, Subject, Timestamp,
};
use twinkeep_vault::{Pseudonymizer, SecretBytes, SecretKey, SplitHasher};

use crate::files::WriterLock;
use crate::keyring::Doomed;
use crate::layout::CATALOG;
use crate::{
    Disposition, ErasureRecord, ErasureRequest, FeedCounts, LiveBatch, LiveOrigin, LiveOutcome,
    LiveRefused, LiveRequest, NewFeed, NewPortion, Opening, Store, StoreError,
};

const MARKED: &str = "zq-live-person-5521";

pub(super) fn root() -> SecretKey {
    SecretKey::from_slice(&[7; 32]).unwrap()
}

pub(super) fn splits() -> SplitHasher {
    SplitHasher::new(&root(), SplitPlan::new(60, 20).unwrap())
}

pub(super) fn at(hours: f64) -> Timestamp {
    Timestamp::RELATIVE_ORIGIN.plus_hours(hours)
}

pub(super) fn person(number: u32) -> (Subject, SourceSubject) {
    let source = SourceSubject::new(&format!("{MARKED}-{number}")).unwrap();
    let named = SourceSubject::new(&format!("ward/{MARKED}-{number}")).unwrap();
    (Pseudonymizer::new(&root()).pseudonym(&source), named)
}

/// One event a pair of hours and value, as intake would make them.
fn screened(number: u32, values: &[(f64, f32)]) -> Screened {
    let mut events = Events::new();
    let code = events.intern(&Code::new("ZQCODE//LIVE").unwrap());
    for &(hours, value) in values {
        let subject = person(number).0;
        events.rows.push(Event {
            subject,
            time: Some(at(hours)),
            code,
            value: Some(value),
            text: None,
        });
    }
    events.sort();
    Screened::attest(events)
}

pub(super) fn batch(number: u32, values: &[(f64, f32)]) -> LiveBatch {
    let origin = |row| LiveOrigin { row, raw: SecretBytes::new(MARKED.as_bytes().to_vec()) };
    LiveBatch {
        request: None,
        received_at: at(0.0),
        screened: screened(number, values),
        origins: (1..=values.len() as u64).map(origin).collect(),
        mapping: vec![person(number)],
        refused: Vec::new(),
        answer: Box::new(|late| {
            let rows: Vec<u64> = late.iter().map(|late| late.row).collect();
            format!("{rows:?}").into_bytes()
        }),
    }
}

fn named(name: &str, body: u8, batch: LiveBatch) -> LiveBatch {
    LiveBatch { request: Some(LiveRequest { name: name.to_owned(), body: [body; 32] }), ..batch }
}

pub(super) fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(&dir.path().join("store"), &root()).unwrap();
    (dir, store)
}

pub(super) fn add(store: &Store, batch: LiveBatch) -> Result<String, StoreError> {
    let LiveOutcome { answer, .. } = store.add_live(batch, &splits())?;
    Ok(String::from_utf8(answer.expose().to_vec()).unwrap())
}

pub(super) fn values(store: &Store, number: u32) -> Vec<f32> {
    let Some(cohort) = store.timeline(person(number).0).unwrap() else { return Vec::new() };
    cohort.timelines[0].events().iter().map(|event| event.value.unwrap()).collect()
}

#[test]
fn an_event_counts_at_once_everywhere_and_survives() {
    let (dir, store) = store();
    assert_eq!(add(&store, batch(1, &[(2.0, 20.0), (1.0, 10.0)])).unwrap(), "[]");
    assert_eq!(add(&store, batch(2, &[(1.0, 5.0)])).unwrap(), "[]");
    let check = |store: &Store| {
        assert_eq!(values(store, 1), [10.0, 20.0]);
        let record = store.subject(person(1).0).unwrap().unwrap();
        assert_eq!(record.event_count, 2);
        assert!(record.span == Some((at(1.0), at(2.0))));
        let all = Split::ALL.map(|split| store.cohort(split).unwrap().timelines.len());
        assert_eq!(all.iter().sum::<usize>(), 2);
        assert_eq!(store.subject_counts().unwrap().values().sum::<u64>(), 2);
        assert_eq!(store.live_count().unwrap(), 3);
    };
    check(&store);
    drop(store);
    check(&Store::open(&dir.path().join("store"), &root()).unwrap());
}

#[test]
fn an_event_that_is_there_already_is_kept_as_refused() {
    let (_dir, store) = store();
    assert_eq!(ingest(&store, 1, &[(1.0, 10.0)]), 0);
    assert_eq!(add(&store, batch(1, &[(1.0, 10.0), (1.0, 11.0)])).unwrap(), "[1]");
    assert_eq!(add(&store, batch(1, &[(1.0, 10.0), (1.0, 11.0)])).unwrap(), "[1, 2]");
    assert_eq!(values(&store, 1), [10.0, 11.0]);
    let refused = store.live_refused(0, 10).unwrap();
    assert_eq!(refused.len(), 3);
    assert!(refused.iter().all(|row| row.reason == "duplicate"));
    assert_eq!(refused[0].raw.expose(), MARKED.as_bytes());
    assert_eq!(store.live_refused(2, 10).unwrap().len(), 1);
    // Nor does a feed that comes later bring it again.
    assert_eq!(ingest(&store, 1, &[(1.0, 10.0), (1.0, 11.0), (1.0, 12.0)]), 2);
    assert_eq!(values(&store, 1), [10.0, 12.0, 11.0]);
}

/// Adds a feed; returns how many of its events were there already.
pub(super) fn ingest(store: &Store, number: u32, values: &[(f64, f32)]) -> u64 {
    let splits = splits();
    let opening = Opening { site: "ward", turn: None, splits: &splits };
    let mut writer = store.begin_feed(opening).unwrap();
    let (subject, _) = person(number);
    let bare = SourceSubject::new(&format!("{MARKED}-{number}")).unwrap();
    let portion = NewPortion {
        screened: screened(number, values),
        origin: &|index| ("file", index as u64 + 1),
        mapping: &[(subject, bare)],
    };
    let outcome = writer.add(portion, &mut [].into_iter()).unwrap();
    let feed = NewFeed {
        source: "feed",
        digest: [values.len() as u8; 32],
        ingested_at: at(0.0),
        counts: FeedCounts::default(),
        delivery: None,
        profile: None,
        replayed: None,
    };
    writer.finish(&feed, Disposition::Admit).unwrap();
    outcome.duplicates
}

#[test]
fn what_was_refused_is_kept_and_is_no_event() {
    let (_dir, store) = store();
    let mut only_refused = batch(1, &[]);
    only_refused.mapping = Vec::new();
    only_refused.refused = vec![LiveRefused {
        origin: LiveOrigin { row: 4, raw: SecretBytes::new(b"raw".to_vec()) },
        subject: None,
        field: Some("value"),
        reason: "implausible-value",
    }];
    add(&store, only_refused).unwrap();
    assert!(store.timeline(person(1).0).unwrap().is_none());
    let refused = &store.live_refused(0, 1).unwrap()[0];
    assert_eq!((refused.row, refused.field.as_deref()), (4, Some("value")));
}

#[test]
fn the_same_request_gets_the_same_answer_and_another_one_under_its_name_is_refused() {
    let (_dir, store) = store();
    let one = || named("key:1 a", 1, batch(1, &[(1.0, 1.0)]));
    assert_eq!(add(&store, one()).unwrap(), "[]");
    let again = store.add_live(one(), &splits()).unwrap();
    assert!(again.repeated);
    assert_eq!(again.answer.expose(), b"[]");
    let other = add(&store, named("key:1 a", 2, batch(1, &[(2.0, 1.0)]))).err().unwrap();
    assert_eq!(other.code(), "idempotency-key-reused");
    assert_eq!(values(&store, 1), [1.0]);
    // A day later nobody repeats it: the name is free, but the event is a duplicate.
    let mut late = one();
    late.received_at = at(26.0);
    add(&store, LiveBatch { received_at: at(26.0), ..batch(2, &[(1.0, 1.0)]) }).unwrap();
    assert_eq!(add(&store, late).unwrap(), "[1]");
}

#[test]
fn requests_that_come_together_are_all_stored_and_one_that_fails_takes_none_with_it() {
    let (_dir, store) = store();
    let (threads, each) = (16, 20);
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        for thread in 0..threads as u32 {
            let (store, barrier) = (&store, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for number in 0..each {
                    let value = (thread * 1000 + number) as f32;
                    let mut batch = batch(thread % 4, &[(f64::from(number), value)]);
                    let broken = number % 5 == 4;
                    if broken {
                        batch.origins.clear();
                    }
                    assert_eq!(add(store, batch).is_err(), broken);
                }
            });
        }
    });
    let expected = threads * each as usize * 4 / 5;
    assert_eq!((0..4).map(|number| values(&store, number).len()).sum::<usize>(), expected);
    assert_eq!(store.live_count().unwrap() as usize, expected);
    let epoch = store.epoch().unwrap();
    assert!(epoch <= (threads as u64) * u64::from(each), "{epoch} transactions");
}

#[test]
fn nothing_of_a_person_who_was_erased_is_kept() {
    let (dir, store) = store();
    add(&store, batch(1, &[(1.0, 1.0)])).unwrap();
    add(&store, batch(2, &[(1.0, 1.0)])).unwrap();
    let lock = WriterLock::take(&dir.path().join("store")).unwrap().unwrap();
    let doomed = Doomed { subjects: vec![person(1).0], ..Doomed::default() };
    store.keyring.destroy(&lock, &doomed).unwrap();
    drop(lock);
    assert_eq!(store.timeline(person(1).0).err().unwrap().code(), "subject-erased");
    // A device that knows nothing of it goes on sending.
    let mut late = batch(1, &[(2.0, 2.0)]);
    late.answer = Box::new(|late| late[0].reason.as_bytes().to_vec());
    assert_eq!(add(&store, late).unwrap(), "erased-subject");
    assert_eq!(store.live_count().unwrap(), 2);
    assert_eq!(values(&store, 2), [1.0]);
}

#[test]
fn rows_can_be_removed_with_the_key() {
    let (dir, store) = store();
    add(&store, batch(1, &[(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)])).unwrap();
    store
        .change(&[], |transaction| {
            assert_eq!(store.live_events(transaction)?.len(), 3);
            store.remove_live_rows(transaction, &[1, 2])
        })
        .unwrap();
    assert_eq!(store.live_count().unwrap(), 1);
    // The subject's count still says three: who folds rows into files changes it as well.
    assert_eq!(store.timeline(person(1).0).err().unwrap().code(), "store-damaged");
    Store::open(&dir.path().join("store"), &root()).unwrap();
    add(&store, batch(1, &[(9.0, 9.0)])).unwrap();
    let last: i64 =
        catalog(&dir).query_row("SELECT max(id) FROM live_rows", [], |row| row.get(0)).unwrap();
    assert_eq!(last, 4, "no number is used twice");
}

fn catalog(dir: &TempDir) -> Connection {
    Connection::open(dir.path().join("store").join(CATALOG)).unwrap()
}

#[test]
fn a_row_that_was_added_changed_moved_or_removed_without_the_key_is_noticed() {
    for forgery in [
        "DELETE FROM live_rows WHERE id = 2",
        "UPDATE live_rows SET subject = (SELECT subject FROM live_rows WHERE id = 3) WHERE id = 1",
        "UPDATE live_rows SET content = (SELECT content FROM live_rows WHERE id = 2) WHERE id = 1",
        "INSERT INTO live_rows SELECT 9, refused, subject, content, mac FROM live_rows WHERE id = 1",
        "UPDATE live_rows SET id = 9 WHERE id = 1",
        "UPDATE live_rows SET refused = 1 WHERE id = 1",
        "UPDATE store SET live_count = 2",
        "UPDATE store SET live_set = zeroblob(32)",
        "UPDATE live_rows SET mac = zeroblob(32)",
    ] {
        let (dir, store) = store();
        add(&store, batch(1, &[(1.0, 1.0), (2.0, 2.0)])).unwrap();
        add(&store, batch(2, &[(1.0, 1.0)])).unwrap();
        catalog(&dir).execute_batch(forgery).unwrap();
        let opened = Store::open(&dir.path().join("store"), &root());
        assert_eq!(opened.err().unwrap().code(), "store-row-changed", "{forgery}");
        let cohorts = Split::ALL.map(|split| store.cohort(split).is_err());
        assert!(cohorts.into_iter().all(|refused| refused), "{forgery}");
    }
}

#[test]
fn a_row_that_is_put_back_after_it_was_removed_is_noticed() {
    let (dir, store) = store();
    add(&store, batch(1, &[(1.0, 1.0), (2.0, 2.0)])).unwrap();
    let keep = "CREATE TABLE kept AS SELECT * FROM live_rows; ";
    catalog(&dir).execute_batch(keep).unwrap();
    store.change(&[], |transaction| store.remove_live_rows(transaction, &[1])).unwrap();
    let swap = "DELETE FROM live_rows; INSERT INTO live_rows SELECT * FROM kept WHERE id = 1; DROP TABLE kept";
    catalog(&dir).execute_batch(swap).unwrap();
    let opened = Store::open(&dir.path().join("store"), &root());
    assert_eq!(opened.err().unwrap().code(), "store-row-changed");
}

#[test]
fn nothing_of_a_person_is_on_the_disk() {
    let (dir, store) = store();
    let request = named("key:1 zq-request-name", 1, batch(1, &[(1.0, 1.0), (1.0, 1.5)]));
    add(&store, request).unwrap();
    add(&store, batch(1, &[(1.0, 1.0)])).unwrap();
    for entry in fs::read_dir(dir.path().join("store")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(bytes) = fs::read(&path) else { continue };
        for marked in [MARKED, "ZQCODE//LIVE", "zq-request-name"] {
            let found = bytes.windows(marked.len()).any(|window| window == marked.as_bytes());
            assert!(!found, "{marked} in {}", path.display());
        }
    }
}

pub(super) fn erase(store: &Store, number: u32) -> ErasureRecord {
    let request = ErasureRequest {
        subject: person(number).0,
        reference: "0011223344556677",
        reason: "on paper",
        at: at(5.0),
        concerns: &|_, _| false,
        names: &|_, _| false,
    };
    store.erase(&request).unwrap()
}

#[test]
fn the_live_events_of_an_erased_person_go_and_come_in_no_more() {
    let (dir, store) = store();
    add(&store, batch(1, &[(1.0, 10.0)])).unwrap();
    add(&store, batch(2, &[(1.0, 20.0)])).unwrap();
    let record = erase(&store, 1);
    assert_eq!((record.event_count, record.known_since), (1, Some(at(0.0))));
    assert_eq!((values(&store, 1), values(&store, 2)), (vec![], vec![20.0]));
    assert_eq!(store.live_count().unwrap(), 1);
    drop(store);
    let store = Store::open(&dir.path().join("store"), &root()).unwrap();
    assert_eq!(store.live_count().unwrap(), 1);
    assert!(store.is_erased(person(1).0).unwrap());
}
