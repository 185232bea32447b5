//! Whose turn it is to contain in a keep, and whose to act on the host.
//!
//! # Invariants
//!
//! - Nobody waits for the host's turn while they have the keep's: what takes long on the host holds
//!   nothing else up.
//! - Steps on the host are begun, done, and undone with the host's turn only: nobody does one twice.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};
use twinkeep_vault::files::PRIVATE_FILE;

use crate::{App, AppError};

/// The right to contain; given back when dropped, or when the process ends in any way.
pub(crate) struct Containing {
    _file: Locked,
}

/// What somebody does who finds that another has their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// They wait.
    Waits,
    /// They leave it to the other.
    Leaves,
}

/// Who contains now, and whether they may act on the host.
pub(super) struct Turn<'a> {
    app: &'a App,
    containing: Option<Containing>,
    host: Option<Locked>,
}

impl Containing {
    /// Waits for whoever contains now. They take moments, or are killed.
    pub(crate) fn begin(app: &App) -> Result<Self, AppError> {
        let file = Locked::begin(app.layout.containing(), Patience::Waits)?;
        file.map(|file| Self { _file: file }).ok_or_else(cannot)
    }
}

impl<'a> Turn<'a> {
    /// The turn to do what is done in the keep.
    pub(super) fn in_keep(app: &'a App) -> Result<Self, AppError> {
        Ok(Self { app, containing: Some(Containing::begin(app)?), host: None })
    }

    /// The turn to do all of it. None, if another acts on the host now and is left to do so.
    pub(super) fn on_host(app: &'a App, patience: Patience) -> Result<Option<Self>, AppError> {
        let Some(host) = Locked::begin(app.layout.containing_on_host(), patience)? else {
            return Ok(None);
        };
        let containing = Some(Containing::begin(app)?);
        Ok(Some(Self { app, containing, host: Some(host) }))
    }

    /// Returns whether it is the turn to act on the host.
    pub(super) fn is_on_host(&self) -> bool {
        self.host.is_some()
    }

    /// Does what may take long, while others contain.
    pub(super) fn apart<T>(&mut self, work: impl FnOnce() -> T) -> Result<T, AppError> {
        drop(self.containing.take());
        let done = work();
        self.containing = Some(Containing::begin(self.app)?);
        Ok(done)
    }

    /// Gives all of it to others, until `work` is done.
    pub(super) fn give<T>(&mut self, work: impl FnOnce() -> T) -> Result<T, AppError> {
        drop(self.containing.take());
        let host = self.host.take().is_some();
        let done = work();
        if host {
            self.host = Locked::begin(self.app.layout.containing_on_host(), Patience::Waits)?;
        }
        self.containing = Some(Containing::begin(self.app)?);
        Ok(done)
    }
}

/// A file that one at a time has.
struct Locked(File);

impl Locked {
    fn begin(path: PathBuf, patience: Patience) -> Result<Option<Self>, AppError> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(PRIVATE_FILE)
            .open(path)
            .map_err(|error| cannot().because(error))?;
        let operation = match patience {
            Patience::Waits => FlockOperation::LockExclusive,
            Patience::Leaves => FlockOperation::NonBlockingLockExclusive,
        };
        loop {
            match flock(&file, operation) {
                Ok(()) => return Ok(Some(Self(file))),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(cannot().because(std::io::Error::from(error))),
            }
        }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // As for the store's lock: unlocking holds for all copies of the file.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

fn cannot() -> AppError {
    AppError::environment("containment-lock", "cannot begin to contain an incident")
}
