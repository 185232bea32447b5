//! The store itself: a folder, a key, and a connection.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use twinkeep_domain::Subject;
use twinkeep_vault::SecretKey;
use twinkeep_vault::files::{PRIVATE_FILE, create_private_dir, sync_dir};

use crate::StoreError;
use crate::api_keys::KnownKeys;
use crate::catalog::{self, Columns};
use crate::error;
use crate::files::WriterLock;
use crate::keyring::Keyring;
use crate::layout::{CATALOG, EVENTS, data_folders, path};
use crate::live::Live;
use crate::rows::Rows;
use crate::versions::Versions;

/// A keep's events and catalog. Threads may share it; processes may open the same folder.
pub struct Store {
    pub(crate) dir: PathBuf,
    pub(crate) root: SecretKey,
    pub(crate) keyring: Keyring,
    pub(crate) columns: Columns,
    pub(crate) rows: Rows,
    pub(crate) live: Live,
    pub(crate) versions: Versions,
    pub(crate) known_keys: KnownKeys,
    connection: Mutex<Connection>,
}

impl Store {
    /// Makes an empty store in a folder, which is made if it is missing.
    pub fn create(dir: &Path, root: &SecretKey) -> Result<Self, StoreError> {
        create_private_dir(dir).map_err(error::file("create", ""))?;
        for folder in data_folders() {
            create_private_dir(&path(dir, &folder)).map_err(error::file("create", &folder))?;
        }
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(PRIVATE_FILE)
            .open(path(dir, CATALOG));
        match made {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(StoreError::AlreadyExists);
            }
            Err(error) => return Err(error::file("create", CATALOG)(error)),
        }
        let keyring = Keyring::create(dir, root)?;
        let mut connection = catalog::connect(&path(dir, CATALOG))?;
        let transaction = connection.transaction().map_err(error::catalog("begin"))?;
        catalog::create(&transaction, root)?;
        transaction.commit().map_err(error::catalog("create the tables"))?;
        for folder in ["", EVENTS] {
            sync_dir(&path(dir, folder)).map_err(error::file("create", folder))?;
        }
        Ok(Self::new(dir, root, keyring, connection))
    }

    /// Opens a store. Completes an erasure that was interrupted, and removes what an interrupted
    /// ingest left, unless another process writes right now.
    ///
    /// Refused, and nothing removed, if a row was added, changed, or removed without the key.
    pub fn open(dir: &Path, root: &SecretKey) -> Result<Self, StoreError> {
        let mut connection = catalog::connect(&path(dir, CATALOG))?;
        let transaction = connection.transaction().map_err(error::catalog("begin"))?;
        catalog::check(&transaction, root)?;
        drop(transaction);
        let keyring = Keyring::open(dir, root)?;
        let store = Self::new(dir, root, keyring, connection);
        if let Some(lock) = WriterLock::take(dir)? {
            store.execute_doomed(&lock, &|_| ())?;
        }
        Ok(store)
    }

    /// Returns a number that grows with every change but the last use of an API key.
    ///
    /// A server that sees it change reads anew. It is authenticated: whoever remembers it outside
    /// the catalog notices that an older catalog was put back.
    pub fn epoch(&self) -> Result<u64, StoreError> {
        let epoch: i64 = self.rows.head(&self.connection(), |row| row.get("epoch"))?;
        Ok(epoch as u64)
    }

    /// Returns the epoch as of the last millisecond, and after every change of this store, for
    /// whoever asks often.
    pub fn epoch_lately(&self) -> Result<u64, StoreError> {
        self.versions.now(&self.rows, |now| now.epoch)
    }

    /// Returns what changes whenever a setting does, and what changes whenever a consent does.
    ///
    /// They are authenticated. A server that sees one change reads anew; most changes of the keep
    /// are neither.
    pub fn rules_version(&self) -> Result<[Vec<u8>; 2], StoreError> {
        self.versions.now(&self.rows, |now| [now.settings.clone(), now.consents.clone()])
    }

    /// Returns a number that grows whenever keys are destroyed. Whoever remembers it outside the
    /// keyring notices that an older keyring was put back.
    pub fn keyring_generation(&self) -> Result<u64, StoreError> {
        Ok(self.keyring.now()?.generation)
    }

    /// Returns whether a subject was erased: nothing about it can be stored again.
    pub fn is_erased(&self, subject: Subject) -> Result<bool, StoreError> {
        Ok(self.keyring.now()?.is_erased(subject))
    }

    /// Returns the connection. A thread that panicked left no half transaction: it was rolled
    /// back when it was dropped.
    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn new(
        dir: &Path,
        root: &SecretKey,
        keyring: Keyring,
        connection: Connection,
    ) -> Self {
        Self {
            dir: dir.to_path_buf(),
            root: root.clone(),
            keyring,
            columns: Columns::new(root),
            rows: Rows::new(root),
            live: Live::default(),
            versions: Versions::new(dir.to_path_buf()),
            known_keys: KnownKeys::default(),
            connection: Mutex::new(connection),
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store(hidden)")
    }
}
