//! Use cases: be the witness of other keeps' ledgers (C2SP tlog-witness).
//!
//! A keep that rewrites its ledger signs the new history with its own key; whoever keeps no old
//! checkpoint cannot tell. A witness keeps the newest one that it has seen of each ledger, and
//! cosigns another only if that continues it. What does not is a fork or a rollback: it is refused,
//! and an entry of high severity says so.
//!
//! # Invariants
//!
//! - What was seen is in the catalog before a cosignature goes out, and only ever grows; a catalog
//!   that was rolled back does not open.
//! - Looking up what was seen and replacing it is one transaction: two requests at once cannot lead
//!   to two cosignatures that contradict each other.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use twinkeep_ledger::{
    Activity, COSIGNATURE_TYPE, Checkpoint, Class as EventClass, Severity, SignedCheckpoint,
    WitnessRequest, cosign, stated_origin, verify_consistency,
};
use twinkeep_vault::digest::{from_hex, to_hex};
use twinkeep_vault::files::read_bounded;
use twinkeep_vault::sign::VerifyingKey;
use twinkeep_watch::{Detection, Detector, Severity as FoundSeverity, Target};

use crate::incidents::detected;
use crate::ledger_key::{LedgerKey, vkey};
use crate::{App, AppError, Caller, report_detection};

/// A ledger that is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WatchedLedger {
    /// Its name.
    pub origin: String,
    /// The id of its key.
    pub key: String,
    /// How many entries the newest checkpoint that was cosigned covers; 0 before the first.
    pub size: u64,
    /// Its root hash, in hexadecimal; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
}

/// A checkpoint that was cosigned.
#[derive(Debug, Serialize)]
pub struct Cosigned {
    /// The name of the ledger.
    pub origin: String,
    /// How many entries it covers.
    pub size: u64,
    /// How many the one before covered.
    pub old_size: u64,
    /// The name of the witness.
    pub witness: String,
    /// The checkpoint with the cosignature under it.
    pub checkpoint: String,
}

/// What the catalog keeps of a ledger.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Log {
    key: String,
    size: u64,
    root: String,
}

type Logs = BTreeMap<String, Log>;

/// Returns the public key of this keep as a witness, as others take it (C2SP tlog-cosignature).
pub fn witness_vkey(app: &App) -> String {
    vkey(&witness_name(app), COSIGNATURE_TYPE, &app.witness.verifying_key())
}

/// Watches the ledger whose verifier key is in a file.
pub fn watch_ledger(app: &App, caller: &Caller, path: &Path) -> Result<WatchedLedger, AppError> {
    let entry =
        app.entry(caller, EventClass::EntityManagement, Activity::Create, "witness.ledger_added");
    let read = LedgerKey::read(path).and_then(|key| {
        let origin = key.origin.ok_or_else(|| {
            let attempt = format!("`{}` does not say of which ledger it is", path.display());
            AppError::usage("witness-key", attempt)
                .hint("take what `twinkeep ledger key` prints where that ledger is")
        })?;
        add(app, &origin, &key.key)
    });
    let entry = match &read {
        Ok(watched) => {
            entry.with("ledger", watched.origin.as_str()).with("key", watched.key.as_str())
        }
        Err(_) => entry,
    };
    app.conclude(entry, read)
}

fn add(app: &App, origin: &str, key: &VerifyingKey) -> Result<WatchedLedger, AppError> {
    let mut known = None;
    change(app, &mut |logs| {
        if let Some(log) = logs.get(origin) {
            known = Some(log.clone());
            return Ok(false);
        }
        if LEDGER_COUNT_MAX <= logs.len() {
            let attempt = format!("at most {LEDGER_COUNT_MAX} ledgers are watched");
            return Err(AppError::refused("witness-full", attempt));
        }
        let log = Log { key: to_hex(key.as_bytes()), size: 0, root: String::new() };
        logs.insert(origin.to_owned(), log);
        Ok(true)
    })?;
    match known {
        // Another key under a known name would make way for another history.
        Some(log) if log.key != to_hex(key.as_bytes()) => {
            let attempt = format!("`{origin}` is watched already, with another key");
            Err(AppError::refused("witness-other-key", attempt))
        }
        Some(log) => Ok(watched(origin, &log)),
        None => {
            Ok(watched(origin, &Log { key: to_hex(key.as_bytes()), size: 0, root: String::new() }))
        }
    }
}

