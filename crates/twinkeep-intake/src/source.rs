//! Where rows come from: a file, a folder, or a stream. The content decides what it is.

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use twinkeep_domain::Pack;
use twinkeep_vault::Pseudonymizer;
use twinkeep_vault::digest::{Sha256, sha256};

use crate::archive::{is_tar, read_archive};
use crate::batch::{At, Batch, Refusal};
use crate::limits::{FOLDER_DEPTH_MAX, Limits};
use crate::meds::read_meds;
use crate::physionet::{is_stay, read_stay};
use crate::{Intake, IntakeError, Place, Progress, Reason};

/// Where rows come from.
pub enum Source<'a> {
    /// A file, or a folder with files: stays of PhysioNet 2012, or a MEDS dataset.
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
}

/// Reads a source to its end and screens every row by the pack.
pub fn read(
    source: Source<'_>,
    pack: &Pack,
    pseudonyms: &Pseudonymizer,
    progress: &mut dyn FnMut(Progress),
) -> Result<Intake, IntakeError> {
    read_within(source, pack, pseudonyms, progress, Limits::STANDARD)
}

/// As [`read`], with limits of the caller's choice.
pub(crate) fn read_within(
    source: Source<'_>,
    pack: &Pack,
    pseudonyms: &Pseudonymizer,
    progress: &mut dyn FnMut(Progress),
    limits: Limits,
) -> Result<Intake, IntakeError> {
    match source {
        Source::Path(path) => {
            let name = path.display().to_string();
            let cannot = |source| {
                let place = Place { source: path.display().to_string(), file: None };
                IntakeError::Read { place, source }
            };
            let metadata = fs::metadata(path).map_err(cannot)?;
            if metadata.is_dir() {
                let mut batch = Batch::new(name, None, pack, pseudonyms, progress, limits);
                let digest = read_folder(&mut batch, path)?;
                return batch.finish(digest);
            }
            let mut file = File::open(path).map_err(cannot)?;
            let total = Some(metadata.len());
            let batch = Batch::new(name, total, pack, pseudonyms, progress, limits);
            read_stream(batch, None, &mut file, path.file_name().and_then(|name| name.to_str()))
        }
        Source::Stream { name, media_type, reader } => {
            let batch = Batch::new(name.to_owned(), None, pack, pseudonyms, progress, limits);
            read_stream(batch, Some(media_type), reader, None)
        }
    }
}

/// What the first bytes say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gzip,
    Tar,
    Parquet,
    Stay,
}

impl Kind {
    fn of(head: &[u8]) -> Option<Self> {
        if head.starts_with(GZIP_MAGIC) {
            Some(Self::Gzip)
        } else if head.starts_with(PARQUET_MAGIC) {
            Some(Self::Parquet)
        } else if is_tar(head) {
            Some(Self::Tar)
        } else {
            is_stay(head).then_some(Self::Stay)
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Tar => "a tar archive",
            Self::Parquet => "Parquet",
            Self::Stay => "PhysioNet 2012 text",
        }
    }

    /// Returns whether a declared media type is one of this kind, or says nothing.
    fn is_called(self, media_type: &str) -> bool {
        let names: &[&str] = match self {
            Self::Gzip => &["application/gzip", "application/x-gzip", "application/x-gtar"],
            Self::Tar => &["application/x-tar"],
            Self::Parquet => &["application/vnd.apache.parquet", "application/x-parquet"],
            Self::Stay => &["text/csv", "text/plain"],
        };
        media_type == UNDECLARED || names.contains(&media_type)
    }
}

fn read_stream(
    mut batch: Batch<'_>,
    media_type: Option<&str>,
    reader: &mut dyn Read,
    file_name: Option<&str>,
) -> Result<Intake, IntakeError> {
    let meter = batch.meter.clone();
    let place = batch.place_of(None);
    let mut reader = meter.source(reader);
    let head = head(&mut reader).map_err(|error| cannot_read(&place, error))?;
    let kind = kind_of(&head, &place)?;
    if let Some(declared) = media_type.filter(|declared| !kind.is_called(declared)) {
        let declared = declared.to_owned();
        return Err(IntakeError::MediaType { place, declared, found: kind.name() });
    }
    let file: Arc<str> = file_name.unwrap_or("").into();
    let mut rest = Cursor::new(head).chain(&mut reader);
    match kind {
        Kind::Tar => read_archive(&mut batch, Box::new(&mut rest))?,
        Kind::Gzip => read_gzip(&mut batch, &place, &file, &mut rest)?,
        Kind::Parquet | Kind::Stay => {
            batch.next_file()?;
            read_file(&mut batch, place, &file, 0, &mut rest)?;
        }
    }
    drop(rest);
    batch.finish(meter.digest())
}

