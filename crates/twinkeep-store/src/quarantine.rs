//! Refused rows: kept as they came, encrypted, one file or more a feed.
//!
//! A row that could be read at all is kept a second time in a canonical form, so that it can be
//! screened again when the pack or the mapping was mended, whatever its format.

use std::path::Path;
use std::slice;
use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder as _, BinaryBuilder, Int64Builder, LargeStringBuilder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use twinkeep_domain::Timestamp;
use twinkeep_vault::{Purpose, SecretBytes};

use crate::StoreError;
use crate::feeds::FeedId;
use crate::keyring::Ring;
use crate::table::{BATCH_ROWS, Sealed, Writing, Written};

/// A row that was refused.
#[derive(Clone, Copy)]
pub struct RefusedRow<'a> {
    /// Name of the file within the source.
    pub file: &'a str,
    /// Line or row, counted from 1; 0 if it is the whole file.
    pub row: u64,
    /// The field that was wrong, if it was one.
    pub field: Option<&'a str>,
    /// The permanent name of the reason.
    pub reason: &'a str,
    /// The row as it came.
    pub raw: &'a [u8],
    /// Its fields, if they were found.
    pub parsed: Option<ParsedFields<'a>>,
}

impl RefusedRow<'_> {
    /// What is left of a row about somebody who was erased.
    pub const ERASED: Self =
        Self { file: "", row: 0, field: None, reason: "erased-subject", raw: b"", parsed: None };
}

/// The fields of a refused row, before anything was checked or converted.
#[derive(Clone, Copy)]
pub struct ParsedFields<'a> {
    /// What the source calls the person.
    pub source: &'a str,
    /// When, if it says so.
    pub time: Option<Timestamp>,
    /// What it is about, in the source's words.
    pub name: &'a str,
    /// The value as text, if it has one.
    pub value: Option<&'a str>,
    /// The unit, if the row names one.
    pub unit: Option<&'a str>,
    /// The text, if it has one.
    pub text: Option<&'a str>,
}

/// A refused row, read back.
pub struct QuarantinedRecord {
    /// Where it is among the refused rows of its feed, counted from 0.
    pub position: u64,
    /// The feed that it is of now, if it was screened again and passed.
    pub released: Option<FeedId>,
    /// Name of the file within the source. It may name a person.
    pub file: SecretBytes,
    /// Line or row, counted from 1; 0 if it is the whole file.
    pub row: u64,
    /// The field that was wrong, if it was one.
    pub field: Option<String>,
    /// The permanent name of the reason.
    pub reason: String,
    /// The row as it came.
    pub raw: SecretBytes,
    /// Its fields, if they were found.
    pub parsed: Option<ParsedRecord>,
}

/// The fields of a refused row, read back.
pub struct ParsedRecord {
    /// What the source calls the person.
    pub source: String,
    /// When, if it says so.
    pub time: Option<Timestamp>,
    /// What it is about, in the source's words.
    pub name: String,
    /// The value as text, if it has one.
    pub value: Option<String>,
    /// The unit, if the row names one.
    pub unit: Option<String>,
    /// The text, if it has one.
    pub text: Option<String>,
}

impl QuarantinedRecord {
    /// Returns the row as it was written.
    pub(crate) fn as_refused(&self) -> RefusedRow<'_> {
        RefusedRow {
            file: std::str::from_utf8(self.file.expose()).unwrap_or_default(),
            row: self.row,
            field: self.field.as_deref(),
            reason: &self.reason,
            raw: self.raw.expose(),
            parsed: self.parsed.as_ref().map(ParsedRecord::as_fields),
        }
    }
}

impl ParsedRecord {
    pub(crate) fn as_fields(&self) -> ParsedFields<'_> {
        ParsedFields {
            source: &self.source,
            time: self.time,
            name: &self.name,
            value: self.value.as_deref(),
            unit: self.unit.as_deref(),
            text: self.text.as_deref(),
        }
    }
}

impl std::fmt::Debug for QuarantinedRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "QuarantinedRecord({}, hidden)", self.reason)
    }
}

