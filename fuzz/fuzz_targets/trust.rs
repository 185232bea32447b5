//! What is signed: checkpoints, audit entries, proofs, requests to witnesses, model signatures.

#![no_main]

use libfuzzer_sys::fuzz_target;
use twinkeep_ledger::{Entry, Proof, SignedCheckpoint, WitnessRequest};
use twinkeep_registry::oms::Bundle;
use twinkeep_vault::sign::SigningKey;

fuzz_target!(|data: &[u8]| {
    let key = SigningKey::generate().verifying_key();
    assert!(SignedCheckpoint::parse(data, "twinkeep.local/keep/1", &key).is_err(), "nobody signed it");
    if let Ok(entry) = Entry::decode(data) {
        // The form is canonical: there is one encoding of an entry.
        assert_eq!(entry.encode().unwrap(), data);
    }
    if let Ok(proof) = Proof::parse(data) {
        assert_eq!(proof.encode().as_bytes(), data, "a proof has one spelling");
        assert!(proof.verify(None, &key).is_err(), "nobody signed it");
    }
    if let Ok(request) = WitnessRequest::parse(data) {
        assert_eq!(request.encode().as_bytes(), data, "a request has one spelling");
    }
    let _ = Bundle::parse(data);
});
