//! A ledger against somebody who edits its folder, and against another implementation.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tlog_tiles::{Error, Tile, TileHashReader, TileReader};
use twinkeep_vault::sign::SigningKey;

use super::{Seen, verify, verify_from};
use crate::disk::OsDisk;
use crate::folder::Limits;
use crate::journal::JOURNAL_FILES;
use crate::tile::{Kind, TileId};
use crate::tree::leaf_hash;
use crate::writer::Writer;
use crate::{Checkpoint, LedgerError, View, verify_inclusion};

const ORIGIN: &str = "keep.example/ledger";

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

/// So that its every byte can be changed in turn.
const SMALL: Limits = Limits { journal: 4 << 10, unsettled: 64 };

/// A ledger in a temporary folder, and its checkpoint after each batch.
struct Sample {
    dir: TempDir,
    checkpoints: Vec<Checkpoint>,
}

impl Sample {
    fn new(batches: &[u64]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let empty = Writer::create(dir.path(), ORIGIN, &key(), Box::<OsDisk>::default()).unwrap();
        let mut writer =
            Writer::open(dir.path(), ORIGIN, key(), None, Box::<OsDisk>::default(), SMALL).unwrap();
        let mut checkpoints = vec![empty.checkpoint];
        for count in batches {
            let first = checkpoints[checkpoints.len() - 1].size;
            let entries: Vec<_> = (first..first + count).map(entry).collect();
            checkpoints.push(writer.commit(&entries).unwrap().1.checkpoint);
        }
        writer.settle().unwrap();
        Self { dir, checkpoints }
    }

    fn verify(&self) -> Result<super::Verified, LedgerError> {
        verify(self.dir.path(), ORIGIN, &key().verifying_key(), &self.checkpoints)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn view(&self) -> View {
        View::open(self.dir.path(), ORIGIN, &key().verifying_key()).unwrap()
    }
}

fn entry(n: u64) -> Vec<u8> {
    format!("entry {n}").into_bytes()
}

fn overwrite(path: &Path, bytes: &[u8]) {
    File::create(path).unwrap().write_all(bytes).unwrap();
}

/// Every file of a ledger but its lock, which is empty.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().unwrap() != "lock" {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn a_ledger_verifies_with_nothing_but_its_folder_and_the_public_key() {
    let sample = Sample::new(&[1, 254, 1, 1, 300, 70_000]);
    let verified = sample.verify().unwrap();
    assert_eq!(verified.checkpoint.checkpoint.size, 70_557);
    assert_eq!(verified.trusted_count, 7);
    assert_eq!(Sample::new(&[]).verify().unwrap().checkpoint.checkpoint, Checkpoint::empty());
}

#[test]
fn changing_any_byte_of_any_file_is_found() {
    let sample = Sample::new(&[260]);
    let files = files(sample.dir.path());
    assert_eq!(files.len(), 8);
    for path in files {
        let bytes = fs::read(&path).unwrap();
        // Zeros are all the same, and there are many of them.
        let zeros = bytes.iter().all(|byte| *byte == 0);
        for at in (0..bytes.len()).step_by(if zeros { 101 } else { 1 }) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            overwrite(&path, &changed);
            let error = sample.verify().unwrap_err();
            assert!(error.is_tampering(), "{} at {at}: {error}", path.display());
        }
        overwrite(&path, &bytes);
    }
    sample.verify().unwrap();
}

/// Remembers files however new they are.
fn patient() -> Seen {
    let mut seen = Seen::default();
    seen.remember_until(i64::MAX);
    seen
}

fn again(seen: &Seen) -> Seen {
    let mut seen = Seen::decode(&seen.encode()).unwrap();
    seen.remember_until(i64::MAX);
    seen
}

/// Verifies and goes on from what was seen; returns how many entries were not read.
fn resume(sample: &Sample, seen: &mut Seen) -> Result<u64, LedgerError> {
    let key = key().verifying_key();
    let trusted = &sample.checkpoints;
    let verified =
        verify_from(sample.dir.path(), ORIGIN, &key, trusted, seen, &mut |done, size, _| {
            assert!(done <= size);
        });
    verified.map(|verified| verified.resumed)
}

