//! Fewer files hold the same events: nobody loses one, whenever the process dies, and an erasure
//! reaches what the old files had.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tempfile::TempDir;
use twinkeep_domain::{Split, Subject};
use twinkeep_vault::Purpose;

use super::erase::{back_up, erase, everyone, victim};
use super::{add, add_portion, decision, event_count, hold, opening, root, sample, splits};
use crate::layout::{KEYRING, data_folders, path};
use crate::{Compaction, FeedId, Store};

const DIR: &str = "TWINKEEP_TEST_COMPACT_DIR";
const STEP: &str = "TWINKEEP_TEST_COMPACT_STEP";

/// Feeds of 40 subjects, numbered from 1.
fn with_feeds(count: u8) -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    for seed in 1..=count {
        add(&store, &sample(seed, 40, 30)).unwrap();
    }
    (dir, store)
}

fn compact(store: &Store) -> Compaction {
    store.compact(&mut |_| ()).unwrap()
}

/// Names of the files with events.
fn shards(dir: &Path) -> Vec<String> {
    let folders = data_folders().into_iter().filter(|folder| folder.starts_with("events"));
    let list = |folder: String| {
        let files = fs::read_dir(path(dir, &folder)).unwrap();
        files.map(move |file| format!("{folder}/{}", file.unwrap().file_name().to_string_lossy()))
    };
    folders.flat_map(list).collect()
}

#[test]
fn many_small_files_become_one_a_split_and_everybody_has_what_they_had() {
    let (dir, store) = with_feeds(6);
    let before = everyone(&store);
    assert_eq!(shards(dir.path()).len(), 18);
    let due = Compaction { replaced: 18, written: 3 };
    assert_eq!(store.compaction_due().unwrap(), due);
    assert_eq!(compact(&store), due);
    assert_eq!(shards(dir.path()).len(), 3);
    assert_eq!(everyone(&store), before);
    assert_eq!(event_count(&store), 6 * 40 * 30);
    for (subject, _) in &sample(1, 40, 1).mapping {
        let feeds: Vec<FeedId> = (1..=6).map(FeedId).collect();
        assert_eq!(store.feeds_of(*subject).unwrap(), feeds, "where they come from is kept");
    }
    assert_eq!(compact(&store), Compaction::default(), "there is nothing left to merge");
    drop(store);
    let store = Store::open(dir.path(), &root()).unwrap();
    assert_eq!(everyone(&store), before);
    // What is in a merged file is found when it comes again, and new feeds are merged with it.
    let splits = splits();
    let mut writer = store.begin_feed(opening(&splits)).unwrap();
    let outcome = add_portion(&mut writer, &sample(3, 40, 30), &[]).unwrap();
    assert_eq!((outcome.stored, outcome.duplicates), (0, 1200));
    drop(writer);
    add(&store, &sample(7, 10, 30)).unwrap();
    assert!(0 < compact(&store).replaced);
    assert_eq!(event_count(&store), 6 * 40 * 30 + 300);
    let (only_old, in_both) = (sample(1, 40, 1).mapping, sample(7, 10, 1).mapping);
    let in_new = |subject: &Subject| in_both.iter().any(|(other, _)| other == subject);
    for (subject, _) in &only_old {
        let expected = if in_new(subject) { 7 } else { 6 };
        assert_eq!(store.feeds_of(*subject).unwrap().len(), expected);
    }
}

#[test]
fn a_person_in_one_of_the_feeds_only_is_not_said_to_be_in_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    add(&store, &sample(1, 20, 5)).unwrap();
    add(&store, &sample(2, 40, 5)).unwrap();
    compact(&store);
    let old: Vec<Subject> = sample(1, 20, 1).mapping.into_iter().map(|(it, _)| it).collect();
    let all: Vec<Subject> = sample(2, 40, 1).mapping.into_iter().map(|(it, _)| it).collect();
    let together = store.feeds_of_each(&all).unwrap();
    for (subject, together) in all.iter().zip(together) {
        let feeds = store.feeds_of(*subject).unwrap();
        assert_eq!(feeds, together, "asked about together or alone, the answer is the same");
        let expected =
            if old.contains(subject) { vec![FeedId(1), FeedId(2)] } else { vec![FeedId(2)] };
        assert_eq!(feeds, expected);
    }
}

/// An erasure must reach the files that were merged: copies of them are in snapshots.
#[test]
fn an_erasure_destroys_the_keys_of_what_was_merged_before() {
    let (dir, store) = with_feeds(3);
    let (copy, old) = (back_up(dir.path()), shards(dir.path()));
    let before = everyone(&store);
    compact(&store);
    let ring = store.keyring.now().unwrap();
    assert!(old.iter().all(|name| ring.file_key(Purpose::ShardKey, name).is_ok()));
    assert_eq!(ring.generation, 1, "compaction destroys nothing");
    let record = erase(&store);
    assert_eq!(record.event_count, 3 * 30);
    let ring = store.keyring.now().unwrap();
    assert!(old.iter().all(|name| ring.file_key(Purpose::ShardKey, name).is_err()));
    let after = everyone(&store);
    assert_eq!(after.len(), 39);
    assert!(after.iter().all(|(subject, events)| before[subject] == *events));
    fs::copy(path(dir.path(), KEYRING), path(copy.path(), KEYRING)).unwrap();
    let copy = Store::open(copy.path(), &root()).unwrap();
    assert_eq!(copy.timeline(victim()).map(drop).unwrap_err().code(), "key-destroyed");
    assert_eq!(copy.source_of(victim()).map(drop).unwrap_err().code(), "subject-erased");
    // The present store goes on as if nothing had been.
    drop(store);
    let store = Store::open(dir.path(), &root()).unwrap();
    add(&store, &sample(5, 40, 5)).unwrap();
    assert_eq!(event_count(&store), 39 * 95);
}

