//! The keyring: what makes every data key of the store and the key of every subject.
//!
//! It is a file of its own, so that it is in no snapshot of the data: a copy of the data opens
//! with the present keyring only, and what the present keyring has destroyed opens nowhere
//! ([decision 0007](../../../docs/decisions/0007-a-keyring-apart-from-the-data.md)).
//! Keys are derived ([`KeyTree`]), not stored: files by the number in their name, subjects by
//! their pseudonym. So adding data never changes the keyring, a backup of it is good until the
//! next destruction, and a subject without a key is one that was erased.
//!
//! # Invariants
//!
//! - A change replaces the file whole, wipes the bytes of the old one, and raises the generation.
//! - Whoever changes it holds the writer's lock; whoever reads it sees the newest file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use twinkeep_domain::Subject;
use twinkeep_vault::files::{PRIVATE_FILE, open_to_others, read_bounded, write_atomic};
use twinkeep_vault::{KeyTree, Purpose, SecretBytes, SecretKey, open, seal};

use crate::StoreError;
use crate::catalog::Columns;
use crate::error::file;
use crate::files::WriterLock;
use crate::layout::{KEYRING, file_number, path};

#[cfg(test)]
mod tests;

/// Where the keyring is, and its newest content.
pub(crate) struct Keyring {
    path: PathBuf,
    key: SecretKey,
    newest: Mutex<(Stamp, Arc<Ring>)>,
}

/// The content: all keys as of one moment.
pub(crate) struct Ring {
    /// Grows with every destruction.
    pub(crate) generation: u64,
    subjects: KeyTree,
    files: KeyTree,
    /// Numbers below this one may have been destroyed.
    pub(crate) file_floor: u64,
    /// Which file took the place of one whose key was destroyed: what restoring an older snapshot
    /// needs. Kept while the successor lives.
    pub(crate) successors: BTreeMap<String, Successor>,
}

/// The file that took the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Successor {
    /// Its name; empty if nothing was left to keep.
    pub(crate) file: String,
    pub(crate) row_count: i64,
    pub(crate) sha256: [u8; 32],
}

/// Tells one file from another of the same name.
type Stamp = (u64, u64, i64, i64);

/// What is to be destroyed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doomed {
    pub(crate) files: Vec<(String, Option<Successor>)>,
    pub(crate) subjects: Vec<Subject>,
    /// Every other file of the store, if whatever else had a key is to lose it.
    pub(crate) all_but: Option<Named>,
}

/// The numbers of the files that a store has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    pub(crate) numbers: BTreeSet<u64>,
    /// The number that the next new file may have.
    pub(crate) next: u64,
}

impl Ring {
    /// Returns the data key of a file.
    pub(crate) fn file_key(&self, purpose: Purpose, name: &str) -> Result<SecretKey, StoreError> {
        let destroyed = || StoreError::KeyDestroyed { file: name.to_owned() };
        let leaf = file_number(name).and_then(|number| self.files.key(number));
        // The name has a random part: a number that a crash left unused is safe to use again.
        Ok(leaf.ok_or_else(destroyed)?.derive(purpose, name.as_bytes()))
    }

    /// Returns what seals the columns about a subject.
    pub(crate) fn columns_of(&self, subject: Subject) -> Result<Columns, StoreError> {
        let leaf = self.subjects.key(subject.reveal() as u64).ok_or(StoreError::SubjectErased)?;
        Ok(Columns::of_subject(&leaf.derive(Purpose::SubjectKey, b"")))
    }

    /// Returns whether a subject was erased.
    pub(crate) fn is_erased(&self, subject: Subject) -> bool {
        !self.subjects.holds(subject.reveal() as u64)
    }

    /// Opens a keyring as it lies in a file.
    pub(crate) fn open(bytes: &[u8], root: &SecretKey) -> Result<Self, StoreError> {
        unseal(bytes, &sealing_key(root))
    }

    /// Returns the file that took the place of another, if its own key is not destroyed.
    pub(crate) fn living_successor(&self, name: &str) -> Option<&Successor> {
        self.successors.get(name).filter(|successor| self.lives(&successor.file))
    }

    /// Returns the names of all files that took the place of others.
    pub(crate) fn living_successors(&self) -> BTreeSet<&str> {
        let names = self.successors.values().map(|successor| successor.file.as_str());
        names.filter(|name| self.lives(name)).collect()
    }