#[test]
fn resuming_reads_what_is_new_or_was_touched_and_nothing_else() {
    let sample = Sample::new(&[70_000]);
    let mut seen = patient();
    assert_eq!(resume(&sample, &mut seen).unwrap(), 0);
    assert_eq!(resume(&sample, &mut seen).unwrap(), 273 * 256);
    let mut seen = again(&seen);
    assert_eq!(resume(&sample, &mut seen).unwrap(), 273 * 256);
    let mut writer =
        Writer::open(sample.dir.path(), ORIGIN, key(), None, Box::<OsDisk>::default(), SMALL)
            .unwrap();
    writer.commit(&(70_000..80_000).map(entry).collect::<Vec<_>>()).unwrap();
    assert_eq!(resume(&sample, &mut seen).unwrap(), 273 * 256);
    assert_eq!(resume(&sample, &mut seen).unwrap(), 312 * 256);
    // A file that is written again is read again, and found to hold.
    let path = sample.path("tile/entries/100");
    overwrite(&path, &fs::read(&path).unwrap());
    assert_eq!(resume(&sample, &mut seen).unwrap(), 311 * 256);
}

#[test]
fn what_is_changed_after_it_was_seen_is_found_in_every_file() {
    let sample = Sample::new(&[1_000]);
    let mut seen = patient();
    resume(&sample, &mut seen).unwrap();
    for path in files(sample.dir.path()) {
        let bytes = fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 1;
        overwrite(&path, &changed);
        let remembered = &mut Seen::decode(&seen.encode()).unwrap();
        assert!(resume(&sample, remembered).unwrap_err().is_tampering(), "{}", path.display());
        overwrite(&path, &bytes);
    }
    resume(&sample, &mut seen).unwrap();
}

/// Whoever writes twice within one tick of the clock leaves the same time.
#[test]
fn a_file_that_changed_just_now_is_not_remembered() {
    let sample = Sample::new(&[1_000]);
    let times: Vec<i64> =
        files(sample.dir.path()).iter().map(|path| fs::metadata(path).unwrap().ctime()).collect();
    let (oldest, newest) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    for (now, remembered) in [(*oldest, 0), (oldest + 2, 0), (newest + 3, 3 * 256)] {
        let mut seen = Seen::default();
        seen.remember_until(now);
        resume(&sample, &mut seen).unwrap();
        assert_eq!(resume(&sample, &mut seen).unwrap(), remembered, "{}", now - newest);
    }
}

/// What is remembered cannot bring a wrong hash into the root.
#[test]
fn a_forged_memory_makes_no_changed_node_pass() {
    let sample = Sample::new(&[1_000]);
    let mut seen = patient();
    resume(&sample, &mut seen).unwrap();
    let good = seen.encode();
    for at in 0..good.len() {
        let mut forged = good.clone();
        forged[at] ^= 1;
        let outcome = resume(&sample, &mut Seen::decode(&forged).unwrap());
        // A wrong node is found by the tile above; with a wrong mark, the bundle is read again.
        match at % 48 {
            0..32 => assert!(outcome.unwrap_err().is_tampering(), "byte {at}"),
            _ => assert_eq!(outcome.unwrap(), 2 * 256, "byte {at}"),
        }
    }
    assert!(Seen::decode(&good[1..]).is_none());
}

#[test]
fn removing_or_cutting_any_file_is_found() {
    let sample = Sample::new(&[260]);
    // An empty journal may be missing, as in a copy, and another one is made when it is needed.
    let files = files(sample.dir.path());
    let journals = |path: &PathBuf| JOURNAL_FILES.iter().any(|name| path.ends_with(name));
    for path in files.into_iter().filter(|path| !journals(path)) {
        let bytes = fs::read(&path).unwrap();
        for length in [0, bytes.len() / 2, bytes.len() - 1] {
            overwrite(&path, &bytes[..length]);
            assert!(sample.verify().is_err(), "{} cut to {length}", path.display());
        }
        overwrite(&path, &[bytes.as_slice(), b"\0"].concat());
        assert!(sample.verify().is_err(), "{} extended", path.display());
        fs::remove_file(&path).unwrap();
        assert!(sample.verify().is_err(), "{} removed", path.display());
        overwrite(&path, &bytes);
    }
    sample.verify().unwrap();
}

