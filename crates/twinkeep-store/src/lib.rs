//! The encrypted event store and the catalog: where a keep's events rest.
//!
//! Events lie in Parquet files in the layout of MEDS, encrypted with a data key each; the catalog
//! (SQLite) knows the files, wraps their keys, and holds the mapping from pseudonyms to people,
//! sealed. The formats are specified in `docs/formats/event-store.md`.
//!
//! # Life of a feed
//!
//! 1. [`Store::add_feed`] takes the lock for writers and refuses what is already there.
//! 2. `shard` and `quarantine` write encrypted files, each durable before the next step. Until
//!    the catalog names them they are garbage, and [`Store::open`] removes them.
//! 3. One transaction makes the feed exist: its shards, subjects, and the sender's sequence.
//!
//! # Invariants
//!
//! - Only events in a [`twinkeep_domain::Screened`] get in.
//! - After a crash anywhere, a feed is there once or not at all.
//! - No byte on the disk shows a source's identifier, a value, a code, or a time of a person.
//! - Who has the disk but no key changes no row of the catalog unnoticed.
//! - Nothing here reads a clock: times are parameters.

#![deny(clippy::expect_used)]

mod api_keys;
mod catalog;
mod error;
mod feeds;
mod files;
mod ingest;
mod keyring;
mod layout;
mod quarantine;
mod reads;
mod rows;
mod senders;
mod settings;
mod shard;
mod store;
mod table;

pub use api_keys::{ApiKeyRecord, NewApiKey};
pub use error::StoreError;
pub use feeds::{FeedId, FeedRecord};
pub use ingest::{Delivery, FeedCounts, NewFeed, RefusedRow};
pub use quarantine::QuarantinedRecord;
pub use reads::SubjectRecord;
pub use senders::SenderRecord;
pub use store::Store;

#[cfg(test)]
mod tests;
