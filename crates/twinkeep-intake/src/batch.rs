//! The rows of one source while it is being read: what passed, what did not, and how many.
//!
//! # Invariants
//!
//! - Each row ends in exactly one of [`Batch::accept_identity`], [`Batch::screen`], and
//!   [`Batch::refuse`], which counts it.
//! - Whoever has an event is in the mapping: a row carries its [`Person`], and what lets the event
//!   in also remembers the person.

use std::collections::BTreeMap;
use std::sync::Arc;

use twinkeep_domain::{Event, Events, Pack, Screened, SourceSubject, Subject, Timestamp};
use twinkeep_vault::{Pseudonymizer, SecretBytes};

use crate::dedup::Dedup;
use crate::lexicon::{Judged, Lexicon};
use crate::limits::{Limits, TEXT_LEN_MAX};
use crate::meter::Meter;
use crate::{Counts, Intake, IntakeError, Place, Progress, QuarantinedRow, Reason};

/// Everything that the readers share.
pub(crate) struct Batch<'a> {
    pub(crate) limits: Limits,
    pub(crate) meter: Meter,
    source: String,
    lexicon: Lexicon,
    pseudonyms: &'a Pseudonymizer,
    progress: &'a mut dyn FnMut(Progress),
    bytes_total: Option<u64>,
    events: Events,
    dedup: Dedup,
    mapping: BTreeMap<Subject, SourceSubject>,
    quarantined: Vec<QuarantinedRow>,
    counts: Counts,
    file_count: u64,
    last_number: Option<(i64, Subject)>,
    last_known: Option<Subject>,
}

/// Where a row is.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    /// Name of the file within the source.
    pub file: &'a Arc<str>,
    /// Line or row, counted from 1.
    pub row: u64,
}

/// Whom a row is about. Only a batch makes one, so the pseudonym is that of the source.
pub(crate) struct Person {
    subject: Subject,
    source: Origin,
}

/// What the source calls a person.
enum Origin {
    Text(SourceSubject),
    Number(i64),
}

/// A row whose fields were found.
pub(crate) struct Row<'a> {
    pub person: &'a Person,
    pub time: Option<Timestamp>,
    pub name: &'a [u8],
    pub value: Value<'a>,
    pub text: Option<&'a str>,
}

/// The value of a row, as its format gives it.
pub(crate) enum Value<'a> {
    /// Not read yet.
    Text(&'a [u8]),
    /// A number.
    Number(f32),
    /// Nothing.
    Null,
}

/// What the fields of a source are called, for naming the wrong one.
pub(crate) struct Fields {
    pub time: &'static str,
    pub name: &'static str,
    pub value: &'static str,
}

/// Why a row is refused, and because of which field.
#[derive(Clone, Copy)]
pub(crate) struct Refusal {
    pub reason: Reason,
    pub field: Option<&'static str>,
}

