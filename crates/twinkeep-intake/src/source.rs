//! Where rows come from: a file, a folder, or a stream. The content decides what it is.

use std::fs;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use twinkeep_vault::digest::{Sha256, sha256};

use crate::archive::{is_tar, read_archive};
use crate::batch::{At, Batch, Hands, Refusal, with_batch};
use crate::finishing::Take;
use crate::formats::{Look, UNDECLARED};
use crate::input::DiskFile;
use crate::limits::{FOLDER_DEPTH_MAX, Limits, ZSTD_WINDOW_LOG_MAX};
use crate::members::Members;
use crate::{
    IntakeError, Place, Portion, Progress, ReadOptions, Reason, Summary, TableReport, formats,
};

/// Where rows come from.
pub enum Source<'a> {
    /// A file, or a folder with files.
    Path(&'a Path),
    /// Bytes from elsewhere, such as the inside of a sealed feed.
    Stream {
        /// What to call it in messages.
        name: &'a str,
        /// What it is declared to be; refused if it is something else. `application/octet-stream`
        /// declares nothing.
        media_type: &'a str,
        /// The bytes.
        reader: &'a mut dyn Read,
    },
    /// Files that exist only while they are read, such as the tables of a database.
    Files {
        /// What to call all of them in messages.
        name: &'a str,
        /// The files.
        files: &'a mut dyn FileSource,
    },
}

/// Gives files one after the other.
pub trait FileSource {
    /// Opens the next file: its name and its bytes. `None` after the last one. A failure ends the
    /// reading, and nothing of the source is taken.
    fn next_file(&mut self) -> io::Result<Option<(String, Box<dyn Read + '_>)>>;
}

/// Reads a source to its end, screens every row by the pack, and hands on what it finds in
/// portions of bounded size: memory does not grow with the source.
pub fn read<'a>(
    source: Source<'_>,
    options: &ReadOptions<'a>,
    progress: &'a mut dyn FnMut(Progress),
    take: Take<'a>,
) -> Result<Summary, IntakeError> {
    read_within(source, options, Hands { progress, take, table: None }, Limits::STANDARD)
}

/// As [`read`], in one portion: memory grows with the source.
pub fn read_at_once<'a>(
    source: Source<'_>,
    options: &ReadOptions<'a>,
    progress: &'a mut dyn FnMut(Progress),
) -> Result<(Portion, Summary), IntakeError> {
    let limits = Limits { portion_size_max: u64::MAX, ..Limits::STANDARD };
    let mut whole = None;
    let mut take = |portion| {
        whole = Some(portion);
        Ok(())
    };
    let options = ReadOptions { ..*options };
    let summary = read_within(
        source,
        &options,
        Hands { progress: &mut *progress, take: &mut take, table: None },
        limits,
    )?;
    // A source without rows is an error, so there was a portion.
    whole.map(|portion| (portion, summary)).ok_or(IntakeError::Stopped)
}

/// Reads tables by a mapping and reports what became of each; the events are not handed on.
pub fn check_mapping<'a>(
    path: &Path,
    options: &ReadOptions<'a>,
    progress: &'a mut dyn FnMut(Progress),
    table: &'a mut dyn FnMut(TableReport),
) -> Result<Summary, IntakeError> {
    let mut take = |_: Portion| Ok(());
    let hands = Hands { progress: &mut *progress, take: &mut take, table: Some(&mut *table) };
    let options = ReadOptions { ..*options };
    read_within(Source::Path(path), &options, hands, Limits::STANDARD)
}

/// As [`read`], with limits of the caller's choice.
pub(crate) fn read_within<'a>(
    source: Source<'_>,
    options: &ReadOptions<'a>,
    hands: Hands<'a>,
    limits: Limits,
) -> Result<Summary, IntakeError> {
    match source {
        Source::Path(path) => {
            let name = path.display().to_string();
            let place = Place { source: name.clone(), file: None };
            let cannot = |source| cannot_read(&place, source);
            if fs::metadata(path).map_err(cannot)?.is_dir() {
                return with_batch(name, None, options, hands, limits, |batch| {
                    read_folder(batch, path)
                });
            }
            let file = DiskFile::open(path).map_err(cannot)?;
            let total = file.length();
            let label = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            with_batch(name, Some(total), options, hands, limits, |batch| {
                read_stream(batch, UNDECLARED, &mut file.file(), &label, Some(&file))
            })
        }
        Source::Stream { name, media_type, reader } => {
            with_batch(name.to_owned(), None, options, hands, limits, |batch| {
                read_stream(batch, media_type, reader, "", None)
            })
        }
        Source::Files { name, files } => {
            with_batch(name.to_owned(), None, options, hands, limits, |batch| {
                read_files(batch, files)
            })
        }
    }
}

