//! Who was erased is in no place that opens, in no copy, after no crash; everyone else stays.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use twinkeep_domain::{Subject, Timestamp};

use super::{
    MARKED_SOURCE, SITE, Sample, add, add_portion, new_feed, opening, refused, root, sample,
    splits, staged,
};
use crate::erase::Step;
use crate::layout::{CATALOG, KEYRING, data_folders, path};
use crate::{
    Disposition, ErasureRecord, ErasureRequest, FeedId, NewFeed, QuarantinedRecord, Store,
    StoreError,
};

const DIR: &str = "TWINKEEP_TEST_ERASE_DIR";
const STEP: &str = "TWINKEEP_TEST_ERASE_STEP";

/// Whom the tests erase.
pub(super) fn victim() -> Subject {
    sample(1, 40, 1).mapping[7].0
}

fn erase_stepwise(store: &Store, after: &dyn Fn(Step)) -> Result<ErasureRecord, StoreError> {
    let name = |row: &QuarantinedRecord| row.parsed.as_ref().map(|it| it.source.clone());
    let request = ErasureRequest {
        subject: victim(),
        reference: "00112233445566778899aabbccddeeff",
        reason: "asked by letter, on paper",
        at: Timestamp::from_micros(1_790_000_500_000_000),
        concerns: &|site, row| site == SITE && row.row == 3 && name(row).is_some(),
        names: &|_, text| text.contains("zq"),
    };
    store.erase_stepwise(&request, after)
}

pub(super) fn erase(store: &Store) -> ErasureRecord {
    erase_stepwise(store, &|_| ()).unwrap()
}

/// Two admitted feeds of 40 subjects, and a held one.
pub(super) fn full_store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    add(&store, &sample(1, 40, 30)).unwrap();
    add(&store, &sample(2, 40, 20)).unwrap();
    hold(&store, &sample(3, 40, 10)).unwrap();
    (dir, store)
}

fn hold(store: &Store, sample: &Sample) -> Result<FeedId, StoreError> {
    let splits = splits();
    let mut writer = store.begin_feed(opening(&splits))?;
    add_portion(&mut writer, sample, &[refused(3)])?;
    let feed = NewFeed { source: "held", ..new_feed(sample) };
    writer.finish(&feed, Disposition::Hold { reasons: "strange" })
}

/// Everybody's events, as comparable texts.
pub(super) fn everyone(store: &Store) -> BTreeMap<Subject, Vec<String>> {
    let subjects = store.subjects(None, 1000).unwrap();
    let events = |subject| {
        let cohort = store.timeline(subject).unwrap().unwrap();
        let show = |event: &twinkeep_domain::Event| {
            let code = &cohort.codes[event.code as usize];
            let time = event.time.map(Timestamp::micros);
            format!("{time:?} {} {:?} {:?}", code.as_str(), event.value, event.text)
        };
        cohort.timelines[0].events().iter().map(show).collect()
    };
    subjects.into_iter().map(|record| (record.subject, events(record.subject))).collect()
}

/// Copies the data as a backup does: everything but the keyring.
pub(super) fn back_up(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    for name in [CATALOG, "catalog.sqlite-wal"] {
        if path(from, name).exists() {
            fs::copy(path(from, name), path(to.path(), name)).unwrap();
        }
    }
    for folder in data_folders() {
        fs::create_dir_all(path(to.path(), &folder)).unwrap();
        for file in fs::read_dir(path(from, &folder)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), path(to.path(), &folder).join(file.file_name())).unwrap();
        }
    }
    to
}

/// Checks that the victim is gone, and that nobody else lost anything.
pub(super) fn check_gone(store: &Store, before: &BTreeMap<Subject, Vec<String>>) {
    let after = everyone(store);
    assert_eq!(after.len(), before.len() - 1);
    for (subject, events) in before {
        let expected = (*subject != victim()).then_some(events);
        assert_eq!(after.get(subject), expected);
    }
    assert!(store.timeline(victim()).unwrap().is_none());
    assert!(store.source_of(victim()).unwrap().is_none());
    assert!(store.is_erased(victim()).unwrap());
    assert_eq!(store.subject_counts().unwrap().values().sum::<u64>(), 39);
    for feed in [1, 2, 3] {
        for row in store.quarantined(FeedId(feed), 0, 10).unwrap() {
            let blank = row.raw.expose().is_empty() && row.parsed.is_none();
            assert_eq!(blank, row.reason == "erased-subject");
            assert_ne!(row.row, 3, "that row was about the victim");
        }
    }
    assert!(store.feeds().unwrap().iter().all(|feed| !feed.source.contains("zq")));
}

#[test]
fn an_erased_person_is_gone_and_nobody_else_is() {
    let (dir, store) = full_store();
    let before = everyone(&store);
    let record = erase(&store);
    assert_eq!((record.event_count, record.refused_count), (60, 3));
    assert!(record.complete && record.known_since.is_some());
    check_gone(&store, &before);
    drop(store);
    let store = Store::open(dir.path(), &root()).unwrap();
    check_gone(&store, &before);
    assert_eq!(erase(&store), record, "it is told again, not done again");
    assert_eq!(store.erasures().unwrap(), [record]);
    // The files of the catalog, and no others, are there.
    let files: usize = data_folders()
        .iter()
        .map(|folder| path(dir.path(), folder).read_dir().unwrap().count())
        .sum();
    let named = "SELECT (SELECT count(*) FROM shards) + (SELECT count(*) FROM quarantine)";
    let named: i64 = store.connection().query_row(named, [], |row| row.get(0)).unwrap();
    assert_eq!(files as i64, named);
}

