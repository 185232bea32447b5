//! Use case: take feeds out of a folder into which others put them.
//!
//! # Life of a file
//!
//! 1. It is taken once it was closed or renamed into place, or has rested for a moment. What is
//!    still being written (its name says so, or its last segment is missing) is left alone.
//! 2. Sealed feeds go in the order of their sender's sequence; one that is early waits.
//! 3. What was stored moves to `done/`, what was refused to `refused/` with a file that says why.
//!
//! # Invariants
//!
//! - A file stays in the folder until it is known what became of it: after a crash it is looked at
//!   again, and the sequence (or the content, for plain files) tells that it was stored.
//! - Only regular files are opened; a link or pipe is refused as it is.
//! - No reason file holds a value of a person.
//! - A machine that fails (a full disk, a catalog that cannot be written) is no fault of a feed: the
//!   feed stays, those after it in its sender's order wait, and the caller hears of it.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use serde::Serialize;
use twinkeep_domain::Timestamp;
use twinkeep_vault::files::{PRIVATE_FILE, create_private_dir, sync_dir, write_atomic};
use twinkeep_vault::sealed_feed::inspect;

use crate::open_feed::open_file;
use crate::{App, AppError, Caller, Class, Dates, IngestRequest, ingest_feed};

/// Which folder, and what is taken from it.
#[derive(Clone, Copy, Debug)]
pub struct FolderRequest<'a> {
    /// The folder.
    pub dir: &'a Path,
    /// Whose record numbers plain files speak in; `None` refuses plain files.
    pub plain_site: Option<&'a str>,
    /// Whether the dates of plain files are real.
    pub dates: Dates,
    /// Look once and return; otherwise, until told to stop.
    pub once: bool,
}

/// What became of one file.
#[derive(Debug, Serialize)]
pub struct FolderLine {
    /// The name of the file.
    pub file: String,
    /// `stored` or `refused`.
    pub outcome: &'static str,
    /// The feed that it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
}

