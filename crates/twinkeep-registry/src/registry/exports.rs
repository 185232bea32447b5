//! Versions that leave a keep, and come into another: plain weights and documents in a folder,
//! signed as a whole by the keep that trained them.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use twinkeep_domain::Tensor;
use twinkeep_vault::SecretBytes;
use twinkeep_vault::digest::to_hex;

use super::imports::Import;
use super::{Registry, VersionId};
use crate::names::{MANIFEST_FILE, PLAIN_WEIGHTS_FILE, SIGNATURE_FILE};
use crate::oms::{Bundle, NO_FOLLOW, Signer, Statement};
use crate::version::{self, Files, SUBJECT_NAME, digests};
use crate::{OmsError, RegistryError, weights};

/// A version of another keep that was verified.
pub struct Exported {
    /// The weights, sorted by name.
    pub tensors: Vec<Tensor>,
    /// Everything else, by name.
    pub documents: BTreeMap<String, Vec<u8>>,
    /// SHA-256 over the digests of its files, in hexadecimal.
    pub digest: String,
}

impl std::fmt::Debug for Exported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Weights are the business's secret.
        write!(f, "Exported({})", self.digest)
    }
}

impl Registry {
    /// Verifies a version, and returns the files of a folder that another keep takes: the weights
    /// are not encrypted any more, and all of it is signed anew.
    pub fn export(&self, id: &VersionId) -> Result<Files, RegistryError> {
        self.usable(id, "exported")?;
        let opened = self.read_version(id)?;
        let (plain, manifest) =
            weights::encode(&opened.tensors).map_err(|source| RegistryError::Tensors { source })?;
        let mut files = version::documents(opened.files);
        files.insert(PLAIN_WEIGHTS_FILE.to_owned(), plain);
        files.insert(MANIFEST_FILE.to_owned(), manifest);
        let unsigned = |_: OmsError| RegistryError::Submission { problem: "it cannot be signed" };
        let statement =
            Statement::new(SUBJECT_NAME, digests(&files), vec![SIGNATURE_FILE.to_owned()]);
        let bundle = Bundle::sign(&statement.map_err(unsigned)?, Signer::Key(&self.signer));
        let bundle = bundle.and_then(|bundle| bundle.encode()).map_err(unsigned)?;
        files.insert(SIGNATURE_FILE.to_owned(), bundle);
        Ok(files)
    }
}

/// Returns whether a folder has the files of a version that was exported.
pub fn is_export(path: &Path) -> bool {
    [PLAIN_WEIGHTS_FILE, MANIFEST_FILE].iter().all(|name| path.join(name).is_file())
}

/// Reads a version that another keep exported, if whoever is believed signed exactly this, and its
/// weights are the tensors of its manifest.
pub fn read_export(import: &Import<'_>) -> Result<Exported, OmsError> {
    let statement = super::imports::statement(import)?;
    let mut files = Files::new();
    for name in statement.files().keys() {
        let size_max = match name.as_str() {
            PLAIN_WEIGHTS_FILE => version::WEIGHTS_SIZE_MAX,
            _ => version::DOCUMENT_SIZE_MAX,
        };
        if version::DOCUMENT_COUNT_MAX < files.len() || name.contains('/') {
            return Err(OmsError::Folder { problem: "it is not as a keep exports a version" });
        }
        if let Some(bytes) = read_file(&import.path.join(name), size_max)? {
            files.insert(name.clone(), bytes);
        }
    }
    refuse_others(import, &statement)?;
    statement.compare(&digests(&files))?;
    let plain = SecretBytes::new(files.remove(PLAIN_WEIGHTS_FILE).unwrap_or_default());
    let manifest = files.remove(MANIFEST_FILE).unwrap_or_default();
    let tensors = weights::decode(plain.expose(), &manifest)
        .map_err(|_| OmsError::Folder { problem: "its weights are not those of its manifest" })?;
    Ok(Exported {
        tensors,
        documents: version::documents(files),
        digest: to_hex(&statement.digest()),
    })
}

/// A file that was not signed has no place in a version.
fn refuse_others(import: &Import<'_>, statement: &Statement) -> Result<(), OmsError> {
    for item in fs::read_dir(import.path).map_err(|source| OmsError::Io { source })? {
        let name = item.map_err(|source| OmsError::Io { source })?.file_name();
        let name =
            name.to_str().ok_or(OmsError::Folder { problem: "a name in it is not UTF-8" })?;
        if !statement.files().contains_key(name) && Some(name) != import.signature_file {
            return Err(OmsError::Unsigned { name: name.to_owned() });
        }
    }
    Ok(())
}

/// Reads a plain file, once; `None` if it is not there.
fn read_file(path: &Path, size_max: usize) -> Result<Option<Vec<u8>>, OmsError> {
    let mut options = OpenOptions::new();
    let file = match options.read(true).custom_flags(NO_FOLLOW).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|source| OmsError::Io { source })?,
    };
    let mut bytes = Vec::new();
    file.take(size_max as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| OmsError::Io { source })?;
    if size_max < bytes.len() {
        return Err(OmsError::Folder { problem: "a file in it is too large" });
    }
    Ok(Some(bytes))
}
