//! Wrapped private keys: one JSON file a key in `keys/`, sealed under the key-encryption key.
//!
//! When the key-encryption key is rotated, all keys are written again as the next *generation*
//! beside the old ones; `keep.json` says which generation holds.

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

/// The keys of one generation.
#[derive(Clone, Debug)]
pub(crate) struct KeyFiles {
    dir: PathBuf,
    generation: u32,
}

impl KeyFiles {
    pub(crate) fn new(dir: &Path, generation: u32) -> Self {
        Self { dir: dir.to_path_buf(), generation }
    }

    fn path(&self, name: &str) -> PathBuf {
        match self.generation {
            FIRST_GENERATION => self.dir.join(format!("{name}.key")),
            later => self.dir.join(format!("{name}.{later}.key")),
        }
    }

    /// Removes this generation's files of these names.
    pub(crate) fn remove(&self, names: &[&str]) -> Result<(), AppError> {
        for name in names {
            let path = self.path(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    let attempt = format!("cannot remove `{}`", path.display());
                    return Err(AppError::environment("keep-write", attempt).because(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Seals `secret` under `kek` and writes it.
pub(crate) fn write(
    keys: &KeyFiles,
    name: &str,
    kek: &SecretKey,
    secret: &[u8],
) -> Result<(), AppError> {
    let sealed = seal(kek, Purpose::PrivateKey, name.as_bytes(), secret);
    let wire = Wire { version: VERSION, name: name.to_owned(), sealed: to_hex(&sealed) };
    let path = keys.path(name);
    let text = serde_json::to_vec_pretty(&wire).map_err(|error| damaged(&path).because(error))?;
    write_atomic(&path, &text, PRIVATE_FILE).map_err(|error| {
        AppError::environment("keep-write", format!("cannot write `{}`", path.display()))
            .because(error)
    })
}

/// Reads and opens a key; refuses a file that others can read.
pub(crate) fn read(keys: &KeyFiles, name: &str, kek: &SecretKey) -> Result<SecretBytes, AppError> {
    let path = keys.path(name);
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

fn damaged(path: &Path) -> AppError {
    AppError::refused("key-damaged", format!("`{}` is not a key of this keep", path.display()))
        .hint("restore the file from a backup of the keep")
}

const VERSION: u32 = 1;

/// What `init` writes.
pub(crate) const FIRST_GENERATION: u32 = 1;
