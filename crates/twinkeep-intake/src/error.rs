//! Why a source could not be read at all. Rows that are merely wrong go to quarantine instead.

use std::fmt;
use std::io;

use parquet::errors::ParquetError;

/// Where in a source something happened, without the names inside it: a file of a feed is often
/// called after a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What the caller asked for.
    pub source: String,
    /// Which file of an archive (in its order) or folder (by name), counted from 1.
    pub file: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.source)?;
        match self.file {
            Some(number) => write!(f, ", file {number}"),
            None => Ok(()),
        }
    }
}

/// Why a source could not be read.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The system did not give the bytes.
    #[error("cannot read {place}")]
    Read {
        /// Where.
        place: Place,
        /// What the system said.
        source: io::Error,
    },

    /// An archive is cut short or altered.
    #[error("the archive {place} is damaged or cut short")]
    Damaged {
        /// Where.
        place: Place,
        /// What the decoder said.
        source: io::Error,
    },

    /// It is in none of the formats that are read here.
    #[error(
        "{place} is in no format that is read here: sealed feeds, FHIR R4 JSON, MEDS Parquet, \
         PhysioNet 2012 text, and tables that a mapping explains"
    )]
    Unrecognized {
        /// Where.
        place: Place,
    },

    /// No shipped mapping has a table with these columns.
    #[error("no shipped mapping knows a table with the columns of {place}: {columns}")]
    NoMapping {
        /// Where.
        place: Place,
        /// The names of the columns, if the first line looks like names.
        columns: String,
    },

    /// Several shipped mappings have a table with these columns.
    #[error("more than one shipped mapping fits {place}: {names}")]
    SeveralMappings {
        /// Where.
        place: Place,
        /// Their names.
        names: String,
    },

    /// A feed says that it is one thing and is another.
    #[error("{place} is declared as `{declared}` but contains {found}")]
    MediaType {
        /// Where.
        place: Place,
        /// What the feed says.
        declared: String,
        /// What it is.
        found: &'static str,
    },

    /// There is nothing in it.
    #[error("{place} holds no rows")]
    Empty {
        /// Where.
        place: Place,
    },

    /// A Parquet file cannot be decoded.
    #[error("cannot decode the Parquet file {place}")]
    Parquet {
        /// Where.
        place: Place,
        /// What the decoder said.
        source: ParquetError,
    },

    /// A column of MEDS is missing or of another type.
    #[error("{place}: the column `{column}` must be {expected}")]
    Column {
        /// Where.
        place: Place,
        /// Which column.
        column: &'static str,
        /// What MEDS says it is.
        expected: &'static str,
    },

    /// What does not fit into memory cannot be kept on the disk for as long as it is read.
    #[error("cannot keep {place} in a spool while it is read")]
    Spool {
        /// Where.
        place: Place,
        /// What the system said.
        source: io::Error,
    },

    /// The caller takes no more portions, and knows why.
    #[error("the reading was stopped")]
    Stopped,

    /// It asks for more than any honest feed needs.
    #[error("{place}: {what} exceeds the limit of {limit}")]
    Limit {
        /// Where.
        place: Place,
        /// What is too large.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
}

impl IntakeError {
    /// Returns the permanent name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "intake-read",
            Self::Damaged { .. } => "intake-damaged",
            Self::Unrecognized { .. } => "intake-unrecognized",
            Self::NoMapping { .. } => "intake-no-mapping",
            Self::SeveralMappings { .. } => "intake-several-mappings",
            Self::MediaType { .. } => "intake-media-type",
            Self::Empty { .. } => "intake-empty",
            Self::Parquet { .. } => "intake-parquet",
            Self::Column { .. } => "intake-column",
            Self::Spool { .. } => "intake-spool",
            Self::Stopped => "intake-stopped",
            Self::Limit { .. } => "intake-limit",
        }
    }
}
