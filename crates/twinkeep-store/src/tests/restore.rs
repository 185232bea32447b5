//! An old copy under the present keyring: who was erased is gone, and nobody else is.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;
use twinkeep_domain::{Split, Subject, Timestamp};
use twinkeep_vault::Purpose;

use super::erase::{check_gone, erase, everyone, full_store, victim};
use super::{
    MARKED_CODE, MARKED_RAW, MARKED_SOURCE, MARKED_TEXT, add, add_stepwise, decision, event_count,
    root, sample,
};
use crate::error::file;
use crate::layout::{KEYRING, data_folders, path};
use crate::writer::Step;
use crate::{
    ErasureRequest, FeedId, KeyringSource, RestoreTerms, Restored, Snapshot, Store, StoreError,
};

/// Copies the data of a store.
fn snapshot(store: &Store) -> (TempDir, Snapshot) {
    let to = tempfile::tempdir().unwrap();
    let copied = store.snapshot(to.path()).unwrap();
    assert!(!path(to.path(), KEYRING).exists());
    (to, copied)
}

fn terms(snapshot: &Snapshot) -> RestoreTerms {
    RestoreTerms {
        above_epoch: snapshot.epoch + 100,
        keyring_generation: snapshot.keyring_generation,
        accept_loss: false,
    }
}

fn restore(
    (copy, taken): &(TempDir, Snapshot),
    keyring: &Path,
) -> Result<(Store, Restored), StoreError> {
    let keyring = KeyringSource::read(keyring)?;
    Store::restore(copy.path(), &root(), &keyring, terms(taken))
}

fn erase_another(store: &Store, number: usize) -> Subject {
    let subject = sample(1, 40, 1).mapping[number].0;
    let request = ErasureRequest {
        subject,
        reference: &format!("{number:032x}"),
        reason: "asked as well",
        at: Timestamp::from_micros(1_790_000_600_000_000 + number as i64),
        concerns: &|_, _| false,
        names: &|_, _| false,
    };
    store.erase(&request).unwrap();
    subject
}

#[test]
fn a_copy_is_the_store_that_it_was_and_shows_nobody() {
    let (dir, store) = full_store();
    let before = everyone(&store);
    let copy = snapshot(&store);
    add(&store, &sample(5, 40, 10)).unwrap();
    for folder in [vec![String::new()], data_folders()].concat() {
        for file in fs::read_dir(path(copy.0.path(), &folder)).unwrap() {
            let file = file.unwrap().path();
            let bytes = if file.is_file() { fs::read(&file).unwrap() } else { continue };
            for marked in [MARKED_SOURCE, MARKED_CODE, MARKED_TEXT, MARKED_RAW] {
                let shown = bytes.windows(marked.len()).any(|found| found == marked.as_bytes());
                assert!(!shown, "{marked} in {}", file.display());
            }
        }
    }
    assert!(matches!(Store::open(copy.0.path(), &root()), Err(StoreError::Keyring { .. })));
    let (restored, report) = restore(&copy, &path(dir.path(), KEYRING)).unwrap();
    assert_eq!(report, Restored::default());
    assert_eq!(everyone(&restored), before);
    assert!(copy.1.epoch + 100 < restored.epoch().unwrap());
    // Life goes on, also for the feed that was held.
    restored.release_feed(FeedId(3), decision()).unwrap();
    add(&restored, &sample(6, 40, 10)).unwrap();
    assert_eq!(event_count(&restored), 40 * (30 + 20 + 10 + 10));
}

#[test]
fn who_was_erased_since_is_gone_and_who_was_in_their_files_is_whole() {
    let (dir, store) = full_store();
    let before = everyone(&store);
    let (from_store, from_backup) = (snapshot(&store), snapshot(&store));
    erase(&store);
    let backup = dir.path().join("keyring.backup");
    let copied = store.back_up_keyring(&backup).unwrap();
    // Three shards' files of the victim's split, and three of refused rows.
    assert_eq!((copied.generation, copied.files), (2, 6));
    let keyring = path(dir.path(), KEYRING);
    for (copy, source) in [(from_store, keyring), (from_backup, backup)] {
        let (restored, report) = restore(&copy, &source).unwrap();
        let expected = Restored { erased_subjects: 1, healed_files: 3, ..Restored::default() };
        assert_eq!(report, expected);
        check_gone_but_for_names(&restored, &before);
        let waiting = restored.release_feed(FeedId(3), decision()).unwrap();
        assert_eq!(waiting.stored, 39 * 10);
        drop(restored);
        let restored = Store::open(copy.0.path(), &root()).unwrap();
        assert_eq!(event_count(&restored), 39 * 60);
        // The victim's records are refused here as they were there.
        add(&restored, &sample(4, 40, 5)).unwrap();
        assert_eq!(event_count(&restored), 39 * 65);
    }
}

