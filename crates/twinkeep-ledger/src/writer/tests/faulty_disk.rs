//! A disk of which one step fails, and that remembers what a power cut would leave.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{Disk, OsDisk, Patience, Pending};

/// How a step fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
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
    /// The power went after it.
    PowerCut(Survivors),
    /// The disk is full: half of it happened, and so it goes on until there is room again.
    Full,
}

/// What a power cut leaves of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Survivors {
    Nothing,
    Everything,
    /// The checkpoint alone: the worst that can be ahead of its entries.
    Checkpoint,
    /// New files with nothing in them.
    EmptyFiles,
    /// The second half of each write into the journal, and every other file.
    Halves,
}

pub(super) const MODES: &[Mode] = &[
    Mode::Failed,
    Mode::FailedButPersisted,
    Mode::Torn,
    Mode::StoppedBefore,
    Mode::StoppedAfter,
    Mode::PowerCut(Survivors::Nothing),
    Mode::PowerCut(Survivors::Everything),
    Mode::PowerCut(Survivors::Checkpoint),
    Mode::PowerCut(Survivors::EmptyFiles),
    Mode::PowerCut(Survivors::Halves),
    Mode::Full,
];

/// The disk and its one fault. Clones are the same.
#[derive(Clone)]
pub(super) struct FaultyDisk(Arc<Mutex<Fault>>, Behind);

/// When a sync that nobody waits for gets its turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Behind {
    AtOnce,
    /// After somebody looked so often, unless somebody waits for it.
    After(usize),
}

pub(super) struct Fault {
    mode: Mode,
    /// Counts down with each step; the fault is at zero.
    remaining: usize,
    stopped: bool,
    struck: bool,
    /// Whether somebody made room, or started the program again.
    mended: bool,
    real: OsDisk,
    durable: Durable,
}

/// What is on the platter.
struct Durable {
    root: PathBuf,
    files: BTreeMap<PathBuf, Vec<u8>>,
    folders: BTreeSet<PathBuf>,
    /// Content that no sync wrote down yet.
    dirty: BTreeMap<PathBuf, Dirt>,
    /// Names that no sync of their folder wrote down.
    unnamed: BTreeSet<PathBuf>,
}

#[derive(Clone, Debug)]
enum Dirt {
    Whole,
    Ranges(Vec<(usize, usize)>),
    /// A sync failed: the system takes the content for written from then on.
    Lost,
}

impl FaultyDisk {
    /// Everything in `root` is durable now; step `at` from here on fails.
    pub(super) fn new(root: &Path, mode: Mode, at: usize, behind: Behind) -> Self {
        let durable = Durable {
            root: root.to_path_buf(),
            files: live(root),
            folders: folders(root),
            dirty: BTreeMap::new(),
            unnamed: BTreeSet::new(),
        };
        let fault = Fault {
            mode,
            remaining: at,
            stopped: false,
            struck: false,
            mended: false,
            real: OsDisk::default(),
            durable,
        };
        Self(Arc::new(Mutex::new(fault)), behind)
    }

    pub(super) fn fault(&self) -> MutexGuard<'_, Fault> {
        self.0.lock().unwrap()
    }
}

fn error() -> io::Error {
    io::Error::other("as the test wants it")
}

impl Fault {
    /// Says whether the next step happens (whole or in half), and whether it succeeds.
    fn next(&mut self) -> (Happens, bool) {
        if self.stopped {
            return (Happens::Not, false);
        }
        let still_full = self.mode == Mode::Full && self.struck && !self.mended;
        if (self.struck && !still_full) || self.remaining > 0 {
            self.remaining = self.remaining.saturating_sub(1);
            return (Happens::Whole, true);
        }
        self.struck = true;
        self.stopped =
            matches!(self.mode, Mode::StoppedBefore | Mode::StoppedAfter | Mode::PowerCut(_));
        match self.mode {
            Mode::Failed | Mode::StoppedBefore => (Happens::Not, false),
            Mode::Torn | Mode::Full => (Happens::Half, false),
            Mode::FailedButPersisted | Mode::StoppedAfter | Mode::PowerCut(_) => {
                (Happens::Whole, false)
            }
        }
    }

    /// Returns whether the fault struck, and whether the process stopped.
    pub(super) fn state(&self) -> (bool, bool) {
        (self.struck, self.stopped)
    }

    pub(super) fn disarm(&mut self) {
        self.struck = true;
        self.stopped = false;
        self.mended = true;
    }

    pub(super) fn cut_power(&mut self, survivors: Survivors) {
        self.real = OsDisk::default();
        self.durable.cut_power(survivors);
    }
}

enum Happens {
    Not,
    Half,
    Whole,
}

