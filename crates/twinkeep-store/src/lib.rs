//! The encrypted event store and the catalog: where a keep's events rest.
//!
//! Events lie in Parquet files in the layout of MEDS, encrypted with a data key each; the catalog
//! (SQLite) knows the files, wraps their keys, and holds the mapping from pseudonyms to people,
//! sealed. The formats are specified in `docs/formats/event-store.md`.
//!
//! # Life of a feed
//!
//! 1. [`Store::begin_feed`] takes the lock for writers and refuses a sender's feed out of turn.
//! 2. `duplicates` finds what is there already; `shard`, `quarantine`, and `staged` write the rest,
//!    a portion at a time, each durable before the next step. Until the catalog names them they
//!    are garbage, and [`Store::open`] removes them.
//! 3. One transaction makes the feed exist: its shards, subjects, and the sender's sequence. The
//!    events of a feed that is held are not read until it is released.
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
mod changes;
mod compact;
mod consents;
mod doomed;
mod duplicates;
mod erase;
mod error;
mod export;
mod extent;
mod feeds;
mod files;
mod held;
mod incidents;
mod keyring;
mod layout;
mod live;
mod origins;
mod paths;
mod plan;
mod predictions;
mod quarantine;
mod reads;
mod releases;
mod restore;
mod rotate;
mod rows;
mod senders;
mod settings;
mod shard;
mod snapshot;
mod staged;
mod status;
mod store;
mod table;
mod versions;
mod writer;

pub use api_keys::{ApiKeyRecord, NewApiKey};
pub use changes::{ChangeCursor, Changes, EventChange, FeedChange};
pub use compact::Compaction;
pub use consents::ConsentRecord;
pub use erase::{ErasedFile, ErasureRecord, ErasureRequest};
pub use error::StoreError;
pub use export::{Company, MedsFile, write_meds_codes, write_meds_splits};
pub use feeds::{FeedId, FeedRecord, FeedState};
pub use held::Decision;
pub use incidents::{IncidentRecord, Incidents};
pub use live::{
    Folded, LIVE_ROW_COUNT_MAX, LIVE_SOURCE, LateRefusal, LiveBatch, LiveOrigin, LiveOutcome,
    LiveRefused, LiveRequest, MakeAnswer, RefusedOrigin,
};
pub use paths::PathsFile;
pub use predictions::{PredictionRow, PredictionsFile, SubjectIds};
pub use quarantine::{ParsedFields, ParsedRecord, QuarantinedRecord, RefusedRow};
pub use reads::SubjectRecord;
pub use restore::{KeyringSource, RestoreTerms, Restored};
pub use rotate::Rotation;
pub use senders::SenderRecord;
pub use snapshot::{KeyringCopy, Snapshot};
pub use status::StoreStatus;
pub use store::Store;
pub use writer::{
    Delivery, Disposition, Erased, FeedCounts, FeedWriter, NewFeed, NewPortion, Opening,
    PortionOutcome, Replayed, Turn,
};

#[cfg(test)]
mod tests;