/// As after an erasure, except that no feed has its name any more.
fn check_gone_but_for_names(store: &Store, before: &BTreeMap<Subject, Vec<String>>) {
    check_gone(store, before);
    assert!(store.feeds().unwrap().iter().all(|feed| feed.source.starts_with("(withheld")));
}

#[test]
fn several_erasures_later_the_copy_is_still_whole_for_everybody_else() {
    let (dir, store) = full_store();
    let before = everyone(&store);
    let copy = snapshot(&store);
    let mut gone = vec![victim()];
    erase(&store);
    gone.extend((10..16).map(|number| erase_another(&store, number)));
    let backup = dir.path().join("keyring.backup");
    store.back_up_keyring(&backup).unwrap();
    drop((store, dir.path().join("events")));
    let (restored, report) = restore(&copy, &backup).unwrap();
    assert_eq!((report.erased_subjects, report.lost_files), (7, 0));
    let after = everyone(&restored);
    assert_eq!(after.len(), 33);
    for (subject, events) in &before {
        let expected = (!gone.contains(subject)).then_some(events);
        assert_eq!(after.get(subject), expected);
    }
}

#[test]
fn what_no_longer_opens_is_lost_only_if_that_is_accepted() {
    let (dir, store) = full_store();
    let copy = snapshot(&store);
    let before = everyone(&store);
    erase(&store);
    // What took the place of a file is merged into another one, and then that one goes.
    store.compact(&mut |_| ()).unwrap();
    erase_another(&store, 11);
    let keyring = path(dir.path(), KEYRING);
    let refused = restore(&copy, &keyring).map(drop).unwrap_err();
    assert_eq!(refused.code(), "restore-incomplete");
    let source = KeyringSource::read(&keyring).unwrap();
    let terms = RestoreTerms { accept_loss: true, ..terms(&copy.1) };
    let (restored, report) = Store::restore(copy.0.path(), &root(), &source, terms).unwrap();
    assert!(0 < report.lost_files && 0 < report.damaged_subjects);
    assert_eq!(report.erased_subjects, 2);
    let after = everyone(&restored);
    assert_eq!(after.len(), 38);
    for (subject, events) in &after {
        assert!(events.iter().all(|event| before[subject].contains(event)));
    }
    let cohorts = Split::ALL.map(|split| restored.cohort(split).unwrap().timelines);
    let read: usize = cohorts.iter().flatten().map(|timeline| timeline.events().len()).sum();
    assert_eq!(read, after.values().map(Vec::len).sum::<usize>());
}

#[test]
fn a_backup_replaces_an_older_backup_and_nothing_else() {
    let (dir, store) = full_store();
    let backup = dir.path().join("keyring.backup");
    store.back_up_keyring(&backup).unwrap();
    erase(&store);
    assert_eq!(store.back_up_keyring(&backup).unwrap().generation, 2);
    let own = path(dir.path(), KEYRING);
    let other = dir.path().join("thesis.txt");
    twinkeep_vault::files::write_atomic(&other, b"ten years of work, and more to come", 0o600)
        .unwrap();
    for file in [&own, &other] {
        let before = fs::read(file).unwrap();
        assert_eq!(store.back_up_keyring(file).unwrap_err().code(), "store-refused");
        assert_eq!(fs::read(file).unwrap(), before);
    }
    assert!(store.back_up_keyring(dir.path()).is_err());
}

