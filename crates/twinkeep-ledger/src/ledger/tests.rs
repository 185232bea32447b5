//! The handle: many threads, one order.

use std::thread;

use twinkeep_vault::sign::SigningKey;

use super::Ledger;
use crate::{ENTRY_SIZE_MAX, LedgerError, verify};

const ORIGIN: &str = "keep.example/ledger";

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

#[test]
fn each_caller_gets_the_place_of_its_own_entries() {
    let dir = tempfile::tempdir().unwrap();
    Ledger::create(dir.path(), ORIGIN, &key()).unwrap();
    let ledger = Ledger::open(dir.path(), ORIGIN, key(), None).unwrap();
    thread::scope(|scope| {
        for caller in 0..8 {
            let ledger = ledger.clone();
            scope.spawn(move || {
                for round in 0..20 {
                    let entries: Vec<_> = (0..1 + round % 3)
                        .map(|n| format!("{caller} {round} {n}").into_bytes())
                        .collect();
                    let appended = ledger.append(&entries).unwrap();
                    let first = appended.first_index;
                    let view = ledger.view().unwrap();
                    assert!(
                        appended.checkpoint.checkpoint.size <= view.checkpoint().checkpoint.size
                    );
                    let range = first..first + entries.len() as u64;
                    assert_eq!(view.entries(range).unwrap(), entries);
                }
            });
        }
    });
    let size = ledger.view().unwrap().checkpoint().checkpoint.size;
    assert_eq!(size, 8 * (7 + 7 * 2 + 6 * 3));
    verify(dir.path(), ORIGIN, &key().verifying_key(), &[]).unwrap();
}

#[test]
fn a_ledger_is_created_once_and_opened_only_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = dir.path().join("ledger");
    let missing = Ledger::open(&ledger, ORIGIN, key(), None);
    assert!(matches!(missing, Err(LedgerError::Io { .. })));
    Ledger::create(&ledger, ORIGIN, &key()).unwrap();
    assert!(matches!(Ledger::create(&ledger, ORIGIN, &key()), Err(LedgerError::Exists)));
    assert!(matches!(Ledger::create(&ledger, "a b", &key()), Err(LedgerError::Origin)));
    let other = SigningKey::from_seed(&[8; 32]).unwrap();
    let opened = Ledger::open(&ledger, ORIGIN, other, None);
    assert!(matches!(opened, Err(LedgerError::Checkpoint { .. })));
}

#[test]
fn an_entry_that_is_too_large_is_refused_and_nothing_is_no_entry() {
    let dir = tempfile::tempdir().unwrap();
    Ledger::create(dir.path(), ORIGIN, &key()).unwrap();
    let ledger = Ledger::open(dir.path(), ORIGIN, key(), None).unwrap();
    let refused = ledger.append(&[vec![0; ENTRY_SIZE_MAX + 1]]);
    assert!(matches!(refused, Err(LedgerError::EntrySize { .. })));
    let appended = ledger.append(&[vec![0; ENTRY_SIZE_MAX], Vec::new()]).unwrap();
    assert_eq!((appended.first_index, appended.checkpoint.checkpoint.size), (0, 2));
    let nothing = ledger.append(&[]).unwrap();
    assert_eq!((nothing.first_index, nothing.checkpoint.checkpoint.size), (2, 2));
}
