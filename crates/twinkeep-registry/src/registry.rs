//! The registry: the folder of all versions, and what may be done with each.
//!
//! # Invariants
//!
//! - The state is written last when a version comes, and first when it goes: a crash leaves a
//!   version that nobody knows, or one that nobody loads.
//! - Every change of the state happens under the lock on the folder, and its number is one higher.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{
    self,
    ErrorKind::{DirectoryNotEmpty, NotFound, PermissionDenied},
};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, flock};
use twinkeep_domain::{Tensor, Timestamp};
use twinkeep_vault::digest::to_hex;
use twinkeep_vault::ecdsa::EcdsaKey;
use twinkeep_vault::files::{
    PRIVATE_FILE, TEMPORARY_SUFFIX, create_private_dir, sync_dir, write_atomic,
};
use twinkeep_vault::{Purpose, SecretKey};

use crate::state::State;
use crate::version::{self, Built, Files, Opened};
use crate::{LoadedModel, Mark, RegistryError, Status, Step, Verified, VersionId, VersionRecord};

mod approvers;
mod attacks;
mod exports;
mod imports;
mod service;
pub use exports::{Exported, is_export, read_export};
pub use imports::Import;
pub use service::{Decision, Quarantined, Released};
#[cfg(test)]
mod tests;

/// The keys of a registry.
#[derive(Debug)]
pub struct RegistryKeys {
    /// Signs versions and states.
    pub signer: EcdsaKey,
    /// The root key of the keep; the key that wraps data keys is derived from it.
    pub root: SecretKey,
}

/// All model versions of a keep.
#[derive(Debug)]
pub struct Registry {
    dir: PathBuf,
    signer: EcdsaKey,
    public_pem: String,
    wrapping_key: SecretKey,
    report_key: SecretKey,
    /// The newest state that this process saw.
    seen: AtomicU64,
}

/// What a verification found to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which version.
    pub id: VersionId,
    /// SHA-256 over the digests of all files, in hexadecimal; the id is its beginning.
    pub digest: String,
    /// The signed files: name, size in bytes, and SHA-256 in hexadecimal.
    pub files: Vec<(String, u64, String)>,
    /// How many tensors the weights have.
    pub tensor_count: usize,
}

impl Registry {
    /// Makes the folder and signs an empty state; refuses to do so where there is one.
    pub fn create(dir: &Path, keys: RegistryKeys) -> Result<Self, RegistryError> {
        create_private_dir(&dir.join(QUARANTINE_DIR))
            .map_err(RegistryError::io("make the registry's folder"))?;
        let registry = Self::with_keys(dir, keys)?;
        let _lock = registry.lock()?;
        if registry.state_file().exists() {
            return Err(RegistryError::Exists);
        }
        registry.write_state(&State::default())?;
        Ok(registry)
    }

    /// Opens a registry: checks its state, and finishes what a crash interrupted.
    pub fn open(dir: &Path, keys: RegistryKeys) -> Result<Self, RegistryError> {
        let registry = Self::with_keys(dir, keys)?;
        let _lock = registry.lock()?;
        let state = registry.read_state()?;
        remove_leftovers(&registry.dir)
            .and_then(|()| registry.remove_leftover_imports())
            .map_err(RegistryError::io("remove unfinished versions"))?;
        for record in &state.versions {
            if record.status == Status::Quarantined {
                registry.move_to_quarantine(&record.id)?;
            }
        }
        Ok(registry)
    }

    /// Returns the public key that checks versions and states, as PEM.
    pub fn public_pem(&self) -> &str {
        &self.public_pem
    }

    /// Returns the number of the state. Whoever keeps it elsewhere can later call
    /// [`Registry::refuse_older_than`].
    pub fn counter(&self) -> Result<u64, RegistryError> {
        Ok(self.read_state()?.counter)
    }

    /// Refuses, now and from now on, a state with a lower number.
    pub fn refuse_older_than(&self, counter: u64) -> Result<(), RegistryError> {
        self.seen.fetch_max(counter, Ordering::SeqCst);
        self.read_state().map(drop)
    }

    /// Numbers the state above `counter`: a registry that was restored must not be taken for the
    /// older one that it was.
    pub fn continue_after(&self, counter: u64) -> Result<(), RegistryError> {
        self.change(|state| {
            state.counter = state.counter.max(counter);
            Ok(())
        })
    }

