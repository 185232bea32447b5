//! Cosignatures and requests, also by the example and the reader of others.

use twinkeep_vault::sign::{SigningKey, VerifyingKey};

use super::{WitnessRequest, cosign, cosigned_at};
use crate::{Checkpoint, LedgerError, SignedCheckpoint};

const ORIGIN: &str = "keep.example/ledger";
const WITNESS: &str = "witness.example/w1";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn signed() -> SignedCheckpoint {
    Checkpoint { size: 20_852_163, root: [9; 32] }.sign(ORIGIN, &key(7))
}

#[test]
fn a_cosignature_holds_for_its_witness_and_checkpoint_and_leaves_the_ledgers_own_alone() {
    let signed = signed();
    let line = cosign(&signed, WITNESS, &key(8), 1_795_348_800);
    let note = format!("{}{line}", signed.note);
    let public = key(8).verifying_key();
    assert_eq!(cosigned_at(&note, WITNESS, &public), Some(1_795_348_800));
    assert_eq!(cosigned_at(&signed.note, WITNESS, &public), None);
    assert_eq!(cosigned_at(&note, "witness.example/w2", &public), None);
    assert_eq!(cosigned_at(&note, WITNESS, &key(9).verifying_key()), None);
    let again = SignedCheckpoint::parse(note.as_bytes(), ORIGIN, &key(7).verifying_key()).unwrap();
    assert_eq!(again.checkpoint, signed.checkpoint);
    // Of another checkpoint of the same ledger.
    let other = Checkpoint { size: 5, root: [1; 32] }.sign(ORIGIN, &key(7));
    assert_eq!(cosigned_at(&format!("{}{line}", other.note), WITNESS, &public), None);
    let later = cosign(&signed, WITNESS, &key(8), 1_795_348_900);
    assert_eq!(cosigned_at(&format!("{note}{later}"), WITNESS, &public), Some(1_795_348_900));
}

#[test]
fn changing_any_byte_of_a_cosigned_checkpoint_is_found() {
    let signed = signed();
    let note = format!("{}{}", signed.note, cosign(&signed, WITNESS, &key(8), 1_795_348_800));
    let (ours, theirs) = (key(7).verifying_key(), key(8).verifying_key());
    for at in 0..note.len() {
        let mut bytes = note.clone().into_bytes();
        bytes[at] ^= 1 << (at % 8);
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        let held = SignedCheckpoint::parse(changed.as_bytes(), ORIGIN, &ours).is_ok()
            && cosigned_at(&changed, WITNESS, &theirs).is_some();
        assert!(!held, "byte {at}");
    }
}

/// The example of C2SP tlog-cosignature: its lines are read, and its keys are not ours.
#[test]
fn the_example_of_the_specification_is_read() {
    let note = "example.com/behind-the-sofa\n20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        \u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
    let nobody = VerifyingKey::from_bytes([1; 32]);
    assert_eq!(cosigned_at(note, "witness.example.com/w1", &nobody), None);
}

#[test]
fn a_request_reads_back_and_other_spellings_do_not() {
    let request =
        WitnessRequest { old_size: 17, hashes: vec![[1; 32], [2; 32]], note: signed().note };
    let text = request.encode();
    assert!(text.starts_with("old 17\nAQEB"), "{text}");
    assert_eq!(WitnessRequest::parse(text.as_bytes()).unwrap(), request);
    let empty = WitnessRequest { old_size: 0, hashes: vec![], ..request.clone() };
    assert_eq!(WitnessRequest::parse(empty.encode().as_bytes()).unwrap(), empty);
    let refused = |text: &str| {
        let error = WitnessRequest::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error, LedgerError::ProofFormat { .. }), "{text}");
    };
    refused("");
    refused(&text.replace("old 17", "old 017"));
    refused(&text.replace("old 17", "new 17"));
    refused(&text.replace("AQEB", "AQE"));
    refused(&text.replace('\n', "\r\n"));
    let many = WitnessRequest { hashes: vec![[1; 32]; 64], ..request };
    refused(&many.encode());
    refused(&"x".repeat(100_000));
}
