//! Segments: a run of encrypted chunks, with its place in the feed and the sender's signature.
//!
//! `flag (1) ‖ index (8) ‖ length (4) ‖ ciphertext ‖ signature (64)`. The signature covers the
//! feed, the place, whether it is the last, and BLAKE3 of the ciphertext. Signing the AEAD's tags
//! instead would be cheaper and unsound: whoever has the content key, each recipient, can make
//! other chunks with the same tags.

use std::io::{self, Read};

use super::cobblestone::{SEALED_CHUNK_LEN, TAG_LEN};
use super::header::Head;
use super::{FeedError, SEGMENT_PLAINTEXT_LEN};

/// What a complete feed was: the next feed of this sender names its [`Manifest::digest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The random name of the feed.
    pub feed_id: [u8; 16],
    /// The number of the feed.
    pub sequence: u64,
    /// How many segments it has.
    pub segment_count: u64,
    /// How many bytes of content it has.
    pub plaintext_len: u64,
    /// BLAKE3 over the head, all segments, and the counts.
    pub digest: [u8; 32],
}

/// What stands before a segment's ciphertext.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) last: bool,
    pub(super) index: u64,
    pub(super) length: usize,
}

/// Collects a manifest while the segments go by.
pub(super) struct ManifestBuilder {
    feed_id: [u8; 16],
    sequence: u64,
    head: [u8; 32],
    hasher: blake3::Hasher,
    segment_count: u64,
    plaintext_len: u64,
}

impl Frame {
    pub(super) fn encode(self) -> [u8; FRAME_LEN] {
        let mut bytes = [0; FRAME_LEN];
        bytes[0] = u8::from(self.last);
        bytes[1..9].copy_from_slice(&self.index.to_be_bytes());
        bytes[9..].copy_from_slice(&(self.length as u32).to_be_bytes());
        bytes
    }

    /// Reads a frame, and refuses one that cannot stand at this place.
    pub(super) fn decode(bytes: [u8; FRAME_LEN], expected: u64) -> Result<Self, FeedError> {
        let [flag, rest @ ..] = bytes;
        let (mut index, mut length) = ([0; 8], [0; 4]);
        index.copy_from_slice(&rest[..8]);
        length.copy_from_slice(&rest[8..]);
        let index = u64::from_be_bytes(index);
        let length = u32::from_be_bytes(length) as usize;
        let valid = match flag {
            0 => length == SEGMENT_LEN,
            // The last chunk is shorter than the others, and has at least its tag.
            1 => length < SEGMENT_LEN && length % SEALED_CHUNK_LEN >= TAG_LEN,
            _ => false,
        };
        if !valid {
            return Err(FeedError::SegmentMalformed { index: expected });
        }
        if index != expected {
            return Err(FeedError::Reordered { expected, found: index });
        }
        Ok(Self { last: flag == 1, index, length })
    }
}

impl ManifestBuilder {
    pub(super) fn new(head: &Head) -> Self {
        let digest = head.digest();
        let mut hasher = blake3::Hasher::new();
        hasher.update(MANIFEST_DOMAIN);
        hasher.update(&digest);
        Self {
            feed_id: head.header.feed_id,
            sequence: head.header.sequence,
            head: digest,
            hasher,
            segment_count: 0,
            plaintext_len: 0,
        }
    }

    /// Returns the index of the next segment.
    pub(super) fn next_index(&self) -> u64 {
        self.segment_count
    }

    /// Returns what the sender signs for the next segment; every field has a fixed length.
    pub(super) fn statement(&self, last: bool, segment: &blake3::Hash) -> Vec<u8> {
        let parts: [&[u8]; 7] = [
            SEGMENT_DOMAIN,
            &self.feed_id,
            &self.sequence.to_be_bytes(),
            &self.head,
            &self.segment_count.to_be_bytes(),
            &[u8::from(last)],
            segment.as_bytes(),
        ];
        parts.concat()
    }

    /// Counts a segment that was made or found genuine.
    pub(super) fn add(&mut self, segment: &blake3::Hash, plaintext_len: usize) {
        self.hasher.update(segment.as_bytes());
        self.segment_count += 1;
        self.plaintext_len += plaintext_len as u64;
    }

    /// Returns the manifest after the final segment.
    pub(super) fn finish(&self) -> Manifest {
        let mut hasher = self.hasher.clone();
        hasher.update(&self.segment_count.to_be_bytes());
        hasher.update(&self.plaintext_len.to_be_bytes());
        Manifest {
            feed_id: self.feed_id,
            sequence: self.sequence,
            segment_count: self.segment_count,
            plaintext_len: self.plaintext_len,
            digest: *hasher.finalize().as_bytes(),
        }
    }
}

/// Returns the number of the first chunk in a segment.
pub(super) fn first_chunk(index: u64) -> u64 {
    index.saturating_mul(CHUNKS_PER_SEGMENT as u64)
}

/// Reads until `out` is full or the input ends; returns how much was read.
pub(super) fn read_full(input: &mut dyn Read, out: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < out.len() {
        match input.read(&mut out[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

const CHUNKS_PER_SEGMENT: usize = SEGMENT_PLAINTEXT_LEN / super::cobblestone::CHUNK_LEN;

/// Bytes of ciphertext in every segment but the last: 1 MiB and 64 tags.
pub(super) const SEGMENT_LEN: usize = CHUNKS_PER_SEGMENT * SEALED_CHUNK_LEN;

/// Bytes of a frame.
pub(super) const FRAME_LEN: usize = 13;

/// Bytes of a signature.
pub(super) const SIGNATURE_LEN: usize = 64;

const SEGMENT_DOMAIN: &[u8] = b"twinkeep/v1/sealed-feed/segment\0";
const MANIFEST_DOMAIN: &[u8] = b"twinkeep/v1/sealed-feed/manifest\0";
