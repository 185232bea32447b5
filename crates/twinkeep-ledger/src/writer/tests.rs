//! The writer against every failure of every one of its writes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use twinkeep_vault::sign::SigningKey;

use super::Writer;
use crate::disk::{Disk, OsDisk};
use crate::{Checkpoint, LedgerError, View, verify};

const ORIGIN: &str = "keep.example/ledger";

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

/// How a write fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// It did not happen; later ones do.
    Failed,
    /// It happened, and an error was reported; later ones happen.
    FailedButPersisted,
    /// Half of it happened; later ones happen.
    Torn,
    /// The process stopped before it.
    StoppedBefore,
    /// The process stopped after it.
    StoppedAfter,
    /// The power went after it: names that were not synced are gone.
    PowerCut,
    /// The disk is full: half of it happened, and so it goes on until there is room again.
    Full,
}

const MODES: &[Mode] = &[
    Mode::Failed,
    Mode::FailedButPersisted,
    Mode::Torn,
    Mode::StoppedBefore,
    Mode::StoppedAfter,
    Mode::PowerCut,
    Mode::Full,
];

struct Fault {
    mode: Mode,
    /// Counts down with each write; the fault is at zero.
    remaining: usize,
    stopped: bool,
    struck: bool,
    /// Whether somebody made room, or started the program again.
    mended: bool,
    /// Names that no sync of their folder has made durable.
    unsynced: Vec<PathBuf>,
}

struct FaultyDisk(Arc<Mutex<Fault>>);

impl FaultyDisk {
    fn step(
        &mut self,
        write: impl FnOnce(&mut OsDisk) -> io::Result<()>,
        torn: impl FnOnce(&mut OsDisk) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut fault = self.0.lock().unwrap();
        let error = || Err(io::Error::other("as the test wants it"));
        if fault.stopped {
            return error();
        }
        let still_full = fault.mode == Mode::Full && fault.struck && !fault.mended;
        if (fault.struck && !still_full) || fault.remaining > 0 {
            fault.remaining = fault.remaining.saturating_sub(1);
            return write(&mut OsDisk);
        }
        fault.struck = true;
        match fault.mode {
            Mode::Failed => {}
            Mode::FailedButPersisted => write(&mut OsDisk)?,
            Mode::Torn | Mode::Full => torn(&mut OsDisk)?,
            Mode::StoppedBefore => fault.stopped = true,
            Mode::StoppedAfter | Mode::PowerCut => {
                fault.stopped = true;
                write(&mut OsDisk)?;
            }
        }
        error()
    }

    fn named(&self, path: &Path) {
        let mut fault = self.0.lock().unwrap();
        if !fault.unsynced.iter().any(|known| known == path) {
            fault.unsynced.push(path.to_path_buf());
        }
    }
}

impl Disk for FaultyDisk {
    fn make_dir(&mut self, path: &Path) -> io::Result<()> {
        self.named(path);
        self.step(|disk| disk.make_dir(path), |_| Ok(()))
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if !path.exists() {
            self.named(path);
        }
        let half = &bytes[..bytes.len() / 2];
        self.step(|disk| disk.write(path, bytes), |disk| disk.write(path, half))
    }

    fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        self.step(|disk| disk.sync_dir(path), |_| Ok(()))?;
        let mut fault = self.0.lock().unwrap();
        fault.unsynced.retain(|name| name.parent() != Some(path));
        Ok(())
    }

    fn replace(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.step(|disk| disk.replace(path, bytes), |_| Ok(()))
    }
}

impl Fault {
    fn disarm(&mut self) {
        self.struck = true;
        self.stopped = false;
        self.mended = true;
    }

    fn cut_power(&mut self) {
        for name in std::mem::take(&mut self.unsynced) {
            if name.is_dir() {
                let _ = fs::remove_dir_all(name);
            } else {
                let _ = fs::remove_file(name);
            }
        }
    }
}

