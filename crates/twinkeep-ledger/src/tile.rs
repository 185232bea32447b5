//! Tiles: how the tree lies on disk (C2SP tlog-tiles), as paths and bytes.
//!
//! A hash tile holds up to 256 neighbouring nodes of one level (every eighth level of the tree);
//! an entry bundle holds the up to 256 entries under a level-0 tile. A tile that is not full is
//! *partial* and carries its width in its path: `tile/0/x001/234.p/17`.

use crate::tree::Hash;

/// Largest entry, in bytes: an entry names what was done and carries digests, never content. The
/// format itself ends at 65,535.
pub const ENTRY_SIZE_MAX: usize = 16 * 1024;

/// Nodes in a full tile; fixed by the format.
pub(crate) const TILE_WIDTH: u64 = 256;

/// Levels of tiles that a tree of 2^64 leaves can have.
const LEVEL_COUNT: u32 = 8;

/// Levels of the tree that one tile spans: 2^8 = 256.
pub(crate) const TILE_HEIGHT: u32 = 8;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The hashes of tile level `.0`: level 0 has those of the entries.
    Hashes(u32),
    /// The entries.
    Entries,
}

/// One file of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TileId {
    pub(crate) kind: Kind,
    /// Position among the tiles of its kind.
    pub(crate) index: u64,
    /// How many nodes or entries it holds, 1 to 256.
    pub(crate) width: u64,
}

impl TileId {
    /// Reads a path as [`TileId::path`] writes it, and in no other spelling.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("tile/")?;
        let (kind, rest) = rest.split_once('/')?;
        let (digits, width) = match rest.split_once(".p/") {
            Some((digits, width)) => (digits, width.parse().ok()?),
            None => (rest, TILE_WIDTH),
        };
        let kind = match kind {
            "entries" => Kind::Entries,
            level => Kind::Hashes(level.parse().ok().filter(|level| *level < LEVEL_COUNT)?),
        };
        let mut index: u64 = 0;
        for group in digits.split('/') {
            let group: u64 = group.strip_prefix('x').unwrap_or(group).parse().ok()?;
            index = index.checked_mul(1000)?.checked_add(group)?;
        }
        let id = Self { kind, index, width };
        (id.path() == path && 0 < width).then_some(id)
    }

    /// Returns whether it can still grow.
    pub(crate) fn is_partial(self) -> bool {
        self.width < TILE_WIDTH
    }

    /// Returns the path of the full tile, relative to the ledger's folder.
    pub(crate) fn full_path(self) -> String {
        let mut index = self.index;
        let mut digits = format!("{:03}", index % 1000);
        while index >= 1000 {
            index /= 1000;
            digits = format!("x{:03}/{digits}", index % 1000);
        }
        match self.kind {
            Kind::Hashes(level) => format!("tile/{level}/{digits}"),
            Kind::Entries => format!("tile/entries/{digits}"),
        }
    }

    /// Returns the path of the tile with exactly this width.
    pub(crate) fn path(self) -> String {
        let full = self.full_path();
        if self.is_partial() { format!("{full}.p/{}", self.width) } else { full }
    }
}

/// Returns how many nodes tile level `level` has in a tree of `size` leaves.
pub(crate) fn node_count(level: u32, size: u64) -> u64 {
    size.checked_shr(level * TILE_HEIGHT).unwrap_or(0)
}

/// Returns the tile of `kind` at `index` in a tree of `size` leaves; `None` if it has none.
pub(crate) fn tile_at(kind: Kind, index: u64, size: u64) -> Option<TileId> {
    let count = match kind {
        Kind::Hashes(level) => node_count(level, size),
        Kind::Entries => size,
    };
    let width = count.saturating_sub(index.checked_mul(TILE_WIDTH)?).min(TILE_WIDTH);
    (width > 0).then_some(TileId { kind, index, width })
}

/// Writes hashes as a tile.
pub(crate) fn encode_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.concat()
}

