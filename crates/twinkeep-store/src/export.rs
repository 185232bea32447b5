//! Taking data out: files in the schemas of MEDS 0.4, as plaintext, and the walk over everybody.
//!
//! What is written here leaves the keep's protection: mode 0600, and whoever asks for it records
//! that. Memory is bounded: some people's events are held at a time.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{
    Float32Builder, Int64Builder, LargeStringBuilder, ListBuilder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use twinkeep_domain::{Code, Cohort, Event, Split, Subject, Timestamp};
use twinkeep_vault::files::{PRIVATE_FILE, PendingFile};

use crate::error::file;
use crate::quarantine::{self, quarantine};
use crate::reads::cohort;
use crate::shard::{Collector, shards};
use crate::table::{BATCH_ROWS, Written};
use crate::{FeedRecord, QuarantinedRecord, Store, StoreError};

/// A data file of MEDS that is being written. Dropped before it is finished, it was never there.
pub struct MedsFile {
    writer: ArrowWriter<PendingFile>,
    schema: SchemaRef,
    name: String,
}

impl MedsFile {
    /// Begins a data file.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let schema = data_schema();
        let (writer, name) = begin(path, &schema)?;
        Ok(Self { writer, schema, name })
    }

    /// Adds one subject's events, in order, under this identifier.
    pub fn add(&mut self, id: i64, codes: &[Code], events: &[Event]) -> Result<(), StoreError> {
        for events in events.chunks(BATCH_ROWS) {
            let batch = data_batch(&self.schema, id, codes, events);
            let written = batch.and_then(|batch| self.writer.write(&batch));
            written.map_err(failed(&self.name))?;
            if GROUP_BYTES < self.writer.in_progress_size() {
                self.writer.flush().map_err(failed(&self.name))?;
            }
        }
        Ok(())
    }

    /// Makes the file durable and gives it its name.
    pub fn finish(self) -> Result<(), StoreError> {
        end(self.writer, &self.name)
    }
}

/// Writes the table of codes: each with what people call it, if that is known.
pub fn write_meds_codes(
    path: &Path,
    codes: &BTreeMap<String, Option<String>>,
) -> Result<(), StoreError> {
    let item = Arc::new(Field::new_list_field(DataType::Utf8, true));
    let schema = Arc::new(Schema::new(vec![
        Field::new("code", DataType::Utf8, false),
        Field::new("description", DataType::Utf8, true),
        Field::new("parent_codes", DataType::List(item), true),
    ]));
    let (mut names, mut titles) = (StringBuilder::new(), StringBuilder::new());
    let mut parents = ListBuilder::new(StringBuilder::new());
    for (name, title) in codes {
        names.append_value(name);
        titles.append_option(title.as_deref());
        parents.append_null();
    }
    let columns: Vec<ArrayRef> =
        vec![Arc::new(names.finish()), Arc::new(titles.finish()), Arc::new(parents.finish())];
    write_table(path, schema, columns)
}

/// Writes the table of splits: each subject's.
pub fn write_meds_splits(path: &Path, splits: &[(i64, Split)]) -> Result<(), StoreError> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("subject_id", DataType::Int64, false),
        Field::new("split", DataType::Utf8, false),
    ]));
    let (mut ids, mut names) = (Int64Builder::new(), StringBuilder::new());
    for (id, split) in splits {
        ids.append_value(*id);
        names.append_value(split.name());
    }
    let columns: Vec<ArrayRef> = vec![Arc::new(ids.finish()), Arc::new(names.finish())];
    write_table(path, schema, columns)
}

/// Some people and their events.
pub struct Company {
    /// Their timelines, by increasing pseudonym.
    pub cohort: Cohort,
    /// Their splits, in the same order.
    pub splits: Vec<Split>,
}

