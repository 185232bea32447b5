//! A KEK from a passphrase: Argon2id (RFC 9106).

use argon2::{Algorithm, Argon2, Params, Version};

use super::{KekDescriptor, KekError, KekProvider};
use crate::digest::from_hex;
use crate::{SecretBytes, SecretKey};

/// A passphrase that somebody gave.
#[derive(Debug)]
pub(super) struct Passphrase<'a>(pub(super) &'a SecretBytes);

impl KekProvider for Passphrase<'_> {
    fn method(&self) -> &'static str {
        METHOD
    }

    fn create(&self) -> Result<(SecretKey, KekDescriptor), KekError> {
        if self.0.expose().len() < PASSPHRASE_LEN_MIN {
            return Err(KekError::TooShort);
        }
        let mut descriptor = KekDescriptor::new(METHOD);
        descriptor.memory_kib = ARGON2_MEMORY_KIB;
        descriptor.passes = ARGON2_PASSES;
        Ok((self.derive(&descriptor)?, descriptor))
    }

    fn derive(&self, descriptor: &KekDescriptor) -> Result<SecretKey, KekError> {
        // A descriptor that somebody weakened or inflated is not followed.
        let memory = ARGON2_MEMORY_KIB..=ARGON2_MEMORY_KIB_MAX;
        let passes = ARGON2_PASSES..=ARGON2_PASSES_MAX;
        if !memory.contains(&descriptor.memory_kib) || !passes.contains(&descriptor.passes) {
            return Err(KekError::Descriptor);
        }
        let salt = from_hex(&descriptor.salt).ok_or(KekError::Descriptor)?;
        let params = Params::new(descriptor.memory_kib, descriptor.passes, 1, Some(32))
            .map_err(|_| KekError::Descriptor)?;
        let mut key = zeroize::Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(self.0.expose(), &salt, &mut key[..])
            .map_err(|_| KekError::Descriptor)?;
        SecretKey::from_slice(&key[..]).ok_or(KekError::Descriptor)
    }
}

pub(super) const METHOD: &str = "argon2id";

/// Shorter ones are guessed offline in days, whatever Argon2 does.
pub(super) const PASSPHRASE_LEN_MIN: usize = 12;

/// RFC 9106, 4: the second recommended option (64 MiB, 3 passes), for memory-constrained hosts.
const ARGON2_MEMORY_KIB: u32 = 64 * 1024;
const ARGON2_PASSES: u32 = 3;

/// Above these a damaged descriptor would hang the program instead of failing.
const ARGON2_MEMORY_KIB_MAX: u32 = 4 * 1024 * 1024;
const ARGON2_PASSES_MAX: u32 = 64;
