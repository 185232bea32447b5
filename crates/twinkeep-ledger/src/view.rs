//! Reading a ledger: entries and proofs, each checked against the signed root.
//!
//! A reader takes no lock. It reads the checkpoint first and then only what that checkpoint
//! covers; a writer in another process may meanwhile replace a partial tile by a wider one, which
//! begins with the same nodes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use twinkeep_vault::sign::VerifyingKey;

use crate::disk::read_limited;
use crate::tile::{
    ENTRY_SIZE_MAX, Kind, TILE_HEIGHT, TILE_WIDTH, TileId, decode_entries, decode_hashes, tile_at,
};
use crate::tree::{
    Hash, Nodes, leaf_hash, perfect_root, prove_consistency, prove_inclusion, range_root,
    verify_consistency, verify_inclusion,
};
use crate::{Checkpoint, LedgerError, Proof, SignedCheckpoint};

/// A ledger as one checkpoint states it.
#[derive(Clone, Debug)]
pub struct View {
    dir: PathBuf,
    signed: SignedCheckpoint,
}

impl View {
    /// Reads the checkpoint of the ledger in `dir` and checks its signature.
    pub fn open(dir: &Path, origin: &str, key: &VerifyingKey) -> Result<Self, LedgerError> {
        Self::open_again(None, dir, origin, key)
    }

    /// As [`View::open`]; a checkpoint whose signature was checked a moment ago is not checked
    /// again.
    pub(crate) fn open_again(
        known: Option<Self>,
        dir: &Path,
        origin: &str,
        key: &VerifyingKey,
    ) -> Result<Self, LedgerError> {
        let note = read_checkpoint(dir)?;
        match known {
            Some(known) if known.signed.note.as_bytes() == note => Ok(known),
            _ => {
                let signed = SignedCheckpoint::parse(&note, origin, key)?;
                Ok(Self { dir: dir.to_path_buf(), signed })
            }
        }
    }