impl Store {
    /// Visits everybody by increasing pseudonym, some people at a time: as many as have `events`
    /// events together, and at least one. People without events are left out.
    pub fn visit_people(
        &self,
        events: u64,
        visit: &mut dyn FnMut(Company) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.subjects(after, PAGE_SUBJECTS)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.subject);
            let mut people: Vec<(Subject, Split)> = Vec::new();
            let mut count = 0;
            for record in page {
                if !people.is_empty() && events < count + record.event_count {
                    visit(self.company(&people)?)?;
                    people.clear();
                    count = 0;
                }
                if 0 < record.event_count {
                    people.push((record.subject, record.split));
                    count += record.event_count;
                }
            }
            if !people.is_empty() {
                visit(self.company(&people)?)?;
            }
        }
    }

    /// Reads the events of some people: each file that has any of them is opened once.
    fn company(&self, people: &[(Subject, Split)]) -> Result<Company, StoreError> {
        self.retrying(|| {
            let mut files: BTreeMap<String, (Written, Vec<Range<usize>>)> = BTreeMap::new();
            let mut live = Vec::new();
            self.read(|connection| {
                for (subject, _) in people {
                    live.extend(self.live_events_of(connection, *subject)?);
                    for (written, rows) in self.ranges(connection, *subject)? {
                        let place = files.entry(written.file.clone());
                        place.or_insert_with(|| (written, Vec::new())).1.push(rows);
                    }
                }
                Ok(())
            })?;
            let sealed = shards(&self.dir, self.keyring.now()?);
            let mut collector = Collector::default();
            live.into_iter().for_each(|event| collector.add_live(event));
            for (written, mut rows) in files.into_values() {
                rows.sort_unstable_by_key(|rows| rows.start);
                sealed
                    .read_rows(&written, &rows, &mut |batch| collector.add(&written.file, batch))?;
            }
            let (codes, events) = collector.finish();
            let splits: BTreeMap<Subject, Split> = people.iter().copied().collect();
            let cohort = cohort(codes, events);
            let split = |subject| splits.get(&subject).copied();
            let splits = cohort.timelines.iter().filter_map(|it| split(it.subject())).collect();
            Ok(Company { cohort, splits })
        })
    }

    /// Visits every refused row of every feed, with the feed.
    pub fn visit_refused(
        &self,
        visit: &mut dyn FnMut(&FeedRecord, QuarantinedRecord) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for feed in self.feeds()? {
            let sealed = quarantine(&self.dir, self.keyring.now()?);
            for written in self.quarantine_files(feed.id)? {
                quarantine::visit(&sealed, &written, &mut |row| visit(&feed, row))?;
            }
        }
        Ok(())
    }

    /// Visits every refused live event about a subject, and those about nobody known that
    /// `concerns` recognizes.
    pub fn visit_live_refused(
        &self,
        subject: Subject,
        concerns: &dyn Fn(&QuarantinedRecord) -> bool,
        visit: &mut dyn FnMut(QuarantinedRecord),
    ) -> Result<(), StoreError> {
        let rows = self.read(|connection| self.live_rows_about(connection, subject, concerns))?;
        for row in rows.iter().filter(|row| row.refused) {
            visit(self.live_refusal(row)?);
        }
        Ok(())
    }

    /// Returns the SHA-256 of each file that holds events of a subject.
    pub fn shard_digests_of(&self, subject: Subject) -> Result<Vec<[u8; 32]>, StoreError> {
        let holdings = self.read(|connection| self.holdings(connection, subject))?;
        Ok(holdings.into_iter().map(|holding| holding.written.sha256).collect())
    }
}

fn data_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("subject_id", DataType::Int64, false),
        Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new("code", DataType::Utf8, false),
        Field::new("numeric_value", DataType::Float32, true),
        Field::new("text_value", DataType::LargeUtf8, true),
    ]))
}

fn data_batch(
    schema: &SchemaRef,
    id: i64,
    codes: &[Code],
    events: &[Event],
) -> Result<RecordBatch, ParquetError> {
    let mut ids = Int64Builder::with_capacity(events.len());
    let mut times = TimestampMicrosecondBuilder::with_capacity(events.len());
    let mut names = StringBuilder::new();
    let mut numbers = Float32Builder::with_capacity(events.len());
    let mut texts = LargeStringBuilder::new();
    for event in events {
        ids.append_value(id);
        times.append_option(event.time.map(Timestamp::micros));
        names.append_value(codes.get(event.code as usize).map_or("", |code| code.as_str()));
        numbers.append_option(event.value);
        texts.append_option(event.text.as_deref());
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(ids.finish()),
        Arc::new(times.finish()),
        Arc::new(names.finish()),
        Arc::new(numbers.finish()),
        Arc::new(texts.finish()),
    ];
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

fn write_table(path: &Path, schema: SchemaRef, columns: Vec<ArrayRef>) -> Result<(), StoreError> {
    let (mut writer, name) = begin(path, &schema)?;
    let batch = RecordBatch::try_new(schema, columns).map_err(ParquetError::from);
    batch.and_then(|batch| writer.write(&batch)).map_err(failed(&name))?;
    end(writer, &name)
}

pub(crate) fn begin(
    path: &Path,
    schema: &SchemaRef,
) -> Result<(ArrowWriter<PendingFile>, String), StoreError> {
    let name = path.display().to_string();
    let pending = PendingFile::create(path, PRIVATE_FILE).map_err(file("create", &name))?;
    let level = ZstdLevel::default();
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    // With the schema as Arrow has it: readers then tell large texts from others, as MEDS does.
    let options = ArrowWriterOptions::new().with_properties(properties);
    let writer = ArrowWriter::try_new_with_options(pending, Arc::clone(schema), options)
        .map_err(failed(&name))?;
    Ok((writer, name))
}

pub(crate) fn end(writer: ArrowWriter<PendingFile>, name: &str) -> Result<(), StoreError> {
    let pending = writer.into_inner().map_err(failed(name))?;
    pending.commit().map_err(file("write", name))
}

pub(crate) fn failed(name: &str) -> impl Fn(ParquetError) -> StoreError {
    move |error| file("write", name)(io::Error::other(error))
}

/// Encoded bytes that wait for the end of their group.
const GROUP_BYTES: usize = 32 << 20;

/// Rows of the catalog that are looked at together.
const PAGE_SUBJECTS: u32 = 10_000;