fn read_gzip(
    batch: &mut Batch<'_>,
    place: &Place,
    file: &Arc<str>,
    reader: &mut dyn Read,
) -> Result<(), IntakeError> {
    let decoder = Box::new(MultiGzDecoder::new(reader));
    let mut expanded = batch.meter.expanded(decoder, batch.limits);
    let head = head(&mut expanded).map_err(|error| damaged(batch, place.clone(), error))?;
    let kind = kind_of(&head, place)?;
    let mut rest = Cursor::new(head).chain(expanded);
    match kind {
        Kind::Tar => read_archive(batch, Box::new(rest)),
        Kind::Gzip => Err(IntakeError::Unrecognized { place: place.clone() }),
        Kind::Parquet | Kind::Stay => {
            batch.next_file()?;
            read_file(batch, place.clone(), file, 0, &mut rest)
        }
    }
}

/// Reads one file whole: a stay, or Parquet. `size` is what its container says, or 0.
pub(crate) fn read_file(
    batch: &mut Batch<'_>,
    place: Place,
    name: &Arc<str>,
    size: u64,
    reader: &mut dyn Read,
) -> Result<(), IntakeError> {
    let limits = batch.limits;
    let head = head(reader).map_err(|error| damaged(batch, place.clone(), error))?;
    let is_parquet = head.starts_with(PARQUET_MAGIC);
    let (what, limit) = if is_parquet {
        ("the size of a Parquet file in bytes", limits.parquet_size_max)
    } else {
        ("the size of a text file in bytes", limits.text_file_size_max)
    };
    if limit < size {
        return Err(batch.limit(place, what, limit));
    }
    let mut bytes = head;
    let rest = reader.take(limit).read_to_end(&mut bytes);
    rest.map_err(|error| damaged(batch, place.clone(), error))?;
    if limit < bytes.len() as u64 {
        return Err(batch.limit(place, what, limit));
    }
    if (bytes.len() as u64) < size {
        return Err(damaged(batch, place, io::Error::from(io::ErrorKind::UnexpectedEof)));
    }
    if is_parquet {
        read_meds(batch, &place, name, Bytes::from(bytes))
    } else {
        read_stay(batch, name, &bytes)
    }
}

/// Reads the files of a folder, in the order of their names; returns a digest over all of them.
fn read_folder(batch: &mut Batch<'_>, folder: &Path) -> Result<[u8; 32], IntakeError> {
    let root = batch.place_of(None);
    let cannot = |error| cannot_read(&root, error);
    let mut files = Vec::new();
    list(folder, FOLDER_DEPTH_MAX, &mut files).map_err(cannot)?;
    // A MEDS dataset has its events in `data` and descriptions of them in `metadata`.
    let data = folder.join("data");
    let is_parquet = |file: &PathBuf| file.extension().is_some_and(|name| name == "parquet");
    if files.iter().any(|file| file.starts_with(&data) && is_parquet(file)) {
        files.retain(|file| file.starts_with(&data));
    }
    files.sort();
    let mut digest = Sha256::default();
    for path in files {
        let place = batch.next_file()?;
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy();
        let name: Arc<str> = name.into();
        if !fs::symlink_metadata(&path).map_err(|error| cannot_read(&place, error))?.is_file() {
            let refusal = Refusal { reason: Reason::NotAFile, field: None };
            batch.refuse(At { file: &name, row: 0 }, refusal, Vec::new())?;
            continue;
        }
        let mut file = File::open(&path).map_err(|error| cannot_read(&place, error))?;
        batch.meter.restart_digest();
        let mut reader = batch.meter.source(&mut file);
        read_file(batch, place, &name, 0, &mut reader)?;
        // Both digests have a fixed length, so no two folders give the same bytes.
        digest.update(&sha256(name.as_bytes()));
        digest.update(&batch.meter.digest());
    }
    Ok(digest.finish())
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
fn head(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_LEN as usize);
    reader.take(HEAD_LEN).read_to_end(&mut head)?;
    Ok(head)
}

fn kind_of(head: &[u8], place: &Place) -> Result<Kind, IntakeError> {
    if head.is_empty() {
        return Err(IntakeError::Empty { place: place.clone() });
    }
    Kind::of(head).ok_or_else(|| IntakeError::Unrecognized { place: place.clone() })
}

fn cannot_read(place: &Place, source: io::Error) -> IntakeError {
    IntakeError::Read { place: place.clone(), source }
}

/// A failed read of an archive: a limit, damage, or the system.
pub(crate) fn damaged(batch: &Batch<'_>, place: Place, source: io::Error) -> IntakeError {
    match batch.meter.exceeded() {
        Some((what, limit)) => IntakeError::Limit { place, what, limit },
        None => IntakeError::Damaged { place, source },
    }
}

/// RFC 2046, 4.5.1: bytes of which nothing is known. The content decides.
const UNDECLARED: &str = "application/octet-stream";

const GZIP_MAGIC: &[u8] = b"\x1f\x8b";
const PARQUET_MAGIC: &[u8] = b"PAR1";

/// A tar header is the longest thing to look at.
const HEAD_LEN: u64 = 512;
