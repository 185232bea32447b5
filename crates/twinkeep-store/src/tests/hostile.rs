//! Whoever has the disk reads nothing and changes nothing unnoticed.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use twinkeep_domain::Split;

use super::{MARKED_CODE, MARKED_FILE, MARKED_RAW, MARKED_SOURCE, MARKED_TEXT, add, root, sample};
use crate::rows::{SHARDS, SUBJECTS};
use crate::{FeedId, Store};

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn ids(store: &Store, select: &str) -> Vec<i64> {
    let connection = store.connection();
    let mut statement = connection.prepare(select).unwrap();
    let ids = statement.query_map([], |row| row.get(0)).unwrap();
    ids.collect::<Result<_, _>>().unwrap()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn no_byte_on_the_disk_shows_a_person_a_code_or_a_value() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let sample = sample(1, 30, 50);
    add(&store, &sample).unwrap();
    // Subject 29, event 48.
    let value = 29_048.5_f32;
    let held = |cohort: &twinkeep_domain::Cohort| {
        let events = cohort.timelines.iter().flat_map(|timeline| timeline.events());
        events.filter(|event| event.value == Some(value)).count()
    };
    let count: usize = Split::ALL.iter().map(|&split| held(&store.cohort(split).unwrap())).sum();
    assert_eq!(count, 1, "the markers are there for whoever has the key");
    let digest = sample.digest;
    // Neighbors in a column; four bytes alone could be there by chance.
    let values: Vec<u8> =
        [29_045.5_f32, 29_046.5, 29_047.5].into_iter().flat_map(f32::to_le_bytes).collect();
    let markers: [&[u8]; 12] = [
        MARKED_SOURCE.as_bytes(),
        MARKED_CODE.as_bytes(),
        MARKED_TEXT.as_bytes(),
        MARKED_RAW.as_bytes(),
        MARKED_FILE.as_bytes(),
        b"zq-delivery",
        b"ZQCODE",
        b"ZQRAW",
        &values,
        &super::at(1, 7).micros().to_le_bytes(),
        &super::at(1, 7).micros().to_be_bytes(),
        &digest,
    ];
    let files = files(dir.path());
    assert!(files.len() > 5, "catalog, its log, three shards, quarantine: {}", files.len());
    for file in files {
        let bytes = fs::read(&file).unwrap();
        if file.extension().is_some_and(|name| name == "parquet") {
            assert!(bytes.starts_with(b"PARE") && bytes.ends_with(b"PARE"), "encrypted footer");
        }
        for marker in markers {
            assert!(!contains(&bytes, marker), "{file:?}: {}", marker.escape_ascii());
        }
    }
}

