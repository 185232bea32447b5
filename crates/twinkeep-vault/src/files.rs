//! Files that a crash cannot leave half written, and that only their owner can read.
//!
//! # Invariants
//!
//! - Only a regular file is ever replaced: a device, pipe, link, or folder of the name stays.

use std::fs::{self, DirBuilder, File, FileType, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt as _, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::digest::to_hex;
use crate::random_bytes;

#[cfg(test)]
mod tests;

/// The mode of every file of a keep that is not public.
pub const PRIVATE_FILE: u32 = 0o600;

/// The mode of public keys and certificates.
pub const PUBLIC_FILE: u32 = 0o644;

/// Replaces the file at `path`: temporary file, `fsync`, rename, `fsync` of the folder.
///
/// After a crash the file has either its old content or the new one.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut pending = PendingFile::create(path, mode)?;
    pending.write_all(bytes)?;
    pending.commit()
}

/// Makes a folder, and those above it, that only the owner may enter.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes the entries of a folder to the disk, so that a rename in it survives a power cut.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Returns the mode bits of a file that let somebody other than its owner in; 0 if none do.
pub fn open_to_others(path: &Path) -> io::Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077)
}

/// A file that appears under its name only when it is complete.
pub struct PendingFile {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    committed: bool,
}

impl PendingFile {
    /// Opens a temporary file beside `path`, where there is nothing yet or a regular file.
    pub fn create(path: &Path, mode: u32) -> io::Result<Self> {
        check_target(path)?;
        let suffix: [u8; 6] = random_bytes();
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}{TEMPORARY_SUFFIX}", to_hex(&suffix)));
        let temporary = path.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        Ok(Self { file, temporary, path: path.to_path_buf(), committed: false })
    }

    /// Makes what was written durable and gives the file its name.
    pub fn commit(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        // Hours may have passed since the file was opened.
        check_target(&self.path)?;
        fs::rename(&self.temporary, &self.path)?;
        self.committed = true;
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
            _ => sync_dir(Path::new(".")),
        }
    }
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        if !self.committed {
            // Nothing depends on it: leftovers are also removed when a keep is opened.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Refuses to replace what is not a regular file.
fn check_target(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(metadata) => {
            let what = name_of(metadata.file_type());
            let message = format!("the target is {what}, not a regular file");
            Err(io::Error::new(io::ErrorKind::AlreadyExists, message))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Says what something is that is not a regular file.
fn name_of(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// Ends the names of temporary files; whoever opens a folder of the keep may remove them.
pub const TEMPORARY_SUFFIX: &str = ".part";
