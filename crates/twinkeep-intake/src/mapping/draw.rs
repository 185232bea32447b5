//! Draws events out of the rows of a table.
//!
//! # What counts as a row
//!
//! Each event that a mapping draws from a row counts as one, whether it is accepted, missing, or
//! refused; so a row with an admission and a discharge counts as two, and each cell of a wide table
//! counts. An empty cell is missing. A row from which nothing is drawn, because no condition holds,
//! counts as one that is missing. A sum over several rows counts as one. A row that cannot be read
//! at all counts as one that is refused.

use twinkeep_domain::Timestamp;

use super::lookup::{Joined, Lookup};
use super::table::{Bound, EventSpec, Slot};
use super::template::fill_first;
use super::time::NoTime;
use super::value::{Computed, Condition};
use crate::csv::{Flaw, Record};
use crate::{IntakeError, Reason};

/// What was drawn from a row.
#[derive(Debug)]
pub(crate) enum Drawn<'r> {
    /// An event, not yet screened.
    Event(Cell<'r>),
    /// Something that cannot be an event, and the word of the mapping that it fails at.
    Refused(Reason, Option<&'static str>),
    /// The row holds no event.
    Nothing,
}

/// An event as a source has it.
#[derive(Debug)]
pub(crate) struct Cell<'r> {
    pub subject: &'r str,
    /// `None` for what holds at all times.
    pub time: Option<Timestamp>,
    pub code: &'r str,
    pub value: Computed<'r>,
    pub unit: Option<&'r str>,
    pub text: Option<&'r str>,
}

/// Takes what is drawn: it, the line, and the row as it came.
pub(crate) type Take<'t> =
    dyn FnMut(Drawn<'_>, u64, &dyn Fn() -> Vec<u8>) -> Result<(), IntakeError> + 't;

/// A table of a file, while its rows are read.
pub(crate) struct Drawing<'m> {
    bound: Bound,
    lookups: &'m [Lookup],
    /// For each event that is a sum: the one that is open.
    sums: Vec<Option<Sum>>,
    texts: Texts,
}

/// Memory that is used again for each row.
#[derive(Default)]
struct Texts {
    subject: String,
    key: String,
    code: String,
    unit: String,
    text: String,
}

/// A sum over rows that follow each other.
struct Sum {
    key: String,
    subject: String,
    time: Option<Timestamp>,
    code: String,
    unit: String,
    total: f64,
    line: u64,
    raw: Vec<u8>,
}

/// A row with everything that its columns may refer to.
#[derive(Clone, Copy)]
struct Row<'r> {
    record: &'r Record,
    joined: &'r [Option<Joined<'r>>],
    missing: &'r [String],
}

impl<'r> Row<'r> {
    fn get(&self, slot: Slot) -> &'r str {
        let text = match slot {
            Slot::Absent => "",
            Slot::Field(index) => std::str::from_utf8(self.record.field(index)).unwrap_or_default(),
            Slot::Joined { join, column } => {
                self.joined.get(join).copied().flatten().map_or("", |row| row.value(column))
            }
        };
        let text = text.trim();
        if self.missing.iter().any(|token| token == text) { "" } else { text }
    }
}

impl<'m> Drawing<'m> {
    /// Starts to read a file.
    pub(crate) fn new(bound: Bound, lookups: &'m [Lookup]) -> Self {
        let sums = bound.events.iter().map(|_| None).collect();
        Self { bound, lookups, sums, texts: Texts::default() }
    }

    /// Draws what a row holds.
    pub(crate) fn row(&mut self, record: &Record, take: &mut Take<'_>) -> Result<(), IntakeError> {
        let raw = || record.raw();
        let mut refuse = |reason| take(Drawn::Refused(reason, None), record.line, &raw);
        match record.flaw {
            Some(Flaw::TooLong) => return refuse(Reason::TooLong),
            Some(Flaw::Unfinished) => return refuse(Reason::UnfinishedRow),
            Some(Flaw::NotText) => return refuse(Reason::MalformedRow),
            None if record.len() != self.bound.width || !record.is_text() => {
                return refuse(Reason::MalformedRow);
            }
            None => {}
        }
        let Self { bound, lookups, sums, texts } = self;
        let plain = Row { record, joined: &[], missing: &bound.missing };
        let mut joined = Vec::with_capacity(bound.joins.len());
        for join in &bound.joins {
            let found = fill_first(&join.key, &|slot| plain.get(slot), &mut texts.key);
            let lookup = lookups.get(join.lookup).filter(|_| found);
            joined.push(lookup.and_then(|lookup| lookup.find(&texts.key)));
        }
        let row = Row { joined: &joined, ..plain };
        let mut drawn = false;
        if bound.holds(&bound.only, row) {
            for (event, sum) in bound.events.iter().zip(sums) {
                if bound.holds(&event.only, row) {
                    drawn |= bound.event(event, sum, row, texts, take)?;
                }
            }
        }
        if drawn { Ok(()) } else { take(Drawn::Nothing, record.line, &raw) }
    }

