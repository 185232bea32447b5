//! The writer against every failure of every one of its writes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use twinkeep_vault::sign::SigningKey;

use self::faulty_disk::{FaultyDisk, MODES, Mode, Survivors};
use super::Writer;
use crate::disk::{Disk, OsDisk};
use crate::folder::Limits;
use crate::journal::{JOURNAL_FILE, Journal};
use crate::{Checkpoint, LedgerError, View, verify};

mod faulty_disk;

const ORIGIN: &str = "keep.example/ledger";

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

/// A folder in memory where there is one: some ten thousand syncs take a minute on a disk.
fn fast_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn batch(first: usize, count: usize) -> Vec<Vec<u8>> {
    (first..first + count).map(|n| format!("entry {n}").into_bytes()).collect()
}

/// Fills a first tile, crosses into the next, makes each kind of folder; some batches go through
/// the journal and some past it, and the journal fills up.
const BATCHES: &[usize] = &[3, 252, 1, 150, 150, 150, 150, 400, 1];

/// Small enough for the batches above to reach them.
const SMALL: Limits = Limits { journal: 8 << 10, unsettled: 12 };

fn create(dir: &Path) {
    Writer::create(dir, ORIGIN, &key(), Box::<OsDisk>::default()).unwrap();
}

fn open_with(
    dir: &Path,
    trusted: Option<Checkpoint>,
    disk: Box<dyn Disk>,
) -> Result<Writer, LedgerError> {
    Writer::open(dir, ORIGIN, key(), trusted, disk, SMALL)
}

fn open(dir: &Path) -> Writer {
    open_with(dir, None, Box::<OsDisk>::default()).unwrap()
}

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
    let case = format!("{mode:?} at step {at}");
    let dir = fast_folder();
    create(dir.path());
    let disk = FaultyDisk::new(dir.path(), mode, at);
    let mut told = Told::default();
    let mut writer = open_with(dir.path(), None, Box::new(disk.clone())).ok();
    let mut next = 0;
    for &count in BATCHES {
        let failed = told.errors;
        match &mut writer {
            Some(writer) => told.commit(writer, batch(next, count)),
            None => told.errors += 1,
        }
        let no_room = mode == Mode::Full && 0 < failed;
        assert!(!no_room || told.errors == failed + 1, "{case}: acknowledged on a full disk");
        next += count;
    }
    let opened = writer.is_some();
    let (struck, stopped) = disk.fault().state();
    if stopped || !opened {
        drop(writer.take());
        match mode {
            Mode::PowerCut(survivors) => disk.fault().cut_power(survivors),
            // Whoever verifies before anything is repaired finds nothing wrong.
            _ => told.check(dir.path(), &case),
        }
    } else if mode == Mode::Full {
        assert_eq!(0 < told.errors, struck, "{case}");
    } else {
        assert_eq!(told.errors, usize::from(struck), "{case}: one batch fails, the next succeed");
    }
    disk.fault().disarm();
    let mut writer = writer.unwrap_or_else(|| {
        let trusted = told.trusted.last().copied();
        open_with(dir.path(), trusted, Box::new(disk.clone()))
            .unwrap_or_else(|error| panic!("{case}: {error}"))
    });
    // On a full disk, a batch may lie in the journal in half until there is room again.
    if mode != Mode::Full {
        told.check(dir.path(), &case);
    }
    let acknowledged = told.acknowledged.len();
    told.commit(&mut writer, batch(next, 30));
    assert_eq!(told.acknowledged.len(), acknowledged + 1, "{case}");
    // What was acknowledged after the fault survives a later power cut, too.
    disk.fault().cut_power(Survivors::Nothing);
    open(dir.path());
    told.check(dir.path(), &case);
    assert!(Journal::read(dir.path()).unwrap().is_empty(), "{case}");
    struck
}

#[test]
fn no_failed_step_loses_an_acknowledged_entry_or_leaves_a_ledger_that_does_not_verify() {
    for &mode in MODES {
        let struck = (0..).take_while(|&at| run(mode, at)).count();
        assert!(struck > 60, "{mode:?} struck {struck} steps");
    }
}

#[test]
fn a_failed_batch_is_absent_or_whole() {
    for mode in [Mode::Failed, Mode::FailedButPersisted, Mode::StoppedAfter, Mode::Torn] {
        for at in 0..20 {
            for count in [10, 300] {
                let dir = fast_folder();
                create(dir.path());
                open(dir.path());
                let disk = Box::new(FaultyDisk::new(dir.path(), mode, at));
                // The first step is one of opening.
                let Ok(mut writer) = open_with(dir.path(), None, disk) else { continue };
                let failed = writer.commit(&batch(0, count)).is_err();
                drop(writer);
                open(dir.path());
                let view = View::open(dir.path(), ORIGIN, &key().verifying_key()).unwrap();
                let size = view.checkpoint().checkpoint.size;
                let whole = size == count as u64 || (failed && size == 0);
                assert!(whole, "{mode:?} at step {at}: {size} of {count}");
            }
        }
    }
}

/// The steps of one batch that goes through the journal.
#[test]
fn a_caller_waits_for_one_sync() {
    let dir = fast_folder();
    create(dir.path());
    open(dir.path()).commit(&batch(0, 3)).unwrap();
    let syncs = Arc::new(AtomicUsize::new(0));
    let disk = Box::new(CountingDisk { syncs: syncs.clone(), disk: OsDisk::default() });
    let mut writer = open_with(dir.path(), None, disk).unwrap();
    let before = syncs.load(Ordering::SeqCst);
    for n in 0..5 {
        writer.commit(&batch(n, 1)).unwrap();
    }
    assert_eq!(syncs.load(Ordering::SeqCst) - before, 5);
}

