//! Use cases: make a keep of a snapshot and the present keyring, and put a lost keyring back.
//!
//! A restore goes back in time, as an attack would that puts an old state in place. What tells
//! them apart: it takes the keep's secret; the new catalog and registry get higher numbers than
//! any that were seen, so that no older state is accepted afterwards; the newest ledger is
//! continued, and one that was lost must be given up in words; and the ledger records it.
//! An older keyring is never accepted: it would open what was erased.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use twinkeep_ledger::{
    Activity, Checkpoint, Class as EventClass, JOURNAL_FILES, Ledger, Severity, verify,
};
use twinkeep_registry::{Registry, RegistryKeys};
use twinkeep_store::{KeyringSource, RestoreTerms, Restored, Store};
use twinkeep_vault::KekSource;
use twinkeep_vault::digest::to_hex;
use twinkeep_vault::files::{
    PRIVATE_FILE, PUBLIC_FILE, create_private_dir, read_bounded, write_atomic,
};

use crate::anchor::Anchor;
use crate::app::{Surroundings, anchor_paths, newest, watermark_paths};
use crate::copy_folder::{Digests, copy_folder, copy_into, failed};
use crate::init_keep::{Building, refuse_existing};
use crate::keep::Keys;
use crate::snapshot_keep::{KeyringReport, MANIFEST, MANIFEST_TYPE, Manifest};
use crate::watermark::{Marks, Watermark};
use crate::{App, AppError, Caller, Keep, Layout, envelope};

/// What to restore, and where.
#[derive(Debug)]
pub struct RestoreRequest<'a> {
    /// The folder of the snapshot.
    pub snapshot: &'a Path,
    /// The folder to create.
    pub into: &'a Path,
    /// The newest backup of the keyring, or the keyring of the keep itself.
    pub keyring: &'a Path,
    /// The newer ledger of the keep, if it survived.
    pub ledger: Option<&'a Path>,
    /// Go on although entries that were remembered on this machine are lost.
    pub ledger_lost: bool,
    /// Go on although people lose events.
    pub accept_loss: bool,
}

/// What was restored.
#[derive(Debug, Serialize)]
pub struct RestoreReport {
    /// When the snapshot was taken (RFC 3339).
    pub taken: String,
    /// People in the snapshot who were erased since, and are not here.
    pub erased_subjects: u64,
    /// Files that took the place of older ones, which had an erased person in them.
    pub healed_files: u64,
    /// Files that open no more.
    pub lost_files: u64,
    /// People who lost events with them.
    pub damaged_subjects: u64,
    /// Refused rows that are blank or gone, since they may concern somebody who was erased.
    pub withheld_rows: u64,
    /// Entries of the ledger that are lost.
    pub lost_ledger_entries: u64,
}

/// Makes a keep of a snapshot.
pub fn restore_keep(
    request: &RestoreRequest<'_>,
    secret: &KekSource,
    surroundings: &Surroundings,
) -> Result<RestoreReport, AppError> {
    refuse_existing(request.into)?;
    let keep = Keep::find(request.snapshot)?;
    let keys = keep.unlock(secret)?;
    let manifest = read_manifest(request.snapshot, &keep, &keys)?;
    let state_dir = surroundings.state_dir.as_deref();
    let target = keep_at(&keep, request.into);
    let seen = Watermark::read(watermark_paths(&target, state_dir), &keys.root)?.highest();
    let keyring = newest_keyring(request.keyring, &keys, manifest.keyring.max(seen.keyring))?;
    let building = Building::create(request.into)?;
    let layout = Layout::new(building.path());
    copy_snapshot(request.snapshot, &layout, &manifest)?;
    let anchors = anchor_paths(&target, state_dir);
    let (checkpoint, remembered) = take_ledger(request, &keep, &keys, &layout, &anchors)?;
    let restored = restore_parts(request, &keys, &keyring, &layout, &manifest, seen)?;
    let lost = remembered.map_or(0, |it| it.size.saturating_sub(checkpoint.size));
    if 0 < lost {
        set_anchors_aside(&anchors)?;
    }
    let report = RestoreReport {
        taken: manifest.taken.clone(),
        erased_subjects: restored.erased_subjects,
        healed_files: restored.healed_files,
        lost_files: restored.lost_files,
        damaged_subjects: restored.damaged_subjects,
        withheld_rows: restored.withheld_rows,
        lost_ledger_entries: lost,
    };
    record(building.path(), secret, surroundings, &report, remembered)?;
    building.finish(request.into)?;
    Ok(report)
}

