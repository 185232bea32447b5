//! What a receiver remembers of a sender, and what that rules out.
//!
//! Signatures alone do not stop an old feed from being delivered again, or one from being left
//! out. The sequence number and the digest of the feed before do.

use super::{FeedError, Header};

/// What the receiver remembers of one sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The last feed that was received; `None` before the first.
    pub last: Option<LastFeed>,
    /// Whether feeds may be missing in between.
    pub gaps: Gaps,
}

/// The last feed that was received from a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastFeed {
    /// Its number.
    pub sequence: u64,
    /// [`Manifest::digest`](super::Manifest::digest) of it.
    pub manifest: [u8; 32],
}

/// Whether feeds may be missing between the last one and the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gaps {
    /// A feed that skips numbers is refused.
    Refuse,
    /// Somebody decided that the missing feeds will not come. Replay is refused all the same.
    Allow,
}

impl Expectation {
    /// Nothing was received from this sender yet.
    pub fn first() -> Self {
        Self { last: None, gaps: Gaps::Refuse }
    }

    /// This feed was the last that was received.
    pub fn after(sequence: u64, manifest: [u8; 32]) -> Self {
        Self { last: Some(LastFeed { sequence, manifest }), gaps: Gaps::Refuse }
    }

    /// The same, but feeds may be missing.
    pub fn with_gaps_allowed(self) -> Self {
        Self { gaps: Gaps::Allow, ..self }
    }

    /// Refuses a feed that does not continue what is remembered.
    pub(super) fn check(&self, header: &Header) -> Result<(), FeedError> {
        let sequence = header.sequence();
        let last = self.last.map_or(0, |feed| feed.sequence);
        if sequence <= last {
            return Err(FeedError::Replayed { sequence, last });
        }
        if sequence - last == 1 {
            let expected = self.last.map(|feed| feed.manifest);
            return match header.previous() == expected {
                true => Ok(()),
                false => Err(FeedError::Forked { sequence }),
            };
        }
        match self.gaps {
            Gaps::Refuse => Err(FeedError::Gap { sequence, last }),
            Gaps::Allow => Ok(()),
        }
    }
}
