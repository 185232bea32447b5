//! Use cases: copy a keep while it is used, and back up its keyring.
//!
//! A snapshot is a folder that looks like a keep, without the keyring, and with a manifest that
//! the ledger's key signed. It opens for nobody: only together with a keyring does it become a
//! keep again (`restore_keep`). Left out is what would be told twice, `alerts/`, and what the keep
//! makes again by itself: `incoming/`, and `screening/` and `training/`, which hold what people
//! taught under no key that an erasure destroys.

use std::path::Path;

use serde::{Deserialize, Serialize};
use twinkeep_ledger::{Activity, Class as EventClass, Severity, lock_out_writers, verify};
use twinkeep_registry::Status;
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_vault::files::{PRIVATE_FILE, create_private_dir, write_atomic};

use crate::act_on_host::quarantined_files;
use crate::contain_incident::Containing;
use crate::copy_folder::{Digests, copy_folder, copy_into, failed};
use crate::export_subject::new_folder;
use crate::rotate_kek::lock_keys;
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller, Layout, envelope};

/// What the manifest of a snapshot says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The name of the ledger, and so of the keep.
    pub(crate) keep: String,
    /// When it was taken (RFC 3339).
    pub(crate) taken: String,
    /// The catalog's epoch.
    pub(crate) catalog: u64,
    /// The keyring's generation; an older one would open what was erased.
    pub(crate) keyring: u64,
    /// How many entries the ledger has.
    pub(crate) ledger_size: u64,
    /// SHA-256 of every file, by path.
    pub(crate) files: Digests,
}

/// What was copied.
#[derive(Debug, Serialize)]
pub struct SnapshotReport {
    /// When (RFC 3339).
    pub taken: String,
    /// Files.
    pub files: usize,
    /// Files in quarantine that are immutable, and that this process may not read: left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: usize,
    /// Entries of the ledger.
    pub ledger_entries: u64,
    /// The keyring's generation; an older one does not restore it.
    pub keyring_generation: u64,
    /// SHA-256 of the manifest.
    pub manifest_sha256: String,
}

/// What was backed up.
#[derive(Debug, Serialize)]
pub struct KeyringReport {
    /// The keyring's generation: it grows with every erasure and rotation.
    pub generation: u64,
    /// Files in the backup that took the place of others.
    pub files: u64,
}

/// Copies the keep to a new folder. Serving goes on.
pub fn snapshot_keep(
    app: &App,
    caller: &Caller,
    folder: &Path,
) -> Result<SnapshotReport, AppError> {
    let class = EventClass::DatastoreActivity;
    let entry = |action| app.entry(caller, class, Activity::Read, action).severity(Severity::Low);
    app.record(&entry("keep.snapshotting"))?;
    let result = copy(app, folder);
    let entry = match &result {
        Ok(report) => {
            let entry =
                entry("keep.snapshotted").with("manifest_sha256", report.manifest_sha256.as_str());
            // So that a scan can tell whether it still is there.
            match whole_path(folder) {
                Some(path) => entry.with("folder", path.as_str()),
                None => entry,
            }
        }
        Err(_) => entry("keep.snapshotted"),
    };
    app.conclude(entry, result)
}

/// The path of a folder as an entry can have it; nothing if it is too long, or no text.
fn whole_path(folder: &Path) -> Option<String> {
    const LEN_MAX: usize = 256;
    let path = std::fs::canonicalize(folder).ok()?.into_os_string().into_string().ok()?;
    (path.len() <= LEN_MAX && !path.chars().any(char::is_control)).then_some(path)
}