#[test]
fn a_backup_from_before_opens_for_nobody() {
    let (dir, store) = full_store();
    let backup = back_up(dir.path());
    let old_keyring = fs::read(path(dir.path(), KEYRING)).unwrap();
    erase(&store);
    fs::copy(path(dir.path(), KEYRING), path(backup.path(), KEYRING)).unwrap();
    let old = Store::open(backup.path(), &root()).unwrap();
    // The catalog is authentic, and everything about the person in it is closed for good.
    assert_eq!(old.timeline(victim()).map(drop).unwrap_err().code(), "key-destroyed");
    assert_eq!(old.source_of(victim()).map(drop).unwrap_err().code(), "subject-erased");
    assert_eq!(old.subject(victim()).map(drop).unwrap_err().code(), "subject-erased");
    for feed in [1, 2, 3] {
        let rows = old.quarantined(FeedId(feed), 0, 10);
        assert_eq!(rows.map(drop).unwrap_err().code(), "key-destroyed");
    }
    drop(old);
    // With the keyring of that time it would all be there: it is the keyring that decides.
    twinkeep_vault::files::write_atomic(&path(backup.path(), KEYRING), &old_keyring, 0o600)
        .unwrap();
    let old = Store::open(backup.path(), &root()).unwrap();
    assert_eq!(old.timeline(victim()).unwrap().unwrap().timelines[0].events().len(), 50);
}

#[test]
fn a_feed_with_an_erased_person_is_stored_without_them() {
    let (_dir, store) = full_store();
    erase(&store);
    let feed = add(&store, &sample(4, 40, 5)).unwrap();
    assert!(store.timeline(victim()).unwrap().is_none());
    assert_eq!(store.subjects(None, 100).unwrap().len(), 39);
    let rows = store.quarantined(feed, 0, 100).unwrap();
    let erased = rows.iter().filter(|row| row.reason == "erased-subject");
    for row in erased.clone() {
        assert!(
            row.raw.expose().is_empty() && row.file.expose().is_empty() && row.parsed.is_none()
        );
    }
    assert_eq!(erased.count(), 5);
}

#[test]
fn a_held_feed_can_still_be_counted_on_after_an_erasure() {
    let (_dir, store) = full_store();
    let waiting = staged(&store);
    erase(&store);
    assert_eq!(staged(&store), waiting - 1);
    let select = "SELECT staged FROM feeds WHERE id = 3";
    let digest: [u8; 32] = store.connection().query_row(select, [], |row| row.get(0)).unwrap();
    store.scan_staged(&store.connection(), 3, &digest, &mut |_| Ok(())).unwrap();
}

#[test]
fn somebody_who_is_in_refused_rows_only_can_be_erased() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    add(&store, &sample(1, 2, 3)).unwrap();
    let record = erase(&store);
    assert_eq!((record.event_count, record.refused_count), (0, 1));
    assert_eq!(record.known_since, None);
    assert_eq!(store.subjects(None, 10).unwrap().len(), 2);
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
    erase_stepwise(&store, &crash).unwrap();
}

#[test]
fn a_crash_between_any_two_steps_leaves_a_person_whole_or_erased() {
    let mut outcomes = Vec::new();
    for step in 0.. {
        let (dir, store) = full_store();
        let before = everyone(&store);
        drop(store);
        let status = Command::new(env::current_exe().unwrap())
            .args(["--exact", "tests::erase::child"])
            .env(DIR, dir.path())
            .env(STEP, step.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        let store = Store::open(dir.path(), &root()).unwrap();
        let erased = store.is_erased(victim()).unwrap();
        match erased {
            true => check_gone(&store, &before),
            false => assert_eq!(everyone(&store), before),
        }
        let record = erase(&store);
        assert_eq!(record.event_count, 60);
        check_gone(&store, &before);
        outcomes.push(erased);
        if status.success() {
            break;
        }
    }
    // Three shards and the refused rows written, rows changed: whole. Committed, keys destroyed,
    // list emptied, files removed, and the run that came to its end: erased.
    let whole = outcomes.iter().take_while(|erased| !**erased).count();
    assert_eq!((whole, outcomes.len()), (5, 10));
    assert!(outcomes[whole..].iter().all(|erased| *erased));
}

/// The identifiers of the tests are none of a person's, but what is left must not have them.
#[test]
fn no_file_shows_who_was_erased() {
    let (dir, store) = full_store();
    erase(&store);
    drop(store);
    for folder in [vec![String::new()], data_folders()].concat() {
        for file in fs::read_dir(path(dir.path(), &folder)).unwrap() {
            let file = file.unwrap().path();
            if file.is_file() {
                let bytes = fs::read(&file).unwrap();
                let marked = MARKED_SOURCE.as_bytes();
                assert!(!bytes.windows(marked.len()).any(|found| found == marked));
            }
        }
    }
}
