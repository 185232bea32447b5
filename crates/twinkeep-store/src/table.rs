//! Encrypted Parquet files: Parquet Modular Encryption with the footer encrypted.
//!
//! Every file has a data key of its own (AES-256-GCM), made by the keyring, and its name as the
//! prefix of all associated data: a file under another name, or a part of one file in another,
//! does not open.

use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, ZstdLevel};
use parquet::encryption::decrypt::FileDecryptionProperties;
use parquet::encryption::encrypt::FileEncryptionProperties;
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::ChunkReader;
use twinkeep_vault::digest::{Sha256, sha256};
use twinkeep_vault::files::{PRIVATE_FILE, PendingFile};
use twinkeep_vault::{Purpose, SecretKey};

use crate::StoreError;
use crate::error::file;
use crate::keyring::Ring;
use crate::layout::path;

/// What the catalog keeps about a file.
#[derive(Clone)]
pub(crate) struct Written {
    pub file: String,
    pub row_count: i64,
    pub sha256: [u8; 32],
}

/// Where a file is and what opens it.
pub(crate) struct Sealed<'a> {
    pub dir: &'a Path,
    pub ring: Arc<Ring>,
    pub purpose: Purpose,
    pub schema: SchemaRef,
}

impl Sealed<'_> {
    /// Writes a file and makes it durable.
    pub(crate) fn write(
        &self,
        name: &str,
        batches: &mut dyn Iterator<Item = Result<RecordBatch, ParquetError>>,
    ) -> Result<Written, StoreError> {
        let mut writing = self.begin(name)?;
        for batch in batches {
            writing.add(batch)?;
        }
        writing.finish()
    }

    /// Begins a file, which appears under its name when it is finished.
    pub(crate) fn begin(&self, name: &str) -> Result<Writing, StoreError> {
        let key = self.ring.file_key(self.purpose, name)?;
        let file = PendingFile::create(&path(self.dir, name), PRIVATE_FILE)
            .map_err(file("create", name))?;
        let sink = Sink { file, digest: Sha256::default() };
        let writer =
            writer(&key, name, &self.schema, sink).map_err(|source| encode_error(name, source))?;
        Ok(Writing { writer, name: name.to_owned(), row_count: 0 })
    }

    /// Reads a whole file, after comparing its digest, and hands on its batches.
    pub(crate) fn read_all(
        &self,
        written: &Written,
        take: &mut dyn FnMut(&RecordBatch) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let name = &written.file;
        let bytes = fs::read(path(self.dir, name)).map_err(file("read", name))?;
        if sha256(&bytes) != written.sha256 {
            return Err(StoreError::Damaged { file: name.clone(), source: None });
        }
        self.decode(written, Bytes::from(bytes), None, take)
    }

    /// Reads some rows of a file, in increasing order. Each part that is touched is authenticated by its own tag.
    pub(crate) fn read_rows(
        &self,
        written: &Written,
        rows: &[Range<usize>],
        take: &mut dyn FnMut(&RecordBatch) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let name = &written.file;
        let handle = File::open(path(self.dir, name)).map_err(file("read", name))?;
        self.decode(written, handle, Some(rows), take)
    }

    fn decode<R: ChunkReader + 'static>(
        &self,
        written: &Written,
        reader: R,
        rows: Option<&[Range<usize>]>,
        take: &mut dyn FnMut(&RecordBatch) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let name = &written.file;
        let damaged = |source| StoreError::Damaged { file: name.clone(), source };
        let key = self.ring.file_key(self.purpose, name)?;
        let decode = || -> Result<(), StoreError> {
            let parquet = |source| damaged(Some(source));
            let decryption = FileDecryptionProperties::builder(key.expose().to_vec())
                .with_aad_prefix(name.as_bytes().to_vec())
                .build()
                .map_err(parquet)?;
            let options = ArrowReaderOptions::new()
                .with_file_decryption_properties(decryption)
                .with_offset_index_policy(PageIndexPolicy::Optional)
                .with_schema(Arc::clone(&self.schema));
            let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(reader, options)
                .map_err(parquet)?;
            let count = builder.metadata().file_metadata().num_rows();
            let count = usize::try_from(count).map_err(|_| damaged(None))?;
            let builder = match rows {
                Some(rows) if !is_within(rows, count) => return Err(damaged(None)),
                Some(rows) => builder.with_row_selection(RowSelection::from_consecutive_ranges(
                    rows.iter().cloned(),
                    count,
                )),
                None => builder,
            };
            for batch in builder.with_batch_size(BATCH_ROWS).build().map_err(parquet)? {
                take(&batch.map_err(|source| parquet(source.into()))?)?;
            }
            Ok(())
        };
        // The decoder is not ours, and a damaged length could make it panic before a tag is
        // checked; a damaged file must not end the program.
        panic::catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| Err(damaged(None)))
    }
}

