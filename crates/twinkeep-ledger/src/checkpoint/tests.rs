//! Checkpoints against another implementation, and against damage.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expect_test::expect;
use signed_note::{Note, StandardVerifier, VerifierList};
use twinkeep_vault::digest::to_hex;
use twinkeep_vault::sign::SigningKey;

use super::{Checkpoint, SignedCheckpoint, key_hash, origin_valid};
use crate::LedgerError;

const ORIGIN: &str = "keep.example/ledger";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn parse(note: &str) -> Result<SignedCheckpoint, LedgerError> {
    SignedCheckpoint::parse(note.as_bytes(), ORIGIN, &key(7).verifying_key())
}

fn signed() -> SignedCheckpoint {
    Checkpoint { size: 300, root: [9; 32] }.sign(ORIGIN, &key(7))
}

#[test]
fn a_checkpoint_is_a_signed_note() {
    expect![[r#"
        keep.example/ledger
        300
        CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=

        — keep.example/ledger paC3vHhUtzkoZXgkX/uwIFmq5KtmxkWj/Gg1mOGbcMXpoR93UnW4zAnV4AOQCFYoQIP6XADvP7j7Fr0c8StGMnQ/VAw=
    "#]]
    .assert_eq(&signed().note);
    assert_eq!(parse(&signed().note).unwrap(), signed());
    assert_eq!(parse(&Checkpoint::empty().sign(ORIGIN, &key(7)).note).unwrap().checkpoint.size, 0);
}

#[test]
fn another_implementation_reads_and_verifies_it() {
    let public = key(7).verifying_key();
    let mut encoded = vec![1];
    encoded.extend_from_slice(public.as_bytes());
    let id = to_hex(&key_hash(ORIGIN, &public));
    let name = format!("{ORIGIN}+{id}+{}", STANDARD.encode(encoded));
    let verifier = StandardVerifier::new(&name).unwrap();
    let note = Note::from_bytes(signed().note.as_bytes()).unwrap();
    let (verified, _) = note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!(verified.len(), 1);
    let theirs = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!((theirs.origin(), theirs.size(), theirs.hash().0), (ORIGIN, 300, [9; 32]));
}

#[test]
fn every_flipped_bit_and_every_truncation_is_refused() {
    let note = signed().note.into_bytes();
    let public = key(7).verifying_key();
    for bit in 0..note.len() * 8 {
        let mut changed = note.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(SignedCheckpoint::parse(&changed, ORIGIN, &public).is_err(), "bit {bit}");
    }
    for length in 0..note.len() {
        assert!(SignedCheckpoint::parse(&note[..length], ORIGIN, &public).is_err(), "{length}");
    }
}

#[test]
fn another_key_or_another_origin_is_refused() {
    let other_key = Checkpoint::empty().sign(ORIGIN, &key(8)).note;
    let other_origin = Checkpoint::empty().sign("elsewhere", &key(7)).note;
    let reason = |note: &str| parse(note).unwrap_err().to_string();
    let expected = "the ledger's checkpoint is not valid: it is not signed by the ledger's key";
    assert_eq!(reason(&other_key), expected);
    let expected = "the ledger's checkpoint is not valid: it is of another ledger";
    assert_eq!(reason(&other_origin), expected);
}

#[test]
fn a_cosignature_is_passed_over_and_does_not_stand_in_for_ours() {
    let ours = signed().note;
    let theirs = Checkpoint { size: 300, root: [9; 32] }.sign(ORIGIN, &key(8)).note;
    let (text, line) = theirs.split_once("\n\n").unwrap();
    assert!(parse(&format!("{ours}{line}")).is_ok());
    assert!(parse(&format!("{text}\n\n{line}{line}")).is_err());
}

#[test]
fn numbers_have_one_spelling() {
    for size in ["0300", "+300", " 300", "3e2", "18446744073709551616", ""] {
        let text = format!("{ORIGIN}\n{size}\n{}\n", STANDARD.encode([9; 32]));
        assert!(super::parse_text(&text, ORIGIN).is_err(), "{size}");
    }
}

#[test]
fn an_origin_is_a_name_without_spaces_and_plus() {
    assert!(origin_valid("keep.example/ledger"));
    for origin in ["", "a b", "a+b", "a\nb", "a\u{a0}b", &"a".repeat(513)] {
        assert!(!origin_valid(origin), "{origin:?}");
    }
}
