//! The writer: appends one batch to the files, in steps that a crash may interrupt anywhere.
//!
//! # Life of a batch
//!
//! 1. Lock the folder, so that a server and a command do not write at once.
//! 2. Read the checkpoint. If another process moved it, check that it continues what we knew.
//! 3. Write the new tiles and bundles: no checkpoint covers them yet.
//! 4. Sync them, and the folders that got new names, side by side.
//! 5. Replace the checkpoint: the batch is in the ledger from here on.
//! 6. Remove the partial tiles that wider ones replace.
//!
//! # Invariants
//!
//! - A failure before step 5 leaves the old checkpoint, and the files beyond it are overwritten
//!   by the next batch.
//! - A failure in step 5 leaves one of the two checkpoints; which, the next batch finds out.
//! - After a failure nothing in memory is trusted: the next batch reads the folder again.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use twinkeep_vault::files::PRIVATE_FILE;
use twinkeep_vault::sign::{SigningKey, VerifyingKey};

use crate::disk::Disk;
use crate::edge::{Edge, TileFile};
use crate::tile::TileId;
use crate::view::{CHECKPOINT_FILE, Tiles, View, read_checkpoint};
use crate::{Checkpoint, LedgerError, SignedCheckpoint};

#[cfg(test)]
mod tests;

/// The only one in this process who writes to a ledger.
pub(crate) struct Writer {
    dir: PathBuf,
    origin: String,
    key: SigningKey,
    verifying_key: VerifyingKey,
    disk: Box<dyn Disk>,
    lock: File,
    /// What the folder must continue.
    known: Checkpoint,
    state: Option<State>,
    /// Folders whose own names this writer has synced.
    durable: BTreeSet<PathBuf>,
}

/// The folder as we last saw or left it.
struct State {
    note: Vec<u8>,
    edge: Edge,
}

impl Writer {
    /// Writes the first checkpoint of an empty ledger; refuses a folder that has one.
    pub(crate) fn create(
        dir: &Path,
        origin: &str,
        key: &SigningKey,
        disk: &mut dyn Disk,
    ) -> Result<SignedCheckpoint, LedgerError> {
        let lock = open_lock(dir)?;
        let _guard = Guard::lock(&lock)?;
        if dir.join(CHECKPOINT_FILE).exists() {
            return Err(LedgerError::Exists);
        }
        let signed = Checkpoint::empty().sign(origin, key);
        disk.replace(&dir.join(CHECKPOINT_FILE), signed.note.as_bytes())
            .map_err(|source| LedgerError::io("write the ledger's first checkpoint", source))?;
        Ok(signed)
    }

    /// Opens the ledger in `dir`; it must continue `trusted`.
    pub(crate) fn open(
        dir: &Path,
        origin: &str,
        key: SigningKey,
        trusted: Option<Checkpoint>,
        disk: Box<dyn Disk>,
    ) -> Result<Self, LedgerError> {
        let mut writer = Self {
            dir: dir.to_path_buf(),
            origin: origin.to_owned(),
            verifying_key: key.verifying_key(),
            key,
            disk,
            lock: open_lock(dir)?,
            known: trusted.unwrap_or_else(Checkpoint::empty),
            state: None,
            durable: BTreeSet::new(),
        };
        let lock = clone_lock(&writer.lock)?;
        let _guard = Guard::lock(&lock)?;
        writer.state = Some(writer.refresh(None)?);
        Ok(writer)
    }

    /// Appends `entries` and returns the index of the first and the checkpoint that covers them.
    pub(crate) fn commit(
        &mut self,
        entries: &[Vec<u8>],
    ) -> Result<(u64, SignedCheckpoint), LedgerError> {
        let lock = clone_lock(&self.lock)?;
        let _guard = Guard::lock(&lock)?;
        // Taken out: an early return leaves nothing in memory to be trusted.
        let seen = self.state.take();
        let State { note, mut edge } = self.refresh(seen)?;
        let first = edge.size();
        if entries.is_empty() {
            let signed = SignedCheckpoint::parse(&note, &self.origin, &self.verifying_key)?;
            self.state = Some(State { note, edge });
            return Ok((first, signed));
        }
        let replaced = edge.partial_ids();
        let files = edge.append(entries);
        self.write_tiles(&files)?;
        let signed = edge.checkpoint().sign(&self.origin, &self.key);
        self.disk
            .replace(&self.dir.join(CHECKPOINT_FILE), signed.note.as_bytes())
            .map_err(|source| LedgerError::io("replace the ledger's checkpoint", source))?;
        self.remove_replaced(&replaced, &files);
        self.known = signed.checkpoint;
        self.state = Some(State { note: signed.note.clone().into_bytes(), edge });
        Ok((first, signed))
    }