    fn lives(&self, name: &str) -> bool {
        file_number(name).is_some_and(|number| self.files.key(number).is_some())
    }

    /// Returns whether anybody was erased.
    pub(crate) fn any_erased(&self) -> bool {
        !self.subjects.is_whole()
    }

    fn destroy(&mut self, doomed: &Doomed) {
        for (name, successor) in &doomed.files {
            let Some(number) = file_number(name) else { continue };
            self.files.destroy(number);
            self.file_floor = self.file_floor.max(number + 1);
            // What led to this file leads on.
            for known in self.successors.values_mut().filter(|known| known.file == *name) {
                match successor {
                    Some(successor) => *known = successor.clone(),
                    None => known.file.clear(),
                }
            }
            if let Some(successor) = successor {
                self.successors.insert(name.clone(), successor.clone());
            }
        }
        if let Some(named) = &doomed.all_but {
            self.destroy_all_but(named);
        }
        for subject in &doomed.subjects {
            self.subjects.destroy(subject.reveal() as u64);
        }
        self.generation += 1;
    }

    fn destroy_all_but(&mut self, named: &Named) {
        let mut first = 0;
        for &number in named.numbers.range(..named.next) {
            self.files.destroy_range(first, number);
            first = number + 1;
        }
        self.files.destroy_range(first, named.next);
        self.file_floor = self.file_floor.max(named.next);
    }

    fn to_bytes(&self) -> SecretBytes {
        let nodes = self.subjects.node_count() + self.files.node_count();
        let names: usize = self.successors.iter().map(|(a, b)| a.len() + b.file.len() + 48).sum();
        // Room at once: a buffer that grows leaves copies behind.
        let mut out = Vec::with_capacity(64 + 41 * nodes + names);
        out.extend(self.generation.to_be_bytes());
        out.extend(self.file_floor.to_be_bytes());
        self.subjects.write(&mut out);
        self.files.write(&mut out);
        out.extend((self.successors.len() as u64).to_be_bytes());
        for (name, successor) in &self.successors {
            for text in [name, &successor.file] {
                out.extend((text.len() as u16).to_be_bytes());
                out.extend(text.as_bytes());
            }
            out.extend(successor.row_count.to_be_bytes());
            out.extend(successor.sha256);
        }
        SecretBytes::new(out)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (generation, rest) = bytes.split_first_chunk::<8>()?;
        let (file_floor, rest) = rest.split_first_chunk::<8>()?;
        let (subjects, length) = KeyTree::read(rest)?;
        let rest = rest.get(length..)?;
        let (files, length) = KeyTree::read(rest)?;
        let (count, mut rest) = rest.get(length..)?.split_first_chunk::<8>()?;
        let mut successors = BTreeMap::new();
        for _ in 0..u64::from_be_bytes(*count) {
            let (name, after) = text(rest)?;
            let (file, after) = text(after)?;
            let (row_count, after) = after.split_first_chunk::<8>()?;
            let (sha256, after) = after.split_first_chunk::<32>()?;
            let row_count = i64::from_be_bytes(*row_count);
            successors.insert(name, Successor { file, row_count, sha256: *sha256 });
            rest = after;
        }
        let (generation, file_floor) =
            (u64::from_be_bytes(*generation), u64::from_be_bytes(*file_floor));
        let ring = Self { generation, subjects, files, file_floor, successors };
        rest.is_empty().then_some(ring)
    }
}

impl Keyring {
    /// Makes the keyring of a new store.
    pub(crate) fn create(dir: &Path, root: &SecretKey) -> Result<Self, StoreError> {
        let ring = Ring {
            generation: 1,
            subjects: KeyTree::random(),
            files: KeyTree::random(),
            file_floor: 1,
            successors: BTreeMap::new(),
        };
        let (path, key) = (path(dir, KEYRING), sealing_key(root));
        write_atomic(&path, &sealed(&key, &ring), PRIVATE_FILE).map_err(file("write", KEYRING))?;
        Self::open(dir, root)
    }

    /// Opens the keyring of a store.
    pub(crate) fn open(dir: &Path, root: &SecretKey) -> Result<Self, StoreError> {
        let (path, key) = (path(dir, KEYRING), sealing_key(root));
        if open_to_others(&path).is_ok_and(|mode| mode != 0) {
            return Err(StoreError::Keyring { problem: "can be read by others" });
        }
        let newest = read(&path, &key)?;
        Ok(Self { path, key, newest: Mutex::new(newest) })
    }

