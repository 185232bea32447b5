//! Imported material on the disk: its files, sealed, and the list of them, sealed too.
//!
//! A file is sealed in chunks under a random key of this material, each bound to its file, its
//! place, and whether it is the last, so that nothing can be cut off, moved, or exchanged. Names and
//! digests of files are sealed as well: whoever has the disk does not learn which model this is.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twinkeep_vault::digest::{Sha256, from_hex, to_hex};
use twinkeep_vault::files::{PRIVATE_FILE, PendingFile, read_bounded, write_atomic};
use twinkeep_vault::{Purpose, SecretKey, open, seal};

use crate::contents::{Content, Inspector};
use crate::imported::ImportedFile;

/// What the digest of a material covers: which files there are, and their content.
pub(crate) fn digest(files: &[ImportedFile]) -> [u8; 32] {
    let mut hasher = Sha256::default();
    for file in files {
        // No name has a zero byte, so that no two lists give the same bytes.
        hasher.update(file.name.as_bytes());
        hasher.update(&[0]);
        hasher.update(&file.sha256);
    }
    hasher.finish()
}

/// The list of the files of a material.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireManifest {
    version: u32,
    files: Vec<WireFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFile {
    name: String,
    size: u64,
    sha256: String,
}

/// Seals the list of the files into a folder.
pub(crate) fn write_manifest(
    dir: &Path,
    key: &SecretKey,
    files: &[ImportedFile],
) -> io::Result<()> {
    let file = |file: &ImportedFile| WireFile {
        name: file.name.clone(),
        size: file.size,
        sha256: to_hex(&file.sha256),
    };
    let manifest = WireManifest { version: 1, files: files.iter().map(file).collect() };
    let bytes = serde_json::to_vec(&manifest)?;
    let sealed = seal(key, Purpose::ImportedModel, MANIFEST_CONTEXT, &bytes);
    write_atomic(&dir.join(MANIFEST_FILE), &sealed, PRIVATE_FILE)
}

/// Opens a material that is in `dir`, and looks at every byte of it again; returns its files.
pub(crate) fn check(
    expected: &[u8; 32],
    dir: &Path,
    key: &SecretKey,
) -> Result<Vec<ImportedFile>, &'static str> {
    let manifest = read_manifest(dir, key).ok_or("its list of files does not open")?;
    let known = fs::read_dir(dir).map_err(|_| "its folder cannot be read")?.count();
    if known != manifest.files.len() + 1 {
        return Err("its folder has other files than its list");
    }
    let mut files = Vec::new();
    for (index, listed) in manifest.files.into_iter().enumerate() {
        let path = file_path(dir, index);
        let mut inspector = Inspector::new(&listed.name);
        let mut hasher = Sha256::default();
        let size = read_sealed(&path, key, index, &mut |bytes| {
            hasher.update(bytes);
            inspector.feed(bytes);
        })
        .map_err(|_| "a file of it is missing, or does not open")?;
        let sha256 = hasher.finish();
        if size != listed.size || from_hex(&listed.sha256).as_deref() != Some(&sha256) {
            return Err("a file of it is not what its list says");
        }
        files.push(ImportedFile { name: listed.name, size, sha256, content: inspector.finish() });
    }
    if digest(&files) != *expected {
        return Err("its content is not what was recorded");
    }
    match files.iter().all(|file| matches!(file.content, Content::Checked(_))) {
        true => Ok(files),
        false => Err("a file of it is not data only"),
    }
}

fn read_manifest(dir: &Path, key: &SecretKey) -> Option<WireManifest> {
    let sealed = read_bounded(&dir.join(MANIFEST_FILE), MANIFEST_SIZE_MAX).ok()?;
    let bytes = open(key, Purpose::ImportedModel, MANIFEST_CONTEXT, &sealed).ok()?;
    let manifest: WireManifest = serde_json::from_slice(bytes.expose()).ok()?;
    (manifest.version == 1).then_some(manifest)
}

/// Writes one file of a material, sealed.
pub(crate) struct SealedWriter<'a> {
    file: PendingFile,
    key: &'a SecretKey,
    index: usize,
    chunk: Vec<u8>,
    number: u64,
}

impl<'a> SealedWriter<'a> {
    pub(crate) fn create(dir: &Path, key: &'a SecretKey, index: usize) -> io::Result<Self> {
        let file = PendingFile::create(&file_path(dir, index), PRIVATE_FILE)?;
        Ok(Self { file, key, index, chunk: Vec::with_capacity(CHUNK_LEN), number: 0 })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.chunk.len() == CHUNK_LEN {
                self.seal(false)?;
            }
            let (now, after) = rest.split_at((CHUNK_LEN - self.chunk.len()).min(rest.len()));
            self.chunk.extend_from_slice(now);
            rest = after;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.seal(true)?;
        self.file.commit()
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let context = context(self.index, self.number, last);
        let sealed = seal(self.key, Purpose::ImportedModel, &context, &self.chunk);
        self.chunk.clear();
        self.number += 1;
        self.file.write_all(&sealed)
    }
}

/// Reads a sealed file; returns its size.
fn read_sealed(
    path: &Path,
    key: &SecretKey,
    index: usize,
    take: &mut dyn FnMut(&[u8]),
) -> io::Result<u64> {
    let changed = || io::Error::from(io::ErrorKind::InvalidData);
    let mut file = File::open(path)?;
    let mut left = file.metadata()?.len();
    let mut size = 0;
    let mut sealed = vec![0; SEALED_LEN];
    for number in 0.. {
        let length = usize::try_from(left.min(SEALED_LEN as u64)).map_err(|_| changed())?;
        file.read_exact(&mut sealed[..length])?;
        left -= length as u64;
        let context = context(index, number, left == 0);
        let chunk = open(key, Purpose::ImportedModel, &context, &sealed[..length]);
        let chunk = chunk.map_err(|_| changed())?;
        size += chunk.expose().len() as u64;
        take(chunk.expose());
        if left == 0 {
            break;
        }
    }
    Ok(size)
}

fn context(index: usize, number: u64, last: bool) -> Vec<u8> {
    let mut context = (index as u64).to_be_bytes().to_vec();
    context.extend_from_slice(&number.to_be_bytes());
    context.push(u8::from(last));
    context
}

fn file_path(dir: &Path, index: usize) -> PathBuf {
    dir.join(format!("{index}.enc"))
}

/// The list of the files.
const MANIFEST_FILE: &str = "manifest.enc";

/// Shorter than the context of a chunk.
const MANIFEST_CONTEXT: &[u8] = b"manifest";

/// 10,000 files with long names.
const MANIFEST_SIZE_MAX: u64 = 16 << 20;

/// What is in memory at once.
const CHUNK_LEN: usize = 1 << 20;

/// An envelope is 28 bytes longer.
const SEALED_LEN: usize = CHUNK_LEN + 28;
