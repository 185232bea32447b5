//! The folder of a ledger, as whoever writes to it sees it: what is durable, what only the journal
//! makes durable, and how the one becomes the other.
//!
//! A *settled* ledger is tiles and a checkpoint, all durable, and an empty journal. Batches unsettle
//! it: their records are durable, their tiles and checkpoint are written, and no sync waits for
//! these. Settling (`settle.rs`) syncs them, and then empties the journal. A full journal settles
//! behind the batches that go into the other one.
//!
//! # Invariants
//!
//! - Partial tiles of the settled state stay until the next one is durable: the journal goes on
//!   from them.
//! - A journal is emptied after all that it covers is durable, and nothing is written to it before
//!   its emptiness is.
//! - Files of the tree beyond what is signed are removed before the next batch: a reader who looks
//!   for a tile takes a wider one.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use twinkeep_vault::files::PRIVATE_FILE;
use twinkeep_vault::sign::VerifyingKey;

use crate::disk::Disk;
use crate::edge::{Edge, TileFile};
use crate::journal::{History, JOURNAL_FILES, Journals, Replayed};
use crate::settle::Behind;
use crate::tile::{TILE_WIDTH, TileId};
use crate::view::{CHECKPOINT_FILE, Tiles, View, read_checkpoint};
use crate::{Checkpoint, LedgerError, SignedCheckpoint};

/// A ledger's folder, and the right to write to it while it is locked.
pub(crate) struct Folder {
    pub(crate) dir: PathBuf,
    pub(crate) origin: String,
    pub(crate) verifying_key: VerifyingKey,
    pub(crate) disk: Box<dyn Disk>,
    pub(crate) limits: Limits,
    lock: File,
    /// What the folder must continue.
    pub(crate) known: Checkpoint,
    /// Whether the folder was read here before.
    opened: bool,
    /// Folders whose own names were synced here.
    durable: BTreeSet<PathBuf>,
}

/// When batches have to settle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Length of the journal.
    pub(crate) journal: u64,
    /// Most files of the tree that wait for their sync, and are open meanwhile.
    pub(crate) unsettled: usize,
}

/// The folder as we last saw or left it.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) note: Vec<u8>,
    pub(crate) edge: Edge,
    /// Which journal takes records.
    pub(crate) turn: usize,
    /// How far it is filled.
    pub(crate) journal: u64,
    /// The partial tiles that it goes on from.
    pub(crate) base: Vec<TileId>,
    /// Written since, and not synced.
    pub(crate) unsettled: BTreeSet<TileId>,
    /// Those with new names.
    pub(crate) folders: BTreeSet<PathBuf>,
    /// The other journal, if it is not empty.
    pub(crate) behind: Option<Behind>,
}

impl State {
    /// A ledger without entries.
    pub(crate) fn empty(note: &str) -> Self {
        Self { note: note.as_bytes().to_vec(), ..Self::default() }
    }

    /// Returns whether the journal holds what nothing else makes durable.
    pub(crate) fn is_settled(&self) -> bool {
        self.journal == 0 && self.unsettled.is_empty() && self.behind.is_none()
    }

    pub(crate) fn unsettled_count(&self) -> usize {
        self.unsettled.len()
    }
}

impl Folder {
    pub(crate) fn new(
        dir: &Path,
        origin: &str,
        verifying_key: VerifyingKey,
        disk: Box<dyn Disk>,
        limits: Limits,
    ) -> Result<Self, LedgerError> {
        Ok(Self {
            dir: dir.to_path_buf(),
            origin: origin.to_owned(),
            verifying_key,
            disk,
            limits,
            lock: open_lock(dir)?,
            known: Checkpoint::empty(),
            opened: false,
            durable: BTreeSet::new(),
        })
    }

    /// Waits until nobody else writes, and keeps others from it until the guard is dropped.
    pub(crate) fn lock(&self) -> Result<Guard, LedgerError> {
        let lock = self.lock.try_clone();
        let lock = lock.map_err(|source| LedgerError::io("open the ledger's lock", source))?;
        Guard::take(lock, FlockOperation::LockExclusive)
    }

