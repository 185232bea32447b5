//! A feed that is held is not read, until somebody decides.

use twinkeep_domain::Subject;

use super::{
    MARKED_CODE, MARKED_DECISION, MARKED_PROFILE, MARKED_REASONS, MARKED_SOURCE, Sample, add,
    decision, event_count, hold, root, sample, staged,
};
use crate::layout::data_folders;
use crate::{FeedId, FeedState, PortionOutcome, Store};

fn subject_count(store: &Store) -> u64 {
    store.subject_counts().unwrap().values().sum()
}

fn file_count(store: &Store) -> usize {
    let folders = data_folders();
    folders.iter().map(|folder| store.dir.join(folder).read_dir().unwrap().count()).sum()
}

/// Whether every row of every feed is accounted for, in the catalog and in the files.
fn check_counts(store: &Store) {
    for feed in store.feeds().unwrap() {
        let counts = feed.counts;
        assert_eq!(counts.read, counts.accepted + counts.missing + counts.quarantined);
        let refused = store.quarantined(feed.id, 0, 1_000_000).unwrap();
        assert_eq!(refused.len() as u64, counts.quarantined);
    }
}

#[test]
fn nothing_of_a_held_feed_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let held = sample(1, 10, 20);
    assert_eq!(hold(&store, &held).unwrap(), FeedId(1));
    for _ in 0..2 {
        // Also when it is opened again, which removes garbage.
        let store = Store::open(dir.path(), &root()).unwrap();
        assert_eq!((event_count(&store), subject_count(&store)), (0, 0));
        for (subject, _) in &held.mapping {
            assert!(store.subject(*subject).unwrap().is_none());
            assert!(store.timeline(*subject).unwrap().is_none());
            assert!(store.source_of(*subject).unwrap().is_none());
        }
        let feed = store.feeds().unwrap().remove(0);
        assert_eq!(feed.state, FeedState::Held);
        assert_eq!((feed.reasons.as_str(), feed.decision.as_str()), (MARKED_REASONS, ""));
        assert_eq!(store.feed_profile(FeedId(1)).unwrap().as_deref(), Some(MARKED_PROFILE));
    }
    let again = hold(&store, &held).unwrap_err();
    assert_eq!(again.code(), "feed-already-ingested");
}

#[test]
fn a_released_feed_counts_as_if_it_had_never_been_held() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let held = sample(1, 10, 20);
    hold(&store, &held).unwrap();
    let outcome = store.release_feed(FeedId(1), decision()).unwrap();
    assert_eq!(outcome, PortionOutcome { stored: 200, ..PortionOutcome::default() });
    assert_eq!((event_count(&store), subject_count(&store), staged(&store)), (200, 10, 0));
    for (subject, _) in &held.mapping {
        let record = store.subject(*subject).unwrap().unwrap();
        assert_eq!(record.event_count, 20);
        assert_eq!(store.timeline(*subject).unwrap().unwrap().timelines[0].events().len(), 20);
    }
    let feed = store.feeds().unwrap().remove(0);
    assert_eq!((feed.state, feed.decision.as_str()), (FeedState::Admitted, MARKED_DECISION));
    assert_eq!(feed.decided_at, Some(decision().at));
    check_counts(&store);
    for result in [
        store.release_feed(FeedId(1), decision()).map(drop),
        store.reject_feed(FeedId(1), decision()).map(drop),
    ] {
        assert_eq!(result.unwrap_err().code(), "store-refused");
    }
    assert_eq!(store.release_feed(FeedId(7), decision()).unwrap_err().code(), "store-refused");
}

#[test]
fn what_came_again_while_a_feed_was_held_is_stored_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    hold(&store, &sample(1, 10, 20)).unwrap();
    // A part of the people, and all of them at other times.
    let part = Sample { digest: [2; 32], ..sample(1, 4, 20) };
    add(&store, &part).unwrap();
    add(&store, &sample(3, 10, 5)).unwrap();
    assert_eq!(event_count(&store), 4 * 20 + 10 * 5, "a held feed makes nothing a duplicate");
    let outcome = store.release_feed(FeedId(1), decision()).unwrap();
    assert_eq!((outcome.stored, outcome.duplicates), (6 * 20, 4 * 20));
    assert_eq!(event_count(&store), 10 * 20 + 10 * 5);
    assert_eq!(subject_count(&store), 10);
    let refused = store.quarantined(FeedId(1), 0, 1000).unwrap();
    assert!(refused.iter().all(|row| row.reason == "duplicate"));
    let parsed = refused[0].parsed.as_ref().unwrap();
    assert!(parsed.source.starts_with(MARKED_SOURCE), "without the site");
    let feed = store.feeds().unwrap().remove(0);
    assert_eq!((feed.counts.accepted, feed.counts.quarantined), (6 * 20, 4 * 20));
    for (subject, _) in &sample(1, 10, 1).mapping {
        let events = store.timeline(*subject).unwrap().unwrap();
        assert_eq!(events.timelines[0].events().len(), 25);
    }
    Store::open(dir.path(), &root()).unwrap();
}

