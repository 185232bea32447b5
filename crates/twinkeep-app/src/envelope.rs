//! Signed statements: DSSE envelopes with Ed25519, under the keep's ledger key.
//!
//! <https://github.com/secure-systems-lab/dsse>: what is signed is the type and the bytes of the
//! payload, each with its length, so that a statement of one type is never taken for another.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use twinkeep_vault::sign::{SigningKey, VerifyingKey};

/// The envelope as it lies in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<WireSignature>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature {
    keyid: String,
    sig: String,
}

impl Envelope {
    /// Signs a payload.
    pub(crate) fn sign(key: &SigningKey, payload_type: &str, payload: &[u8]) -> Self {
        Self {
            payload_type: payload_type.to_owned(),
            payload: STANDARD.encode(payload),
            signatures: vec![WireSignature {
                keyid: key.verifying_key().key_id(),
                sig: STANDARD.encode(key.sign(&signed_bytes(payload_type, payload))),
            }],
        }
    }

    /// Returns the payload, if the envelope is of this type and the key signed it.
    pub(crate) fn open(&self, key: &VerifyingKey, payload_type: &str) -> Option<Vec<u8>> {
        let [signature] = self.signatures.as_slice() else { return None };
        let payload = STANDARD.decode(&self.payload).ok()?;
        let signature = STANDARD.decode(&signature.sig).ok()?;
        key.verify(&signed_bytes(payload_type, &payload), &signature).ok()?;
        (self.payload_type == payload_type).then_some(payload)
    }
}

/// Signs a payload; returns the envelope as JSON.
pub(crate) fn sign(key: &SigningKey, payload_type: &str, payload: &[u8]) -> Vec<u8> {
    serde_json::to_vec_pretty(&Envelope::sign(key, payload_type, payload)).unwrap_or_default()
}

/// Returns the payload, if the envelope is of this type and the key signed it.
pub(crate) fn verify(key: &VerifyingKey, payload_type: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    serde_json::from_slice::<Envelope>(bytes).ok()?.open(key, payload_type)
}

/// DSSE's "pre-authentication encoding".
fn signed_bytes(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use twinkeep_vault::sign::SigningKey;

    use super::{sign, signed_bytes, verify};

    #[test]
    fn the_encoding_is_the_one_of_the_specification() {
        let bytes = signed_bytes("http://example.com/HelloWorld", b"hello world");
        assert_eq!(bytes, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn a_statement_holds_for_its_key_and_type_only_and_not_when_changed() {
        let key = SigningKey::generate();
        let envelope = sign(&key, "a/b", b"{\"x\":1}");
        let public = key.verifying_key();
        assert_eq!(verify(&public, "a/b", &envelope).as_deref(), Some(&b"{\"x\":1}"[..]));
        assert!(verify(&public, "a/c", &envelope).is_none());
        assert!(verify(&SigningKey::generate().verifying_key(), "a/b", &envelope).is_none());
        let text = String::from_utf8(envelope).unwrap();
        let forged = text.replace("eyJ4IjoxfQ==", "eyJ4IjoyfQ==");
        assert_ne!(forged, text);
        assert!(verify(&public, "a/b", forged.as_bytes()).is_none());
        assert!(verify(&public, "a/b", b"{}").is_none());
    }
}
