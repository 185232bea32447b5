//! Ed25519 signatures (RFC 8032): feeds, receipts, checkpoints.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::SecretKey;
use crate::digest::{sha256, to_hex};

/// A private signing key.
pub struct SigningKey {
    seed: SecretKey,
    pair: Ed25519KeyPair,
}

/// A public key that checks signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifyingKey([u8; 32]);

/// The signature was made by another key or over other bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match the key and the signed bytes")]
pub struct SignatureError;

impl SigningKey {
    /// Makes a new key.
    pub fn generate() -> Self {
        #[expect(clippy::expect_used, reason = "any 32 bytes are an Ed25519 seed")]
        Self::from_seed(SecretKey::random().expose()).expect("any 32 bytes are an Ed25519 seed")
    }

    /// Takes the 32-byte seed of a key.
    pub fn from_seed(seed: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        Some(Self { seed: SecretKey::from_slice(seed)?, pair })
    }

    /// Returns the seed, for wrapping it.
    pub fn expose_seed(&self) -> &[u8] {
        self.seed.expose()
    }

    /// Signs `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        out.copy_from_slice(self.pair.sign(message).as_ref());
        out
    }

    /// Returns the public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair.public_key().as_ref());
        VerifyingKey(key)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(hidden)")
    }
}

impl VerifyingKey {
    /// Takes the 32 bytes of a public key.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the name of the key: hexadecimal SHA-256 of its bytes, shortened to 32 digits.
    pub fn key_id(&self) -> String {
        to_hex(&sha256(&self.0)[..16])
    }

    /// Checks a signature.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(message, signature)
            .map_err(|_| SignatureError)
    }
}

#[cfg(test)]
mod tests {
    use super::{SignatureError, SigningKey};

    #[test]
    fn a_signature_holds_for_its_key_and_message_only() {
        let key = SigningKey::generate();
        let signature = key.sign(b"message");
        let public = key.verifying_key();
        assert_eq!(public.verify(b"message", &signature), Ok(()));
        assert_eq!(public.verify(b"messages", &signature), Err(SignatureError));
        let other = SigningKey::generate().verifying_key();
        assert_eq!(other.verify(b"message", &signature), Err(SignatureError));
    }

    #[test]
    fn the_seed_restores_the_key() {
        let key = SigningKey::generate();
        let restored = SigningKey::from_seed(key.expose_seed()).unwrap();
        assert_eq!(key.verifying_key(), restored.verifying_key());
        assert!(SigningKey::from_seed(&[0; 31]).is_none());
    }
}