/// Rewrites a bundle with `edit` done to its entries.
fn edit_bundle(path: &Path, edit: impl Fn(&mut Vec<Vec<u8>>)) {
    let bytes = fs::read(path).unwrap();
    let (mut entries, mut rest) = (Vec::new(), bytes.as_slice());
    while let [high, low, after @ ..] = rest {
        let (entry, after) = after.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        entries.push(entry.to_vec());
        rest = after;
    }
    edit(&mut entries);
    let mut bundle = Vec::new();
    for entry in entries {
        crate::tile::push_entry(&mut bundle, &entry);
    }
    overwrite(path, &bundle);
}

#[test]
fn the_error_names_the_entry_that_was_changed_removed_or_reordered() {
    let changed = |edit: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let sample = Sample::new(&[300]);
        edit_bundle(&sample.path("tile/entries/001.p/44"), edit);
        sample.verify().unwrap_err()
    };
    let error = changed(&|entries| entries[4] = b"entry X".to_vec());
    assert!(matches!(error, LedgerError::EntryChanged { index: 260 }), "{error}");
    let error = changed(&|entries| entries.swap(7, 9));
    assert!(matches!(error, LedgerError::EntryChanged { index: 263 }), "{error}");
    let error = changed(&|entries| drop(entries.remove(43)));
    assert!(matches!(&error, LedgerError::Tile { path, .. } if path == "tile/entries/001.p/44"));
}

#[test]
fn an_entry_changed_together_with_its_hashes_is_found_by_the_root() {
    let sample = Sample::new(&[300]);
    edit_bundle(&sample.path("tile/entries/000"), |entries| entries[5] = b"forged".to_vec());
    let tile = sample.path("tile/0/000");
    let mut hashes = fs::read(&tile).unwrap();
    hashes[5 * 32..6 * 32].copy_from_slice(&leaf_hash(b"forged"));
    overwrite(&tile, &hashes);
    let error = verify(sample.dir.path(), ORIGIN, &key().verifying_key(), &[]).unwrap_err();
    assert!(
        matches!(&error, LedgerError::Tile { path, .. } if path == "tile/1/000.p/1"),
        "{error}"
    );
    let error = sample.view().entries(5..6).unwrap_err();
    assert!(matches!(error, LedgerError::RootChanged { size: 300 }), "{error}");
}

#[test]
fn a_rolled_back_folder_is_found_by_any_later_checkpoint() {
    let sample = Sample::new(&[10, 10]);
    let old = sample.checkpoints[1].sign(ORIGIN, &key());
    overwrite(&sample.path("checkpoint"), old.note.as_bytes());
    let error = sample.verify().unwrap_err();
    assert!(matches!(error, LedgerError::RolledBack { size: 10, trusted: 20 }), "{error}");
    let opened = Writer::open(
        sample.dir.path(),
        ORIGIN,
        key(),
        Some(sample.checkpoints[2]),
        Box::<OsDisk>::default(),
        SMALL,
    );
    assert!(matches!(opened.err(), Some(LedgerError::RolledBack { .. })));
}

#[test]
fn a_history_rewritten_with_the_right_key_is_found_by_an_old_checkpoint() {
    let honest = Sample::new(&[10, 10]);
    let forged = Sample::new(&[]);
    let mut writer =
        Writer::open(forged.dir.path(), ORIGIN, key(), None, Box::<OsDisk>::default(), SMALL)
            .unwrap();
    let entries: Vec<_> = (0..20).map(|n| entry(if n == 3 { 99 } else { n })).collect();
    writer.commit(&entries).unwrap();
    let public = key().verifying_key();
    let check = |trusted: &[Checkpoint]| verify(forged.dir.path(), ORIGIN, &public, trusted);
    check(&[]).unwrap();
    for trusted in &honest.checkpoints[1..] {
        let error = check(&[*trusted]).unwrap_err();
        assert!(matches!(error, LedgerError::Rewritten { size } if size == trusted.size));
    }
}