    /// Returns the state of the folder: `seen` if nobody moved it, else read and checked anew.
    pub(crate) fn refresh(&mut self, seen: Option<State>) -> Result<State, LedgerError> {
        // What failed here may lie in the system's cache as if it were written.
        let doubtful = seen.as_ref().is_none_or(|state| state.behind.is_some());
        if let Some(state) = seen
            && read_checkpoint(&self.dir)? == state.note
            && self.journal_ends_at(state.turn, state.journal)
            && self.journal_ends_at(1 - state.turn, state.behind.as_ref().map_or(0, Behind::filled))
        {
            return Ok(state);
        }
        let journals = Journals::read(&self.dir)?;
        let signed = read_checkpoint(&self.dir)
            .and_then(|note| SignedCheckpoint::parse(&note, &self.origin, &self.verifying_key));
        let history = journals.history(&self.origin, &self.verifying_key)?;
        let state = match (&history.end, signed) {
            (Some(end), Ok(signed)) if end.checkpoint.size < signed.checkpoint.size => {
                self.take_checkpoint(&journals)?
            }
            (Some(end), signed) => self.replay(&history, end, signed.ok())?,
            (None, signed) => signed.and_then(|_| self.take_checkpoint(&journals))?,
        };
        self.continue_known(&state)?;
        self.prepare_journals(&journals, doubtful && self.opened)?;
        self.make_certain(&state)?;
        self.remove_beyond(&state.edge);
        Ok(state)
    }

    /// Returns whether a journal has records up to `offset`, and none from there on.
    fn journal_ends_at(&self, turn: usize, offset: u64) -> bool {
        let mut first = [0; 1];
        let mut next = [0; 1];
        let read = File::open(self.journal_path(turn)).and_then(|file| {
            file.read_exact_at(&mut first, 0)?;
            // Nothing can be read behind the last byte of a full one.
            file.read_at(&mut next, offset)
        });
        read.is_ok() && next == [0] && (0 < offset) == (first != [0])
    }

    pub(crate) fn journal_path(&self, turn: usize) -> PathBuf {
        self.dir.join(JOURNAL_FILES[turn % JOURNAL_FILES.len()])
    }

    /// Takes the checkpoint for what holds, because the journals do not go as far: they were empty,
    /// or somebody stopped while emptying them.
    fn take_checkpoint(&mut self, journals: &Journals) -> Result<State, LedgerError> {
        let view = View::open(&self.dir, &self.origin, &self.verifying_key)?;
        view.consistency_proof(&self.known)?;
        let SignedCheckpoint { checkpoint, note } = view.checkpoint().clone();
        let edge = Edge::load(&mut Tiles::new(&self.dir, checkpoint.size), &checkpoint)?;
        if !journals.is_empty() {
            self.sync_everything()?;
        }
        let base = edge.partial_ids();
        Ok(State { note: note.into_bytes(), edge, base, ..State::default() })
    }

    /// What an emptied journal covered is durable if nobody meddled; in case somebody did:
    fn sync_everything(&mut self) -> Result<(), LedgerError> {
        self.disk
            .sync_everything(&self.dir)
            .map_err(|source| LedgerError::io("sync the ledger's folder", source))
    }

    /// Finishes what the journals hold.
    fn replay(
        &mut self,
        history: &History<'_>,
        end: &SignedCheckpoint,
        signed: Option<SignedCheckpoint>,
    ) -> Result<State, LedgerError> {
        let replayed = history.replay(&self.dir, &self.origin, &self.verifying_key)?;
        let Some(Replayed { edge, base, ends, files }) = replayed else {
            return Err(LedgerError::RootChanged { size: end.checkpoint.size });
        };
        let other = signed.map(|signed| signed.checkpoint).filter(|signed| !ends.contains(signed));
        let before = ends.first().map_or(0, |first| first.size);
        if let Some(Checkpoint { size, .. }) = other.filter(|other| before <= other.size) {
            return Err(LedgerError::Rewritten { size });
        }
        if !history.whole {
            self.sync_everything()?;
        }
        let note = end.note.clone().into_bytes();
        let mut state = State { note, edge, base, ..State::default() };
        self.write_tiles(&mut state, &files)?;
        self.settle(&mut state)?;
        Ok(state)
    }

