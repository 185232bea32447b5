//! Given subject splits: which subjects a model learns from, is tuned on, and is measured on.
//!
//! The form is that of MEDS (`subject_splits.parquet`), or the same two columns as CSV with a
//! header. A benchmark has splits of its own, and a figure counts only on the same ones.
//!
//! # Invariants
//!
//! - No message has an identifier: a row is named by its number.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Schema};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use twinkeep_domain::{SourceSubject, Split};
use twinkeep_vault::files::read_bounded;

use crate::csv::{Dialect, Record, Records, Unfinished};
use crate::meds::is_parquet;

#[cfg(test)]
mod tests;

/// One row of a file of splits.
#[derive(Clone, Debug)]
pub struct SplitRow {
    /// Where it is: the line of a text file, or the row of a table, counted from 1.
    pub row: u64,
    /// Whom it is about, as the file names them.
    pub subject: SourceSubject,
    /// Where they belong.
    pub split: Split,
}

/// Why a file of splits was refused.
#[derive(Debug, thiserror::Error)]
pub enum SplitsError {
    /// The system did not give the bytes, or there are too many.
    #[error("cannot read the file")]
    Read {
        /// What the system said.
        source: io::Error,
    },
    /// It is not Parquet, though it begins so.
    #[error("the file is damaged Parquet")]
    Parquet {
        /// What the decoder said.
        source: ParquetError,
    },
    /// A column is missing, or of a type that cannot be meant.
    #[error("the file needs a column `{column}` with {expected}")]
    Column {
        /// Which one.
        column: &'static str,
        /// What it must have.
        expected: &'static str,
    },
    /// A row is cut short, too long, or has no subject.
    #[error("row {row}: `{field}` cannot be read")]
    Row {
        /// Which one.
        row: u64,
        /// Where in it.
        field: &'static str,
    },
    /// A row names a split that does not exist.
    #[error("row {row}: `split` is none of train, tuning, held_out")]
    UnknownSplit {
        /// Which one.
        row: u64,
    },
    /// There is no row at all.
    #[error("the file has no rows")]
    Empty,
}

impl SplitsError {
    /// The name of this error in reports and in the docs. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "splits-read",
            Self::Parquet { .. } => "splits-parquet",
            Self::Column { .. } => "splits-column",
            Self::Row { .. } => "splits-row",
            Self::UnknownSplit { .. } => "splits-unknown",
            Self::Empty => "splits-empty",
        }
    }
}

/// Reads a file of splits: CSV or Parquet, by its content.
pub fn read_splits(path: &Path) -> Result<Vec<SplitRow>, SplitsError> {
    let bytes = read_bounded(path, FILE_SIZE_MAX).map_err(|source| SplitsError::Read { source })?;
    let rows = if is_parquet(&bytes) { parquet_rows(bytes.into()) } else { text_rows(&bytes) }?;
    if rows.is_empty() { Err(SplitsError::Empty) } else { Ok(rows) }
}

fn text_rows(bytes: &[u8]) -> Result<Vec<SplitRow>, SplitsError> {
    let cannot = |source| SplitsError::Read { source };
    // Nothing can be cut short unseen: every subject of the keep must have a row.
    let dialect = Dialect { unfinished: Unfinished::Keep, ..Dialect::STANDARD };
    let mut records = Records::open(Box::new(bytes), &dialect).map_err(cannot)?;
    let mut record = Record::default();
    let (mut subject, mut split) = (None, None);
    if records.next(&mut record).map_err(cannot)? {
        let find = |name: &str| {
            (0..record.len()).find(|&at| record.field(at).trim_ascii() == name.as_bytes())
        };
        (subject, split) = (find(SUBJECT), find(SPLIT));
    }
    let missing = |column| SplitsError::Column { column, expected: "a name in the first line" };
    let subject = subject.ok_or_else(|| missing(SUBJECT))?;
    let split = split.ok_or_else(|| missing(SPLIT))?;
    let mut rows = Vec::new();
    while records.next(&mut record).map_err(cannot)? {
        let row = record.line;
        let text = |at: usize, field| match std::str::from_utf8(record.field(at)) {
            Ok(text) if record.flaw.is_none() => Ok(text),
            _ => Err(SplitsError::Row { row, field }),
        };
        rows.push(split_row(row, text(subject, SUBJECT)?, text(split, SPLIT)?)?);
    }
    Ok(rows)
}

fn split_row(row: u64, subject: &str, split: &str) -> Result<SplitRow, SplitsError> {
    let subject = SourceSubject::new(subject).ok_or(SplitsError::Row { row, field: SUBJECT })?;
    let split = Split::parse(split.trim()).ok_or(SplitsError::UnknownSplit { row })?;
    Ok(SplitRow { row, subject, split })
}

fn parquet_rows(bytes: Bytes) -> Result<Vec<SplitRow>, SplitsError> {
    // The decoder is not ours and has panicked on damaged files before.
    panic::catch_unwind(AssertUnwindSafe(|| table_rows(bytes))).unwrap_or_else(|_| {
        let source = ParquetError::General("the decoder gave up on it".to_owned());
        Err(SplitsError::Parquet { source })
    })
}

fn table_rows(bytes: Bytes) -> Result<Vec<SplitRow>, SplitsError> {
    let cannot = |source| SplitsError::Parquet { source };
    // Without the writer's own notes, so that each type has one form only.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder =
        ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options).map_err(cannot)?;
    check_columns(builder.schema())?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), [SUBJECT, SPLIT]);
    let mut rows = Vec::new();
    for table in builder.with_projection(mask).build().map_err(cannot)? {
        let table = table.map_err(|source| cannot(source.into()))?;
        let column = |column| {
            let found = table.column_by_name(column);
            found.ok_or(SplitsError::Column { column, expected: "values" })
        };
        let (subjects, splits) = (column(SUBJECT)?, column(SPLIT)?);
        for at in 0..table.num_rows() {
            let row = rows.len() as u64 + 1;
            let subject = text_at(subjects, at).ok_or(SplitsError::Row { row, field: SUBJECT })?;
            let split = text_at(splits, at).ok_or(SplitsError::Row { row, field: SPLIT })?;
            rows.push(split_row(row, &subject, &split)?);
        }
    }
    Ok(rows)
}

fn check_columns(schema: &Schema) -> Result<(), SplitsError> {
    let kind = |name| schema.field_with_name(name).ok().map(|field| field.data_type());
    if !matches!(kind(SUBJECT), Some(DataType::Int32 | DataType::Int64 | DataType::Utf8)) {
        return Err(SplitsError::Column { column: SUBJECT, expected: "integers or texts" });
    }
    if kind(SPLIT) != Some(&DataType::Utf8) {
        return Err(SplitsError::Column { column: SPLIT, expected: "texts" });
    }
    Ok(())
}

/// Returns what stands at a place; `None` if there is nothing.
fn text_at(column: &ArrayRef, at: usize) -> Option<String> {
    if column.is_null(at) {
        return None;
    }
    if let Some(texts) = column.as_string_opt::<i32>() {
        return Some(texts.value(at).to_owned());
    }
    if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
        return Some(numbers.value(at).to_string());
    }
    column.as_primitive_opt::<Int32Type>().map(|numbers| numbers.value(at).to_string())
}

const SUBJECT: &str = "subject_id";
const SPLIT: &str = "split";

/// Ten million subjects as CSV.
const FILE_SIZE_MAX: u64 = 256 << 20;
