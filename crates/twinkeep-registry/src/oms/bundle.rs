//! The Sigstore bundle around a DSSE envelope, with a public key's digest as hint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_vault::ecdsa::{self, EcdsaKey};

use super::{OmsError, Statement, pae};

/// A signed statement that was not verified yet.
#[derive(Debug)]
pub struct Bundle {
    pub(super) payload: Vec<u8>,
    signature: Vec<u8>,
    hint: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireBundle {
    media_type: String,
    verification_material: WireMaterial,
    dsse_envelope: WireEnvelope,
}

/// Certificates are another method of v1.0; a bundle with one has no `publicKey`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMaterial {
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<WireKey>,
    #[serde(default)]
    tlog_entries: Vec<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireKey {
    #[serde(default)]
    hint: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEnvelope {
    payload: String,
    payload_type: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
struct WireSignature {
    sig: String,
    #[serde(default)]
    keyid: Option<String>,
}

impl Bundle {
    /// Signs a statement.
    pub fn sign(statement: &Statement, key: &EcdsaKey) -> Result<Self, OmsError> {
        let payload = statement.encode()?;
        let signature = key.sign(&pae(PAYLOAD_TYPE, &payload)).map_err(|_| OmsError::Signature)?;
        let public_pem = key.public_pem().map_err(|_| OmsError::Signature)?;
        Ok(Self { payload, signature, hint: hint(&public_pem) })
    }

    /// Reads a bundle; what it says is not to be believed before [`Bundle::verify`].
    pub fn parse(bytes: &[u8]) -> Result<Self, OmsError> {
        if bytes.len() > BUNDLE_SIZE_MAX {
            return Err(malformed("it is too large"));
        }
        let wire: WireBundle =
            serde_json::from_slice(bytes).map_err(|_| malformed("it is not a bundle"))?;
        if !MEDIA_TYPES.contains(&wire.media_type.as_str()) {
            return Err(malformed("its media type is not that of a bundle"));
        }
        let Some(key) = wire.verification_material.public_key else {
            return Err(OmsError::Unsupported { feature: "a certificate" });
        };
        let envelope = wire.dsse_envelope;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(malformed("its payload is not a statement"));
        }
        let [signature] = envelope.signatures.as_slice() else {
            return Err(malformed("it does not have exactly one signature"));
        };
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| malformed("it is not base64"));
        Ok(Self {
            payload: decode(&envelope.payload)?,
            signature: decode(&signature.sig)?,
            hint: key.hint,
        })
    }

    /// Checks the signature and returns what was signed.
    pub fn verify(&self, public_pem: &str) -> Result<Statement, OmsError> {
        ecdsa::verify(public_pem, &pae(PAYLOAD_TYPE, &self.payload), &self.signature)
            .map_err(|_| OmsError::Signature)?;
        Statement::parse(&self.payload)
    }

    /// Returns the bundle as JSON. The same content always gives the same bytes.
    pub fn encode(&self) -> Result<Vec<u8>, OmsError> {
        let wire = WireBundle {
            media_type: MEDIA_TYPES[0].to_owned(),
            verification_material: WireMaterial {
                public_key: Some(WireKey { hint: self.hint.clone() }),
                tlog_entries: Vec::new(),
            },
            dsse_envelope: WireEnvelope {
                payload: STANDARD.encode(&self.payload),
                payload_type: PAYLOAD_TYPE.to_owned(),
                signatures: vec![WireSignature {
                    sig: STANDARD.encode(&self.signature),
                    keyid: Some(String::new()),
                }],
            },
        };
        serde_json::to_vec(&wire).map_err(|_| malformed("it cannot be written"))
    }

    /// Returns whether the hint is the one that a key gives.
    pub(crate) fn hints_at(&self, public_pem: &str) -> bool {
        self.hint == hint(public_pem)
    }
}

/// The digest of the key as PEM text, the way `sha256sum key.pub` gives it.
fn hint(public_pem: &str) -> String {
    to_hex(&sha256(public_pem.as_bytes()))
}

fn malformed(problem: &'static str) -> OmsError {
    OmsError::Malformed { problem }
}

/// The first is what is written; the others are older spellings of the same.
const MEDIA_TYPES: &[&str] = &[
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
];

/// The media type of in-toto statements.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Largest bundle, in bytes: 100,000 files need about 20 MiB.
const BUNDLE_SIZE_MAX: usize = 32 << 20;
