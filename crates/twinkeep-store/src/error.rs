//! Why the store did not do what was asked.

use std::io;

use parquet::errors::ParquetError;
use twinkeep_vault::OpenError;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is a store already.
    #[error("there is already an event store in this folder")]
    AlreadyExists,

    /// There is none, or a newer program made it.
    #[error("the catalog has schema version {found}; this program knows version {known}")]
    SchemaVersion {
        /// What the catalog says.
        found: i64,
        /// What this program knows.
        known: i64,
    },

    /// The key is not this store's.
    #[error("the key does not open this event store")]
    WrongKey,

    /// Another process is adding a feed.
    #[error("another process is writing to this keep")]
    Busy,

    /// The same content was ingested before.
    #[error("this feed was already ingested, as feed {feed}")]
    FeedAlreadyIngested {
        /// As which one.
        feed: i64,
    },

    /// The sender's feeds come in order, and this one is not the next.
    #[error("feed {sequence} of this sender is not after feed {last}, the last one ingested")]
    FeedReplayed {
        /// Its number.
        sequence: u64,
        /// The number of the last one.
        last: u64,
    },

    /// No such sender or key, or it was revoked, or its name is taken.
    #[error("the {what} is {state}")]
    Refused {
        /// `sender` or `API key`.
        what: &'static str,
        /// `not known`, `revoked`, `already known`.
        state: &'static str,
    },

    /// The same name was given to two different requests.
    #[error("this idempotency key was used for another request")]
    RequestReused,

    /// Too many live events wait for compaction.
    #[error("{limit} live events wait to be compacted; no more are taken")]
    LiveFull {
        /// How many are taken.
        limit: u64,
    },

    /// Restoring a copy would lose rows.
    #[error("{files} files open no more, and {people} people would lose events")]
    Incomplete {
        /// Files without a key and without a successor.
        files: u64,
        /// Who has events in them.
        people: u64,
    },

    /// Two people would share a pseudonym.
    #[error("a subject of this feed has the pseudonym of another person")]
    SubjectCollision,

    /// A person's identifier is too long together with its site.
    #[error("the feed names a subject by too long an identifier")]
    SubjectTooLong,

    /// The catalog failed.
    #[error("cannot {action} in the catalog")]
    Catalog {
        /// What was attempted.
        action: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },

    /// A file could not be read or written.
    #[error("cannot {action} `{file}`")]
    File {
        /// What was attempted.
        action: &'static str,
        /// Which file of the keep.
        file: String,
        /// What the system said.
        source: io::Error,
    },

    /// A file of events is not what was written.
    #[error("`{file}` was changed or is damaged")]
    Damaged {
        /// Which file of the keep.
        file: String,
        /// What the decoder said, if it came that far.
        source: Option<ParquetError>,
    },

    /// A sealed value of the catalog is not what was written.
    #[error("a sealed value in `{table}` was changed or is damaged")]
    Sealed {
        /// In which table.
        table: &'static str,
        /// What the vault said.
        source: OpenError,
    },

    /// The key of a file was destroyed: its content is gone on purpose.
    #[error("the key of `{file}` was destroyed")]
    KeyDestroyed {
        /// Which file of the keep.
        file: String,
    },

    /// The subject was erased, and nothing about it may be stored again.
    #[error("the subject was erased")]
    SubjectErased,

    /// The keyring is missing or cannot be used.
    #[error("the keyring {problem}")]
    Keyring {
        /// `is missing`, `is damaged`, ...
        problem: &'static str,
    },

    /// A row of the catalog is not what was written last, or is missing.
    #[error("a row of `{table}` was added, changed, or removed without the key")]
    RowChanged {
        /// In which table.
        table: &'static str,
    },
}

impl StoreError {
    /// Returns whether a file is gone that was there: another one may have taken its place.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Self::KeyDestroyed { .. } => true,
            Self::File { source, .. } => source.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// Returns the permanent name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AlreadyExists => "store-already-exists",
            Self::SchemaVersion { .. } => "store-schema-version",
            Self::WrongKey => "store-wrong-key",
            Self::Busy => "store-busy",
            Self::FeedAlreadyIngested { .. } => "feed-already-ingested",
            Self::FeedReplayed { .. } => "feed-replayed",
            Self::Refused { .. } => "store-refused",
            Self::RequestReused => "idempotency-key-reused",
            Self::LiveFull { .. } => "live-full",
            Self::Incomplete { .. } => "restore-incomplete",
            Self::SubjectCollision => "subject-collision",
            Self::SubjectTooLong => "subject-too-long",
            Self::Catalog { .. } => "store-catalog",
            Self::File { .. } => "store-file",
            Self::Damaged { .. } => "store-damaged",
            Self::Sealed { .. } => "store-sealed",
            Self::KeyDestroyed { .. } => "key-destroyed",
            Self::SubjectErased => "subject-erased",
            Self::Keyring { .. } => "keyring",
            Self::RowChanged { .. } => "store-row-changed",
        }
    }
}

/// Adds what was attempted to an error of SQLite.
pub(crate) fn catalog(action: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |source| StoreError::Catalog { action, source }
}

/// Adds what was attempted on which file to an error of the system.
pub(crate) fn file(action: &'static str, file: &str) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::File { action, file: file.to_owned(), source }
}
