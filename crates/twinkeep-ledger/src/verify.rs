//! `ledger verify`: everything is recomputed from the entries; nothing but the folder and the
//! public key is needed.
//!
//! Reading goes from the first entry to the last and holds one tile a level in memory. Each entry
//! is compared with its hash, each hash tile with what the entries give, the root with the signed
//! one, and the roots on the way with the checkpoints the caller trusts.

use std::path::Path;

use twinkeep_vault::sign::VerifyingKey;

use crate::edge::{Edge, TileFile};
use crate::folder::lock_out_writers;
use crate::journal::Journal;
use crate::tile::{Kind, TILE_WIDTH, TileId, decode_hashes};
use crate::view::{Tiles, View, check_entries};
use crate::{Checkpoint, LedgerError, SignedCheckpoint};

#[cfg(test)]
mod tests;

/// What a full verification found to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The signed checkpoint; it covers every entry.
    pub checkpoint: SignedCheckpoint,
    /// How many of the trusted checkpoints it continues: all of them.
    pub trusted_count: usize,
}

/// Checks the whole ledger in `dir` against its signature and against `trusted` checkpoints.
pub fn verify(
    dir: &Path,
    origin: &str,
    key: &VerifyingKey,
    trusted: &[Checkpoint],
) -> Result<Verified, LedgerError> {
    let (view, journal) = {
        // The two belong together.
        let _guard = lock_out_writers(dir)?;
        (View::open(dir, origin, key)?, Journal::read(dir)?)
    };
    let signed = view.checkpoint().clone();
    let size = signed.checkpoint.size;
    let mut trusted: Vec<&Checkpoint> = trusted.iter().collect();
    trusted.sort_by_key(|checkpoint| checkpoint.size);
    if let Some(newest) = trusted.last().filter(|newest| newest.size > size) {
        return Err(LedgerError::RolledBack { size, trusted: newest.size });
    }
    let mut replay = Replay {
        tiles: Tiles::new(dir, size),
        edge: Edge::default(),
        files: Vec::new(),
        trusted: &trusted,
    };
    replay.check_trusted()?;
    for index in 0..size.div_ceil(TILE_WIDTH) {
        replay.bundle(index)?;
    }
    replay.partial_tiles()?;
    if replay.edge.checkpoint() != signed.checkpoint {
        return Err(LedgerError::RootChanged { size });
    }
    journal.check(dir, origin, &signed, key)?;
    Ok(Verified { checkpoint: signed, trusted_count: trusted.len() })
}

/// The tree as it grows again from the entries.
struct Replay<'a> {
    tiles: Tiles,
    edge: Edge,
    files: Vec<TileFile>,
    /// Those not reached yet, the smallest first.
    trusted: &'a [&'a Checkpoint],
}

impl Replay<'_> {
    fn bundle(&mut self, index: u64) -> Result<(), LedgerError> {
        let hashes = self.tiles.hashes(0, index)?;
        let bundle = self.tiles.bundle(index)?;
        check_entries(&bundle, &hashes, index * TILE_WIDTH)?;
        for hash in hashes {
            self.edge.push_leaf(hash, &mut self.files);
            self.check_trusted()?;
        }
        for file in std::mem::take(&mut self.files) {
            self.compare(&file)?;
        }
        Ok(())
    }

    fn check_trusted(&mut self) -> Result<(), LedgerError> {
        while let Some((next, rest)) = self.trusted.split_first() {
            if next.size != self.edge.size() {
                break;
            }
            if **next != self.edge.checkpoint() {
                return Err(LedgerError::Rewritten { size: next.size });
            }
            self.trusted = rest;
        }
        Ok(())
    }

    /// Compares a tile of a higher level with the one on disk.
    fn compare(&mut self, file: &TileFile) -> Result<(), LedgerError> {
        let TileId { kind, index, width } = file.id;
        let Kind::Hashes(level) = kind else { return Ok(()) };
        let expected = decode_hashes(&file.bytes, width);
        if expected.as_ref() == Some(&self.tiles.hashes(level, index)?) {
            return Ok(());
        }
        Err(LedgerError::Tile { path: file.id.path(), problem: "not what the entries give" })
    }

    fn partial_tiles(&mut self) -> Result<(), LedgerError> {
        for file in self.edge.partial_hash_tiles() {
            self.compare(&file)?;
        }
        Ok(())
    }
}
