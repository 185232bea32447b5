//! Looks into the files of a model without loading any of them.
//!
//! Whether a file is data only says the judge that the caller brings along: the registry has the
//! list of formats that are, and there is one such list. What is added here are reasons: where a
//! file is a pickle, or has pickles in it, what they would do.

use std::fs::{self, File};
use std::io::{self, Cursor, Read, Seek as _};
use std::path::{Path, PathBuf};

use flate2::read::{GzDecoder, ZlibDecoder};
use rustix::fs::{Mode, OFlags};

use super::CollectError;
use crate::facts::model::{Content, Model, ModelFile, ModelSignature, Pickled};
use crate::parse::{pickle, zip};

#[cfg(test)]
pub(crate) mod tests;

/// Says what a file is, by its name in the model and its bytes. All bytes are read.
pub type ContentJudge<'a> = &'a dyn Fn(&str, &mut dyn Read) -> io::Result<Content>;

/// Looks into every file of a model. What became of its signature is the caller's to say.
pub fn collect(
    root: &Path,
    judge: ContentJudge<'_>,
    signature: ModelSignature,
) -> Result<Model, CollectError> {
    let read =
        |path: &Path, source| CollectError::Read { path: path.display().to_string(), source };
    let metadata = fs::metadata(root).map_err(|source| read(root, source))?;
    let mut model = Model { root: root.display().to_string(), files: Vec::new(), signature };
    if metadata.is_file() {
        model.files.push(look(root, root.parent().unwrap_or(root), judge));
        return Ok(model);
    }
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut paths: Vec<PathBuf> = entries
            .map_err(|source| read(&folder, source))?
            .iter()
            .map(fs::DirEntry::path)
            .collect();
        paths.sort();
        for path in paths {
            let kind = fs::symlink_metadata(&path).map_err(|source| read(&path, source))?;
            if kind.is_dir() && !kind.is_symlink() {
                folders.push(path);
            } else {
                model.files.push(look(&path, root, judge));
            }
            if FILE_COUNT_MAX < model.files.len() + folders.len() {
                return Err(CollectError::Unexpected {
                    what: root.display().to_string(),
                    why: "it has more files than a model; name the folder of the model".to_owned(),
                });
            }
        }
    }
    model.files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(model)
}

fn look(path: &Path, root: &Path, judge: ContentJudge<'_>) -> ModelFile {
    let shown = path.display().to_string();
    match looked(path, root, judge) {
        Ok((content, pickles)) => ModelFile { path: shown, content, pickles },
        Err(error) => {
            let why = match error.kind() {
                io::ErrorKind::PermissionDenied => "it may not be read; scan as its owner",
                io::ErrorKind::InvalidInput => "it is a link or no regular file",
                _ => "it could not be read",
            };
            let content = Content::Unread { why: why.to_owned() };
            ModelFile { path: shown, content, pickles: Vec::new() }
        }
    }
}

fn looked(
    path: &Path,
    root: &Path,
    judge: ContentJudge<'_>,
) -> io::Result<(Content, Vec<Pickled>)> {
    // A link leads out of the model, and a pipe would wait for somebody.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let mut file = File::from(opened.map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    let content = judge(&name, &mut file)?;
    if matches!(content, Content::Checked { .. }) {
        return Ok((content, Vec::new()));
    }
    file.rewind()?;
    let pickles = pickles(&file, metadata.len())?;
    Ok((content, pickles))
}

/// All pickles of a file: itself, or members of the archive that it is.
fn pickles(file: &File, size: u64) -> io::Result<Vec<Pickled>> {
    let mut found = Vec::new();
    let mut reader = file;
    let head = read_head(&mut reader)?;
    if zip::begins(&head) {
        for member in zip::members(file, size)?.unwrap_or_default() {
            if PICKLE_COUNT_MAX <= found.len() {
                break;
            }
            let Some(mut bytes) = zip::open(file, &member)? else { continue };
            // A member that is broken has nothing more to tell.
            if let Ok(Some(mut pickled)) = within(&mut bytes) {
                pickled.member = Some(member.name.chars().filter(|it| !it.is_control()).collect());
                found.push(pickled);
            }
        }
        return Ok(found);
    }
    let mut reader = file;
    reader.rewind()?;
    found.extend(within(&mut reader)?);
    Ok(found)
}

/// The pickle that a stream of bytes is or begins with, through compression and the head of arrays.
fn within(bytes: &mut dyn Read) -> io::Result<Option<Pickled>> {
    let head = read_head(bytes)?;
    let mut whole = Cursor::new(head.clone()).chain(bytes);
    let scanned = match &head[..] {
        [0x1f, 0x8b, ..] => lenient(pickle::scan(&mut GzDecoder::new(whole)))?,
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => {
            lenient(pickle::scan(&mut ZlibDecoder::new(whole)))?
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => match objects_at(&head) {
            Some(at) => {
                io::copy(&mut whole.by_ref().take(at), &mut io::sink())?;
                pickle::scan(&mut whole)?
            }
            None => None,
        },
        _ => pickle::scan(&mut whole)?,
    };
    Ok(scanned.map(|pickle| {
        let names = |called: bool| {
            let of = pickle.names.iter().filter(move |it| it.called == called && !it.rebuilds_data);
            of.map(|it| it.name.clone()).collect()
        };
        Pickled {
            member: None,
            calls: names(true),
            mentions: names(false),
            broken: pickle.broken.map(str::to_owned),
        }
    }))
}

/// Compressed bytes that are broken are no pickle, and no failure to read either.
fn lenient(scanned: io::Result<Option<pickle::Pickle>>) -> io::Result<Option<pickle::Pickle>> {
    match scanned {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        other => other,
    }
}

/// Where the objects of an array of NumPy begin, if it is one of objects.
fn objects_at(head: &[u8]) -> Option<u64> {
    let (length, from) = match head {
        [_, _, _, _, _, _, 1, _, a, b, ..] => (u64::from(u16::from_le_bytes([*a, *b])), 10),
        [_, _, _, _, _, _, _, _, a, b, c, d, ..] => {
            (u64::from(u32::from_le_bytes([*a, *b, *c, *d])), 12)
        }
        _ => return None,
    };
    let end = usize::try_from(from + length).ok()?.min(head.len());
    let described = head.get(usize::try_from(from).ok()?..end)?;
    // `'descr': '|O'`, or a field of a record that is one.
    described.windows(2).any(|two| two == b"|O" || two == b"'O").then_some(from + length)
}

fn read_head(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(HEAD_LEN).read_to_end(&mut head)?;
    Ok(head)
}

/// What formats are told by; the description of an array fits.
const HEAD_LEN: u64 = 4096;

/// The largest models have some thousand files.
const FILE_COUNT_MAX: usize = 100_000;

/// An archive with more is told of by these.
const PICKLE_COUNT_MAX: usize = 1000;
