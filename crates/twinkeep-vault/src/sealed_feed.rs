//! Sealed feeds: one delivery of data, encrypted to its recipients, signed by its sender, and
//! safe to use while it still arrives.
//!
//! A cipher in the usual streaming form tells only at the end whether the data was genuine, and a
//! checksum tells nothing at all about who made it. Here every 1 MiB carries a signature that says
//! which feed, which place in it, and whether it is the last: the reader releases a segment after
//! that has been checked, and nothing before. `docs/formats/sealed-feed.md` is the specification.
//!
//! # Life of a feed
//!
//! 1. [`seal`] makes a content key, wraps it to each recipient, and signs the header.
//! 2. It encrypts the input in chunks of 16 KiB and signs each segment of 64 chunks.
//! 3. [`FeedReader::open`] checks the sender's signature, then the sequence against what the
//!    receiver remembers ([`Expectation`]), then unwraps the content key.
//! 4. Reading checks and decrypts one segment at a time; [`FeedReader::manifest`] is there once
//!    the last one was genuine and nothing follows it.
//! 5. The receiver stores sequence and manifest digest as its next [`Expectation`].
//!
//! # Invariants
//!
//! - No byte of a segment is released before the whole segment was found genuine and in place.
//! - A feed without its final segment never ends like a complete one: reading fails.
//! - After the first refusal, every further read gives the same refusal.

mod cobblestone;
mod error;
mod expectation;
mod header;
mod reader;
mod segment;
mod verifier;
mod writer;

#[cfg(test)]
mod tests;

pub use error::{FeedError, SealError};
pub use expectation::{Expectation, Gaps, LastFeed};
pub use header::Header;
pub use reader::{CopyError, FeedReader, Inspection, SenderCheck, inspect};
pub use segment::Manifest;
pub use writer::{FeedOptions, seal};

/// Plaintext bytes in a segment: 64 chunks. A signature costs as much as sealing about 100 KiB,
/// so that smaller segments cost time, and larger ones only memory.
pub const SEGMENT_PLAINTEXT_LEN: usize = 64 * cobblestone::CHUNK_LEN;

/// Most recipients of one feed: the header stays below 256 KiB.
pub const RECIPIENT_COUNT_MAX: usize = 100;

/// Highest sequence number: the header is JSON, whose numbers are exact up to 2^53 (RFC 8259, 6).
pub const SEQUENCE_MAX: u64 = (1 << 53) - 1;
