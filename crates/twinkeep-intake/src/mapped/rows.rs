//! The rows of a table as texts, whether it is written as delimited text or as Parquet.

use std::io::Read;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use jiff::tz::TimeZone;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;

use crate::batch::Batch;
use crate::csv::{Dialect, Record, Records};
use crate::mapping::Header;
use crate::members::Files;
use crate::source::damaged;
use crate::{IntakeError, Place, meds};

/// The rows of one file behind its header.
pub(crate) enum Rows<'r> {
    Text(Box<Records<'r>>),
    Parquet(ParquetRows),
}

impl<'r> Rows<'r> {
    /// Opens a file and reads its header; `None` if it has none that is text.
    pub(crate) fn open(
        batch: &Batch<'_>,
        files: &'r Files,
        index: usize,
        place: &Place,
        dialect: &Dialect,
    ) -> Result<(Option<Header>, Self), IntakeError> {
        let mut magic = Vec::new();
        let head = files.open(batch, index)?.take(MAGIC_LEN).read_to_end(&mut magic);
        head.map_err(|error| damaged(batch, place, error))?;
        if meds::is_parquet(&magic) {
            let (header, rows) = ParquetRows::open(batch, files, index, place)?;
            return Ok((Some(header), Self::Parquet(rows)));
        }
        let reader = files.open(batch, index)?;
        let cannot = |error| damaged(batch, place, error);
        let mut records = Records::open(reader, dialect).map_err(cannot)?;
        let mut record = Record::default();
        let found = records.next(&mut record).map_err(cannot)?;
        Ok((if found { Header::of(&record) } else { None }, Self::Text(Box::new(records))))
    }

    /// Reads the next row; `false` at the end.
    pub(crate) fn next(
        &mut self,
        batch: &Batch<'_>,
        place: &Place,
        record: &mut Record,
    ) -> Result<bool, IntakeError> {
        match self {
            Self::Text(records) => {
                records.next(record).map_err(|error| damaged(batch, place, error))
            }
            Self::Parquet(rows) => rows.next(place, record),
        }
    }
}

/// The rows of a Parquet file.
pub(crate) struct ParquetRows {
    reader: ParquetRecordBatchReader,
    table: Option<RecordBatch>,
    at: usize,
    row: u64,
}

impl ParquetRows {
    fn open(
        batch: &Batch<'_>,
        files: &Files,
        index: usize,
        place: &Place,
    ) -> Result<(Header, Self), IntakeError> {
        let blob = files.blob(batch, index)?;
        let cannot = |source| IntakeError::Parquet { place: place.clone(), source };
        let builder = guard(|| {
            let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
            ParquetRecordBatchReaderBuilder::try_new_with_options(blob, options)
        });
        let builder = builder.map_err(cannot)?;
        let names = builder.schema().fields().iter().map(|field| field.name().trim().into());
        let header = Header(names.collect::<Vec<Arc<str>>>());
        let reader = guard(|| builder.with_batch_size(BATCH_ROWS).build()).map_err(cannot)?;
        Ok((header, Self { reader, table: None, at: 0, row: 0 }))
    }

    fn next(&mut self, place: &Place, record: &mut Record) -> Result<bool, IntakeError> {
        let cannot = |source| IntakeError::Parquet { place: place.clone(), source };
        while self.table.as_ref().is_none_or(|table| self.at == table.num_rows()) {
            let next = guard(|| self.reader.next().transpose().map_err(ParquetError::from));
            let Some(table) = next.map_err(cannot)? else { return Ok(false) };
            self.table = Some(table);
            self.at = 0;
        }
        let Some(table) = &self.table else { return Ok(false) };
        self.row += 1;
        record.clear(self.row);
        for column in table.columns() {
            record.push(text(column, self.at).as_bytes());
        }
        self.at += 1;
        Ok(true)
    }
}

/// The decoder is not ours and has panicked on damaged files before.
fn guard<T>(decode: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    panic::catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(ParquetError::General("the decoder gave up on it".to_owned())))
}

/// Writes a value as CSV would have it; empty if there is none, or if it is a structure.
fn text(column: &dyn Array, at: usize) -> String {
    if column.is_null(at) {
        return String::new();
    }
    macro_rules! number {
        ($kind:ty) => {
            column.as_primitive::<$kind>().value(at).to_string()
        };
    }
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(at).to_owned(),
        DataType::LargeUtf8 => column.as_string::<i64>().value(at).to_owned(),
        DataType::Utf8View => column.as_string_view().value(at).to_owned(),
        // Written by programs that do not say that their bytes are text.
        DataType::Binary => {
            String::from_utf8_lossy(column.as_binary::<i32>().value(at)).into_owned()
        }
        DataType::Boolean => column.as_boolean().value(at).to_string(),
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float32 => {
            finite(f64::from(column.as_primitive::<Float32Type>().value(at)), || {
                number!(Float32Type)
            })
        }
        DataType::Float64 => {
            finite(column.as_primitive::<Float64Type>().value(at), || number!(Float64Type))
        }
        DataType::Decimal128(_, scale) => {
            decimal(column.as_primitive::<Decimal128Type>().value(at), *scale)
        }
        DataType::Date32 => {
            let days = i64::from(column.as_primitive::<Date32Type>().value(at));
            days.checked_mul(MICROS_PER_DAY).map_or_else(String::new, |micros| civil(micros, true))
        }
        DataType::Timestamp(unit, zone) => {
            let micros = match unit {
                TimeUnit::Millisecond => {
                    column.as_primitive::<TimestampMillisecondType>().value(at).checked_mul(1_000)
                }
                TimeUnit::Microsecond => {
                    Some(column.as_primitive::<TimestampMicrosecondType>().value(at))
                }
                TimeUnit::Nanosecond => Some(
                    column.as_primitive::<TimestampNanosecondType>().value(at).div_euclid(1_000),
                ),
                TimeUnit::Second => None,
            };
            let instant = |micros| jiff::Timestamp::from_microsecond(micros).ok();
            match zone {
                Some(_) => {
                    micros.and_then(instant).map_or_else(String::new, |time| time.to_string())
                }
                None => micros.map_or_else(String::new, |micros| civil(micros, false)),
            }
        }
        _ => String::new(),
    }
}

/// NaN is how some programs write what is missing.
fn finite(number: f64, text: impl FnOnce() -> String) -> String {
    if number.is_nan() { String::new() } else { text() }
}

/// Writes a time without a zone, or only its date.
fn civil(micros: i64, is_date: bool) -> String {
    let Ok(time) = jiff::Timestamp::from_microsecond(micros) else { return String::new() };
    let time = TimeZone::UTC.to_datetime(time);
    if is_date { time.date().to_string() } else { time.to_string() }
}

/// Writes a number of so many decimal places.
fn decimal(number: i128, scale: i8) -> String {
    let Ok(places) = usize::try_from(scale) else { return String::new() };
    let digits = format!("{:0>width$}", number.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let sign = if number < 0 { "-" } else { "" };
    if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// Parquet begins with four bytes.
const MAGIC_LEN: u64 = 4;

/// Rows that are decoded at a time: some hundred KiB, and 1 GiB if each has the longest of notes.
const BATCH_ROWS: usize = 1 << 10;

const MICROS_PER_DAY: i64 = 86_400_000_000;
