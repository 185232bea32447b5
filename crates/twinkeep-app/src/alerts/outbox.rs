//! The outbox: alerts that wait to be delivered, sealed, one file each.
//!
//! What an alert says never changes, so its file is written once. How often it was tried, when it is
//! next, and why it was not delivered are in the name: each step is one rename, which a crash leaves
//! done or not done.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use twinkeep_vault::files::{
    PRIVATE_FILE, TEMPORARY_SUFFIX, create_private_dir, read_bounded, sync_dir, write_atomic,
};
use twinkeep_vault::{Purpose, open, seal};

use super::Alert;
use crate::{App, AppError};

/// The folder.
pub(super) struct Outbox<'a> {
    app: &'a App,
    dir: PathBuf,
}

/// Nobody else delivers while this is held.
pub(super) struct Held(fs::File);

/// Whether to wait while somebody else delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// There will be another turn.
    None,
    /// For about as long as it takes somebody else to find out that nobody answers.
    Some,
}

/// What the name of a file says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waiting {
    /// When it is tried next, in microseconds since 1970.
    pub(super) next_us: i64,
    /// How often it was tried.
    pub(super) attempts: u32,
    /// Why it was not delivered; empty, if nothing is known.
    pub(super) code: String,
    /// What a receiver knows it by.
    pub(super) id: String,
}

/// What a file says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    version: u32,
    /// What a receiver knows it by.
    pub(super) id: String,
    /// Which way it goes.
    pub(super) to: String,
    /// When it was put here.
    pub(super) queued_us: i64,
    /// What it says.
    pub(super) alert: Alert,
}

impl Waiting {
    fn name(&self) -> String {
        let Self { next_us, attempts, code, id } = self;
        format!("{next_us:020}.{attempts}.{code}.{id}.{SUFFIX}")
    }

    fn parse(name: &str) -> Option<Self> {
        let parts: Vec<&str> = name.split('.').collect();
        let [next_us, attempts, code, id, SUFFIX] = parts.as_slice() else { return None };
        // Others can put files here: what the ledger does not take, or a terminal obeys, is not ours.
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let ours = |text: &str| text.len() <= WORD_LEN_MAX && text.chars().all(plain);
        if !ours(code) || !ours(id) || id.is_empty() {
            return None;
        }
        Some(Self {
            next_us: next_us.parse().ok()?,
            attempts: attempts.parse().ok()?,
            code: (*code).to_owned(),
            id: (*id).to_owned(),
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Closing the file would do it as well.
        let _ = self.0.unlock();
    }
}

impl<'a> Outbox<'a> {
    pub(super) fn new(app: &'a App) -> Self {
        Self { app, dir: app.layout.alerts() }
    }

    /// Keeps others from delivering the same.
    pub(super) fn lock(&self, patience: Patience) -> Result<Held, AppError> {
        self.make()?;
        let file = fs::File::open(&self.dir).map_err(|error| failed("open", &self.dir, error))?;
        let tries = if patience == Patience::Some { LOCK_TRIES } else { 1 };
        for _ in 0..tries {
            if file.try_lock().is_ok() {
                return Ok(Held(file));
            }
            if patience == Patience::Some {
                thread::sleep(LOCK_PAUSE);
            }
        }
        Err(AppError::environment("alerts-busy", "somebody else delivers alerts now")
            .hint("`serve` does so by itself; or wait until it is done"))
    }

    /// Puts an alert here, to be tried at once.
    pub(super) fn put(
        &self,
        id: &str,
        to: &str,
        now_us: i64,
        alert: &Alert,
    ) -> Result<(), AppError> {
        self.make()?;
        let waiting = names(&self.dir)?;
        if waiting.iter().any(|it| it.id == id) {
            return Ok(());
        }
        if WAITING_COUNT_MAX <= waiting.len() {
            return Err(no_room());
        }
        let stored = Stored {
            version: VERSION,
            id: id.to_owned(),
            to: to.to_owned(),
            queued_us: now_us,
            alert: alert.clone(),
        };
        let text = serde_json::to_vec(&stored).map_err(|error| {
            AppError::environment("alert-write", "cannot write an alert").because(error)
        })?;
        let sealed = seal(&self.app.alert_key, Purpose::Alert, id.as_bytes(), &text);
        let waiting =
            Waiting { next_us: now_us, attempts: 0, code: String::new(), id: id.to_owned() };
        let path = self.dir.join(waiting.name());
        write_atomic(&path, &sealed, PRIVATE_FILE).map_err(|error| failed("write", &path, error))
    }

    /// Returns whether nothing waits; costs one look at a folder.
    pub(super) fn is_empty(&self) -> Result<bool, AppError> {
        Ok(names(&self.dir)?.is_empty())
    }

    /// Returns what waits, in the order in which it is tried.
    pub(super) fn waiting(&self) -> Result<Vec<Waiting>, AppError> {
        names(&self.dir)
    }

    /// Returns what was put aside.
    pub(super) fn dead(&self) -> Result<Vec<Waiting>, AppError> {
        names(&self.dir.join(DEAD))
    }

    /// Reads what an alert says, wherever it is.
    pub(super) fn read(&self, waiting: &Waiting) -> Result<Stored, AppError> {
        let damaged = || AppError::refused(DAMAGED, "an alert in the outbox is damaged");
        let places = [self.dir.join(waiting.name()), self.dir.join(DEAD).join(waiting.name())];
        let path = places.iter().find(|path| path.exists()).unwrap_or(&places[0]);
        let sealed = read_bounded(path, ALERT_SIZE_MAX).map_err(|error| match error.kind() {
            // Longer than any of ours: somebody else wrote it.
            io::ErrorKind::FileTooLarge => damaged().because(error),
            _ => failed("read", path, error),
        })?;
        let (key, context) = (&self.app.alert_key, waiting.id.as_bytes());
        let text = open(key, Purpose::Alert, context, &sealed)
            .map_err(|error| damaged().because(error))?;
        let stored: Stored =
            serde_json::from_slice(text.expose()).map_err(|error| damaged().because(error))?;
        if stored.version == VERSION && stored.id == waiting.id {
            Ok(stored)
        } else {
            Err(damaged())
        }
    }

    /// Notes that it was tried.
    pub(super) fn change(&self, before: &Waiting, after: &Waiting) -> Result<(), AppError> {
        if before == after {
            return Ok(());
        }
        self.rename(&self.dir.join(before.name()), &self.dir.join(after.name()))
    }

    /// Puts it aside.
    pub(super) fn bury(&self, before: &Waiting, after: &Waiting) -> Result<(), AppError> {
        let dead = self.dir.join(DEAD);
        create_private_dir(&dead).map_err(|error| failed("make", &dead, error))?;
        self.rename(&self.dir.join(before.name()), &dead.join(after.name()))?;
        sync_dir(&dead).map_err(|error| failed("sync", &dead, error))?;
        // The oldest of too many go.
        let all = self.dead()?;
        for old in all.iter().take(all.len().saturating_sub(DEAD_COUNT_MAX)) {
            remove(&dead.join(old.name()))?;
        }
        Ok(())
    }

    /// Lets what was put aside wait again.
    pub(super) fn revive(&self, before: &Waiting, after: &Waiting) -> Result<(), AppError> {
        self.rename(&self.dir.join(DEAD).join(before.name()), &self.dir.join(after.name()))
    }

    /// Forgets what was delivered.
    pub(super) fn remove(&self, waiting: &Waiting) -> Result<(), AppError> {
        remove(&self.dir.join(waiting.name()))?;
        sync_dir(&self.dir).map_err(|error| failed("sync", &self.dir, error))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), AppError> {
        fs::rename(from, to).map_err(|error| failed("rename", from, error))?;
        sync_dir(&self.dir).map_err(|error| failed("sync", &self.dir, error))
    }

    fn make(&self) -> Result<(), AppError> {
        create_private_dir(&self.dir).map_err(|error| failed("make", &self.dir, error))
    }
}

/// Returns what the names in a folder say, sorted; what a crash left half written is passed over.
fn names(dir: &Path) -> Result<Vec<Waiting>, AppError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| failed("read", dir, error))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| failed("read", dir, error))?.file_name();
        let Some(name) = name.to_str().filter(|name| !name.ends_with(TEMPORARY_SUFFIX)) else {
            continue;
        };
        found.extend(Waiting::parse(name));
    }
    found.sort();
    Ok(found)
}

