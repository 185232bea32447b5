//! The writer against every failure of every one of its writes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tempfile::TempDir;
use twinkeep_vault::sign::SigningKey;

use self::faulty_disk::{Behind, FaultyDisk, MODES, Mode, Survivors};
use super::Writer;
use crate::disk::{Disk, OsDisk, Pending};
use crate::folder::Limits;
use crate::journal::{JOURNAL_FILES, Journals};
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
/// the journals and some past them, and both journals fill up more than once.
const BATCHES: &[usize] = &[3, 252, 1, 55, 55, 55, 55, 55, 400, 55, 55, 55, 55, 55, 55, 1];

/// Small enough for the batches above to reach them.
const SMALL: Limits = Limits { journal: 4 << 10, unsettled: 12 };

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
fn run(mode: Mode, at: usize, behind: Behind) -> bool {
    let case = format!("{mode:?} at step {at}, {behind:?}");
    let dir = fast_folder();
    create(dir.path());
    let disk = FaultyDisk::new(dir.path(), mode, at, behind);
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
    // What failed behind the last batches is found here.
    let rested = writer.as_mut().map_or(Ok(()), Writer::settle);
    told.errors += usize::from(rested.is_err());
    let (struck, stopped) = disk.fault().state();
    if rested.is_err() && !stopped && mode != Mode::Full {
        writer.as_mut().unwrap().settle().unwrap();
    }
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
    assert!(Journals::read(dir.path()).unwrap().is_empty(), "{case}");
    struck
}

#[test]
fn no_failed_step_loses_an_acknowledged_entry_or_leaves_a_ledger_that_does_not_verify() {
    thread::scope(|scope| {
        for behind in [Behind::AtOnce, Behind::After(2)] {
            scope.spawn(move || {
                for &mode in MODES {
                    let struck = (0..).take_while(|&at| run(mode, at, behind)).count();
                    assert!(struck > 110, "{mode:?} struck {struck} steps");
                }
            });
        }
    });
}

