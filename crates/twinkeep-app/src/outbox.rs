//! The outbox of a sender: feeds that are sealed and not yet acknowledged, beside the identity.
//!
//! What was sealed is kept until the receiver has said what became of it, so that sending it again
//! sends the same bytes. A note beside each feed says from what it was made, and what the sequence
//! was before: a feed that the receiver refused takes its number back.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twinkeep_vault::files::{
    PRIVATE_FILE, create_private_dir, read_bounded, sync_dir, write_atomic,
};

use crate::AppError;

/// The folder.
pub(crate) struct Outbox {
    dir: PathBuf,
    lock: fs::File,
}

/// What is known of a sealed feed that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    version: u32,
    /// Where it goes.
    pub(crate) to: String,
    /// The sender's key.
    pub(crate) sender: String,
    /// Its number.
    pub(crate) sequence: u64,
    /// SHA-256 of the sealed feed.
    pub(crate) sha256: String,
    /// What it was made from.
    pub(crate) input: Input,
}

/// What a feed was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    path: PathBuf,
    size: u64,
    modified: (i64, i64),
}

impl Input {
    /// Looks at a file or folder.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let path = fs::canonicalize(path)?;
        Ok(Self { path, size: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) })
    }
}

impl Note {
    pub(crate) fn new(to: &str, sender: &str, sequence: u64, input: Input) -> Self {
        let (to, sender) = (to.to_owned(), sender.to_owned());
        Self { version: VERSION, to, sender, sequence, sha256: String::new(), input }
    }
}

impl Outbox {
    /// Opens the outbox of an identity; refused while another command sends from it.
    pub(crate) fn open(identity: &Path) -> Result<Self, AppError> {
        let mut name = identity.as_os_str().to_os_string();
        name.push(".outbox");
        let dir = PathBuf::from(name);
        create_private_dir(&dir).map_err(|error| failed("make", &dir, error))?;
        let lock = fs::File::open(&dir).map_err(|error| failed("open", &dir, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir, lock }),
            Err(_) => Err(AppError::environment(
                "outbox-busy",
                "another command is sending as this sender",
            )
            .hint("wait until it is done, then run this one again")),
        }
    }

    /// Returns what waits, in the order of the sequence, and what was cut off while it was sealed.
    pub(crate) fn waiting(&self) -> Result<(Vec<Note>, Vec<Note>), AppError> {
        let cannot = |error| failed("read", &self.dir, error);
        let (mut notes, mut cut) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.dir).map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            let suffix = path.extension().and_then(|suffix| suffix.to_str());
            if suffix == Some("json") {
                let note = read_note(&path)?;
                let sealed = self.feed(&note).exists();
                if sealed { notes.push(note) } else { cut.push(note) }
            } else if suffix == Some("sealed") && !path.with_extension("json").exists() {
                // Acknowledged, and not yet removed.
                fs::remove_file(&path).map_err(|error| failed("remove", &path, error))?;
            }
        }
        notes.sort_by(|left, right| (&left.to, left.sequence).cmp(&(&right.to, right.sequence)));
        Ok((notes, cut))
    }

    /// Returns where the sealed feed of a note is.
    pub(crate) fn feed(&self, note: &Note) -> PathBuf {
        self.dir.join(format!("{}-{:016}.sealed", note.sender, note.sequence))
    }

    /// Keeps a note.
    pub(crate) fn put(&self, note: &Note) -> Result<(), AppError> {
        let path = self.feed(note).with_extension("json");
        let text = serde_json::to_vec_pretty(note).unwrap_or_default();
        write_atomic(&path, &text, PRIVATE_FILE).map_err(|error| failed("write", &path, error))
    }

    /// Forgets a feed that the receiver has dealt with.
    pub(crate) fn remove(&self, note: &Note) -> Result<(), AppError> {
        let feed = self.feed(note);
        // The note first: a feed without one is one that was acknowledged.
        for path in [feed.with_extension("json"), feed] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("remove", &path, error));
                }
                _ => {}
            }
        }
        sync_dir(&self.dir).map_err(|error| failed("sync", &self.dir, error))
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        // Closing the file would do it as well.
        let _ = self.lock.unlock();
    }
}

fn read_note(path: &Path) -> Result<Note, AppError> {
    let text = read_bounded(path, NOTE_SIZE_MAX).map_err(|error| failed("read", path, error))?;
    serde_json::from_slice(&text).map_err(|error| {
        let attempt = format!("`{}` is damaged", path.display());
        AppError::refused("outbox-damaged", attempt).because(error)
    })
}

fn failed(action: &str, path: &Path, error: io::Error) -> AppError {
    AppError::environment("outbox-file", format!("cannot {action} `{}`", path.display()))
        .because(error)
}

const VERSION: u32 = 1;

/// A path and some numbers.
const NOTE_SIZE_MAX: u64 = 64 << 10;
