//! The digests of all files of a folder, read as a stream.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;
use twinkeep_vault::digest::Sha256;

use super::{Digests, OmsError};

/// Returns the digests of the files of `dir`, without the `ignored` paths and what is under them.
///
/// A link, a device, or a name that is not UTF-8 is an error, unless it is ignored.
pub(super) fn digests(dir: &Path, ignored: &[String]) -> Result<Digests, OmsError> {
    let mut found = Digests::new();
    walk(dir, "", ignored, 0, &mut found)?;
    Ok(found)
}

fn walk(
    dir: &Path,
    prefix: &str,
    ignored: &[String],
    depth: usize,
    found: &mut Digests,
) -> Result<(), OmsError> {
    if depth > DEPTH_MAX {
        return Err(OmsError::Folder { problem: "it is nested too deeply" });
    }
    for item in fs::read_dir(dir).map_err(io_error)? {
        let item = item.map_err(io_error)?;
        let name = item.file_name();
        let name =
            name.to_str().ok_or(OmsError::Folder { problem: "a name in it is not UTF-8" })?;
        let path = format!("{prefix}{name}");
        if ignored.contains(&path) {
            continue;
        }
        let kind = item.file_type().map_err(io_error)?;
        if kind.is_dir() {
            walk(&item.path(), &format!("{path}/"), ignored, depth + 1, found)?;
        } else if kind.is_file() {
            found.insert(path, digest(&item.path()).map_err(io_error)?);
        } else {
            return Err(OmsError::Folder { problem: "it has a link or a special file" });
        }
    }
    Ok(())
}

fn digest(path: &Path) -> io::Result<[u8; 32]> {
    // The entry was a plain file when it was listed; it must not have become a link since.
    let mut file = OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(path)?;
    let mut hasher = Sha256::default();
    let mut buffer = vec![0; READ_SIZE];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&buffer[..length]);
    }
}

fn io_error(source: io::Error) -> OmsError {
    OmsError::Io { source }
}

/// Deepest folder: model repositories have two or three levels.
const DEPTH_MAX: usize = 32;

/// Large enough that reading costs nothing beside hashing.
const READ_SIZE: usize = 1 << 20;

/// Opening a link fails.
pub(crate) const NO_FOLLOW: i32 = OFlags::NOFOLLOW.bits() as i32;