    /// Keeps every change out while somebody works.
    pub fn while_still<T>(&self, work: impl FnOnce() -> T) -> Result<T, RegistryError> {
        let _lock = self.lock()?;
        Ok(work())
    }

    /// Seals, signs, and records a version; it becomes a candidate.
    ///
    /// A crash leaves it out or makes it complete.
    pub fn submit(
        &self,
        tensors: &[Tensor],
        documents: &Files,
        by: &str,
        now: Timestamp,
    ) -> Result<VersionId, RegistryError> {
        let built = version::build(tensors, documents, &self.signer, &self.wrapping_key)?;
        let step = step(Status::Candidate, by, "submitted", now)?;
        self.change(|state| {
            if state.record(&built.id).is_ok() {
                return Err(RegistryError::Submission { problem: "the version is there already" });
            }
            self.write_version(&built).map_err(RegistryError::io("write a model version"))?;
            state.step(&built.id, step);
            Ok(())
        })?;
        Ok(built.id)
    }

    /// Returns all versions, in the order in which they were submitted.
    pub fn list(&self) -> Result<Vec<VersionRecord>, RegistryError> {
        Ok(self.read_state()?.versions)
    }

    /// Returns what was decided about a version.
    pub fn show(&self, id: &VersionId) -> Result<VersionRecord, RegistryError> {
        self.read_state()?.record(id).cloned()
    }

    /// Returns the version that is served.
    pub fn in_service(&self) -> Result<Option<VersionId>, RegistryError> {
        Ok(self.read_state()?.in_service().cloned())
    }

    /// Checks everything about a version: names, signature, every file, key, and weights.
    pub fn verify(&self, id: &VersionId) -> Result<Report, RegistryError> {
        self.usable(id, "verified")?;
        let opened = self.read_version(id)?;
        let files = opened.statement.files().iter().map(|(name, digest)| {
            let size = opened.files.get(name).map_or(0, Vec::len);
            (name.clone(), size as u64, to_hex(digest))
        });
        Ok(Report {
            id: id.clone(),
            digest: to_hex(&opened.statement.digest()),
            files: files.collect(),
            tensor_count: opened.tensors.len(),
        })
    }

    /// Returns the documents of a version that was verified.
    pub fn documents(&self, id: &VersionId) -> Result<Files, RegistryError> {
        self.usable(id, "shown")?;
        Ok(version::documents(self.read_version(id)?.files))
    }

