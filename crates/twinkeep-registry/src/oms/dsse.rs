//! DSSE (Dead Simple Signing Envelope) v1: what exactly is signed, and the envelope around what is
//! ours alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use twinkeep_vault::ecdsa::{self, EcdsaKey};

/// Returns the pre-authentication encoding: type and body with their lengths, so that no two
/// pairs give the same bytes.
pub(crate) fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WireEnvelope {
    payload: String,
    payload_type: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature {
    sig: String,
}

/// Signs a payload of ours, and puts both into an envelope.
pub(crate) fn enclose(
    payload_type: &str,
    payload: &[u8],
    key: &EcdsaKey,
) -> Result<Vec<u8>, &'static str> {
    let signature = key.sign(&pae(payload_type, payload)).map_err(|_| "it cannot be signed")?;
    let envelope = envelope(payload_type, payload, &signature);
    serde_json::to_vec(&envelope).map_err(|_| "it cannot be written")
}

/// Returns the payload of an envelope that the holder of `public_pem` made.
pub(crate) fn disclose(
    payload_type: &str,
    bytes: &[u8],
    public_pem: &str,
) -> Result<Vec<u8>, &'static str> {
    let wire: WireEnvelope = serde_json::from_slice(bytes).map_err(|_| "it is not an envelope")?;
    let [signature] = wire.signatures.as_slice() else {
        return Err("it does not have exactly one signature");
    };
    let decode = |text: &str| STANDARD.decode(text).map_err(|_| "it is not base64");
    let (payload, signature) = (decode(&wire.payload)?, decode(&signature.sig)?);
    ecdsa::verify(public_pem, &pae(payload_type, &payload), &signature)
        .map_err(|_| "its signature does not hold")?;
    // What the signature does not cover has one spelling, so that any change shows.
    let expected =
        serde_json::to_vec(&envelope(payload_type, &payload, &signature)).unwrap_or_default();
    if expected == bytes {
        Ok(payload)
    } else {
        Err("it is not in the form in which it was written")
    }
}

fn envelope(payload_type: &str, payload: &[u8], signature: &[u8]) -> WireEnvelope {
    WireEnvelope {
        payload: STANDARD.encode(payload),
        payload_type: payload_type.to_owned(),
        signatures: vec![WireSignature { sig: STANDARD.encode(signature) }],
    }
}

#[cfg(test)]
mod tests {
    use super::pae;

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        let expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(pae("http://example.com/HelloWorld", b"hello world"), expected);
    }
}
