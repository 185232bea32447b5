//! Takes models in from elsewhere: each is kept encrypted, and is quarantined unless somebody who is
//! trusted signed it and every byte of it is data.
//!
//! # Invariants
//!
//! - A file is read once: what was digested and looked at is what is kept.
//! - Nothing that was imported is ever executed or served from here.
//! - What was taken away stays so: importing it again does not bring it back.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::num::NonZero;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use twinkeep_domain::Timestamp;
use twinkeep_vault::chain::Revocations;
use twinkeep_vault::digest::{Sha256, to_hex};
use twinkeep_vault::files::{
    PRIVATE_FILE, TEMPORARY_SUFFIX, create_private_dir, read_bounded, sync_dir, write_atomic,
};
use twinkeep_vault::{Purpose, SecretKey, open_key, random_bytes, seal_key};

use super::{KEY_SUFFIX, LOCK_FILE, Registry, step};
use crate::contents::{Content, Inspector};
use crate::imported::{ImportRecord, ImportStatus, ImportStep, Imported, ImportedFile};
use crate::material::{self, SealedWriter};
use crate::names::ImportId;
use crate::oms::{Bundle, Digests, Model, NO_FOLLOW, Statement, Trust, list_files};
use crate::{OmsError, RegistryError, Status};

#[cfg(test)]
mod tests;

/// A model from elsewhere, and what is known of who made it.
#[derive(Clone, Copy)]
pub struct Import<'a> {
    /// A folder, or one file.
    pub path: &'a Path,
    /// The signature, if there is one.
    pub bundle: Option<&'a [u8]>,
    /// Where the signature is, if that is in the folder: relative to it, with `/`.
    pub signature_file: Option<&'a str>,
    /// Whom to believe, if anybody.
    pub trust: Option<Trust<'a>>,
    /// Whom not to believe.
    pub revoked: &'a Revocations,
}

/// Why material is in quarantine.
struct Cause {
    code: &'static str,
    reason: String,
}