    /// Returns the state of the folder: `seen` if nobody moved it, else read and checked anew.
    fn refresh(&mut self, seen: Option<State>) -> Result<State, LedgerError> {
        let note = read_checkpoint(&self.dir)?;
        if let Some(state) = seen.filter(|state| state.note == note) {
            return Ok(state);
        }
        let view = View::open(&self.dir, &self.origin, &self.verifying_key)?;
        let checkpoint = view.checkpoint().checkpoint;
        view.consistency_proof(&self.known)?;
        let mut tiles = Tiles::new(&self.dir, checkpoint.size);
        let edge = Edge::load(&mut tiles, &checkpoint)?;
        self.known = checkpoint;
        Ok(State { note, edge })
    }

    fn write_tiles(&mut self, files: &[TileFile]) -> Result<(), LedgerError> {
        let mut folders = BTreeSet::new();
        let mut group = Vec::with_capacity(files.len());
        for file in files {
            let target = self.dir.join(file.id.path());
            self.make_parents(&target, &mut folders)?;
            group.push((target, file.bytes.as_slice()));
        }
        let folders: Vec<PathBuf> = folders.into_iter().collect();
        self.disk
            .write_group(&group, &folders)
            .map_err(|source| LedgerError::io("write a batch of audit entries", source))?;
        self.note_durable(files);
        Ok(())
    }

    /// Makes the folders above `target`, and notes every folder that gets a new name.
    ///
    /// A folder that is there may be one that a stopped process made and never synced, so the
    /// folder above it is synced once by each writer.
    fn make_parents(
        &mut self,
        target: &Path,
        folders: &mut BTreeSet<PathBuf>,
    ) -> Result<(), LedgerError> {
        let above = target.ancestors().skip(1).take_while(|folder| *folder != self.dir);
        let above: Vec<&Path> = above.collect();
        for folder in above.iter().rev() {
            if !folder.is_dir() {
                self.disk
                    .make_dir(folder)
                    .map_err(|source| LedgerError::io("make a folder of the ledger", source))?;
                self.durable.remove(*folder);
            }
            if !self.durable.contains(*folder) {
                folders.extend(folder.parent().map(Path::to_path_buf));
            }
        }
        folders.extend(target.parent().map(Path::to_path_buf));
        Ok(())
    }

    /// Notes that the folders above `files` have durable names.
    fn note_durable(&mut self, files: &[TileFile]) {
        if self.durable.len() > DURABLE_COUNT_MAX {
            self.durable.clear();
        }
        for file in files {
            let target = self.dir.join(file.id.path());
            let above = target.ancestors().skip(1).take_while(|folder| *folder != self.dir);
            self.durable.extend(above.map(Path::to_path_buf));
        }
    }

    /// Removes what no checkpoint on disk refers to any more. A leftover does no harm.
    fn remove_replaced(&self, replaced: &[TileId], files: &[TileFile]) {
        let written: BTreeSet<String> = files.iter().map(|file| file.id.path()).collect();
        for id in replaced {
            let grew =
                files.iter().any(|file| file.id.kind == id.kind && file.id.index == id.index);
            if grew && !written.contains(&id.path()) {
                let path = self.dir.join(id.path());
                let _ = fs::remove_file(&path);
                // Succeeds only when the last partial tile is gone: the full one is there.
                let _ = path.parent().map(fs::remove_dir);
            }
        }
    }
}

/// Holds the lock on the folder until it is dropped.
struct Guard<'a>(&'a File);

impl<'a> Guard<'a> {
    fn lock(file: &'a File) -> Result<Self, LedgerError> {
        flock(file, FlockOperation::LockExclusive)
            .map_err(|source| LedgerError::io("lock the ledger", source.into()))?;
        Ok(Self(file))
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        // The system releases the lock with the file in any case.
        let _ = flock(self.0, FlockOperation::Unlock);
    }
}

fn open_lock(dir: &Path) -> Result<File, LedgerError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(PRIVATE_FILE);
    options
        .open(dir.join(LOCK_FILE))
        .map_err(|source| LedgerError::io("open the ledger's lock", source))
}

fn clone_lock(lock: &File) -> Result<File, LedgerError> {
    lock.try_clone().map_err(|source| LedgerError::io("open the ledger's lock", source))
}

/// Most folders that are remembered as durable, some 100 KiB; forgetting one costs one sync.
const DURABLE_COUNT_MAX: usize = 1024;

/// Names the file whose lock says who may write.
const LOCK_FILE: &str = "lock";