/// Reads the first `width` hashes of a tile that has at least as many.
pub(crate) fn decode_hashes(bytes: &[u8], width: u64) -> Option<Vec<Hash>> {
    let hashes = bytes.chunks_exact(32);
    if !hashes.remainder().is_empty() || (hashes.len() as u64) < width {
        return None;
    }
    let whole = |chunk: &[u8]| {
        let mut hash = [0; 32];
        hash.copy_from_slice(chunk);
        hash
    };
    Some(hashes.take(width as usize).map(whole).collect())
}

/// Adds an entry to a bundle: its length as two bytes, big-endian, then itself.
pub(crate) fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    // Entries were checked against ENTRY_SIZE_MAX, which fits.
    bundle.extend_from_slice(&(entry.len() as u16).to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// Reads the first `width` entries of a bundle; `exact` says that there must be no more.
pub(crate) fn decode_entries(bytes: &[u8], width: u64, exact: bool) -> Option<Vec<&[u8]>> {
    let mut rest = bytes;
    let mut entries = Vec::new();
    for _ in 0..width {
        let (length, after) = rest.split_at_checked(2)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let (entry, after) = after.split_at_checked(length)?;
        entries.push(entry);
        rest = after;
    }
    (!exact || rest.is_empty()).then_some(entries)
}

/// Reads entries up to the last byte.
pub(crate) fn decode_all_entries(mut rest: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (entry, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry.to_vec());
        rest = after;
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::{Kind, TileId, decode_entries, decode_hashes, push_entry, tile_at};

    #[test]
    fn paths_are_those_of_the_specification() {
        let tile = |kind, index, width| TileId { kind, index, width }.path();
        assert_eq!(tile(Kind::Hashes(0), 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile(Kind::Hashes(3), 0, 17), "tile/3/000.p/17");
        assert_eq!(tile(Kind::Entries, 1000, 1), "tile/entries/x001/000.p/1");
    }

    #[test]
    fn a_path_has_one_spelling() {
        for path in ["tile/0/x001/x234/067", "tile/3/000.p/17", "tile/entries/x001/000.p/1"] {
            assert_eq!(TileId::parse(path).map(TileId::path).as_deref(), Some(path));
        }
        for path in [
            "",
            "tile/0/",
            "tile/0/0",
            "tile/0/00/000",
            "tile/0/x000/001",
            "tile/0/x001",
            "tile/0/+01",
            "tile/00/000",
            "tile/8/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/017",
            "tile/0/000.p/1/2",
            "tile/0/../../../keys/root",
            "tile/other/000",
            "/tile/0/000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(TileId::parse(path), None, "{path}");
        }
    }

    #[test]
    fn the_width_of_a_tile_follows_from_the_size_of_the_tree() {
        let width = |kind, index, size| tile_at(kind, index, size).map(|tile| tile.width);
        assert_eq!(width(Kind::Entries, 0, 0), None);
        assert_eq!(width(Kind::Entries, 0, 5), Some(5));
        assert_eq!(width(Kind::Hashes(0), 1, 257), Some(1));
        assert_eq!(width(Kind::Hashes(1), 0, 257), Some(1));
        assert_eq!(width(Kind::Hashes(1), 0, 255), None);
        assert_eq!(width(Kind::Hashes(0), u64::MAX, u64::MAX), None);
    }

    #[test]
    fn a_bundle_reads_back_and_a_damaged_one_does_not() {
        let mut bundle = Vec::new();
        push_entry(&mut bundle, b"one");
        push_entry(&mut bundle, b"");
        assert_eq!(decode_entries(&bundle, 2, true), Some(vec![&b"one"[..], b""]));
        assert_eq!(decode_entries(&bundle, 1, true), None);
        assert_eq!(decode_entries(&bundle, 3, true), None);
        assert_eq!(decode_entries(&bundle[..4], 1, true), None);
        assert_eq!(decode_hashes(&[0; 64], 2), Some(vec![[0; 32]; 2]));
        assert_eq!(decode_hashes(&[0; 64], 3), None);
        assert_eq!(decode_hashes(&[0; 63], 1), None);
    }
}