impl Registry {
    /// Reads a model, keeps it encrypted, and records what it is.
    ///
    /// A crash leaves it out or makes it complete. `progress` is told how many bytes were read.
    pub fn import(
        &self,
        import: Import<'_>,
        by: &str,
        now: Timestamp,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Imported, RegistryError> {
        let signed = statement(&import);
        let imports = self.imports_dir();
        create_private_dir(&imports).map_err(RegistryError::io("make a folder for imports"))?;
        let _turn = self
            .imports_lock(FlockOperation::LockExclusive)
            .map_err(RegistryError::io("lock the folder of imports"))?;
        let pending = imports.join(format!("{}{TEMPORARY_SUFFIX}", to_hex(&random_bytes::<8>())));
        let taken = self.take(&import, signed.as_ref().ok(), &pending, by, now, progress);
        let taken = taken.and_then(|(files, digests, key)| {
            let cause = cause(&files, signed.and_then(|statement| statement.compare(&digests)));
            self.keep(files, cause, &pending, &key, by, now)
        });
        if pending.exists() {
            fs::remove_dir_all(&pending).map_err(RegistryError::io("remove what is not kept"))?;
        }
        taken
    }

    /// Returns all imported material, in the order in which it came.
    pub fn list_imports(&self) -> Result<Vec<ImportRecord>, RegistryError> {
        Ok(self.read_state()?.imports)
    }

    /// Returns what was decided about imported material.
    pub fn show_import(&self, id: &ImportId) -> Result<ImportRecord, RegistryError> {
        self.read_state()?.import(id).cloned()
    }

    /// Opens imported material, and looks at every byte of it again.
    pub fn verify_import(&self, id: &ImportId) -> Result<Vec<ImportedFile>, RegistryError> {
        let record = self.show_import(id)?;
        if record.status == ImportStatus::Quarantined {
            return Err(RegistryError::ImportQuarantined { id: id.clone() });
        }
        let changed = |problem| RegistryError::Import { id: id.clone(), problem };
        let wrapped = read_bounded(&self.import_key_file(id), KEY_FILE_SIZE_MAX)
            .map_err(|_| changed("its data key cannot be read"))?;
        let context = id.as_str().as_bytes();
        let key = open_key(&self.wrapping_key, Purpose::ModelKey, context, &wrapped)
            .map_err(|_| changed("its data key does not open"))?;
        let dir = self.imports_dir().join(id.as_str());
        material::check(&record.digest, &dir, &key).map_err(changed)
    }

    /// Takes imported material away for good; doing so again changes nothing.
    pub fn quarantine_import(
        &self,
        id: &ImportId,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<ImportRecord, RegistryError> {
        let step = import_step(ImportStatus::Quarantined, by, reason, now)?;
        if self.show_import(id)?.held {
            return self.show_import(id);
        }
        self.change(|state| {
            let record = state.import_mut(id)?;
            record.held = true;
            record.step(step);
            Ok(record.clone())
        })
    }

    /// Seals every file into `pending`; returns them, the digests that a statement may list, and the
    /// key under which they are sealed.
    fn take(
        &self,
        import: &Import<'_>,
        statement: Option<&Statement>,
        pending: &Path,
        by: &str,
        now: Timestamp,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(Vec<ImportedFile>, Digests, SecretKey), RegistryError> {
        import_step(ImportStatus::Quarantined, by, "imported", now)?;
        let source = |source| RegistryError::ImportSource { source };
        let model =
            Model { path: import.path, ignored: &[], signature_file: import.signature_file };
        let listed = list_files(model, statement).map_err(source)?;
        if FILE_COUNT_MAX < listed.len() {
            return Err(source(OmsError::Folder { problem: "it has too many files" }));
        }
        create_private_dir(pending).map_err(RegistryError::io("make a folder for an import"))?;
        let key = SecretKey::random();
        let shard_size = statement.and_then(|one| one.serialization().shard_size);
        let (mut files, mut digests, mut done) = (Vec::new(), Digests::new(), 0);
        for (index, (name, path)) in listed.into_iter().enumerate() {
            let writer = SealedWriter::create(pending, &key, index);
            let writer = writer.map_err(RegistryError::io("write an import"))?;
            let mut taking = Taking::new(&name, shard_size);
            taking.read(&path, writer, &mut |length| {
                done += length;
                progress(done);
            })?;
            files.push(taking.finish(name, &mut digests));
        }
        if statement.is_some_and(Statement::is_of_nameless_file) && import.path.is_file() {
            digests = digests.into_values().map(|digest| (".".to_owned(), digest)).collect();
        }
        material::write_manifest(pending, &key, &files)
            .map_err(RegistryError::io("write an import"))?;
        Ok((files, digests, key))
    }

    /// Gives what was sealed its name, and records it, unless it is there already.
    fn keep(
        &self,
        files: Vec<ImportedFile>,
        cause: Option<Cause>,
        pending: &Path,
        key: &SecretKey,
        by: &str,
        now: Timestamp,
    ) -> Result<Imported, RegistryError> {
        let digest = material::digest(&files);
        let id = ImportId::of(&digest);
        let status = match cause {
            Some(_) => ImportStatus::Quarantined,
            None => ImportStatus::Verified,
        };
        let cause = cause.unwrap_or_else(|| Cause {
            code: "verified",
            reason: "signed by somebody who is trusted, and data only".to_owned(),
        });
        let step = import_step(status, by, &cause.reason, now)?;
        let record = self.change(|state| {
            if let Ok(known) = state.import_mut(&id) {
                // A name is short enough to be found again by trying.
                if known.digest != digest {
                    let problem = "other material has the same name";
                    return Err(RegistryError::Submission { problem });
                }
                let better = known.status == ImportStatus::Quarantined
                    && !known.held
                    && status == ImportStatus::Verified;
                if better {
                    known.step(step);
                }
                return Ok(known.clone());
            }
            self.place(&id, pending, key).map_err(RegistryError::io("keep an import"))?;
            let record = ImportRecord {
                id: id.clone(),
                digest,
                status,
                held: false,
                file_count: files.len() as u64,
                size: files.iter().map(|file| file.size).sum(),
                steps: vec![step],
            };
            state.imports.push(record.clone());
            Ok(record)
        })?;
        // What somebody took away is not verified, whatever it looks like.
        if record.held {
            let reason = record.steps.last().map(|step| step.reason.clone()).unwrap_or_default();
            let status = ImportStatus::Quarantined;
            return Ok(Imported { record, status, code: "held", reason, files });
        }
        Ok(Imported { record, status, code: cause.code, reason: cause.reason, files })
    }

    fn place(&self, id: &ImportId, pending: &Path, key: &SecretKey) -> io::Result<()> {
        let target = self.imports_dir().join(id.as_str());
        // A crash can have left a folder that the state does not know.
        if target.exists() {
            fs::remove_dir_all(&target)?;
        }
        let context = id.as_str().as_bytes();
        let wrapped = seal_key(&self.wrapping_key, Purpose::ModelKey, context, key);
        write_atomic(&self.import_key_file(id), &wrapped, PRIVATE_FILE)?;
        fs::rename(pending, &target)?;
        sync_dir(&self.imports_dir())
    }

    /// Removes what a crash left of imports, unless somebody is importing.
    pub(super) fn remove_leftover_imports(&self) -> io::Result<()> {
        if !self.imports_dir().is_dir() {
            return Ok(());
        }
        match self.imports_lock(FlockOperation::NonBlockingLockExclusive) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
            Ok(_turn) => super::remove_leftovers(&self.imports_dir()),
        }
    }

    /// Imports take turns: each may take minutes, which the registry's own lock is not held for.
    fn imports_lock(&self, operation: FlockOperation) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(PRIVATE_FILE);
        let file = options.open(self.imports_dir().join(LOCK_FILE))?;
        flock(&file, operation)?;
        Ok(file)
    }

    fn imports_dir(&self) -> PathBuf {
        self.dir.join(IMPORTS_DIR)
    }

    fn import_key_file(&self, id: &ImportId) -> PathBuf {
        self.imports_dir().join(format!("{id}{KEY_SUFFIX}"))
    }
}

/// Returns what was signed, if that was done by somebody who is believed.
pub(super) fn statement(import: &Import<'_>) -> Result<Statement, OmsError> {
    let (Some(bundle), Some(trust)) = (import.bundle, import.trust) else {
        return Err(OmsError::Unproven { signed: import.bundle.is_some() });
    };
    Bundle::parse(bundle)?.verify(trust, import.revoked)
}

/// Returns why something is not verified.
fn cause(files: &[ImportedFile], signature: Result<(), OmsError>) -> Option<Cause> {
    let of = |wanted: fn(&Content) -> bool| files.iter().filter(move |file| wanted(&file.content));
    let unsound = of(|content| matches!(content, Content::Unsound(_)));
    let unsupported = of(|content| matches!(content, Content::Unsupported(_)));
    let (unsound, unsupported) = (unsound.count(), unsupported.count());
    if 0 < unsupported {
        let all = files.len();
        let reason = format!("unsupported, not scanned: {unsupported} of {all} files");
        return Some(Cause { code: "unsupported", reason });
    }
    if 0 < unsound {
        let reason = format!("unsound: {unsound} of {} files", files.len());
        return Some(Cause { code: "unsound", reason });
    }
    let error = signature.err()?;
    // A name of a file may be as long as one likes.
    let reason = match &error {
        OmsError::Changed { .. } => "a file was changed after it was signed".to_owned(),
        OmsError::Missing { .. } => "a file that was signed is missing".to_owned(),
        OmsError::Unsigned { .. } => "a file was not signed".to_owned(),
        error => error.to_string(),
    };
    Some(Cause { code: error.code(), reason })
}

fn import_step(
    status: ImportStatus,
    by: &str,
    reason: &str,
    at: Timestamp,
) -> Result<ImportStep, RegistryError> {
    let step = step(Status::Quarantined, by, reason, at)?;
    Ok(ImportStep { status, at, by: step.by, reason: step.reason })
}

/// A file as it is read: its digests, and what it is.
struct Taking {
    whole: Sha256,
    shards: Option<Shards>,
    inspector: Inspector,
    size: u64,
}

/// Digests of pieces of a size.
struct Shards {
    size: u64,
    current: Sha256,
    filled: u64,
    done: BTreeMap<u64, [u8; 32]>,
}

impl Taking {
    fn new(name: &str, shard_size: Option<NonZero<u64>>) -> Self {
        let shards = shard_size.map(|size| Shards {
            size: size.get(),
            current: Sha256::default(),
            filled: 0,
            done: BTreeMap::new(),
        });
        Self { whole: Sha256::default(), shards, inspector: Inspector::new(name), size: 0 }
    }

