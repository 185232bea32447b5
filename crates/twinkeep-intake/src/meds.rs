//! MEDS Parquet (Medical Event Data Standard 0.4): one row an event.
//!
//! Columns: `subject_id` int64, `time` timestamp in microseconds (null for what holds at all
//! times), `code` text, `numeric_value` float, and optionally `text_value`. Others are ignored.
//! The order of the rows means nothing here; the screened events are sorted at the end.

use std::io::Read as _;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Schema, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use twinkeep_domain::Timestamp;

use crate::batch::{At, Batch, Fields, Refusal, Row, Value};
use crate::input::{Blob, Input};
use crate::members::{Files, refuse_unrecognized};
use crate::{IntakeError, Place, Reason};

/// Reads a MEDS dataset: the tables in `data`, or all of them if there is no such folder. What a
/// dataset says about itself in `metadata` has no events: codes are described by the pack, and
/// splits are made by the keep.
pub(crate) fn read_meds(batch: &mut Batch<'_>, files: &Files) -> Result<(), IntakeError> {
    let is_in = |name: &str, folder| name.rsplit('/').skip(1).any(|part| part == folder);
    let has_data = files.list().any(|(_, name)| is_in(name, "data") && name.ends_with(".parquet"));
    for (index, (place, name)) in files.list().enumerate() {
        if is_in(name, "metadata") || (has_data && !is_in(name, "data")) {
            continue;
        }
        let mut reader = files.open(batch, index)?;
        let mut magic = [0; PARQUET_MAGIC.len()];
        let is_table = reader.read_exact(&mut magic).is_ok() && magic == PARQUET_MAGIC;
        if is_table {
            drop(reader);
            read_file(batch, place, name, files.blob(batch, index)?)?;
        } else {
            let mut reader = files.open(batch, index)?;
            refuse_unrecognized(batch, Input { place, name, reader: &mut reader })?;
        }
    }
    Ok(())
}

/// Returns whether a file begins as Parquet does.
pub(crate) fn is_parquet(head: &[u8]) -> bool {
    head.starts_with(&PARQUET_MAGIC)
}

/// Reads one table. `file` is its name within the source.
fn read_file(
    batch: &mut Batch<'_>,
    place: &Place,
    file: &Arc<str>,
    bytes: Blob,
) -> Result<(), IntakeError> {
    // The decoder is not ours and has panicked on damaged files before; a feed must not end the
    // program, and a batch that was left half-way is dropped with the error.
    panic::catch_unwind(AssertUnwindSafe(|| read_table(batch, place, file, bytes))).unwrap_or_else(
        |_| {
            let source = ParquetError::General("the decoder gave up on it".to_owned());
            Err(IntakeError::Parquet { place: place.clone(), source })
        },
    )
}

fn read_table(
    batch: &mut Batch<'_>,
    place: &Place,
    file: &Arc<str>,
    bytes: Blob,
) -> Result<(), IntakeError> {
    let cannot = |source| IntakeError::Parquet { place: place.clone(), source };
    // Without the writer's own notes, so that each type has one form only.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder =
        ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options).map_err(cannot)?;
    check_columns(builder.schema(), place)?;
    let expanded = builder.metadata().row_groups().iter().map(|group| group.total_byte_size());
    let expanded: u128 = expanded.map(|size| u128::from(size.unsigned_abs())).sum();
    if u128::from(batch.limits.expanded_size_max) < expanded {
        let limit = batch.limits.expanded_size_max;
        return Err(batch.limit(place.clone(), "the expanded size in bytes", limit));
    }
    let columns = [SUBJECT, TIME, CODE, NUMBER, TEXT];
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns);
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
    let mut row = 0;
    for table in reader.map_err(cannot)? {
        let table = table.map_err(|source| cannot(source.into()))?;
        let table = Columns::of(&table, place)?;
        for index in 0..table.subject.len() {
            row += 1;
            table.screen(batch, At { file, row }, index)?;
        }
    }
    Ok(())
}

/// Compares the schema with MEDS.
fn check_columns(schema: &Schema, place: &Place) -> Result<(), IntakeError> {
    let kind = |name| schema.field_with_name(name).ok().map(|field| field.data_type());
    let wrong =
        |column, expected| Err(IntakeError::Column { place: place.clone(), column, expected });
    if kind(SUBJECT) != Some(&DataType::Int64) {
        return wrong(SUBJECT, "int64");
    }
    if !matches!(kind(TIME), Some(DataType::Timestamp(TimeUnit::Microsecond, _))) {
        return wrong(TIME, "a timestamp in microseconds");
    }
    if kind(CODE) != Some(&DataType::Utf8) {
        return wrong(CODE, "text");
    }
    if !matches!(kind(NUMBER), Some(DataType::Float32 | DataType::Float64)) {
        return wrong(NUMBER, "a 32-bit or 64-bit float");
    }
    if !matches!(kind(TEXT), None | Some(DataType::Utf8)) {
        return wrong(TEXT, "text");
    }
    Ok(())
}