/// Puts a backup of the keyring into a keep that has none, or one that does not open.
pub fn restore_keyring(
    root: &Path,
    file: &Path,
    secret: &KekSource,
    surroundings: &Surroundings,
) -> Result<KeyringReport, AppError> {
    let keep = Keep::find(root)?;
    let keys = keep.unlock(secret)?;
    let paths = watermark_paths(&keep, surroundings.state_dir.as_deref());
    let seen = Watermark::read(paths, &keys.root)?.highest();
    let store = keep.layout.store();
    let present = KeyringSource::read(&store.join(KEYRING));
    let opens =
        |present: KeyringSource| present.is_of_a_store() && present.generation(&keys.root).is_ok();
    if present.is_ok_and(opens) {
        let attempt = "the keep has a keyring that opens";
        return Err(AppError::refused("keyring-present", attempt).hint("nothing was changed"));
    }
    let keyring = newest_keyring(file, &keys, seen.keyring)?;
    keyring.put_back(&store)?;
    let app = App::open(root, secret, surroundings)?;
    let class = EventClass::DatastoreActivity;
    let generation = app.store.keyring_generation()?;
    let entry = app
        .entry(&Caller::operator(), class, Activity::Update, "keyring.restored")
        .severity(Severity::High)
        .with("generation", i64::try_from(generation).unwrap_or(i64::MAX));
    app.record(&entry)?;
    Ok(KeyringReport { generation, files: 0 })
}

/// Writes the first entry after the restore: what was restored, and what was given up.
fn record(
    root: &Path,
    secret: &KekSource,
    surroundings: &Surroundings,
    report: &RestoreReport,
    remembered: Option<Checkpoint>,
) -> Result<(), AppError> {
    let app = App::open(root, secret, surroundings)?;
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let class = EventClass::DatastoreActivity;
    let mut entry = app
        .entry(&Caller::operator(), class, Activity::Update, "keep.restored")
        .severity(Severity::High)
        .with("taken", report.taken.as_str())
        .with("lost_files", number(report.lost_files))
        .with("lost_ledger_entries", number(report.lost_ledger_entries));
    if let Some(lost) = remembered.filter(|_| 0 < report.lost_ledger_entries) {
        entry = entry.with("lost_ledger_root", to_hex(&lost.root).as_str());
    }
    app.record(&entry)?;
    app.remember_registry()
}

fn read_manifest(folder: &Path, keep: &Keep, keys: &Keys) -> Result<Manifest, AppError> {
    let path = folder.join(MANIFEST);
    let bytes = read_bounded(&path, MANIFEST_SIZE_MAX).map_err(|error| {
        AppError::usage("snapshot-read", format!("cannot read `{}`", path.display()))
            .because(error)
            .hint("`twinkeep store snapshot DIR` writes it last: the snapshot is not complete")
    })?;
    let payload = envelope::verify(&keys.ledger.verifying_key(), MANIFEST_TYPE, &bytes);
    let manifest = payload.and_then(|payload| serde_json::from_slice::<Manifest>(&payload).ok());
    let ours = manifest.filter(|manifest| manifest.keep == keep.ledger_origin());
    ours.ok_or_else(|| {
        let attempt = format!("`{}` was not signed by this keep", path.display());
        AppError::refused("snapshot-forged", attempt).hint("find out who could write there")
    })
}

/// Opens a keyring and refuses one that is older than what was seen.
fn newest_keyring(file: &Path, keys: &Keys, needed: u64) -> Result<KeyringSource, AppError> {
    let keyring = KeyringSource::read(file)?;
    let found = keyring.generation(&keys.root)?;
    if needed <= found {
        return Ok(keyring);
    }
    let attempt = format!("the keyring is older than it must be: {found}, and {needed} was seen");
    Err(AppError::refused("keyring-rolled-back", attempt)
        .hint("an older one opens what was erased since; give its newest backup"))
}

/// Copies exactly the files that the manifest names, and compares each with it.
fn copy_snapshot(from: &Path, layout: &Layout, manifest: &Manifest) -> Result<(), AppError> {
    for folder in [layout.ledger(), layout.models().join("quarantine")] {
        create_private_dir(&folder).map_err(|error| failed("create", &folder, error))?;
    }
    for (name, digest) in &manifest.files {
        // The keep itself wrote the names; a bug must not lead out of the folder either.
        if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(changed(name));
        }
        let (from, to) = (from.join(name), layout.root().join(name));
        if let Some(parent) = to.parent() {
            create_private_dir(parent).map_err(|error| failed("create", parent, error))?;
        }
        let is_file = fs::symlink_metadata(&from).is_ok_and(|metadata| metadata.is_file());
        if !is_file || copy_into(&from, &to, mode_of(name))? != *digest {
            return Err(changed(name));
        }
    }
    Ok(())
}