    /// Refuses a folder that does not continue what is known.
    fn continue_known(&mut self, state: &State) -> Result<(), LedgerError> {
        let view = View::open(&self.dir, &self.origin, &self.verifying_key)?;
        view.consistency_proof(&self.known)?;
        self.known = state.edge.checkpoint();
        Ok(())
    }

    /// Makes the journals, or empties them. One that is empty may have been emptied by somebody
    /// who was stopped before the sync, or whose sync failed.
    fn prepare_journals(&mut self, journals: &Journals, doubtful: bool) -> Result<(), LedgerError> {
        let length = self.limits.journal;
        for (turn, (_, journal)) in journals.named().enumerate() {
            if journal.length == Some(length) {
                if doubtful || !journal.is_empty() {
                    self.write_zeros(turn, length)?;
                }
                self.sync_journal(turn)?;
            } else {
                self.disk
                    .write_durably(&self.journal_path(turn), &vec![0; length as usize])
                    .map_err(|source| LedgerError::io("make the ledger's journal", source))?;
            }
        }
        Ok(())
    }

    /// Makes what was found durable: whoever wrote it may have been stopped before its sync. What
    /// was written in this process may be what a failed sync left, which no second one writes.
    fn make_certain(&mut self, state: &State) -> Result<(), LedgerError> {
        if std::mem::replace(&mut self.opened, true) {
            return self.write_checkpoint_durably(&state.note);
        }
        let checkpoint = self.dir.join(CHECKPOINT_FILE);
        self.disk
            .sync(&[checkpoint], std::slice::from_ref(&self.dir))
            .map_err(|source| LedgerError::io("sync the ledger", source))
    }

    /// Adds a record to the journal, and makes it durable.
    pub(crate) fn write_record(
        &mut self,
        state: &mut State,
        record: &[u8],
    ) -> Result<(), LedgerError> {
        let path = self.journal_path(state.turn);
        let written = self.disk.write_at(&path, state.journal, record);
        if let Err(source) = written.and_then(|()| self.disk.sync(std::slice::from_ref(&path), &[]))
        {
            // Its caller is told that it failed: better if it is not found later, whole or in part.
            let zeroed = self.disk.write_at(&path, state.journal, &vec![0; record.len()]);
            let _ = zeroed.and_then(|()| self.disk.sync(&[path], &[]));
            return Err(LedgerError::io("write a batch of audit entries", source));
        }
        state.journal += record.len() as u64;
        Ok(())
    }

    /// Writes files of the tree; no checkpoint covers them yet.
    pub(crate) fn write_tiles(
        &mut self,
        state: &mut State,
        files: &[TileFile],
    ) -> Result<(), LedgerError> {
        for file in files {
            let target = self.dir.join(file.id.path());
            self.make_parents(&target, &mut state.folders)?;
            self.disk
                .write(&target, &file.bytes)
                .map_err(|source| LedgerError::io("write audit entries", source))?;
            state.unsettled.insert(file.id);
        }
        Ok(())
    }

    /// Lets everybody see the batch.
    pub(crate) fn write_checkpoint(&mut self, note: &[u8]) -> Result<(), LedgerError> {
        self.disk
            .write(&self.dir.join(CHECKPOINT_FILE), note)
            .map_err(|source| LedgerError::io("replace the ledger's checkpoint", source))
    }