    fn read(
        &mut self,
        path: &Path,
        mut writer: SealedWriter<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), RegistryError> {
        let mut options = OpenOptions::new();
        let file = options.read(true).custom_flags(NO_FOLLOW).open(path);
        let mut file = file.map_err(RegistryError::io("read a model"))?.take(FILE_SIZE_MAX + 1);
        let mut buffer = vec![0; READ_SIZE];
        loop {
            let length = match file.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(RegistryError::io("read a model"))?,
            };
            if length == 0 {
                break;
            }
            let bytes = &buffer[..length];
            self.take(bytes);
            if FILE_SIZE_MAX < self.size {
                let source = OmsError::Folder { problem: "a file in it is too large" };
                return Err(RegistryError::ImportSource { source });
            }
            writer.write(bytes).map_err(RegistryError::io("write an import"))?;
            progress(length as u64);
        }
        writer.finish().map_err(RegistryError::io("write an import"))
    }

    fn take(&mut self, bytes: &[u8]) {
        self.whole.update(bytes);
        self.inspector.feed(bytes);
        self.size += bytes.len() as u64;
        if let Some(shards) = &mut self.shards {
            shards.take(bytes);
        }
    }

    fn finish(self, name: String, digests: &mut Digests) -> ImportedFile {
        let sha256 = self.whole.finish();
        match self.shards {
            Some(shards) => digests.extend(shards.finish(&name, self.size)),
            None => drop(digests.insert(name.clone(), sha256)),
        }
        ImportedFile { name, size: self.size, sha256, content: self.inspector.finish() }
    }
}