#[test]
fn the_batches_of_the_table_fill_both_journals() {
    for behind in [Behind::AtOnce, Behind::After(2)] {
        let dir = fast_folder();
        create(dir.path());
        let disk = FaultyDisk::new(dir.path(), Mode::Failed, usize::MAX, behind);
        let mut writer = open_with(dir.path(), None, Box::new(disk)).unwrap();
        let (mut next, mut turns, mut waiting) = (0, vec![0], 0);
        for &count in BATCHES {
            writer.commit(&batch(next, count)).unwrap();
            next += count;
            let state = writer.state.as_ref().unwrap();
            waiting += usize::from(state.behind.is_some());
            if turns.last() != Some(&state.turn) {
                turns.push(state.turn);
            }
        }
        assert!(3 <= turns.len(), "{turns:?}");
        assert!(2 <= waiting, "{waiting}");
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
                let disk = Box::new(FaultyDisk::new(dir.path(), mode, at, Behind::AtOnce));
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

    fn begin_sync(
        &mut self,
        files: &[PathBuf],
        folders: &[PathBuf],
        leftovers: Vec<PathBuf>,
    ) -> io::Result<Pending> {
        self.disk.begin_sync(files, folders, leftovers)
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

/// A ledger that stopped while one journal settled and the other took records.
fn in_turns() -> (TempDir, Told) {
    let dir = fast_folder();
    create(dir.path());
    let disk = FaultyDisk::new(dir.path(), Mode::Failed, usize::MAX, Behind::After(usize::MAX));
    let mut writer = open_with(dir.path(), None, Box::new(disk)).unwrap();
    let mut told = Told::default();
    let both = || JOURNAL_FILES.iter().all(|name| read(dir.path(), name)[0] != 0);
    while !both() {
        told.commit(&mut writer, batch(20 * told.trusted.len(), 20));
    }
    told.commit(&mut writer, batch(20 * told.trusted.len(), 20));
    (dir, told)
}

fn read(dir: &Path, name: &str) -> Vec<u8> {
    fs::read(dir.join(name)).unwrap()
}

#[test]
fn every_byte_of_both_journals_is_verified_while_they_take_turns() {
    let (dir, told) = in_turns();
    told.check(dir.path(), "as it was left");
    let check = || verify(dir.path(), ORIGIN, &key().verifying_key(), &[]);
    for name in JOURNAL_FILES {
        let path = dir.path().join(name);
        let good = read(dir.path(), name);
        for at in (0..good.len()).step_by(7) {
            let mut changed = good.clone();
            changed[at] ^= 1 << (at % 8);
            OsDisk::default().write(&path, &changed).unwrap();
            let error = check().unwrap_err();
            assert!(error.is_tampering(), "{name}, byte {at}: {error}");
        }
        OsDisk::default().write(&path, &good).unwrap();
    }
    open(dir.path());
    told.check(dir.path(), "finished");
    assert!(Journals::read(dir.path()).unwrap().is_empty());
}

/// One that is being emptied has lost its beginning, or its end, or all; the tiles are durable.
#[test]
fn a_journal_that_was_being_emptied_takes_nothing_from_the_other() {
    let (dir, told) = in_turns();
    let full = read(dir.path(), JOURNAL_FILES[0]);
    for zeros in [0..1, 0..100, 0..full.len(), full.len() / 2..full.len(), 512..1024] {
        let mut emptied = full.clone();
        emptied[zeros.clone()].fill(0);
        let copy = fast_folder();
        let copied = std::process::Command::new("cp")
            .args(["-a", &format!("{}/.", dir.path().display())])
            .arg(copy.path())
            .status();
        assert!(copied.unwrap().success());
        let path = copy.path().join(JOURNAL_FILES[0]);
        OsDisk::default().write(&path, &emptied).unwrap();
        open(copy.path());
        told.check(copy.path(), &format!("{zeros:?}"));
    }
}

/// A journal of the same ledger from before, in the place of the one that settled.
#[test]
fn an_old_journal_beside_the_present_one_changes_nothing() {
    let (dir, told) = in_turns();
    let old = read(dir.path(), JOURNAL_FILES[0]);
    let mut writer = open(dir.path());
    let mut told = told;
    told.commit(&mut writer, batch(1000, 20));
    assert_ne!(read(dir.path(), JOURNAL_FILES[0])[0], 0);
    drop(writer);
    OsDisk::default().write(&dir.path().join(JOURNAL_FILES[1]), &old).unwrap();
    assert!(verify(dir.path(), ORIGIN, &key().verifying_key(), &[]).is_err());
    open(dir.path());
    told.check(dir.path(), "an old journal");
}

#[test]
fn what_a_failed_batch_leaves_of_the_tree_is_in_no_readers_way() {
    for at in 0..40 {
        for count in [30, 600] {
            let dir = fast_folder();
            create(dir.path());
            let mut told = Told::default();
            told.commit(&mut open(dir.path()), batch(0, 10));
            let public = key().verifying_key();
            let early = View::open(dir.path(), ORIGIN, &public).unwrap();
            let disk = FaultyDisk::new(dir.path(), Mode::StoppedAfter, at, Behind::AtOnce);
            let failed = open_with(dir.path(), None, Box::new(disk))
                .and_then(|mut writer| writer.commit(&batch(500, count)));
            let Err(_) = failed else { continue };
            let mut writer = open(dir.path());
            for n in 0..3 {
                told.commit(&mut writer, batch(10 + 5 * n, 5));
                writer.settle().unwrap();
                assert_eq!(early.entries(0..10).unwrap(), batch(0, 10), "step {at}");
            }
            told.check(dir.path(), "after a failed batch");
        }
    }
}

#[test]
fn every_byte_of_a_journal_is_verified() {
    let dir = unsettled();
    let path = dir.path().join(JOURNAL_FILES[0]);
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
    let old = fs::read(dir.path().join(JOURNAL_FILES[0])).unwrap();
    let mut writer = open(dir.path());
    writer.commit(&batch(40, 10)).unwrap();
    writer.settle().unwrap();
    let size = || {
        let view = View::open(dir.path(), ORIGIN, &key().verifying_key()).unwrap();
        view.checkpoint().checkpoint.size
    };
    OsDisk::default().write(&dir.path().join(JOURNAL_FILES[0]), &old).unwrap();
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
    let fork = fs::read(other.path().join(JOURNAL_FILES[0])).unwrap();
    OsDisk::default().write(&dir.path().join(JOURNAL_FILES[0]), &fork).unwrap();
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
    let journal = fs::read(dir.path().join(JOURNAL_FILES[0])).unwrap();
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
