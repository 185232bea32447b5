//! The collector for whoever may not be asked: inotify tells what was done, but not by whom.

use std::collections::BTreeMap;
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::collect::Eyes;
use super::{AccessError, Action, Answer, Plan, Sighting, Who};

/// What is watched, by the number of the watch.
pub(super) struct Watcher {
    root: PathBuf,
    group: OwnedFd,
    watched: Mutex<BTreeMap<i32, PathBuf>>,
}

impl Watcher {
    /// Watches every file and folder of the plan.
    pub(super) fn new(plan: &Plan) -> Result<Self, AccessError> {
        let group = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(|error| AccessError::Read { source: error.into() })?;
        let watcher = Self { root: plan.root.clone(), group, watched: Mutex::default() };
        for name in plan.trees.iter().chain(&plan.files) {
            watcher.add(&plan.root.join(name), 0)?;
        }
        Ok(watcher)
    }

    fn add(&self, path: &Path, depth: usize) -> Result<(), AccessError> {
        let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
        let wanted = match () {
            () if metadata.is_dir() && depth <= DEPTH_MAX => FOLDER,
            () if metadata.is_file() => FILE,
            () => return Ok(()),
        };
        match inotify::add_watch(self.group.as_fd(), path, wanted | WatchFlags::DONT_FOLLOW) {
            Ok(number) => {
                let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
                watched.insert(number, path.to_path_buf());
            }
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => {
                return Err(AccessError::Mark { name: self.name(path), source: error.into() });
            }
        }
        if metadata.is_dir() {
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                self.add(&entry.path(), depth + 1)?;
            }
        }
        Ok(())
    }

    /// Tells of what was done.
    pub(super) fn listen(&self, eyes: &Eyes<'_>) -> Result<(), AccessError> {
        let mut buffer = [MaybeUninit::uninit(); BUFFER_LEN];
        let mut events = inotify::Reader::new(&self.group, &mut buffer);
        while !eyes.stopped() {
            let event = match events.next() {
                Ok(event) => event,
                Err(Errno::AGAIN | Errno::INTR) => {
                    thread::sleep(LOOK_EVERY);
                    continue;
                }
                Err(error) => return Err(AccessError::Read { source: error.into() }),
            };
            let (flags, number) = (event.events(), event.wd());
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                eyes.lost();
            }
            let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(path) = watched.get(&number).cloned() else { continue };
            drop(watched);
            let entry = event.file_name().map(|name| std::ffi::OsStr::from_bytes(name.to_bytes()));
            let path = entry.map_or(path.clone(), |name| path.join(name));
            let Some(action) = ACTIONS.iter().find(|(bit, _)| flags.intersects(*bit)) else {
                continue;
            };
            if matches!(action.1, Action::Create | Action::Rename) {
                self.add(&path, 0)?;
            }
            let (time, file, who) = (eyes.now(), self.name(&path), Who::Unknown);
            eyes.see(Sighting { time, file, action: action.1, answer: Answer::Told, who });
        }
        Ok(())
    }

    fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().into_owned()
    }
}

const FILE: WatchFlags =
    WatchFlags::OPEN.union(WatchFlags::ACCESS).union(WatchFlags::MODIFY).union(WatchFlags::ATTRIB);

const FOLDER: WatchFlags =
    WatchFlags::CREATE.union(WatchFlags::MOVE).union(WatchFlags::DELETE).union(WatchFlags::ONLYDIR);

/// What is told, and what it means.
const ACTIONS: &[(ReadFlags, Action)] = &[
    (ReadFlags::OPEN, Action::Open),
    (ReadFlags::ACCESS, Action::Read),
    (ReadFlags::MODIFY, Action::Write),
    (ReadFlags::ATTRIB, Action::Attribute),
    (ReadFlags::CREATE, Action::Create),
    (ReadFlags::MOVED_FROM, Action::Rename),
    (ReadFlags::MOVED_TO, Action::Rename),
    (ReadFlags::DELETE, Action::Delete),
];

/// How many bytes of events are read at a time: some hundred.
const BUFFER_LEN: usize = 4096;

/// How late something is told.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How deep folders of a keep go, with room.
const DEPTH_MAX: usize = 16;
