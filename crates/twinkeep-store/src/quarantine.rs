//! Refused rows: kept as they came, encrypted, one file a feed.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder as _, BinaryBuilder, Int64Builder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use twinkeep_vault::{Purpose, SecretBytes};

use crate::keyring::Ring;
use crate::table::{BATCH_ROWS, Sealed, Written};
use crate::{RefusedRow, StoreError};

/// A refused row, read back.
pub struct QuarantinedRecord {
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
}

impl std::fmt::Debug for QuarantinedRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "QuarantinedRecord({}, hidden)", self.reason)
    }
}

/// Returns what reads and writes refused rows.
pub(crate) fn quarantine(dir: &Path, ring: Arc<Ring>) -> Sealed<'_> {
    Sealed { dir, ring, purpose: Purpose::QuarantineKey, schema: schema() }
}

/// Writes refused rows.
pub(crate) fn write_quarantine(
    sealed: &Sealed<'_>,
    name: &str,
    rows: &mut dyn Iterator<Item = RefusedRow<'_>>,
) -> Result<Written, StoreError> {
    let mut batches = std::iter::from_fn(|| {
        let mut files = StringBuilder::new();
        let mut numbers = Int64Builder::new();
        let mut fields = StringBuilder::new();
        let mut reasons = StringBuilder::new();
        let mut raws = BinaryBuilder::new();
        let mut bytes = 0;
        while numbers.len() < BATCH_ROWS && bytes < BATCH_BYTES {
            let Some(row) = rows.next() else { break };
            bytes += row.raw.len();
            files.append_value(row.file);
            numbers.append_value(i64::try_from(row.row).unwrap_or(i64::MAX));
            fields.append_option(row.field);
            reasons.append_value(row.reason);
            raws.append_value(row.raw);
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(files.finish()),
            Arc::new(numbers.finish()),
            Arc::new(fields.finish()),
            Arc::new(reasons.finish()),
            Arc::new(raws.finish()),
        ];
        let empty = columns[0].is_empty();
        let batch = RecordBatch::try_new(Arc::clone(&sealed.schema), columns);
        (!empty).then(|| batch.map_err(Into::into))
    });
    sealed.write(name, &mut batches)
}

/// Reads at most `limit` refused rows, after skipping `offset`.
pub(crate) fn read_quarantine(
    sealed: &Sealed<'_>,
    written: &Written,
    offset: u64,
    limit: usize,
) -> Result<Vec<QuarantinedRecord>, StoreError> {
    let count = usize::try_from(written.row_count).unwrap_or(0);
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(count);
    let end = start.saturating_add(limit).min(count);
    let mut records = Vec::with_capacity(end - start);
    if start == end {
        return Ok(records);
    }
    sealed.read_rows(written, start..end, &mut |batch| {
        add(&mut records, batch)
            .ok_or_else(|| StoreError::Damaged { file: written.file.clone(), source: None })
    })?;
    Ok(records)
}

fn add(records: &mut Vec<QuarantinedRecord>, batch: &RecordBatch) -> Option<()> {
    let files = batch.column_by_name(FILE)?.as_string_opt::<i32>()?;
    let numbers = batch.column_by_name(ROW)?.as_primitive_opt::<Int64Type>()?;
    let fields = batch.column_by_name(FIELD)?.as_string_opt::<i32>()?;
    let reasons = batch.column_by_name(REASON)?.as_string_opt::<i32>()?;
    let raws = batch.column_by_name(RAW)?.as_binary_opt::<i32>()?;
    for row in 0..batch.num_rows() {
        records.push(QuarantinedRecord {
            file: SecretBytes::new(files.value(row).as_bytes().to_vec()),
            row: u64::try_from(numbers.value(row)).ok()?,
            field: fields.is_valid(row).then(|| fields.value(row).to_owned()),
            reason: reasons.value(row).to_owned(),
            raw: SecretBytes::new(raws.value(row).to_vec()),
        });
    }
    Some(())
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new(FILE, DataType::Utf8, false),
        Field::new(ROW, DataType::Int64, false),
        Field::new(FIELD, DataType::Utf8, true),
        Field::new(REASON, DataType::Utf8, false),
        Field::new(RAW, DataType::Binary, false),
    ]))
}

const FILE: &str = "file";
const ROW: &str = "row";
const FIELD: &str = "field";
const REASON: &str = "reason";
const RAW: &str = "raw";

/// A whole file may be one refused row, so batches are also cut by size.
const BATCH_BYTES: usize = 64 << 20;
