//! Use cases: hand out the ledger as tiles, to whoever follows or verifies it from elsewhere.
//!
//! The checkpoint and the hashes go to everybody with a key of the API: they commit to what was
//! done without telling it, and the more people keep them, the harder is a rewritten history. They
//! are not for everybody in the world, because entries are regular enough to be guessed at. The
//! entries themselves tell who did what and need a scope, and whoever reads them is on record;
//! reading hashes is counted and not recorded one by one, or following the ledger would make it grow.

use twinkeep_ledger::{Activity, Class as EventClass};

use crate::{App, AppError, Caller, Scope};

/// Returns the signed checkpoint.
pub fn read_checkpoint_note(app: &App) -> Result<String, AppError> {
    Ok(app.ledger_view()?.checkpoint().note.clone())
}

/// Returns a tile of hashes by its path below the ledger: `tile/0/000`.
pub fn read_hash_tile(app: &App, path: &str) -> Result<Vec<u8>, AppError> {
    if is_bundle(path) {
        return Err(unknown());
    }
    app.ledger_view()?.tile(path)?.ok_or_else(unknown)
}

/// Returns a bundle of entries by its path below the ledger: `tile/entries/000`.
pub fn read_entry_bundle(app: &App, caller: &Caller, path: &str) -> Result<Vec<u8>, AppError> {
    let entry = app.entry(caller, EventClass::ApiActivity, Activity::Read, "ledger.read");
    let bundle = caller.require(Scope::ReadLedger).and_then(|()| {
        let view = app.ledger_view()?;
        let bundle = if is_bundle(path) { view.tile(path)? } else { None };
        bundle.ok_or_else(unknown)
    });
    // A tile that is there has a path of digits; another one may say anything.
    let entry = if bundle.is_ok() { entry.with("tile", path) } else { entry };
    app.conclude(entry, bundle)
}

/// Returns whether a path leads to entries, and not to hashes.
pub fn is_bundle(path: &str) -> bool {
    path.starts_with("tile/entries/")
}

fn unknown() -> AppError {
    AppError::refused("tile-unknown", "the ledger has no such tile")
        .hint("the size in the checkpoint says which tiles there are (C2SP tlog-tiles)")
}
