//! The writes of the ledger, so that tests can make each of them fail.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use twinkeep_vault::files::{self, PRIVATE_FILE, TEMPORARY_SUFFIX};

/// What the writer does to the disk. After an error a step may have happened or not; no step is
/// retried here.
pub(crate) trait Disk: Send {
    /// Makes a folder; it must not exist.
    fn make_dir(&mut self, path: &Path) -> io::Result<()>;

    /// Writes a file whole; whoever reads it meanwhile gets the old content or the new one.
    /// Neither its name nor its content is durable yet.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// As [`Disk::write`], and durable: the content before the name.
    fn write_durably(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Writes into a file that is there, beginning at `offset`. Not durable yet, and not atomic.
    fn write_at(&mut self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes the content of files that were written here, and the names in folders, durable.
    fn sync(&mut self, files: &[PathBuf], folders: &[PathBuf]) -> io::Result<()>;

    /// Makes everything below a folder durable that anybody wrote: slow, for repairs.
    fn sync_everything(&mut self, dir: &Path) -> io::Result<()>;

    /// Removes a file. Not durable, and no harm if it fails.
    fn remove(&mut self, path: &Path);
}

/// The real disk.
#[derive(Default)]
pub(crate) struct OsDisk {
    /// What was written and not synced, still open: the system tells of a page that it could not
    /// write to those who had the file open.
    written: BTreeMap<PathBuf, File>,
}

impl Disk for OsDisk {
    fn make_dir(&mut self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut name = path.as_os_str().to_os_string();
        name.push(TEMPORARY_SUFFIX);
        // Only one process writes at a time, so one name is enough; a leftover is written over.
        let temporary = PathBuf::from(name);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(PRIVATE_FILE);
        let mut file = options.open(&temporary)?;
        file.write_all(bytes)?;
        fs::rename(&temporary, path)?;
        self.written.insert(path.to_path_buf(), file);
        Ok(())
    }

    fn write_durably(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        files::write_atomic(path, bytes, PRIVATE_FILE)
    }

    fn write_at(&mut self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.write_all_at(bytes, offset)?;
        self.written.insert(path.to_path_buf(), file);
        Ok(())
    }

    /// The syncs wait side by side: a disk that takes 5 ms for one takes about as long for
    /// several at once, since the file system commits them together.
    fn sync(&mut self, files: &[PathBuf], folders: &[PathBuf]) -> io::Result<()> {
        let mut pending = Vec::with_capacity(files.len() + folders.len());
        for path in files {
            let written = self.written.remove(path);
            pending.push(written.map_or_else(|| File::open(path), Ok)?);
        }
        for folder in folders {
            pending.push(File::open(folder)?);
        }
        if let [only] = pending.as_slice() {
            return only.sync_data();
        }
        pending.chunks(SYNCS_AT_ONCE).try_for_each(sync_together)
    }

    fn sync_everything(&mut self, dir: &Path) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(dir)?)?)
    }

    fn remove(&mut self, path: &Path) {
        self.written.remove(path);
        let _ = fs::remove_file(path);
    }
}

/// Waits for every sync, and tells the first failure.
fn sync_together(files: &[File]) -> io::Result<()> {
    std::thread::scope(|scope| {
        let syncs = files.iter().map(|file| scope.spawn(|| file.sync_data()));
        let syncs: Vec<_> = syncs.collect();
        let stopped = || io::Error::other("a sync stopped");
        let joined = syncs.into_iter().map(|sync| sync.join().unwrap_or_else(|_| Err(stopped())));
        joined.fold(Ok(()), io::Result::and)
    })
}

/// Reads a file of at most `size_max` bytes.
pub(crate) fn read_limited(path: &Path, size_max: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.len() > size_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
    }
    fs::read(path)
}

/// Each waits in a thread of its own; more would not make the disk faster.
const SYNCS_AT_ONCE: usize = 32;