/// What happens in a folder that is watched.
#[derive(Debug)]
pub enum FolderNews<'a> {
    /// Everything that could be dealt with was; told again after each look.
    Watching,
    /// What became of a file.
    Settled(&'a FolderLine),
    /// The machine failed; it is tried again after a pause.
    Failed(&'a AppError),
}

/// Takes feeds out of a folder until `stop` says so, and tells what happens.
///
/// Ends early if the machine fails; [`keep_receiving`] goes on.
pub fn receive_folder(
    app: &App,
    caller: &Caller,
    request: FolderRequest<'_>,
    stop: &dyn Fn() -> bool,
    tell: &mut dyn FnMut(&FolderNews<'_>),
) -> Result<(), AppError> {
    let dir = request.dir;
    if !dir.is_dir() {
        let attempt = format!("`{}` is not a folder", dir.display());
        return Err(AppError::usage("folder-missing", attempt));
    }
    for name in [DONE, REFUSED] {
        let made = dir.join(name);
        create_private_dir(&made).map_err(|error| failed("make", &made, error))?;
    }
    let (_watcher, events) = watch(dir)?;
    let mut folder = Folder { app, caller, request, closed: BTreeMap::new() };
    while !stop() {
        folder.settle(tell)?;
        tell(&FolderNews::Watching);
        if request.once {
            return Ok(());
        }
        folder.wait(&events);
    }
    Ok(())
}

/// As [`receive_folder`], and begins again after a failure, with pauses that grow up to a minute.
pub fn keep_receiving(
    app: &App,
    caller: &Caller,
    request: FolderRequest<'_>,
    stop: &dyn Fn() -> bool,
    tell: &mut dyn FnMut(&FolderNews<'_>),
) {
    let mut pause = PAUSE;
    while !stop() {
        let mut watched = false;
        let mut heard = |news: &FolderNews<'_>| {
            watched |= matches!(news, FolderNews::Watching);
            tell(news);
        };
        let ended = receive_folder(app, caller, request, stop, &mut heard);
        let Err(error) = ended else { return };
        tell(&FolderNews::Failed(&error));
        pause = if watched { PAUSE } else { RETRY_PAUSE_MAX.min(pause * 2) };
        let mut left = pause;
        while !stop() && !left.is_zero() {
            let nap = left.min(PAUSE);
            thread::sleep(nap);
            left -= nap;
        }
    }
}

/// A folder that is watched.
struct Folder<'a> {
    app: &'a App,
    caller: &'a Caller,
    request: FolderRequest<'a>,
    /// Files that somebody closed or renamed into place.
    closed: BTreeMap<OsString, ()>,
}

/// A file that may be taken.
struct Candidate {
    path: PathBuf,
    /// Its sender and number, if it is a sealed feed.
    place: Option<(String, u64)>,
}

/// What is to be done with a file.
enum Fate {
    Stored(String),
    Refused(AppError),
    /// It is looked at again later.
    Stays,
    /// It stays, because the machine failed.
    Failed(AppError),
}

impl Folder<'_> {
    /// Deals with every file that can be dealt with now.
    fn settle(&mut self, tell: &mut dyn FnMut(&FolderNews<'_>)) -> Result<(), AppError> {
        let mut failure = None;
        // Who sent a feed that stays: what comes after it would be refused for want of it.
        let mut waiting: BTreeSet<String> = BTreeSet::new();
        // Each feed that is stored may be the one that another waits for; they are in order.
        for candidate in self.candidates()? {
            let sender = candidate.place.as_ref().map(|(sender, _)| sender);
            if sender.is_some_and(|sender| waiting.contains(sender)) {
                continue;
            }
            let fate = self.ingest(&candidate);
            if matches!(fate, Fate::Stays | Fate::Failed(_)) {
                waiting.extend(sender.cloned());
            }
            let name = candidate.path.file_name().unwrap_or_default().to_owned();
            let file = name.to_string_lossy().into_owned();
            let line = match fate {
                Fate::Stays => continue,
                Fate::Failed(error) => {
                    failure = failure.or(Some(error));
                    continue;
                }
                Fate::Stored(feed) => {
                    self.move_to(DONE, &candidate.path)?;
                    FolderLine { file, outcome: "stored", feed: Some(feed), code: None }
                }
                Fate::Refused(error) => {
                    let moved = self.move_to(REFUSED, &candidate.path)?;
                    write_reason(&moved, &error)?;
                    FolderLine { file, outcome: "refused", feed: None, code: Some(error.code()) }
                }
            };
            self.closed.remove(&name);
            tell(&FolderNews::Settled(&line));
        }
        failure.map_or(Ok(()), Err)
    }

    /// Returns the files that are whole, sealed feeds in the order of their senders.
    fn candidates(&self) -> Result<Vec<Candidate>, AppError> {
        let dir = self.request.dir;
        let cannot = |error| failed("read", dir, error);
        let mut found = Vec::new();
        for entry in fs::read_dir(dir).map_err(cannot)?.take(FILES_MAX) {
            let path = entry.map_err(cannot)?.path();
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            let name = path.file_name().unwrap_or_default();
            if metadata.is_dir() || unfinished(name) {
                continue;
            }
            let modified = metadata.modified().ok();
            let rested = modified.is_none_or(|time| self.rested(time, QUIET));
            if !rested && !self.closed.contains_key(name) {
                continue;
            }
            let place = metadata.is_file().then(|| place(&path)).flatten();
            found.push(Candidate { path, place });
        }
        found.sort_by(|left, right| (&left.place, &left.path).cmp(&(&right.place, &right.path)));
        Ok(found)
    }

    fn ingest(&self, candidate: &Candidate) -> Fate {
        let Candidate { path, place } = candidate;
        let Ok(metadata) = fs::symlink_metadata(path) else { return Fate::Stays };
        if !metadata.is_file() {
            let attempt = "this is a link, pipe, or device, not a file";
            return Fate::Refused(AppError::refused("folder-not-a-file", attempt));
        }
        let site = self.request.plain_site;
        if place.is_none() && site.is_none() {
            let attempt = "only sealed feeds are taken from this folder";
            return Fate::Refused(AppError::refused("folder-plain", attempt));
        }
        let request = IngestRequest {
            feed: path,
            allow_gap: false,
            site: site.filter(|_| place.is_none()),
            dates: self.request.dates,
            mapping: None,
            hold: false,
            deidentify: None,
        };
        let young = metadata.modified().is_ok_and(|time| !self.rested(time, PATIENCE));
        match ingest_feed(self.app, self.caller, request, &mut |_| ()) {
            Ok(report) => Fate::Stored(report.feed),
            Err(error) if error.code() == "store-busy" => Fate::Stays,
            Err(error) if error.class() == Class::Environment => Fate::Failed(error),
            // The feed before it may come yet, and so may the rest of this one.
            Err(error) if matches!(error.code(), "feed-gap" | "feed-truncated") && young => {
                Fate::Stays
            }
            Err(error) => Fate::Refused(error),
        }
    }

    /// Returns whether a file was not changed for this long.
    fn rested(&self, modified: std::time::SystemTime, hours: f64) -> bool {
        let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        hours < self.app.now().hours_since(Timestamp::from_micros(micros))
    }

    /// Moves a file into a folder of this one, under a name that is free; returns the name.
    fn move_to(&self, folder: &str, path: &Path) -> Result<PathBuf, AppError> {
        let dir = self.request.dir.join(folder);
        let name = path.file_name().unwrap_or_default();
        let mut target = dir.join(name);
        let mut number = 1;
        while target.symlink_metadata().is_ok() {
            let mut other = name.to_owned();
            other.push(format!(".{number}"));
            target = dir.join(other);
            number += 1;
        }
        fs::rename(path, &target).map_err(|error| failed("move", path, error))?;
        for changed in [&dir, self.request.dir] as [&Path; 2] {
            sync_dir(changed).map_err(|error| failed("sync", changed, error))?;
        }
        Ok(target)
    }

    /// Waits until something happens in the folder, and not for long.
    fn wait(&mut self, events: &Receiver<notify::Result<notify::Event>>) {
        let mut first = match events.recv_timeout(PAUSE) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                thread::sleep(PAUSE);
                None
            }
        };
        while let Some(event) = first.take().or_else(|| events.try_recv().ok()) {
            let Ok(event) = event else { continue };
            let whole = matches!(
                event.kind,
                EventKind::Access(AccessKind::Close(AccessMode::Write))
                    | EventKind::Modify(ModifyKind::Name(RenameMode::To))
            );
            for path in event.paths.iter().filter(|_| whole) {
                if let (true, Some(name)) = (self.closed.len() < FILES_MAX, path.file_name()) {
                    self.closed.insert(name.to_owned(), ());
                }
            }
        }
    }
}