impl Disk for FaultyDisk {
    fn make_dir(&mut self, path: &Path) -> io::Result<()> {
        let mut fault = self.fault();
        let (happens, succeeds) = fault.next();
        if matches!(happens, Happens::Whole) {
            fault.real.make_dir(path)?;
            fault.durable.unnamed.insert(path.to_path_buf());
        }
        succeeds.then_some(()).ok_or_else(error)
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut fault = self.fault();
        let (happens, succeeds) = fault.next();
        match happens {
            Happens::Not => {}
            Happens::Half => {
                let part = path.with_file_name(format!("{}.part", name(path)));
                File::create(part)?.write_all(&bytes[..bytes.len() / 2])?;
            }
            Happens::Whole => {
                fault.real.write(path, bytes)?;
                fault.durable.unnamed.insert(path.to_path_buf());
                fault.durable.dirty.insert(path.to_path_buf(), Dirt::Whole);
            }
        }
        succeeds.then_some(()).ok_or_else(error)
    }

    fn write_durably(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut fault = self.fault();
        let (happens, succeeds) = fault.next();
        if matches!(happens, Happens::Whole) {
            fault.real.write_durably(path, bytes)?;
            fault.durable.dirty.remove(path);
            fault.durable.unnamed.insert(path.to_path_buf());
        }
        if succeeds {
            fault.durable.unnamed.remove(path);
            fault.durable.files.insert(path.to_path_buf(), bytes.to_vec());
        }
        succeeds.then_some(()).ok_or_else(error)
    }

    fn write_at(&mut self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut fault = self.fault();
        let (happens, succeeds) = fault.next();
        let length = match happens {
            Happens::Not => 0,
            Happens::Half => bytes.len() / 2,
            Happens::Whole => bytes.len(),
        };
        fault.real.write_at(path, offset, &bytes[..length])?;
        let range = (offset as usize, offset as usize + length);
        match fault.durable.dirty.entry(path.to_path_buf()).or_insert(Dirt::Ranges(Vec::new())) {
            Dirt::Ranges(ranges) => ranges.push(range),
            Dirt::Whole | Dirt::Lost => {}
        }
        succeeds.then_some(()).ok_or_else(error)
    }

    fn sync(&mut self, files: &[PathBuf], folders: &[PathBuf]) -> io::Result<()> {
        let mut fault = self.fault();
        let (happens, succeeds) = fault.next();
        if succeeds {
            fault.real.sync(files, folders)?;
        }
        let (synced, named) = match happens {
            Happens::Not => (0, 0),
            Happens::Half => (files.len() / 2, folders.len() / 2),
            Happens::Whole => (files.len(), folders.len()),
        };
        files[..synced].iter().for_each(|path| fault.durable.synced(path));
        files[synced..].iter().for_each(|path| fault.durable.sync_failed(path));
        folders[..named].iter().for_each(|path| fault.durable.named(path));
        succeeds.then_some(()).ok_or_else(error)
    }

    fn begin_sync(
        &mut self,
        files: &[PathBuf],
        folders: &[PathBuf],
        leftovers: Vec<PathBuf>,
    ) -> io::Result<Pending> {
        if self.1 == Behind::AtOnce {
            let mut outcome = Some(self.sync(files, folders));
            if let Some(Ok(())) = outcome {
                self.fault().durable.remove_folders(&leftovers);
            }
            return Ok(Pending::new(move |_| outcome.take()));
        }
        let Behind::After(mut looks) = self.1 else { return Err(error()) };
        let asked: Vec<(PathBuf, Vec<u8>)> =
            files.iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        let (folders, mut disk) = (folders.to_vec(), self.clone());
        Ok(Pending::new(move |patience| {
            if patience == Patience::Look && 0 < looks {
                looks -= 1;
                return None;
            }
            // What took the place of a file meanwhile is another file.
            let still = |(path, bytes): &(PathBuf, Vec<u8>)| {
                fs::read(path).is_ok_and(|now| now == *bytes).then(|| path.clone())
            };
            let files: Vec<PathBuf> = asked.iter().filter_map(still).collect();
            let outcome = disk.sync(&files, &folders);
            if outcome.is_ok() {
                disk.fault().durable.remove_folders(&leftovers);
            }
            Some(outcome)
        }))
    }

    fn sync_everything(&mut self, _: &Path) -> io::Result<()> {
        let mut fault = self.fault();
        let (happens, succeeds) = fault.next();
        if matches!(happens, Happens::Whole) {
            let root = fault.durable.root.clone();
            live(&root).keys().for_each(|path| fault.durable.synced(path));
            let all = folders(&root);
            std::iter::once(&root).chain(&all).for_each(|path| fault.durable.named(path));
        }
        succeeds.then_some(()).ok_or_else(error)
    }