/// A file that is being written. Dropped before it is finished, it was never there.
pub(crate) struct Writing {
    writer: ArrowWriter<Sink>,
    name: String,
    row_count: i64,
}

impl Writing {
    /// Adds rows; at most [`GROUP_BYTES`] wait in memory.
    pub(crate) fn add(
        &mut self,
        batch: Result<RecordBatch, ParquetError>,
    ) -> Result<(), StoreError> {
        let cannot = |source| encode_error(&self.name, source);
        let batch = batch.map_err(cannot)?;
        self.row_count += batch.num_rows() as i64;
        self.writer.write(&batch).map_err(cannot)?;
        if GROUP_BYTES < self.writer.in_progress_size() {
            self.writer.flush().map_err(cannot)?;
        }
        Ok(())
    }

    /// Makes the file durable and gives it its name.
    pub(crate) fn finish(self) -> Result<Written, StoreError> {
        let Self { writer, name, row_count } = self;
        let sink = writer.into_inner().map_err(|source| encode_error(&name, source))?;
        sink.file.commit().map_err(file("write", &name))?;
        Ok(Written { file: name, row_count, sha256: sink.digest.finish() })
    }
}

fn writer(
    key: &SecretKey,
    name: &str,
    schema: &SchemaRef,
    sink: Sink,
) -> Result<ArrowWriter<Sink>, ParquetError> {
    let encryption = FileEncryptionProperties::builder(key.expose().to_vec())
        .with_aad_prefix(name.as_bytes().to_vec())
        .build()?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .with_file_encryption_properties(encryption)
        .build();
    let options = ArrowWriterOptions::new().with_properties(properties);
    // Without notes of the writer's own types: the file says "text", as MEDS does.
    let options = options.with_skip_arrow_metadata(true);
    ArrowWriter::try_new_with_options(sink, Arc::clone(schema), options)
}

/// Whether the ranges come in order, do not touch one another's rows, and end within `count`.
fn is_within(ranges: &[Range<usize>], count: usize) -> bool {
    let mut end = 0;
    ranges.iter().all(|range| {
        let fits = end <= range.start && range.start <= range.end && range.end <= count;
        end = range.end;
        fits
    })
}

fn encode_error(name: &str, error: ParquetError) -> StoreError {
    StoreError::File { action: "write", file: name.to_owned(), source: io::Error::other(error) }
}

/// Digests what is written.
struct Sink {
    file: PendingFile,
    digest: Sha256,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.file.write(bytes)?;
        self.digest.update(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Rows that are encoded and decoded at a time: some MiB.
pub(crate) const BATCH_ROWS: usize = 1 << 16;

/// Small enough that one subject's rows are found in one or two groups, large enough for zstd.
const ROW_GROUP_ROWS: usize = 1 << 17;

/// Encoded bytes that wait for the end of their group: texts and refused files can be long.
const GROUP_BYTES: usize = 32 << 20;

/// A stay in intensive care has about 440 rows: one page or two are decoded for it.
const PAGE_ROWS: usize = 4096;

/// The fastest level that finds repetitions across a page; ciphertext does not compress again.
const ZSTD_LEVEL: i32 = 1;