/// The columns of one part of the table.
struct Columns<'t> {
    subject: &'t Int64Array,
    time: &'t TimestampMicrosecondArray,
    code: &'t StringArray,
    number: &'t dyn Array,
    text: Option<&'t StringArray>,
}

impl<'t> Columns<'t> {
    fn of(table: &'t RecordBatch, place: &Place) -> Result<Self, IntakeError> {
        let missing = |column| IntakeError::Column {
            place: place.clone(),
            column,
            expected: "as the schema of the file says",
        };
        let column = |name| table.column_by_name(name);
        let text = |name| column(name).and_then(|array| array.as_string_opt::<i32>());
        Ok(Self {
            subject: column(SUBJECT)
                .and_then(|array| array.as_primitive_opt::<Int64Type>())
                .ok_or_else(|| missing(SUBJECT))?,
            time: column(TIME)
                .and_then(|array| array.as_primitive_opt::<TimestampMicrosecondType>())
                .ok_or_else(|| missing(TIME))?,
            code: text(CODE).ok_or_else(|| missing(CODE))?,
            number: column(NUMBER).ok_or_else(|| missing(NUMBER))?,
            text: text(TEXT),
        })
    }

    fn screen(&self, batch: &mut Batch<'_>, at: At<'_>, index: usize) -> Result<(), IntakeError> {
        let raw = || self.raw(index);
        let refusal = |reason, field| Refusal { reason, field: Some(field) };
        let Some(number) = self.subject(index) else {
            return batch.refuse(at, refusal(Reason::SubjectMissing, SUBJECT), raw());
        };
        let time = self.time.is_valid(index).then(|| self.time.value(index));
        if time.is_some_and(|micros| !(TIME_MIN..TIME_END).contains(&micros)) {
            return batch.refuse(at, refusal(Reason::BadTime, TIME), raw());
        }
        if self.code.is_null(index) {
            return batch.refuse(at, refusal(Reason::MalformedRow, CODE), raw());
        }
        let person = batch.person_of_number(number);
        let row = Row {
            person: &person,
            time: time.map(Timestamp::from_micros),
            name: self.code.value(index).as_bytes(),
            value: self.number(index).map_or(Value::Null, Value::Number),
            unit: None,
            text: self.text(index),
        };
        batch.screen(at, &row, &FIELDS, &raw)
    }

    fn subject(&self, index: usize) -> Option<i64> {
        self.subject.is_valid(index).then(|| self.subject.value(index))
    }

    /// Returns the number; NaN is one too, and is refused later.
    fn number(&self, index: usize) -> Option<f32> {
        if self.number.is_null(index) {
            return None;
        }
        match self.number.as_primitive_opt::<Float32Type>() {
            Some(numbers) => Some(numbers.value(index)),
            // A 64-bit value that a 32-bit one cannot hold becomes infinite, and is refused.
            None => {
                self.number.as_primitive_opt::<Float64Type>().map(|all| all.value(index) as f32)
            }
        }
    }

    fn text(&self, index: usize) -> Option<&str> {
        self.text.filter(|texts| texts.is_valid(index)).map(|texts| texts.value(index))
    }

    /// Writes the row as comma-separated text (RFC 4180), times in microseconds.
    fn raw(&self, index: usize) -> Vec<u8> {
        let show = |number: Option<String>| number.unwrap_or_default();
        let quote = |text: Option<&str>| match text {
            Some(text) if text.contains([',', '"', '\n', '\r']) => {
                format!("\"{}\"", text.replace('"', "\"\""))
            }
            text => text.unwrap_or_default().to_owned(),
        };
        let fields = [
            show(self.subject(index).map(|number| number.to_string())),
            show(self.time.is_valid(index).then(|| self.time.value(index).to_string())),
            quote(self.code.is_valid(index).then(|| self.code.value(index))),
            show(self.number(index).map(|number| number.to_string())),
            quote(self.text(index)),
        ];
        fields.join(",").into_bytes()
    }
}

const PARQUET_MAGIC: [u8; 4] = *b"PAR1";

const SUBJECT: &str = "subject_id";
const TIME: &str = "time";
const CODE: &str = "code";
const NUMBER: &str = "numeric_value";
const TEXT: &str = "text_value";
const FIELDS: Fields = Fields { time: TIME, name: CODE, value: NUMBER, unit: CODE };

/// Rows that are decoded at a time: some MiB.
const BATCH_ROWS: usize = 1 << 16;

/// The first and the first impossible time, in microseconds since 1970: 1850 and 2300. Dates of
/// the MIMIC data sets are shifted to between 2100 and 2210.
const TIME_MIN: i64 = -3_786_825_600_000_000;
const TIME_END: i64 = 10_413_792_000_000_000;
