//! Runs the best collector that the system permits, and passes on what it sees.
//!
//! # Invariants
//!
//! - What is seen is grouped where it is seen, and before anything waits: a flood is counted, and
//!   neither lost nor kept.
//! - A collector that panics takes the whole process with it: the kernel then answers for it, and
//!   nobody who opens a file of the keep waits for an answer that never comes.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{process, thread};

use twinkeep_domain::Timestamp;

use super::{AccessError, Group, Grouper, Sighting, fanotify, inotify};

/// What becomes of whoever is not the keep's own program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is told.
    Record,
    /// It is refused, and told.
    Deny,
}

/// What to watch, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The folder of the keep.
    pub root: PathBuf,
    /// Folders in it to watch with everything below, as far as they are there.
    pub trees: Vec<PathBuf>,
    /// Single files in it, as far as they are there.
    pub files: Vec<PathBuf>,
    /// What becomes of others.
    pub mode: Mode,
    /// The user whose processes may be the keep's own, besides root.
    pub owner: u32,
    /// Files of programs that are let through, too, run by that user or root: a backup.
    pub permitted: Vec<PathBuf>,
}

/// What sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collector {
    /// Whoever opens, reads, or runs a file waits for an answer, so that it is known who it is.
    Fanotify {
        /// Whether changes of attributes, names, and links are seen, too: not every file system
        /// tells.
        changes: bool,
        /// Whether the audit records of the kernel say who made such a change.
        audit: bool,
        /// Whether others are refused.
        denies: bool,
    },
    /// What is done is told, but not by whom.
    Inotify,
}

/// What a watch has to tell.
#[derive(Debug)]
pub enum News {
    /// It sees from now on, by this collector.
    Begun(Collector),
    /// This was done.
    Seen(Group),
    /// So many changes were not told, because there were too many at a time.
    Lost(u64),
}

/// Watches until `stop` is set, and gives what is seen to `tell`.
pub fn watch(
    plan: &Plan,
    clock: fn() -> Timestamp,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(News),
) -> Result<(), AccessError> {
    let (sender, news) = channel();
    let eyes = Eyes { clock, stop, grouper: Mutex::default(), news: sender };
    match fanotify::Watcher::new(plan) {
        Ok(watcher) => {
            tell(News::Begun(watcher.collector()));
            let records = || watcher.listen_to_audit(&eyes);
            let parts: [Part<'_>; 3] =
                [&|| watcher.answer(&eyes), &|| watcher.listen(&eyes), &records];
            run(&eyes, &news, tell, &parts)
        }
        Err(source) if plan.mode == Mode::Deny && fanotify::is_refusal(&source) => {
            Err(AccessError::NotPermitted { source })
        }
        Err(source) if fanotify::is_refusal(&source) => {
            let watcher = inotify::Watcher::new(plan)?;
            tell(News::Begun(Collector::Inotify));
            run(&eyes, &news, tell, &[&|| watcher.listen(&eyes)])
        }
        Err(source) => Err(AccessError::Mark { name: "models".to_owned(), source }),
    }
}

/// What sees, until it is time to stop.
type Part<'a> = &'a (dyn Fn() -> Result<(), AccessError> + Sync);

/// Runs each part on a thread of its own, and passes on what they see on this one.
fn run(
    eyes: &Eyes<'_>,
    news: &Receiver<News>,
    tell: &mut dyn FnMut(News),
    parts: &[Part<'_>],
) -> Result<(), AccessError> {
    let failed = Mutex::new(None);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let _guard = AbortOnPanic;
        let threads: Vec<_> = parts
            .iter()
            .map(|part| {
                scope.spawn(|| {
                    let _guard = AbortOnPanic;
                    if let Err(error) = part() {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                    ended.store(true, Ordering::Relaxed);
                })
            })
            .collect();
        while !eyes.stopped() && !ended.load(Ordering::Relaxed) {
            eyes.pass_on_what_is_due();
            match news.recv_timeout(LOOK_EVERY) {
                Ok(seen) => tell(seen),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
        // One part without the other sees half: whoever uses the watch hears of it.
        eyes.stop.store(true, Ordering::Relaxed);
        for thread in threads {
            let _ = thread.join();
        }
    });
    news.try_iter().for_each(&mut *tell);
    let rest = eyes.grouper.lock().unwrap_or_else(PoisonError::into_inner).finish();
    rest.into_iter().map(News::Seen).for_each(tell);
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// What the parts of a collector share.
pub(super) struct Eyes<'a> {
    clock: fn() -> Timestamp,
    stop: &'a AtomicBool,
    grouper: Mutex<Grouper>,
    news: Sender<News>,
}

impl Eyes<'_> {
    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn see(&self, sighting: Sighting) {
        let groups = self.grouper.lock().unwrap_or_else(PoisonError::into_inner).see(sighting);
        self.pass_on(groups);
    }

    pub(super) fn lost(&self) {
        // Nobody listens any more once the watch stops.
        let _ = self.news.send(News::Lost(1));
    }

    fn pass_on_what_is_due(&self) {
        let now = self.now();
        let groups = self.grouper.lock().unwrap_or_else(PoisonError::into_inner).due(now);
        self.pass_on(groups);
    }

    fn pass_on(&self, groups: Vec<Group>) {
        for group in groups {
            let _ = self.news.send(News::Seen(group));
        }
    }
}

/// Ends the process, and with it every descriptor, if its thread panics.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            process::abort();
        }
    }
}

/// How often it is looked whether a window is over or it is time to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);
