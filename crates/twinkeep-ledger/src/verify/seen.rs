//! What a verification has established, bundle by bundle.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use twinkeep_vault::digest::Sha256;

use crate::LedgerError;
use crate::tile::{Kind, TILE_WIDTH, TileId};
use crate::tree::{Hash, perfect_root};
use crate::view::{Tiles, check_entries};

/// What was established about a ledger. It is worth as much as whoever kept it.
#[derive(Debug, Default)]
pub struct Seen {
    bundles: Vec<Option<Checked>>,
    /// Whose files changed at this second or later are read again the next time.
    at_rest: i64,
}

/// A full bundle whose entries and hashes were found to belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    /// The hash of the subtree over it.
    node: Hash,
    /// What its files were then.
    files: FilesMark,
}

/// The beginning of a SHA-256 over what the system says about the two files.
type FilesMark = [u8; 16];

impl Seen {
    /// Remembers bundles whose files were last changed before `now_seconds`, less what a clock may
    /// miss: a file that was just written can be changed again within the same tick.
    pub fn remember_until(&mut self, now_seconds: i64) {
        self.at_rest = now_seconds.saturating_sub(TICK_SECONDS);
    }

    /// Returns the second from which on changed files are not remembered.
    pub(super) fn at_rest(&self) -> i64 {
        self.at_rest
    }

    /// Writes it down: 48 bytes a bundle, zeros for those not seen.
    pub fn encode(&self) -> Vec<u8> {
        let write = |checked: &Option<Checked>| {
            let Checked { node, files } = checked.unwrap_or(Checked::NONE);
            [node.as_slice(), &files].concat()
        };
        self.bundles.iter().flat_map(write).collect()
    }

    /// Reads what [`Seen::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let records = bytes.chunks_exact(RECORD_LEN);
        if !records.remainder().is_empty() {
            return None;
        }
        let read = |record: &[u8]| {
            let (node, files) = record.split_first_chunk::<32>()?;
            let checked = Checked { node: *node, files: *files.first_chunk::<16>()? };
            (checked != Checked::NONE).then_some(checked)
        };
        Some(Self { bundles: records.map(read).collect(), ..Self::default() })
    }

    /// Forgets the bundles from `count` on: a partial one may grow.
    pub(super) fn cut_to(&mut self, count: u64) {
        self.bundles.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    }

    pub(super) fn insert(&mut self, first: u64, bundles: Vec<Checked>) {
        let first = first as usize;
        let end = first + bundles.len();
        if self.bundles.len() < end {
            self.bundles.resize(end, None);
        }
        for (place, checked) in self.bundles.iter_mut().skip(first).zip(bundles) {
            *place = Some(checked);
        }
    }

    /// Returns the nodes of the bundles, in order, up to the first that was not seen.
    pub(super) fn nodes(&self) -> impl Iterator<Item = Hash> {
        self.bundles.iter().map_while(|checked| checked.map(|checked| checked.node))
    }

    pub(super) fn bundles(&self) -> Vec<Option<Checked>> {
        self.bundles.clone()
    }
}

impl Checked {
    const NONE: Self = Self { node: [0; 32], files: [0; 16] };

    /// Returns whether the files of bundle `index` are those that were read then.
    pub(super) fn is_unmoved(&self, dir: &Path, index: u64) -> bool {
        mark(dir, index, i64::MAX).is_some_and(|mark| mark == self.files)
    }
}

/// Compares the entries of a bundle with its hashes.
pub(super) fn check_bundle(
    dir: &Path,
    tiles: &mut Tiles,
    index: u64,
    at_rest: i64,
) -> Result<Checked, LedgerError> {
    // Before reading: whoever changes a file afterwards gives it another time.
    let files = mark(dir, index, at_rest).unwrap_or(Checked::NONE.files);
    let hashes = tiles.hashes(0, index)?;
    let bundle = tiles.bundle(index)?;
    check_entries(&bundle, &hashes, index * TILE_WIDTH)?;
    let full = hashes.len() as u64 == TILE_WIDTH;
    let node = if full { perfect_root(&hashes) } else { [0; 32] };
    Ok(Checked { node, files })
}

/// Says which files the bundle and its hashes are, how long, and when they were changed; `None`
/// where they are not full, not there, or changed at `at_rest` or later.
fn mark(dir: &Path, index: u64, at_rest: i64) -> Option<FilesMark> {
    let mut hasher = Sha256::default();
    for kind in [Kind::Hashes(0), Kind::Entries] {
        let id = TileId { kind, index, width: TILE_WIDTH };
        let file = fs::symlink_metadata(dir.join(id.path())).ok()?;
        if !file.is_file() || at_rest <= file.ctime() {
            return None;
        }
        for number in [file.dev(), file.ino(), file.len()] {
            hasher.update(&number.to_be_bytes());
        }
        for number in [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()] {
            hasher.update(&number.to_be_bytes());
        }
    }
    hasher.finish().first_chunk().copied()
}

const RECORD_LEN: usize = 48;

/// The coarsest times that a file system in use keeps are two seconds apart.
const TICK_SECONDS: i64 = 2;