/// What may be read by others in a keep that was just made.
fn mode_of(name: &str) -> u32 {
    let public = name.starts_with("public/") || !name.contains('/');
    if public { PUBLIC_FILE } else { PRIVATE_FILE }
}

fn changed(name: &str) -> AppError {
    AppError::refused("snapshot-changed", format!("`{name}` of the snapshot was changed"))
        .hint("use another snapshot, and find out who could write to this one")
}

/// Chooses the ledger: the snapshot's, or a newer one of the same keep. Returns where it ends, and
/// the newest checkpoint that this machine remembers.
fn take_ledger(
    request: &RestoreRequest<'_>,
    keep: &Keep,
    keys: &Keys,
    layout: &Layout,
    anchors: &[PathBuf],
) -> Result<(Checkpoint, Option<Checkpoint>), AppError> {
    let (origin, key) = (keep.ledger_origin(), keys.ledger.verifying_key());
    let mut end = verify(&layout.ledger(), &origin, &key, &[])?.checkpoint;
    if let Some(newer) = request.ledger {
        fs::remove_dir_all(layout.ledger())
            .map_err(|error| failed("replace", &layout.ledger(), error))?;
        copy_folder(newer, &layout.ledger(), "ledger", &mut Digests::new())?;
        // It comes from a machine that may have lost its power.
        let journals = JOURNAL_FILES.iter().filter(|name| newer.join(name).exists());
        let journals: Vec<_> = journals.collect();
        for name in &journals {
            copy_into(&newer.join(name), &layout.ledger().join(name), PRIVATE_FILE)?;
        }
        if !journals.is_empty() {
            Ledger::settle(&layout.ledger(), &origin, key)?;
        }
        end = verify(&layout.ledger(), &origin, &key, &[end.checkpoint])?.checkpoint;
    }
    let remembered = newest(&Anchor::new(anchors.to_vec()).remembered(&origin, &key)?);
    match remembered {
        Some(known) if known.size <= end.checkpoint.size => {
            verify(&layout.ledger(), &origin, &key, &[known])?;
        }
        Some(known) if !request.ledger_lost => {
            return Err(older_ledger(known.size, end.checkpoint.size));
        }
        _ => {}
    }
    write_atomic(&layout.anchor(), end.note.as_bytes(), PRIVATE_FILE)
        .map_err(|error| failed("write", &layout.anchor(), error))?;
    Ok((end.checkpoint, remembered))
}

fn older_ledger(known: u64, found: u64) -> AppError {
    let attempt = format!(
        "this machine remembers {known} entries of the ledger, and what is to be restored has {found}"
    );
    AppError::refused("restore-ledger-older", attempt)
        .hint("pass `--ledger DIR` with the ledger of the keep, or `--ledger-lost` if it is gone")
}

fn restore_parts(
    request: &RestoreRequest<'_>,
    keys: &Keys,
    keyring: &KeyringSource,
    layout: &Layout,
    manifest: &Manifest,
    seen: Marks,
) -> Result<Restored, AppError> {
    let terms = RestoreTerms {
        above_epoch: manifest.catalog.max(seen.catalog),
        keyring_generation: manifest.keyring,
        accept_loss: request.accept_loss,
    };
    let (_, restored) = Store::restore(&layout.store(), &keys.root, keyring, terms)?;
    let registry_keys = RegistryKeys { signer: keys.model_again()?, root: keys.root.clone() };
    Registry::open(&layout.models(), registry_keys)?.continue_after(seen.registry)?;
    Ok(restored)
}

/// Keeps what this machine remembered under another name: it does not hold for the restored ledger.
fn set_anchors_aside(anchors: &[PathBuf]) -> Result<(), AppError> {
    for path in anchors.iter().filter(|path| path.exists()) {
        let mut aside = path.clone().into_os_string();
        aside.push(".before-restore");
        fs::rename(path, PathBuf::from(aside)).map_err(|error| failed("rename", path, error))?;
    }
    Ok(())
}

/// The same keep in another folder.
fn keep_at(keep: &Keep, root: &Path) -> Keep {
    Keep {
        layout: Layout::new(root),
        descriptor: keep.descriptor.clone(),
        settings: keep.settings.clone(),
    }
}

/// The keyring within the store.
const KEYRING: &str = "keyring";

/// A hundred thousand files.
pub(crate) const MANIFEST_SIZE_MAX: u64 = 64 << 20;