    /// Returns the keys as they are now, whoever changed them last.
    pub(crate) fn now(&self) -> Result<Arc<Ring>, StoreError> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if stamp(&self.path)? != newest.0 {
            let read = read(&self.path, &self.key)?;
            if read.1.generation < newest.1.generation {
                return Err(StoreError::Keyring { problem: "was replaced by an older one" });
            }
            *newest = read;
        }
        Ok(Arc::clone(&newest.1))
    }

    /// Lets the numbers of new files begin here or above. No key is destroyed, so the generation
    /// stays: the backup that a store was restored from is good until the next erasure.
    pub(crate) fn raise_floor(&self, _lock: &WriterLock, floor: u64) -> Result<(), StoreError> {
        let mut ring = read(&self.path, &self.key)?.1;
        let ring = Arc::get_mut(&mut ring).ok_or(UNREADABLE)?;
        ring.file_floor = ring.file_floor.max(floor);
        let cannot = file("write", KEYRING);
        write_atomic(&self.path, &sealed(&self.key, ring), PRIVATE_FILE).map_err(cannot)?;
        self.now().map(drop)
    }

    /// Destroys keys: when this returns, nothing on the disk derives them.
    pub(crate) fn destroy(&self, _lock: &WriterLock, doomed: &Doomed) -> Result<(), StoreError> {
        let cannot = file("write", KEYRING);
        // The lock keeps every other change out, so what is read here is what is replaced.
        let mut ring = read(&self.path, &self.key)?.1;
        let ring = Arc::get_mut(&mut ring).ok_or(UNREADABLE)?;
        ring.destroy(doomed);
        let old = OpenOptions::new().write(true).open(&self.path).map_err(&cannot)?;
        write_atomic(&self.path, &sealed(&self.key, ring), PRIVATE_FILE).map_err(&cannot)?;
        wipe(old).map_err(cannot)?;
        self.now().map(drop)
    }
}

/// Overwrites a file that has no name any more. Where the disk writes elsewhere what is written
/// again, the old bytes stay until it reuses them; they are sealed under the keep's root key.
pub(crate) fn wipe(mut file: File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let zeros = vec![0; usize::try_from(length).unwrap_or(0)];
    file.write_all(&zeros)?;
    file.sync_data()
}

fn read(path: &Path, key: &SecretKey) -> Result<(Stamp, Arc<Ring>), StoreError> {
    // The stamp first: if the file is replaced in between, the next look reads it again.
    let stamp = stamp(path)?;
    let bytes = read_bounded(path, KEYRING_SIZE_MAX).map_err(unreadable)?;
    Ok((stamp, Arc::new(unseal(&bytes, key)?)))
}

fn unseal(bytes: &[u8], key: &SecretKey) -> Result<Ring, StoreError> {
    let bytes = bytes.strip_prefix(MAGIC).ok_or(UNREADABLE)?;
    let plain = open(key, Purpose::Keyring, MAGIC, bytes).map_err(|_| UNREADABLE)?;
    Ring::from_bytes(plain.expose()).ok_or(UNREADABLE)
}

fn sealed(key: &SecretKey, ring: &Ring) -> Vec<u8> {
    let plain = ring.to_bytes();
    [MAGIC, &seal(key, Purpose::Keyring, MAGIC, plain.expose())].concat()
}

fn sealing_key(root: &SecretKey) -> SecretKey {
    root.derive(Purpose::Keyring, b"")
}

fn stamp(path: &Path) -> Result<Stamp, StoreError> {
    let metadata = fs::metadata(path).map_err(unreadable)?;
    Ok((metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()))
}

fn unreadable(error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::NotFound => StoreError::Keyring { problem: "is missing" },
        _ => file("read", KEYRING)(error),
    }
}

fn text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    Some((String::from_utf8(text.to_vec()).ok()?, rest))
}

const UNREADABLE: StoreError = StoreError::Keyring { problem: "is damaged or of another keep" };

const MAGIC: &[u8] = b"twinkeep keyring 1\n";

/// A hundred thousand erased subjects and files; it is held in memory.
pub(crate) const KEYRING_SIZE_MAX: u64 = 1 << 30;
