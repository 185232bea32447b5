//! The writes of the ledger, so that tests can make each of them fail.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use twinkeep_vault::files::{self, PRIVATE_FILE};

/// What the writer does to the disk. Each step is durable or not, and says so; after an error it
/// may have happened or not. No step is retried here.
pub(crate) trait Disk: Send {
    /// Makes a folder; it must not exist.
    fn make_dir(&mut self, path: &Path) -> io::Result<()>;

    /// Writes a file whole, over whatever was there, and syncs its content.
    ///
    /// Not atomic: used only for files that no checkpoint covers yet.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Makes the names in a folder durable.
    fn sync_dir(&mut self, path: &Path) -> io::Result<()>;

    /// Replaces a file: after a crash it has the old content or the new one.
    fn replace(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;
}

/// The real disk.
pub(crate) struct OsDisk;

impl Disk for OsDisk {
    fn make_dir(&mut self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(PRIVATE_FILE);
        let mut file = options.open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        files::sync_dir(path)
    }

    fn replace(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        files::write_atomic(path, bytes, PRIVATE_FILE)
    }
}

/// Reads a file of at most `size_max` bytes.
pub(crate) fn read_limited(path: &Path, size_max: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.len() > size_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
    }
    fs::read(path)
}