impl std::fmt::Debug for ParsedRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ParsedRecord(hidden)")
    }
}

/// Returns what reads and writes refused rows.
pub(crate) fn quarantine(dir: &Path, ring: Arc<Ring>) -> Sealed<'_> {
    Sealed { dir, ring, purpose: Purpose::QuarantineKey, schema: schema() }
}

/// A file of refused rows that is being written.
pub(crate) struct QuarantineWriter {
    writing: Writing,
    rows: Columns,
    schema: SchemaRef,
}

impl QuarantineWriter {
    pub(crate) fn begin(sealed: &Sealed<'_>, name: &str) -> Result<Self, StoreError> {
        let writing = sealed.begin(name)?;
        Ok(Self { writing, rows: Columns::default(), schema: Arc::clone(&sealed.schema) })
    }

    /// Adds a row. A batch of rows is written at a time.
    pub(crate) fn add(&mut self, row: &RefusedRow<'_>) -> Result<(), StoreError> {
        self.rows.add(row);
        match BATCH_ROWS <= self.rows.numbers.len() || BATCH_BYTES <= self.rows.bytes {
            true => self.write(),
            false => Ok(()),
        }
    }

    /// Makes the file durable.
    pub(crate) fn finish(mut self) -> Result<Written, StoreError> {
        self.write()?;
        self.writing.finish()
    }

    fn write(&mut self) -> Result<(), StoreError> {
        if self.rows.numbers.is_empty() {
            return Ok(());
        }
        let columns = self.rows.finish();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns);
        self.writing.add(batch.map_err(Into::into))
    }
}

/// The columns of the next batch.
#[derive(Default)]
struct Columns {
    files: StringBuilder,
    numbers: Int64Builder,
    fields: StringBuilder,
    reasons: StringBuilder,
    raws: BinaryBuilder,
    sources: StringBuilder,
    times: TimestampMicrosecondBuilder,
    names: StringBuilder,
    values: StringBuilder,
    units: StringBuilder,
    texts: LargeStringBuilder,
    bytes: usize,
}

impl Columns {
    fn add(&mut self, row: &RefusedRow<'_>) {
        let parsed = row.parsed.as_ref();
        let text = parsed.and_then(|parsed| parsed.text);
        self.bytes += row.raw.len() + text.map_or(0, str::len);
        self.files.append_value(row.file);
        self.numbers.append_value(i64::try_from(row.row).unwrap_or(i64::MAX));
        self.fields.append_option(row.field);
        self.reasons.append_value(row.reason);
        self.raws.append_value(row.raw);
        self.sources.append_option(parsed.map(|parsed| parsed.source));
        self.times.append_option(parsed.and_then(|parsed| parsed.time).map(Timestamp::micros));
        self.names.append_option(parsed.map(|parsed| parsed.name));
        self.values.append_option(parsed.and_then(|parsed| parsed.value));
        self.units.append_option(parsed.and_then(|parsed| parsed.unit));
        self.texts.append_option(text);
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        self.bytes = 0;
        vec![
            Arc::new(self.files.finish()),
            Arc::new(self.numbers.finish()),
            Arc::new(self.fields.finish()),
            Arc::new(self.reasons.finish()),
            Arc::new(self.raws.finish()),
            Arc::new(self.sources.finish()),
            Arc::new(self.times.finish()),
            Arc::new(self.names.finish()),
            Arc::new(self.values.finish()),
            Arc::new(self.units.finish()),
            Arc::new(self.texts.finish()),
        ]
    }
}

/// Reads at most `limit` refused rows of one file, after skipping `offset`. `before` rows are in
/// the files before it.
pub(crate) fn read_quarantine(
    sealed: &Sealed<'_>,
    written: &Written,
    offset: u64,
    limit: usize,
    before: u64,
) -> Result<Vec<QuarantinedRecord>, StoreError> {
    let count = usize::try_from(written.row_count).unwrap_or(0);
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(count);
    let end = start.saturating_add(limit).min(count);
    let mut records = Vec::with_capacity(end - start);
    if start == end {
        return Ok(records);
    }
    let first = before + start as u64;
    sealed.read_rows(written, slice::from_ref(&(start..end)), &mut |batch| {
        add(&mut records, batch, first)
            .ok_or_else(|| StoreError::Damaged { file: written.file.clone(), source: None })
    })?;
    Ok(records)
}

