//! The writes of the ledger, so that tests can make each of them fail.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use twinkeep_vault::files::{self, PRIVATE_FILE, TEMPORARY_SUFFIX};

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

    /// Writes several files and syncs them and these folders, in any order: nothing refers to
    /// them before all of it is durable.
    fn write_group(&mut self, group: &[(PathBuf, &[u8])], folders: &[PathBuf]) -> io::Result<()> {
        group.iter().try_for_each(|(path, bytes)| self.write(path, bytes))?;
        folders.iter().try_for_each(|folder| self.sync_dir(folder))
    }

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
        write_unsynced(path, bytes)?.sync_all()
    }

    /// The syncs of a group wait side by side: a disk that takes 5 ms for one takes about as long
    /// for four at once, since the file system commits them together.
    fn write_group(&mut self, group: &[(PathBuf, &[u8])], folders: &[PathBuf]) -> io::Result<()> {
        let mut pending = Vec::with_capacity(group.len() + folders.len());
        for (path, bytes) in group {
            pending.push(write_unsynced(path, bytes)?);
        }
        for folder in folders {
            pending.push(File::open(folder)?);
        }
        std::thread::scope(|scope| {
            let syncs = pending.iter().skip(1).map(|file| scope.spawn(|| file.sync_all()));
            let syncs: Vec<_> = syncs.collect();
            let first = pending.first().map_or(Ok(()), File::sync_all);
            let stopped = || io::Error::other("a sync stopped");
            let joined =
                syncs.into_iter().map(|sync| sync.join().unwrap_or_else(|_| Err(stopped())));
            // Every sync is waited for, and the first failure is told.
            joined.fold(first, io::Result::and)
        })
    }

    fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        files::sync_dir(path)
    }

    fn replace(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        files::write_atomic(path, bytes, PRIVATE_FILE)
    }
}

/// A file that is there already may be read now, so the new one takes its name when it is whole.
fn write_unsynced(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut name = path.as_os_str().to_os_string();
    name.push(TEMPORARY_SUFFIX);
    // Only one process writes at a time, so one name is enough; a leftover is written over.
    let temporary = PathBuf::from(name);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(PRIVATE_FILE);
    let mut file = options.open(&temporary)?;
    file.write_all(bytes)?;
    fs::rename(&temporary, path)?;
    Ok(file)
}

/// Reads a file of at most `size_max` bytes.
pub(crate) fn read_limited(path: &Path, size_max: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.len() > size_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
    }
    fs::read(path)
}
