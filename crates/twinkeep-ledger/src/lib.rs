//! The append-only, tamper-evident log of everything that was done.
//!
//! Entries are the leaves of a Merkle tree (RFC 6962). A *checkpoint*, signed with Ed25519, states
//! the size and the root hash of the tree: whoever kept an old checkpoint can tell whether
//! anything before it was changed, removed, or reordered. On disk the log is C2SP tlog-tiles, so
//! that other people's verifiers read it; `docs/formats/ledger.md` specifies every byte.
//!
//! # Life of an entry
//!
//! 1. A use case describes what happened as an [`Entry`] and encodes it.
//! 2. [`Ledger::append`] hands the bytes to the writer thread and waits.
//! 3. The writer takes everything that is waiting as one batch, takes the lock on the folder,
//!    makes the batch durable in the journal with one sync, and then writes the tiles and the
//!    checkpoint that covers them.
//! 4. The caller gets the index of its entry and the checkpoint that covers it.
//!
//! # Invariants
//!
//! - When `append` returns `Ok`, the entry is durable and covered by the checkpoint on disk.
//! - A checkpoint on disk never counts an entry that is not durable, in its tiles or in the journal.
//! - Nothing here reads a clock; nothing here knows what a person is.

mod checkpoint;
mod cosignature;
mod disk;
mod edge;
mod entry;
mod error;
mod folder;
mod journal;
mod ledger;
mod proof;
mod search;
mod settle;
mod tile;
mod tree;
mod verify;
mod view;
mod writer;

pub use checkpoint::{Checkpoint, SignedCheckpoint, key_id, origin_valid, stated_origin};
pub use cosignature::{COSIGNATURE_TYPE, WitnessRequest, cosign, cosigned_at};
pub use entry::{Activity, Class, Detail, Entry, EntryError, Outcome, Severity};
pub use error::LedgerError;
pub use folder::{Guard, lock_out_writers};
pub use journal::JOURNAL_FILES;
pub use ledger::{Appended, Ledger, Reply};
pub use proof::Proof;
pub use search::{Found, Query, SearchError, search};
pub use tile::ENTRY_SIZE_MAX;
pub use tree::{Hash, ProofError, leaf_hash, verify_consistency, verify_inclusion};
pub use verify::{Seen, Verified, verify, verify_from};
pub use view::{Consistency, View};
