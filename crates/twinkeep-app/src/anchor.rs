//! The newest checkpoint of the ledger, remembered outside the ledger.
//!
//! A folder that is rolled back whole to an older state proves itself; only somebody who
//! remembers more can tell. So the newest checkpoint lies in the keep beside the ledger (finds a
//! ledger that was rolled back) and in the user's state folder (finds a keep that was rolled
//! back). docs/decisions/0004 has the reasons.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use twinkeep_ledger::{Checkpoint, SignedCheckpoint};
use twinkeep_vault::files::{PRIVATE_FILE, create_private_dir, write_atomic};
use twinkeep_vault::sign::VerifyingKey;

use crate::AppError;

/// Where the newest checkpoint is remembered.
pub(crate) struct Anchor {
    paths: Vec<PathBuf>,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    newest: Option<SignedCheckpoint>,
    written: Option<Instant>,
    /// Whether somebody writes right now.
    writing: bool,
}

impl Pending {
    fn is_due(&self) -> bool {
        !self.writing && self.written.is_none_or(|written| WRITE_EVERY < written.elapsed())
    }
}

impl Anchor {
    /// Takes the files; those that do not exist remember nothing yet.
    pub(crate) fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths, pending: Mutex::default() }
    }

    /// Returns what each file remembers. A file that is there but does not verify is refused.
    pub(crate) fn remembered(
        &self,
        origin: &str,
        key: &VerifyingKey,
    ) -> Result<Vec<Checkpoint>, AppError> {
        let mut found = Vec::new();
        for path in &self.paths {
            let note = match fs::read(path) {
                Ok(note) => note,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    let attempt = format!("cannot read `{}`", path.display());
                    return Err(AppError::environment("anchor-read", attempt).because(error));
                }
            };
            let signed = SignedCheckpoint::parse(&note, origin, key).map_err(|error| {
                let attempt = format!("the remembered checkpoint `{}` is not ours", path.display());
                AppError::refused("anchor-damaged", attempt)
                    .because(error)
                    .hint("find out who changed it; `ledger verify --trusted FILE` takes others")
            })?;
            found.push(signed.checkpoint);
        }
        Ok(found)
    }

    /// Remembers a newer checkpoint; writes it at once, or within a second when many come.
    pub(crate) fn remember(&self, signed: &SignedCheckpoint) {
        if self.note(signed) {
            self.write_newest();
        }
    }

    /// Remembers a newer checkpoint in memory; returns whether it is time to write it.
    pub(crate) fn note(&self, signed: &SignedCheckpoint) -> bool {
        let Ok(mut pending) = self.pending.lock() else { return false };
        let newest = pending.newest.as_ref().map_or(0, |newest| newest.checkpoint.size);
        if signed.checkpoint.size <= newest {
            return false;
        }
        pending.newest = Some(signed.clone());
        pending.is_due()
    }

    /// Returns whether there is one, and it is time to write it.
    pub(crate) fn is_due(&self) -> bool {
        let pending = self.pending.lock();
        pending.is_ok_and(|pending| pending.newest.is_some() && pending.is_due())
    }

    /// Writes the newest that is remembered, unless that has just been done.
    pub(crate) fn write_newest(&self) {
        let Ok(mut pending) = self.pending.lock() else { return };
        let Some(newest) = pending.newest.clone().filter(|_| pending.is_due()) else { return };
        // Nobody else waits for the disk meanwhile: they leave what they bring to the next turn.
        pending.writing = true;
        drop(pending);
        self.write(&newest);
        if let Ok(mut pending) = self.pending.lock() {
            pending.writing = false;
            pending.written = Some(Instant::now());
        }
    }

    fn write(&self, newest: &SignedCheckpoint) {
        for path in &self.paths {
            // Another process may have come further since.
            let size = fs::read_to_string(path).ok().as_deref().and_then(stated_size);
            if size.is_some_and(|size| newest.checkpoint.size <= size) {
                continue;
            }
            // An anchor that cannot be written finds less; it is no reason to stop serving.
            let dir = path.parent().map(create_private_dir);
            let _ = dir.map(|_| write_atomic(path, newest.note.as_bytes(), PRIVATE_FILE));
        }
    }
}

impl Drop for Anchor {
    fn drop(&mut self) {
        let last = self.pending.lock().ok().and_then(|mut pending| pending.newest.take());
        if let Some(last) = last {
            self.write(&last);
        }
    }
}

/// Returns the size that a note states, unchecked: whoever relies on it checks the signature.
fn stated_size(note: &str) -> Option<u64> {
    note.lines().nth(1)?.parse().ok()
}

/// A checkpoint a second is enough to find a rollback, and costs nothing.
const WRITE_EVERY: Duration = Duration::from_secs(1);