    /// Returns the checkpoint that everything read here is checked against.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.signed
    }

    /// Returns the entries with these indices; each is proven to be under the signed root.
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, LedgerError> {
        let Checkpoint { size, root } = self.signed.checkpoint;
        if range.end > size {
            return Err(LedgerError::OutOfRange { index: range.end.saturating_sub(1), size });
        }
        let mut tiles = Tiles::new(&self.dir, size);
        let mut found = Vec::new();
        let mut next = range.start;
        while next < range.end {
            let (tile, first) = (next / TILE_WIDTH, next / TILE_WIDTH * TILE_WIDTH);
            let hashes = tiles.hashes(0, tile)?;
            // The path of one leaf covers all others of its tile, so one proof is enough.
            let proof = prove_inclusion(first, size, &mut tiles)?;
            let leaf = hashes.first().copied().unwrap_or_default();
            verify_inclusion(&leaf, first, size, &root, &proof)
                .map_err(|_| LedgerError::RootChanged { size })?;
            let bundle = tiles.bundle(tile)?;
            let entries = check_entries(&bundle, &hashes, first)?;
            let end = range.end.min(first + TILE_WIDTH);
            let (from, to) = ((next - first) as usize, (end - first) as usize);
            found.extend(entries[from..to].iter().map(|entry| entry.to_vec()));
            next = end;
        }
        Ok(found)
    }

    /// Returns the proof that entry `index` is under the root of the checkpoint.
    pub fn inclusion_proof(&self, index: u64) -> Result<Vec<Hash>, LedgerError> {
        let Checkpoint { size, root } = self.signed.checkpoint;
        if index >= size {
            return Err(LedgerError::OutOfRange { index, size });
        }
        let mut tiles = Tiles::new(&self.dir, size);
        let proof = prove_inclusion(index, size, &mut tiles)?;
        let leaf = tiles.node(0, index)?;
        verify_inclusion(&leaf, index, size, &root, &proof)
            .map_err(|_| LedgerError::RootChanged { size })?;
        Ok(proof)
    }

    /// Returns entry `index` with a proof that holds without the ledger.
    pub fn prove(&self, index: u64) -> Result<Proof, LedgerError> {
        let hashes = self.inclusion_proof(index)?;
        let entry = self.entries(index..index + 1)?.pop().unwrap_or_default();
        Ok(Proof { entry, index, hashes, note: self.signed.note.clone() })
    }

    /// Returns a file of the ledger by its path, `tile/0/x001/234.p/17`; `None` if the tree has no
    /// such tile. Nothing is checked: whoever reads it has the checkpoint for that.
    pub fn tile(&self, path: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        let there = |id: &TileId| {
            let widest = tile_at(id.kind, id.index, self.signed.checkpoint.size);
            widest.is_some_and(|widest| id.width <= widest.width)
        };
        let Some(id) = TileId::parse(path).filter(there) else { return Ok(None) };
        let (path, mut bytes, exact) = read_tile(&self.dir, id)?;
        let damaged = LedgerError::Tile { path, problem: "of the wrong size" };
        let length = match id.kind {
            Kind::Hashes(_) => decode_hashes(&bytes, id.width).map(|hashes| hashes.len() * 32),
            Kind::Entries => decode_entries(&bytes, id.width, exact)
                .map(|entries| entries.iter().map(|entry| 2 + entry.len()).sum()),
        };
        bytes.truncate(length.ok_or(damaged)?);
        Ok(Some(bytes))
    }

    /// Returns the hashes of the first `count` perfect subtrees of `2^level` leaves, each of them
    /// proven to be under the signed root.
    pub(crate) fn nodes(&self, level: u32, count: u64) -> Result<Vec<Hash>, LedgerError> {
        let size = self.signed.checkpoint.size;
        let mut tiles = Tiles::new(&self.dir, size);
        let nodes: Result<Vec<_>, _> = (0..count).map(|index| tiles.node(level, index)).collect();
        let nodes = nodes?;
        // The root over these very hashes is the signed one, or somebody changed a tile.
        let mut known = Known { nodes: &nodes, level, below: tiles };
        if range_root(0, size, &mut known)? != self.signed.checkpoint.root {
            return Err(LedgerError::RootChanged { size });
        }
        Ok(nodes)
    }

    /// Returns the state of the ledger when it had `size` entries.
    pub fn checkpoint_at(&self, size: u64) -> Result<Checkpoint, LedgerError> {
        let newest = self.signed.checkpoint.size;
        if newest < size {
            return Err(LedgerError::RolledBack { size: newest, trusted: size });
        }
        let root = range_root(0, size, &mut Tiles::new(&self.dir, newest))?;
        let state = Checkpoint { size, root };
        // A changed tile must not make a root of its own.
        self.consistency_proof(&state)?;
        Ok(state)
    }

    /// Returns the proof that `old` is the beginning of `new`, and `new` of this ledger; an error
    /// says which is not.
    pub fn consistency(
        &self,
        old: &Checkpoint,
        new: &Checkpoint,
    ) -> Result<Consistency, LedgerError> {
        if new.size < old.size {
            return Err(LedgerError::RolledBack { size: new.size, trusted: old.size });
        }
        self.consistency_proof(new)?;
        let mut tiles = Tiles::new(&self.dir, self.signed.checkpoint.size);
        let hashes = prove_consistency(old.size, new.size, &mut tiles)?;
        verify_consistency(old.size, &old.root, new.size, &new.root, &hashes)
            .map_err(|_| LedgerError::Rewritten { size: old.size })?;
        Ok(Consistency { old: *old, new: *new, hashes })
    }

    /// Returns the proof that `old` is the beginning of this ledger; an error says that it is not.
    pub fn consistency_proof(&self, old: &Checkpoint) -> Result<Vec<Hash>, LedgerError> {
        let Checkpoint { size, root } = self.signed.checkpoint;
        if old.size > size {
            return Err(LedgerError::RolledBack { size, trusted: old.size });
        }
        let mut tiles = Tiles::new(&self.dir, size);
        let proof = prove_consistency(old.size, size, &mut tiles)?;
        verify_consistency(old.size, &old.root, size, &root, &proof)
            .map_err(|_| LedgerError::Rewritten { size: old.size })?;
        Ok(proof)
    }
}

/// That one state of a ledger is the beginning of a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistency {
    /// The earlier state.
    pub old: Checkpoint,
    /// The later one.
    pub new: Checkpoint,
    /// The proof (RFC 6962, 2.1.2).
    pub hashes: Vec<Hash>,
}

/// Hashes of one level, and tiles for whatever is below it.
pub(crate) struct Known<'a> {
    nodes: &'a [Hash],
    level: u32,
    below: Tiles,
}

impl<'a> Known<'a> {
    /// `nodes` are the first of `level`; the tiles are those of the tree of `size` leaves in `dir`.
    pub(crate) fn new(nodes: &'a [Hash], level: u32, dir: &Path, size: u64) -> Self {
        Self { nodes, level, below: Tiles::new(dir, size) }
    }
}

impl Nodes for Known<'_> {
    type Error = LedgerError;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, LedgerError> {
        let Some(above) = level.checked_sub(self.level) else {
            return self.below.node(level, index);
        };
        let under = (index << above) as usize..((index + 1) << above) as usize;
        let gone = LedgerError::RootChanged { size: self.below.size };
        self.nodes.get(under).map(perfect_root).ok_or(gone)
    }
}

/// The tiles of a tree of a given size, each read once.
pub(crate) struct Tiles {
    dir: PathBuf,
    size: u64,
    read: BTreeMap<(u32, u64), Vec<Hash>>,
}

impl Tiles {
    pub(crate) fn new(dir: &Path, size: u64) -> Self {
        Self { dir: dir.to_path_buf(), size, read: BTreeMap::new() }
    }

