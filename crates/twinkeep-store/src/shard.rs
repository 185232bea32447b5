//! Shards: events of many subjects in one encrypted Parquet file, in the columns of MEDS.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{
    Float32Builder, Int64Builder, LargeStringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float32Array, Int32Array, Int64Array, LargeStringArray,
    RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::errors::ParquetError;
use twinkeep_domain::{Code, Event, Events, Subject, Timestamp};
use twinkeep_vault::Purpose;

use crate::StoreError;
use crate::keyring::Ring;
use crate::live::LiveEvent;
use crate::table::{BATCH_ROWS, Sealed, Written};

/// Returns what reads and writes shards.
pub(crate) fn shards(dir: &Path, ring: Arc<Ring>) -> Sealed<'_> {
    Sealed { dir, ring, purpose: Purpose::ShardKey, schema: schema() }
}

/// Writes the rows of `events` in these ranges, in this order.
pub(crate) fn write_shard(
    sealed: &Sealed<'_>,
    name: &str,
    events: &Events,
    ranges: &[Range<usize>],
) -> Result<Written, StoreError> {
    let names: StringArray = events.codes().iter().map(|code| Some(code.as_str())).collect();
    let names: ArrayRef = Arc::new(names);
    let parts: Vec<&[Event]> =
        ranges.iter().flat_map(|range| events.rows[range.clone()].chunks(BATCH_ROWS)).collect();
    let mut next = 0;
    let mut batches = std::iter::from_fn(|| {
        let start = next;
        let mut rows = 0;
        // As many parts as fit into one batch, and at least one.
        while next < parts.len() && (next == start || rows + parts[next].len() <= BATCH_ROWS) {
            rows += parts[next].len();
            next += 1;
        }
        (start < next).then(|| batch(&sealed.schema, &names, &parts[start..next]))
    });
    sealed.write(name, &mut batches)
}

/// Collects events from shards, under one numbering of the codes.
#[derive(Default)]
pub(crate) struct Collector {
    events: Events,
}

impl Collector {
    /// Takes over the rows of a batch.
    pub(crate) fn add(&mut self, file: &str, batch: &RecordBatch) -> Result<(), StoreError> {
        self.try_add(batch)
            .ok_or_else(|| StoreError::Damaged { file: file.to_owned(), source: None })
    }

    /// Takes over a live event.
    pub(crate) fn add_live(&mut self, event: LiveEvent) {
        let code = self.events.intern(&event.code);
        self.events.rows.push(event.into_event(code));
    }

    /// Returns the events with their codes.
    pub(crate) fn into_events(self) -> Events {
        self.events
    }

    /// Returns the codes and the events, in the order in which they came.
    pub(crate) fn finish(self) -> (Vec<Code>, Vec<Event>) {
        (self.events.codes().to_vec(), self.events.rows)
    }

    fn try_add(&mut self, batch: &RecordBatch) -> Option<()> {
        let rows = ShardRows::of(batch)?;
        let codes: Option<Vec<u32>> =
            rows.codes().map(|name| Some(self.events.intern(&Code::new(name?)?))).collect();
        let codes = codes?;
        self.events.rows.reserve(batch.num_rows());
        for row in 0..batch.num_rows() {
            self.events.rows.push(Event {
                subject: rows.subject(row)?,
                time: rows.time(row),
                code: *codes.get(rows.code(row)?)?,
                value: rows.value(row),
                text: rows.text(row).map(Into::into),
            });
        }
        Some(())
    }
}

/// A batch of a shard, column by column.
pub(crate) struct ShardRows<'a> {
    subjects: &'a Int64Array,
    times: &'a TimestampMicrosecondArray,
    codes: &'a DictionaryArray<Int32Type>,
    names: &'a StringArray,
    numbers: &'a Float32Array,
    texts: &'a LargeStringArray,
}

impl<'a> ShardRows<'a> {
    /// Finds the columns; `None` if one is missing or of another type.
    pub(crate) fn of(batch: &'a RecordBatch) -> Option<Self> {
        let codes = batch.column_by_name(CODE)?.as_dictionary_opt::<Int32Type>()?;
        Some(Self {
            subjects: batch.column_by_name(SUBJECT)?.as_primitive_opt::<Int64Type>()?,
            times: batch.column_by_name(TIME)?.as_primitive_opt::<TimestampMicrosecondType>()?,
            codes,
            names: codes.values().as_string_opt::<i32>()?,
            numbers: batch.column_by_name(NUMBER)?.as_primitive_opt::<Float32Type>()?,
            texts: batch.column_by_name(TEXT)?.as_string_opt::<i64>()?,
        })
    }

    /// The names that [`ShardRows::code`] points into.
    pub(crate) fn codes(&self) -> impl Iterator<Item = Option<&'a str>> {
        self.names.iter()
    }

    pub(crate) fn subject(&self, row: usize) -> Option<Subject> {
        Subject::from_pseudonym(self.subjects.value(row))
    }

    pub(crate) fn time(&self, row: usize) -> Option<Timestamp> {
        self.times.is_valid(row).then(|| Timestamp::from_micros(self.times.value(row)))
    }

    pub(crate) fn code(&self, row: usize) -> Option<usize> {
        usize::try_from(self.codes.keys().value(row)).ok()
    }

    pub(crate) fn value(&self, row: usize) -> Option<f32> {
        self.numbers.is_valid(row).then(|| self.numbers.value(row))
    }

    pub(crate) fn text(&self, row: usize) -> Option<&'a str> {
        self.texts.is_valid(row).then(|| self.texts.value(row))
    }
}

/// Returns whom a row of a batch is about.
pub(crate) fn subject_at(batch: &RecordBatch, row: usize) -> Option<Subject> {
    let subjects = batch.column_by_name(SUBJECT)?.as_primitive_opt::<Int64Type>()?;
    Subject::from_pseudonym(*subjects.values().get(row)?)
}

fn batch(
    schema: &SchemaRef,
    names: &ArrayRef,
    parts: &[&[Event]],
) -> Result<RecordBatch, ParquetError> {
    let count = parts.iter().map(|part| part.len()).sum();
    let mut subjects = Int64Builder::with_capacity(count);
    let mut times = TimestampMicrosecondBuilder::with_capacity(count);
    let mut codes = Vec::with_capacity(count);
    let mut numbers = Float32Builder::with_capacity(count);
    let mut texts = LargeStringBuilder::new();
    for event in parts.iter().copied().flatten() {
        subjects.append_value(event.subject.reveal());
        times.append_option(event.time.map(Timestamp::micros));
        codes.push(i32::try_from(event.code).unwrap_or(i32::MAX));
        numbers.append_option(event.value);
        texts.append_option(event.text.as_deref());
    }
    let codes = DictionaryArray::<Int32Type>::try_new(Int32Array::from(codes), Arc::clone(names))?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(subjects.finish()),
        Arc::new(times.finish()),
        Arc::new(codes),
        Arc::new(numbers.finish()),
        Arc::new(texts.finish()),
    ];
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

fn schema() -> SchemaRef {
    let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    Arc::new(Schema::new(vec![
        Field::new(SUBJECT, DataType::Int64, false),
        Field::new(TIME, DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new(CODE, text, false),
        Field::new(NUMBER, DataType::Float32, true),
        Field::new(TEXT, DataType::LargeUtf8, true),
    ]))
}

const SUBJECT: &str = "subject_id";
const TIME: &str = "time";
const CODE: &str = "code";
const NUMBER: &str = "numeric_value";
const TEXT: &str = "text_value";
