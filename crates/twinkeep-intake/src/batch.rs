//! The rows of one source while it is being read: what passed, what did not, and how many.
//!
//! Rows are held until there are enough for a portion, and then handed on.
//!
//! # Invariants
//!
//! - Each row ends in exactly one of [`Batch::accept_identity`], [`Batch::screen`], and
//!   [`Batch::refuse`], which counts it.
//! - Whoever has an event is in the mapping of its portion: a row carries its [`Person`], and what
//!   lets the event in also remembers the person.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::thread::{self, Scope};

use twinkeep_domain::{SourceSubject, Subject, Timestamp};
use twinkeep_vault::SecretBytes;

use crate::deidentify::Deidentifier;
use crate::finishing::{Finished, Line, Take};
use crate::held::{Given, Held, HeldRows};
use crate::lexicon::{Found, Judged, Lexicon, Meaning};
use crate::limits::{FUTURE_HOURS_MAX, Limits, TEXT_LEN_MAX};
use crate::meter::Meter;
use crate::profile::Profile;
use crate::{
    Counts, Dates, IntakeError, Judgement, KindCount, Origin, ParsedRow, Place, Progress,
    QuarantinedRow, ReadOptions, Reason, Stopped, Summary, TableReport,
};

/// Everything that the readers share.
pub(crate) struct Batch<'a> {
    pub(crate) limits: Limits,
    pub(crate) meter: Meter,
    pub(crate) options: ReadOptions<'a>,
    source: String,
    lexicon: Lexicon,
    progress: &'a mut dyn FnMut(Progress),
    line: Line<'a>,
    table: Option<&'a mut dyn FnMut(TableReport)>,
    bytes_total: Option<u64>,
    rows: HeldRows,
    /// For the rows of the next portion: room of one that was handed on.
    room: Vec<Held>,
    counts: Counts,
    kinds: BTreeMap<&'static str, KindCount>,
    /// Rows whose value says "not recorded", for each variable of the pack.
    missing: Vec<u64>,
    file_count: u64,
    last: Option<Person>,
    pub(crate) deidentifier: Option<Deidentifier<'a>>,
}

/// To whom a batch reports, and to whom it hands on what it has.
pub(crate) struct Hands<'a> {
    pub progress: &'a mut dyn FnMut(Progress),
    pub take: Take<'a>,
    /// Takes what became of each table of a data set that a mapping explains.
    pub table: Option<&'a mut dyn FnMut(TableReport)>,
}

/// Where a row is.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    /// Name of the file within the source.
    pub file: &'a Arc<str>,
    /// Line or row, counted from 1.
    pub row: u64,
}

impl At<'_> {
    pub(crate) fn origin(self) -> Origin {
        Origin { file: Arc::clone(self.file), row: self.row }
    }
}

/// Whom a row is about. Only a batch makes one, so the pseudonym is that of the source.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) subject: Subject,
    source: Called,
}

/// What the source calls a person.
#[derive(Clone)]
enum Called {
    Text(Arc<SourceSubject>),
    Number(i64),
}

impl Person {
    /// Returns what the source calls this person.
    pub(crate) fn source(&self) -> SourceSubject {
        match &self.source {
            Called::Text(source) => SourceSubject::clone(source),
            Called::Number(number) => SourceSubject::from_number(*number),
        }
    }
}

/// A row whose fields were found.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub person: &'a Person,
    pub time: Option<Timestamp>,
    /// A code of the pack, an alias, or a code of MEDS such as `LOINC//8867-4`.
    pub name: &'a [u8],
    pub value: Value<'a>,
    /// In UCUM or the source's own word; `None` if the name implies it.
    pub unit: Option<&'a str>,
    pub text: Option<&'a str>,
}

/// The value of a row, as its format gives it.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    /// Not read yet.
    Text(&'a [u8]),
    /// A number.
    Number(f32),
    /// Nothing.
    Null,
    /// It was looked for and is not there.
    Missing,
}