/// What screening made of a row that it does not refuse.
enum Passed {
    Event,
    Missing,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(
        source: String,
        bytes_total: Option<u64>,
        pack: &Pack,
        pseudonyms: &'a Pseudonymizer,
        progress: &'a mut dyn FnMut(Progress),
        limits: Limits,
    ) -> Self {
        let mut events = Events::new();
        // INVARIANT: the code of an event is the index of its variable in the pack.
        for variable in pack.variables() {
            events.intern(&variable.code);
        }
        Self {
            limits,
            meter: Meter::default(),
            source,
            lexicon: Lexicon::new(pack),
            pseudonyms,
            progress,
            bytes_total,
            events,
            dedup: Dedup::default(),
            mapping: BTreeMap::new(),
            quarantined: Vec::new(),
            counts: Counts::default(),
            file_count: 0,
            last_number: None,
            last_known: None,
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

    /// Finds the pseudonym of a person whom the source calls by a text.
    pub(crate) fn person(&self, source: SourceSubject) -> Person {
        Person { subject: self.pseudonyms.pseudonym(&source), source: Origin::Text(source) }
    }

    /// Finds the pseudonym of a person who has a number; rows of one person come together.
    pub(crate) fn person_of_number(&mut self, number: i64) -> Person {
        let subject = match self.last_number {
            Some((last, subject)) if last == number => subject,
            _ => self.pseudonyms.pseudonym(&SourceSubject::from_number(number)),
        };
        self.last_number = Some((number, subject));
        Person { subject, source: Origin::Number(number) }
    }

    /// Tells the caller how far the reading has come.
    pub(crate) fn report(&mut self) {
        (self.progress)(Progress {
            bytes_read: self.meter.compressed(),
            bytes_total: self.bytes_total,
            rows_read: self.counts.read,
        });
    }

    /// Counts a row that named the subject of a file.
    pub(crate) fn accept_identity(&mut self, person: &Person) -> Result<(), IntakeError> {
        self.count()?;
        self.counts.accepted += 1;
        self.know(person);
        Ok(())
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
        match self.judge(row, fields) {
            Ok(Passed::Event) => self.counts.accepted += 1,
            Ok(Passed::Missing) => self.counts.missing += 1,
            Err(refusal) => return self.refuse(at, refusal, raw()),
        }
        self.know(row.person);
        self.count()
    }

    /// Sends a row to quarantine.
    pub(crate) fn refuse(
        &mut self,
        at: At<'_>,
        refusal: Refusal,
        raw: Vec<u8>,
    ) -> Result<(), IntakeError> {
        self.count()?;
        self.counts.quarantined += 1;
        if self.limits.quarantined_count_max < self.counts.quarantined {
            let limit = self.limits.quarantined_count_max;
            return Err(self.limit(self.place_of(None), "the number of refused rows", limit));
        }
        self.quarantined.push(QuarantinedRow {
            file: Arc::clone(at.file),
            row: at.row,
            field: refusal.field,
            reason: refusal.reason,
            raw: SecretBytes::new(raw),
        });
        Ok(())
    }

    /// Ends the reading.
    pub(crate) fn finish(mut self, digest: [u8; 32]) -> Result<Intake, IntakeError> {
        if self.counts.read == 0 {
            return Err(IntakeError::Empty { place: self.place_of(None) });
        }
        self.report();
        self.events.sort();
        Ok(Intake {
            screened: Screened::attest(self.events),
            mapping: self.mapping.into_iter().collect(),
            quarantined: self.quarantined,
            counts: self.counts,
            digest,
        })
    }

    fn judge(&mut self, row: &Row<'_>, fields: &Fields) -> Result<Passed, Refusal> {
        let refuse = |reason, field| Refusal { reason, field: Some(field) };
        let meaning = self.lexicon.find(row.name).map_err(|reason| refuse(reason, fields.name))?;
        let value = match row.value {
            Value::Number(number) => number,
            Value::Text(text) => {
                number(text).ok_or_else(|| refuse(Reason::NotANumber, fields.value))?
            }
            Value::Null if row.text.is_none() => return Ok(Passed::Missing),
            Value::Null => return Err(refuse(Reason::NotANumber, fields.value)),
        };
        let judged = meaning.judge(value).map_err(|reason| refuse(reason, fields.value))?;
        let Judged::Value(value) = judged else { return Ok(Passed::Missing) };
        if row.text.is_some_and(|text| TEXT_LEN_MAX < text.len()) {
            return Err(Refusal { reason: Reason::TooLong, field: None });
        }
        let time = match (meaning.is_static, row.time) {
            (true, _) => None,
            (false, None) => return Err(refuse(Reason::BadTime, fields.time)),
            (false, time) => time,
        };
        let code = meaning.code;
        let subject = row.person.subject;
        if !self.dedup.admit(&self.events.rows, subject, time, code, value) {
            return Err(Refusal { reason: Reason::Duplicate, field: None });
        }
        let text = row.text.map(Into::into);
        self.events.rows.push(Event { subject, time, code, value: Some(value), text });
        Ok(Passed::Event)
    }

    /// Remembers who is behind a pseudonym.
    fn know(&mut self, person: &Person) {
        if self.last_known == Some(person.subject) {
            return;
        }
        self.last_known = Some(person.subject);
        self.mapping.entry(person.subject).or_insert_with(|| match &person.source {
            Origin::Text(source) => source.clone(),
            Origin::Number(number) => SourceSubject::from_number(*number),
        });
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

/// Reads a number as people write it: digits, a sign, a point, an exponent, and nothing else.
fn number(text: &[u8]) -> Option<f32> {
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