impl Shards {
    fn take(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = usize::try_from(self.size - self.filled).unwrap_or(usize::MAX);
            let (now, after) = rest.split_at(room.min(rest.len()));
            self.current.update(now);
            self.filled += now.len() as u64;
            if self.filled == self.size {
                self.close();
            }
            rest = after;
        }
    }

    fn close(&mut self) {
        let start = self.done.len() as u64 * self.size;
        self.done.insert(start, std::mem::take(&mut self.current).finish());
        self.filled = 0;
    }

    fn finish(mut self, name: &str, length: u64) -> Digests {
        if 0 < self.filled {
            self.close();
        }
        let named = |(start, digest): (u64, [u8; 32])| {
            let end = length.min(start.saturating_add(self.size));
            (format!("{name}:{start}:{end}"), digest)
        };
        self.done.into_iter().map(named).collect()
    }
}

/// Where imported material lies.
const IMPORTS_DIR: &str = "imports";

/// Most files of a model: repositories with a thousand shards exist.
const FILE_COUNT_MAX: usize = 10_000;

/// Largest file, in bytes: shards of the largest models have a tenth.
const FILE_SIZE_MAX: u64 = 128 << 30;

/// Large enough that reading costs nothing beside hashing.
const READ_SIZE: usize = 1 << 20;

/// A wrapped key has 60 bytes.
const KEY_FILE_SIZE_MAX: u64 = 1024;
