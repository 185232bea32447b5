//! One version: building its files, and reading them back with every check.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::io::Errno;
use twinkeep_domain::Tensor;
use twinkeep_vault::chain::Revocations;
use twinkeep_vault::digest::sha256;
use twinkeep_vault::ecdsa::EcdsaKey;
use twinkeep_vault::{Purpose, SecretBytes, SecretKey, open, open_key, seal, seal_key};

use crate::names::{MANIFEST_FILE, SIGNATURE_FILE, WEIGHTS_FILE, document_name_valid};
use crate::oms::{Bundle, Digests, NO_FOLLOW, OmsError, Serialization, Signer, Statement, Trust};
use crate::{RegistryError, VerificationError, VersionId, weights};

/// The files of a version, by name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// A version that is ready to be written.
pub(crate) struct Built {
    pub(crate) id: VersionId,
    pub(crate) files: Files,
    pub(crate) wrapped_key: Vec<u8>,
}

/// A version that was read and verified.
pub(crate) struct Opened {
    pub(crate) statement: Statement,
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) files: Files,
}

/// Seals and signs a version.
pub(crate) fn build(
    tensors: &[Tensor],
    documents: &Files,
    signer: &EcdsaKey,
    wrapping_key: &SecretKey,
) -> Result<Built, RegistryError> {
    check_documents(documents)?;
    let (plain, manifest) =
        weights::encode(tensors).map_err(|source| RegistryError::Tensors { source })?;
    let plain = SecretBytes::new(plain);
    if plain.expose().len() > WEIGHTS_SIZE_MAX {
        return Err(RegistryError::Submission { problem: "the weights are too large" });
    }
    let data_key = SecretKey::random();
    let sealed = seal(&data_key, Purpose::ModelWeights, WEIGHTS_CONTEXT, plain.expose());
    let mut files = documents.clone();
    files.insert(WEIGHTS_FILE.to_owned(), sealed);
    files.insert(MANIFEST_FILE.to_owned(), manifest);
    let unsigned = |_: OmsError| RegistryError::Submission { problem: "it cannot be signed" };
    let statement = Statement::new(SUBJECT_NAME, digests(&files), ignored()).map_err(unsigned)?;
    let bundle = Bundle::sign(&statement, Signer::Key(signer)).map_err(unsigned)?;
    files.insert(SIGNATURE_FILE.to_owned(), bundle.encode().map_err(unsigned)?);
    let id = VersionId::of(&statement.digest());
    let context = id.as_str().as_bytes();
    let wrapped_key = seal_key(wrapping_key, Purpose::ModelKey, context, &data_key);
    Ok(Built { id, files, wrapped_key })
}

/// Reads the version in `dir` and checks everything about it but its state.
pub(crate) fn read(
    id: &VersionId,
    dir: &Path,
    key_file: &Path,
    public_pem: &str,
    wrapping_key: &SecretKey,
) -> Result<Opened, RegistryError> {
    let files = read_files(id, dir)?;
    let wrapped_key = read_file(id, key_file, KEY_FILE_SIZE_MAX)?;
    check(id, files, &wrapped_key, public_pem, wrapping_key).map_err(failed(id))
}

fn check(
    id: &VersionId,
    mut files: Files,
    wrapped_key: &[u8],
    public_pem: &str,
    wrapping_key: &SecretKey,
) -> Result<Opened, VerificationError> {
    let statement = check_signature(&files, public_pem)
        .map_err(|source| VerificationError::Signature { source })?;
    if VersionId::of(&statement.digest()) != *id {
        return Err(VerificationError::Name);
    }
    let context = id.as_str().as_bytes();
    let data_key = open_key(wrapping_key, Purpose::ModelKey, context, wrapped_key)
        .map_err(|_| VerificationError::Key)?;
    let sealed = files.remove(WEIGHTS_FILE).unwrap_or_default();
    let plain = open(&data_key, Purpose::ModelWeights, WEIGHTS_CONTEXT, &sealed)
        .map_err(|_| VerificationError::Sealed)?;
    let manifest = files.get(MANIFEST_FILE).map(Vec::as_slice).unwrap_or_default();
    let tensors = weights::decode(plain.expose(), manifest)
        .map_err(|source| VerificationError::Weights { source })?;
    files.insert(WEIGHTS_FILE.to_owned(), sealed);
    Ok(Opened { statement, tensors, files })
}

fn check_signature(files: &Files, public_pem: &str) -> Result<Statement, OmsError> {
    let missing = || OmsError::Missing { name: SIGNATURE_FILE.to_owned() };
    let bytes = files.get(SIGNATURE_FILE).ok_or_else(missing)?;
    let bundle = Bundle::parse(bytes)?;
    let statement = bundle.verify(Trust::Key(public_pem), &Revocations::NONE)?;
    statement.compare(&digests(files))?;
    // A version of ours leaves nothing out, and what its signature does not cover has one
    // spelling, so that any change of any byte shows.
    let ours = statement.ignored() == ignored()
        && statement.serialization() == Serialization::default()
        && bundle.hints_at(public_pem)
        && bundle.encode()? == *bytes;
    if ours { Ok(statement) } else { Err(OmsError::Malformed { problem: "it is not one of ours" }) }
}