/// Lists the ledgers that are watched.
pub fn watched_ledgers(app: &App) -> Result<Vec<WatchedLedger>, AppError> {
    let logs = parse(app.store.setting(SETTING)?)?;
    Ok(logs.iter().map(|(origin, log)| watched(origin, log)).collect())
}

/// Cosigns the checkpoint in a request, if it continues what was seen.
pub fn cosign_checkpoint(app: &App, caller: &Caller, path: &Path) -> Result<Cosigned, AppError> {
    let class = EventClass::DetectionFinding;
    let entry = app.entry(caller, class, Activity::Other, "witness.cosigned");
    let asked = read(path).and_then(|request| {
        let (signed, origin) = known(app, &request, path)?;
        Ok((request, signed, origin))
    });
    let (request, signed, origin) = match asked {
        Ok(asked) => asked,
        Err(error) => return app.conclude(entry, Err(error)),
    };
    let number = i64::try_from(signed.checkpoint.size).unwrap_or(i64::MAX);
    let entry = entry
        .with("ledger", origin.as_str())
        .with("size", number)
        .with("root", to_hex(&signed.checkpoint.root).as_str());
    match advance(app, &origin, &request, &signed.checkpoint) {
        Ok(()) => {}
        Err(error) if ALARMS.contains(&error.code()) => {
            app.record(&entry.severity(Severity::High).failed(error.code()))?;
            report_detection(app, &rewritten(app, &origin, &error))?;
            return Err(error);
        }
        Err(error) => return app.conclude(entry, Err(error)),
    }
    app.record(&entry)?;
    let seconds = u64::try_from(app.now().micros().div_euclid(1_000_000)).unwrap_or(0);
    let witness = witness_name(app);
    let line = cosign(&signed, &witness, &app.witness, seconds);
    Ok(Cosigned {
        origin,
        size: signed.checkpoint.size,
        old_size: request.old_size,
        witness,
        checkpoint: format!("{}{line}", signed.note),
    })
}

/// Two of a ledger's histories cannot both be true.
fn rewritten(app: &App, origin: &str, error: &AppError) -> Detection {
    let says = format!("{origin}: {error}");
    detected(app, Detector::LedgerDisagreement, Target::Keep, FoundSeverity::Critical, &says)
}

fn read(path: &Path) -> Result<WitnessRequest, AppError> {
    let attempt = || format!("`{}` is not a request to a witness", path.display());
    let bytes = read_bounded(path, REQUEST_SIZE_MAX)
        .map_err(|error| AppError::usage("witness-request", attempt()).because(error))?;
    WitnessRequest::parse(&bytes).map_err(|error| {
        AppError::usage("witness-request", attempt())
            .because(error)
            .hint("`twinkeep ledger consistency OLD --out FILE` writes one where the ledger is")
    })
}

/// Returns the checkpoint of a request, if the ledger is watched and its key signed it.
fn known(
    app: &App,
    request: &WitnessRequest,
    path: &Path,
) -> Result<(SignedCheckpoint, String), AppError> {
    let note = request.note.as_bytes();
    let logs = parse(app.store.setting(SETTING)?)?;
    let found = stated_origin(note).and_then(|origin| logs.get_key_value(origin));
    let (origin, log) = found.ok_or_else(|| {
        AppError::refused("witness-unknown-ledger", "this ledger is not watched")
            .hint("`twinkeep witness add FILE` takes its public key")
    })?;
    let key = from_hex(&log.key).and_then(|key| key.try_into().ok()).ok_or_else(damaged)?;
    let signed =
        SignedCheckpoint::parse(note, origin, &VerifyingKey::from_bytes(key)).map_err(|error| {
            let attempt = format!("the checkpoint in `{}` is not the ledger's", path.display());
            AppError::refused("witness-signature", attempt).because(error)
        })?;
    Ok((signed, origin.clone()))
}

