//! Data sets of tables whose columns a mapping explains: CSV or Parquet, one file a table.
//!
//! # Life of a data set
//!
//! 1. The mapping is the one that was asked for, else the shipped one whose tables these are.
//! 2. Tables that others refer to are read into memory.
//! 3. Each file is matched with a table, by its name and its columns, and read row by row.
//!
//! # Invariants
//!
//! - A file that no table is for is refused as one row; it is never skipped without a word, unless
//!   the mapping says that it holds no events.
//! - Messages name columns only where the first line of a file looks like names of columns.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::{Arc, LazyLock};

use self::rows::Rows;
use crate::batch::{At, Batch, Fields, Refusal, Row, Value};
use crate::csv::{Dialect, Record, Records};
use crate::formats::Look;
use crate::mapping::draw::{Cell, Drawing, Drawn};
use crate::mapping::lookup::{LOOKUP_LEN_MAX, Lookup};
use crate::mapping::{
    Computed, Header, LookupSpec, Mapping, Table, shipped_mapping, shipped_names, table_name,
};
use crate::members::Files;
use crate::source::damaged;
use crate::{Dates, IntakeError, Place, Reason};

mod columns;
mod rows;

/// What became of one file of a data set; for looking at a mapping before it is used.
#[derive(Clone, Debug, Default)]
pub struct TableReport {
    /// Which file, in the order of the source, counted from 1.
    pub file: usize,
    /// The table of the mapping; none if there is none for this file.
    pub table: Option<String>,
    /// Rows in the file.
    pub rows: u64,
    /// Events that were drawn from them.
    pub events: u64,
    /// Rows and cells that hold no event.
    pub missing: u64,
    /// Rows from which no event could be drawn, by reason and by the word of the mapping.
    pub refused: BTreeMap<(&'static str, &'static str), u64>,
    /// Columns of the file that the mapping does not use.
    pub unused: Vec<String>,
}

/// How feeds declare tables.
pub(crate) const MEDIA_TYPES: &[&str] = &[
    "text/csv",
    "text/tab-separated-values",
    "text/plain",
    "application/vnd.apache.parquet",
    "application/x-parquet",
];

/// Returns whether a shipped mapping speaks of a file that is called like this. The columns of
/// Parquet are at its end, so that its name has to do.
pub(crate) fn is_known_table(file: &str) -> bool {
    let name = table_name(file);
    SHIPPED.iter().any(|mapping| {
        mapping.tables.iter().any(|table| table.is_called(&name)) || mapping.ignores(&name)
    })
}

/// Returns whether a text is a table of a shipped mapping, or one beside them. The only file of a
/// source may also be a table that none has, so that the refusal can say which columns it has.
pub(crate) fn recognizes(look: &Look<'_>) -> bool {
    let name = table_name(look.name);
    let headers =
        Headers::new(|dialect| header_of(Box::new(Cursor::new(look.head)), dialect).ok().flatten());
    let is_table = look.name.to_lowercase().contains(".csv");
    SHIPPED.iter().any(|mapping| match mapping.find(&name, &headers) {
        Found::Table(_) => true,
        // A read-me beside other things does not make a data set of them.
        Found::Ignored => is_table,
        Found::None => false,
    }) || (look.alone && columns::presentable(look.head).is_some())
}

/// Reads a data set.
pub(crate) fn read_mapped(batch: &mut Batch<'_>, files: &Files) -> Result<(), IntakeError> {
    let mapping = choose(batch, files)?;
    if mapping.dates_shifted() {
        batch.options.dates = Dates::Shifted;
    }
    let mut lookups = Vec::with_capacity(mapping.lookups.len());
    for lookup in &mapping.lookups {
        lookups.push(read_lookup(batch, files, lookup)?);
    }
    for (index, (place, name)) in files.list().enumerate() {
        let source = File { files, index, place, name };
        let found = mapping.find(&table_name(name), &source.headers(batch));
        match found {
            Found::Ignored => {}
            Found::Table(table) => source.read(batch, mapping, table, &lookups)?,
            Found::None => source.refuse(batch)?,
        }
    }
    Ok(())
}

/// Returns the mapping of a data set: the one that was asked for, or the only shipped one that
/// has tables for most of its files.
fn choose<'a>(batch: &Batch<'a>, files: &Files) -> Result<&'a Mapping, IntakeError> {
    if let Some(mapping) = batch.options.mapping {
        return Ok(mapping);
    }
    let mut counts: BTreeMap<&str, (usize, &'a Mapping)> = BTreeMap::new();
    for (index, (place, name)) in files.list().enumerate() {
        let source = File { files, index, place, name };
        let (name, headers) = (table_name(name), source.headers(batch));
        for mapping in SHIPPED.iter() {
            if matches!(mapping.find(&name, &headers), Found::Table(_)) {
                counts.entry(mapping.name()).or_insert((0, mapping)).0 += 1;
            }
        }
    }
    let most = counts.values().map(|(count, _)| *count).max().unwrap_or(0);
    counts.retain(|_, (count, _)| *count == most);
    let mut fitting = counts.values();
    match (fitting.next(), fitting.next()) {
        (Some((_, mapping)), None) => Ok(mapping),
        (None, _) => Err(no_mapping(batch, files)),
        (Some(_), Some(_)) => {
            let names: Vec<&str> = counts.keys().copied().collect();
            let place = batch.place_of(None);
            Err(IntakeError::SeveralMappings { place, names: names.join(", ") })
        }
    }
}

