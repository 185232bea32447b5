//! Why a feed is refused, and why one cannot be made. Each way has its own permanent code.

use std::io;
use std::sync::Arc;

/// Why a feed was refused.
///
/// Numbers of feeds and segments are in the messages; content, names, and keys never are.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FeedError {
    /// The input does not begin like a sealed feed.
    #[error("the input is not a sealed feed")]
    NotSealed,
    /// The feed has another format version.
    #[error("the feed has a format version that this program does not know")]
    Version,
    /// The header is not one that any version of this program writes.
    #[error("field `{field}` of the feed's header is malformed")]
    HeaderMalformed {
        /// Which field; `header` for the header as a whole.
        field: &'static str,
    },
    /// Nobody who may send here has the key that the header names.
    #[error("the feed's sender (key {key_id}) is not one of the accepted senders")]
    UnknownSender {
        /// The name of the key.
        key_id: String,
    },
    /// The header does not carry the signature of the sender that it names.
    #[error("the feed's header was altered, or another sender signed it")]
    HeaderAltered,
    /// This feed, or a later one, was received before.
    #[error("feed {sequence} was replayed: feed {last} of this sender was already received")]
    Replayed {
        /// The number in the header.
        sequence: u64,
        /// The last number that was received.
        last: u64,
    },
    /// The feed does not follow the one that was received before it.
    #[error("feed {sequence} does not continue the history that was received from this sender")]
    Forked {
        /// The number in the header.
        sequence: u64,
    },
    /// Feeds are missing between the last one and this one.
    #[error("feed {sequence} arrived after feed {last}: feeds between them are missing")]
    Gap {
        /// The number in the header.
        sequence: u64,
        /// The last number that was received; 0 for none.
        last: u64,
    },
    /// The feed was not sealed to this identity.
    #[error("the feed is not sealed to this recipient")]
    WrongRecipient,
    /// The content key in the header does not open.
    #[error("the feed's content key does not unwrap with this recipient's key")]
    KeyUnwrap,
    /// The content key is not the one that the sender committed to.
    #[error("the feed's content key is not the one that the sender committed to")]
    KeyCommitment,
    /// A segment is out of its place.
    #[error("segment {found} of the feed is where segment {expected} should be")]
    Reordered {
        /// The place.
        expected: u64,
        /// What the segment says its place is.
        found: u64,
    },
    /// A segment has a length or flag that no genuine one has.
    #[error("segment {index} of the feed is malformed")]
    SegmentMalformed {
        /// Its place.
        index: u64,
    },
    /// A segment does not carry the sender's signature for this feed and place.
    #[error("segment {index} of the feed is not what the sender signed for this place")]
    SegmentForged {
        /// Its place.
        index: u64,
    },
    /// A signed segment does not decrypt: the sender signed what it had not sealed.
    #[error("segment {index} of the feed does not decrypt, though its signature is genuine")]
    ChunkAltered {
        /// Its place.
        index: u64,
    },
    /// The feed ends before its final segment does.
    #[error("the feed is truncated: it ends before its final segment does")]
    Truncated,
    /// Something follows the final segment.
    #[error("data follows the final segment of the feed")]
    TrailingData,
    /// The input could not be read.
    #[error("cannot read the feed")]
    Io {
        /// What the system said.
        source: Arc<io::Error>,
    },
}

impl FeedError {
    /// Returns the permanent name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotSealed => "feed-not-sealed",
            Self::Version => "feed-version-unknown",
            Self::HeaderMalformed { .. } => "feed-header-malformed",
            Self::UnknownSender { .. } => "feed-unknown-sender",
            Self::HeaderAltered => "feed-header-altered",
            Self::Replayed { .. } => "feed-replayed",
            Self::Forked { .. } => "feed-forked",
            Self::Gap { .. } => "feed-gap",
            Self::WrongRecipient => "feed-wrong-recipient",
            Self::KeyUnwrap => "feed-key-unwrap",
            Self::KeyCommitment => "feed-key-commitment",
            Self::Reordered { .. } => "feed-reordered",
            Self::SegmentMalformed { .. } => "feed-segment-malformed",
            Self::SegmentForged { .. } => "feed-segment-forged",
            Self::ChunkAltered { .. } => "feed-chunk-altered",
            Self::Truncated => "feed-truncated",
            Self::TrailingData => "feed-trailing-data",
            Self::Io { .. } => "feed-io",
        }
    }

    /// Finds the refusal in an error that reading a [`FeedReader`](super::FeedReader) gave.
    pub fn from_io(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    pub(super) fn io(source: io::Error) -> Self {
        Self::Io { source: Arc::new(source) }
    }
}

impl From<FeedError> for io::Error {
    fn from(error: FeedError) -> Self {
        let kind = match &error {
            FeedError::Io { source } => source.kind(),
            FeedError::Truncated => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

/// Why a feed could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// There is nobody to seal to, or too many.
    #[error("a feed is sealed to 1 to {RECIPIENT_COUNT_MAX} recipients", RECIPIENT_COUNT_MAX = super::RECIPIENT_COUNT_MAX)]
    RecipientCount,
    /// The same key is there twice.
    #[error("recipient `{name}` is there twice")]
    RecipientTwice {
        /// Whose key.
        name: String,
    },
    /// A key gives everybody the same secret.
    #[error("the sealing key of recipient `{name}` is not safe to use")]
    RecipientKey {
        /// Whose key.
        name: String,
    },
    /// The number is out of range.
    #[error("a feed's sequence number is 1 or more, and the first feed follows no other")]
    Sequence,
    /// The media type is not one.
    #[error("a media type looks like `text/csv`, in lower case and without parameters")]
    MediaType,
    /// The input is longer than a feed may be.
    #[error("the input is longer than a feed may be")]
    TooLong,
    /// The input could not be read.
    #[error("cannot read what is to be sealed")]
    Read {
        /// What the system said.
        source: io::Error,
    },
    /// The output could not be written.
    #[error("cannot write the sealed feed")]
    Write {
        /// What the system said.
        source: io::Error,
    },
}

impl SealError {
    /// Returns the permanent name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::RecipientCount => "seal-recipient-count",
            Self::RecipientTwice { .. } => "seal-recipient-twice",
            Self::RecipientKey { .. } => "seal-recipient-key",
            Self::Sequence => "seal-sequence",
            Self::MediaType => "seal-media-type",
            Self::TooLong => "seal-too-long",
            Self::Read { .. } => "seal-read",
            Self::Write { .. } => "seal-write",
        }
    }
}