fn remove(path: &Path) -> Result<(), AppError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, error)),
        _ => Ok(()),
    }
}

fn failed(action: &str, path: &Path, error: io::Error) -> AppError {
    AppError::environment("alert-outbox", format!("cannot {action} `{}`", path.display()))
        .because(error)
}

/// What there is no room for is not sent.
pub(super) fn no_room() -> AppError {
    AppError::environment(FULL, "too many alerts wait to be delivered")
        .hint("`twinkeep alert list` says to whom, and why they are not delivered")
}

/// The code of what found no room.
pub(super) const FULL: &str = "alerts-full";

/// The code of what is not what was written.
pub(super) const DAMAGED: &str = "alert-damaged";

const VERSION: u32 = 1;

const SUFFIX: &str = "alert";

/// An id has 36 characters, and a code fewer.
const WORD_LEN_MAX: usize = 64;

/// The folder of what was put aside.
const DEAD: &str = "dead";

const LOCK_TRIES: u32 = 600;

const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// An alert has one or two kilobytes.
const ALERT_SIZE_MAX: u64 = 64 << 10;

/// More than a person reads; each is a file, and a flood must not fill a disk.
const WAITING_COUNT_MAX: usize = 10_000;

const DEAD_COUNT_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::Waiting;

    #[test]
    fn a_name_reads_back_and_sorts_by_time() {
        let waiting = Waiting {
            next_us: 1_614_265_330_000_000,
            attempts: 3,
            code: "alert-unreachable".to_owned(),
            id: "msg_00ff".to_owned(),
        };
        assert_eq!(Waiting::parse(&waiting.name()), Some(waiting.clone()));
        let later = Waiting { next_us: 11_614_265_330_000_000, ..waiting.clone() };
        assert!(waiting.name() < later.name() && waiting < later);
        let untried = Waiting { attempts: 0, code: String::new(), ..waiting };
        assert_eq!(Waiting::parse(&untried.name()), Some(untried));
        let wild =
            ["1.0.\u{1b}[2J.m.alert", "1.0..m\n.alert", "1.0..m\u{202e}.alert", "1.0...alert"];
        let other = ["", "a", "1.2.alert", "x.0..msg.alert", "1.0..m.alert.1f.part", "1.0..m.json"];
        for foreign in wild.into_iter().chain(other) {
            assert_eq!(Waiting::parse(foreign), None, "{foreign}");
        }
    }
}
