//! Models from elsewhere: what a file is, whoever signed it, and who was revoked.

#![no_main]

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use twinkeep_domain::Timestamp;
use twinkeep_registry::contents::{Content, Format, Inspector};
use twinkeep_registry::oms::{Bundle, Trust};
use twinkeep_vault::chain::Revocations;
use twinkeep_vault::ecdsa::EcdsaKey;

/// Signs any bytes as if they were a statement.
fn signed(payload: &[u8], key: &EcdsaKey) -> String {
    const KIND: &str = "application/vnd.in-toto+json";
    let mut pae = format!("DSSEv1 {} {KIND} {} ", KIND.len(), payload.len()).into_bytes();
    pae.extend_from_slice(payload);
    format!(
        r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{"publicKey":{{"hint":""}}}},"dsseEnvelope":{{"payload":"{}","payloadType":"{KIND}","signatures":[{{"sig":"{}"}}]}}}}"#,
        STANDARD.encode(payload),
        STANDARD.encode(key.sign(&pae).unwrap()),
    )
}

fn inspect(data: &[u8], piece: usize) -> Content {
    let mut inspector = Inspector::new("README.md");
    data.chunks(piece).for_each(|piece| inspector.feed(piece));
    inspector.finish()
}

fuzz_target!(|data: &[u8]| {
    let found = inspect(data, data.len().max(1));
    assert_eq!(found, inspect(data, 7), "it makes no difference in which pieces a file comes");
    let long_enough = found != Content::Checked(Format::Safetensors) || 8 < data.len();
    assert!(long_enough, "tensors have a header");

    static KEY: OnceLock<(EcdsaKey, String)> = OnceLock::new();
    let (key, public) = KEY.get_or_init(|| {
        let key = EcdsaKey::generate().unwrap();
        let public = key.public_pem().unwrap();
        (key, public)
    });
    let mut revoked = Revocations::default();
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = revoked.add(text);
    }
    let now = Timestamp::from_micros(1_795_219_200_000_000);
    if let Ok(bundle) = Bundle::parse(data) {
        assert!(bundle.verify(Trust::Key(public), &revoked).is_err(), "nobody signed it");
        assert!(bundle.verify(Trust::Authorities(&[], now), &revoked).is_err());
    }
    let bundle = Bundle::parse(signed(data, key).as_bytes()).expect("its shape is right");
    if let Ok(statement) = bundle.verify(Trust::Key(public), &Revocations::NONE) {
        assert!(!statement.files().is_empty());
        assert!(statement.files().keys().all(|name| !name.split('/').any(|part| part == "..")));
    }
});