struct CountingDisk {
    syncs: Arc<AtomicUsize>,
    disk: OsDisk,
}

impl Disk for CountingDisk {
    fn make_dir(&mut self, path: &Path) -> io::Result<()> {
        self.disk.make_dir(path)
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.disk.write(path, bytes)
    }

    fn write_durably(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.disk.write_durably(path, bytes)
    }

    fn write_at(&mut self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.write_at(path, offset, bytes)
    }

    fn sync(&mut self, files: &[PathBuf], folders: &[PathBuf]) -> io::Result<()> {
        self.syncs.fetch_add(files.len() + folders.len(), Ordering::SeqCst);
        self.disk.sync(files, folders)
    }

    fn sync_everything(&mut self, dir: &Path) -> io::Result<()> {
        self.disk.sync_everything(dir)
    }

    fn remove(&mut self, path: &Path) {
        self.disk.remove(path);
    }
}

/// A ledger whose last batches only the journal makes durable.
fn unsettled() -> TempDir {
    let dir = fast_folder();
    create(dir.path());
    let mut writer = open(dir.path());
    for n in 0..4 {
        writer.commit(&batch(10 * n, 10)).unwrap();
    }
    assert!(!writer.is_settled());
    dir
}

#[test]
fn every_byte_of_a_journal_is_verified() {
    let dir = unsettled();
    let path = dir.path().join(JOURNAL_FILE);
    let good = fs::read(&path).unwrap();
    let used = good.iter().rposition(|byte| *byte != 0).unwrap();
    let check = || verify(dir.path(), ORIGIN, &key().verifying_key(), &[]);
    check().unwrap();
    for at in 0..good.len() {
        // Far behind the records, every byte is like the next.
        if used + 100 < at && at % 97 != 0 && at != good.len() - 1 {
            continue;
        }
        let mut changed = good.clone();
        changed[at] ^= 1 << (at % 8);
        OsDisk::default().write(&path, &changed).unwrap();
        let error = check().unwrap_err();
        assert!(error.is_tampering(), "byte {at}: {error}");
    }
    OsDisk::default().write(&path, &good).unwrap();
    check().unwrap();
}

/// Somebody who can write to the disk but has no key, and any journal that there ever was.
#[test]
fn a_journal_of_another_time_or_another_ledger_changes_nothing() {
    let dir = unsettled();
    let old = fs::read(dir.path().join(JOURNAL_FILE)).unwrap();
    let mut writer = open(dir.path());
    writer.commit(&batch(40, 10)).unwrap();
    writer.settle().unwrap();
    let size = || {
        let view = View::open(dir.path(), ORIGIN, &key().verifying_key()).unwrap();
        view.checkpoint().checkpoint.size
    };
    OsDisk::default().write(&dir.path().join(JOURNAL_FILE), &old).unwrap();
    assert!(verify(dir.path(), ORIGIN, &key().verifying_key(), &[]).is_err());
    open(dir.path());
    assert_eq!(size(), 50);
    verify(dir.path(), ORIGIN, &key().verifying_key(), &[]).unwrap();

    let other = fast_folder();
    create(other.path());
    let mut writer = open(other.path());
    for n in 0..9 {
        writer.commit(&batch(100 + 10 * n, 10)).unwrap();
    }
    let fork = fs::read(other.path().join(JOURNAL_FILE)).unwrap();
    OsDisk::default().write(&dir.path().join(JOURNAL_FILE), &fork).unwrap();
    let refused = open_with(dir.path(), None, Box::<OsDisk>::default()).err().unwrap();
    assert!(matches!(refused, LedgerError::Rewritten { size: 50 }), "{refused}");
    assert_eq!(size(), 50);
}

#[test]
fn a_ledger_at_rest_has_an_empty_journal_and_every_file_durable() {
    let dir = unsettled();
    let mut writer = open(dir.path());
    assert!(writer.is_settled());
    writer.commit(&batch(40, 1)).unwrap();
    assert!(!writer.is_settled());
    writer.settle().unwrap();
    assert!(writer.is_settled());
    let journal = fs::read(dir.path().join(JOURNAL_FILE)).unwrap();
    assert_eq!(journal, vec![0; SMALL.journal as usize]);
}

#[test]
fn two_writers_take_turns() {
    let dir = fast_folder();
    create(dir.path());
    let (mut one, mut other) = (open(dir.path()), open(dir.path()));
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
    create(dir.path());
    let mut writer = open(dir.path());
    writer.commit(&batch(0, 5)).unwrap();
    let path = dir.path().join("checkpoint");
    let old = fs::read(&path).unwrap();
    writer.commit(&batch(5, 5)).unwrap();
    writer.settle().unwrap();
    OsDisk::default().write(&path, &old).unwrap();
    let refused = writer.commit(&batch(10, 1)).unwrap_err();
    assert!(matches!(refused, LedgerError::RolledBack { size: 5, trusted: 10 }), "{refused}");
    let forged = Checkpoint { size: 10, root: [1; 32] }.sign(ORIGIN, &key()).note;
    OsDisk::default().write(&path, forged.as_bytes()).unwrap();
    let refused = writer.commit(&batch(10, 1)).unwrap_err();
    assert!(matches!(refused, LedgerError::Rewritten { size: 10 }), "{refused}");
}

#[test]
fn partial_tiles_are_removed_once_wider_ones_replace_them() {
    let dir = fast_folder();
    create(dir.path());
    let mut writer = open(dir.path());
    for n in 0..300 {
        writer.commit(&batch(n, 1)).unwrap();
    }
    writer.settle().unwrap();
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
