//! Use case: give a model version to another keep, or to other programs.
//!
//! The weights are encrypted no more, so whoever runs this decides where they go; the folder is
//! signed, so that whoever has the keep's public key knows that they are what was trained.

use std::path::{Path, PathBuf};

use serde::Serialize;
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_vault::files::{PRIVATE_FILE, create_private_dir, write_atomic};

use crate::models::parse_version;
use crate::{App, AppError, Caller};

/// What was written.
#[derive(Debug, Serialize)]
pub struct ExportModelReport {
    /// The version.
    pub version: String,
    /// The folder.
    pub folder: PathBuf,
    /// How many files it has, with the signature.
    pub files: usize,
    /// Whose signature it carries: SHA-256 of the public key's PEM text.
    pub signer: String,
}

/// Verifies a version, and writes its files into a new folder that only the owner may enter.
pub fn export_model(
    app: &App,
    caller: &Caller,
    version: &str,
    folder: &Path,
) -> Result<ExportModelReport, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Read, "model.exported");
    let result = export(app, version, folder);
    let entry = if result.is_ok() { entry.with("model", version) } else { entry };
    app.conclude(entry, result)
}

fn export(app: &App, version: &str, folder: &Path) -> Result<ExportModelReport, AppError> {
    let id = parse_version(version)?;
    if folder.symlink_metadata().is_ok() {
        let attempt = format!("`{}` is there already", folder.display());
        return Err(AppError::usage("model-export-exists", attempt).hint("name a new folder"));
    }
    let mut files = app.registry.export(&id).map_err(|error| app.distrust(&id, error))?;
    // The signature goes last: without it, a folder that a crash left is not a version.
    let signature = files.remove(SIGNATURE_FILE).unwrap_or_default();
    let written = create_private_dir(folder).and_then(|()| {
        for (name, bytes) in &files {
            write_atomic(&folder.join(name), bytes, PRIVATE_FILE)?;
        }
        write_atomic(&folder.join(SIGNATURE_FILE), &signature, PRIVATE_FILE)
    });
    written.map_err(|error| {
        let attempt = format!("cannot write `{}`", folder.display());
        AppError::environment("model-export-write", attempt).because(error)
    })?;
    Ok(ExportModelReport {
        version: id.to_string(),
        folder: folder.to_path_buf(),
        files: files.len() + 1,
        signer: to_hex(&sha256(app.registry.public_pem().as_bytes())),
    })
}

/// The name that the format suggests.
const SIGNATURE_FILE: &str = "model.sig";