    /// Draws what is still open at the end of a file.
    pub(crate) fn finish(&mut self, take: &mut Take<'_>) -> Result<(), IntakeError> {
        for sum in &mut self.sums {
            if let Some(sum) = sum.take() {
                sum.draw(take)?;
            }
        }
        Ok(())
    }
}

impl Bound {
    fn holds(&self, conditions: &[Condition<Slot>], row: Row<'_>) -> bool {
        conditions.iter().all(|one| one.holds(&|slot| row.get(slot), &self.dialect))
    }

    /// Draws one event; `false` if it is not there.
    fn event(
        &self,
        event: &EventSpec<Slot>,
        sum: &mut Option<Sum>,
        row: Row<'_>,
        texts: &mut Texts,
        take: &mut Take<'_>,
    ) -> Result<bool, IntakeError> {
        let get = |slot| row.get(slot);
        let line = row.record.line;
        let raw = || row.record.raw();
        let mut refuse =
            |reason, field| take(Drawn::Refused(reason, Some(field)), line, &raw).map(|()| true);
        if !fill_first(&self.subject, &get, &mut texts.subject) {
            return refuse(Reason::SubjectMissing, "subject");
        }
        let time = match event.time(row) {
            Ok(time) => time,
            Err(NoTime::Empty) if event.optional => return Ok(false),
            Err(_) => return refuse(Reason::BadTime, "time"),
        };
        if !fill_first(&event.code, &get, &mut texts.code) {
            return if event.optional { Ok(false) } else { refuse(Reason::MalformedRow, "code") };
        }
        if !fill_first(&event.unit, &get, &mut texts.unit) {
            texts.unit.clear();
        }
        let mut value = event.value.compute(&get, &self.dialect);
        if value == Computed::Nothing && (event.is_cell || !event.sum_over.is_empty()) {
            take(Drawn::Nothing, line, &raw)?;
            return Ok(true);
        }
        if !event.sum_over.is_empty() {
            let Some(number) = value.number() else { return refuse(Reason::NotANumber, "value") };
            if !fill_first(&event.sum_over, &get, &mut texts.key) {
                return refuse(Reason::MalformedRow, "sum_over");
            }
            add(sum, number, time, row, texts, take)?;
            return Ok(true);
        }
        let mut has_text = fill_first(&event.text, &get, &mut texts.text);
        if has_text && value.number().is_none() {
            // What is no number is kept as the text that it is.
            value = Computed::Nothing;
        }
        if value == Computed::Wrong {
            return refuse(Reason::NotANumber, "value");
        }
        has_text &= event.text_with_value || value == Computed::Nothing;
        let cell = Cell {
            subject: &texts.subject,
            time,
            code: &texts.code,
            value,
            unit: Some(texts.unit.as_str()).filter(|unit| !unit.is_empty()),
            text: has_text.then_some(texts.text.as_str()),
        };
        take(Drawn::Event(cell), line, &raw)?;
        Ok(true)
    }
}

impl EventSpec<Slot> {
    /// Finds the first time that can be read; `Ok(None)` for what holds at all times.
    fn time(&self, row: Row<'_>) -> Result<Option<Timestamp>, NoTime> {
        if self.time.is_empty() {
            return Ok(None);
        }
        let mut problem = NoTime::Empty;
        for time in &self.time {
            match time.find(&|slot| row.get(slot)) {
                Ok(time) if (TIME_MIN..TIME_END).contains(&time.micros()) => return Ok(Some(time)),
                Ok(_) | Err(NoTime::Wrong) => problem = NoTime::Wrong,
                Err(NoTime::Empty) => {}
            }
        }
        Err(problem)
    }
}

/// Adds a row to the open sum, or closes it and opens the next.
fn add(
    sum: &mut Option<Sum>,
    number: f64,
    time: Option<Timestamp>,
    row: Row<'_>,
    texts: &Texts,
    take: &mut Take<'_>,
) -> Result<(), IntakeError> {
    let same = |open: &&mut Sum| {
        open.key == texts.key
            && open.subject == texts.subject
            && open.time == time
            && open.code == texts.code
            && open.unit == texts.unit
    };
    if let Some(open) = sum.as_mut().filter(same) {
        open.total += number;
        return Ok(());
    }
    let next = Sum {
        key: texts.key.clone(),
        subject: texts.subject.clone(),
        time,
        code: texts.code.clone(),
        unit: texts.unit.clone(),
        total: number,
        line: row.record.line,
        raw: row.record.raw(),
    };
    match sum.replace(next) {
        Some(closed) => closed.draw(take),
        None => Ok(()),
    }
}

impl Sum {
    fn draw(&self, take: &mut Take<'_>) -> Result<(), IntakeError> {
        let cell = Cell {
            subject: &self.subject,
            time: self.time,
            code: &self.code,
            value: Computed::Number(self.total),
            unit: Some(self.unit.as_str()).filter(|unit| !unit.is_empty()),
            text: None,
        };
        take(Drawn::Event(cell), self.line, &|| self.raw.clone())
    }
}

/// The first and the first impossible time, in microseconds since 1970: 1850 and 2300. Dates of
/// the MIMIC data sets are shifted to between 2100 and 2210.
const TIME_MIN: i64 = -3_786_825_600_000_000;
const TIME_END: i64 = 10_413_792_000_000_000;
