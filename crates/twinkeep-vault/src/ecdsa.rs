//! ECDSA P-256 signatures (FIPS 186-5): models, because OpenSSF Model Signing takes no Ed25519.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::SecretBytes;
use crate::sign::SignatureError;

/// A private P-256 key.
pub struct EcdsaKey {
    pair: EcdsaKeyPair,
    pkcs8: SecretBytes,
}

impl EcdsaKey {
    /// Makes a new key.
    pub fn generate() -> Option<Self> {
        let random = SystemRandom::new();
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).ok()?;
        Self::from_pkcs8(document.as_ref())
    }

    /// Takes a PKCS#8 document (RFC 5958).
    pub fn from_pkcs8(document: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document).ok()?;
        Some(Self { pair, pkcs8: SecretBytes::new(document.to_vec()) })
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
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, der)
        .verify(message, signature)
        .map_err(|_| SignatureError)
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
    let body: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use super::{EcdsaKey, verify};
    use crate::sign::SignatureError;

    #[test]
    fn a_signature_holds_for_its_key_and_message_only() {
        let key = EcdsaKey::generate().unwrap();
        let signature = key.sign(b"message").unwrap();
        let public = key.public_pem().unwrap();
        assert_eq!(verify(&public, b"message", &signature), Ok(()));
        assert_eq!(verify(&public, b"massage", &signature), Err(SignatureError));
        let other = EcdsaKey::generate().unwrap().public_pem().unwrap();
        assert_eq!(verify(&other, b"message", &signature), Err(SignatureError));
    }

    #[test]
    fn the_document_restores_the_key() {
        let key = EcdsaKey::generate().unwrap();
        let restored = EcdsaKey::from_pkcs8(key.expose_pkcs8()).unwrap();
        assert_eq!(key.public_pem().unwrap(), restored.public_pem().unwrap());
    }
}
