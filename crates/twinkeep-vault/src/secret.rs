//! Memory for secrets: wiped when dropped, never printed, and kept from swap and core dumps.
//!
//! Keys live in memory that nobody but the process reads where the kernel has such (Linux 5.14),
//! and in locked memory elsewhere. Larger secrets live on the heap, because the system locks
//! little; their pages are left out of core dumps.

use std::fmt;

use zeroize::Zeroize as _;

use crate::{Purpose, random_bytes};

mod locked;

#[cfg(test)]
mod tests;

/// A 256-bit symmetric key, in memory that is not swapped or dumped.
pub struct SecretKey(locked::Slot);

impl SecretKey {
    /// Makes a new key.
    pub fn random() -> Self {
        let mut bytes = random_bytes();
        let key = Self::from_array(&bytes);
        bytes.zeroize();
        key
    }

    /// Takes the bytes of a key; `None` unless there are exactly 32.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_array)
    }

    /// Derives the key for one purpose and one context (HKDF-SHA-256, RFC 5869).
    pub fn derive(&self, purpose: Purpose, context: &[u8]) -> Self {
        let mut key = Self(locked::Slot::take());
        let salt = aws_lc_rs::hkdf::Salt::new(aws_lc_rs::hkdf::HKDF_SHA256, &[]);
        let info = [purpose.label().as_bytes(), b"\0", context];
        #[expect(clippy::expect_used, reason = "32 bytes is a valid length for HKDF-SHA-256")]
        salt.extract(self.expose())
            .expand(&info, KeyLength)
            .and_then(|okm| okm.fill(&mut key.0.bytes_mut()[..]))
            .expect("HKDF-SHA-256 gives 32 bytes");
        key
    }

    /// Returns the bytes. Every caller is a place to look at in review.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.bytes()
    }

    /// Returns whether the system keeps the key out of swap and core dumps.
    ///
    /// It does not where `RLIMIT_MEMLOCK` is exhausted; the program warns then.
    pub fn memory_locked(&self) -> bool {
        self.0.is_locked()
    }

    fn from_array(bytes: &[u8; 32]) -> Self {
        let mut slot = locked::Slot::take();
        slot.bytes_mut().copy_from_slice(bytes);
        Self(slot)
    }
}

impl Clone for SecretKey {
    fn clone(&self) -> Self {
        Self::from_array(self.expose())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(hidden)")
    }
}

/// Secret bytes of any length: a passphrase, a decrypted private key, a person's data.
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Takes over bytes; they are wiped on drop.
    pub fn new(bytes: Vec<u8>) -> Self {
        locked::hide_from_dumps(bytes.as_ptr(), bytes.capacity(), true);
        Self(bytes)
    }

    /// Makes room for `length` secret bytes, all zero.
    pub fn zeroed(length: usize) -> Self {
        Self::new(vec![0; length])
    }

    /// Returns the bytes. Every caller is a place to look at in review.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Cuts the bytes off after `length`; what is cut off is wiped with the others.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }

    /// Returns the bytes, to be written.
    pub fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        // Wipes the spare capacity too: it may hold what was there before the bytes were cut.
        self.0.zeroize();
        // The allocator will give the pages to somebody whose dumps are wanted.
        locked::hide_from_dumps(self.0.as_ptr(), self.0.capacity(), false);
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
