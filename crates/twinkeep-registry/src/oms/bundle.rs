//! The Sigstore bundle around a DSSE envelope, with what names the signer: the digest of a public
//! key, or a chain of certificates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use twinkeep_domain::Timestamp;
use twinkeep_vault::chain::{Revocations, verify_chain};
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_vault::ecdsa::{self, EcdsaKey, FreeDigest};

use super::{OmsError, Statement, legacy, pae};

/// A signed statement that was not verified yet.
#[derive(Debug)]
pub struct Bundle {
    pub(super) payload: Vec<u8>,
    signature: Vec<u8>,
    material: Material,
}

/// What a bundle says of its signer.
#[derive(Debug)]
enum Material {
    /// The digest of the public key as PEM text; empty in older bundles.
    Key { hint: String },
    /// Certificates as DER, the signer's first.
    Certificates(Vec<Vec<u8>>),
}

/// Who signs.
#[derive(Clone, Copy)]
pub enum Signer<'a> {
    /// Whoever has the key.
    Key(&'a EcdsaKey),
    /// Whom a certificate names: DER, the signer's own first, then those who vouch for it.
    Certificate(&'a EcdsaKey, &'a [Vec<u8>]),
}

/// Whom a verifier believes.
#[derive(Clone, Copy)]
pub enum Trust<'a> {
    /// The holder of this key, as PEM.
    Key(&'a str),
    /// Whom one of these authorities (DER) vouches for at this time.
    Authorities(&'a [Vec<u8>], Timestamp),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireBundle {
    media_type: String,
    verification_material: WireMaterial,
    dsse_envelope: WireEnvelope,
}

/// Exactly one of them; `certificate` is the keyless method of Sigstore.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMaterial {
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<WireKey>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "x509CertificateChain")]
    chain: Option<WireChain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<serde_json::Value>,
    #[serde(default)]
    tlog_entries: Vec<serde_json::Value>,
}

/// Older bundles have the key itself instead of the hint; a verifier brings its own.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireKey {
    #[serde(default)]
    hint: String,
}

#[derive(Serialize, Deserialize)]
struct WireChain {
    certificates: Vec<WireCertificate>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCertificate {
    raw_bytes: String,
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
    pub fn sign(statement: &Statement, signer: Signer<'_>) -> Result<Self, OmsError> {
        let key = match signer {
            Signer::Key(key) | Signer::Certificate(key, _) => key,
        };
        let public_pem = key.public_pem().map_err(|_| OmsError::Signature)?;
        let material = match signer {
            Signer::Key(_) => Material::Key { hint: hint(&public_pem) },
            Signer::Certificate(_, chain) => {
                let own = chain.first().ok_or(OmsError::Signer)?;
                if !twinkeep_vault::chain::certifies(own, &public_pem) {
                    return Err(OmsError::Signer);
                }
                Material::Certificates(chain.to_vec())
            }
        };
        let payload = statement.encode()?;
        let signature = key.sign(&pae(PAYLOAD_TYPE, &payload)).map_err(|_| OmsError::Signature)?;
        Ok(Self { payload, signature, material })
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
        let envelope = wire.dsse_envelope;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(malformed("its payload is not a statement"));
        }
        let [signature] = envelope.signatures.as_slice() else {
            return Err(malformed("it does not have exactly one signature"));
        };
        Ok(Self {
            payload: decode(&envelope.payload)?,
            signature: decode(&signature.sig)?,
            material: Material::read(wire.verification_material)?,
        })
    }

    /// Checks the signature and returns what was signed. What whoever was `revoked` signed is
    /// refused, and when they did so makes no difference: the time of a signature is their word.
    pub fn verify(&self, trust: Trust<'_>, revoked: &Revocations) -> Result<Statement, OmsError> {
        let public_pem = self.signer(trust, revoked)?;
        ecdsa::verify(&public_pem, &pae(PAYLOAD_TYPE, &self.payload), &self.signature)
            .map_err(|_| OmsError::Signature)?;
        Statement::parse(&self.payload)
    }

    /// As [`Bundle::verify`], for what releases of the reference client before 0.3 signed; a
    /// statement of today that was signed in their way is refused.
    pub fn verify_legacy(
        &self,
        trust: Trust<'_>,
        revoked: &Revocations,
    ) -> Result<Statement, OmsError> {
        let public_pem = self.signer(trust, revoked)?;
        let signed = legacy::pae(PAYLOAD_TYPE, &self.payload);
        ecdsa::verify_with(&public_pem, FreeDigest::Sha256, &signed, &self.signature)
            .map_err(|_| OmsError::Signature)?;
        Statement::parse_legacy(&self.payload)
    }

    /// Returns the public key of the signer, if the verifier believes whoever that is.
    fn signer(&self, trust: Trust<'_>, revoked: &Revocations) -> Result<String, OmsError> {
        match (trust, &self.material) {
            (Trust::Key(public_pem), Material::Key { .. }) => {
                if revoked.has_key(public_pem) {
                    return Err(OmsError::Revoked);
                }
                Ok(public_pem.to_owned())
            }
            (Trust::Authorities(anchors, at), Material::Certificates(chain)) => {
                let (own, others) = chain.split_first().ok_or(OmsError::Method)?;
                verify_chain(own, others, anchors, at, revoked)
                    .map_err(|source| OmsError::Certificate { source })
            }
            _ => Err(OmsError::Method),
        }
    }

    /// Returns the bundle as JSON. The same content always gives the same bytes.
    pub fn encode(&self) -> Result<Vec<u8>, OmsError> {
        let wire = WireBundle {
            media_type: MEDIA_TYPES[0].to_owned(),
            verification_material: self.material.wire(),
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
        matches!(&self.material, Material::Key { hint: said } if *said == hint(public_pem))
    }
}

impl Material {
    fn read(wire: WireMaterial) -> Result<Self, OmsError> {
        match wire {
            WireMaterial { public_key: Some(key), chain: None, certificate: None, .. } => {
                Ok(Self::Key { hint: key.hint })
            }
            WireMaterial { public_key: None, chain: Some(chain), certificate: None, .. } => {
                if !(1..=CERTIFICATE_COUNT_MAX).contains(&chain.certificates.len()) {
                    return Err(malformed("it has no certificate, or too many"));
                }
                let der = |one: &WireCertificate| decode(&one.raw_bytes);
                Ok(Self::Certificates(
                    chain.certificates.iter().map(der).collect::<Result<_, _>>()?,
                ))
            }
            WireMaterial { certificate: Some(_), .. } => {
                Err(OmsError::Unsupported { feature: "the keyless method of Sigstore" })
            }
            _ => Err(malformed("it does not say in one way who signed it")),
        }
    }

    fn wire(&self) -> WireMaterial {
        match self {
            Self::Key { hint } => WireMaterial {
                public_key: Some(WireKey { hint: hint.clone() }),
                ..WireMaterial::default()
            },
            Self::Certificates(chain) => {
                let raw = |der: &Vec<u8>| WireCertificate { raw_bytes: STANDARD.encode(der) };
                let certificates = chain.iter().map(raw).collect();
                WireMaterial { chain: Some(WireChain { certificates }), ..WireMaterial::default() }
            }
        }
    }
}

/// The digest of the key as PEM text, the way `sha256sum key.pub` gives it.
fn hint(public_pem: &str) -> String {
    to_hex(&sha256(public_pem.as_bytes()))
}

fn decode(text: &str) -> Result<Vec<u8>, OmsError> {
    STANDARD.decode(text).map_err(|_| malformed("it is not base64"))
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

/// As many as a chain may have.
const CERTIFICATE_COUNT_MAX: usize = 16;