#[test]
fn entries_and_proofs_are_read_from_the_tiles() {
    let sample = Sample::new(&[70_000]);
    let view = sample.view();
    let Checkpoint { size, root } = view.checkpoint().checkpoint;
    let expected: Vec<_> = (250..520).map(entry).collect();
    assert_eq!(view.entries(250..520).unwrap(), expected);
    assert_eq!(view.entries(5..5).unwrap(), Vec::<Vec<u8>>::new());
    assert!(matches!(view.entries(69_999..70_001), Err(LedgerError::OutOfRange { .. })));
    for index in [0, 255, 256, 65_535, 65_536, 69_999] {
        let proof = view.inclusion_proof(index).unwrap();
        verify_inclusion(&leaf_hash(&entry(index)), index, size, &root, &proof).unwrap();
    }
    assert!(matches!(view.inclusion_proof(70_000), Err(LedgerError::OutOfRange { .. })));
}

#[test]
fn a_reader_with_an_older_checkpoint_is_served_by_wider_tiles() {
    let sample = Sample::new(&[200]);
    let view = sample.view();
    let mut writer =
        Writer::open(sample.dir.path(), ORIGIN, key(), None, Box::<OsDisk>::default(), SMALL)
            .unwrap();
    writer.commit(&(200..210).map(entry).collect::<Vec<_>>()).unwrap();
    assert_eq!(view.entries(190..200).unwrap(), (190..200).map(entry).collect::<Vec<_>>());
    writer.commit(&(210..300).map(entry).collect::<Vec<_>>()).unwrap();
    assert_eq!(view.entries(190..200).unwrap(), (190..200).map(entry).collect::<Vec<_>>());
    view.inclusion_proof(199).unwrap();
}

#[test]
fn a_tile_is_served_by_its_path_also_when_a_wider_one_took_its_place() {
    let sample = Sample::new(&[200, 100, 300]);
    let view = sample.view();
    let tile = |path: &str| view.tile(path).unwrap();
    let full = tile("tile/0/000").unwrap();
    assert_eq!(full.len(), 256 * 32);
    assert_eq!(tile("tile/0/000.p/200").unwrap(), full[..200 * 32]);
    assert_eq!(tile("tile/1/000.p/2").unwrap().len(), 64);
    let bundle = tile("tile/entries/002.p/88").unwrap();
    assert!(bundle.starts_with(b"\0\x09entry 512"));
    assert_eq!(tile("tile/entries/002.p/1").unwrap(), bundle[..11]);
    for path in ["tile/0/002", "tile/0/002.p/89", "tile/1/000.p/3", "tile/2/000.p/1", "lock"] {
        assert_eq!(tile(path), None, "{path}");
    }
}

/// Lets the other implementation read our folder.
struct Folder(PathBuf);

impl TileReader for Folder {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &Tile| {
            let kind = Kind::Hashes(u32::from(tile.level()));
            let id = TileId { kind, index: tile.level_index(), width: u64::from(tile.width()) };
            fs::read(self.0.join(id.path())).unwrap()
        };
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

#[test]
fn another_implementation_reads_our_tiles_and_its_proofs_are_ours() {
    let sample = Sample::new(&[100, 69_900]);
    let view = sample.view();
    let Checkpoint { size, root } = view.checkpoint().checkpoint;
    let folder = Folder(sample.dir.path().to_path_buf());
    let reader = TileHashReader::new(size, tlog_tiles::Hash(root), &folder);
    for index in [0, 300, 65_536, 69_999] {
        let theirs = tlog_tiles::prove_record(size, index, &reader).unwrap();
        let theirs: Vec<_> = theirs.iter().map(|hash| hash.0).collect();
        assert_eq!(view.inclusion_proof(index).unwrap(), theirs);
    }
    let theirs = tlog_tiles::prove_tree(size, 100, &reader).unwrap();
    let theirs: Vec<_> = theirs.iter().map(|hash| hash.0).collect();
    assert_eq!(view.consistency_proof(&sample.checkpoints[1]).unwrap(), theirs);
}