    /// Marks every version that was submitted at or after `since`: it may have learned from
    /// somebody who is erased now. Returns them; doing so again changes nothing but the number.
    ///
    /// What is in service stays so, and says so; a marked version is not released again.
    pub fn mark_learned_since(
        &self,
        since: Timestamp,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<Vec<VersionId>, RegistryError> {
        step(Status::Candidate, by, reason, now)?;
        let mark = Mark { at: now, by: by.to_owned(), reason: reason.to_owned() };
        let learned = |record: &VersionRecord| {
            record.steps.first().is_some_and(|submitted| since <= submitted.at)
        };
        self.change(|state| {
            let marked = state.mark(&mark, learned);
            // Nor does a marked version take over.
            if state.backup.as_ref().is_some_and(|backup| marked.contains(backup)) {
                state.backup = self.other_backup(state, &[]);
            }
            Ok(marked)
        })
    }

    /// Verifies the version in service and returns its content; no other version loads.
    pub fn load(&self, id: &VersionId) -> Result<Verified<LoadedModel>, RegistryError> {
        let status = self.show(id)?.status;
        if status != Status::InService {
            return Err(transition(id, status, "loaded"));
        }
        Ok(Verified::new(self.content(id)?))
    }

    /// Verifies a version that is not quarantined and returns its content, to measure it. It is not
    /// marked as verified, so that nothing serves it.
    pub fn load_to_measure(&self, id: &VersionId) -> Result<LoadedModel, RegistryError> {
        self.usable(id, "measured")?;
        self.content(id)
    }

    fn content(&self, id: &VersionId) -> Result<LoadedModel, RegistryError> {
        let Opened { statement, tensors, files } = self.read_version(id)?;
        let digest = to_hex(&statement.digest());
        Ok(LoadedModel { id: id.clone(), digest, tensors, documents: version::documents(files) })
    }

    fn with_keys(dir: &Path, keys: RegistryKeys) -> Result<Self, RegistryError> {
        let public_pem = keys
            .signer
            .public_pem()
            .map_err(|_| RegistryError::State { reason: "the signing key is not usable" })?;
        Ok(Self {
            dir: dir.to_path_buf(),
            signer: keys.signer,
            public_pem,
            wrapping_key: keys.root.derive(Purpose::ModelKey, b""),
            report_key: keys.root.derive(Purpose::AttackReport, b""),
            seen: AtomicU64::new(0),
        })
    }

    fn usable(&self, id: &VersionId, action: &'static str) -> Result<(), RegistryError> {
        match self.show(id)?.status {
            Status::Quarantined => Err(transition(id, Status::Quarantined, action)),
            _ => Ok(()),
        }
    }

    fn read_version(&self, id: &VersionId) -> Result<Opened, RegistryError> {
        let (dir, key) = (self.dir.join(id.as_str()), self.key_file(id));
        version::read(id, &dir, &key, &self.public_pem, &self.wrapping_key)
    }

    fn write_version(&self, built: &Built) -> io::Result<()> {
        let target = self.dir.join(built.id.as_str());
        let pending = self.dir.join(format!("{}{TEMPORARY_SUFFIX}", built.id));
        create_private_dir(&pending)?;
        for (name, bytes) in &built.files {
            write_atomic(&pending.join(name), bytes, PRIVATE_FILE)?;
        }
        write_atomic(&self.key_file(&built.id), &built.wrapped_key, PRIVATE_FILE)?;
        fs::rename(&pending, &target)?;
        sync_dir(&self.dir)
    }

    /// Moves the files of a version; what is not there is not moved.
    fn move_to_quarantine(&self, id: &VersionId) -> Result<(), RegistryError> {
        let quarantine = self.dir.join(QUARANTINE_DIR);
        let key = format!("{id}{KEY_SUFFIX}");
        let moved = move_if_there(&self.dir.join(id.as_str()), &quarantine.join(id.as_str()))
            .and_then(|()| move_if_there(&self.dir.join(&key), &quarantine.join(&key)))
            .and_then(|()| self.set_modes(id, NOBODY))
            .and_then(|()| sync_dir(&quarantine))
            .and_then(|()| sync_dir(&self.dir));
        moved.map_err(RegistryError::io("move a model version to quarantine"))
    }

    /// Moves the files of a version back; what is not there is not moved.
    fn move_from_quarantine(&self, id: &VersionId) -> Result<(), RegistryError> {
        let quarantine = self.dir.join(QUARANTINE_DIR);
        let key = format!("{id}{KEY_SUFFIX}");
        let moved = self
            .set_modes(id, PRIVATE_FILE)
            .and_then(|()| {
                move_if_there(&quarantine.join(id.as_str()), &self.dir.join(id.as_str()))
            })
            .and_then(|()| move_if_there(&quarantine.join(&key), &self.dir.join(&key)))
            .and_then(|()| sync_dir(&self.dir))
            .and_then(|()| sync_dir(&quarantine));
        moved.map_err(RegistryError::io("move a model version out of quarantine"))
    }

    /// Sets the mode of the files of a version in quarantine. Those that are somebody else's stay as
    /// they are: whether they can be read is found out where they are.
    fn set_modes(&self, id: &VersionId, mode: u32) -> io::Result<()> {
        let quarantine = self.dir.join(QUARANTINE_DIR);
        let mut files = vec![quarantine.join(format!("{id}{KEY_SUFFIX}"))];
        match fs::read_dir(quarantine.join(id.as_str())) {
            Err(error) if error.kind() == NotFound => {}
            entries => {
                for entry in entries? {
                    files.push(entry?.path());
                }
            }
        }
        for file in files {
            // A link could lead anywhere.
            let found = fs::symlink_metadata(&file).ok().filter(fs::Metadata::is_file);
            let other = found.is_some_and(|it| it.permissions().mode() & ALL_MODES != mode);
            if other
                && let Err(error) = fs::set_permissions(&file, Permissions::from_mode(mode))
                && error.kind() != PermissionDenied
            {
                return Err(error);
            }
        }
        Ok(())
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut State) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let _lock = self.lock()?;
        let mut state = self.read_state()?;
        let result = change(&mut state)?;
        state.counter += 1;
        self.write_state(&state)?;
        Ok(result)
    }

