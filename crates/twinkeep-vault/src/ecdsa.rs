//! ECDSA signatures (FIPS 186-5) on P-256, P-384, and P-521: models, because OpenSSF Model Signing
//! takes no Ed25519.
//!
//! Each curve goes with one digest: SHA-256, SHA-384, SHA-512. A key says which curve it is on, so a
//! signature cannot choose.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA384_ASN1,
    ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1,
    ECDSA_P521_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, KeyPair, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::SecretBytes;
use crate::sign::SignatureError;

#[cfg(test)]
mod tests;

/// A curve, with the digest that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// NIST P-256 with SHA-256.
    P256,
    /// NIST P-384 with SHA-384.
    P384,
    /// NIST P-521 with SHA-512.
    P521,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    fn signing(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
            Self::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
            Self::P521 => &ECDSA_P521_SHA512_ASN1_SIGNING,
        }
    }

    fn verification(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_ASN1,
            Self::P384 => &ECDSA_P384_SHA384_ASN1,
            Self::P521 => &ECDSA_P521_SHA512_ASN1,
        }
    }
}

/// A private key.
pub struct EcdsaKey {
    pair: EcdsaKeyPair,
    pkcs8: SecretBytes,
}

impl EcdsaKey {
    /// Makes a new key on P-256.
    pub fn generate() -> Option<Self> {
        Self::generate_on(Curve::P256)
    }

    /// Makes a new key.
    pub fn generate_on(curve: Curve) -> Option<Self> {
        let document = EcdsaKeyPair::generate_pkcs8(curve.signing(), &SystemRandom::new()).ok()?;
        Self::from_pkcs8(document.as_ref())
    }

    /// Takes a PKCS#8 document (RFC 5958).
    pub fn from_pkcs8(document: &[u8]) -> Option<Self> {
        let read = |curve: Curve| EcdsaKeyPair::from_pkcs8(curve.signing(), document).ok();
        let pair = Curve::ALL.into_iter().find_map(read)?;
        Some(Self { pair, pkcs8: SecretBytes::new(document.to_vec()) })
    }

    /// Takes a PEM text with a private key, as PKCS#8 (RFC 5958) or SEC 1 (RFC 5915). What stands
    /// before and after it is passed over; an encrypted one is refused.
    pub fn from_pem(text: &str) -> Option<Self> {
        if let Some(document) = find_pem("PRIVATE KEY", text) {
            return Self::from_pkcs8(&Zeroizing::new(document));
        }
        let sec1 = Zeroizing::new(find_pem("EC PRIVATE KEY", text)?);
        let read = |curve: Curve| EcdsaKeyPair::from_private_key_der(curve.signing(), &sec1).ok();
        let pair = Curve::ALL.into_iter().find_map(read)?;
        let document = pair.to_pkcs8v1().ok()?;
        Some(Self { pkcs8: SecretBytes::new(document.as_ref().to_vec()), pair })
    }

    /// Returns the PKCS#8 document, for wrapping it.
    pub fn expose_pkcs8(&self) -> &[u8] {
        self.pkcs8.expose()
    }

    /// Signs `message`; the signature is ASN.1 DER.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        let random = SystemRandom::new();
        let signature = self.pair.sign(&random, message).map_err(|_| SignatureError)?;
        Ok(signature.as_ref().to_vec())
    }

    /// Returns the public key as a PEM `SubjectPublicKeyInfo`, with LF and a final newline.
    pub fn public_pem(&self) -> Result<String, SignatureError> {
        let der = self.pair.public_key().as_der().map_err(|_| SignatureError)?;
        Ok(pem("PUBLIC KEY", der.as_ref()))
    }
}

impl std::fmt::Debug for EcdsaKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EcdsaKey(hidden)")
    }
}

/// Checks an ASN.1 signature against a PEM public key.
pub fn verify(public_pem: &str, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let der = parse_pem("PUBLIC KEY", public_pem).ok_or(SignatureError)?;
    verify_der(&der, message, signature)
}

/// A digest that may be paired with any curve, in certificates and in what is old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeDigest {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// As [`verify`], where the signature names its digest beside it: `openssl` signs certificates with
/// SHA-256 on every curve.
pub fn verify_with(
    public_pem: &str,
    digest: FreeDigest,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let der = parse_pem("PUBLIC KEY", public_pem).ok_or(SignatureError)?;
    verify_der_with(&der, digest, message, signature)
}

/// As [`verify_with`], for a DER `SubjectPublicKeyInfo`.
pub(crate) fn verify_der_with(
    public: &[u8],
    digest: FreeDigest,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let algorithms = match digest {
        FreeDigest::Sha256 => {
            [&ECDSA_P256_SHA256_ASN1, &ECDSA_P384_SHA256_ASN1, &ECDSA_P521_SHA256_ASN1]
        }
        FreeDigest::Sha384 => {
            [&ECDSA_P256_SHA384_ASN1, &ECDSA_P384_SHA384_ASN1, &ECDSA_P521_SHA384_ASN1]
        }
        FreeDigest::Sha512 => {
            [&ECDSA_P256_SHA512_ASN1, &ECDSA_P384_SHA512_ASN1, &ECDSA_P521_SHA512_ASN1]
        }
    };
    let holds = |algorithm: &'static EcdsaVerificationAlgorithm| {
        UnparsedPublicKey::new(algorithm, public).verify(message, signature).is_ok()
    };
    if algorithms.into_iter().any(holds) { Ok(()) } else { Err(SignatureError) }
}

/// Checks an ASN.1 signature against a DER `SubjectPublicKeyInfo` (RFC 5280).
fn verify_der(public: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    // A key on one curve does not parse as one on another.
    let holds = |curve: Curve| {
        UnparsedPublicKey::new(curve.verification(), public).verify(message, signature).is_ok()
    };
    if Curve::ALL.into_iter().any(holds) { Ok(()) } else { Err(SignatureError) }
}

/// Writes a PEM block (RFC 7468).
pub fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// Reads the one PEM block in `text`; `None` if it has another label or is broken.
pub fn parse_pem(label: &str, text: &str) -> Option<Vec<u8>> {
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let body = text.trim().strip_prefix(&begin)?.strip_suffix(&end)?;
    decode(body)
}

/// Reads every PEM block of a label, whatever stands between them; `None` if one is broken.
pub fn parse_pem_all(label: &str, text: &str) -> Option<Vec<Vec<u8>>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(&begin) {
        let (body, after) = after.split_once(&end)?;
        found.push(decode(body)?);
        rest = after;
    }
    Some(found)
}

/// Reads the first PEM block of a label.
fn find_pem(label: &str, text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    decode(body)
}

fn decode(body: &str) -> Option<Vec<u8>> {
    let body: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
    STANDARD.decode(body.as_bytes()).ok()
}
