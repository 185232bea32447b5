//! Why a row was refused, each reason with its permanent name.

/// Why a row was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It does not have the fields of its format, or is not text.
    MalformedRow,
    /// The file does not begin with the line that names its fields; the whole file is kept.
    MissingHeader,
    /// The mapping has no table for the file; its first line is kept.
    UnknownTable,
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
    /// The value is not one of those that the pack lists.
    UnknownValue,
    /// The value changes faster than the pack says is possible, and comes back.
    RateOfChange,
    /// The value contradicts another one of the same moment.
    Contradiction,
    /// The time is in the future.
    FutureTime,
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
    /// Who wrote it down says that it was a mistake.
    EnteredInError,
    /// It was planned, refused, or called off: it did not happen.
    NotDone,
    /// It refers to something that is not in the feed, or that only a server could find.
    UnresolvedReference,
    /// It holds something that cannot be read as a value or text: a scan, a waveform.
    UnsupportedContent,
    /// It is plausible and may still be poison: the field names the detector that found it.
    Suspect,
    /// The entry is a link, device, or something else that is not a file; it was not followed.
    NotAFile,
}

impl Reason {
    /// All reasons, in the order of the checks.
    pub const ALL: [Self; 24] = [
        Self::NotAFile,
        Self::MissingHeader,
        Self::UnknownTable,
        Self::SubjectMissing,
        Self::SubjectContradictory,
        Self::UnfinishedRow,
        Self::TooLong,
        Self::MalformedRow,
        Self::EnteredInError,
        Self::NotDone,
        Self::UnresolvedReference,
        Self::UnsupportedContent,
        Self::BadTime,
        Self::FutureTime,
        Self::OutOfOrder,
        Self::UnknownCode,
        Self::UnknownUnit,
        Self::NotANumber,
        Self::ImplausibleValue,
        Self::UnknownValue,
        Self::Duplicate,
        Self::RateOfChange,
        Self::Contradiction,
        Self::Suspect,
    ];

    /// Returns whether it is a judgement, so that a person may overrule it: the row can be read, and
    /// only the pack says that it is not so.
    pub fn is_judgement(self) -> bool {
        matches!(
            self,
            Self::ImplausibleValue
                | Self::UnknownValue
                | Self::RateOfChange
                | Self::Contradiction
                | Self::FutureTime
                | Self::Suspect
        )
    }

    /// Returns whether other rows speak against the row, so that screening it alone says nothing.
    pub fn needs_other_rows(self) -> bool {
        matches!(self, Self::RateOfChange | Self::Contradiction | Self::Suspect)
    }

    /// Returns the permanent name of this reason.
    pub fn code(self) -> &'static str {
        match self {
            Self::MalformedRow => "malformed-row",
            Self::MissingHeader => "missing-header",
            Self::UnknownTable => "unknown-table",
            Self::UnfinishedRow => "unfinished-row",
            Self::TooLong => "too-long",
            Self::UnknownCode => "unknown-code",
            Self::UnknownUnit => "unknown-unit",
            Self::NotANumber => "not-a-number",
            Self::ImplausibleValue => "implausible-value",
            Self::UnknownValue => "unknown-value",
            Self::RateOfChange => "rate-of-change",
            Self::Contradiction => "contradiction",
            Self::FutureTime => "future-time",
            Self::BadTime => "bad-time",
            Self::OutOfOrder => "out-of-order",
            Self::Duplicate => "duplicate",
            Self::Suspect => "suspect",
            Self::SubjectMissing => "subject-missing",
            Self::SubjectContradictory => "subject-contradictory",
            Self::EnteredInError => "entered-in-error",
            Self::NotDone => "not-done",
            Self::UnresolvedReference => "unresolved-reference",
            Self::UnsupportedContent => "unsupported-content",
            Self::NotAFile => "not-a-file",
        }
    }
}
