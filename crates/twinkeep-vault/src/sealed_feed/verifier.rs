//! Verifying: reads a feed's segments on a thread of its own, and hands on what is genuine and in
//! place, still encrypted.
//!
//! A few segments are between the two threads, so memory does not grow with the feed. When a reader
//! is dropped half-way, nobody listens any more, and the thread ends at its next segment; the
//! reader does not wait for it, as the input may be slow.

use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use super::FeedError;
use super::cobblestone::{SEALED_CHUNK_LEN, TAG_LEN};
use super::segment::{
    FRAME_LEN, Frame, Manifest, ManifestBuilder, SEGMENT_LEN, SIGNATURE_LEN, read_full,
};
use crate::sign::VerifyingKey;

/// A segment that its sender signed.
pub(super) struct Genuine {
    bytes: Vec<u8>,
    length: usize,
    /// Its place.
    pub(super) index: u64,
    /// What the feed was, if this is its last segment and nothing follows it.
    pub(super) end: Option<Manifest>,
}

impl Genuine {
    /// Returns the ciphertext.
    pub(super) fn ciphertext(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The thread, and what is between it and the reader.
pub(super) struct Verifier {
    genuine: Receiver<Result<Genuine, FeedError>>,
    give_back: Sender<Vec<u8>>,
}

impl Verifier {
    /// Starts reading after the head.
    pub(super) fn start(
        input: Box<dyn Read + Send>,
        sender: VerifyingKey,
        manifest: ManifestBuilder,
    ) -> Result<Self, FeedError> {
        let (genuine, received) = sync_channel(SEGMENTS_BETWEEN);
        let (give_back, free) = channel();
        let mut work = Work { input, sender, manifest };
        thread::Builder::new()
            .name("verify-feed".to_owned())
            .spawn(move || work.run(&genuine, &free))
            .map_err(FeedError::io)?;
        Ok(Self { genuine: received, give_back })
    }

    /// Returns the next segment; an error ends the feed.
    pub(super) fn next(&self) -> Result<Genuine, FeedError> {
        // The thread ends after the last segment or an error only, and neither is asked beyond.
        self.genuine.recv().unwrap_or(Err(FeedError::Truncated))
    }

    /// Gives back the room of a segment that was used.
    pub(super) fn recycle(&self, segment: Genuine) {
        // The thread may have ended; then the room is dropped.
        let _ = self.give_back.send(segment.bytes);
    }
}

/// What the thread has.
struct Work {
    input: Box<dyn Read + Send>,
    sender: VerifyingKey,
    manifest: ManifestBuilder,
}

impl Work {
    fn run(&mut self, genuine: &SyncSender<Result<Genuine, FeedError>>, free: &Receiver<Vec<u8>>) {
        loop {
            let bytes = free.try_recv().unwrap_or_else(|_| vec![0; SEGMENT_LEN + SIGNATURE_LEN]);
            let segment = self.segment(bytes);
            let more = segment.as_ref().is_ok_and(|segment| segment.end.is_none());
            if genuine.send(segment).is_err() || !more {
                return;
            }
        }
    }

    /// Reads and checks a segment.
    fn segment(&mut self, mut bytes: Vec<u8>) -> Result<Genuine, FeedError> {
        let index = self.manifest.next_index();
        let mut frame = [0; FRAME_LEN];
        self.read_exactly_into(&mut frame)?;
        let Frame { last, length, .. } = Frame::decode(frame, index)?;
        self.read_exactly_into(&mut bytes[..length + SIGNATURE_LEN])?;
        let (body, rest) = bytes.split_at(length);
        let digest = blake3::hash(body);
        self.sender
            .verify(&self.manifest.statement(last, &digest), &rest[..SIGNATURE_LEN])
            .map_err(|_| FeedError::SegmentForged { index })?;
        // The frame was checked: every chunk has its tag.
        self.manifest.add(&digest, length - TAG_LEN * length.div_ceil(SEALED_CHUNK_LEN));
        if last {
            self.expect_end()?;
        }
        let end = last.then(|| self.manifest.finish());
        Ok(Genuine { bytes, length, index, end })
    }

    fn read_exactly_into(&mut self, out: &mut [u8]) -> Result<(), FeedError> {
        match read_full(&mut self.input, out).map_err(FeedError::io)? == out.len() {
            true => Ok(()),
            false => Err(FeedError::Truncated),
        }
    }

    fn expect_end(&mut self) -> Result<(), FeedError> {
        match read_full(&mut self.input, &mut [0]).map_err(FeedError::io)? {
            0 => Ok(()),
            _ => Err(FeedError::TrailingData),
        }
    }
}

/// Segments of one mebibyte that are checked ahead of the reader.
const SEGMENTS_BETWEEN: usize = 4;
