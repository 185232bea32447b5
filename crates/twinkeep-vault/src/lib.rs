//! The security kernel: keys, envelopes, sealed feeds, signatures, secret memory.
//!
//! Every other crate that needs a key gets it from here, and none of them calls a cryptographic
//! library itself. What is here is small on purpose: names and rules around `aws-lc-rs`, `hpke`,
//! and `argon2`, plus the sealed-feed format, which is ours.
//!
//! # Invariants
//!
//! - A key is bound to one [`Purpose`]: what was sealed for one purpose does not open for another.
//! - Secret bytes live in [`SecretKey`] or [`SecretBytes`], are wiped on drop, and have no `Debug`
//!   that shows them.
//! - No function here reads a clock.

#![deny(clippy::expect_used)]

pub mod certificate;
pub mod chain;
pub mod client_chain;
pub mod digest;
pub mod ecdsa;
mod envelope;
pub mod escrow;
pub mod files;
pub mod identity;
mod kek;
mod key_tree;
#[cfg(test)]
mod known_answers;
pub mod manifest;
mod note;
pub mod process;
mod pseudonym;
mod purpose;
mod random;
pub mod sealed_feed;
mod secret;
pub mod sign;
pub mod spool;
pub mod token;

pub use envelope::{OpenError, open, open_key, seal, seal_key};
pub use kek::{KekDescriptor, KekError, KekProvider, KekSource, UnwrapKek, WrapKek};
pub use key_tree::KeyTree;
pub use pseudonym::{DateShift, Pseudonymizer, SplitHasher};
pub use purpose::Purpose;
pub use random::random_bytes;
pub use secret::{SecretBytes, SecretKey};
