//! Sealing: from plain input to a feed.

use std::io::{Read, Write};

use super::cobblestone::Message;
use super::header::{Head, Recipient, is_media_type, wrapping_info};
use super::segment::{
    FRAME_LEN, Frame, Manifest, ManifestBuilder, SEGMENT_LEN, SIGNATURE_LEN, first_chunk, read_full,
};
use super::{Header, RECIPIENT_COUNT_MAX, SEGMENT_PLAINTEXT_LEN, SEQUENCE_MAX, SealError};
use crate::identity::{Identity, PublicIdentity};
use crate::sign::SigningKey;
use crate::{SecretBytes, SecretKey, random_bytes};

/// What the sender decides about a feed.
#[derive(Clone, Debug)]
pub struct FeedOptions {
    /// 1 for the first feed of a sender, then one more each.
    pub sequence: u64,
    /// [`Manifest::digest`] of the feed before; `None` for the first.
    pub previous: Option<[u8; 32]>,
    /// What the content is, as `type/subtype`.
    pub media_type: String,
}

/// Seals all of `input` to `recipients`, and signs it as `sender`.
///
/// `progress` is told after each segment how many bytes of input are sealed. The feed is complete
/// only when this returns: what an error leaves behind is refused as truncated.
pub fn seal(
    options: &FeedOptions,
    sender: &Identity,
    recipients: &[PublicIdentity],
    input: &mut dyn Read,
    output: &mut dyn Write,
    progress: &mut dyn FnMut(u64),
) -> Result<Manifest, SealError> {
    let content_key = SecretKey::random();
    let header = make_header(options, sender, recipients, &content_key)?;
    let (head, message) = Head::sign(header, random_bytes(), &content_key, sender.signing());
    output.write_all(&head.encode()).map_err(|source| SealError::Write { source })?;
    let mut manifest = ManifestBuilder::new(&head);
    let mut plain = SecretBytes::zeroed(SEGMENT_PLAINTEXT_LEN);
    let mut sealed = vec![0; FRAME_LEN + SEGMENT_LEN + SIGNATURE_LEN];
    loop {
        let length =
            read_full(input, plain.expose_mut()).map_err(|source| SealError::Read { source })?;
        let plain = plain.expose().get(..length).unwrap_or_default();
        let last = length < SEGMENT_PLAINTEXT_LEN;
        let length =
            seal_segment(&message, &mut manifest, sender.signing(), plain, last, &mut sealed)
                .ok_or(SealError::TooLong)?;
        output.write_all(&sealed[..length]).map_err(|source| SealError::Write { source })?;
        progress(manifest.plaintext_len());
        if last {
            output.flush().map_err(|source| SealError::Write { source })?;
            return Ok(manifest.finish());
        }
    }
}

/// Writes frame, ciphertext, and signature to `out`; returns their length together.
pub(super) fn seal_segment(
    message: &Message,
    manifest: &mut ManifestBuilder,
    key: &SigningKey,
    plain: &[u8],
    last: bool,
    out: &mut [u8],
) -> Option<usize> {
    let index = manifest.next_index();
    let body = &mut out[FRAME_LEN..];
    let length = message.seal_chunks(first_chunk(index), plain, last, body)?;
    let digest = blake3::hash(&body[..length]);
    let signature = key.sign(&manifest.statement(last, &digest));
    manifest.add(&digest, plain.len());
    body[length..length + SIGNATURE_LEN].copy_from_slice(&signature);
    out[..FRAME_LEN].copy_from_slice(&Frame { last, index, length }.encode());
    Some(FRAME_LEN + length + SIGNATURE_LEN)
}

/// Checks what the sender asks for, and wraps the content key to each recipient.
pub(super) fn make_header(
    options: &FeedOptions,
    sender: &Identity,
    recipients: &[PublicIdentity],
    content_key: &SecretKey,
) -> Result<Header, SealError> {
    if !(1..=RECIPIENT_COUNT_MAX).contains(&recipients.len()) {
        return Err(SealError::RecipientCount);
    }
    let in_range = (1..=SEQUENCE_MAX).contains(&options.sequence);
    if !in_range || (options.sequence == 1) != options.previous.is_none() {
        return Err(SealError::Sequence);
    }
    if !is_media_type(&options.media_type) {
        return Err(SealError::MediaType);
    }
    let mut header = Header {
        feed_id: random_bytes(),
        media_type: options.media_type.clone(),
        previous: options.previous,
        recipients: Vec::with_capacity(recipients.len()),
        sender: sender.public().key_id(),
        sequence: options.sequence,
    };
    for recipient in recipients {
        let name = || recipient.name().to_owned();
        let key = recipient.sealing().ok_or_else(|| SealError::RecipientKey { name: name() })?;
        let key_id = key.key_id();
        if header.recipients().contains(&key_id.as_str()) {
            return Err(SealError::RecipientTwice { name: name() });
        }
        let signing = sender.public().signing();
        let info = wrapping_info(&header.feed_id, header.sequence, signing, key);
        let wrapped =
            key.wrap(&info, content_key).ok_or_else(|| SealError::RecipientKey { name: name() })?;
        header.recipients.push(Recipient { kem: key.kem(), key_id, wrapped });
    }
    Ok(header)
}
