//! The writer: appends one batch to the files, in steps that a crash may interrupt anywhere.
//!
//! # Life of a batch
//!
//! 1. Lock the folder, so that a server and a command do not write at once.
//! 2. Read the checkpoint and look at the journal. If another process moved them, or the last
//!    batch failed, finish what the journal holds, and check that it continues what we knew.
//! 3. Add the batch to the journal, and sync that: it is durable from here on.
//! 4. Write the new tiles and bundles, and replace the checkpoint: everybody sees the batch from
//!    here on. Nothing waits for their syncs.
//! 5. Remove the partial tiles that wider ones replace.
//!
//! When the journal is full, the other one takes over, and the ledger *settles* behind the next
//! batches: everything that step 4 wrote is synced, and then the journal is emptied. When nothing
//! was written for a while, and at the end, it settles to the last batch. A batch too large for
//! the journal settles at once instead of step 3.
//!
//! # Invariants
//!
//! - The checkpoint on disk never counts an entry that is not durable.
//! - A failure before step 3 leaves the ledger as it was; a failure in or after it leaves the
//!   batch in or out, whole; which, the next batch finds out.
//! - After a failure nothing in memory is trusted, and nothing that a failed sync left in the
//!   system's cache: the next batch finishes what the journal holds, synced, before it adds to it.

use std::path::Path;

use twinkeep_vault::sign::{SigningKey, VerifyingKey};

use crate::disk::{Disk, OsDisk, Patience};
use crate::folder::{Folder, Limits, State};
use crate::journal;
use crate::view::CHECKPOINT_FILE;
use crate::{Checkpoint, LedgerError, SignedCheckpoint};

#[cfg(test)]
mod tests;

/// The only one in this process who writes to a ledger.
pub(crate) struct Writer {
    folder: Folder,
    key: SigningKey,
    state: Option<State>,
}

impl Writer {
    /// Writes the first checkpoint of an empty ledger; refuses a folder that has one.
    pub(crate) fn create(
        dir: &Path,
        origin: &str,
        key: &SigningKey,
        disk: Box<dyn Disk>,
    ) -> Result<SignedCheckpoint, LedgerError> {
        let mut folder = Folder::new(dir, origin, key.verifying_key(), disk, LIMITS)?;
        let _guard = folder.lock()?;
        if dir.join(CHECKPOINT_FILE).exists() {
            return Err(LedgerError::Exists);
        }
        let signed = Checkpoint::empty().sign(origin, key);
        let mut state = State::empty(&signed.note);
        folder.settle(&mut state)?;
        Ok(signed)
    }

    /// Opens the ledger in `dir`; it must continue `trusted`.
    pub(crate) fn open(
        dir: &Path,
        origin: &str,
        key: SigningKey,
        trusted: Option<Checkpoint>,
        disk: Box<dyn Disk>,
        limits: Limits,
    ) -> Result<Self, LedgerError> {
        let mut folder = Folder::new(dir, origin, key.verifying_key(), disk, limits)?;
        folder.known = trusted.unwrap_or_else(Checkpoint::empty);
        let _guard = folder.lock()?;
        let state = Some(folder.refresh(None)?);
        Ok(Self { folder, key, state })
    }

    /// Appends `entries` and returns the index of the first and the checkpoint that covers them.
    pub(crate) fn commit(
        &mut self,
        entries: &[Vec<u8>],
    ) -> Result<(u64, SignedCheckpoint), LedgerError> {
        let _guard = self.folder.lock()?;
        // Taken out: an early return leaves nothing in memory to be trusted.
        let seen = self.state.take();
        let mut state = self.folder.refresh(seen)?;
        let first = state.edge.size();
        let signed = if entries.is_empty() {
            let Folder { origin, verifying_key, .. } = &self.folder;
            SignedCheckpoint::parse(&state.note, origin, verifying_key)?
        } else {
            self.append(&mut state, entries)?
        };
        self.state = Some(state);
        Ok((first, signed))
    }

    fn append(
        &mut self,
        state: &mut State,
        entries: &[Vec<u8>],
    ) -> Result<SignedCheckpoint, LedgerError> {
        let (base, before) = (state.edge.checkpoint(), state.edge.partial_ids());
        let mut edge = state.edge.clone();
        let mut files = edge.append(entries);
        // A tile that did not grow is there, and durable or about to be: a new file in its place
        // would be neither.
        files.retain(|file| !before.contains(&file.id));
        let signed = edge.checkpoint().sign(&self.folder.origin, &self.key);
        let record = journal::encode(&base, &signed.note, entries);
        let Limits { journal, unsettled } = self.folder.limits;
        let length = record.len() as u64;
        let journaled = length <= journal / RECORD_SHARE;
        let room = state.journal + length <= journal && state.unsettled_count() < unsettled;
        self.folder.go_on(state, Patience::Look)?;
        if journaled {
            if !room {
                self.folder.take_turns(state)?;
            }
            self.folder.write_record(state, &record)?;
        } else if !state.is_settled() {
            // A batch past the journals must not leave an older one in them.
            self.folder.settle(state)?;
        }
        state.edge = edge;
        state.note = signed.note.clone().into_bytes();
        self.folder.write_tiles(state, &files)?;
        if journaled {
            self.folder.write_checkpoint(&state.note)?;
            self.folder.remove_replaced(state, &before);
        } else {
            self.folder.settle(state)?;
        }
        self.folder.known = signed.checkpoint;
        Ok(signed)
    }

    /// Returns whether there is nothing that only the journal makes durable.
    pub(crate) fn is_settled(&self) -> bool {
        self.state.as_ref().is_none_or(State::is_settled)
    }

    /// Makes everything durable where it belongs, and empties the journal.
    pub(crate) fn settle(&mut self) -> Result<(), LedgerError> {
        let _guard = self.folder.lock()?;
        let seen = self.state.take();
        let mut state = self.folder.refresh(seen)?;
        if !state.is_settled() {
            self.folder.settle(&mut state)?;
        }
        self.state = Some(state);
        Ok(())
    }
}

/// Finishes what the journal of a ledger holds: after a crash, before its files are read without
/// being opened for appending. Nothing is signed, so no key is needed.
pub(crate) fn settle(dir: &Path, origin: &str, key: VerifyingKey) -> Result<(), LedgerError> {
    let mut folder = Folder::new(dir, origin, key, Box::<OsDisk>::default(), LIMITS)?;
    let _guard = folder.lock()?;
    folder.refresh(None).map(drop)
}

/// A journal of 4 MiB takes some 7,000 entries as the gate writes them; the ledger settles every
/// few seconds at most under load, and twice as large a journal would take twice as long to empty.
/// The files that wait for their sync are open meanwhile, and a process has 1,024.
pub(crate) const LIMITS: Limits = Limits { journal: 4 << 20, unsettled: 128 };

/// A batch that fills more of the journal than one in this many is written once instead of twice.
const RECORD_SHARE: u64 = 4;
