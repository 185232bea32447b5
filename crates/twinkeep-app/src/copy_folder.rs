//! Copies folders of a keep, file by file, with the digest of each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use twinkeep_ledger::JOURNAL_FILES;
use twinkeep_vault::digest::to_hex;
use twinkeep_vault::files::{
    PRIVATE_FILE, TEMPORARY_SUFFIX, copy_file, create_private_dir, sync_dir,
};

use twinkeep_watch::host::is_immutable;

use crate::AppError;

/// Digests by path, relative to the keep, with `/`.
pub(crate) type Digests = BTreeMap<String, String>;

/// Copies a folder and everything below it; `name` is how the digests call it. Locks and files
/// that somebody is writing are left out, and so are the ledger's journals, which belong to
/// the moment, everything that is not a plain file, and what is immutable and cannot be read.
pub(crate) fn copy_folder(
    from: &Path,
    to: &Path,
    name: &str,
    digests: &mut Digests,
) -> Result<(), AppError> {
    create_private_dir(to).map_err(|error| failed("create", to, error))?;
    for item in fs::read_dir(from).map_err(|error| failed("read", from, error))? {
        let item = item.map_err(|error| failed("read", from, error))?;
        let file_name = item.file_name();
        let Some(file) = file_name.to_str() else { continue };
        let kind = item.file_type().map_err(|error| failed("read", from, error))?;
        let (path, target, name) = (item.path(), to.join(file), format!("{name}/{file}"));
        if kind.is_dir() && !file.ends_with(TEMPORARY_SUFFIX) {
            copy_folder(&path, &target, &name, digests)?;
        } else if kind.is_file() && !left_out(file) {
            match copy_into(&path, &target, PRIVATE_FILE) {
                Ok(digest) => _ = digests.insert(name, digest),
                // In quarantine, where only whoever has the privileges opens it.
                Err(_) if is_immutable(&path) => {}
                Err(error) => return Err(error),
            }
        }
    }
    sync_dir(to).map_err(|error| failed("write", to, error))
}

/// Copies a file; returns its SHA-256 in hexadecimal.
pub(crate) fn copy_into(from: &Path, to: &Path, mode: u32) -> Result<String, AppError> {
    let digest = copy_file(from, to, mode).map_err(|error| failed("copy", from, error))?;
    Ok(to_hex(&digest))
}

pub(crate) fn failed(action: &str, path: &Path, error: std::io::Error) -> AppError {
    AppError::environment("copy", format!("cannot {action} `{}`", path.display())).because(error)
}

fn left_out(file: &str) -> bool {
    file == "lock" || JOURNAL_FILES.contains(&file) || file.ends_with(TEMPORARY_SUFFIX)
}