fn no_mapping(batch: &Batch<'_>, files: &Files) -> IntakeError {
    let mut head = Vec::new();
    let columns = files.open(batch, 0).ok().and_then(|reader| {
        reader.take(HEAD_LEN).read_to_end(&mut head).ok()?;
        columns::presentable(&head)
    });
    let columns = columns.unwrap_or_else(|| "the first line does not look like names".to_owned());
    IntakeError::NoMapping { place: batch.place_of(None), columns }
}

/// What a mapping makes of a file.
enum Found<'m> {
    Table(&'m Table),
    /// It has no events, or is there for other tables only.
    Ignored,
    None,
}

impl Mapping {
    fn ignores(&self, name: &str) -> bool {
        self.ignored.iter().any(|pattern| pattern.matches(name))
    }

    /// Finds the table that a file holds. A file with the name of a table is that table if it has
    /// its columns; any other file if it has the columns of exactly one table.
    fn find(&self, name: &str, headers: &Headers<'_>) -> Found<'_> {
        if self.ignores(name) {
            return Found::Ignored;
        }
        let fits = |table: &&Table| {
            headers.get(&table.dialect).is_some_and(|header| table.fits(&header, &self.lookups))
        };
        if let Some(table) = self.tables.iter().filter(|table| table.is_called(name)).find(fits) {
            return Found::Table(table);
        }
        if self.lookups.iter().any(|lookup| lookup.is_called(name)) {
            return Found::Ignored;
        }
        let mut fitting = self.tables.iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(table), None) => Found::Table(table),
            _ => Found::None,
        }
    }
}

type ReadHeader<'h> = dyn Fn(&Dialect) -> Option<Header> + 'h;

/// The names of the columns of a file, which depend on how it is written.
struct Headers<'h> {
    read: Box<ReadHeader<'h>>,
    known: RefCell<Vec<(Dialect, Option<Header>)>>,
}

impl<'h> Headers<'h> {
    fn new(read: impl Fn(&Dialect) -> Option<Header> + 'h) -> Self {
        Self { read: Box::new(read), known: RefCell::default() }
    }

    fn get(&self, dialect: &Dialect) -> Option<Header> {
        let mut known = self.known.borrow_mut();
        if let Some((_, header)) = known.iter().find(|(other, _)| other == dialect) {
            return header.clone();
        }
        let header = (self.read)(dialect);
        known.push((*dialect, header.clone()));
        header
    }
}

/// Reads the first record of a text.
fn header_of(
    reader: Box<dyn Read + '_>,
    dialect: &Dialect,
) -> Result<Option<Header>, std::io::Error> {
    let mut record = Record::default();
    let found = Records::open(reader, dialect)?.next(&mut record)?;
    Ok(if found { Header::of(&record) } else { None })
}

/// One file of the data set.
struct File<'f> {
    files: &'f Files,
    index: usize,
    place: &'f Place,
    name: &'f Arc<str>,
}