/// A backup with another store's files, half of it, or one bit of it changed.
#[test]
fn a_backup_that_is_damaged_heals_nothing_and_harms_nothing() {
    let (dir, store) = full_store();
    let before = everyone(&store);
    let taken = snapshot(&store);
    erase(&store);
    let backup = dir.path().join("keyring.backup");
    store.back_up_keyring(&backup).unwrap();
    let whole = fs::read(&backup).unwrap();
    let damaged = dir.path().join("damaged.backup");
    let write = |bytes: &[u8]| twinkeep_vault::files::write_atomic(&damaged, bytes, 0o600).unwrap();
    let mut refusals = BTreeMap::new();
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        for bytes in [whole[..at].to_vec(), flipped(&whole, at)] {
            write(&bytes);
            let copy = tempfile::tempdir().unwrap();
            for name in taken.1.files.keys() {
                let to = path(copy.path(), name);
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(path(taken.0.path(), name), to).unwrap();
            }
            match restore(&(copy, taken.1.clone()), &damaged) {
                Err(error) => *refusals.entry(error.code()).or_insert(0) += 1,
                // Only refused rows were hit, which are blank now.
                Ok((restored, report)) => {
                    assert!(0 < report.withheld_rows && report.lost_files == 0);
                    let mut expected = before.clone();
                    expected.remove(&victim());
                    assert_eq!(everyone(&restored), expected);
                }
            }
        }
    }
    assert!(refusals.contains_key("keyring") && refusals.contains_key("restore-incomplete"));
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

/// Files that were made after the copy, and lie in newer ones, must not outlive an erasure in the
/// store that was restored.
#[test]
fn an_erasure_after_a_restore_reaches_copies_that_the_store_never_knew() {
    let (dir, store) = full_store();
    let (older, keyring) = (snapshot(&store), path(dir.path(), KEYRING));
    add(&store, &sample(7, 40, 10)).unwrap();
    let newer = snapshot(&store);
    let known = |name: &String| !older.1.files.contains_key(name);
    let unknown: Vec<&String> = newer.1.files.keys().filter(|name| known(name)).collect();
    assert_eq!(unknown.len(), 4);
    let (restored, _) = restore(&older, &keyring).unwrap();
    add(&restored, &sample(8, 40, 10)).unwrap();
    erase(&restored);
    let ring = restored.keyring.now().unwrap();
    for name in unknown {
        assert!(ring.file_key(Purpose::ShardKey, name).is_err(), "{name}");
    }
    assert_eq!(event_count(&restored), 39 * 60);
}

#[test]
fn who_reads_again_has_all_files_however_much_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    add(&store, &sample(1, 10, 10)).unwrap();
    let reads = Cell::new(0);
    let in_files = || -> Vec<String> {
        let named = store.named_in(&store.connection()).unwrap();
        named.into_iter().map(|written| written.file).collect()
    };
    let found = store.retrying(|| {
        reads.set(reads.get() + 1);
        let named = in_files();
        // Everything is replaced before it is read.
        add(&store, &sample(1 + reads.get(), 10, 10)).unwrap();
        assert!(0 < store.compact(&mut |_| ()).unwrap().replaced);
        named.iter().try_for_each(|name| {
            let metadata = fs::metadata(path(dir.path(), name));
            metadata.map(drop).map_err(file("read", name))
        })?;
        Ok(named)
    });
    let found = found.unwrap();
    assert_eq!(reads.get(), 2);
    // Nobody reads any more: who writes next removes what was replaced.
    assert!(found.iter().all(|name| path(dir.path(), name).exists()));
    add(&store, &sample(9, 10, 10)).unwrap();
    assert!(0 < store.compact(&mut |_| ()).unwrap().replaced);
    let left = in_files();
    assert!(found.iter().any(|name| !left.contains(name)));
    for name in found.iter().chain(&left) {
        assert_eq!(path(dir.path(), name).exists(), left.contains(name));
    }
    assert_eq!(event_count(&store), 4 * 100);
}

#[test]
fn a_copy_that_is_taken_while_others_write_is_one_state_of_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    add(&store, &sample(1, 10, 10)).unwrap();
    let done = AtomicBool::new(false);
    let copies = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for seed in 2..12 {
                // Slow enough that a copy falls between two steps.
                add_stepwise(&store, &sample(seed, 10, 10), &|_: Step| std::thread::yield_now())
                    .unwrap();
                store.compact(&mut |_| ()).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        let mut copies = Vec::new();
        while !done.load(Ordering::Relaxed) {
            copies.push(snapshot(&store));
        }
        writer.join().unwrap();
        copies
    });
    assert!(!copies.is_empty());
    for copy in &copies {
        let (restored, report) = restore(copy, &path(dir.path(), KEYRING)).unwrap();
        assert_eq!(report, Restored::default());
        assert_eq!(event_count(&restored), restored.feeds().unwrap().len() * 100);
        assert_eq!(everyone(&restored).values().map(Vec::len).sum::<usize>() % 100, 0);
    }
}
