//! Envelopes: small secrets sealed with AES-256-GCM, bound to a purpose and a context.
//!
//! An envelope is `nonce (12 bytes) ‖ ciphertext ‖ tag (16 bytes)`. The nonce is random, so one
//! key may seal up to 2^32 envelopes (NIST SP 800-38D, 8.3); a keep stays far below.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::{Purpose, SecretBytes, SecretKey, random_bytes};

/// The envelope was made with another key, for another purpose or context, or was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed data does not open: wrong key, or the data was changed")]
pub struct OpenError;

/// Seals `plaintext` under `key`, for one purpose and one context.
pub fn seal(key: &SecretKey, purpose: Purpose, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE_LEN] = random_bytes();
    let mut sealed = Vec::with_capacity(NONCE_LEN + plaintext.len() + AES_256_GCM.tag_len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plaintext);
    let (_, body) = sealed.split_at_mut(NONCE_LEN);
    #[expect(clippy::expect_used, reason = "fails only beyond 64 GiB, which no envelope reaches")]
    let tag = cipher(key)
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(associated_data(purpose, context)),
            body,
        )
        .expect("an envelope is shorter than 64 GiB");
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

/// Opens what [`seal`] made with the same key, purpose, and context.
pub fn open(
    key: &SecretKey,
    purpose: Purpose,
    context: &[u8],
    sealed: &[u8],
) -> Result<SecretBytes, OpenError> {
    let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or(OpenError)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError)?;
    let mut buffer = body.to_vec();
    let length = cipher(key)
        .open_in_place(nonce, Aad::from(associated_data(purpose, context)), &mut buffer)
        .map_err(|_| OpenError)?
        .len();
    buffer.truncate(length);
    Ok(SecretBytes::new(buffer))
}

/// Wraps a key in an envelope.
pub fn seal_key(key: &SecretKey, purpose: Purpose, context: &[u8], inner: &SecretKey) -> Vec<u8> {
    seal(key, purpose, context, inner.expose())
}

/// Unwraps a key that [`seal_key`] wrapped.
pub fn open_key(
    key: &SecretKey,
    purpose: Purpose,
    context: &[u8],
    sealed: &[u8],
) -> Result<SecretKey, OpenError> {
    let bytes = open(key, purpose, context, sealed)?;
    SecretKey::from_slice(bytes.expose()).ok_or(OpenError)
}

fn cipher(key: &SecretKey) -> LessSafeKey {
    #[expect(clippy::expect_used, reason = "a SecretKey has 32 bytes, as AES-256 takes")]
    let key = UnboundKey::new(&AES_256_GCM, key.expose()).expect("AES-256 takes 32 bytes");
    LessSafeKey::new(key)
}

/// The length of the label goes in first, so that no two pairs give the same bytes.
fn associated_data(purpose: Purpose, context: &[u8]) -> Vec<u8> {
    let label = purpose.label().as_bytes();
    let mut data = Vec::with_capacity(1 + label.len() + context.len());
    data.push(label.len() as u8);
    data.extend_from_slice(label);
    data.extend_from_slice(context);
    data
}

#[cfg(test)]
mod tests {
    use super::{OpenError, open, open_key, seal, seal_key};
    use crate::{Purpose, SecretKey};

    #[test]
    fn what_was_sealed_opens() {
        let key = SecretKey::random();
        let sealed = seal(&key, Purpose::CatalogColumn, b"row 1", b"secret");
        assert_eq!(
            open(&key, Purpose::CatalogColumn, b"row 1", &sealed).unwrap().expose(),
            b"secret"
        );
    }

    #[test]
    fn another_key_purpose_or_context_does_not_open_it() {
        let key = SecretKey::random();
        let sealed = seal(&key, Purpose::CatalogColumn, b"row 1", b"secret");
        let other = SecretKey::random();
        assert_eq!(open(&other, Purpose::CatalogColumn, b"row 1", &sealed).err(), Some(OpenError));
        assert_eq!(open(&key, Purpose::ShardKey, b"row 1", &sealed).err(), Some(OpenError));
        assert_eq!(open(&key, Purpose::CatalogColumn, b"row 2", &sealed).err(), Some(OpenError));
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_refused() {
        let key = SecretKey::random();
        let sealed = seal_key(&key, Purpose::ShardKey, b"shard", &SecretKey::random());
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open_key(&key, Purpose::ShardKey, b"shard", &changed).is_err());
        }
        for length in 0..sealed.len() {
            assert!(open_key(&key, Purpose::ShardKey, b"shard", &sealed[..length]).is_err());
        }
    }
}
