//! Drawn paths of one subject, as a plaintext Parquet file: a row for each path, code, and moment.
//!
//! What is written here leaves the keep's protection: mode 0600, and whoever asks for it records
//! that.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::arrow_writer::ArrowWriter;
use parquet::errors::ParquetError;
use twinkeep_vault::files::PendingFile;

use crate::StoreError;
use crate::export::{begin, end, failed};
use crate::table::BATCH_ROWS;

/// A file that is being written. Dropped before it is finished, it was never there.
pub struct PathsFile {
    writer: ArrowWriter<PendingFile>,
    schema: SchemaRef,
    name: String,
    paths: Int64Builder,
    codes: StringBuilder,
    hours: Float32Builder,
    values: Float32Builder,
    row_count: usize,
}

impl PathsFile {
    /// Begins a file.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("path", DataType::Int64, false),
            Field::new("code", DataType::Utf8, false),
            Field::new("horizon_hours", DataType::Float32, false),
            Field::new("value", DataType::Float32, true),
        ]));
        let (writer, name) = begin(path, &schema)?;
        Ok(Self {
            writer,
            schema,
            name,
            paths: Int64Builder::new(),
            codes: StringBuilder::new(),
            hours: Float32Builder::new(),
            values: Float32Builder::new(),
            row_count: 0,
        })
    }

    /// Adds a value of a path; `None` where the event of a window does not happen.
    pub fn add(
        &mut self,
        path: u64,
        code: &str,
        horizon_hours: f32,
        value: Option<f32>,
    ) -> Result<(), StoreError> {
        self.paths.append_value(i64::try_from(path).unwrap_or(i64::MAX));
        self.codes.append_value(code);
        self.hours.append_value(horizon_hours);
        self.values.append_option(value);
        self.row_count += 1;
        if self.row_count == BATCH_ROWS { self.write() } else { Ok(()) }
    }

    /// Makes the file durable and gives it its name.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.write()?;
        end(self.writer, &self.name)
    }

    fn write(&mut self) -> Result<(), StoreError> {
        self.row_count = 0;
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(self.paths.finish()),
            Arc::new(self.codes.finish()),
            Arc::new(self.hours.finish()),
            Arc::new(self.values.finish()),
        ];
        let batch =
            RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(ParquetError::from);
        batch.and_then(|batch| self.writer.write(&batch)).map_err(failed(&self.name))
    }
}

impl std::fmt::Debug for PathsFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PathsFile(hidden)")
    }
}
