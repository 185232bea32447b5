//! Verifies every vector, and makes them anew with `UPDATE_CONFORMANCE=1`.
//!
//! A vector is a folder with a ledger and a file `expect`: `ok SIZE ROOT`, or the code of the
//! refusal. A file `trusted` in it is a checkpoint that was kept elsewhere.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use twinkeep_ledger::{Activity, Class, Entry, Ledger, SignedCheckpoint, verify};
use twinkeep_vault::digest::{from_hex, to_hex};
use twinkeep_vault::sign::SigningKey;

const ORIGIN: &str = "twinkeep.local/keep/conformance";

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/ledger")
}

/// A key for these vectors and nothing else.
fn key() -> SigningKey {
    let text = fs::read_to_string(vectors().join("test-key.txt")).unwrap();
    let seed = text.lines().find_map(|line| line.strip_prefix("seed ")).unwrap();
    SigningKey::from_seed(&from_hex(seed).unwrap()).unwrap()
}

/// Returns what `expect` should say of a vector.
fn judge(vector: &Path) -> String {
    let key = key().verifying_key();
    let trusted = fs::read(vector.join("trusted")).ok();
    let trusted: Vec<_> = trusted
        .iter()
        .map(|note| SignedCheckpoint::parse(note, ORIGIN, &key).unwrap().checkpoint)
        .collect();
    match verify(vector, ORIGIN, &key, &trusted) {
        Ok(verified) => {
            let checkpoint = verified.checkpoint.checkpoint;
            format!("ok {} {}", checkpoint.size, to_hex(&checkpoint.root))
        }
        Err(error) => error.code().to_owned(),
    }
}

fn folders(kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(vectors().join(kind)).unwrap();
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn every_vector_is_judged_as_it_expects() {
    if std::env::var_os("UPDATE_CONFORMANCE").is_some() {
        make();
    }
    let (valid, invalid) = (folders("valid"), folders("invalid"));
    assert!(2 <= valid.len() && 6 <= invalid.len());
    for vector in valid.iter().chain(&invalid) {
        let expected = fs::read_to_string(vector.join("expect")).unwrap();
        assert_eq!(judge(vector), expected.trim(), "{}", vector.display());
        assert_eq!(expected.starts_with("ok "), vector.parent() == valid[0].parent());
    }
}

fn entry(index: i64) -> Vec<u8> {
    let time = 1_700_000_000_000 + index;
    Entry::new(time, Class::ApiActivity, Activity::Read, "vector", "test")
        .with("index", index)
        .encode()
        .unwrap()
}

/// Writes the ledger of a vector, `size` entries long.
fn write_ledger(vector: &Path, size: i64) {
    let _ = fs::remove_dir_all(vector);
    fs::create_dir_all(vector).unwrap();
    Ledger::create(vector, ORIGIN, &key()).unwrap();
    let ledger = Ledger::open(vector, ORIGIN, key(), None).unwrap();
    let entries: Vec<_> = (0..size).map(entry).collect();
    ledger.append(&entries).unwrap();
    drop(ledger);
    let _ = fs::remove_file(vector.join("lock"));
}

fn write(path: &Path, bytes: &[u8]) {
    File::create(path).unwrap().write_all(bytes).unwrap();
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    write(path, &bytes);
}

fn make() {
    let at = |name: &str| vectors().join(name);
    write_ledger(&at("valid/three-entries"), 3);
    write_ledger(&at("valid/two-tiles"), 300);
    let make = |name: &str, spoil: &dyn Fn(&Path)| {
        let vector = at(&format!("invalid/{name}"));
        write_ledger(&vector, 3);
        spoil(&vector);
    };
    let entries = "tile/entries/000.p/3";
    make("entry-changed", &|vector| change(&vector.join(entries), |bytes| bytes[60] ^= 1));
    make("entry-removed", &|vector| {
        change(&vector.join(entries), |bytes| {
            let first = 2 + usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
            bytes.drain(..first);
        });
    });
    make("entries-reordered", &|vector| {
        change(&vector.join(entries), |bytes| {
            let first = 2 + usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
            bytes.rotate_left(first);
        });
    });
    make("hash-changed", &|vector| {
        change(&vector.join("tile/0/000.p/3"), |bytes| bytes[40] ^= 1);
    });
    make("entries-missing", &|vector| fs::remove_file(vector.join(entries)).unwrap());
    make("size-changed", &|vector| {
        change(&vector.join("checkpoint"), |note| {
            let at = note.iter().position(|&byte| byte == b'\n').unwrap() + 1;
            note[at] = b'2';
        });
    });
    make("signature-changed", &|vector| {
        change(&vector.join("checkpoint"), |note| {
            let at = note.len() - 10;
            note[at] = if note[at] == b'A' { b'B' } else { b'A' };
        });
    });
    make("rolled-back", &|vector| {
        let newer = at("valid/two-tiles/checkpoint");
        fs::copy(newer, vector.join("trusted")).unwrap();
    });
    make("rewritten", &|vector| {
        // Another history of the same length: only a checkpoint kept elsewhere can tell.
        fs::copy(vector.join("checkpoint"), vectors().join("kept")).unwrap();
        let _ = fs::remove_dir_all(vector);
        fs::create_dir_all(vector).unwrap();
        Ledger::create(vector, ORIGIN, &key()).unwrap();
        let ledger = Ledger::open(vector, ORIGIN, key(), None).unwrap();
        ledger.append(&[entry(7), entry(8), entry(9)]).unwrap();
        drop(ledger);
        let _ = fs::remove_file(vector.join("lock"));
        fs::rename(vectors().join("kept"), vector.join("trusted")).unwrap();
    });
    for vector in folders("valid").iter().chain(&folders("invalid")) {
        write(&vector.join("expect"), format!("{}\n", judge(vector)).as_bytes());
    }
    // Files of a repository are readable; those of a keep are not.
    let mode = Command::new("chmod").arg("-R").arg("u=rwX,go=rX").arg(vectors()).status();
    assert!(mode.unwrap().success());
}