/// Replaces what was seen of a ledger by a checkpoint that continues it.
fn advance(
    app: &App,
    origin: &str,
    request: &WitnessRequest,
    new: &Checkpoint,
) -> Result<(), AppError> {
    change(app, &mut |logs| {
        let log = logs.get_mut(origin).ok_or_else(damaged)?;
        judge(log, request, new)?;
        log.size = new.size;
        log.root = to_hex(&new.root);
        Ok(true)
    })
}

fn judge(log: &Log, request: &WitnessRequest, new: &Checkpoint) -> Result<(), AppError> {
    let seen = match log.size {
        0 => Checkpoint::empty(),
        size => {
            let root = from_hex(&log.root).and_then(|root| root.try_into().ok());
            Checkpoint { size, root: root.ok_or_else(damaged)? }
        }
    };
    if new.size < seen.size {
        let attempt = format!(
            "the ledger was rolled back: its checkpoint covers {} entries, and {} were seen",
            new.size, seen.size
        );
        return Err(AppError::refused("witness-rolled-back", attempt).hint(ALARM_HINT));
    }
    if new.size == seen.size && new.root != seen.root {
        let attempt =
            format!("the ledger was forked: it has two histories of {} entries", new.size);
        return Err(AppError::refused("witness-fork", attempt).hint(ALARM_HINT));
    }
    if request.old_size != seen.size {
        let attempt = format!(
            "the proof begins at {} entries, and {} were seen",
            request.old_size, seen.size
        );
        let hint = format!("ask again with `twinkeep ledger consistency {} --out FILE`", seen.size);
        return Err(AppError::refused("witness-conflict", attempt).hint(hint));
    }
    verify_consistency(seen.size, &seen.root, new.size, &new.root, &request.hashes).map_err(|_| {
        let attempt = format!(
            "the ledger does not continue the {} entries that were seen, or the proof is wrong",
            seen.size
        );
        AppError::refused("witness-fork", attempt).hint(ALARM_HINT)
    })
}

/// Changes what is kept of ledgers, in one transaction.
fn change(
    app: &App,
    work: &mut dyn FnMut(&mut Logs) -> Result<bool, AppError>,
) -> Result<(), AppError> {
    let mut outcome = Ok(());
    app.store.change_setting(SETTING, &mut |text| {
        let changed = parse(text).and_then(|mut logs| Ok((work(&mut logs)?, logs)));
        match changed {
            Ok((true, logs)) => serde_json::to_string(&logs).ok(),
            Ok((false, _)) => None,
            Err(error) => {
                outcome = Err(error);
                None
            }
        }
    })?;
    outcome
}

fn parse(text: Option<String>) -> Result<Logs, AppError> {
    let Some(text) = text else { return Ok(Logs::new()) };
    serde_json::from_str(&text).map_err(|_| damaged())
}

fn damaged() -> AppError {
    AppError::refused("witness-damaged", "the catalog's list of watched ledgers is damaged")
}

fn watched(origin: &str, log: &Log) -> WatchedLedger {
    let key = from_hex(&log.key).and_then(|key| key.try_into().ok());
    WatchedLedger {
        origin: origin.to_owned(),
        key: key.map(|key| VerifyingKey::from_bytes(key).key_id()).unwrap_or_default(),
        size: log.size,
        root: (0 < log.size).then(|| log.root.clone()),
    }
}

/// A witness has a name and a key of its own: a cosignature is not a signature of its own ledger.
fn witness_name(app: &App) -> String {
    format!("{}/witness", app.ledger_origin())
}

const SETTING: &str = "witness";

/// What means that somebody rewrote a ledger.
const ALARMS: [&str; 2] = ["witness-fork", "witness-rolled-back"];

const ALARM_HINT: &str = "keep this file and the last cosigned checkpoint: together they are the \
                          evidence; then ask who could write to that ledger";

/// As large as a request may be.
const REQUEST_SIZE_MAX: u64 = 72 * 1024;

/// The list is one text in the catalog; a hundred hospitals are many.
const LEDGER_COUNT_MAX: usize = 100;
