//! One file of a source, as a reader sees it: its bytes in order, or from anywhere.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use twinkeep_vault::spool::{Spool, SpoolReader, SpoolWriter};

use crate::batch::Batch;
use crate::source::damaged;
use crate::{IntakeError, Place};

/// One file of a source.
pub(crate) struct Input<'i> {
    pub place: &'i Place,
    /// Its name within the source; a single file may have none.
    pub name: &'i Arc<str>,
    /// Its bytes from the start, decompressed.
    pub reader: &'i mut dyn Read,
}

impl Input<'_> {
    /// Reads the file whole, within a limit.
    pub(crate) fn whole(
        &mut self,
        batch: &Batch<'_>,
        what: &'static str,
        limit: u64,
    ) -> Result<Vec<u8>, IntakeError> {
        let mut bytes = Vec::new();
        let read = self.reader.take(limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| damaged(batch, self.place, error))?;
        if limit < bytes.len() as u64 {
            return Err(batch.limit(self.place.clone(), what, limit));
        }
        Ok(bytes)
    }
}

/// Makes bytes that come in order readable from anywhere.
pub(crate) fn blob(
    batch: &Batch<'_>,
    place: &Place,
    reader: &mut dyn Read,
) -> Result<Blob, IntakeError> {
    let cannot = |error| cannot_spool(place, error);
    let mut writer = SpoolWriter::create(batch.options.spool).map_err(cannot)?;
    spool(batch, place, reader, &mut writer)?;
    let spool = writer.finish().map_err(cannot)?;
    let end = spool.length();
    Ok(Blob::of_spool(spool, 0, end))
}

/// Copies a file into a spool.
pub(crate) fn spool(
    batch: &Batch<'_>,
    place: &Place,
    reader: &mut dyn Read,
    writer: &mut SpoolWriter,
) -> Result<(), IntakeError> {
    let mut buffer = vec![0; COPY_LEN];
    loop {
        let length = match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(damaged(batch, place, error)),
        };
        let limit = batch.limits.expanded_size_max;
        if limit < writer.length() {
            return Err(batch.limit(place.clone(), "the size in bytes", limit));
        }
        io::Write::write_all(writer, &buffer[..length])
            .map_err(|error| cannot_spool(place, error))?;
    }
}

pub(crate) fn cannot_spool(place: &Place, source: io::Error) -> IntakeError {
    IntakeError::Spool { place: place.clone(), source }
}

/// Reads to the end.
pub(crate) fn drain(reader: &mut dyn Read) -> io::Result<()> {
    io::copy(reader, &mut io::sink()).map(|_| ())
}

/// A file on the disk that is open, and what it was then.
pub(crate) struct DiskFile {
    file: File,
    known: KnownFile,
}

/// A file on the disk that was looked at once.
#[derive(Clone)]
pub(crate) struct KnownFile {
    path: PathBuf,
    stamp: Stamp,
}

/// A file that was written to in between has another one.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

fn stamp(metadata: &Metadata) -> Stamp {
    let modified = (metadata.mtime(), metadata.mtime_nsec());
    let changed = (metadata.ctime(), metadata.ctime_nsec());
    (metadata.dev(), metadata.ino(), metadata.len(), modified, changed)
}

impl DiskFile {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let stamp = stamp(&file.metadata()?);
        Ok(Self { file, known: KnownFile { path: path.to_path_buf(), stamp } })
    }

    /// Returns the file, to be read in order.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Returns how long the file is.
    pub(crate) fn length(&self) -> u64 {
        self.known.stamp.2
    }

    /// Returns what it takes to open the file again.
    pub(crate) fn known(&self) -> &KnownFile {
        &self.known
    }
}

impl KnownFile {
    /// Opens the file again, if it is still the same.
    pub(crate) fn open(&self) -> io::Result<Blob> {
        let file = File::open(&self.path)?;
        self.check(&file.metadata()?)?;
        Ok(Blob(Where::Disk { file: Arc::new(file), length: self.stamp.2 }))
    }

    /// Refuses a file that was written to or replaced.
    pub(crate) fn check_unchanged(&self) -> io::Result<()> {
        self.check(&fs::metadata(&self.path)?)
    }

    fn check(&self, metadata: &Metadata) -> io::Result<()> {
        if stamp(metadata) == self.stamp {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "the file was changed while it was read"))
    }
}

/// Bytes that can be read from anywhere.
#[derive(Clone)]
pub(crate) struct Blob(Where);

#[derive(Clone)]
enum Where {
    Disk { file: Arc<File>, length: u64 },
    Spool { spool: Spool, start: u64, end: u64 },
}

impl Blob {
    /// A part of a spool.
    pub(crate) fn of_spool(spool: Spool, start: u64, end: u64) -> Self {
        Self(Where::Spool { spool, start, end })
    }

    /// Reads on from `at`.
    pub(crate) fn reader(&self, at: u64) -> BlobReader {
        match &self.0 {
            Where::Disk { file, .. } => BlobReader::Disk { file: Arc::clone(file), at },
            Where::Spool { spool, start, end } => {
                BlobReader::Spool(spool.reader(start.saturating_add(at), *end))
            }
        }
    }
}

/// Reads bytes of a blob in order.
pub(crate) enum BlobReader {
    Disk { file: Arc<File>, at: u64 },
    Spool(SpoolReader),
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Disk { file, at } => {
                let length = file.read_at(buffer, *at)?;
                *at += length as u64;
                Ok(length)
            }
            Self::Spool(reader) => reader.read(buffer),
        }
    }
}

impl Length for Blob {
    fn len(&self) -> u64 {
        match &self.0 {
            Where::Disk { length, .. } => *length,
            Where::Spool { start, end, .. } => end - start,
        }
    }
}

impl ChunkReader for Blob {
    type T = BlobReader;

    fn get_read(&self, start: u64) -> Result<BlobReader, ParquetError> {
        Ok(self.reader(start))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // Whatever the directory of the file claims, no more is taken than there is.
        if start.checked_add(length as u64).is_none_or(|end| self.len() < end) {
            return Err(ParquetError::EOF("it points beyond its end".to_owned()));
        }
        let mut bytes = vec![0; length];
        self.reader(start).read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

const COPY_LEN: usize = 1 << 16;
