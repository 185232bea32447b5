//! Live events become feeds: each is there once, from the moment it was answered.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};

use twinkeep_domain::{Split, Subject};
use twinkeep_vault::SecretBytes;

use super::live::{add, at, batch, ingest, person, root, splits, store, values};
use crate::live::fold::Step;
use crate::{
    FeedId, Folded, LiveOrigin, LiveRefused, ParsedRecord, QuarantinedRecord, Store, StoreError,
};

/// Events that were refused are said to be of person 1, if they are of anybody.
fn origin(subject: Option<Subject>, row: &QuarantinedRecord) -> (String, Option<ParsedRecord>) {
    assert_eq!(row.file.expose(), b"live");
    let parsed = subject.map(|_| ParsedRecord {
        source: "1".to_owned(),
        time: None,
        name: "code".to_owned(),
        value: None,
        unit: None,
        text: None,
    });
    (if subject.is_some() { "ward" } else { "" }.to_owned(), parsed)
}

pub(super) fn fold(store: &Store) -> Folded {
    store.fold_live(&splits(), &origin, at(9.0)).unwrap()
}

#[test]
fn live_events_become_a_feed_and_nothing_is_there_twice() {
    let (dir, store) = store();
    add(&store, batch(1, &[(2.0, 20.0), (1.0, 10.0)])).unwrap();
    add(&store, batch(2, &[(1.0, 5.0)])).unwrap();
    assert_eq!(add(&store, batch(1, &[(1.0, 10.0), (3.0, 30.0)])).unwrap(), "[1]");
    let mut nobody = batch(1, &[]);
    nobody.mapping.clear();
    let raw = SecretBytes::new(b"raw".to_vec());
    let origin = LiveOrigin { row: 4, raw };
    let reason = "implausible-value";
    nobody.refused = vec![LiveRefused { origin, subject: None, field: Some("value"), reason }];
    add(&store, nobody).unwrap();

    assert_eq!(fold(&store), Folded { feeds: 2, events: 4, refused: 2 });
    let check = |store: &Store| {
        assert_eq!(store.live_count().unwrap(), 0);
        assert_eq!((values(store, 1), values(store, 2)), (vec![10.0, 20.0, 30.0], vec![5.0]));
        let record = store.subject(person(1).0).unwrap().unwrap();
        assert_eq!((record.event_count, record.span), (3, Some((at(1.0), at(3.0)))));
        let count = |split| store.cohort(split).unwrap().timelines.len();
        assert_eq!(Split::ALL.map(count).iter().sum::<usize>(), 2);
    };
    check(&store);
    let feeds = store.feeds().unwrap();
    let shown: Vec<_> = feeds
        .iter()
        .map(|feed| (feed.site.as_str(), feed.counts.accepted, feed.counts.quarantined))
        .collect();
    assert_eq!(shown, [("", 0, 1), ("ward", 4, 1)]);
    assert!(feeds.iter().all(|feed| feed.source == "live events"));
    assert_eq!(feeds[1].ingested_at, at(0.0), "since when they are known");
    assert_eq!(store.feeds_of(person(1).0).unwrap(), [FeedId(2)]);
    let refused = &store.quarantined(FeedId(1), 0, 9).unwrap()[0];
    assert_eq!((refused.row, refused.raw.expose()), (4, &b"raw"[..]));
    let refused = &store.quarantined(FeedId(2), 0, 9).unwrap()[0];
    assert_eq!(refused.reason, "duplicate");
    assert_eq!(refused.parsed.as_ref().unwrap().source, "1");

    assert_eq!(fold(&store), Folded::default());
    assert_eq!(store.feeds().unwrap().len(), 2, "nothing to fold is no feed");
    // What comes again is a duplicate, as a live event and in a feed.
    assert_eq!(add(&store, batch(1, &[(2.0, 20.0)])).unwrap(), "[1]");
    assert_eq!(ingest(&store, 1, &[(2.0, 20.0), (3.0, 30.0)]), 2);
    assert_eq!(store.live_count().unwrap(), 1);
    fold(&store);
    check(&store);
    drop(store);
    check(&Store::open(&dir.path().join("store"), &root()).unwrap());
}

#[test]
fn events_that_come_while_others_are_folded_are_all_there_once() {
    let (_dir, store) = store();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3_u32)
            .map(|number| {
                let store = &store;
                scope.spawn(move || {
                    for event in 0..60 {
                        let value = event as f32;
                        assert_eq!(
                            add(store, batch(number, &[(f64::from(event), value)])).unwrap(),
                            "[]"
                        );
                        assert_eq!(values(store, number).len(), event as usize + 1);
                    }
                })
            })
            .collect();
        let folder = scope.spawn(|| {
            let mut folded = 0;
            while !done.load(Ordering::Relaxed) {
                folded += fold(&store).events;
            }
            folded + fold(&store).events
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::Relaxed);
        assert_eq!(folder.join().unwrap(), 180);
    });
    for number in 0..3 {
        let expected: Vec<f32> = (0..60).map(|event| event as f32).collect();
        assert_eq!(values(&store, number), expected);
    }
    let compacted = store.compact(&mut |_| ()).unwrap();
    assert!(compacted.written <= 3);
    assert_eq!(values(&store, 2).len(), 60);
}

#[test]
fn an_interruption_between_any_two_steps_leaves_every_event_there_once() {
    for stop in 0..4 {
        let (dir, store) = store();
        add(&store, batch(1, &[(1.0, 1.0), (2.0, 2.0)])).unwrap();
        add(&store, batch(2, &[(1.0, 1.0)])).unwrap();
        let steps = Cell::new(0);
        let interrupt = |_: Step| {
            steps.set(steps.get() + 1);
            assert!(steps.get() <= stop, "interrupted on purpose");
        };
        let run = || store.fold_stepwise(&splits(), &origin, at(9.0), &interrupt);
        let interrupted = panic::catch_unwind(AssertUnwindSafe(run)).is_err();
        assert_eq!(interrupted, stop < 2);
        drop(store);
        let store = Store::open(&dir.path().join("store"), &root()).unwrap();
        assert_eq!((values(&store, 1).len(), values(&store, 2).len()), (2, 1));
        assert_eq!(store.live_count().unwrap(), if stop < 1 { 3 } else { 0 });
        fold(&store);
        assert_eq!((values(&store, 1).len(), values(&store, 2).len()), (2, 1));
        assert_eq!(store.feeds().unwrap().len(), 1);
    }
}

#[test]
fn nothing_is_folded_on_the_word_of_a_row_that_was_changed() {
    let (dir, store) = store();
    add(&store, batch(1, &[(1.0, 1.0), (2.0, 2.0)])).unwrap();
    let catalog = dir.path().join("store/catalog.sqlite");
    let forge =
        "UPDATE live_rows SET content = (SELECT content FROM live_rows WHERE id = 2) WHERE id = 1";
    rusqlite::Connection::open(catalog).unwrap().execute_batch(forge).unwrap();
    let refused = store.fold_live(&splits(), &origin, at(9.0));
    assert!(matches!(refused, Err(StoreError::RowChanged { table: "live_rows" })));
    assert_eq!(store.live_count().unwrap(), 2);
}
