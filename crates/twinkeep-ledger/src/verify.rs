//! `ledger verify`: everything is recomputed from the entries; nothing but the folder and the
//! public key is needed.
//!
//! Bundles are read on all cores: each entry is compared with its hash, and the hashes of a bundle
//! make one node. From these nodes, the tiles above are recomputed and compared, and so are the
//! root and what the caller trusts. 32 bytes for each 256 entries are held in memory.
//!
//! # Resuming
//!
//! [`Seen`] remembers the node of each bundle that was found to hold, and what the system says
//! about its two files: which they are, how long, and when they were changed. A later verification
//! takes the node of a bundle whose files have not moved, and reads all others. Since the root is
//! recomputed from the nodes, a wrong node passes never; what resuming takes on trust is that bytes
//! do not change without their file's times, and whoever keeps a `Seen` must keep it from others.
//! Files that were changed just now are not remembered: a second change may bear the same time.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;

use twinkeep_vault::sign::VerifyingKey;

pub use self::seen::Seen;
use self::seen::{Checked, check_bundle};
use crate::folder::lock_out_writers;
use crate::journal::Journals;
use crate::tile::{Kind, TILE_HEIGHT, TILE_WIDTH, TileId};
use crate::tree::{Hash, perfect_root, range_root};
use crate::view::{Known, Tiles, View};
use crate::{Checkpoint, LedgerError, SignedCheckpoint};

mod seen;
#[cfg(test)]
mod tests;

/// What a full verification found to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The signed checkpoint; it covers every entry.
    pub checkpoint: SignedCheckpoint,
    /// How many of the trusted checkpoints it continues: all of them.
    pub trusted_count: usize,
    /// How many entries were not read, because an earlier verification did.
    pub resumed: u64,
}

/// Checks the whole ledger in `dir` against its signature and against `trusted` checkpoints.
pub fn verify(
    dir: &Path,
    origin: &str,
    key: &VerifyingKey,
    trusted: &[Checkpoint],
) -> Result<Verified, LedgerError> {
    verify_from(dir, origin, key, trusted, &mut Seen::default(), &mut |_, _, _| {})
}

/// As [`verify`], but goes on from what was `seen`, and adds to it. `tell` hears how many entries
/// are done, of how many, and what is to be remembered so far.
pub fn verify_from(
    dir: &Path,
    origin: &str,
    key: &VerifyingKey,
    trusted: &[Checkpoint],
    seen: &mut Seen,
    tell: &mut dyn FnMut(u64, u64, &Seen),
) -> Result<Verified, LedgerError> {
    let (view, journals) = {
        // The two belong together.
        let _guard = lock_out_writers(dir)?;
        (View::open(dir, origin, key)?, Journals::read(dir)?)
    };
    let signed = view.checkpoint().clone();
    let size = signed.checkpoint.size;
    if let Some(newest) = trusted.iter().map(|known| known.size).max().filter(|max| size < *max) {
        return Err(LedgerError::RolledBack { size, trusted: newest });
    }
    let resumed = check_bundles(dir, size, seen, tell)?;
    let nodes: Vec<Hash> = seen.nodes().collect();
    check_tiles_above(dir, size, &nodes)?;
    // The tiles are those of the whole tree: a failed batch may have left others of older widths.
    let root = |at| range_root(0, at, &mut Known::new(&nodes, TILE_HEIGHT, dir, size));
    for known in trusted {
        if root(known.size)? != known.root {
            return Err(LedgerError::Rewritten { size: known.size });
        }
    }
    if root(size)? != signed.checkpoint.root {
        return Err(LedgerError::RootChanged { size });
    }
    journals.check(dir, origin, &signed, key)?;
    Ok(Verified { checkpoint: signed, trusted_count: trusted.len(), resumed })
}

