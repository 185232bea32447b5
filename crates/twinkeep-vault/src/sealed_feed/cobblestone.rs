//! Cobblestone-256: C2SP chunked encryption with AES-256-GCM and HKDF-SHA-512.
//!
//! <https://c2sp.org/chunked-encryption>. A message is cut into chunks of 16 KiB; the last one is
//! always shorter, and may be empty. The nonce of a chunk is a base nonce XOR its number. The
//! commitment makes sure that a ciphertext opens under one key only.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;

use crate::{SecretBytes, SecretKey};

/// The cipher of one message.
pub(super) struct Message {
    cipher: LessSafeKey,
    base_nonce: [u8; NONCE_LEN],
}

impl Message {
    /// Derives the cipher of a message, and the commitment to its key.
    pub(super) fn derive(
        input_key: &SecretKey,
        salt: &[u8; SALT_LEN],
        context: &[u8],
    ) -> (Self, [u8; COMMITMENT_LEN]) {
        let info = [LABEL, salt, context];
        let mut derived = SecretBytes::zeroed(32 + NONCE_LEN + COMMITMENT_LEN);
        #[expect(clippy::expect_used, reason = "76 bytes is a valid length for HKDF-SHA-512")]
        hkdf::Prk::new_less_safe(hkdf::HKDF_SHA512, input_key.expose())
            .expand(&info, DerivedLength)
            .and_then(|derivation| derivation.fill(derived.expose_mut()))
            .expect("HKDF-SHA-512 gives 76 bytes");
        let (key, rest) = derived.expose().split_at(32);
        let mut base_nonce = [0; NONCE_LEN];
        base_nonce.copy_from_slice(&rest[..NONCE_LEN]);
        let mut commitment = [0; COMMITMENT_LEN];
        commitment.copy_from_slice(&rest[NONCE_LEN..]);
        #[expect(clippy::expect_used, reason = "the key was derived with 32 bytes")]
        let key = UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes 32 bytes");
        (Self { cipher: LessSafeKey::new(key), base_nonce }, commitment)
    }

    /// Encrypts the chunks from number `first` on; returns how much of `out` was written.
    ///
    /// Only the `last` run of chunks may have a length that is not a multiple of the chunk length,
    /// and it gets an empty chunk where it is one. `None` beyond the most chunks of a message.
    pub(super) fn seal_chunks(
        &self,
        first: u64,
        plaintext: &[u8],
        last: bool,
        out: &mut [u8],
    ) -> Option<usize> {
        let (full, short) = plaintext.as_chunks::<CHUNK_LEN>();
        debug_assert!(last || short.is_empty(), "only the last chunk is short");
        let mut rest = out;
        let mut written = 0;
        let full = full.iter().map(|chunk| &chunk[..]);
        for (number, chunk) in (first..).zip(full.chain(last.then_some(short))) {
            let (sealed, after) = rest.split_at_mut_checked(chunk.len() + TAG_LEN)?;
            let (body, tag) = sealed.split_at_mut(chunk.len());
            let nonce = self.nonce(number)?;
            self.cipher
                .seal_out_of_place_scatter(nonce, Aad::empty(), chunk, body, &[], tag)
                .ok()?;
            written += chunk.len() + TAG_LEN;
            rest = after;
        }
        Some(written)
    }

    /// Decrypts the chunks from number `first` on; returns how much of `out` was written.
    ///
    /// `None` if a chunk is not genuine or not in its place; `out` then holds nothing of use.
    pub(super) fn open_chunks(
        &self,
        first: u64,
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        let mut rest = out;
        let mut written = 0;
        for (number, sealed) in (first..).zip(ciphertext.chunks(SEALED_CHUNK_LEN)) {
            let length = sealed.len().checked_sub(TAG_LEN)?;
            let (body, tag) = sealed.split_at(length);
            let (plain, after) = rest.split_at_mut_checked(length)?;
            let nonce = self.nonce(number)?;
            self.cipher.open_separate_gather(nonce, Aad::empty(), body, tag, plain).ok()?;
            written += length;
            rest = after;
        }
        Some(written)
    }

    fn nonce(&self, number: u64) -> Option<Nonce> {
        if number >= CHUNK_COUNT_MAX {
            return None;
        }
        let mut nonce = self.base_nonce;
        for (byte, mask) in nonce[NONCE_LEN - 8..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= mask;
        }
        Some(Nonce::assume_unique_for_key(nonce))
    }
}

struct DerivedLength;

impl hkdf::KeyType for DerivedLength {
    fn len(&self) -> usize {
        32 + NONCE_LEN + COMMITMENT_LEN
    }
}

const LABEL: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

/// Bytes of plaintext in every chunk but the last.
pub(super) const CHUNK_LEN: usize = 16 * 1024;

/// Bytes of an authentication tag.
pub(super) const TAG_LEN: usize = 16;

/// Bytes of every encrypted chunk but the last.
pub(super) const SEALED_CHUNK_LEN: usize = CHUNK_LEN + TAG_LEN;

/// Bytes of the salt.
pub(super) const SALT_LEN: usize = 24;

/// Bytes of the commitment.
pub(super) const COMMITMENT_LEN: usize = 32;

/// Most chunks in a message: 4 PiB, set by the specification for the wear of the key.
const CHUNK_COUNT_MAX: u64 = 1 << 38;