#[test]
fn a_rotation_destroys_the_keys_of_what_was_merged_too() {
    let (dir, store) = with_feeds(2);
    let old = shards(dir.path());
    compact(&store);
    store.rotate_data_keys(store.newest_file().unwrap(), &mut |_| ()).unwrap();
    let ring = store.keyring.now().unwrap();
    assert!(old.iter().all(|name| ring.file_key(Purpose::ShardKey, name).is_err()));
    assert_eq!(event_count(&store), 2 * 40 * 30);
}

#[test]
fn a_held_feed_is_left_alone_and_can_be_released() {
    let (dir, store) = with_feeds(2);
    let held = hold(&store, &sample(3, 40, 10)).unwrap();
    assert_eq!(compact(&store), Compaction { replaced: 6, written: 3 });
    assert_eq!(shards(dir.path()).len(), 6);
    assert_eq!(event_count(&store), 2 * 40 * 30);
    store.release_feed(held, decision()).unwrap();
    assert_eq!(event_count(&store), 2 * 40 * 30 + 40 * 10);
    assert_eq!(compact(&store), Compaction { replaced: 6, written: 3 });
    assert_eq!(event_count(&store), 2 * 40 * 30 + 40 * 10);
}

#[test]
fn nothing_is_merged_on_the_word_of_a_catalog_or_a_file_that_was_changed() {
    let (dir, store) = with_feeds(2);
    let files = shards(dir.path());
    let forge = "UPDATE ranges SET row_count = row_count - 1";
    let catalog = || rusqlite::Connection::open(path(dir.path(), "catalog.sqlite")).unwrap();
    catalog().execute_batch(forge).unwrap();
    let refused = store.compact(&mut |_| ()).unwrap_err();
    assert_eq!(refused.code(), "store-row-changed");
    catalog().execute_batch("UPDATE ranges SET row_count = row_count + 1").unwrap();
    let victim = path(dir.path(), &files[0]);
    let whole = fs::read(&victim).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    twinkeep_vault::files::write_atomic(&victim, &flipped, 0o600).unwrap();
    assert_eq!(store.compact(&mut |_| ()).unwrap_err().code(), "store-damaged");
    twinkeep_vault::files::write_atomic(&victim, &whole, 0o600).unwrap();
    assert!(files.iter().all(|name| path(dir.path(), name).exists()));
    assert_eq!(compact(&store), Compaction { replaced: 6, written: 3 });
    assert_eq!(event_count(&store), 2 * 40 * 30);
}

#[test]
fn readers_see_everybody_whole_while_files_are_replaced() {
    let (dir, store) = with_feeds(4);
    let before = everyone(&store);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let reader = Store::open(dir.path(), &root()).unwrap();
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(everyone(&reader), before);
                    let cohort = reader.cohort(Split::Train).unwrap();
                    assert!(!cohort.timelines.is_empty());
                }
            });
        }
        for seed in 5..8 {
            // A reader that opens the store takes the lock for a moment: this waits for it.
            store.compact(&mut |_| ()).unwrap();
            hold(&store, &sample(seed, 40, 5)).unwrap();
            store.reject_feed(FeedId(i64::from(seed)), decision()).unwrap();
            store.rotate_data_keys(store.newest_file().unwrap(), &mut |_| ()).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(everyone(&store), before);
}

/// Not a test of its own: the child process runs it.
#[test]
fn child() {
    let Some(dir) = env::var_os(DIR) else { return };
    let step: usize = env::var(STEP).unwrap().parse().unwrap();
    let store = Store::open(Path::new(&dir), &root()).unwrap();
    let done = AtomicUsize::new(0);
    let crash = |_| {
        if done.fetch_add(1, Ordering::Relaxed) == step {
            std::process::abort();
        }
    };
    store.compact_stepwise(&mut |_| (), &crash).unwrap();
}

#[test]
fn a_crash_between_any_two_steps_leaves_every_event_there_once() {
    let mut counts = BTreeMap::new();
    for step in 0.. {
        let (dir, store) = with_feeds(3);
        let before = everyone(&store);
        drop(store);
        let status = Command::new(env::current_exe().unwrap())
            .args(["--exact", "tests::compact::child"])
            .env(DIR, dir.path())
            .env(STEP, step.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        let store = Store::open(dir.path(), &root()).unwrap();
        assert_eq!(everyone(&store), before);
        assert_eq!(event_count(&store), 3 * 40 * 30);
        let named = "SELECT count(*) FROM shards";
        let named: i64 = store.connection().query_row(named, [], |row| row.get(0)).unwrap();
        assert_eq!(shards(dir.path()).len() as i64, named, "opening removes what is left");
        *counts.entry(named).or_insert(0) += 1;
        compact(&store);
        assert_eq!(shards(dir.path()).len(), 3);
        assert_eq!(everyone(&store), before);
        if status.success() {
            break;
        }
    }
    // A split after the other: nothing merged, one, two, all.
    assert_eq!(counts, BTreeMap::from([(9, 1), (7, 3), (5, 3), (3, 3)]));
}