fn copy(app: &App, folder: &Path) -> Result<SnapshotReport, AppError> {
    new_folder(folder)?;
    let (from, to) = (&app.layout, Layout::new(folder));
    let mut files = Digests::new();
    {
        // So that the keys are those that `keep.json` names.
        let _lock = lock_keys(&from.keys())?;
        copy_folder(&from.keys(), &to.keys(), "keys", &mut files)?;
        copy_folder(&from.public(), &to.public(), "public", &mut files)?;
        for (from, to, name) in [
            (from.descriptor(), to.descriptor(), "keep.json"),
            (from.config(), to.config(), "twinkeep.toml"),
            (from.pack(), to.pack(), "pack.toml"),
            (from.policy(), to.policy(), "policy.cedar"),
            (from.drift(), to.drift(), "drift.toml"),
            (from.probe(), to.probe(), "probe.toml"),
        ] {
            if from.exists() {
                files.insert(name.to_owned(), copy_into(&from, &to, PRIVATE_FILE)?);
            }
        }
    }
    copy_incidents(app, &to, &mut files)?;
    if from.scans().exists() {
        copy_folder(&from.scans(), &to.scans(), "scans", &mut files)?;
    }
    app.registry
        .while_still(|| copy_folder(&from.models(), &to.models(), "models", &mut files))??;
    let left_out = quarantined(app)?.iter().filter(|it| !files.contains_key(*it)).count();
    create_private_dir(&to.store()).map_err(|error| failed("create", &to.store(), error))?;
    let store = app.store.snapshot(&to.store())?;
    for (name, digest) in &store.files {
        files.insert(format!("store/{name}"), to_hex(digest));
    }
    // Last, so that it has an entry for everything that is in the rest.
    let (keep, ledger_size) = copy_ledger(app, &to, &mut files)?;
    let manifest = Manifest {
        keep,
        taken: rfc3339(app.now()),
        catalog: store.epoch,
        keyring: store.keyring_generation,
        ledger_size,
        files,
    };
    let payload = serde_json::to_vec(&manifest).map_err(|error| {
        AppError::environment("json", "cannot write the manifest").because(error)
    })?;
    let signed = envelope::sign(&app.prover, MANIFEST_TYPE, &payload);
    let path = folder.join(MANIFEST);
    write_atomic(&path, &signed, PRIVATE_FILE).map_err(|error| failed("write", &path, error))?;
    Ok(SnapshotReport {
        taken: manifest.taken,
        files: manifest.files.len(),
        left_out,
        ledger_entries: ledger_size,
        keyring_generation: manifest.keyring,
        manifest_sha256: to_hex(&sha256(&signed)),
    })
}

/// Returns the files of all versions in quarantine, as digests call them.
fn quarantined(app: &App) -> Result<Vec<String>, AppError> {
    let versions = app.registry.list()?;
    let versions = versions.iter().filter(|record| record.status == Status::Quarantined);
    let files = versions.flat_map(|it| quarantined_files(app.layout.root(), &it.id));
    Ok(files.map(|file| file.display().to_string()).collect())
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Copies what is done about incidents, and what proves them, while nobody contains any.
fn copy_incidents(app: &App, to: &Layout, files: &mut Digests) -> Result<(), AppError> {
    let _still = Containing::begin(app)?;
    for (from, to, name) in [
        (app.layout.playbooks(), to.playbooks(), "playbooks"),
        (app.layout.evidence(), to.evidence(), "evidence"),
    ] {
        if from.exists() {
            copy_folder(&from, &to, name, files)?;
        }
    }
    Ok(())
}

/// Copies the ledger, which may grow meanwhile: once more if the copy does not hold, and without
/// writers if it never does. Returns its name and size.
fn copy_ledger(app: &App, to: &Layout, files: &mut Digests) -> Result<(String, u64), AppError> {
    let mut tries = 0;
    loop {
        let writers = if tries < GROWING_TRIES { Writers::GoOn } else { Writers::Wait };
        match copy_ledger_once(app, to, &writers) {
            Ok((origin, size, mut digests)) => {
                files.append(&mut digests);
                return Ok((origin, size));
            }
            Err(error) if tries == LEDGER_TRIES => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

/// What whoever writes does while the ledger is copied.
enum Writers {
    GoOn,
    /// With whoever is to be answered; but not while the copy is verified.
    Wait,
}

fn copy_ledger_once(
    app: &App,
    to: &Layout,
    writers: &Writers,
) -> Result<(String, u64, Digests), AppError> {
    let view = app.ledger_view()?;
    let mut digests = Digests::new();
    let from = app.layout.ledger();
    let guard = match writers {
        Writers::GoOn => None,
        Writers::Wait => lock_out_writers(&from)?,
    };
    copy_folder(&from, &to.ledger(), "ledger", &mut digests)?;
    drop(guard);
    let trusted = view.checkpoint().checkpoint;
    let origin = view.checkpoint().note.lines().next().unwrap_or_default().to_owned();
    let verified = verify(&to.ledger(), &origin, &app.prover.verifying_key(), &[trusted])?;
    Ok((origin, verified.checkpoint.checkpoint.size, digests))
}

/// Copies the keyring to a file, and overwrites the older backup there.
pub fn back_up_keyring(app: &App, caller: &Caller, file: &Path) -> Result<KeyringReport, AppError> {
    let class = EventClass::DatastoreActivity;
    let entry = app.entry(caller, class, Activity::Read, "keyring.backed-up");
    let result = app.store.back_up_keyring(file).map_err(AppError::from);
    let report =
        result.map(|copy| KeyringReport { generation: copy.generation, files: copy.files });
    app.conclude(entry.severity(Severity::Low), report)
}

/// The name of the manifest in a snapshot.
pub(crate) const MANIFEST: &str = "snapshot.json";

pub(crate) const MANIFEST_TYPE: &str = "application/vnd.twinkeep.snapshot.v1+json";

/// A server writes some batches a second, and copying a ledger takes less, most of the time.
const GROWING_TRIES: usize = 3;

/// Without writers, only partial tiles in the place of full ones go, and no new ones come.
const LEDGER_TRIES: usize = 10;
