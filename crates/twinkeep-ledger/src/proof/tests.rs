//! Proofs as text: each holds for its entry, index, root, and key only.

use twinkeep_vault::sign::SigningKey;

use super::Proof;
use crate::disk::OsDisk;
use crate::writer::{LIMITS, Writer};
use crate::{Checkpoint, Consistency, LedgerError, View, verify_consistency};

const ORIGIN: &str = "keep.example/ledger";

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

/// A ledger of `count` entries.
fn ledger(count: u64) -> (tempfile::TempDir, View) {
    let dir = tempfile::tempdir().unwrap();
    Writer::create(dir.path(), ORIGIN, &key(), Box::<OsDisk>::default()).unwrap();
    let mut writer =
        Writer::open(dir.path(), ORIGIN, key(), None, Box::<OsDisk>::default(), LIMITS).unwrap();
    let entries: Vec<_> = (0..count).map(|n| format!("entry {n}").into_bytes()).collect();
    writer.commit(&entries).unwrap();
    let view = View::open(dir.path(), ORIGIN, &key().verifying_key()).unwrap();
    (dir, view)
}

fn holds(proof: &Proof) -> bool {
    proof.verify(Some(ORIGIN), &key().verifying_key()).is_ok()
}

#[test]
fn a_proof_reads_back_and_holds_with_nothing_but_the_key() {
    let (_dir, view) = ledger(300);
    for index in [0, 1, 255, 256, 299] {
        let proof = view.prove(index).unwrap();
        let read = Proof::parse(proof.encode().as_bytes()).unwrap();
        assert_eq!(read, proof);
        assert_eq!(read.entry, format!("entry {index}").into_bytes());
        let signed = read.verify(None, &key().verifying_key()).unwrap();
        assert_eq!(signed.checkpoint.size, 300);
    }
    assert!(matches!(view.prove(300), Err(LedgerError::OutOfRange { .. })));
}

/// The form that the specification gives, letter for letter.
#[test]
fn a_proof_of_the_only_entry_has_no_hashes() {
    let (_dir, view) = ledger(1);
    let text = view.prove(0).unwrap().encode();
    let head = "c2sp.org/tlog-proof@v1\nextra ZW50cnkgMA==\nindex 0\n\nkeep.example/ledger\n1\n";
    assert!(text.starts_with(head), "{text}");
    assert!(holds(&Proof::parse(text.as_bytes()).unwrap()));
}

#[test]
fn a_proof_of_another_entry_index_ledger_or_key_is_refused() {
    let (_dir, view) = ledger(300);
    let good = view.prove(17).unwrap();
    assert!(holds(&good));
    let changed = |edit: &dyn Fn(&mut Proof)| {
        let mut proof = good.clone();
        edit(&mut proof);
        assert!(!holds(&proof));
    };
    changed(&|proof| proof.entry[0] ^= 1);
    changed(&|proof| proof.index = 16);
    changed(&|proof| proof.index = u64::MAX);
    changed(&|proof| proof.hashes[0][0] ^= 1);
    changed(&|proof| proof.hashes.truncate(1));
    changed(&|proof| proof.hashes.push([0; 32]));
    let other = SigningKey::from_seed(&[8; 32]).unwrap();
    assert!(good.verify(None, &other.verifying_key()).is_err());
    assert!(good.verify(Some("keep.example/other"), &key().verifying_key()).is_err());
    // A root of the forger's own, under the same name but another key.
    let forged = Checkpoint { size: 1, root: crate::leaf_hash(b"forged") };
    let note = forged.sign(ORIGIN, &other).note;
    changed(&|proof| {
        proof.entry = b"forged".to_vec();
        proof.index = 0;
        proof.hashes.clear();
        proof.note.clone_from(&note);
    });
}

#[test]
fn changing_any_byte_of_a_proof_is_found() {
    let (_dir, view) = ledger(5);
    let text = view.prove(3).unwrap().encode().into_bytes();
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut changed = text.clone();
            changed[at] ^= 1 << bit;
            let read = Proof::parse(&changed);
            assert!(!read.is_ok_and(|proof| holds(&proof)), "byte {at}, bit {bit}");
        }
        assert!(!Proof::parse(&text[..at]).is_ok_and(|proof| holds(&proof)), "cut to {at}");
    }
}

#[test]
fn other_spellings_are_not_read() {
    let (_dir, view) = ledger(5);
    let text = view.prove(3).unwrap().encode();
    let refused = |text: &str| assert!(Proof::parse(text.as_bytes()).is_err(), "{text}");
    refused("");
    refused(&text.replace("index 3", "index 03"));
    refused(&text.replace("index 3", "index -3"));
    refused(&text.replace("index 3", "index 3 "));
    refused(&text.replace("@v1", "@v2"));
    refused(&text.replace("extra ", "Extra "));
    refused(&text.replace('\n', "\r\n"));
    refused(&"x".repeat(200_000));
}

#[test]
fn states_of_the_past_are_consistent_and_others_are_not() {
    let (_dir, view) = ledger(300);
    for (old, new) in [(0, 0), (0, 300), (1, 2), (255, 256), (100, 299), (300, 300)] {
        let (old, new) = (view.checkpoint_at(old).unwrap(), view.checkpoint_at(new).unwrap());
        let proof = view.consistency(&old, &new).unwrap();
        let Consistency { old, new, hashes } = proof;
        verify_consistency(old.size, &old.root, new.size, &new.root, &hashes).unwrap();
    }
    let (one, two) = (view.checkpoint_at(100).unwrap(), view.checkpoint_at(200).unwrap());
    let error = view.consistency(&two, &one).unwrap_err();
    assert!(matches!(error, LedgerError::RolledBack { size: 100, trusted: 200 }));
    let forged = Checkpoint { root: [1; 32], ..one };
    let error = view.consistency(&forged, &two).unwrap_err();
    assert!(matches!(error, LedgerError::Rewritten { size: 100 }));
    let error = view.consistency(&one, &Checkpoint { root: [1; 32], ..two }).unwrap_err();
    assert!(matches!(error, LedgerError::Rewritten { size: 200 }));
    assert!(matches!(view.checkpoint_at(301), Err(LedgerError::RolledBack { .. })));
}
