//! Files that a crash cannot leave half written, and that only their owner can read.
//!
//! Paths come from people and other programs, so what is behind one is looked at first.
//!
//! # Invariants
//!
//! - Only a regular file is ever replaced: a device, pipe, link, or folder of the name stays.
//! - [`read_bounded`] neither waits nor reads without end, whatever the path leads to.

use std::fs::{self, DirBuilder, File, FileType, OpenOptions};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt as _, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::digest::{Sha256, to_hex};
use crate::{SecretBytes, random_bytes};

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

/// Reads a regular file of at most `size_max` bytes; a longer one is
/// [`FileTooLarge`](io::ErrorKind::FileTooLarge).
///
/// A link is followed. A pipe, device, or folder is refused at once, as
/// [`InvalidInput`](io::ErrorKind::InvalidInput).
pub fn read_bounded(path: &Path, size_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // The size that the system gives may be another one by the time of reading.
    open_regular(path)?.take(size_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if size_max < bytes.len() as u64 {
        return Err(too_large(size_max));
    }
    Ok(bytes)
}

/// As [`read_bounded`], for secrets of at most 1 MiB. Room for `size_max` bytes is taken at once:
/// if it grew while it is filled, copies would stay behind.
pub fn read_secret_bounded(path: &Path, size_max: u64) -> io::Result<SecretBytes> {
    if SECRET_SIZE_MAX < size_max {
        let message = "there is no room for so large a secret";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let mut file = open_regular(path)?;
    // One byte more, to notice that a file is too long.
    let room = size_max as usize + 1;
    let mut secret = SecretBytes::zeroed(room);
    let mut length = 0;
    loop {
        match file.read(&mut secret.expose_mut()[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if length == room {
        return Err(too_large(size_max));
    }
    secret.truncate(length);
    Ok(secret)
}

/// Copies a file and makes the copy durable; returns its SHA-256.
pub fn copy_file(from: &Path, to: &Path, mode: u32) -> io::Result<[u8; 32]> {
    let mut input = open_closed(from)?;
    let mut output = PendingFile::create(to, mode)?;
    let digest = digest_of(&mut input, &mut output)?;
    output.commit()?;
    Ok(digest)
}

/// Returns the SHA-256 of a file, however large it is.
pub fn digest_file(path: &Path) -> io::Result<[u8; 32]> {
    digest_of(&mut open_closed(path)?, &mut io::sink())
}

/// As [`digest_file`], of a file of at most `size_max` bytes; a longer one is
/// [`FileTooLarge`](io::ErrorKind::FileTooLarge) before anything of it is read.
pub fn digest_bounded(path: &Path, size_max: u64) -> io::Result<[u8; 32]> {
    let file = open_closed(path)?;
    if size_max < file.metadata()?.len() {
        return Err(too_large(size_max));
    }
    // It may grow while it is read.
    digest_of(&mut file.take(size_max), &mut io::sink())
}

/// Hands everything on, and digests it.
fn digest_of(input: &mut dyn io::Read, output: &mut dyn Write) -> io::Result<[u8; 32]> {
    let mut digest = Sha256::default();
    let mut buffer = vec![0; BUFFER_LEN];
    loop {
        let count = match input.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        if count == 0 {
            return Ok(digest.finish());
        }
        let bytes = &buffer[..count];
        digest.update(bytes);
        output.write_all(bytes)?;
    }
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

/// Opens a regular file for reading, without waiting for anybody to open the other end of a pipe.
fn open_regular(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(NO_WAIT).open(path)?;
    let kind = file.metadata()?.file_type();
    if !kind.is_file() {
        let message = format!("this is {}, not a regular file", name_of(kind));
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(file)
}

/// The same, where the owner took away all rights, as from what is in quarantine: we give ourselves
/// the right to read for the moment in which it is opened.
fn open_closed(path: &Path) -> io::Result<File> {
    let error = match open_regular(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => error,
        opened => return opened,
    };
    let found = fs::symlink_metadata(path)?;
    if !found.is_file() || found.permissions().mode() & 0o777 != 0 {
        return Err(error);
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o400)).map_err(|_| error)?;
    let opened = open_regular(path);
    fs::set_permissions(path, fs::Permissions::from_mode(0o000))?;
    opened
}

fn too_large(size_max: u64) -> io::Error {
    let message = format!("the file has more than {size_max} bytes");
    io::Error::new(io::ErrorKind::FileTooLarge, message)
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

/// Far more than any key or passphrase has, and little enough to take at once.
const SECRET_SIZE_MAX: u64 = 1 << 20;

/// Opening a pipe does not wait, and opening a terminal does not make it the program's own.
const NO_WAIT: i32 = OFlags::NONBLOCK.union(OFlags::NOCTTY).bits() as i32;

/// Ends the names of temporary files; whoever opens a folder of the keep may remove them.
pub const TEMPORARY_SUFFIX: &str = ".part";

/// Large enough that the calls do not matter.
const BUFFER_LEN: usize = 1 << 20;
