//! Signed manifests: which files a sender announces, by name, size, and SHA-256.
//!
//! For plain files that come another way than sealed: the manifest says what they must be, and
//! who says so. It is a signed note, so a person can read it; `docs/formats/manifest.md`.

use std::path::{Component, Path};

use crate::digest::{from_hex, to_hex};
use crate::identity::{Identity, PublicIdentity};
use crate::note::{NoteError, open_note, sign_note};
use crate::sign::VerifyingKey;

#[cfg(test)]
mod tests;

/// What a sender announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    files: Vec<ManifestFile>,
}

/// One file of a manifest.
#[derive(Clone, PartialEq, Eq)]
pub struct ManifestFile {
    /// Its path inside the folder, with `/`. It may name a person.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
    /// Their digest.
    pub sha256: [u8; 32],
}

impl std::fmt::Debug for ManifestFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ManifestFile({} bytes, hidden)", self.size)
    }
}

/// Why a manifest was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// A name cannot be listed.
    #[error("file {number} has a name that a manifest does not take")]
    Name {
        /// Which file, counted from 1.
        number: usize,
    },
    /// Files are not in order, or one is there twice.
    #[error("file {number} is not in the order of names, or is there twice")]
    Order {
        /// Which file, counted from 1.
        number: usize,
    },
    /// There is nothing in it, or too much.
    #[error("a manifest lists 1 to {FILE_COUNT_MAX} files")]
    Count,
    /// A line is not of the format.
    #[error("line {line} of the manifest is malformed")]
    Line {
        /// Which, counted from 1.
        line: usize,
    },
    /// The note under it does not hold.
    #[error("the manifest is not genuine: {source}")]
    Note {
        /// Why.
        source: NoteError,
    },
}

impl ManifestError {
    /// The permanent name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } => "manifest-name",
            Self::Order { .. } | Self::Count | Self::Line { .. } => "manifest-malformed",
            Self::Note { source: NoteError::Malformed } => "manifest-malformed",
            Self::Note { source: NoteError::Unknown } => "manifest-sender",
            Self::Note { source: NoteError::Forged } => "manifest-forged",
        }
    }
}

impl Manifest {
    /// Lists files; they are put in order.
    pub fn new(mut files: Vec<ManifestFile>) -> Result<Self, ManifestError> {
        files.sort_by(|a, b| Path::new(&a.name).cmp(Path::new(&b.name)));
        let manifest = Self { files };
        manifest.check()?;
        Ok(manifest)
    }

    /// Returns the files, in the order of their paths.
    pub fn files(&self) -> &[ManifestFile] {
        &self.files
    }

    /// Signs it.
    pub fn sign(&self, sender: &Identity) -> String {
        let mut text = String::from(FIRST_LINE);
        text.push('\n');
        for file in &self.files {
            let ManifestFile { name, size, sha256 } = file;
            text.push_str(&format!("{} {size} {name}\n", to_hex(sha256)));
        }
        sign_note(&key_name(sender.public().signing()), &text, sender.signing())
    }

    /// Reads a manifest that one of `senders` signed, and says who.
    pub fn open<'s>(
        note: &[u8],
        senders: &'s [PublicIdentity],
    ) -> Result<(Self, &'s PublicIdentity), ManifestError> {
        let refuse = |source| ManifestError::Note { source };
        let note = std::str::from_utf8(note).map_err(|_| refuse(NoteError::Malformed))?;
        let keys: Vec<(String, VerifyingKey)> =
            senders.iter().map(|sender| (key_name(sender.signing()), *sender.signing())).collect();
        let (text, signer) = open_note(note, &keys).map_err(refuse)?;
        let mut lines = text.lines();
        if lines.next() != Some(FIRST_LINE) {
            return Err(ManifestError::Line { line: 1 });
        }
        let files = lines
            .enumerate()
            .map(|(index, line)| parse(line).ok_or(ManifestError::Line { line: index + 2 }));
        let manifest = Self { files: files.collect::<Result<_, _>>()? };
        manifest.check()?;
        let signer = senders.get(signer).ok_or(refuse(NoteError::Unknown))?;
        Ok((manifest, signer))
    }

    fn check(&self) -> Result<(), ManifestError> {
        if !(1..=FILE_COUNT_MAX).contains(&self.files.len()) {
            return Err(ManifestError::Count);
        }
        let mut last: Option<&Path> = None;
        for (index, file) in self.files.iter().enumerate() {
            let number = index + 1;
            let path = Path::new(&file.name);
            if !name_valid(&file.name) {
                return Err(ManifestError::Name { number });
            }
            if last.is_some_and(|last| path <= last) {
                return Err(ManifestError::Order { number });
            }
            last = Some(path);
        }
        Ok(())
    }
}

fn parse(line: &str) -> Option<ManifestFile> {
    let (digest, rest) = line.split_once(' ')?;
    let (digits, name) = rest.split_once(' ')?;
    let size: u64 = digits.parse().ok()?;
    let sha256 = from_hex(digest)?.try_into().ok()?;
    // A number has one spelling.
    (size.to_string() == digits).then(|| ManifestFile { name: name.to_owned(), size, sha256 })
}

/// A relative path that leads nowhere else, in one spelling, on one line.
fn name_valid(name: &str) -> bool {
    let plain = |component: Component<'_>| matches!(component, Component::Normal(_));
    let same = || Path::new(name).components().collect::<std::path::PathBuf>();
    (1..=NAME_LEN_MAX).contains(&name.len())
        && !name.contains(char::is_control)
        && Path::new(name).components().all(plain)
        && same().as_os_str() == name
}

/// How a sender's key is named under a manifest.
fn key_name(key: &VerifyingKey) -> String {
    format!("twinkeep/{}", key.key_id())
}

/// Keeps this signature apart from every other signature by the same key.
const FIRST_LINE: &str = "twinkeep manifest v1";

/// The largest public data sets have some hundred thousand files.
const FILE_COUNT_MAX: usize = 500_000;

/// Longer paths exist on no file system that feeds come from.
const NAME_LEN_MAX: usize = 4096;

/// Largest manifest, in bytes: half a million files with usual names.
pub const MANIFEST_SIZE_MAX: u64 = 64 << 20;
