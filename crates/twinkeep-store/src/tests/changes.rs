//! What changed after a cursor: everything once, across restarts, or said to be gone.

use twinkeep_domain::Subject;

use super::fold::fold;
use super::live::{add, at, batch, ingest, person, root, splits, store};
use crate::{ChangeCursor, Changes, Disposition, FeedId, Store};

type Told = (Vec<(u64, String, f64)>, Vec<(u64, i64)>, ChangeCursor);

fn changes(store: &Store, after: ChangeCursor, subject: Option<Subject>, limit: usize) -> Told {
    let Changes::Known { events, feeds, cursor } = store.changes(after, subject, limit).unwrap()
    else {
        panic!("the cursor is not known")
    };
    let events = events.iter().map(|it| {
        let who = if it.subject == person(1).0 { "one" } else { "two" };
        assert_eq!(it.code.as_str(), "ZQCODE//LIVE");
        (it.number, who.to_owned(), it.time.unwrap().hours_since(at(0.0)))
    });
    (events.collect(), feeds.iter().map(|it| (it.number, it.feed.0)).collect(), cursor)
}

fn is_gone(store: &Store, after: ChangeCursor) -> bool {
    matches!(store.changes(after, None, 10).unwrap(), Changes::Gone { .. })
}

#[test]
fn every_event_is_told_once_in_order_and_a_cursor_outlives_a_restart() {
    let (dir, store) = store();
    let start = store.change_cursor().unwrap();
    assert_eq!(start, ChangeCursor::default());
    add(&store, batch(1, &[(2.0, 20.0), (1.0, 10.0)])).unwrap();
    // What is refused is no change, but takes a number.
    assert_eq!(add(&store, batch(1, &[(1.0, 10.0)])).unwrap(), "[1]");
    add(&store, batch(2, &[(1.0, 5.0)])).unwrap();
    let all: Vec<_> = [(1, "one", 1.0), (2, "one", 2.0), (4, "two", 1.0)]
        .map(|(number, who, hours)| (number, who.to_owned(), hours))
        .to_vec();
    let (events, feeds, cursor) = changes(&store, start, None, 10);
    assert_eq!((&events, feeds.len(), cursor.event), (&all, 0, 4));
    drop(store);
    let store = Store::open(&dir.path().join("store"), &root()).unwrap();
    // One at a time, from cursor to cursor.
    let mut found = Vec::new();
    let mut cursor = start;
    for _ in 0..4 {
        let (events, _, next) = changes(&store, cursor, None, 1);
        found.extend(events);
        cursor = next;
    }
    assert_eq!((found, cursor.event), (all, 4));
    let (events, _, cursor) = changes(&store, start, Some(person(2).0), 10);
    assert_eq!((events.len(), events[0].0, cursor.event), (1, 4, 4));
    assert_eq!(changes(&store, cursor, None, 10).0, []);
}

#[test]
fn an_admitted_feed_is_told_when_it_counts_and_to_whom_it_is_about() {
    let (_dir, store) = store();
    let start = store.change_cursor().unwrap();
    let held = super::hold(&store, &super::sample(7, 1, 3)).unwrap();
    assert_eq!(changes(&store, start, None, 10).1, []);
    ingest(&store, 1, &[(1.0, 10.0)]);
    let after_one = store.change_cursor().unwrap();
    store.release_feed(held, super::decision()).unwrap();
    let (_, feeds, cursor) = changes(&store, start, None, 10);
    // The one that was held came first, and counts since it was released.
    assert_eq!(feeds, [(1, 2), (2, held.0)]);
    assert_eq!(changes(&store, after_one, None, 10).1, [(2, held.0)]);
    assert_eq!(changes(&store, start, Some(person(1).0), 10).1, [(1, 2)]);
    assert_eq!(changes(&store, start, Some(person(2).0), 10).1, []);
    assert_eq!(changes(&store, cursor, None, 10).1, []);
}

#[test]
fn what_was_folded_is_gone_for_who_had_not_seen_it_and_no_loss_for_who_had() {
    let (_dir, store) = store();
    let start = store.change_cursor().unwrap();
    add(&store, batch(1, &[(1.0, 10.0), (2.0, 20.0)])).unwrap();
    let seen = store.change_cursor().unwrap();
    fold(&store);
    assert!(is_gone(&store, start));
    assert!(is_gone(&store, ChangeCursor { event: 1, feed: 0 }));
    // A feed that live events became brings nothing that was not there.
    assert_eq!(changes(&store, seen, None, 10), (Vec::new(), Vec::new(), seen));
    add(&store, batch(2, &[(1.0, 5.0)])).unwrap();
    assert_eq!(changes(&store, seen, None, 10).0.len(), 1);
    // A cursor from the future is of another store.
    assert!(is_gone(&store, ChangeCursor { event: 99, feed: 0 }));
    assert!(is_gone(&store, ChangeCursor { event: 3, feed: 1 }));
}

#[test]
fn admissions_beyond_the_bound_are_forgotten_and_said_to_be_gone() {
    let (_dir, store) = store();
    let splits = splits();
    let start = store.change_cursor().unwrap();
    let mut after_two = start;
    for number in 0..258_u32 {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        let opening = crate::Opening { site: "ward", turn: None, splits: &splits };
        let feed = crate::NewFeed { digest, ..super::new_feed(&super::sample(1, 0, 0)) };
        let id = store.begin_feed(opening).unwrap().finish(&feed, Disposition::Admit).unwrap();
        assert_eq!(id, FeedId(i64::from(number) + 1));
        if number == 1 {
            after_two = store.change_cursor().unwrap();
        }
    }
    assert!(is_gone(&store, start));
    let (_, feeds, cursor) = changes(&store, after_two, None, 10);
    assert_eq!((feeds.len(), feeds[0], cursor.feed), (256, (3, 3), 258));
}

#[test]
fn nothing_of_an_erased_person_is_told() {
    let (_dir, store) = store();
    let start = store.change_cursor().unwrap();
    add(&store, batch(1, &[(1.0, 10.0)])).unwrap();
    add(&store, batch(2, &[(1.0, 5.0)])).unwrap();
    super::live::erase(&store, 1);
    let (events, _, cursor) = changes(&store, start, None, 10);
    assert_eq!((events.len(), events[0].0, cursor.event), (1, 2, 2));
    assert_eq!(changes(&store, start, Some(person(1).0), 10).0, []);
}
