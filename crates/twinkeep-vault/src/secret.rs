//! Memory for secrets: wiped when dropped, never printed.

use std::fmt;

use zeroize::Zeroizing;

use crate::{Purpose, random_bytes};

/// A 256-bit symmetric key.
pub struct SecretKey(Box<Zeroizing<[u8; 32]>>);

impl SecretKey {
    /// Makes a new key.
    pub fn random() -> Self {
        Self(Box::new(Zeroizing::new(random_bytes())))
    }

    /// Takes the bytes of a key; `None` unless there are exactly 32.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut key = Box::new(Zeroizing::new([0; 32]));
        if bytes.len() != key.len() {
            return None;
        }
        key.copy_from_slice(bytes);
        Some(Self(key))
    }

    /// Derives the key for one purpose and one context (HKDF-SHA-256, RFC 5869).
    pub fn derive(&self, purpose: Purpose, context: &[u8]) -> Self {
        let mut key = Box::new(Zeroizing::new([0; 32]));
        let salt = aws_lc_rs::hkdf::Salt::new(aws_lc_rs::hkdf::HKDF_SHA256, &[]);
        let info = [purpose.label().as_bytes(), b"\0", context];
        #[expect(clippy::expect_used, reason = "32 bytes is a valid length for HKDF-SHA-256")]
        salt.extract(self.expose())
            .expand(&info, KeyLength)
            .and_then(|okm| okm.fill(&mut key[..]))
            .expect("HKDF-SHA-256 gives 32 bytes");
        Self(key)
    }

    /// Returns the bytes. Every caller is a place to look at in review.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Clone for SecretKey {
    fn clone(&self) -> Self {
        Self(Box::new(Zeroizing::new(*self.expose())))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(hidden)")
    }
}

/// Secret bytes of any length: a passphrase, a decrypted private key, a person's data.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes over bytes; they are wiped on drop.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Makes room for `length` secret bytes, all zero.
    pub fn zeroed(length: usize) -> Self {
        Self::new(vec![0; length])
    }

    /// Returns the bytes, to be written.
    pub fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Returns the bytes. Every caller is a place to look at in review.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(hidden)")
    }
}

struct KeyLength;

impl aws_lc_rs::hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        32
    }
}

#[cfg(test)]
mod tests {
    use super::{SecretBytes, SecretKey};
    use crate::Purpose;

    #[test]
    fn keys_of_different_purpose_or_context_differ() {
        let key = SecretKey::random();
        let one = key.derive(Purpose::ShardKey, b"a");
        assert_eq!(one.expose(), key.derive(Purpose::ShardKey, b"a").expose());
        assert_ne!(one.expose(), key.derive(Purpose::ShardKey, b"b").expose());
        assert_ne!(one.expose(), key.derive(Purpose::ModelKey, b"a").expose());
    }

    #[test]
    fn secrets_are_not_printed() {
        let key = SecretKey::from_slice(&[7; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "SecretKey(hidden)");
        assert_eq!(format!("{:?}", SecretBytes::new(vec![7])), "SecretBytes(hidden)");
        assert!(SecretKey::from_slice(&[7; 31]).is_none());
    }
}
