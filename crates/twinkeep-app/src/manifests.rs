//! Use cases: announce plain files in a signed manifest, and check files against one.
//!
//! A sealed feed needs no manifest: it is signed itself. Files inside a delivery are told by their
//! number in it, because a file is often called after a person.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use twinkeep_vault::KekSource;
use twinkeep_vault::digest::{Sha256, sha256};
use twinkeep_vault::files::{PUBLIC_FILE, read_bounded, write_atomic};
use twinkeep_vault::identity::PublicIdentity;
use twinkeep_vault::manifest::{MANIFEST_SIZE_MAX, Manifest, ManifestFile};

use crate::identities::{open_identity, read_public};
use crate::{AppError, Progress};

/// What a manifest says, or was found to say truly.
#[derive(Debug, Serialize)]
pub struct ManifestReport {
    /// The manifest.
    pub manifest: PathBuf,
    /// Who signed it, by name.
    pub sender: String,
    /// How many files it lists.
    pub files: usize,
    /// How many bytes they have.
    pub size: u64,
}

/// What is to be signed.
#[derive(Debug)]
pub struct SignManifestRequest<'a> {
    /// One folder, or files.
    pub paths: &'a [PathBuf],
    /// The sender's private identity.
    pub identity: &'a Path,
    /// What opens it.
    pub secret: &'a KekSource,
    /// Where the manifest is written.
    pub out: &'a Path,
}

/// Signs a manifest of a folder, or of files.
pub fn sign_manifest(
    request: &SignManifestRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<ManifestReport, AppError> {
    let sender = open_identity(request.identity, request.secret)?;
    let mut files = Vec::new();
    let mut count = 0;
    for path in request.paths {
        let found = list(path)?;
        if found.is_folder && request.paths.len() != 1 {
            return Err(AppError::usage("manifest-paths", "name one folder, or files"));
        }
        for (name, path) in found.files {
            count += 1;
            let name = name.into_os_string().into_string().map_err(|_| {
                let attempt = format!("the name of file {count} is not UTF-8");
                AppError::refused("manifest-name", attempt)
            })?;
            let (size, sha256) = digest_of(&path, progress)?;
            files.push(ManifestFile { name, size, sha256 });
        }
    }
    let manifest = Manifest::new(files)
        .map_err(|error| AppError::refused(error.code(), "cannot list the files").because(error))?;
    let failed = |error| {
        let attempt = format!("cannot write `{}`", request.out.display());
        AppError::environment("manifest-write", attempt).because(error)
    };
    write_atomic(request.out, manifest.sign(&sender).as_bytes(), PUBLIC_FILE).map_err(failed)?;
    Ok(report(request.out, sender.public(), &manifest))
}

/// Checks a folder or a file against a manifest; `senders` are the public identities to accept.
pub fn verify_manifest(
    manifest: &Path,
    path: &Path,
    senders: &[PathBuf],
    progress: &mut dyn FnMut(Progress),
) -> Result<ManifestReport, AppError> {
    let senders =
        senders.iter().map(|sender| read_public(sender)).collect::<Result<Vec<_>, _>>()?;
    let (listed, sender) = read_manifest(manifest, &senders)?;
    let announced = Announced::by_manifest(&listed, path)?;
    let differences = announced.compare(path, progress)?;
    if let Some(first) = differences.first() {
        return Err(AppError::refused("digest-mismatch", first.sentence(path, differences.len())));
    }
    Ok(report(manifest, sender, &listed))
}

/// Reads a manifest and who signed it.
pub(crate) fn read_manifest<'s>(
    path: &Path,
    senders: &'s [PublicIdentity],
) -> Result<(Manifest, &'s PublicIdentity), AppError> {
    let attempt = || format!("cannot use the manifest `{}`", path.display());
    let bytes = read_bounded(path, MANIFEST_SIZE_MAX)
        .map_err(|error| AppError::usage("manifest-read", attempt()).because(error))?;
    Manifest::open(&bytes, senders).map_err(|error| {
        let refused = AppError::refused(error.code(), attempt()).because(error);
        match error.code() {
            "manifest-sender" => {
                refused.hint("accept its sender first: `twinkeep sender add FILE`")
            }
            _ => refused,
        }
    })
}

/// What a delivery must be, to the byte.
pub(crate) enum Announced {
    /// One file.
    File([u8; 32]),
    /// All files of a folder, by path.
    Folder(BTreeMap<PathBuf, [u8; 32]>),
}

/// A file that is not what was announced.
pub(crate) struct Difference {
    /// Its path inside the folder; may name a person.
    pub(crate) name: PathBuf,
    /// Where it is; `None` if it is missing.
    pub(crate) path: Option<PathBuf>,
    /// Its place in the order of names, counted from 1.
    number: usize,
    what: &'static str,
}

impl Announced {
    /// Takes from a manifest what is said of a folder or file.
    pub(crate) fn by_manifest(manifest: &Manifest, path: &Path) -> Result<Self, AppError> {
        if path.is_dir() {
            let file = |file: &ManifestFile| (PathBuf::from(&file.name), file.sha256);
            return Ok(Self::Folder(manifest.files().iter().map(file).collect()));
        }
        let name = path.file_name().unwrap_or_default();
        let listed = manifest.files().iter().find(|file| Path::new(&file.name) == Path::new(name));
        let unlisted = || {
            let attempt = format!("the manifest says nothing of `{}`", path.display());
            AppError::refused("manifest-unlisted", attempt)
                .hint("the file must have the name that it had when the manifest was made")
        };
        Ok(Self::File(listed.ok_or_else(unlisted)?.sha256))
    }

