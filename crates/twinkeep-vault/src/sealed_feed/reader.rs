//! Opening: from a feed to plain bytes, one checked segment at a time.
//!
//! Two threads: the verifier's reads and checks, the caller's decrypts and uses.

use std::io::{self, BufRead, Read, Write};

use super::cobblestone::Message;
use super::header::{Head, Recipient, wrapping_info};
use super::segment::{Manifest, ManifestBuilder, first_chunk};
use super::verifier::Verifier;
use super::{Expectation, FeedError, Header, SEGMENT_PLAINTEXT_LEN};
use crate::identity::{Identity, PublicIdentity};
use crate::sign::VerifyingKey;
use crate::{SecretBytes, SecretKey};

/// A feed that is being read. It releases only what is genuine and in place.
///
/// The end of the data is not the end of the check: ask [`FeedReader::manifest`] or call
/// [`FeedReader::finish`] before acting on the feed as a whole.
pub struct FeedReader {
    verifier: Verifier,
    header: Header,
    sender: PublicIdentity,
    message: Message,
    plain: SecretBytes,
    released: usize,
    available: usize,
    state: State,
}

enum State {
    Open,
    Complete(Manifest),
    Refused(FeedError),
}

/// What the head of a feed says, and how far that can be believed.
///
/// The content was not looked at: it may be truncated, altered, or sealed to somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// What the head says.
    pub header: Header,
    /// Whether somebody known signed it.
    pub sender: SenderCheck,
}

/// Whether the sender's signature over the head was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SenderCheck {
    /// The named sender signed the head.
    Signed {
        /// The sender's name.
        name: String,
    },
    /// None of the given identities has the key: everything in the head is a mere claim.
    Unknown,
}

/// Reads the head of a feed and nothing more.
///
/// A head that names a known sender but is not signed by it is refused.
pub fn inspect(input: &mut dyn Read, senders: &[PublicIdentity]) -> Result<Inspection, FeedError> {
    let head = Head::read(input)?;
    let sender = match find_sender(&head.header, senders) {
        None => SenderCheck::Unknown,
        Some(sender) => {
            head.verify(sender.signing())?;
            SenderCheck::Signed { name: sender.name().to_owned() }
        }
    };
    Ok(Inspection { header: head.header, sender })
}

impl FeedReader {
    /// Reads and checks the head; nothing of the content is read yet.
    ///
    /// The feed must be signed by one of `senders`, continue what `expectation` remembers, and be
    /// sealed to `recipient`. Note that `expectation` is about one sender: where several may send,
    /// [`inspect`] tells which one it is, so that the right memory is passed with that sender.
    pub fn open(
        mut input: Box<dyn Read + Send>,
        recipient: &Identity,
        senders: &[PublicIdentity],
        expectation: &Expectation,
    ) -> Result<Self, FeedError> {
        let head = Head::read(&mut input)?;
        let sender = find_sender(&head.header, senders)
            .ok_or_else(|| FeedError::UnknownSender { key_id: head.header.sender.clone() })?;
        head.verify(sender.signing())?;
        expectation.check(&head.header)?;
        let content_key = unwrap_content_key(&head.header, sender.signing(), recipient)?;
        let message = head.message(&content_key)?;
        let manifest = ManifestBuilder::new(&head);
        Ok(Self {
            verifier: Verifier::start(input, *sender.signing(), manifest)?,
            message,
            header: head.header,
            sender: sender.clone(),
            plain: SecretBytes::zeroed(SEGMENT_PLAINTEXT_LEN),
            released: 0,
            available: 0,
            state: State::Open,
        })
    }

    /// Returns the header, which the sender signed.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns who signed the feed.
    pub fn sender(&self) -> &PublicIdentity {
        &self.sender
    }

    /// Returns the manifest, once the final segment was genuine and nothing follows it.
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.state {
            State::Complete(manifest) => Some(manifest),
            State::Open | State::Refused(_) => None,
        }
    }

    /// Writes the rest of the content to `output`, segment by segment, and returns the manifest.
    pub fn copy_to(&mut self, output: &mut dyn Write) -> Result<Manifest, CopyError> {
        loop {
            let content = self.content().map_err(|source| CopyError::Feed { source })?;
            if content.is_empty() {
                return self.finish().map_err(|source| CopyError::Feed { source });
            }
            output.write_all(content).map_err(|source| CopyError::Write { source })?;
            let length = content.len();
            self.consume(length);
        }
    }

    /// Checks the rest of the feed without using its content, and returns the manifest.
    pub fn finish(&mut self) -> Result<Manifest, FeedError> {
        loop {
            let length = self.content()?.len();
            if let State::Complete(manifest) = &self.state {
                return Ok(manifest.clone());
            }
            self.consume(length);
        }
    }

    /// Returns content that was checked and not used yet; empty at the end of the feed.
    fn content(&mut self) -> Result<&[u8], FeedError> {
        if self.released == self.available {
            (self.released, self.available) = (0, 0);
            match &self.state {
                State::Complete(_) => {}
                State::Refused(error) => return Err(error.clone()),
                State::Open => {
                    self.available = self.next_segment().inspect_err(|error| {
                        self.state = State::Refused(error.clone());
                    })?;
                }
            }
        }
        Ok(self.plain.expose().get(self.released..self.available).unwrap_or_default())
    }

    /// Takes a segment that was checked, and decrypts it; returns the length of its content.
    fn next_segment(&mut self) -> Result<usize, FeedError> {
        let segment = self.verifier.next()?;
        let index = segment.index;
        let length = self
            .message
            .open_chunks(first_chunk(index), segment.ciphertext(), self.plain.expose_mut())
            .ok_or(FeedError::ChunkAltered { index })?;
        if let Some(manifest) = &segment.end {
            self.state = State::Complete(manifest.clone());
        }
        self.verifier.recycle(segment);
        Ok(length)
    }
}

/// Why content could not be copied out of a feed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The feed was refused.
    #[error("the feed was refused")]
    Feed {
        /// Why.
        source: FeedError,
    },
    /// The output could not be written.
    #[error("cannot write the content of the feed")]
    Write {
        /// What the system said.
        source: io::Error,
    },
}

impl CopyError {
    /// Returns the permanent name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Feed { source } => source.code(),
            Self::Write { .. } => "feed-write",
        }
    }
}

impl Read for FeedReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let content = self.content()?;
        let length = content.len().min(out.len());
        out[..length].copy_from_slice(&content[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for FeedReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.content()?)
    }

    fn consume(&mut self, amount: usize) {
        self.released = (self.released + amount).min(self.available);
    }
}

impl std::fmt::Debug for FeedReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeedReader").field("header", &self.header).finish_non_exhaustive()
    }
}

fn find_sender<'s>(header: &Header, senders: &'s [PublicIdentity]) -> Option<&'s PublicIdentity> {
    senders.iter().find(|sender| sender.key_id() == header.sender)
}

fn unwrap_content_key(
    header: &Header,
    sender: &VerifyingKey,
    recipient: &Identity,
) -> Result<SecretKey, FeedError> {
    for key in recipient.sealing() {
        let public = key.public_key();
        let key_id = public.key_id();
        let is_ours = |copy: &&Recipient| copy.kem == public.kem() && copy.key_id == key_id;
        if let Some(copy) = header.recipients.iter().find(is_ours) {
            let info = wrapping_info(&header.feed_id, header.sequence, sender, public);
            return key.unwrap(&info, &copy.wrapped).ok_or(FeedError::KeyUnwrap);
        }
    }
    Err(FeedError::WrongRecipient)
}
