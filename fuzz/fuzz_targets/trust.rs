//! What is signed: checkpoints, audit entries, model signatures.

#![no_main]

use libfuzzer_sys::fuzz_target;
use twinkeep_ledger::{Entry, SignedCheckpoint};
use twinkeep_registry::oms::Bundle;
use twinkeep_vault::sign::SigningKey;

fuzz_target!(|data: &[u8]| {
    let key = SigningKey::generate().verifying_key();
    assert!(SignedCheckpoint::parse(data, "twinkeep.local/keep/1", &key).is_err(), "nobody signed it");
    if let Ok(entry) = Entry::decode(data) {
        // The form is canonical: there is one encoding of an entry.
        assert_eq!(entry.encode().unwrap(), data);
    }
    let _ = Bundle::parse(data);
});
