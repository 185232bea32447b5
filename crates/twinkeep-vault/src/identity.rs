//! Identities: who seals a feed, and who can open it.
//!
//! An [`Identity`] is a name, an Ed25519 key that signs, and sealing keys that receive. Its public
//! half is a small text file that people exchange once and compare by [`PublicIdentity::fingerprint`],
//! over the phone or on paper. The private half is a file that only its owner's passphrase or
//! key file opens.
//!
//! # Invariants
//!
//! - A [`PublicIdentity`] carries the signature of its own signing key over all of its fields: an
//!   altered file is refused. A *replaced* file is not; comparing fingerprints finds that.
//! - It has at least one sealing key.
//! - The private half never leaves [`Identity`] unwrapped.

use std::fmt;

use crate::SecretKey;
use crate::digest::sha256;
use crate::sign::SigningKey;

mod error;
mod kem;
mod private;
mod public;

#[cfg(test)]
mod tests;

pub use error::IdentityError;
pub(crate) use kem::{AEAD_ID, KDF_ID, KemPrivateKey, WrappedKey};
pub use kem::{Kem, KemPublicKey};
pub use public::PublicIdentity;

/// A name with its private keys.
pub struct Identity {
    signing: SigningKey,
    sealing: Vec<KemPrivateKey>,
    public: PublicIdentity,
}

impl Identity {
    /// Makes a new identity with an X-Wing and an X25519 key.
    pub fn generate(name: &str) -> Result<Self, IdentityError> {
        Self::generate_with(name, &Kem::ALL)
    }

    /// Makes a new identity with the sealing keys that its owner's software can use.
    pub fn generate_with(name: &str, kems: &[Kem]) -> Result<Self, IdentityError> {
        let mut kems = kems.to_vec();
        kems.sort();
        kems.dedup();
        let sealing: Option<_> = kems.into_iter().map(KemPrivateKey::generate).collect();
        let sealing = sealing.ok_or(IdentityError::Invalid { field: "wrapped" })?;
        Self::assemble(name, SigningKey::generate(), sealing)
    }

    /// Returns what others may know.
    pub fn public(&self) -> &PublicIdentity {
        &self.public
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        self.public.name()
    }

    /// Returns the key that signs.
    pub fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// Returns the private sealing keys, the preferred one first.
    pub(crate) fn sealing(&self) -> &[KemPrivateKey] {
        &self.sealing
    }

    fn assemble(
        name: &str,
        signing: SigningKey,
        sealing: Vec<KemPrivateKey>,
    ) -> Result<Self, IdentityError> {
        let public = sealing.iter().map(|key| key.public_key().clone()).collect();
        let public = PublicIdentity::sign(name, &signing, public)?;
        Ok(Self { signing, sealing, public })
    }

    /// Puts an identity together from its private keys.
    pub(crate) fn from_secrets(
        name: &str,
        signing: &SecretKey,
        sealing: Vec<(Kem, SecretKey)>,
    ) -> Result<Self, IdentityError> {
        let broken = || IdentityError::Invalid { field: "wrapped" };
        let signing = SigningKey::from_seed(signing.expose()).ok_or_else(broken)?;
        let sealing: Option<_> =
            sealing.into_iter().map(|(kem, key)| KemPrivateKey::from_secret(kem, key)).collect();
        let sealing = sealing.ok_or_else(broken)?;
        Self::assemble(name, signing, sealing)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({}, private keys hidden)", self.public.fingerprint())
    }
}

/// Returns 100 bits of a digest in groups that can be read out loud (Crockford's base 32).
fn speakable(bytes: &[u8]) -> String {
    let digest = sha256(bytes);
    let mut bits = 0_u128;
    for &byte in digest.iter().take(13) {
        bits = bits << 8 | u128::from(byte);
    }
    let mut text = String::with_capacity(24);
    for index in 0..FINGERPRINT_LEN {
        if index != 0 && index % 4 == 0 {
            text.push('-');
        }
        let shift = 104 - 5 * (index + 1);
        let digit = (bits >> shift) as usize % ALPHABET.len();
        text.push(char::from(ALPHABET[digit]));
    }
    text
}

/// Digits of a fingerprint: 20 of 5 bits each. Finding a second identity with the same takes
/// 2^100 key pairs.
const FINGERPRINT_LEN: u32 = 20;

/// Crockford's base 32: no I, L, O, or U, which are misheard and misread.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