impl File<'_> {
    fn rows<'b>(
        &'b self,
        batch: &Batch<'_>,
        dialect: &Dialect,
    ) -> Result<(Option<Header>, Rows<'b>), IntakeError> {
        Rows::open(batch, self.files, self.index, self.place, dialect)
    }

    fn headers<'h>(&'h self, batch: &'h Batch<'_>) -> Headers<'h> {
        Headers::new(|dialect| self.rows(batch, dialect).ok().and_then(|(header, _)| header))
    }

    fn read(
        &self,
        batch: &mut Batch<'_>,
        mapping: &Mapping,
        table: &Table,
        lookups: &[Lookup],
    ) -> Result<(), IntakeError> {
        let (header, mut rows) = self.rows(batch, &table.dialect)?;
        let bound = header.as_ref().and_then(|header| table.bind(header, &mapping.lookups));
        let (Some(header), Some(bound)) = (header, bound) else { return self.refuse(batch) };
        let unused = header.0.iter().zip(&bound.used).filter(|(_, used)| !**used);
        let unused = unused.map(|(name, _)| name.to_string()).collect();
        let mut reading = Reading {
            file: self.name,
            report: TableReport {
                file: self.index + 1,
                table: Some(table.name.clone()),
                unused,
                ..TableReport::default()
            },
        };
        let mut drawing = Drawing::new(bound, lookups);
        let mut record = Record::default();
        while rows.next(batch, self.place, &mut record)? {
            reading.report.rows += 1;
            drawing.row(&record, &mut |drawn, line, raw| reading.take(batch, drawn, line, raw))?;
        }
        drawing.finish(&mut |drawn, line, raw| reading.take(batch, drawn, line, raw))?;
        batch.report_table(reading.report);
        Ok(())
    }

    /// Refuses a file that no table is for: the beginning of its first line goes to quarantine.
    fn refuse(&self, batch: &mut Batch<'_>) -> Result<(), IntakeError> {
        let mut raw = Vec::new();
        let reader = self.files.open(batch, self.index)?;
        let read = reader.take(HEAD_LEN).read_to_end(&mut raw);
        read.map_err(|error| damaged(batch, self.place, error))?;
        if let Some(end) = raw.iter().position(|&byte| byte == b'\n') {
            raw.truncate(end);
        }
        let refusal = Refusal { reason: Reason::UnknownTable, field: None };
        batch.report_table(TableReport { file: self.index + 1, ..TableReport::default() });
        batch.refuse(At { file: self.name, row: 0 }, refusal, raw)
    }
}

/// A table while it is read.
struct Reading<'f> {
    file: &'f Arc<str>,
    report: TableReport,
}

impl Reading<'_> {
    fn take(
        &mut self,
        batch: &mut Batch<'_>,
        drawn: Drawn<'_>,
        line: u64,
        raw: &dyn Fn() -> Vec<u8>,
    ) -> Result<(), IntakeError> {
        let at = At { file: self.file, row: line };
        match drawn {
            Drawn::Event(cell) => self.screen(batch, at, &cell, raw),
            Drawn::Refused(reason, field) => self.refuse(batch, at, reason, field, raw),
            Drawn::Nothing => {
                self.report.missing += 1;
                batch.miss()
            }
        }
    }

    fn screen(
        &mut self,
        batch: &mut Batch<'_>,
        at: At<'_>,
        cell: &Cell<'_>,
        raw: &dyn Fn() -> Vec<u8>,
    ) -> Result<(), IntakeError> {
        let Some(person) = batch.person(cell.subject) else {
            return self.refuse(batch, at, Reason::SubjectMissing, Some("subject"), raw);
        };
        self.report.events += 1;
        let value = match &cell.value {
            Computed::Nothing | Computed::Wrong => Value::Null,
            Computed::Text(text) => Value::Text(text.as_bytes()),
            // A value that 32 bits cannot hold becomes infinite, and is refused.
            Computed::Number(number) => Value::Number(*number as f32),
        };
        let (time, name) = (cell.time, cell.code.as_bytes());
        let row = Row { person: &person, time, name, value, unit: cell.unit, text: cell.text };
        batch.screen(at, &row, &FIELDS, raw)
    }

    fn refuse(
        &mut self,
        batch: &mut Batch<'_>,
        at: At<'_>,
        reason: Reason,
        field: Option<&'static str>,
        raw: &dyn Fn() -> Vec<u8>,
    ) -> Result<(), IntakeError> {
        *self.report.refused.entry((reason.code(), field.unwrap_or(""))).or_default() += 1;
        batch.refuse(at, Refusal { reason, field }, raw())
    }
}

/// Reads a table that others refer to, wherever it lies in the source.
fn read_lookup(batch: &Batch<'_>, files: &Files, spec: &LookupSpec) -> Result<Lookup, IntakeError> {
    let mut lookup = Lookup::new(spec.columns.len());
    for (index, (place, name)) in files.list().enumerate() {
        if !spec.is_called(&table_name(name)) {
            continue;
        }
        let (header, mut rows) = Rows::open(batch, files, index, place, &spec.dialect)?;
        let Some(bound) = header.and_then(|header| spec.bind(&header)) else { continue };
        let mut record = Record::default();
        while rows.next(batch, place, &mut record)? {
            let full = || {
                let limit = LOOKUP_LEN_MAX as u64;
                batch.limit(place.clone(), "the size of a table that others refer to", limit)
            };
            bound.add(&record, &mut lookup).map_err(|_| full())?;
        }
    }
    lookup.finish();
    Ok(lookup)
}

/// The shipped mappings, read once: each file of a source is compared with them.
static SHIPPED: LazyLock<Vec<Mapping>> = LazyLock::new(|| {
    shipped_names().into_iter().filter_map(|name| shipped_mapping(name).ok()).collect()
});

/// What the parts of an event are called in a mapping.
const FIELDS: Fields = Fields { time: "time", name: "code", value: "value", unit: "unit" };

/// How much of a file is looked at for a message, in bytes.
const HEAD_LEN: u64 = 4096;