#[test]
fn a_feed_that_came_again_as_a_whole_leaves_no_shard() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    hold(&store, &sample(1, 10, 20)).unwrap();
    add(&store, &Sample { digest: [2; 32], ..sample(1, 10, 20) }).unwrap();
    let outcome = store.release_feed(FeedId(1), decision()).unwrap();
    assert_eq!((outcome.stored, outcome.duplicates), (0, 200));
    assert_eq!((event_count(&store), subject_count(&store)), (200, 10));
    assert!(store.feeds().unwrap()[0].shard_digests.is_empty());
    // The shards of the other feed and its refused rows; a file of duplicates for each shard.
    let shards = store.feeds().unwrap()[1].shard_digests.len();
    assert_eq!(file_count(&store), shards + 1 + shards);
    Store::open(dir.path(), &root()).unwrap();
}

#[test]
fn the_events_of_a_rejected_feed_are_refused_rows_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let held = sample(1, 10, 20);
    hold(&store, &held).unwrap();
    assert_eq!(store.reject_feed(FeedId(1), decision()).unwrap(), 200);
    assert_eq!((event_count(&store), subject_count(&store), staged(&store)), (0, 0, 0));
    assert_eq!(file_count(&store), 1);
    let refused = store.quarantined(FeedId(1), 0, 1000).unwrap();
    assert_eq!(refused.len(), 200);
    assert!(refused.iter().all(|row| row.reason == "rejected-feed"));
    assert!(refused.iter().any(|row| row.parsed.as_ref().unwrap().name == MARKED_CODE));
    check_counts(&store);
    assert_eq!(store.feeds().unwrap()[0].state, FeedState::Rejected);
    assert_eq!(hold(&store, &held).unwrap_err().code(), "feed-already-ingested");
    assert_eq!(store.release_feed(FeedId(1), decision()).unwrap_err().code(), "store-refused");
    // The same events in another feed are no duplicates.
    add(&store, &Sample { digest: [2; 32], ..sample(1, 10, 20) }).unwrap();
    assert_eq!(event_count(&store), 200);
}

/// Who has the disk can make no held event count, and no event of a held feed disappear unnoticed.
#[test]
fn what_is_staged_cannot_be_forged() {
    for forgery in [
        "DELETE FROM staged WHERE id = 3",
        "DELETE FROM staged",
        "UPDATE staged SET row_count = row_count - 1 WHERE id = 2",
        "UPDATE staged SET first_row = first_row + 1 WHERE id = 2",
        "UPDATE staged SET subject = 17 WHERE id = 2",
        "UPDATE staged SET file = NULL WHERE id = 2",
        "UPDATE staged SET split = CASE split WHEN 'train' THEN 'tuning' ELSE 'train' END",
        "INSERT INTO staged SELECT 99, feed, subject, split, source, file, first_row, row_count,
        span, mac FROM staged LIMIT 1",
        "UPDATE feeds SET state = 'admitted'",
        "UPDATE feeds SET staged = zeroblob(32)",
        "UPDATE profiles SET profile = zeroblob(99)",
        "DELETE FROM profiles",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(dir.path(), &root()).unwrap();
        hold(&store, &sample(1, 10, 20)).unwrap();
        // One of its shards is written again when it is released.
        add(&store, &Sample { digest: [2; 32], ..sample(1, 1, 20) }).unwrap();
        store.connection().execute_batch(forgery).unwrap();
        let code = match forgery.contains("profiles") {
            true => store.feed_profile(FeedId(1)).unwrap_err().code(),
            false => store.release_feed(FeedId(1), decision()).unwrap_err().code(),
        };
        assert_eq!(code, "store-row-changed", "{forgery}");
    }
}

#[test]
fn a_feed_is_held_with_people_who_have_no_event() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let mut held = sample(1, 2, 3);
    let alone = Subject::from_pseudonym(5).unwrap();
    let name = twinkeep_domain::SourceSubject::from_number(5);
    held.mapping.insert(0, (alone, name));
    hold(&store, &held).unwrap();
    assert!(store.subject(alone).unwrap().is_none());
    store.release_feed(FeedId(1), decision()).unwrap();
    let record = store.subject(alone).unwrap().unwrap();
    assert_eq!((record.event_count, record.span), (0, None));
    assert!(store.timeline(alone).unwrap().unwrap().timelines[0].events().is_empty());
}
