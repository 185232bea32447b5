//! A KEK that lies in a file of its own, outside the keep.

use std::io;
use std::path::{Path, PathBuf};

use super::{KekDescriptor, KekError, KekProvider};
use crate::digest::{from_hex, to_hex};
use crate::files::{PRIVATE_FILE, open_to_others, read_secret_bounded, write_atomic};
use crate::{SecretBytes, SecretKey};

/// Where the file is.
#[derive(Debug)]
pub(super) struct KeyFile<'a>(pub(super) &'a PathBuf);

impl KekProvider for KeyFile<'_> {
    fn method(&self) -> &'static str {
        METHOD
    }

    /// A file that does not exist is created.
    fn create(&self) -> Result<(SecretKey, KekDescriptor), KekError> {
        if !self.0.exists() {
            let key = SecretKey::random();
            let text = SecretBytes::new(format!("{}\n", to_hex(key.expose())).into_bytes());
            write_atomic(self.0, text.expose(), PRIVATE_FILE)
                .map_err(|source| KekError::Io { path: self.0.clone(), source })?;
        }
        Ok((read(self.0)?, KekDescriptor::new(METHOD)))
    }

    fn derive(&self, _descriptor: &KekDescriptor) -> Result<SecretKey, KekError> {
        read(self.0)
    }
}

fn read(path: &Path) -> Result<SecretKey, KekError> {
    let io = |source| KekError::Io { path: path.to_path_buf(), source };
    let mode = open_to_others(path).map_err(io)?;
    if mode != 0 {
        return Err(KekError::Permissions { path: path.to_path_buf(), mode });
    }
    let broken = || KekError::KeyFile { path: path.to_path_buf() };
    let text = read_secret_bounded(path, KEY_FILE_LEN_MAX).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => broken(),
        _ => io(error),
    })?;
    let text = std::str::from_utf8(text.expose()).map_err(|_| broken())?;
    let bytes = SecretBytes::new(from_hex(text.trim()).ok_or_else(broken)?);
    SecretKey::from_slice(bytes.expose()).ok_or_else(broken)
}

pub(super) const METHOD: &str = "key-file";

/// 64 digits, and whatever line ends an editor adds.
const KEY_FILE_LEN_MAX: u64 = 256;