/// A folder in memory where there is one: some ten thousand syncs take a minute on a disk.
fn fast_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn batch(first: usize, count: usize) -> Vec<Vec<u8>> {
    (first..first + count).map(|n| format!("entry {n}").into_bytes()).collect()
}

/// Fills a first tile, crosses into the next in one batch, and makes each kind of folder.
const BATCHES: &[usize] = &[3, 252, 1, 300];

/// What callers were told.
#[derive(Default)]
struct Told {
    acknowledged: Vec<(u64, Vec<Vec<u8>>)>,
    trusted: Vec<Checkpoint>,
    errors: usize,
}

impl Told {
    fn commit(&mut self, writer: &mut Writer, entries: Vec<Vec<u8>>) {
        match writer.commit(&entries) {
            Ok((first, signed)) => {
                self.acknowledged.push((first, entries));
                self.trusted.push(signed.checkpoint);
            }
            Err(_) => self.errors += 1,
        }
    }

    fn check(&self, dir: &Path, case: &str) {
        let public = key().verifying_key();
        let verified = verify(dir, ORIGIN, &public, &self.trusted);
        let size = verified.unwrap_or_else(|error| panic!("{case}: {error}")).checkpoint.checkpoint;
        let view = View::open(dir, ORIGIN, &public).unwrap();
        for (first, entries) in &self.acknowledged {
            let range = *first..first + entries.len() as u64;
            assert_eq!(view.entries(range).unwrap(), *entries, "{case}");
        }
        let told: usize = self.acknowledged.iter().map(|(_, entries)| entries.len()).sum();
        assert!(size.size >= told as u64, "{case}");
    }
}

/// Runs all batches with one fault; returns whether it struck.
fn run(mode: Mode, at: usize) -> bool {
    let case = format!("{mode:?} at write {at}");
    let dir = fast_folder();
    Writer::create(dir.path(), ORIGIN, &key(), &mut OsDisk).unwrap();
    let fault = Arc::new(Mutex::new(Fault {
        mode,
        remaining: at,
        stopped: false,
        struck: false,
        mended: false,
        unsynced: Vec::new(),
    }));
    let disk = Box::new(FaultyDisk(fault.clone()));
    let mut writer = Writer::open(dir.path(), ORIGIN, key(), None, disk).unwrap();
    let mut told = Told::default();
    let mut next = 0;
    for &count in BATCHES {
        let failed = told.errors;
        told.commit(&mut writer, batch(next, count));
        let no_room = mode == Mode::Full && 0 < failed;
        assert!(!no_room || told.errors == failed + 1, "{case}: acknowledged on a full disk");
        next += count;
    }
    let struck = fault.lock().unwrap().struck;
    if fault.lock().unwrap().stopped {
        drop(writer);
        if mode == Mode::PowerCut {
            fault.lock().unwrap().cut_power();
        }
        told.check(dir.path(), &case);
        let trusted = told.trusted.last().copied();
        let disk = Box::new(FaultyDisk(fault.clone()));
        writer = Writer::open(dir.path(), ORIGIN, key(), trusted, disk)
            .unwrap_or_else(|error| panic!("{case}: {error}"));
    } else if mode == Mode::Full {
        assert_eq!(0 < told.errors, struck, "{case}");
        told.check(dir.path(), &case);
    } else {
        assert_eq!(told.errors, usize::from(struck), "{case}: one batch fails, the next succeed");
    }
    fault.lock().unwrap().disarm();
    let acknowledged = told.acknowledged.len();
    told.commit(&mut writer, batch(next, 300));
    assert_eq!(told.acknowledged.len(), acknowledged + 1, "{case}");
    // What was acknowledged after the fault survives a later power cut, too.
    fault.lock().unwrap().cut_power();
    told.check(dir.path(), &case);
    struck
}

