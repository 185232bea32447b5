//! The locks for writers and for long reads, and the removal of files that no feed names.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use twinkeep_vault::files::{PRIVATE_FILE, TEMPORARY_SUFFIX};

use crate::StoreError;
use crate::error::{catalog, file};
use crate::keyring::Ring;
use crate::layout::{PARQUET_SUFFIX, READERS_LOCK, WRITER_LOCK, data_folders, file_number, path};

/// The right to write files; given back when dropped, or when the process ends in any way.
pub(crate) struct WriterLock(File);

impl Drop for WriterLock {
    fn drop(&mut self) {
        // Closing the file would not do: a process that another thread is starting right now has
        // a copy of it until it runs its own program. Unlocking holds for all copies.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

impl WriterLock {
    /// Takes the lock; `None` if another process or thread has it.
    pub(crate) fn take(dir: &Path) -> Result<Option<Self>, StoreError> {
        let lock = lock(dir, WRITER_LOCK, FlockOperation::NonBlockingLockExclusive)?;
        Ok(lock.map(Self))
    }

    /// Takes the lock, and waits a little while somebody else has it: whoever opens the store has it
    /// for a moment, and nobody is to hear of that.
    pub(crate) fn soon(dir: &Path) -> Result<Self, StoreError> {
        let begun = Instant::now();
        loop {
            match Self::take(dir)? {
                Some(lock) => return Ok(lock),
                None if WAIT_MAX < begun.elapsed() => return Err(StoreError::Busy),
                None => thread::sleep(LOOK_EVERY),
            }
        }
    }
}

/// Longer than opening a store takes, and shorter than people wait.
const WAIT_MAX: Duration = Duration::from_secs(5);

const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Keeps the files that the catalog names, and those that it names no more, until it is dropped.
pub(crate) struct ReadersLock(File);

impl Drop for ReadersLock {
    fn drop(&mut self) {
        // As that of writers.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

impl ReadersLock {
    /// Takes it with others that read; waits while files are removed.
    pub(crate) fn share(dir: &Path) -> Result<Option<Self>, StoreError> {
        Ok(lock(dir, READERS_LOCK, FlockOperation::LockShared)?.map(Self))
    }

    /// Takes it alone; `None` while somebody reads.
    fn alone(dir: &Path) -> Result<Option<Self>, StoreError> {
        Ok(lock(dir, READERS_LOCK, FlockOperation::NonBlockingLockExclusive)?.map(Self))
    }
}

/// Locks a file of the store; `None` if another process or thread has it, and nobody waits.
fn lock(dir: &Path, name: &str, how: FlockOperation) -> Result<Option<File>, StoreError> {
    let cannot = file("lock", name);
    let handle = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE_FILE)
        .open(path(dir, name))
        .map_err(&cannot)?;
    loop {
        match flock(&handle, how) {
            Ok(()) => return Ok(Some(handle)),
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(error) => return Err(cannot(error.into())),
        }
    }
}

/// Removes what an ingest left that did not come to its end, and what was replaced. The caller
/// holds the lock. While somebody reads, files stay: whoever writes next removes them.
pub(crate) fn remove_garbage(
    dir: &Path,
    connection: &Connection,
    _lock: &WriterLock,
) -> Result<(), StoreError> {
    remove_staged(connection)?;
    let Some(_alone) = ReadersLock::alone(dir)? else { return Ok(()) };
    let named = named_files(connection)?;
    for folder in data_folders() {
        let cannot = file("list", &folder);
        for entry in fs::read_dir(path(dir, &folder)).map_err(&cannot)? {
            let entry = entry.map_err(&cannot)?;
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            let ours = name.ends_with(PARQUET_SUFFIX) || name.ends_with(TEMPORARY_SUFFIX);
            if ours && !named.contains(&name) {
                fs::remove_file(entry.path()).map_err(file("remove", &name))?;
            }
        }
    }
    Ok(())
}

/// Gives numbers to new files.
pub(crate) struct FileNumbers(u64);

impl FileNumbers {
    /// Continues after every file that is named, and every one whose key was destroyed. The caller
    /// holds the lock for as long as it uses the numbers.
    pub(crate) fn after(
        connection: &Connection,
        ring: &Ring,
        _lock: &WriterLock,
    ) -> Result<Self, StoreError> {
        let named = named_files(connection)?;
        let last = named.iter().filter_map(|name| file_number(name)).max().unwrap_or(0);
        Ok(Self(ring.file_floor.max(last + 1)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0 - 1
    }
}

/// Removes what was put down of feeds that do not exist.
fn remove_staged(connection: &Connection) -> Result<(), StoreError> {
    let cannot = catalog("remove what is staged");
    let orphans = "FROM staged WHERE feed NOT IN (SELECT id FROM feeds)";
    let found: bool = connection
        .query_row(&format!("SELECT EXISTS (SELECT 1 {orphans})"), [], |row| row.get(0))
        .map_err(&cannot)?;
    if found {
        connection.execute(&format!("DELETE {orphans}"), []).map_err(cannot)?;
    }
    Ok(())
}

fn named_files(connection: &Connection) -> Result<BTreeSet<String>, StoreError> {
    let cannot = catalog("list the files");
    let mut statement = connection
        .prepare("SELECT file FROM shards UNION ALL SELECT file FROM quarantine")
        .map_err(&cannot)?;
    let names = statement.query_map([], |row| row.get(0)).map_err(&cannot)?;
    names.collect::<Result<_, _>>().map_err(cannot)
}
