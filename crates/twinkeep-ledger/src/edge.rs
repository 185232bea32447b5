//! The right edge of the tree: all that is needed to append, and nothing else.
//!
//! For each tile level it holds the hashes of the tile that is not full yet, and for level 0 the
//! entries themselves. Its size does not grow with the ledger (256 hashes a level).

use crate::Checkpoint;
use crate::LedgerError;
use crate::tile::{
    Kind, TILE_WIDTH, TileId, decode_entries, encode_hashes, node_count, push_entry,
};
use crate::tree::{Hash, empty_root, leaf_hash, node_hash, perfect_root};
use crate::view::Tiles;

/// The right edge of a tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edge {
    size: u64,
    /// The hashes of the partial tile, by tile level.
    levels: Vec<Vec<Hash>>,
    /// The entries of the partial bundle.
    bundle: Vec<u8>,
}

/// A file to be written.
#[derive(Debug)]
pub(crate) struct TileFile {
    pub(crate) id: TileId,
    pub(crate) bytes: Vec<u8>,
}

impl Edge {
    /// Reads the edge of the tree that `checkpoint` states, and checks that it leads to its root.
    pub(crate) fn load(tiles: &mut Tiles, checkpoint: &Checkpoint) -> Result<Self, LedgerError> {
        let mut edge = Self { size: checkpoint.size, ..Self::default() };
        for level in 0.. {
            let count = node_count(level, checkpoint.size);
            if count == 0 {
                break;
            }
            let hashes = match count % TILE_WIDTH {
                0 => Vec::new(),
                _ => tiles.hashes(level, count / TILE_WIDTH)?,
            };
            edge.levels.push(hashes);
        }
        if !checkpoint.size.is_multiple_of(TILE_WIDTH) {
            edge.bundle = tiles.bundle(checkpoint.size / TILE_WIDTH)?;
        }
        if edge.root() != checkpoint.root {
            return Err(LedgerError::RootChanged { size: checkpoint.size });
        }
        edge.check_bundle()?;
        Ok(edge)
    }

    /// Returns how many entries the tree has.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns the state of the tree.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { size: self.size, root: self.root() }
    }

    /// Adds entries and returns the files that hold them, full tiles and partial ones.
    pub(crate) fn append(&mut self, entries: &[Vec<u8>]) -> Vec<TileFile> {
        let mut files = Vec::new();
        for entry in entries {
            push_entry(&mut self.bundle, entry);
            self.push_leaf(leaf_hash(entry), &mut files);
        }
        files.extend(self.partial_files());
        files
    }

    /// Returns the files at the edge that are not full.
    pub(crate) fn partial_files(&self) -> Vec<TileFile> {
        let mut files = self.partial_hash_tiles();
        let bundle = self.partial_ids().into_iter().find(|id| id.kind == Kind::Entries);
        files.extend(bundle.map(|id| TileFile { id, bytes: self.bundle.clone() }));
        files
    }

    /// Adds the hash of an entry, without the entry: what a verifier needs.
    pub(crate) fn push_leaf(&mut self, leaf: Hash, files: &mut Vec<TileFile>) {
        self.size += 1;
        let mut carried = Some(leaf);
        for level in 0.. {
            let Some(hash) = carried.take() else { return };
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(level) else { return };
            hashes.push(hash);
            if hashes.len() as u64 == TILE_WIDTH {
                carried = Some(perfect_root(hashes));
                self.emit(level, files);
            }
        }
    }

    /// Returns the tiles at the edge that are not full: those a checkpoint at this size refers to.
    pub(crate) fn partial_ids(&self) -> Vec<TileId> {
        let mut ids = Vec::new();
        for (level, hashes) in self.levels.iter().enumerate() {
            let (level, width) = (level as u32, hashes.len() as u64);
            let index = node_count(level, self.size) / TILE_WIDTH;
            if width > 0 {
                ids.push(TileId { kind: Kind::Hashes(level), index, width });
                if level == 0 {
                    ids.push(TileId { kind: Kind::Entries, index, width });
                }
            }
        }
        ids
    }

    /// Returns the places of the first tiles that are not full, also those of levels that a batch
    /// may add.
    pub(crate) fn ends(&self) -> Vec<TileId> {
        let at = |kind, level| {
            let count = node_count(level, self.size);
            TileId { kind, index: count / TILE_WIDTH, width: count % TILE_WIDTH }
        };
        let levels = (0..self.levels.len() as u32 + 3).map(|level| at(Kind::Hashes(level), level));
        levels.chain([at(Kind::Entries, 0)]).collect()
    }

    /// Returns the root: the perfect subtrees of all levels, joined from the right.
    fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        for hashes in &self.levels {
            let mut rest = hashes.as_slice();
            while !rest.is_empty() {
                let width = 1 << rest.len().trailing_zeros();
                let (left, last) = rest.split_at(rest.len() - width);
                let subtree = perfect_root(last);
                root = Some(root.map_or(subtree, |right| node_hash(&subtree, &right)));
                rest = left;
            }
        }
        root.unwrap_or_else(empty_root)
    }

    /// Moves a full tile out of the edge, and with level 0 its entries.
    fn emit(&mut self, level: usize, files: &mut Vec<TileFile>) {
        let index = node_count(level as u32, self.size) / TILE_WIDTH - 1;
        let file = |kind, bytes| TileFile { id: TileId { kind, index, width: TILE_WIDTH }, bytes };
        if level == 0 {
            files.push(file(Kind::Entries, std::mem::take(&mut self.bundle)));
        }
        if let Some(hashes) = self.levels.get_mut(level) {
            let bytes = encode_hashes(&std::mem::take(hashes));
            files.push(file(Kind::Hashes(level as u32), bytes));
        }
    }

    /// Returns the hash tiles at the edge, as files.
    pub(crate) fn partial_hash_tiles(&self) -> Vec<TileFile> {
        let tile = |id: TileId| match id.kind {
            Kind::Hashes(level) => {
                let hashes = self.levels.get(level as usize)?;
                Some(TileFile { id, bytes: encode_hashes(hashes) })
            }
            Kind::Entries => None,
        };
        self.partial_ids().into_iter().filter_map(tile).collect()
    }

    /// The bundle is copied into the next one, so a changed entry must not slip through.
    fn check_bundle(&self) -> Result<(), LedgerError> {
        let Some(hashes) = self.levels.first().filter(|hashes| !hashes.is_empty()) else {
            return Ok(());
        };
        let first = self.size - hashes.len() as u64;
        let entries = decode_entries(&self.bundle, hashes.len() as u64, true).unwrap_or_default();
        for (at, hash) in hashes.iter().enumerate() {
            if entries.get(at).map(|entry| leaf_hash(entry)) != Some(*hash) {
                return Err(LedgerError::EntryChanged { index: first + at as u64 });
            }
        }
        Ok(())
    }
}