#[test]
fn no_failed_write_loses_an_acknowledged_entry_or_leaves_a_ledger_that_does_not_verify() {
    for &mode in MODES {
        let struck = (0..).take_while(|&at| run(mode, at)).count();
        assert!(struck > 20, "{mode:?} struck {struck} writes");
    }
}

#[test]
fn a_failed_batch_is_absent_or_whole() {
    for mode in [Mode::Failed, Mode::FailedButPersisted, Mode::StoppedAfter] {
        for at in 0..12 {
            let dir = fast_folder();
            Writer::create(dir.path(), ORIGIN, &key(), &mut OsDisk).unwrap();
            let fault = Fault {
                mode,
                remaining: at,
                stopped: false,
                struck: false,
                mended: false,
                unsynced: Vec::new(),
            };
            let disk = Box::new(FaultyDisk(Arc::new(Mutex::new(fault))));
            let mut writer = Writer::open(dir.path(), ORIGIN, key(), None, disk).unwrap();
            let failed = writer.commit(&batch(0, 10)).is_err();
            let view = View::open(dir.path(), ORIGIN, &key().verifying_key()).unwrap();
            let size = view.checkpoint().checkpoint.size;
            assert!(size == 10 || (failed && size == 0), "{mode:?} at write {at}: {size}");
        }
    }
}

#[test]
fn two_writers_take_turns() {
    let dir = fast_folder();
    Writer::create(dir.path(), ORIGIN, &key(), &mut OsDisk).unwrap();
    let open = || Writer::open(dir.path(), ORIGIN, key(), None, Box::new(OsDisk)).unwrap();
    let (mut one, mut other) = (open(), open());
    let mut told = Told::default();
    for round in 0..60 {
        let writer = if round % 2 == 0 { &mut one } else { &mut other };
        told.commit(writer, batch(round * 10, 9));
    }
    assert_eq!((told.errors, told.trusted.last().unwrap().size), (0, 540));
    told.check(dir.path(), "two writers");
}

#[test]
fn a_folder_that_is_rolled_back_or_replaced_under_the_writer_takes_no_more_entries() {
    let dir = fast_folder();
    Writer::create(dir.path(), ORIGIN, &key(), &mut OsDisk).unwrap();
    let mut writer = Writer::open(dir.path(), ORIGIN, key(), None, Box::new(OsDisk)).unwrap();
    writer.commit(&batch(0, 5)).unwrap();
    let path = dir.path().join("checkpoint");
    let old = fs::read(&path).unwrap();
    writer.commit(&batch(5, 5)).unwrap();
    OsDisk.replace(&path, &old).unwrap();
    let refused = writer.commit(&batch(10, 1)).unwrap_err();
    assert!(matches!(refused, LedgerError::RolledBack { size: 5, trusted: 10 }), "{refused}");
    let forged = Checkpoint { size: 10, root: [1; 32] }.sign(ORIGIN, &key()).note;
    OsDisk.replace(&path, forged.as_bytes()).unwrap();
    let refused = writer.commit(&batch(10, 1)).unwrap_err();
    assert!(matches!(refused, LedgerError::Rewritten { size: 10 }), "{refused}");
}

#[test]
fn partial_tiles_are_removed_once_wider_ones_replace_them() {
    let dir = fast_folder();
    Writer::create(dir.path(), ORIGIN, &key(), &mut OsDisk).unwrap();
    let mut writer = Writer::open(dir.path(), ORIGIN, key(), None, Box::new(OsDisk)).unwrap();
    for n in 0..300 {
        writer.commit(&batch(n, 1)).unwrap();
    }
    let names = |folder: &str| {
        let names = fs::read_dir(dir.path().join(folder)).unwrap();
        let mut names: Vec<String> =
            names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names("tile/0"), ["000", "001.p"]);
    assert_eq!(names("tile/0/001.p"), ["44"]);
    assert_eq!(names("tile/entries"), ["000", "001.p"]);
    assert_eq!(names("tile/1"), ["000.p"]);
}