    fn read_state(&self) -> Result<State, RegistryError> {
        let file = File::open(self.state_file());
        let size = file.and_then(|file| file.metadata());
        let size = size.map_err(RegistryError::io("read the registry's state"))?.len();
        if size > STATE_SIZE_MAX {
            return Err(RegistryError::State { reason: "it is too large" });
        }
        let bytes =
            fs::read(self.state_file()).map_err(RegistryError::io("read the registry's state"))?;
        let state = State::verify(&bytes, &self.public_pem)?;
        let seen = self.seen.fetch_max(state.counter, Ordering::SeqCst);
        if state.counter < seen {
            return Err(RegistryError::RolledBack { found: state.counter, seen });
        }
        Ok(state)
    }

    fn write_state(&self, state: &State) -> Result<(), RegistryError> {
        let bytes = state.sign(&self.signer)?;
        write_atomic(&self.state_file(), &bytes, PRIVATE_FILE)
            .map_err(RegistryError::io("write the registry's state"))?;
        self.seen.fetch_max(state.counter, Ordering::SeqCst);
        Ok(())
    }

    fn lock(&self) -> Result<File, RegistryError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(PRIVATE_FILE);
        let locked = options.open(self.dir.join(LOCK_FILE)).and_then(|file| {
            flock(&file, FlockOperation::LockExclusive)?;
            Ok(file)
        });
        locked.map_err(RegistryError::io("lock the registry"))
    }

    fn state_file(&self) -> PathBuf {
        self.dir.join(STATE_FILE)
    }

    fn key_file(&self, id: &VersionId) -> PathBuf {
        self.dir.join(format!("{id}{KEY_SUFFIX}"))
    }
}

/// Removes what a crash left of versions and imports that were being written.
fn remove_leftovers(dir: &Path) -> io::Result<()> {
    for item in fs::read_dir(dir)? {
        let item = item?;
        let name = item.file_name();
        if !name.to_str().is_some_and(|name| name.ends_with(TEMPORARY_SUFFIX)) {
            continue;
        }
        if item.file_type()?.is_dir() {
            fs::remove_dir_all(item.path())?;
        } else {
            fs::remove_file(item.path())?;
        }
    }
    Ok(())
}

fn step(status: Status, by: &str, reason: &str, at: Timestamp) -> Result<Step, RegistryError> {
    let valid = |text: &str| {
        (1..=TEXT_LEN_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control)
    };
    if !valid(by) || !valid(reason) {
        let problem = "a reason and a name of up to 512 characters are needed";
        return Err(RegistryError::Submission { problem });
    }
    let (by, reason) = (by.to_owned(), reason.to_owned());
    Ok(Step { status, at, by, reason, approved_by: Vec::new() })
}

fn transition(id: &VersionId, status: Status, action: &'static str) -> RegistryError {
    RegistryError::Transition { id: id.clone(), status, action }
}

fn move_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        // Something in its place means that the version was moved before, and somebody put a copy
        // back: it stays there, and its state keeps it from being loaded.
        Err(error) if matches!(error.kind(), NotFound | DirectoryNotEmpty) => Ok(()),
        result => result,
    }
}

/// The signed statement about all versions.
const STATE_FILE: &str = "state.json";

/// The file whose lock says who may change the state.
const LOCK_FILE: &str = "lock";

/// The wrapped data key of a version lies beside its folder: it can be destroyed or wrapped anew
/// without touching what was signed.
const KEY_SUFFIX: &str = ".key";

/// The mode of files in quarantine: whoever is not root opens none by mistake.
const NOBODY: u32 = 0;

/// All that a mode says.
const ALL_MODES: u32 = 0o7777;

/// Where the files of versions go that were taken away.
const QUARANTINE_DIR: &str = "quarantine";

/// Longest reason and name, in characters: a few sentences, in any script.
const TEXT_LEN_MAX: usize = 512;

/// Largest state, in bytes: ten thousand versions with five steps each.
const STATE_SIZE_MAX: u64 = 32 << 20;
