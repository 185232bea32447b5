//! The digests of all files of a model, read as a stream, several at a time.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom};
use std::num::NonZero;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use rustix::fs::OFlags;
use twinkeep_vault::digest::Sha256;

use super::{Digests, OmsError, Serialization};

/// Which files of a model count.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    /// Paths that do not, nor what is under them.
    pub(super) ignored: &'a [String],
    pub(super) serialization: Serialization,
}

/// A piece of a file that gets a digest of its own.
struct Piece {
    name: String,
    path: PathBuf,
    range: Option<(u64, u64)>,
}

/// Returns the digests of a model, which is a folder or one file; `progress` is told how many bytes
/// were read.
///
/// A link, a device, or a name that is not UTF-8 is an error, unless it is ignored or the scope
/// follows links; one that leads out of the folder is an error always.
pub(super) fn digests(
    model: &Path,
    scope: Scope<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Digests, OmsError> {
    digest_all(&pieces(model, scope)?, progress)
}

/// Returns the files of a model and where they are, in the order of their names; there is at least
/// one.
pub(super) fn list(model: &Path, scope: Scope<'_>) -> Result<Vec<(String, PathBuf)>, OmsError> {
    let pieces = pieces(model, scope)?;
    if pieces.is_empty() {
        return Err(OmsError::Folder { problem: "it has no files" });
    }
    let mut files: Vec<_> = pieces.into_iter().map(|piece| (piece.name, piece.path)).collect();
    files.sort();
    Ok(files)
}

fn pieces(model: &Path, scope: Scope<'_>) -> Result<Vec<Piece>, OmsError> {
    let mut pieces = Vec::new();
    let kind = fs::symlink_metadata(model).map_err(io_error)?;
    if kind.is_dir() {
        let root = fs::canonicalize(model).map_err(io_error)?;
        let walk = Walk { root: &root, scope };
        walk.walk(&root, "", &mut vec![root.clone()], &mut pieces)?;
    } else if kind.is_file() {
        let name = model.file_name().and_then(|name| name.to_str());
        let name = name.ok_or(OmsError::Folder { problem: "its name is not UTF-8" })?;
        cut(name.to_owned(), model.to_path_buf(), kind.len(), scope, &mut pieces);
    } else {
        return Err(OmsError::Folder { problem: "it is neither a folder nor a file" });
    }
    Ok(pieces)
}

struct Walk<'a> {
    root: &'a Path,
    scope: Scope<'a>,
}

impl Walk<'_> {
    /// Lists a folder; `above` are the folders that lead to it, so that a circle of links is seen.
    fn walk(
        &self,
        dir: &Path,
        prefix: &str,
        above: &mut Vec<PathBuf>,
        found: &mut Vec<Piece>,
    ) -> Result<(), OmsError> {
        if above.len() > DEPTH_MAX {
            return Err(OmsError::Folder { problem: "it is nested too deeply" });
        }
        for item in fs::read_dir(dir).map_err(io_error)? {
            let item = item.map_err(io_error)?;
            let name = item.file_name();
            let name =
                name.to_str().ok_or(OmsError::Folder { problem: "a name in it is not UTF-8" })?;
            let name = format!("{prefix}{name}");
            if self.scope.ignored.contains(&name) {
                continue;
            }
            let (path, kind) = self.follow(&item)?;
            if kind.is_dir() {
                if above.contains(&path) {
                    return Err(OmsError::Folder { problem: "a link in it leads in a circle" });
                }
                above.push(path.clone());
                self.walk(&path, &format!("{name}/"), above, found)?;
                above.pop();
            } else if kind.is_file() {
                cut(name, path, kind.len(), self.scope, found);
            } else {
                return Err(OmsError::Folder { problem: "it has a link or a special file" });
            }
        }
        Ok(())
    }

    /// Returns where an entry is, and what; a link is followed if the scope says so and it stays in
    /// the folder.
    fn follow(&self, item: &fs::DirEntry) -> Result<(PathBuf, fs::Metadata), OmsError> {
        let kind = item.metadata().map_err(io_error)?;
        if !kind.is_symlink() || !self.scope.serialization.allow_symlinks {
            return Ok((item.path(), kind));
        }
        let path = fs::canonicalize(item.path())
            .map_err(|_| OmsError::Folder { problem: "a link in it leads nowhere" })?;
        if !path.starts_with(self.root) {
            return Err(OmsError::Folder { problem: "a link in it leads out of it" });
        }
        let kind = fs::metadata(&path).map_err(io_error)?;
        Ok((path, kind))
    }
}

/// Cuts a file as the serialization asks for; an empty one has no shard.
fn cut(name: String, path: PathBuf, length: u64, scope: Scope<'_>, found: &mut Vec<Piece>) {
    let Some(size) = scope.serialization.shard_size.map(NonZero::get) else {
        found.push(Piece { name, path, range: None });
        return;
    };
    let mut start = 0;
    while start < length {
        let end = length.min(start.saturating_add(size));
        let range = Some((start, end));
        found.push(Piece { name: format!("{name}:{start}:{end}"), path: path.clone(), range });
        start = end;
    }
}

/// Digests pieces on as many threads as there are processors; this thread tells the progress.
fn digest_all(pieces: &[Piece], progress: &mut dyn FnMut(u64)) -> Result<Digests, OmsError> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(THREAD_COUNT_MAX);
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let work = |tell: &mut dyn FnMut(u64)| -> Result<Vec<(String, [u8; 32])>, OmsError> {
        let mut found = Vec::new();
        let mut buffer = vec![0; READ_SIZE];
        while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut read = |length: u64| {
                tell(done.fetch_add(length, Ordering::Relaxed) + length);
            };
            let digest = digest(piece, &mut buffer, &mut read).map_err(io_error)?;
            found.push((piece.name.clone(), digest));
        }
        Ok(found)
    };
    thread::scope(|scope| {
        let helpers: Vec<_> =
            (1..threads.min(pieces.len())).map(|_| scope.spawn(|| work(&mut |_| ()))).collect();
        let mut digests: Digests = work(progress)?.into_iter().collect();
        for helper in helpers {
            let found = helper.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause));
            digests.extend(found?);
        }
        progress(done.load(Ordering::Relaxed));
        Ok(digests)
    })
}

fn digest(piece: &Piece, buffer: &mut [u8], read: &mut dyn FnMut(u64)) -> io::Result<[u8; 32]> {
    // The entry was a plain file when it was listed; it must not have become a link since.
    let mut file = OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(&piece.path)?;
    let mut left = u64::MAX;
    if let Some((start, end)) = piece.range {
        file.seek(SeekFrom::Start(start))?;
        left = end - start;
    }
    let mut file = file.take(left);
    let mut hasher = Sha256::default();
    loop {
        let length = file.read(buffer)?;
        if length == 0 {
            break;
        }
        hasher.update(&buffer[..length]);
        read(length as u64);
    }
    // A file that shrank since it was listed has other shards.
    if piece.range.is_some() && 0 < file.limit() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(hasher.finish())
}

fn io_error(source: io::Error) -> OmsError {
    OmsError::Io { source }
}

/// Deepest folder: model repositories have two or three levels.
const DEPTH_MAX: usize = 32;

/// Large enough that the calls cost nothing, and small enough that what was copied is still in the
/// cache of the core when it is hashed.
const READ_SIZE: usize = 128 << 10;

/// More threads wait for the disk.
const THREAD_COUNT_MAX: usize = 16;

/// Opening a link fails.
pub(crate) const NO_FOLLOW: i32 = OFlags::NOFOLLOW.bits() as i32;