#[test]
fn only_the_owner_may_look() {
    let dir = tempfile::tempdir().unwrap();
    let keep = dir.path().join("keep");
    let store = Store::create(&keep, &root()).unwrap();
    add(&store, &sample(1, 10, 5)).unwrap();
    for file in files(&keep) {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        let folder = file.parent().unwrap();
        assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn every_changed_byte_of_a_shard_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let sample = sample(1, 6, 20);
    add(&store, &sample).unwrap();
    let shard = files(&dir.path().join("events/train")).remove(0);
    let bytes = fs::read(&shard).unwrap();
    let subject = store.cohort(Split::Train).unwrap().timelines[0].subject();
    let before = store.timeline(subject).unwrap().unwrap().timelines[0].events().to_vec();
    let mut file = OpenOptions::new().write(true).open(&shard).unwrap();
    let mut write = |at: usize, byte: u8| {
        file.seek(SeekFrom::Start(at as u64)).unwrap();
        file.write_all(&[byte]).unwrap();
    };
    for at in (0..bytes.len()).step_by(7).chain(bytes.len() - 60..bytes.len()) {
        write(at, bytes[at] ^ 0x10);
        assert_eq!(store.cohort(Split::Train).unwrap_err().code(), "store-damaged", "{at}");
        // One timeline reads a part of the file: it is refused, or that part is untouched.
        match store.timeline(subject) {
            Ok(cohort) => assert!(cohort.unwrap().timelines[0].events() == before, "{at}"),
            Err(error) => assert_eq!(error.code(), "store-damaged", "{at}"),
        }
        write(at, bytes[at]);
    }
    file.set_len(bytes.len() as u64 - 1).unwrap();
    assert_eq!(store.timeline(subject).unwrap_err().code(), "store-damaged");
    file.set_len(0).unwrap();
    assert_eq!(store.timeline(subject).unwrap_err().code(), "store-damaged");
    fs::remove_file(&shard).unwrap();
    assert_eq!(store.timeline(subject).unwrap_err().code(), "store-file");
}

#[test]
fn a_shard_in_the_place_of_another_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    add(&store, &sample(1, 6, 20)).unwrap();
    add(&store, &sample(2, 6, 20)).unwrap();
    let shards = files(&dir.path().join("events/train"));
    fs::copy(&shards[1], &shards[0]).unwrap();
    // Its digest moved along in the catalog: the row is refused, and the name would still bind the
    // file if its rows were authentic.
    store
        .connection()
        .execute_batch(
            "UPDATE shards SET (sha256, row_count) = (SELECT sha256,
            row_count FROM shards AS other WHERE other.split = 'train' ORDER BY id DESC LIMIT 1)
            WHERE split = 'train'",
        )
        .unwrap();
    assert_eq!(store.cohort(Split::Train).unwrap_err().code(), "store-row-changed");
    for id in ids(&store, "SELECT id FROM shards") {
        store.rows.seal(&store.connection(), &SHARDS, &id).unwrap();
    }
    store.rows.seal_tables(&store.connection(), &[&SHARDS]).unwrap();
    assert_eq!(store.cohort(Split::Train).unwrap_err().code(), "store-damaged");
}

#[test]
fn sealed_values_do_not_move_between_rows() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let sample = sample(1, 2, 5);
    add(&store, &sample).unwrap();
    store
        .connection()
        .execute_batch(
            "UPDATE subjects SET source = (SELECT source FROM subjects ORDER BY pseudonym LIMIT 1)",
        )
        .unwrap();
    let second = sample.mapping[1].0;
    assert!(store.source_of(sample.mapping[0].0).is_ok());
    assert_eq!(store.source_of(second).unwrap_err().code(), "store-row-changed");
    // It would not open there even in an authentic row.
    store.rows.seal(&store.connection(), &SUBJECTS, &second.reveal()).unwrap();
    assert_eq!(store.source_of(second).unwrap_err().code(), "store-sealed");
}

#[test]
fn a_range_of_rows_that_is_not_there_or_anothers_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let sample = sample(1, 6, 20);
    add(&store, &sample).unwrap();
    let subject = sample.mapping[0].0;
    let run = |sql: &str| store.connection().execute_batch(sql).unwrap();
    run("CREATE TEMP TABLE kept AS SELECT * FROM ranges");
    for (change, code) in [
        ("UPDATE ranges SET first_row = first_row + 1", "store-row-changed"),
        ("UPDATE ranges SET row_count = 100000", "store-row-changed"),
        ("UPDATE ranges SET row_count = row_count - 1", "store-row-changed"),
        ("UPDATE ranges SET first_row = -1", "store-row-changed"),
        ("UPDATE ranges SET span = zeroblob(45)", "store-row-changed"),
        ("DELETE FROM ranges", "store-damaged"),
    ] {
        run(change);
        assert_eq!(store.timeline(subject).unwrap_err().code(), code, "{change}");
        run("DELETE FROM ranges; INSERT INTO ranges SELECT * FROM kept");
    }
    assert!(store.timeline(subject).is_ok());
}

#[test]
fn a_changed_quarantine_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    let feed = add(&store, &sample(1, 2, 5)).unwrap();
    assert_eq!(feed, FeedId(1));
    let file = files(&dir.path().join("quarantine")).remove(0);
    let bytes = fs::read(&file).unwrap();
    let mut handle = OpenOptions::new().write(true).open(&file).unwrap();
    handle.seek(SeekFrom::Start(40)).unwrap();
    handle.write_all(&[bytes[40] ^ 1]).unwrap();
    assert_eq!(store.quarantined(feed, 0, 10).unwrap_err().code(), "store-damaged");
}
