//! The writes of the ledger, so that tests can make each of them fail.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{TryRecvError, sync_channel};
use std::thread;

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

    /// As [`Disk::sync`], but nobody waits for it here. If it succeeds, the folders in `leftovers`
    /// are removed with all that is in them: not durable, and no harm if it fails.
    fn begin_sync(
        &mut self,
        files: &[PathBuf],
        folders: &[PathBuf],
        leftovers: Vec<PathBuf>,
    ) -> io::Result<Pending>;

    /// Makes everything below a folder durable that anybody wrote: slow, for repairs.
    fn sync_everything(&mut self, dir: &Path) -> io::Result<()>;

    /// Removes a file. Not durable, and no harm if it fails.
    fn remove(&mut self, path: &Path);
}

/// A sync that is under way.
pub(crate) struct Pending(Box<dyn FnMut(Patience) -> Option<io::Result<()>> + Send>);

/// Whether somebody waits for what is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    Look,
    Wait,
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}

impl Pending {
    pub(crate) fn new(
        ask: impl FnMut(Patience) -> Option<io::Result<()>> + Send + 'static,
    ) -> Self {
        Self(Box::new(ask))
    }

    /// Returns how it ended; `None` if it has not, and nobody waits.
    pub(crate) fn outcome(&mut self, patience: Patience) -> Option<io::Result<()>> {
        (self.0)(patience)
    }
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
        sync_all(&self.open_files(files, folders)?)
    }

    fn begin_sync(
        &mut self,
        files: &[PathBuf],
        folders: &[PathBuf],
        leftovers: Vec<PathBuf>,
    ) -> io::Result<Pending> {
        let files = self.open_files(files, folders)?;
        let (sender, receiver) = sync_channel(1);
        let work = move || {
            let outcome = sync_all(&files);
            if outcome.is_ok() {
                leftovers.iter().for_each(|folder| drop(fs::remove_dir_all(folder)));
            }
            // Nobody hears it any more where the folder was read anew meanwhile.
            let _ = sender.send(outcome);
        };
        thread::Builder::new().name("ledger-sync".to_owned()).spawn(work)?;
        let stopped = || Some(Err(io::Error::other("a sync stopped")));
        Ok(Pending::new(move |patience| match patience {
            Patience::Wait => receiver.recv().map_or_else(|_| stopped(), Some),
            Patience::Look => match receiver.try_recv() {
                Ok(outcome) => Some(outcome),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => stopped(),
            },
        }))
    }

    fn sync_everything(&mut self, dir: &Path) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(dir)?)?)
    }

    fn remove(&mut self, path: &Path) {
        self.written.remove(path);
        let _ = fs::remove_file(path);
    }
}

impl OsDisk {
    /// Returns what is to be synced, open.
    fn open_files(&mut self, files: &[PathBuf], folders: &[PathBuf]) -> io::Result<Vec<File>> {
        let mut open = Vec::with_capacity(files.len() + folders.len());
        for path in files {
            let written = self.written.remove(path);
            open.push(written.map_or_else(|| File::open(path), Ok)?);
        }
        for folder in folders {
            open.push(File::open(folder)?);
        }
        Ok(open)
    }
}

fn sync_all(files: &[File]) -> io::Result<()> {
    match files {
        [only] => only.sync_data(),
        files => files.chunks(SYNCS_AT_ONCE).try_for_each(sync_together),
    }
}

/// Waits for every sync, and tells the first failure.
fn sync_together(files: &[File]) -> io::Result<()> {
    thread::scope(|scope| {
        let syncs = files.iter().map(|file| scope.spawn(|| file.sync_data()));
        let syncs: Vec<_> = syncs.collect();
        let stopped = || io::Error::other("a sync stopped");
        let joined = syncs.into_iter().map(|sync| sync.join().unwrap_or_else(|_| Err(stopped())));
        joined.fold(Ok(()), io::Result::and)
    })
}

/// Reads a file of at most `size_max` bytes.
pub(crate) fn read_limited(path: &Path, size_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(READ_SIZE);
    File::open(path)?.take(size_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > size_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
    }
    Ok(bytes)
}

/// A checkpoint, in one go.
const READ_SIZE: usize = 4096;

/// Each waits in a thread of its own; more would not make the disk faster.
const SYNCS_AT_ONCE: usize = 32;