    /// Returns the hashes of a tile, as many as the tree has.
    pub(crate) fn hashes(&mut self, level: u32, index: u64) -> Result<Vec<Hash>, LedgerError> {
        if let Some(hashes) = self.read.get(&(level, index)) {
            return Ok(hashes.clone());
        }
        let id = self.id(Kind::Hashes(level), index)?;
        let (path, bytes, _) = read_tile(&self.dir, id)?;
        let hashes = decode_hashes(&bytes, id.width)
            .ok_or(LedgerError::Tile { path, problem: "of the wrong size" })?;
        if self.read.len() >= TILE_CACHE_MAX {
            self.read.clear();
        }
        self.read.insert((level, index), hashes.clone());
        Ok(hashes)
    }

    /// Returns the bytes of a bundle of entries, cut to as many as the tree has.
    pub(crate) fn bundle(&mut self, index: u64) -> Result<Vec<u8>, LedgerError> {
        let id = self.id(Kind::Entries, index)?;
        let (path, mut bytes, exact) = read_tile(&self.dir, id)?;
        let entries = decode_entries(&bytes, id.width, exact)
            .ok_or(LedgerError::Tile { path, problem: "not a bundle of entries" })?;
        let length = entries.iter().map(|entry| 2 + entry.len()).sum();
        bytes.truncate(length);
        Ok(bytes)
    }

    fn id(&self, kind: Kind, index: u64) -> Result<TileId, LedgerError> {
        tile_at(kind, index, self.size).ok_or(LedgerError::RootChanged { size: self.size })
    }
}

impl Nodes for Tiles {
    type Error = LedgerError;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, LedgerError> {
        let (tile_level, inner) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
        let first = index << inner;
        let hashes = self.hashes(tile_level, first / TILE_WIDTH)?;
        let start = (first % TILE_WIDTH) as usize;
        let under = hashes.get(start..start + (1 << inner));
        under.map(perfect_root).ok_or(LedgerError::RootChanged { size: self.size })
    }
}

/// Returns the entries of a bundle after comparing each with its hash; `first` is their index.
pub(crate) fn check_entries<'a>(
    bundle: &'a [u8],
    hashes: &[Hash],
    first: u64,
) -> Result<Vec<&'a [u8]>, LedgerError> {
    let entries = decode_entries(bundle, hashes.len() as u64, true)
        .ok_or(LedgerError::EntryChanged { index: first })?;
    for (at, (entry, hash)) in entries.iter().zip(hashes).enumerate() {
        if leaf_hash(entry) != *hash {
            return Err(LedgerError::EntryChanged { index: first + at as u64 });
        }
    }
    Ok(entries)
}

/// Reads the checkpoint's bytes.
pub(crate) fn read_checkpoint(dir: &Path) -> Result<Vec<u8>, LedgerError> {
    read_limited(&dir.join(CHECKPOINT_FILE), CHECKPOINT_SIZE_MAX)
        .map_err(|source| LedgerError::io("read the ledger's checkpoint", source))
}

/// Reads a tile; in place of a partial one, a wider one will do. Says whether it has its width.
fn read_tile(dir: &Path, id: TileId) -> Result<(String, Vec<u8>, bool), LedgerError> {
    for _ in 0..READ_ATTEMPT_COUNT {
        let widths = std::iter::once(id.width).chain(wider(dir, id));
        for width in widths {
            let path = TileId { width, ..id }.path();
            match read_limited(&dir.join(&path), TILE_SIZE_MAX) {
                Ok(bytes) => return Ok((path, bytes, width == id.width)),
                Err(source) if source.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(LedgerError::io(&format!("read `{path}`"), source)),
            }
        }
    }
    Err(LedgerError::Tile { path: id.path(), problem: "missing" })
}

/// Returns the widths of the wider tiles that are there, the widest first.
fn wider(dir: &Path, id: TileId) -> Vec<u64> {
    let mut widths = vec![TILE_WIDTH];
    if id.is_partial() {
        let folder = dir.join(format!("{}.p", id.full_path()));
        let names = fs::read_dir(folder).into_iter().flatten().flatten();
        let found = names.filter_map(|name| name.file_name().to_str()?.parse::<u64>().ok());
        widths.extend(found.filter(|&width| id.width < width && width < TILE_WIDTH));
    }
    widths.sort_unstable_by(|left, right| right.cmp(left));
    widths
}

/// Names the checkpoint in the ledger's folder; fixed by the format.
pub(crate) const CHECKPOINT_FILE: &str = "checkpoint";

/// Largest checkpoint file, in bytes; see the limit on notes.
const CHECKPOINT_SIZE_MAX: u64 = 64 * 1024;

/// Largest tile, in bytes: a full bundle of the largest entries.
const TILE_SIZE_MAX: u64 = TILE_WIDTH * (ENTRY_SIZE_MAX as u64 + 2);

/// Most tiles kept in memory, 2 MiB: a proof at any size needs fewer than a dozen.
const TILE_CACHE_MAX: usize = 256;

/// A wider tile can be replaced between listing and reading it; a busy writer does so every
/// millisecond, and a reader may not get its turn in between. A tile that is really missing is told
/// some milliseconds later.
const READ_ATTEMPT_COUNT: usize = 200;