/// Returns the documents: every file that is not made by the registry.
pub(crate) fn documents(files: Files) -> Files {
    files.into_iter().filter(|(name, _)| document_name_valid(name)).collect()
}

fn check_documents(documents: &Files) -> Result<(), RegistryError> {
    let refuse = |problem| Err(RegistryError::Submission { problem });
    if documents.len() > DOCUMENT_COUNT_MAX {
        return refuse("there are too many documents");
    }
    for (name, bytes) in documents {
        if !document_name_valid(name) {
            return refuse("a document has a name that is not allowed");
        }
        if bytes.len() > DOCUMENT_SIZE_MAX {
            return refuse("a document is too large");
        }
    }
    Ok(())
}

pub(crate) fn digests(files: &Files) -> Digests {
    let signed = files.iter().filter(|(name, _)| *name != SIGNATURE_FILE);
    signed.map(|(name, bytes)| (name.clone(), sha256(bytes))).collect()
}

fn ignored() -> Vec<String> {
    vec![SIGNATURE_FILE.to_owned()]
}

/// Reads all files of a folder that may have plain files only.
fn read_files(id: &VersionId, dir: &Path) -> Result<Files, RegistryError> {
    let refuse = |problem| failed(id)(VerificationError::Folder { problem });
    let kind = fs::symlink_metadata(dir).map_err(|error| unreadable(id, error))?;
    if !kind.is_dir() {
        return Err(refuse("it is not a folder"));
    }
    let mut files = Files::new();
    for item in fs::read_dir(dir).map_err(|error| unreadable(id, error))? {
        let item = item.map_err(|error| unreadable(id, error))?;
        let name = item.file_name().into_string().map_err(|_| refuse("a name is not UTF-8"))?;
        if !item.file_type().map_err(|error| unreadable(id, error))?.is_file() {
            return Err(refuse("it has something that is not a plain file"));
        }
        if files.len() > DOCUMENT_COUNT_MAX + 3 {
            return Err(refuse("it has too many files"));
        }
        let size_max = if name == WEIGHTS_FILE { SEALED_SIZE_MAX } else { DOCUMENT_SIZE_MAX };
        files.insert(name, read_file(id, &item.path(), size_max)?);
    }
    Ok(files)
}

/// Reads a plain file, once: what is checked is what is used.
fn read_file(id: &VersionId, path: &Path, size_max: usize) -> Result<Vec<u8>, RegistryError> {
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(NO_FOLLOW).open(path);
    let file = file.map_err(|error| unreadable(id, error))?;
    let mut bytes = Vec::new();
    file.take(size_max as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(id, error))?;
    if bytes.len() > size_max {
        return Err(failed(id)(VerificationError::Folder { problem: "a file is too large" }));
    }
    Ok(bytes)
}

/// A file that is missing or is a link is the fault of the version; others are the system's.
fn unreadable(id: &VersionId, error: io::Error) -> RegistryError {
    let problem = match Errno::from_io_error(&error) {
        Some(Errno::NOENT) => "a file or the folder is missing",
        Some(Errno::LOOP) => "it has a link",
        _ => return RegistryError::Io { action: "read a model version", source: error },
    };
    failed(id)(VerificationError::Folder { problem })
}

fn failed(id: &VersionId) -> impl FnOnce(VerificationError) -> RegistryError {
    let id = id.clone();
    move |source| RegistryError::Verification { id, source }
}

/// The subject of the statement; the files decide, not the name.
pub(crate) const SUBJECT_NAME: &str = "twinkeep-model";

/// The data key is used once, so there is nothing else to bind to.
const WEIGHTS_CONTEXT: &[u8] = b"";

/// Largest weights, in bytes: they are held in memory, sealed and open, while they are verified;
/// trees for a thousand variables need a tenth.
pub(crate) const WEIGHTS_SIZE_MAX: usize = 1 << 30;

/// The sealed weights are 28 bytes longer.
const SEALED_SIZE_MAX: usize = WEIGHTS_SIZE_MAX + 64;

/// Most documents: a version has about ten.
pub(crate) const DOCUMENT_COUNT_MAX: usize = 64;

/// Largest document, in bytes: an evaluation by subgroup has some hundred KiB.
pub(crate) const DOCUMENT_SIZE_MAX: usize = 16 << 20;

/// A wrapped key has 60 bytes.
const KEY_FILE_SIZE_MAX: usize = 1024;