/// What the fields of a source are called, for naming the wrong one.
pub(crate) struct Fields {
    pub time: &'static str,
    pub name: &'static str,
    pub value: &'static str,
    pub unit: &'static str,
}

/// Why a row is refused, and because of which field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub reason: Reason,
    pub field: Option<&'static str>,
}

/// What screening made of a row that it does not refuse.
enum Passed {
    Event(Verdict),
    /// Of which variable, if it is one.
    Missing(Option<u32>),
}

/// What an event says, in the words of the keep.
struct Verdict {
    time: Option<Timestamp>,
    code: u32,
    value: Option<f32>,
    text: Option<Box<str>>,
    /// How the source said it.
    given: Given,
}

/// Reads a source: `read` is given the batch, and ends it.
pub(crate) fn with_batch<'a>(
    source: String,
    bytes_total: Option<u64>,
    options: &ReadOptions<'a>,
    hands: Hands<'a>,
    limits: Limits,
    read: impl FnOnce(Batch<'_>) -> Result<Summary, IntakeError>,
) -> Result<Summary, IntakeError> {
    let Hands { progress, take, table } = hands;
    let options = *options;
    thread::scope(|scope| {
        let table = table.map(|table| -> &mut dyn FnMut(TableReport) { table });
        let hands = Hands { progress, take, table };
        read(Batch::new(source, bytes_total, &options, hands, limits, scope))
    })
}

