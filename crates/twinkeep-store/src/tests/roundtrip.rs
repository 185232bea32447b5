//! What goes in comes out: events, subjects, people, refused rows.

use std::collections::BTreeMap;

use twinkeep_domain::{Event, Split, Subject};

use super::{
    MARKED_CODE, MARKED_FILE, MARKED_RAW, MARKED_SOURCE, MARKED_TEXT, SITE, add, at, event_count,
    root, sample, splits,
};
use crate::{FeedId, Store};

/// Events as comparable texts, by subject, in order.
fn plain(events: &[Event], code: impl Fn(u32) -> String) -> Vec<String> {
    let show = |event: &Event| {
        let time = event.time.map(|time| time.micros());
        format!("{time:?} {} {:?} {:?}", code(event.code), event.value, event.text)
    };
    let mut texts: Vec<String> = events.iter().map(show).collect();
    texts.sort();
    texts
}

#[test]
fn all_events_come_back_in_their_splits() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let sample = sample(1, 50, 40);
    assert_eq!(add(&store, &sample).unwrap(), FeedId(1));
    let expected = sample.screened.events();
    let name = |code: u32| expected.codes()[code as usize].to_string();
    let mut by_subject: BTreeMap<Subject, Vec<Event>> = BTreeMap::new();
    for event in &expected.rows {
        by_subject.entry(event.subject).or_default().push(event.clone());
    }
    let mut seen = 0;
    for split in Split::ALL {
        let cohort = store.cohort(split).unwrap();
        assert!(cohort.timelines.is_sorted_by_key(|timeline| timeline.subject()));
        for timeline in &cohort.timelines {
            let subject = timeline.subject();
            assert_eq!(splits().split(subject), split);
            let found = plain(timeline.events(), |code| cohort.codes[code as usize].to_string());
            assert_eq!(found, plain(&by_subject[&subject], name));
            let alone = store.timeline(subject).unwrap().unwrap();
            let events = alone.timelines[0].events();
            assert_eq!(plain(events, |code| alone.codes[code as usize].to_string()), found);
            seen += 1;
        }
    }
    assert_eq!(seen, 50);
}

#[test]
fn subjects_are_listed_in_pages_with_their_spans_and_people() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let sample = sample(1, 10, 8);
    add(&store, &sample).unwrap();
    let first = store.subjects(None, 4).unwrap();
    let rest = store.subjects(Some(first[3].subject), 100).unwrap();
    assert_eq!((first.len(), rest.len()), (4, 6));
    for (record, (subject, source)) in first.iter().chain(&rest).zip(&sample.mapping) {
        assert_eq!(record.subject, *subject);
        assert_eq!(record.event_count, 8);
        assert_eq!(record.span, Some((at(1, 1), at(1, 7))));
        let named = store.source_of(*subject).unwrap().unwrap();
        assert_eq!(named.reveal(), format!("{SITE}/{}", source.reveal()));
        assert_eq!(store.subject(*subject).unwrap().unwrap().split, record.split);
    }
    assert_eq!(store.subject_counts().unwrap().values().sum::<u64>(), 10);
    let nobody = Subject::from_pseudonym(1).unwrap();
    assert!(store.subject(nobody).unwrap().is_none());
    assert!(store.timeline(nobody).unwrap().is_none());
    assert!(store.source_of(nobody).unwrap().is_none());
}

#[test]
fn a_second_feed_continues_the_timelines_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let reader = Store::open(dir.path(), &root()).unwrap();
    let epoch = reader.epoch().unwrap();
    add(&store, &sample(1, 10, 8)).unwrap();
    // It brings another code first, and a subject of its own.
    let second = sample(2, 11, 6);
    assert_eq!(add(&store, &second).unwrap(), FeedId(2));
    assert_eq!(event_count(&store), 10 * 8 + 11 * 6);
    let (subject, _) = second.mapping[0];
    let cohort = reader.timeline(subject).unwrap().unwrap();
    let events = cohort.timelines[0].events();
    assert!(events.is_sorted_by_key(|event| event.time));
    assert!(events.iter().any(|event| cohort.codes[event.code as usize].as_str() == MARKED_CODE));
    let record = reader.subject(subject).unwrap().unwrap();
    assert_eq!(record.event_count, events.len() as u64);
    assert_eq!(record.span.unwrap().1, at(2, 5));
    assert_eq!(reader.epoch().unwrap(), epoch + 2, "a reader sees what another one wrote");
}

#[test]
fn refused_rows_are_kept_as_they_came() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let feed = add(&store, &sample(1, 3, 3)).unwrap();
    let rows = store.quarantined(feed, 0, 10).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].file.expose(), MARKED_FILE.as_bytes());
    assert_eq!(rows[0].raw.expose(), MARKED_RAW.as_bytes());
    assert_eq!((rows[0].row, rows[0].field.as_deref()), (2, Some("Value")));
    assert_eq!(rows[0].reason, "implausible-value");
    let parsed = rows[0].parsed.as_ref().unwrap();
    assert_eq!((parsed.source.as_str(), parsed.name.as_str()), (MARKED_SOURCE, MARKED_CODE));
    assert_eq!((parsed.time, parsed.value.as_deref()), (Some(at(1, 7)), Some("88717.25")));
    assert_eq!((parsed.unit.as_deref(), parsed.text.as_deref()), (None, Some(MARKED_TEXT)));
    assert_eq!(rows.iter().map(|row| row.position).collect::<Vec<_>>(), [0, 1]);
    let page = store.quarantined(feed, 1, 1).unwrap();
    assert_eq!(page.iter().map(|row| (row.position, row.row)).collect::<Vec<_>>(), [(1, 3)]);
    assert_eq!(store.quarantined(feed, 5, 5).unwrap().len(), 0);
    assert_eq!(store.quarantined(FeedId(9), 0, 5).unwrap().len(), 0);
    let feeds = store.feeds().unwrap();
    assert_eq!(feeds.len(), 1);
    assert_eq!(feeds[0].source, "zq-delivery.tar.gz");
    assert_eq!(feeds[0].counts.quarantined, 2);
    assert!(!feeds[0].shard_digests.is_empty());
}

#[test]
fn a_subject_larger_than_a_page_and_a_group_is_found_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let sample = sample(1, 12, 30_000);
    add(&store, &sample).unwrap();
    for (subject, _) in &sample.mapping {
        let cohort = store.timeline(*subject).unwrap().unwrap();
        assert_eq!(cohort.timelines[0].events().len(), 30_000);
    }
}
