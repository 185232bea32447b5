//! Use case: put the keep's keys under another key-encryption key.
//!
//! The keys themselves stay: what they sealed and signed stays good, and a server that runs goes
//! on. All wrapped keys are written again as the next generation; then one rename of `keep.json`
//! makes the new secret hold; then the old generation is removed. An interruption anywhere leaves
//! a keep that opens with the old secret or with the new one, and another rotation cleans up.

use std::fs::File;

use serde::Serialize;
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_vault::digest::equal_in_constant_time;
use twinkeep_vault::files::{PUBLIC_FILE, write_atomic};
use twinkeep_vault::identity::Identity;
use twinkeep_vault::{KekSource, SecretBytes, SecretKey};

use crate::keep::{Descriptor, IDENTITY, WRAPPED, kek_error};
use crate::key_file::{self, KeyFiles};
use crate::{App, AppError, Caller, Keep};

/// What was changed.
#[derive(Debug, Serialize)]
pub struct RotateKekReport {
    /// What opened the keep before.
    pub from: String,
    /// What opens it now.
    pub to: String,
    /// How often the keys were wrapped anew, counted from 1 for a new keep.
    pub generation: u32,
}

/// Points between which an interruption is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Wrapped,
    Replaced,
    Removed,
}

/// Puts the keys under a new key-encryption key. `current` opens the keep now.
pub fn rotate_kek(
    app: &App,
    caller: &Caller,
    current: &KekSource,
    next: &KekSource,
) -> Result<RotateKekReport, AppError> {
    let class = EventClass::EntityManagement;
    app.record(&app.entry(caller, class, Activity::Update, "kek.rotating"))?;
    let entry = app.entry(caller, class, Activity::Update, "kek.rotated");
    let result = rotate(app, current, next, &|_| Ok(()));
    let entry = match &result {
        Ok(report) => entry.with("from", report.from.as_str()).with("to", report.to.as_str()),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

pub(crate) fn rotate(
    app: &App,
    current: &KekSource,
    next: &KekSource,
    after: &dyn Fn(Step) -> Result<(), AppError>,
) -> Result<RotateKekReport, AppError> {
    let dir = app.layout().keys();
    let _lock = lock_keys(&dir)?;
    let keep = Keep::find(app.layout().root())?;
    let old = keep.key_files();
    let old_kek = current.open(&keep.descriptor.kek).map_err(kek_error)?;
    let (kek, descriptor) = next.create().map_err(kek_error)?;
    if equal_in_constant_time(kek.expose(), old_kek.expose()) {
        let attempt = "the new secret is the one that opens the keep already";
        return Err(AppError::usage("kek-same", attempt).hint("nothing was changed"));
    }
    let generation = keep.descriptor.generation + 1;
    let new = KeyFiles::new(&dir, generation);
    for name in WRAPPED {
        let secret = rewrapped(name, key_file::read(&old, name, &old_kek)?, &old_kek, &kek)?;
        key_file::write(&new, name, &kek, secret.expose())?;
        // Nothing is given up before what replaces it was read back.
        if key_file::read(&new, name, &kek)?.expose() != secret.expose() {
            return Err(AppError::environment("key-damaged", "a key was not written as it is"));
        }
    }
    after(Step::Wrapped)?;
    let from = keep.descriptor.kek.method.clone();
    let to = descriptor.method.clone();
    let descriptor = Descriptor { kek: descriptor, generation, ..keep.descriptor };
    let path = app.layout().descriptor();
    let write_error = |error: std::io::Error| {
        AppError::environment("keep-write", format!("cannot write `{}`", path.display()))
            .because(error)
            .hint("the old secret still opens the keep")
    };
    let text = serde_json::to_vec_pretty(&descriptor)
        .map_err(|error| write_error(std::io::Error::other(error)))?;
    write_atomic(&path, &text, PUBLIC_FILE).map_err(write_error)?;
    after(Step::Replaced)?;
    for older in 1..generation {
        KeyFiles::new(&dir, older).remove(&WRAPPED)?;
    }
    after(Step::Removed)?;
    Ok(RotateKekReport { from, to, generation })
}

/// An identity is wrapped inside as well.
fn rewrapped(
    name: &str,
    secret: SecretBytes,
    old: &SecretKey,
    new: &SecretKey,
) -> Result<SecretBytes, AppError> {
    if name != IDENTITY {
        return Ok(secret);
    }
    let identity = Identity::from_bytes(secret.expose(), old).map_err(|error| {
        AppError::refused("key-damaged", "the key `identity` of the keep is damaged").because(error)
    })?;
    Ok(SecretBytes::new(identity.to_bytes(new)))
}

/// One rotation at a time; given back when dropped, or when the process ends in any way.
pub(crate) fn lock_keys(dir: &std::path::Path) -> Result<File, AppError> {
    let cannot = || AppError::environment("keep-read", format!("cannot open `{}`", dir.display()));
    let folder = File::open(dir).map_err(|error| cannot().because(error))?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(AppError::refused("keep-busy", "another rotation of the keep's key is running"))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(cannot().because(error)),
    }
}

#[cfg(test)]
mod tests;
