//! Sealing: from plain input to a feed.
//!
//! Two threads: the caller's reads and encrypts, the other digests, signs, and writes. A few
//! segments are between them, so memory does not grow with the input.

use std::io::{Read, Write};
use std::panic;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

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
    output: &mut (dyn Write + Send),
    progress: &mut dyn FnMut(u64),
) -> Result<Manifest, SealError> {
    let content_key = SecretKey::random();
    let header = make_header(options, sender, recipients, &content_key)?;
    let (head, message) = Head::sign(header, random_bytes(), &content_key, sender.signing());
    output.write_all(&head.encode()).map_err(|source| SealError::Write { source })?;
    let manifest = ManifestBuilder::new(&head);
    thread::scope(|scope| {
        let (encrypted, to_sign) = sync_channel(SEGMENTS_BETWEEN);
        let (give_back, free) = channel();
        let key = sender.signing();
        let signing = scope.spawn(move || sign_all(manifest, key, &to_sign, &give_back, output));
        let encrypting = encrypt_all(&message, input, &encrypted, &free, progress);
        drop(encrypted);
        let signed = signing.join().unwrap_or_else(|cause| panic::resume_unwind(cause));
        encrypting.and(signed)
    })
}

/// A segment between the two threads: frame, ciphertext, and room for the signature.
struct Encrypted {
    bytes: Vec<u8>,
    length: usize,
    plain_len: usize,
    last: bool,
}

/// Reads and encrypts until the input ends, or nobody signs any more: then the signer knows why.
fn encrypt_all(
    message: &Message,
    input: &mut dyn Read,
    encrypted: &SyncSender<Encrypted>,
    free: &Receiver<Vec<u8>>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), SealError> {
    let mut plain = SecretBytes::zeroed(SEGMENT_PLAINTEXT_LEN);
    let mut done = 0;
    for index in 0.. {
        let plain_len =
            read_full(input, plain.expose_mut()).map_err(|source| SealError::Read { source })?;
        let plain = plain.expose().get(..plain_len).unwrap_or_default();
        let last = plain_len < SEGMENT_PLAINTEXT_LEN;
        let new = || vec![0; FRAME_LEN + SEGMENT_LEN + SIGNATURE_LEN];
        let mut bytes = free.try_recv().unwrap_or_else(|_| new());
        let length = encrypt_segment(message, index, plain, last, &mut bytes);
        let length = length.ok_or(SealError::TooLong)?;
        if encrypted.send(Encrypted { bytes, length, plain_len, last }).is_err() {
            break;
        }
        done += plain_len as u64;
        progress(done);
        if last {
            break;
        }
    }
    Ok(())
}

/// Digests, signs, and writes what comes, and completes the manifest.
fn sign_all(
    mut manifest: ManifestBuilder,
    key: &SigningKey,
    to_sign: &Receiver<Encrypted>,
    give_back: &Sender<Vec<u8>>,
    output: &mut (dyn Write + Send),
) -> Result<Manifest, SealError> {
    for Encrypted { mut bytes, length, plain_len, last } in to_sign {
        let length = sign_segment(&mut manifest, key, length, plain_len, last, &mut bytes);
        output.write_all(&bytes[..length]).map_err(|source| SealError::Write { source })?;
        // Nobody may want it any more; then it is dropped.
        let _ = give_back.send(bytes);
    }
    output.flush().map_err(|source| SealError::Write { source })?;
    Ok(manifest.finish())
}

/// Writes frame and ciphertext to `out`; returns the length of the ciphertext.
fn encrypt_segment(
    message: &Message,
    index: u64,
    plain: &[u8],
    last: bool,
    out: &mut [u8],
) -> Option<usize> {
    let (frame, body) = out.split_at_mut(FRAME_LEN);
    let length = message.seal_chunks(first_chunk(index), plain, last, body)?;
    frame.copy_from_slice(&Frame { last, index, length }.encode());
    Some(length)
}

/// Writes the signature after the ciphertext; returns the length of the whole segment.
fn sign_segment(
    manifest: &mut ManifestBuilder,
    key: &SigningKey,
    length: usize,
    plain_len: usize,
    last: bool,
    out: &mut [u8],
) -> usize {
    let (sealed, rest) = out.split_at_mut(FRAME_LEN + length);
    let digest = blake3::hash(&sealed[FRAME_LEN..]);
    let signature = key.sign(&manifest.statement(last, &digest));
    manifest.add(&digest, plain_len);
    rest[..SIGNATURE_LEN].copy_from_slice(&signature);
    FRAME_LEN + length + SIGNATURE_LEN
}

/// Writes frame, ciphertext, and signature to `out`; returns their length together.
#[cfg(test)]
pub(super) fn seal_segment(
    message: &Message,
    manifest: &mut ManifestBuilder,
    key: &SigningKey,
    plain: &[u8],
    last: bool,
    out: &mut [u8],
) -> Option<usize> {
    let length = encrypt_segment(message, manifest.next_index(), plain, last, out)?;
    Some(sign_segment(manifest, key, length, plain.len(), last, out))
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

/// Segments of one mebibyte that one thread may be ahead of the other.
const SEGMENTS_BETWEEN: usize = 4;
