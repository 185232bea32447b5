//! Copies of the data: the catalog and the files that it names, and never the keyring.
//!
//! What a copy has is sealed and stays so: SQLite copies the pages of the catalog, in which no
//! column about a person is readable, and files are copied as they are.
//!
//! # Invariants
//!
//! - A copy is one state of the store: the catalog of one moment, and exactly its files.
//! - Every file is compared with the digest in the catalog: what is damaged is not copied unseen.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use rusqlite::Connection;
use twinkeep_vault::files::{
    PRIVATE_FILE, PendingFile, copy_file, create_private_dir, digest_file, sync_dir, write_atomic,
};

use crate::catalog::{self, connect};
use crate::error::{catalog, file};
use crate::feeds::written_at;
use crate::files::WriterLock;
use crate::keyring::wipe;
use crate::layout::{CATALOG, EVENTS, KEYRING, data_folders, path};
use crate::rows::{QUARANTINE, SHARDS};
use crate::table::Written;
use crate::{Store, StoreError};

/// A copy of the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The catalog's epoch.
    pub epoch: u64,
    /// The generation of the keyring that was there before the copy was begun.
    pub keyring_generation: u64,
    /// SHA-256 of every file, by name.
    pub files: BTreeMap<String, [u8; 32]>,
}

/// A copy of the keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyringCopy {
    /// Its generation.
    pub generation: u64,
    /// Files in the copy that took the place of others, for restoring a snapshot from before.
    pub files: u64,
}

impl Store {
    /// Copies the catalog and its files into a folder, which may be there but has nothing in it.
    ///
    /// Everybody goes on meanwhile; if a file is replaced before it was copied, this begins anew.
    pub fn snapshot(&self, to: &Path) -> Result<Snapshot, StoreError> {
        self.retrying(|| self.snapshot_once(to))
    }

    fn snapshot_once(&self, to: &Path) -> Result<Snapshot, StoreError> {
        let keyring_generation = self.keyring_generation()?;
        empty_folders(to)?;
        let catalog_digest = self.copy_catalog(&path(to, CATALOG))?;
        let mut files = BTreeMap::from([(CATALOG.to_owned(), catalog_digest)]);
        let copy = catalog::connect_read_only(&path(to, CATALOG))?;
        catalog::check(&copy, &self.root)?;
        for written in self.named_in(&copy)? {
            let digest =
                copy_file(&path(&self.dir, &written.file), &path(to, &written.file), PRIVATE_FILE)
                    .map_err(file("copy", &written.file))?;
            if digest != written.sha256 {
                return Err(StoreError::Damaged { file: written.file, source: None });
            }
            files.insert(written.file, digest);
        }
        let epoch: i64 = self.rows.head(&copy, |row| row.get("epoch"))?;
        for folder in [vec![String::new(), EVENTS.to_owned()], data_folders()].concat() {
            sync_dir(&path(to, &folder)).map_err(file("write", &folder))?;
        }
        Ok(Snapshot { epoch: epoch as u64, keyring_generation, files })
    }

    /// Lets SQLite write the catalog of one moment into a new file; returns its digest.
    fn copy_catalog(&self, to: &Path) -> Result<[u8; 32], StoreError> {
        let not_text = StoreError::Refused { what: "folder", state: "not text" };
        let target = to.to_str().ok_or(not_text)?;
        let cannot = file("write", CATALOG);
        // Made before SQLite opens it, so that it never has another mode.
        write_atomic(to, b"", PRIVATE_FILE).map_err(&cannot)?;
        // Of its own: readers of this process go on.
        let connection = connect(&path(&self.dir, CATALOG))?;
        connection.execute("VACUUM INTO ?1", [target]).map_err(catalog("copy the catalog"))?;
        // SQLite does not wait for the disk here.
        OpenOptions::new()
            .write(true)
            .open(to)
            .and_then(|file| file.sync_all())
            .map_err(&cannot)?;
        digest_file(to).map_err(cannot)
    }

    /// Returns all files that a catalog names, verified.
    pub(crate) fn named_in(&self, connection: &Connection) -> Result<Vec<Written>, StoreError> {
        let mut named = Vec::new();
        for (table, column) in [(&SHARDS, 4), (&QUARANTINE, 3)] {
            self.rows.scan(connection, table, &mut |row| {
                named.push(written_at(column)(row)?);
                Ok(())
            })?;
        }
        Ok(named)
    }

    /// Copies the keyring to a file, with every file that took the place of one that an erasure
    /// destroyed: restoring a snapshot from before needs them, and the store may be lost by then.
    ///
    /// A copy that is replaced is overwritten, as far as the disk does what it is told.
    pub fn back_up_keyring(&self, to: &Path) -> Result<KeyringCopy, StoreError> {
        let _lock = WriterLock::soon(&self.dir)?;
        let ring = self.keyring.now()?;
        refuse_other_file(to)?;
        let sealed = fs::read(path(&self.dir, KEYRING)).map_err(file("read", KEYRING))?;
        let name = to.display().to_string();
        let cannot = file("write", &name);
        let old = OpenOptions::new().write(true).open(to).ok();
        let mut out = PendingFile::create(to, PRIVATE_FILE).map_err(&cannot)?;
        out.write_all(BACKUP_MAGIC).map_err(&cannot)?;
        write_block(&mut out, &sealed).map_err(&cannot)?;
        let mut files = 0;
        for successor in ring.living_successors() {
            // One that was merged into another file is gone.
            let bytes = match fs::read(path(&self.dir, successor)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                bytes => bytes.map_err(file("read", successor))?,
            };
            write_block(&mut out, successor.as_bytes()).map_err(&cannot)?;
            write_block(&mut out, &bytes).map_err(&cannot)?;
            files += 1;
        }
        out.commit().map_err(&cannot)?;
        if let Some(old) = old {
            wipe(old).map_err(cannot)?;
        }
        Ok(KeyringCopy { generation: ring.generation, files })
    }
}

/// Refuses to replace, and overwrite, anything but an older backup: least of all the keyring.
fn refuse_other_file(to: &Path) -> Result<(), StoreError> {
    let mut head = vec![0; BACKUP_MAGIC.len()];
    let found = match File::open(to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.and_then(|mut file| file.read_exact(&mut head)),
    };
    match found.is_ok() && head == BACKUP_MAGIC {
        true => Ok(()),
        false => Err(StoreError::Refused { what: "file", state: "there, and no backup" }),
    }
}

/// Makes the folders of a store, with no file in them.
fn empty_folders(dir: &Path) -> Result<(), StoreError> {
    for folder in [vec![EVENTS.to_owned()], data_folders()].concat() {
        match fs::remove_dir_all(path(dir, &folder)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(file("remove", &folder)(error));
            }
            _ => {}
        }
        create_private_dir(&path(dir, &folder)).map_err(file("create", &folder))?;
    }
    Ok(())
}

fn write_block(out: &mut PendingFile, bytes: &[u8]) -> io::Result<()> {
    out.write_all(&(bytes.len() as u64).to_be_bytes())?;
    out.write_all(bytes)
}

/// Begins a backup of a keyring. Then come blocks, each with its length: the keyring, and name and
/// bytes of each file.
pub(crate) const BACKUP_MAGIC: &[u8] = b"twinkeep keyring backup 1\n";
