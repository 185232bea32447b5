//! Settling: what the journal makes durable becomes durable where it belongs.
//!
//! # Life of a journal
//!
//! 1. Records fill it, while the other one is empty.
//! 2. When it is full, batches go into the other one. The tiles that it covers are synced behind
//!    them, and so is the checkpoint, which may be newer than the last record here by then: what
//!    makes that hold is a record in the other journal.
//! 3. Then it is filled with zeros, and these are synced, too.
//! 4. Partial tiles that nothing goes on from any more are removed, those in the place of full ones
//!    behind the batches: that takes a file system longer than all the rest. It may take records
//!    again.
//!
//! A ledger that nobody writes to settles at once, and so does one whose folder was read anew.
//!
//! # Invariants
//!
//! - Syncs run behind, in a thread of their own; everything is written under the lock, by whoever
//!   has found that nobody else moved the folder. What is removed without it lies in the place of
//!   a full and durable tile, where nobody writes any more.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::LedgerError;
use crate::disk::{Patience, Pending};
use crate::folder::{Folder, State};
use crate::tile::TileId;
use crate::view::CHECKPOINT_FILE;

/// A journal that is full, and not empty yet.
#[derive(Debug)]
pub(crate) struct Behind {
    /// How far it is filled; 0 once the zeros are written.
    filled: u64,
    /// The partial tiles that it goes on from.
    base: Vec<TileId>,
    /// The files of the tree that it covers.
    covered: BTreeSet<TileId>,
    pending: Pending,
}

impl Behind {
    /// Returns how far the journal is filled.
    pub(crate) fn filled(&self) -> u64 {
        self.filled
    }
}

impl Folder {
    /// Lets the other journal take the next records; waits until it can.
    pub(crate) fn take_turns(&mut self, state: &mut State) -> Result<(), LedgerError> {
        self.go_on(state, Patience::Wait)?;
        let (mut files, mut folders) = self.unsynced(state);
        files.push(self.dir.join(CHECKPOINT_FILE));
        folders.push(self.dir.clone());
        let pending = self.disk.begin_sync(&files, &folders, Vec::new()).map_err(failed)?;
        state.folders.clear();
        let next_base = state.edge.partial_ids();
        state.behind = Some(Behind {
            filled: std::mem::take(&mut state.journal),
            base: std::mem::replace(&mut state.base, next_base),
            covered: std::mem::take(&mut state.unsettled),
            pending,
        });
        state.turn = 1 - state.turn;
        Ok(())
    }

    /// Does what is next for the journal that settles, if a sync has ended; with patience, all of
    /// it.
    pub(crate) fn go_on(
        &mut self,
        state: &mut State,
        patience: Patience,
    ) -> Result<(), LedgerError> {
        while let Some(mut behind) = state.behind.take() {
            let Some(outcome) = behind.pending.outcome(patience) else {
                state.behind = Some(behind);
                return Ok(());
            };
            outcome.map_err(failed)?;
            if 0 < behind.filled {
                self.note_durable(&behind.covered);
                let other = 1 - state.turn;
                self.write_zeros(other, std::mem::take(&mut behind.filled))?;
                let journal = self.journal_path(other);
                let full = behind.covered.iter().filter(|id| !id.is_partial());
                let leftovers = full.map(|id| self.partial_folder(id)).collect();
                let pending = self.disk.begin_sync(&[journal], &[], leftovers);
                behind.pending = pending.map_err(failed)?;
                state.behind = Some(behind);
            } else {
                let kept = [state.base.as_slice(), &state.edge.partial_ids()].concat();
                let partial = kept.iter().map(|id| (id.kind, id.index));
                let partial: BTreeSet<_> = partial.collect();
                let moved = behind.covered.iter().chain(&behind.base);
                let moved = moved.filter(|id| partial.contains(&(id.kind, id.index)));
                self.remove_narrower(moved, &kept);
            }
        }
        Ok(())
    }

    /// Makes everything durable where it belongs, and empties the journals.
    pub(crate) fn settle(&mut self, state: &mut State) -> Result<(), LedgerError> {
        self.go_on(state, Patience::Wait)?;
        let (files, folders) = self.unsynced(state);
        self.disk.sync(&files, &folders).map_err(failed)?;
        self.write_checkpoint_durably(&state.note)?;
        if 0 < state.journal {
            self.write_zeros(state.turn, state.journal)?;
            self.sync_journal(state.turn)?;
            state.journal = 0;
        }
        self.note_durable(&state.unsettled);
        let now = state.edge.partial_ids();
        let before = std::mem::replace(&mut state.base, now.clone());
        let covered = std::mem::take(&mut state.unsettled);
        state.folders.clear();
        self.remove_narrower(covered.iter().chain(&before), &now);
        Ok(())
    }

    /// Returns the files that were written, and the folders that got new names.
    fn unsynced(&self, state: &State) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let files = state.unsettled.iter().map(|id| self.dir.join(id.path())).collect();
        let there = state.folders.iter().filter(|folder| folder.is_dir());
        (files, there.cloned().collect())
    }

    /// Fills the beginning of a journal with zeros.
    pub(crate) fn write_zeros(&mut self, turn: usize, length: u64) -> Result<(), LedgerError> {
        let zeros = vec![0; length as usize];
        self.disk.write_at(&self.journal_path(turn), 0, &zeros).map_err(emptied)
    }

    pub(crate) fn sync_journal(&mut self, turn: usize) -> Result<(), LedgerError> {
        self.disk.sync(&[self.journal_path(turn)], &[]).map_err(emptied)
    }
}

fn failed(source: std::io::Error) -> LedgerError {
    LedgerError::io("sync the ledger", source)
}

fn emptied(source: std::io::Error) -> LedgerError {
    LedgerError::io("empty the ledger's journal", source)
}