/// Visits all refused rows of one file, after comparing its digest.
pub(crate) fn visit(
    sealed: &Sealed<'_>,
    written: &Written,
    visit: &mut dyn FnMut(QuarantinedRecord) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut next = 0;
    sealed.read_all(written, &mut |batch| {
        let mut records = Vec::with_capacity(batch.num_rows());
        add(&mut records, batch, next)
            .ok_or_else(|| StoreError::Damaged { file: written.file.clone(), source: None })?;
        next += records.len() as u64;
        records.into_iter().try_for_each(&mut *visit)
    })
}

fn add(records: &mut Vec<QuarantinedRecord>, batch: &RecordBatch, first: u64) -> Option<()> {
    let text = |name| batch.column_by_name(name)?.as_string_opt::<i32>();
    let (files, fields, reasons) = (text(FILE)?, text(FIELD)?, text(REASON)?);
    let (sources, names, values, units) = (text(SOURCE)?, text(NAME)?, text(VALUE)?, text(UNIT)?);
    let numbers = batch.column_by_name(ROW)?.as_primitive_opt::<Int64Type>()?;
    let raws = batch.column_by_name(RAW)?.as_binary_opt::<i32>()?;
    let times = batch.column_by_name(TIME)?.as_primitive_opt::<TimestampMicrosecondType>()?;
    let texts = batch.column_by_name(TEXT)?.as_string_opt::<i64>()?;
    for row in 0..batch.num_rows() {
        let parsed = (sources.is_valid(row) && names.is_valid(row)).then(|| ParsedRecord {
            source: sources.value(row).to_owned(),
            time: times.is_valid(row).then(|| Timestamp::from_micros(times.value(row))),
            name: names.value(row).to_owned(),
            value: values.is_valid(row).then(|| values.value(row).to_owned()),
            unit: units.is_valid(row).then(|| units.value(row).to_owned()),
            text: texts.is_valid(row).then(|| texts.value(row).to_owned()),
        });
        records.push(QuarantinedRecord {
            position: first + records.len() as u64,
            released: None,
            file: SecretBytes::new(files.value(row).as_bytes().to_vec()),
            row: u64::try_from(numbers.value(row)).ok()?,
            field: fields.is_valid(row).then(|| fields.value(row).to_owned()),
            reason: reasons.value(row).to_owned(),
            raw: SecretBytes::new(raws.value(row).to_vec()),
            parsed,
        });
    }
    Some(())
}

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    Arc::new(Schema::new(vec![
        Field::new(FILE, DataType::Utf8, false),
        Field::new(ROW, DataType::Int64, false),
        Field::new(FIELD, DataType::Utf8, true),
        Field::new(REASON, DataType::Utf8, false),
        Field::new(RAW, DataType::Binary, false),
        Field::new(SOURCE, DataType::Utf8, true),
        Field::new(TIME, time, true),
        Field::new(NAME, DataType::Utf8, true),
        Field::new(VALUE, DataType::Utf8, true),
        Field::new(UNIT, DataType::Utf8, true),
        Field::new(TEXT, DataType::LargeUtf8, true),
    ]))
}

const FILE: &str = "file";
const ROW: &str = "row";
const FIELD: &str = "field";
const REASON: &str = "reason";
const RAW: &str = "raw";
const SOURCE: &str = "source";
const TIME: &str = "time";
const NAME: &str = "name";
const VALUE: &str = "value";
const UNIT: &str = "unit";
const TEXT: &str = "text";

/// A whole file may be one refused row, so batches are also cut by size.
const BATCH_BYTES: usize = 16 << 20;