type Events = Receiver<notify::Result<notify::Event>>;

fn watch(dir: &Path) -> Result<(RecommendedWatcher, Events), AppError> {
    let (sender, events) = channel();
    let cannot = |error| {
        AppError::environment("folder-watch", format!("cannot watch `{}`", dir.display()))
            .because(error)
    };
    let mut watcher = notify::recommended_watcher(sender).map_err(cannot)?;
    watcher.watch(dir, RecursiveMode::NonRecursive).map_err(cannot)?;
    Ok((watcher, events))
}

/// Returns the sender and number of a sealed feed; both are mere claims, good for sorting.
fn place(path: &Path) -> Option<(String, u64)> {
    let mut file = open_file(path).ok()?;
    match inspect(&mut file, &[]) {
        Ok(inspection) => {
            let header = inspection.header;
            Some((header.sender().to_owned(), header.sequence()))
        }
        // A sealed feed that is damaged in its head is refused as one.
        Err(twinkeep_vault::sealed_feed::FeedError::NotSealed) => None,
        Err(_) => Some((String::new(), 0)),
    }
}

/// Returns whether a name says that the file is still being written.
fn unfinished(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') || UNFINISHED.iter().any(|suffix| name.ends_with(suffix))
}

/// Writes beside a file why it was refused.
pub(crate) fn write_reason(moved: &Path, error: &AppError) -> Result<(), AppError> {
    let mut text = format!("{}: {error}\n", error.code());
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("  caused by: {error}\n"));
        cause = error.source();
    }
    if let Some(hint) = error.next_step() {
        text.push_str(&format!("hint: {hint}\n"));
    }
    let mut name = moved.as_os_str().to_os_string();
    name.push(".reason.txt");
    let path = PathBuf::from(name);
    write_atomic(&path, text.as_bytes(), PRIVATE_FILE)
        .map_err(|error| failed("write", &path, error))
}

fn failed(action: &str, path: &Path, error: io::Error) -> AppError {
    AppError::environment("folder-file", format!("cannot {action} `{}`", path.display()))
        .because(error)
}

const DONE: &str = "done";
const REFUSED: &str = "refused";

/// What programs that copy files call them while they do.
const UNFINISHED: [&str; 4] = [".part", ".partial", ".filepart", ".tmp"];

/// Two seconds, in hours: a copy that pauses longer between two writes is a slow one, and the
/// missing end of a sealed feed shows.
const QUIET: f64 = 2.0 / 3600.0;

/// An hour: then the feed before, or the rest of this one, does not come any more.
const PATIENCE: f64 = 1.0;

/// How long a stop may wait, and half of the first pause after a failure.
const PAUSE: Duration = Duration::from_millis(500);

/// A disk that is full for hours fails once a minute, not twice a second.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(60);

/// Files that are looked at in one turn.
const FILES_MAX: usize = 10_000;
