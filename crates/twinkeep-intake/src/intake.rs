//! What reading a source gives: events, refused rows, and an account of every row.

use std::fmt;
use std::sync::Arc;

use twinkeep_domain::{Screened, SourceSubject, Subject};
use twinkeep_vault::SecretBytes;

/// Everything that one source held.
pub struct Intake {
    /// The events that passed, sorted by subject and time.
    pub screened: Screened,
    /// Who is behind each pseudonym, by increasing pseudonym. For the sealed mapping only.
    pub mapping: Vec<(Subject, SourceSubject)>,
    /// The rows that did not pass, in the order of the source.
    pub quarantined: Vec<QuarantinedRow>,
    /// What became of the rows.
    pub counts: Counts,
    /// SHA-256 of the bytes that were read; of a folder, of its files' names and digests.
    pub digest: [u8; 32],
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Intake({:?}, hidden)", self.counts)
    }
}

/// What became of the rows of a source: `accepted + missing + quarantined = read`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows that were read.
    pub read: u64,
    /// Rows that became an event, and rows that named the subject of a file.
    pub accepted: u64,
    /// Rows whose value says "not recorded".
    pub missing: u64,
    /// Rows that were refused.
    pub quarantined: u64,
}

/// A row that was refused, kept as it came.
pub struct QuarantinedRow {
    /// Name of the file within the source. It may name a person: store it encrypted only.
    pub file: Arc<str>,
    /// Line of a text file or row of a table, counted from 1; 0 if it is the whole file.
    pub row: u64,
    /// The field that was wrong, if it was one.
    pub field: Option<&'static str>,
    /// Why.
    pub reason: Reason,
    /// The row itself: the line, or the columns of MEDS as comma-separated text.
    pub raw: SecretBytes,
}

impl fmt::Debug for QuarantinedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QuarantinedRow({}, hidden)", self.reason.code())
    }
}

/// How far a reading has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Bytes of the source that were read.
    pub bytes_read: u64,
    /// Bytes that the source has, where that is known.
    pub bytes_total: Option<u64>,
    /// Rows that were read.
    pub rows_read: u64,
}

/// Why a row was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It does not have the fields of its format, or is not text.
    MalformedRow,
    /// The file does not begin with the line that names its fields; the whole file is kept.
    MissingHeader,
    /// The last line has no line end: the file may be cut short, in the middle of a number.
    UnfinishedRow,
    /// The line or text is longer than any real one.
    TooLong,
    /// The pack has no such code.
    UnknownCode,
    /// The pack has the code, but not in this unit.
    UnknownUnit,
    /// The value is not a finite number.
    NotANumber,
    /// The value is outside the pack's range.
    ImplausibleValue,
    /// The time is missing, cannot be read, or is outside what the format allows.
    BadTime,
    /// The time is before that of an earlier row, in a format that is ordered by time.
    OutOfOrder,
    /// The same subject, time, code, and value were there before.
    Duplicate,
    /// No row says whom the file is about, or the row has no subject.
    SubjectMissing,
    /// The file names two subjects, or another one than its name.
    SubjectContradictory,
    /// The entry is a link, device, or something else that is not a file; it was not followed.
    NotAFile,
}

impl Reason {
    /// All reasons, in the order of the checks.
    pub const ALL: [Self; 14] = [
        Self::NotAFile,
        Self::MissingHeader,
        Self::SubjectMissing,
        Self::SubjectContradictory,
        Self::UnfinishedRow,
        Self::TooLong,
        Self::MalformedRow,
        Self::BadTime,
        Self::OutOfOrder,
        Self::UnknownCode,
        Self::UnknownUnit,
        Self::NotANumber,
        Self::ImplausibleValue,
        Self::Duplicate,
    ];

    /// Returns the permanent name of this reason.
    pub fn code(self) -> &'static str {
        match self {
            Self::MalformedRow => "malformed-row",
            Self::MissingHeader => "missing-header",
            Self::UnfinishedRow => "unfinished-row",
            Self::TooLong => "too-long",
            Self::UnknownCode => "unknown-code",
            Self::UnknownUnit => "unknown-unit",
            Self::NotANumber => "not-a-number",
            Self::ImplausibleValue => "implausible-value",
            Self::BadTime => "bad-time",
            Self::OutOfOrder => "out-of-order",
            Self::Duplicate => "duplicate",
            Self::SubjectMissing => "subject-missing",
            Self::SubjectContradictory => "subject-contradictory",
            Self::NotAFile => "not-a-file",
        }
    }
}