    /// Returns the digest that intake gives a delivery that is as announced.
    pub(crate) fn digest(&self) -> [u8; 32] {
        match self {
            Self::File(digest) => *digest,
            Self::Folder(files) => {
                let mut digest = Sha256::default();
                for (name, file) in files {
                    digest.update(&sha256(name.to_string_lossy().as_bytes()));
                    digest.update(file);
                }
                digest.finish()
            }
        }
    }

    /// Returns what is not as announced, in the order of names.
    pub(crate) fn compare(
        &self,
        path: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Difference>, AppError> {
        let mut announced = match self {
            Self::File(digest) => BTreeMap::from([(PathBuf::new(), *digest)]),
            Self::Folder(files) => files.clone(),
        };
        let mut found: BTreeMap<PathBuf, PathBuf> = match self {
            Self::File(_) => BTreeMap::from([(PathBuf::new(), path.to_path_buf())]),
            Self::Folder(_) => list(path)?.files.into_iter().collect(),
        };
        let mut names: Vec<PathBuf> = announced.keys().chain(found.keys()).cloned().collect();
        names.sort();
        names.dedup();
        let mut differences = Vec::new();
        for (index, name) in names.into_iter().enumerate() {
            let (expected, path) = (announced.remove(&name), found.remove(&name));
            let what = match (&expected, &path) {
                (None, _) => "is not in the manifest",
                (_, None) => "is missing",
                (Some(expected), Some(path)) if digest_of(path, progress)?.1 != *expected => {
                    "is not what was announced"
                }
                _ => continue,
            };
            differences.push(Difference { name, path, number: index + 1, what });
        }
        Ok(differences)
    }
}

impl Difference {
    /// Says what is wrong, without the name of a file inside.
    pub(crate) fn sentence(&self, delivery: &Path, count: usize) -> String {
        let place = if self.name.as_os_str().is_empty() {
            format!("`{}`", delivery.display())
        } else {
            format!("file {} of `{}`", self.number, delivery.display())
        };
        let others = match count - 1 {
            0 => String::new(),
            others => format!(", and {others} more differ"),
        };
        format!("{place} {}{others}", self.what)
    }
}

/// The files that a path holds.
struct Listed {
    is_folder: bool,
    /// The path inside the folder, or the name of the file, and where it is.
    files: Vec<(PathBuf, PathBuf)>,
}

/// Lists regular files; anything else in a folder is refused, because no digest says what it is.
fn list(path: &Path) -> Result<Listed, AppError> {
    let cannot = |error| read_error(path, error);
    let metadata = fs::metadata(path).map_err(cannot)?;
    if !metadata.is_dir() {
        let name = PathBuf::from(path.file_name().unwrap_or_default());
        return Ok(Listed { is_folder: false, files: vec![(name, path.to_path_buf())] });
    }
    let mut files = Vec::new();
    list_below(path, Path::new(""), FOLDER_DEPTH_MAX, &mut files).map_err(cannot)?;
    files.sort();
    Ok(Listed { is_folder: true, files })
}

fn list_below(
    folder: &Path,
    inside: &Path,
    depth: usize,
    files: &mut Vec<(PathBuf, PathBuf)>,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (kind, name) = (entry.file_type()?, inside.join(entry.file_name()));
        if kind.is_file() {
            files.push((name, entry.path()));
        } else if !kind.is_dir() {
            return Err(io::Error::other(
                "there is something in it that is neither file nor folder",
            ));
        } else if 0 < depth {
            list_below(&entry.path(), &name, depth - 1, files)?;
        } else {
            return Err(io::Error::other("the folders are nested too deeply"));
        }
    }
    Ok(())
}

fn digest_of(path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(u64, [u8; 32]), AppError> {
    let cannot = |error| read_error(path, error);
    let mut file = File::open(path).map_err(cannot)?;
    let total = file.metadata().map_err(cannot)?.len();
    let mut digest = Sha256::default();
    let mut block = vec![0; BLOCK_LEN];
    let mut done = 0;
    loop {
        let count = file.read(&mut block).map_err(cannot)?;
        if count == 0 {
            return Ok((done, digest.finish()));
        }
        digest.update(&block[..count]);
        done += count as u64;
        progress(Progress { done, total });
    }
}

fn report(path: &Path, sender: &PublicIdentity, manifest: &Manifest) -> ManifestReport {
    ManifestReport {
        manifest: path.to_path_buf(),
        sender: sender.name().to_owned(),
        files: manifest.files().len(),
        size: manifest.files().iter().map(|file| file.size).sum(),
    }
}

fn read_error(path: &Path, error: io::Error) -> AppError {
    AppError::environment("input-read", format!("cannot read `{}`", path.display())).because(error)
}

/// As intake reads folders.
const FOLDER_DEPTH_MAX: usize = 16;

const BLOCK_LEN: usize = 1 << 20;