/// Checks every bundle that was not seen, on all cores; returns how many entries were seen.
fn check_bundles(
    dir: &Path,
    size: u64,
    seen: &mut Seen,
    tell: &mut dyn FnMut(u64, u64, &Seen),
) -> Result<u64, LedgerError> {
    let count = size.div_ceil(TILE_WIDTH);
    seen.cut_to(size / TILE_WIDTH);
    let (known, at_rest) = (&seen.bundles(), seen.at_rest());
    let (next, failed) = (&AtomicU64::new(0), &AtomicU64::new(u64::MAX));
    let cores = thread::available_parallelism().map_or(1, usize::from).min(CORES_MAX);
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(cores * 2);
        for _ in 0..cores {
            let sender = sender.clone();
            scope.spawn(move || {
                // No chunk is begun behind a failure: the first one is told, and nothing later.
                loop {
                    let first = next.fetch_add(CHUNK_LEN, Ordering::Relaxed);
                    if count <= first || failed.load(Ordering::Relaxed) < first {
                        return;
                    }
                    let chunk = first..count.min(first + CHUNK_LEN);
                    let checked = check_chunk(dir, size, chunk, (known, at_rest));
                    if checked.is_err() {
                        failed.fetch_min(first, Ordering::Relaxed);
                    }
                    // Nobody listens any more only after a panic.
                    let _ = sender.send((first, checked));
                }
            });
        }
        drop(sender);
        let (mut done, mut resumed) = (0, 0);
        let mut failure: Option<(u64, LedgerError)> = None;
        for (first, checked) in receiver {
            match checked {
                Ok((bundles, skipped)) => {
                    done += bundles.len() as u64 * TILE_WIDTH;
                    resumed += skipped * TILE_WIDTH;
                    seen.insert(first, bundles);
                    tell(done.min(size), size, seen);
                }
                Err(error) if failure.as_ref().is_none_or(|(earlier, _)| first < *earlier) => {
                    failure = Some((first, error));
                }
                Err(_) => {}
            }
        }
        seen.cut_to(size / TILE_WIDTH);
        failure.map_or(Ok(resumed), |(_, error)| Err(error))
    })
}

/// Checks neighboring bundles; returns them, and how many were seen before. Files that changed at
/// `at_rest` or later are not remembered.
fn check_chunk(
    dir: &Path,
    size: u64,
    chunk: std::ops::Range<u64>,
    (known, at_rest): (&[Option<Checked>], i64),
) -> Result<(Vec<Checked>, u64), LedgerError> {
    let mut tiles = Tiles::new(dir, size);
    let (mut bundles, mut skipped) = (Vec::new(), 0);
    for index in chunk {
        let before = known.get(index as usize).copied().flatten();
        match before.filter(|before| before.is_unmoved(dir, index)) {
            Some(before) => {
                bundles.push(before);
                skipped += 1;
            }
            None => bundles.push(check_bundle(dir, &mut tiles, index, at_rest)?),
        }
    }
    Ok((bundles, skipped))
}

/// Compares every hash tile above the lowest with what the nodes below it give.
fn check_tiles_above(dir: &Path, size: u64, nodes: &[Hash]) -> Result<(), LedgerError> {
    let mut tiles = Tiles::new(dir, size);
    let mut row = nodes.to_vec();
    for level in 1.. {
        if row.is_empty() {
            break;
        }
        let mut above = Vec::new();
        for (index, hashes) in (0..).zip(row.chunks(TILE_WIDTH as usize)) {
            if tiles.hashes(level, index)? != hashes {
                let width = hashes.len() as u64;
                let path = TileId { kind: Kind::Hashes(level), index, width }.path();
                return Err(LedgerError::Tile { path, problem: "not what the entries give" });
            }
            if hashes.len() as u64 == TILE_WIDTH {
                above.push(perfect_root(hashes));
            }
        }
        row = above;
    }
    Ok(())
}

/// Bundles that a core takes at a time: 16,384 entries, some 8 MB, are some 20 ms of work.
const CHUNK_LEN: u64 = 64;

/// More would wait for the disk.
const CORES_MAX: usize = 64;