    /// As [`Folder::write_checkpoint`], where no journal would make up for a lost one.
    pub(crate) fn write_checkpoint_durably(&mut self, note: &[u8]) -> Result<(), LedgerError> {
        self.disk
            .write_durably(&self.dir.join(CHECKPOINT_FILE), note)
            .map_err(|source| LedgerError::io("replace the ledger's checkpoint", source))
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

    /// Notes that the folders above these files have durable names.
    pub(crate) fn note_durable(&mut self, files: &BTreeSet<TileId>) {
        if self.durable.len() > DURABLE_COUNT_MAX {
            self.durable.clear();
        }
        for id in files {
            let target = self.dir.join(id.path());
            let above = target.ancestors().skip(1).take_while(|folder| *folder != self.dir);
            self.durable.extend(above.map(Path::to_path_buf));
        }
    }

    /// Removes the partial tiles `before` a batch that wider ones replace, unless the journal goes
    /// on from them.
    pub(crate) fn remove_replaced(&mut self, state: &mut State, before: &[TileId]) {
        let now = state.edge.partial_ids();
        for id in before {
            if !now.contains(id) && !state.base.contains(id) {
                state.unsettled.remove(id);
                self.disk.remove(&self.dir.join(id.path()));
            }
        }
    }

    /// Removes what is left of partial tiles where others took their place. A leftover does no
    /// harm.
    pub(crate) fn remove_narrower<'a>(
        &mut self,
        moved: impl Iterator<Item = &'a TileId>,
        partial: &[TileId],
    ) {
        for id in moved {
            let same = |other: &&TileId| (other.kind, other.index) == (id.kind, id.index);
            let keep: Vec<String> =
                partial.iter().filter(same).map(|id| id.width.to_string()).collect();
            self.remove_partial(id, &keep);
        }
    }

    /// Returns the folder with the partial tiles in the place of `id`.
    pub(crate) fn partial_folder(&self, id: &TileId) -> PathBuf {
        self.dir.join(format!("{}.p", id.full_path()))
    }

    /// Removes the partial tiles in the place of `id`, but for those of the widths in `keep`.
    fn remove_partial(&mut self, id: &TileId, keep: &[String]) {
        let folder = self.partial_folder(id);
        for item in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = item.file_name();
            if !keep.iter().any(|width| name.to_str() == Some(width)) {
                self.disk.remove(&item.path());
            }
        }
        // Succeeds only when the last partial tile is gone: the full one is there.
        if keep.is_empty() && fs::remove_dir(&folder).is_ok() {
            self.durable.remove(&folder);
        }
    }

    /// Removes the files of the tree that nothing signs: a batch failed after they were written.
    fn remove_beyond(&mut self, edge: &Edge) {
        let partial = edge.partial_ids();
        for id in edge.ends() {
            let same = |other: &&TileId| (other.kind, other.index) == (id.kind, id.index);
            let keep: Vec<String> =
                partial.iter().filter(same).map(|id| id.width.to_string()).collect();
            let mut next = TileId { width: TILE_WIDTH, ..id };
            self.remove_partial(&next, &keep);
            loop {
                let full = self.dir.join(next.path());
                let there = full.exists();
                if there {
                    self.disk.remove(&full);
                }
                if next.index != id.index {
                    if !there && !self.partial_folder(&next).exists() {
                        break;
                    }
                    self.remove_partial(&next, &[]);
                }
                next.index += 1;
            }
        }
    }
}

/// Holds the lock on the folder until it is dropped.
pub struct Guard(File);

impl Guard {
    fn take(file: File, how: FlockOperation) -> Result<Self, LedgerError> {
        flock(&file, how).map_err(|source| LedgerError::io("lock the ledger", source.into()))?;
        Ok(Self(file))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The system releases the lock with the file in any case.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Keeps writers out for a moment; a copy of a ledger has no lock, and nobody to keep out. Whoever
/// writes waits meanwhile, and with them who is to be answered.
pub fn lock_out_writers(dir: &Path) -> Result<Option<Guard>, LedgerError> {
    match File::open(dir.join(LOCK_FILE)) {
        Ok(file) => Guard::take(file, FlockOperation::LockShared).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LedgerError::io("open the ledger's lock", error)),
    }
}

fn open_lock(dir: &Path) -> Result<File, LedgerError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(PRIVATE_FILE);
    options
        .open(dir.join(LOCK_FILE))
        .map_err(|source| LedgerError::io("open the ledger's lock", source))
}

/// Most folders that are remembered as durable, some 100 KiB; forgetting one costs one sync.
const DURABLE_COUNT_MAX: usize = 1024;

/// Names the file whose lock says who may write.
const LOCK_FILE: &str = "lock";
