//! What reading a source gives: events, refused rows, and an account of every row.
//!
//! A source is handed on in portions of bounded size, so that memory does not grow with it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use twinkeep_domain::{Pack, Screened, SourceSubject, Subject, Timestamp};
use twinkeep_vault::{DateShift, Pseudonymizer, SecretBytes};

use crate::panel::{Panel, SenderStats};
use crate::profile::Profile;
use crate::{Mapping, Reason};

/// By what a source is read.
#[derive(Clone, Copy)]
pub struct ReadOptions<'a> {
    /// Which codes exist, and what is plausible.
    pub pack: &'a Pack,
    /// Makes pseudonyms of the people of this source.
    pub pseudonyms: &'a Pseudonymizer,
    /// The present time.
    pub now: Timestamp,
    /// A folder on a disk with room for what does not fit into memory. It is encrypted, has no
    /// name there, and is gone when the reading ends.
    pub spool: &'a Path,
    /// What the columns of tables mean; `None` to find it among the shipped mappings.
    pub mapping: Option<&'a Mapping>,
    /// Whether the dates of the source are real.
    pub dates: Dates,
    /// Who says what is plausible.
    pub judgement: Judgement,
    /// Takes the identifiers of Safe Harbor out of all rows, and shifts their dates by this.
    pub deidentify: Option<&'a DateShift>,
    /// Who finds poison, if the keep knows clean data.
    pub panel: Option<&'a Panel>,
}

/// Whether the dates of a source are real.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dates {
    /// They are, so nothing can have happened in the future.
    #[default]
    Real,
    /// They were shifted to hide when things happened, as in MIMIC, whose years are 2110 to 2201.
    Shifted,
}

/// Who says what is plausible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Judgement {
    /// The pack.
    #[default]
    ByThePack,
    /// A person who looked at the rows: ranges, code lists, and rules between rows are not asked.
    ByAPerson,
}

/// A part of what a source holds.
pub struct Portion {
    /// The events that passed, sorted by subject, time, and code.
    pub screened: Screened,
    /// Where each event was in the source, in the same order.
    pub origins: Vec<Origin>,
    /// Who is behind each pseudonym of this portion, by increasing pseudonym. For the sealed
    /// mapping only.
    pub mapping: Vec<(Subject, SourceSubject)>,
    /// The rows that did not pass: those that were refused when they were read, in the order of
    /// the source, and then those that contradict other rows.
    pub quarantined: Vec<QuarantinedRow>,
}

impl fmt::Debug for Portion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Portion(hidden)")
    }
}

/// Where a row was.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    /// Name of the file within the source. It may name a person: store it encrypted only.
    pub file: Arc<str>,
    /// Line of a text file or row of a table, counted from 1; 0 if it is the whole file.
    pub row: u64,
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin(row {}, hidden)", self.row)
    }
}

/// What is known once a source was read to its end.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What became of the rows.
    pub counts: Counts,
    /// SHA-256 of the bytes that were read; of a folder, of its files' names and digests.
    pub digest: [u8; 32],
    /// How many things of each kind there were, where a format has kinds: resources of FHIR.
    pub kinds: BTreeMap<&'static str, KindCount>,
    /// How many identifiers of each kind were taken out, if the source was de-identified.
    pub removed: Option<BTreeMap<&'static str, u64>>,
    /// The feed in numbers.
    pub profile: Profile,
    /// What the rows add up to, in the measure of the panel that screened them.
    pub sender: Option<SenderStats>,
}

/// How many things of one kind a source holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindCount {
    /// How many.
    pub count: u64,
    /// Whether they are read; others are counted and passed over.
    pub is_read: bool,
}

/// The caller does not take any more portions; it knows why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

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
    /// Where it was.
    pub origin: Origin,
    /// The field that was wrong, if it was one.
    pub field: Option<&'static str>,
    /// Why.
    pub reason: Reason,
    /// The row itself: the line, or [`ParsedRow::to_line`].
    pub raw: SecretBytes,
    /// What the row says, if its fields were found: enough to screen it again.
    pub parsed: Option<ParsedRow>,
}

impl fmt::Debug for QuarantinedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QuarantinedRow({}, hidden)", self.reason.code())
    }
}

/// What a row says, in a form that is the same for every format: names, values, and units as the
/// source has them, so that it can be screened again by another pack.
#[derive(Clone, PartialEq)]
pub struct ParsedRow {
    /// Whom it is about.
    pub subject: SourceSubject,
    /// When; `None` for what holds at all times.
    pub time: Option<Timestamp>,
    /// What: the name of a code in the source.
    pub name: Box<str>,
    /// The value as text; empty if there is none.
    pub value: Box<str>,
    /// The unit, where the name does not imply it.
    pub unit: Option<Box<str>>,
    /// The text, if it has one.
    pub text: Option<Box<str>>,
}

impl ParsedRow {
    /// Writes the row as comma-separated text (RFC 4180): subject, time in microseconds since
    /// 1970, name, value, unit, text.
    pub fn to_line(&self) -> String {
        let fields = [
            quote(self.subject.reveal()),
            self.time.map(|time| time.micros().to_string()).unwrap_or_default(),
            quote(&self.name),
            quote(&self.value),
            quote(self.unit.as_deref().unwrap_or_default()),
            quote(self.text.as_deref().unwrap_or_default()),
        ];
        fields.join(",")
    }
}

fn quote(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

impl fmt::Debug for ParsedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ParsedRow(hidden)")
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
