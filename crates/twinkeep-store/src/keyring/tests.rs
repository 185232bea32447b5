//! The keyring derives what it did not destroy, and nothing that it did.

use std::fs;

use tempfile::TempDir;
use twinkeep_domain::Subject;
use twinkeep_vault::{Purpose, SecretKey};

use super::{Doomed, Keyring, Successor};
use crate::StoreError;
use crate::files::WriterLock;
use crate::layout::{KEYRING, path};

fn root() -> SecretKey {
    SecretKey::from_slice(&[9; 32]).unwrap()
}

fn new() -> (TempDir, Keyring) {
    let dir = tempfile::tempdir().unwrap();
    let keyring = Keyring::create(dir.path(), &root()).unwrap();
    (dir, keyring)
}

fn key(keyring: &Keyring, name: &str) -> Result<[u8; 32], StoreError> {
    let key = keyring.now()?.file_key(Purpose::ShardKey, name)?;
    Ok(*key.expose())
}

fn successor(file: &str) -> Successor {
    Successor { file: file.to_owned(), row_count: 3, sha256: [4; 32] }
}

fn destroy(dir: &TempDir, keyring: &Keyring, files: &[(&str, Option<&str>)], people: &[i64]) {
    let lock = WriterLock::take(dir.path()).unwrap().unwrap();
    let files = files.iter().map(|(old, new)| ((*old).to_owned(), new.map(successor))).collect();
    let subjects = people.iter().map(|n| Subject::from_pseudonym(*n).unwrap()).collect();
    keyring.destroy(&lock, &Doomed { files, subjects, all_but: None }).unwrap();
}

const OLD: &str = "events/train/0000000a-11111111.parquet";
const NEW: &str = "events/train/0000000b-22222222.parquet";
const NEWER: &str = "events/train/0000000c-33333333.parquet";

#[test]
fn a_destroyed_key_is_gone_for_every_process_and_an_older_copy_still_has_it() {
    let (dir, keyring) = new();
    let other = Keyring::open(dir.path(), &root()).unwrap();
    let (old, new) = (key(&keyring, OLD).unwrap(), key(&keyring, NEW).unwrap());
    assert_ne!(old, new);
    let copy = fs::read(path(dir.path(), KEYRING)).unwrap();
    destroy(&dir, &keyring, &[(OLD, Some(NEW))], &[7]);
    for keyring in [&keyring, &other, &Keyring::open(dir.path(), &root()).unwrap()] {
        assert_eq!(key(keyring, OLD).unwrap_err().code(), "key-destroyed");
        assert_eq!(key(keyring, NEW).unwrap(), new);
        let ring = keyring.now().unwrap();
        assert!(ring.is_erased(Subject::from_pseudonym(7).unwrap()));
        assert!(!ring.is_erased(Subject::from_pseudonym(8).unwrap()));
        assert_eq!((ring.generation, ring.file_floor), (2, 11));
    }
    let elsewhere = tempfile::tempdir().unwrap();
    twinkeep_vault::files::write_atomic(&path(elsewhere.path(), KEYRING), &copy, 0o600).unwrap();
    let older = Keyring::open(elsewhere.path(), &root()).unwrap();
    assert_eq!(key(&older, OLD).unwrap(), old, "so a copy must be replaced after an erasure");
}

#[test]
fn successors_lead_to_the_newest_file() {
    let (dir, keyring) = new();
    destroy(&dir, &keyring, &[(OLD, Some(NEW))], &[]);
    destroy(&dir, &keyring, &[(NEW, Some(NEWER))], &[]);
    let ring = keyring.now().unwrap();
    assert_eq!(ring.successors.get(OLD), Some(&successor(NEWER)));
    destroy(&dir, &keyring, &[(NEWER, None)], &[]);
    assert_eq!(keyring.now().unwrap().successors.get(OLD).unwrap().file, "");
}

#[test]
fn an_older_keyring_under_a_running_process_is_refused() {
    let (dir, keyring) = new();
    let file = path(dir.path(), KEYRING);
    let copy = fs::read(&file).unwrap();
    destroy(&dir, &keyring, &[(OLD, None)], &[]);
    twinkeep_vault::files::write_atomic(&file, &copy, 0o600).unwrap();
    assert_eq!(keyring.now().map(drop).unwrap_err().code(), "keyring");
}

#[test]
fn a_keyring_that_is_cut_flipped_foreign_or_gone_is_refused() {
    let (dir, _) = new();
    let file = path(dir.path(), KEYRING);
    let whole = fs::read(&file).unwrap();
    let open = |root: &SecretKey| Keyring::open(dir.path(), root).err().map(|error| error.code());
    assert_eq!(open(&SecretKey::random()), Some("keyring"));
    for length in 0..whole.len() {
        twinkeep_vault::files::write_atomic(&file, &whole[..length], 0o600).unwrap();
        assert_eq!(open(&root()), Some("keyring"), "{length} bytes");
    }
    for index in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[index] ^= 4;
        twinkeep_vault::files::write_atomic(&file, &flipped, 0o600).unwrap();
        assert_eq!(open(&root()), Some("keyring"), "byte {index}");
    }
    twinkeep_vault::files::write_atomic(&file, &whole, 0o600).unwrap();
    assert_eq!(open(&root()), None);
    twinkeep_vault::files::write_atomic(&file, &whole, 0o644).unwrap();
    assert_eq!(open(&root()), Some("keyring"));
    fs::remove_file(&file).unwrap();
    assert_eq!(open(&root()), Some("keyring"));
}

#[test]
fn the_bytes_of_the_old_keyring_are_wiped() {
    let (dir, keyring) = new();
    let file = path(dir.path(), KEYRING);
    let mut old = fs::File::open(&file).unwrap();
    destroy(&dir, &keyring, &[(OLD, None)], &[1, 2, 3]);
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut old, &mut bytes).unwrap();
    assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 0));
}
