//! Wrapped private keys: one JSON file a key in `keys/`, sealed under the key-encryption key.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twinkeep_vault::digest::{from_hex, to_hex};
use twinkeep_vault::files::{PRIVATE_FILE, open_to_others, write_atomic};
use twinkeep_vault::{Purpose, SecretBytes, SecretKey, open, seal};

use crate::AppError;

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u32,
    name: String,
    sealed: String,
}

/// Seals `secret` under `kek` and writes it as `keys/<name>.key`.
pub(crate) fn write(
    keys: &Path,
    name: &str,
    kek: &SecretKey,
    secret: &[u8],
) -> Result<(), AppError> {
    let sealed = seal(kek, Purpose::PrivateKey, name.as_bytes(), secret);
    let wire = Wire { version: VERSION, name: name.to_owned(), sealed: to_hex(&sealed) };
    let path = path(keys, name);
    let text = serde_json::to_vec_pretty(&wire).map_err(|error| damaged(&path).because(error))?;
    write_atomic(&path, &text, PRIVATE_FILE).map_err(|error| {
        AppError::environment("keep-write", format!("cannot write `{}`", path.display()))
            .because(error)
    })
}

/// Reads and opens `keys/<name>.key`; refuses a file that others can read.
pub(crate) fn read(keys: &Path, name: &str, kek: &SecretKey) -> Result<SecretBytes, AppError> {
    let path = path(keys, name);
    let io = |error| {
        AppError::environment("keep-read", format!("cannot read `{}`", path.display()))
            .because(error)
    };
    if open_to_others(&path).map_err(io)? != 0 {
        let attempt = format!("`{}` can be read by others", path.display());
        return Err(AppError::refused("key-permissions", attempt)
            .hint(format!("run `chmod 600 {}`, and ask who read it", path.display())));
    }
    let bytes = fs::read(&path).map_err(io)?;
    let wire: Wire = serde_json::from_slice(&bytes).map_err(|_| damaged(&path))?;
    let sealed = from_hex(&wire.sealed).ok_or_else(|| damaged(&path))?;
    if wire.version != VERSION || wire.name != name {
        return Err(damaged(&path));
    }
    open(kek, Purpose::PrivateKey, name.as_bytes(), &sealed)
        .map_err(|error| damaged(&path).because(error))
}

fn path(keys: &Path, name: &str) -> PathBuf {
    keys.join(format!("{name}.key"))
}

fn damaged(path: &Path) -> AppError {
    AppError::refused("key-damaged", format!("`{}` is not a key of this keep", path.display()))
        .hint("restore the file from a backup of the keep")
}

const VERSION: u32 = 1;