    fn remove(&mut self, path: &Path) {
        let mut fault = self.fault();
        if !fault.stopped {
            fault.real.remove(path);
            fault.durable.dirty.remove(path);
            fault.durable.unnamed.remove(path);
        }
    }
}

impl Durable {
    fn synced(&mut self, path: &Path) {
        let now = fs::read(path).unwrap();
        match self.dirty.get(path).cloned() {
            Some(Dirt::Lost) => return,
            Some(Dirt::Ranges(ranges)) => {
                let kept = self.files.entry(path.to_path_buf()).or_default();
                kept.resize(now.len(), 0);
                for (from, to) in ranges {
                    kept[from..to].copy_from_slice(&now[from..to]);
                }
            }
            Some(Dirt::Whole) | None if !self.unnamed.contains(path) => {
                self.files.insert(path.to_path_buf(), now);
            }
            Some(Dirt::Whole) | None => {}
        }
        self.dirty.remove(path);
    }

    fn sync_failed(&mut self, path: &Path) {
        match self.dirty.get_mut(path) {
            Some(Dirt::Ranges(_)) => drop(self.dirty.remove(path)),
            Some(dirt) => *dirt = Dirt::Lost,
            None => {}
        }
    }

    fn remove_folders(&mut self, folders: &[PathBuf]) {
        for folder in folders {
            let _ = fs::remove_dir_all(folder);
            self.dirty.retain(|path, _| !path.starts_with(folder));
            self.unnamed.retain(|path| !path.starts_with(folder));
        }
    }

    fn named(&mut self, folder: &Path) {
        let within: Vec<PathBuf> =
            self.unnamed.iter().filter(|path| path.parent() == Some(folder)).cloned().collect();
        for path in within {
            self.unnamed.remove(&path);
            if !path.exists() {
                continue;
            }
            if path.is_dir() {
                self.folders.insert(path);
            } else if self.dirty.contains_key(&path) {
                self.files.insert(path, Vec::new());
            } else {
                self.files.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
        self.files.retain(|path, _| path.parent() != Some(folder) || path.exists());
        self.folders.retain(|path| path.parent() != Some(folder) || path.exists());
    }

    fn cut_power(&mut self, survivors: Survivors) {
        let before = live(&self.root);
        let mut after = self.files.clone();
        for (number, (path, now)) in before.iter().enumerate() {
            let Some(left) = self.left(path, now, number, survivors) else { continue };
            after.insert(path.clone(), left);
        }
        for item in fs::read_dir(&self.root).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                fs::remove_dir_all(path).unwrap();
            } else if name(&path) != "lock" {
                fs::remove_file(path).unwrap();
            }
        }
        self.folders.iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
        // A file lives only where the name of its folder does, or came along with it.
        after.retain(|path, _| {
            let kept = survivors != Survivors::Nothing;
            kept.then(|| fs::create_dir_all(path.parent().unwrap()).unwrap());
            path.parent().unwrap().is_dir()
        });
        for (path, bytes) in &after {
            File::create(path).unwrap().write_all(bytes).unwrap();
        }
        *self = Self {
            root: self.root.clone(),
            files: after,
            folders: folders(&self.root),
            dirty: BTreeMap::new(),
            unnamed: BTreeSet::new(),
        };
    }

    /// Returns what is left of a file that was not synced whole; `None`: what was durable before.
    fn left(
        &self,
        path: &Path,
        now: &[u8],
        number: usize,
        survivors: Survivors,
    ) -> Option<Vec<u8>> {
        let durable = self.files.get(path);
        let pending = self.dirty.contains_key(path) || self.unnamed.contains(path);
        match survivors {
            _ if !pending => None,
            Survivors::Nothing => None,
            Survivors::Everything => Some(now.to_vec()),
            Survivors::Checkpoint => (name(path) == "checkpoint").then(|| now.to_vec()),
            Survivors::EmptyFiles if !self.unnamed.contains(path) => None,
            Survivors::EmptyFiles if self.dirty.contains_key(path) => Some(Vec::new()),
            Survivors::EmptyFiles => Some(now.to_vec()),
            Survivors::Halves => match self.dirty.get(path) {
                Some(Dirt::Ranges(ranges)) => {
                    let mut left = durable?.clone();
                    for &(from, to) in ranges {
                        let middle = from + (to - from) / 2;
                        left[middle..to].copy_from_slice(&now[middle..to]);
                    }
                    Some(left)
                }
                _ => number.is_multiple_of(2).then(|| now.to_vec()),
            },
        }
    }
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// Every file below a folder but the lock, with its content.
fn live(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(live(&path));
        } else if name(&path) != "lock" {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

/// Every folder below a folder.
fn folders(dir: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(folders(&path));
            found.insert(path);
        }
    }
    found
}
