//! What a model forecast beside what was observed, as a plaintext Parquet file.
//!
//! It has a row for each observed value, so that anybody can compute any figure. What is written
//! here leaves the keep's protection: mode 0600, and whoever asks for it records that.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{
    Float32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::arrow_writer::ArrowWriter;
use parquet::errors::ParquetError;
use twinkeep_domain::{ForecastPoint, QUANTILES, Timestamp};
use twinkeep_vault::files::PendingFile;

use crate::StoreError;
use crate::export::{begin, end, failed};
use crate::table::BATCH_ROWS;

/// How subjects are named: by the sources' own identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectIds {
    /// All are numbers, as MEDS has them.
    Numbers,
    /// Texts.
    Texts,
}

/// One observed value.
#[derive(Clone, Copy)]
pub struct PredictionRow<'a> {
    /// Whose it is, as the source names them.
    pub subject: &'a str,
    /// When it was observed.
    pub time: Timestamp,
    /// What was observed.
    pub code: &'a str,
    /// The value.
    pub actual: f32,
    /// What was forecast; `None` where there was not enough history.
    pub point: Option<&'a ForecastPoint>,
    /// The last value before.
    pub carry_forward: f32,
}

impl std::fmt::Debug for PredictionRow<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PredictionRow(hidden)")
    }
}

/// A file that is being written. Dropped before it is finished, it was never there.
pub struct PredictionsFile {
    writer: ArrowWriter<PendingFile>,
    schema: SchemaRef,
    name: String,
    ids: SubjectIds,
    columns: Columns,
    row_count: usize,
}

#[derive(Default)]
struct Columns {
    numbers: Int64Builder,
    texts: StringBuilder,
    times: TimestampMicrosecondBuilder,
    codes: StringBuilder,
    actual: Float32Builder,
    mean: Float32Builder,
    quantiles: [Float32Builder; QUANTILES.len()],
    carried: Float32Builder,
}

impl PredictionsFile {
    /// Begins a file.
    pub fn create(path: &Path, ids: SubjectIds) -> Result<Self, StoreError> {
        let schema = schema(ids);
        let (writer, name) = begin(path, &schema)?;
        Ok(Self { writer, schema, name, ids, columns: Columns::default(), row_count: 0 })
    }

    /// Adds a value. Where subjects are numbers and this one is none, it is left empty.
    pub fn add(&mut self, row: PredictionRow<'_>) -> Result<(), StoreError> {
        let columns = &mut self.columns;
        match self.ids {
            SubjectIds::Numbers => columns.numbers.append_option(row.subject.parse().ok()),
            SubjectIds::Texts => columns.texts.append_value(row.subject),
        }
        columns.times.append_value(row.time.micros());
        columns.codes.append_value(row.code);
        columns.actual.append_value(row.actual);
        columns.mean.append_option(row.point.map(|point| point.mean));
        for (lane, quantiles) in columns.quantiles.iter_mut().enumerate() {
            quantiles.append_option(row.point.map(|point| point.quantiles[lane]));
        }
        columns.carried.append_value(row.carry_forward);
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
        let columns = &mut self.columns;
        let ids: ArrayRef = match self.ids {
            SubjectIds::Numbers => Arc::new(columns.numbers.finish()),
            SubjectIds::Texts => Arc::new(columns.texts.finish()),
        };
        let mut arrays: Vec<ArrayRef> = vec![
            ids,
            Arc::new(columns.times.finish()),
            Arc::new(columns.codes.finish()),
            Arc::new(columns.actual.finish()),
            Arc::new(columns.mean.finish()),
        ];
        for quantiles in &mut columns.quantiles {
            arrays.push(Arc::new(quantiles.finish()));
        }
        arrays.push(Arc::new(columns.carried.finish()));
        let batch =
            RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(ParquetError::from);
        batch.and_then(|batch| self.writer.write(&batch)).map_err(failed(&self.name))
    }
}

fn schema(ids: SubjectIds) -> SchemaRef {
    let id = match ids {
        SubjectIds::Numbers => DataType::Int64,
        SubjectIds::Texts => DataType::Utf8,
    };
    let number = |name: &str, nullable| Field::new(name, DataType::Float32, nullable);
    let mut fields = vec![
        Field::new("subject_id", id, ids == SubjectIds::Numbers),
        Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, None), false),
        Field::new("code", DataType::Utf8, false),
        number("actual", false),
        number("mean", true),
    ];
    // The names of the quantiles: q05 to q95.
    fields.extend(QUANTILES.map(|p| number(&format!("q{:02.0}", 100.0 * p), true)));
    fields.push(number("carry_forward", false));
    Arc::new(Schema::new(fields))
}

#[cfg(test)]
mod tests {
    use super::{SubjectIds, schema};

    #[test]
    fn columns_are_named_as_the_documents_say() {
        let schema = schema(SubjectIds::Texts);
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let expected = [
            "subject_id",
            "time",
            "code",
            "actual",
            "mean",
            "q05",
            "q10",
            "q25",
            "q50",
            "q75",
            "q90",
            "q95",
            "carry_forward",
        ];
        assert_eq!(names, expected);
    }
}
