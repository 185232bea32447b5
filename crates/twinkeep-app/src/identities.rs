//! Use cases: make, show, and read identities.

use std::path::{Path, PathBuf};

use serde::Serialize;
use twinkeep_vault::KekSource;
use twinkeep_vault::identity::{Identity, IdentityError, PublicIdentity};

use crate::AppError;

/// An identity, as others may know it.
#[derive(Debug, Serialize)]
pub struct IdentityReport {
    /// What its owner calls it.
    pub name: String,
    /// Names its signing key.
    pub key_id: String,
    /// To compare by phone.
    pub fingerprint: String,
    /// Whether feeds to it resist a quantum computer (X-Wing).
    pub post_quantum: bool,
    /// The private file, if it was made now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_file: Option<PathBuf>,
    /// The public file.
    pub public_file: PathBuf,
}

/// Makes an identity: `<name>.identity` and `<name>.identity.pub` in `dir`.
pub fn new_identity(
    name: &str,
    dir: &Path,
    secret: &KekSource,
) -> Result<IdentityReport, AppError> {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(valid) {
        let attempt = "the name must have letters, digits, `-`, `_`, and `.` only";
        return Err(AppError::usage("identity-name", attempt));
    }
    let private_file = dir.join(format!("{name}.identity"));
    let public_file = dir.join(format!("{name}.identity.pub"));
    for path in [&private_file, &public_file] {
        if path.exists() {
            let attempt = format!("`{}` exists", path.display());
            return Err(AppError::refused("identity-exists", attempt)
                .hint("choose another name or folder; nothing was changed"));
        }
    }
    let failed = |error| refuse(error, "cannot make the identity");
    let identity = Identity::generate(name).map_err(failed)?;
    identity.write_file(&private_file, secret).map_err(failed)?;
    identity.public().write_file(&public_file).map_err(failed)?;
    Ok(report(identity.public(), Some(private_file), public_file))
}

/// Shows a public identity; an altered file is refused.
pub fn show_identity(path: &Path) -> Result<IdentityReport, AppError> {
    Ok(report(&read_public(path)?, None, path.to_path_buf()))
}

pub(crate) fn read_public(path: &Path) -> Result<PublicIdentity, AppError> {
    PublicIdentity::read_file(path)
        .map_err(|error| refuse(error, format!("cannot use the identity `{}`", path.display())))
}

pub(crate) fn open_identity(path: &Path, secret: &KekSource) -> Result<Identity, AppError> {
    Identity::open_file(path, secret)
        .map_err(|error| refuse(error, format!("cannot open the identity `{}`", path.display())))
}

fn refuse(error: IdentityError, attempt: impl Into<String>) -> AppError {
    match &error {
        // Missing, unreadable, or no file at all: the command names the wrong one.
        IdentityError::Io { .. } => AppError::usage(error.code(), attempt).because(error),
        _ => AppError::refused(error.code(), attempt).because(error),
    }
}

fn report(
    identity: &PublicIdentity,
    private_file: Option<PathBuf>,
    public_file: PathBuf,
) -> IdentityReport {
    IdentityReport {
        name: identity.name().to_owned(),
        key_id: identity.key_id(),
        fingerprint: identity.fingerprint(),
        post_quantum: identity.xwing().is_some(),
        private_file,
        public_file,
    }
}
