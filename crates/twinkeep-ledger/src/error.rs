//! Why the ledger could not be read, extended, or trusted.

use std::io;
use std::sync::Arc;

/// Why the ledger could not be read, extended, or trusted.
///
/// It can be cloned because one failed batch answers many callers.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    /// There is a ledger in the folder already.
    #[error("the folder holds a ledger already")]
    Exists,

    /// The origin is empty, too long, or has a character that a signed note cannot carry.
    #[error("the ledger's origin is not a valid name")]
    Origin,

    /// An entry is larger than the limit.
    #[error("an audit entry has {size} bytes; the limit is {} bytes", crate::ENTRY_SIZE_MAX)]
    EntrySize {
        /// How many bytes it has.
        size: usize,
    },

    /// The checkpoint is not one: wrong shape, wrong origin, or no valid signature.
    #[error("the ledger's checkpoint is not valid: {reason}")]
    Checkpoint {
        /// What is wrong with it.
        reason: &'static str,
    },

    /// A file that the checkpoint covers is missing or has the wrong shape.
    #[error("ledger file `{path}` is {problem}")]
    Tile {
        /// The file, relative to the ledger's folder.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// An entry is not the one whose hash is in the tree.
    #[error("audit entry {index} was changed: it does not match its hash in the tree")]
    EntryChanged {
        /// The first entry that does not match.
        index: u64,
    },

    /// The files do not lead to the root hash that was signed.
    #[error("the ledger was changed: its {size} entries do not lead to the signed root hash")]
    RootChanged {
        /// How many entries the checkpoint covers.
        size: u64,
    },

    /// The history up to a trusted checkpoint is not the one that was trusted.
    #[error(
        "the ledger was rewritten: its first {size} entries are not those of a trusted checkpoint"
    )]
    Rewritten {
        /// How many entries the trusted checkpoint covers.
        size: u64,
    },

    /// The ledger is older than a checkpoint that is trusted.
    #[error(
        "the ledger was rolled back: it has {size} entries, a trusted checkpoint has {trusted}"
    )]
    RolledBack {
        /// How many entries the ledger has.
        size: u64,
        /// How many the trusted checkpoint has.
        trusted: u64,
    },

    /// A proof has not the form that it must have.
    #[error("the proof is not a tlog-proof with its entry: {reason}")]
    ProofFormat {
        /// What is wrong with it.
        reason: &'static str,
    },

    /// A proof does not lead from its entry to the signed root.
    #[error("the proof of audit entry {index} does not lead to the signed root hash")]
    Proof {
        /// The index that it states.
        index: u64,
    },

    /// There is no such entry.
    #[error("there is no audit entry {index}: the ledger has {size}")]
    OutOfRange {
        /// What was asked for.
        index: u64,
        /// How many entries there are.
        size: u64,
    },

    /// The file system failed.
    #[error("cannot {action}")]
    Io {
        /// What was attempted, and on which file.
        action: String,
        /// What the system said.
        source: Arc<io::Error>,
    },

    /// The writer thread has ended.
    #[error("the ledger's writer has stopped")]
    Stopped,
}

impl LedgerError {
    /// The name of this error in replies, in reports, and in the docs. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Exists => "ledger-exists",
            Self::Origin => "ledger-origin",
            Self::EntrySize { .. } => "ledger-entry-size",
            Self::Checkpoint { .. } => "ledger-checkpoint",
            Self::Tile { .. } => "ledger-tile",
            Self::EntryChanged { .. } => "ledger-entry-changed",
            Self::RootChanged { .. } => "ledger-root-changed",
            Self::Rewritten { .. } => "ledger-rewritten",
            Self::RolledBack { .. } => "ledger-rolled-back",
            Self::ProofFormat { .. } => "ledger-proof-format",
            Self::Proof { .. } => "ledger-proof",
            Self::OutOfRange { .. } => "ledger-out-of-range",
            Self::Io { .. } => "ledger-io",
            Self::Stopped => "ledger-stopped",
        }
    }

    /// Returns whether this says that somebody changed the ledger, not that it cannot be used.
    pub fn is_tampering(&self) -> bool {
        matches!(
            self,
            Self::Checkpoint { .. }
                | Self::Tile { .. }
                | Self::EntryChanged { .. }
                | Self::RootChanged { .. }
                | Self::Rewritten { .. }
                | Self::RolledBack { .. }
        )
    }

    pub(crate) fn io(action: &str, source: io::Error) -> Self {
        Self::Io { action: action.to_owned(), source: Arc::new(source) }
    }
}