impl<'a> Batch<'a> {
    fn new<'env>(
        source: String,
        bytes_total: Option<u64>,
        options: &ReadOptions<'a>,
        hands: Hands<'a>,
        limits: Limits,
        scope: &'a Scope<'a, 'env>,
    ) -> Self {
        Self {
            limits,
            meter: Meter::default(),
            options: *options,
            source,
            lexicon: Lexicon::new(options.pack),
            progress: hands.progress,
            line: Line::new(options, hands.take, scope),
            table: hands.table,
            bytes_total,
            rows: HeldRows::new(options.pack),
            room: Vec::new(),
            counts: Counts::default(),
            kinds: BTreeMap::new(),
            missing: vec![0; options.pack.variables().len()],
            file_count: 0,
            last: None,
            deidentifier: options
                .deidentify
                .map(|shift| Deidentifier::new(shift, options.pack, options.now)),
        }
    }

    /// Counts a file and returns its place in messages.
    pub(crate) fn next_file(&mut self) -> Result<Place, IntakeError> {
        self.file_count += 1;
        let place = self.place_of(Some(self.file_count));
        if self.limits.file_count_max < self.file_count {
            return Err(self.limit(place, "the number of files", self.limits.file_count_max));
        }
        self.report();
        Ok(place)
    }

    /// Returns the place of a whole source, or of one file in it.
    pub(crate) fn place_of(&self, file: Option<u64>) -> Place {
        Place { source: self.source.clone(), file }
    }

    pub(crate) fn limit(&self, place: Place, what: &'static str, limit: u64) -> IntakeError {
        IntakeError::Limit { place, what, limit }
    }

    /// Finds the pseudonym of a person whom the source calls by a text. Rows of one person come
    /// together in most sources, so the last one is remembered.
    pub(crate) fn person(&mut self, source: &str) -> Option<Person> {
        if let Some(last @ Person { source: Called::Text(known), .. }) = &self.last
            && known.reveal() == source
        {
            return Some(last.clone());
        }
        let source = SourceSubject::new(source)?;
        let subject = self.options.pseudonyms.pseudonym(&source);
        let person = Person { subject, source: Called::Text(Arc::new(source)) };
        self.last = Some(person.clone());
        Some(person)
    }

    /// Finds the pseudonym of a person who has a number.
    pub(crate) fn person_of_number(&mut self, number: i64) -> Person {
        match &self.last {
            Some(last @ Person { source: Called::Number(known), .. }) if *known == number => {
                last.clone()
            }
            _ => {
                let subject =
                    self.options.pseudonyms.pseudonym(&SourceSubject::from_number(number));
                let person = Person { subject, source: Called::Number(number) };
                self.last = Some(person.clone());
                person
            }
        }
    }

    /// Tells the caller how far the reading has come.
    pub(crate) fn report(&mut self) {
        (self.progress)(Progress {
            bytes_read: self.meter.compressed(),
            bytes_total: self.bytes_total,
            rows_read: self.counts.read,
        });
    }

    /// Counts a thing that a format has kinds of, whether or not it has rows.
    pub(crate) fn count_kind(&mut self, name: &'static str, is_read: bool) {
        let kind = self.kinds.entry(name).or_insert(KindCount { count: 0, is_read });
        kind.count += 1;
    }

    /// Counts a row that named the subject of a file.
    pub(crate) fn accept_identity(&mut self, person: &Person) -> Result<(), IntakeError> {
        self.count()?;
        self.counts.accepted += 1;
        self.rows.know(person);
        self.hand_on_if_full()
    }

    /// Counts a row, or a cell of one, that holds nothing.
    pub(crate) fn miss(&mut self) -> Result<(), IntakeError> {
        self.counts.missing += 1;
        self.count()
    }

    /// Says what became of a table.
    pub(crate) fn report_table(&mut self, report: TableReport) {
        if let Some(take) = &mut self.table {
            take(report);
        }
    }

    /// Checks a row against the pack. If it passes, its person is known from then on; if it is
    /// refused, `raw` makes the row as it came.
    pub(crate) fn screen(
        &mut self,
        at: At<'_>,
        row: &Row<'_>,
        fields: &Fields,
        raw: &dyn Fn() -> Vec<u8>,
    ) -> Result<(), IntakeError> {
        if self.screen_without_identifiers(at, row, fields)? {
            return Ok(());
        }
        self.screen_row(at, row, fields, raw)
    }

    /// As [`Batch::screen`], of a row from which all was taken out that must go.
    pub(crate) fn screen_row(
        &mut self,
        at: At<'_>,
        row: &Row<'_>,
        fields: &Fields,
        raw: &dyn Fn() -> Vec<u8>,
    ) -> Result<(), IntakeError> {
        let verdict = match self.judge(row, fields) {
            Ok(Passed::Event(verdict)) => Some(verdict),
            Ok(Passed::Missing(code)) => {
                if let Some(count) = code.and_then(|code| self.missing.get_mut(code as usize)) {
                    *count += 1;
                }
                None
            }
            Err(refusal) => return self.quarantine(at, refusal, raw(), parse(row)),
        };
        self.rows.know(row.person);
        self.count()?;
        match verdict {
            None => self.counts.missing += 1,
            Some(Verdict { time, code, value, text, given }) => {
                self.counts.accepted += 1;
                let subject = row.person.subject;
                let origin = at.origin();
                self.rows.push(Held { subject, time, code, value, text, given, origin });
            }
        }
        self.hand_on_if_full()
    }

    /// Sends a row to quarantine of which the fields were not found.
    pub(crate) fn refuse(
        &mut self,
        at: At<'_>,
        refusal: Refusal,
        raw: Vec<u8>,
    ) -> Result<(), IntakeError> {
        let Some(clean) = &mut self.deidentifier else {
            return self.quarantine(at, refusal, raw, None);
        };
        // Nobody knows what is in it, so nothing of it is kept.
        let file = clean.label(at.file);
        self.quarantine(At { file: &file, row: at.row }, refusal, Vec::new(), None)
    }

    /// Ends the reading.
    pub(crate) fn finish(mut self, digest: [u8; 32]) -> Result<Summary, IntakeError> {
        if self.counts.read == 0 {
            return Err(IntakeError::Empty { place: self.place_of(None) });
        }
        self.report();
        let last =
            (!self.rows.is_empty()).then(|| self.rows.cut(true, self.lexicon.words(), Vec::new()));
        let Finished { profile, sender } =
            self.line.end(last).map_err(|Stopped| IntakeError::Stopped)?;
        self.check_quarantine()?;
        let refused_count = self.line.refused_count();
        self.counts.accepted -= refused_count;
        self.counts.quarantined += refused_count;
        let (counts, kinds) = (self.counts, self.kinds);
        let removed = self.deidentifier.map(|one| one.removed());
        let mut profile = Profile { counts, ..profile };
        profile.add_missing(self.options.pack, &self.missing);
        Ok(Summary { counts, digest, kinds, removed, profile, sender })
    }

    /// Keeps a row that is refused.
    pub(crate) fn quarantine(
        &mut self,
        at: At<'_>,
        refusal: Refusal,
        raw: Vec<u8>,
        parsed: Option<ParsedRow>,
    ) -> Result<(), IntakeError> {
        self.count()?;
        self.counts.quarantined += 1;
        self.check_quarantine()?;
        self.rows.refuse(QuarantinedRow {
            origin: at.origin(),
            field: refusal.field,
            reason: refusal.reason,
            raw: SecretBytes::new(raw),
            parsed,
        });
        self.hand_on_if_full()
    }

    fn check_quarantine(&self) -> Result<(), IntakeError> {
        let limit = self.limits.quarantined_count_max;
        if self.counts.quarantined + self.line.refused_count() <= limit {
            return Ok(());
        }
        Err(self.limit(self.place_of(None), "the number of refused rows", limit))
    }

    /// Hands on what is held once it is enough. The rows of the person who is being read stay here,
    /// if they are not most of it: rules that look at several rows then see them together.
    fn hand_on_if_full(&mut self) -> Result<(), IntakeError> {
        if self.rows.size() < self.limits.portion_size_max {
            return Ok(());
        }
        self.check_quarantine()?;
        let room = mem::take(&mut self.room);
        let rows = self.rows.cut(false, self.lexicon.words(), room);
        self.room = self.line.hand_on(rows).map_err(|Stopped| IntakeError::Stopped)?;
        Ok(())
    }

    fn judge(&mut self, row: &Row<'_>, fields: &Fields) -> Result<Passed, Refusal> {
        let refuse = |reason, field| Refusal { reason, field: Some(field) };
        let unit = row.unit.map(str::trim).filter(|unit| !unit.is_empty());
        if row.text.is_some_and(|text| TEXT_LEN_MAX < text.len()) {
            return Err(Refusal { reason: Reason::TooLong, field: None });
        }
        let found = self.lexicon.find(row.name, unit).map_err(|reason| match unit {
            Some(_) if reason == Reason::UnknownUnit => refuse(reason, fields.unit),
            _ => refuse(reason, fields.name),
        })?;
        let Found::Known(meaning) = found else { return self.judge_other(row, unit, fields) };
        if matches!(row.value, Value::Missing) {
            return Ok(Passed::Missing(Some(meaning.code)));
        }
        let (judged, given) = self.judge_value(&meaning, row);
        let judged = judged.map_err(|reason| refuse(reason, fields.value))?;
        let Judged::Value(value) = judged else {
            return Ok(Passed::Missing(Some(meaning.code)));
        };
        let is_static = self.lexicon.is_static(meaning.code);
        let time = match row.time {
            _ if is_static => None,
            None => return Err(refuse(Reason::BadTime, fields.time)),
            Some(time) => {
                Some(self.check_time(time).map_err(|reason| refuse(reason, fields.time))?)
            }
        };
        // A text that stands for the value says nothing more than it.
        let text = if given.is_finite() { row.text.map(Into::into) } else { None };
        let given = Given { name: meaning.name, unit: meaning.unit, value: given };
        Ok(Passed::Event(Verdict { time, code: meaning.code, value: Some(value), text, given }))
    }

    /// Finds the value of a row; with it comes the number that the source gave, NaN if none.
    fn judge_value(&self, meaning: &Meaning, row: &Row<'_>) -> (Result<Judged, Reason>, f32) {
        let plausible = self.options.judgement == Judgement::ByThePack;
        let given = match row.value {
            Value::Number(given) => Some(given),
            Value::Text(text) => number(text),
            Value::Null | Value::Missing => None,
        };
        if let Some(given) = given {
            return (self.lexicon.judge(meaning, given, plausible), given);
        }
        let text = match row.value {
            Value::Text(text) => Some(std::str::from_utf8(text).unwrap_or_default()),
            _ => row.text,
        };
        let judged = self.lexicon.judge_text(meaning, text, plausible).unwrap_or(match text {
            Some(_) => Err(Reason::NotANumber),
            None => Ok(Judged::Missing),
        });
        (judged, f32::NAN)
    }

    /// Keeps what a row says under a code that is not in the pack. A number takes its unit along,
    /// as the last part of the code: otherwise two units would be under one code.
    fn judge_other(
        &mut self,
        row: &Row<'_>,
        unit: Option<&str>,
        fields: &Fields,
    ) -> Result<Passed, Refusal> {
        let refuse = |reason, field| Refusal { reason, field: Some(field) };
        let (value, text) = match row.value {
            Value::Number(value) if !value.is_finite() => {
                return Err(refuse(Reason::NotANumber, fields.value));
            }
            Value::Number(value) => (Some(value), row.text),
            Value::Missing => return Ok(Passed::Missing(None)),
            Value::Null => (None, row.text),
            Value::Text(text) => match (number(text), std::str::from_utf8(text), row.text) {
                (Some(value), _, text) => (Some(value), text),
                (None, Ok(""), text) => (None, text),
                (None, Ok(text), None) if text.len() <= TEXT_LEN_MAX => (None, Some(text)),
                _ => return Err(refuse(Reason::NotANumber, fields.value)),
            },
        };
        let time = row.time.map(|time| self.check_time(time)).transpose();
        let time = time.map_err(|reason| refuse(reason, fields.time))?;
        let unit = unit.filter(|_| value.is_some());
        let code = self.rows.intern(row.name, unit);
        let code = code.ok_or_else(|| refuse(Reason::UnknownCode, fields.name))?;
        let given = Given { name: u32::MAX, unit: u32::MAX, value: value.unwrap_or(f32::NAN) };
        Ok(Passed::Event(Verdict { time, code, value, text: text.map(Into::into), given }))
    }

    /// Refuses what has not happened yet, unless the dates of the source are shifted.
    fn check_time(&self, time: Timestamp) -> Result<Timestamp, Reason> {
        let real =
            self.options.dates == Dates::Real && self.options.judgement == Judgement::ByThePack;
        if real && self.options.now.plus_hours(FUTURE_HOURS_MAX) < time {
            return Err(Reason::FutureTime);
        }
        Ok(time)
    }

    fn count(&mut self) -> Result<(), IntakeError> {
        self.counts.read += 1;
        if self.limits.row_count_max < self.counts.read {
            let limit = self.limits.row_count_max;
            return Err(self.limit(self.place_of(None), "the number of rows", limit));
        }
        if self.counts.read.is_multiple_of(ROWS_PER_REPORT) {
            self.report();
        }
        Ok(())
    }
}

/// Keeps what a row says, so that it can be screened again; `None` if it is not text.
pub(crate) fn parse(row: &Row<'_>) -> Option<ParsedRow> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    Some(ParsedRow {
        subject: row.person.source(),
        time: row.time,
        name: text(row.name)?.into(),
        value: match row.value {
            Value::Text(bytes) => text(bytes)?.into(),
            Value::Number(number) => number.to_string().into(),
            Value::Null | Value::Missing => "".into(),
        },
        unit: row.unit.map(Into::into),
        text: row.text.map(Into::into),
    })
}

/// Reads a number as people write it: digits, a sign, a point, an exponent, and nothing else.
pub(crate) fn number(text: &[u8]) -> Option<f32> {
    let plain = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
    if text.is_empty() || NUMBER_LEN_MAX < text.len() || !text.iter().all(plain) {
        return None;
    }
    let value: f32 = std::str::from_utf8(text).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}

/// A 32-bit float needs 15 characters; some programs write 25.
const NUMBER_LEN_MAX: usize = 64;

/// About ten reports a second.
const ROWS_PER_REPORT: u64 = 1 << 16;