/// What holds one or more files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    Gzip,
    Zstd,
    Tar,
}

impl Container {
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        if head.starts_with(GZIP_MAGIC) {
            Some(Self::Gzip)
        } else if head.starts_with(ZSTD_MAGIC) {
            Some(Self::Zstd)
        } else {
            is_tar(head).then_some(Self::Tar)
        }
    }

    /// Its name, and the media types by which it is declared.
    fn names(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Gzip => {
                ("gzip", &["application/gzip", "application/x-gzip", "application/x-gtar"])
            }
            Self::Zstd => ("Zstandard", &["application/zstd"]),
            Self::Tar => ("a tar archive", &["application/x-tar"]),
        }
    }
}

fn read_stream(
    mut batch: Batch<'_>,
    media_type: &str,
    reader: &mut dyn Read,
    label: &str,
    disk: Option<&DiskFile>,
) -> Result<Summary, IntakeError> {
    let meter = batch.meter.clone();
    let place = batch.place_of(None);
    let mut reader = meter.source(reader);
    let head = head(&mut reader).map_err(|error| cannot_read(&place, error))?;
    if head.is_empty() {
        return Err(IntakeError::Empty { place });
    }
    let container = Container::of(&head);
    check_media_type(&batch, &place, media_type, container, label, &head)?;
    let label: Arc<str> = label.into();
    let mut rest = Cursor::new(head).chain(&mut reader);
    match container {
        Some(Container::Tar) => read_archive(&mut batch, &mut rest)?,
        Some(packing) => {
            let mut unpacked = unpack(&batch, &place, packing, Box::new(&mut rest))?;
            let head = self::head(&mut unpacked).map_err(|error| damaged(&batch, &place, error))?;
            let container = Container::of(&head);
            let mut rest = Cursor::new(head).chain(unpacked);
            match container {
                Some(Container::Tar) => read_archive(&mut batch, &mut rest)?,
                _ => read_only_file(&mut batch, &place, &label, &mut rest, None)?,
            }
        }
        None => read_only_file(&mut batch, &place, &label, &mut rest, disk)?,
    }
    drop(rest);
    batch.finish(meter.digest())
}

/// Compares what a source is declared to be with what it is.
fn check_media_type(
    batch: &Batch<'_>,
    place: &Place,
    declared: &str,
    container: Option<Container>,
    label: &str,
    head: &[u8],
) -> Result<(), IntakeError> {
    let (found, names) = match container {
        Some(container) => container.names(),
        None => {
            match formats::find(&Look { options: &batch.options, name: label, head, alone: true }) {
                Some(format) => (format.name, format.media_types),
                None => return Err(IntakeError::Unrecognized { place: place.clone() }),
            }
        }
    };
    if declared == UNDECLARED || names.contains(&declared) {
        return Ok(());
    }
    Err(IntakeError::MediaType { place: place.clone(), declared: declared.to_owned(), found })
}

/// Reads the one file that a source is; of no known format it is refused.
fn read_only_file(
    batch: &mut Batch<'_>,
    place: &Place,
    label: &Arc<str>,
    reader: &mut dyn Read,
    disk: Option<&DiskFile>,
) -> Result<(), IntakeError> {
    batch.next_file()?;
    let mut members = Members::only_one();
    members.read(batch, place, label, reader, disk)?;
    members.finish(batch)
}

/// Decompresses, and stops what expands beyond any honest file.
pub(crate) fn unpack<'r>(
    batch: &Batch<'_>,
    place: &Place,
    packing: Container,
    reader: Box<dyn Read + 'r>,
) -> Result<Box<dyn Read + 'r>, IntakeError> {
    let decoder: Box<dyn Read + 'r> = if packing == Container::Zstd {
        let decoder = zstd::stream::read::Decoder::new(reader).and_then(|mut decoder| {
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Ok(decoder)
        });
        Box::new(decoder.map_err(|error| damaged(batch, place, error))?)
    } else {
        Box::new(MultiGzDecoder::new(reader))
    };
    Ok(Box::new(batch.meter.expanded(decoder, batch.limits)))
}

/// Reads the files of a folder, in the order of their names; the digest is over all of them.
fn read_folder(mut batch: Batch<'_>, folder: &Path) -> Result<Summary, IntakeError> {
    let root = batch.place_of(None);
    let mut files = Vec::new();
    list(folder, FOLDER_DEPTH_MAX, &mut files).map_err(|error| cannot_read(&root, error))?;
    files.sort();
    let mut members = Members::many();
    let mut digest = Sha256::default();
    for path in files {
        let place = batch.next_file()?;
        let cannot = |error| cannot_read(&place, error);
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy();
        let name: Arc<str> = name.into();
        if !fs::symlink_metadata(&path).map_err(cannot)?.is_file() {
            refuse_no_file(&mut batch, &name)?;
            continue;
        }
        let disk = DiskFile::open(&path).map_err(cannot)?;
        batch.meter.restart_digest();
        let meter = batch.meter.clone();
        let mut file = disk.file();
        let mut reader = meter.source(&mut file);
        members.read(&mut batch, &place, &name, &mut reader, Some(&disk))?;
        // Both digests have a fixed length, so no two folders give the same bytes.
        digest.update(&sha256(name.as_bytes()));
        digest.update(&batch.meter.digest());
    }
    members.finish(&mut batch)?;
    batch.finish(digest.finish())
}

/// Reads files that are opened one after the other; the digest is over all of them.
fn read_files(mut batch: Batch<'_>, files: &mut dyn FileSource) -> Result<Summary, IntakeError> {
    let root = batch.place_of(None);
    let mut members = Members::many();
    let mut digest = Sha256::default();
    while let Some((name, mut file)) =
        files.next_file().map_err(|error| cannot_read(&root, error))?
    {
        let place = batch.next_file()?;
        batch.meter.restart_digest();
        let meter = batch.meter.clone();
        let mut reader = meter.source(&mut file);
        members.read(&mut batch, &place, &name.as_str().into(), &mut reader, None)?;
        digest.update(&sha256(name.as_bytes()));
        digest.update(&batch.meter.digest());
    }
    members.finish(&mut batch)?;
    batch.finish(digest.finish())
}

/// A link, device, or pipe: kept as an entry of the quarantine and not followed.
pub(crate) fn refuse_no_file(batch: &mut Batch<'_>, name: &Arc<str>) -> Result<(), IntakeError> {
    let refusal = Refusal { reason: Reason::NotAFile, field: None };
    batch.refuse(At { file: name, row: 0 }, refusal, Vec::new())
}

/// Collects what is in a folder and is not a folder. Links are not followed.
fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            files.push(entry.path());
        } else if 0 < depth {
            list(&entry.path(), depth - 1, files)?;
        } else {
            return Err(io::Error::other("the folders are nested too deeply"));
        }
    }
    Ok(())
}

/// Reads the first block; shorter if there is no more.
pub(crate) fn head(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_ROOM);
    reader.take(HEAD_LEN).read_to_end(&mut head)?;
    Ok(head)
}

pub(crate) fn cannot_read(place: &Place, source: io::Error) -> IntakeError {
    IntakeError::Read { place: place.clone(), source }
}

/// A failed read of an archive: a limit, damage, or the system.
pub(crate) fn damaged(batch: &Batch<'_>, place: &Place, source: io::Error) -> IntakeError {
    let place = place.clone();
    match batch.meter.exceeded() {
        Some((what, limit)) => IntakeError::Limit { place, what, limit },
        None => IntakeError::Damaged { place, source },
    }
}

const GZIP_MAGIC: &[u8] = b"\x1f\x8b";
const ZSTD_MAGIC: &[u8] = b"\x28\xb5\x2f\xfd";

/// The first line of a table with hundreds of columns is the longest thing to look at.
const HEAD_LEN: u64 = 16 << 10;

/// Most heads of small files fit.
const HEAD_ROOM: usize = 512;
