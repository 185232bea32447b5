//! The store itself: a folder, a key, and a connection.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use twinkeep_vault::SecretKey;
use twinkeep_vault::files::{PRIVATE_FILE, create_private_dir, sync_dir};

use crate::StoreError;
use crate::catalog::{self, Columns};
use crate::error;
use crate::files::{WriterLock, remove_garbage};
use crate::layout::{CATALOG, EVENTS, data_folders, path};

/// A keep's events and catalog. Threads may share it; processes may open the same folder.
pub struct Store {
    pub(crate) dir: PathBuf,
    pub(crate) root: SecretKey,
    pub(crate) columns: Columns,
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
        let mut connection = catalog::connect(&path(dir, CATALOG))?;
        let transaction = connection.transaction().map_err(error::catalog("begin"))?;
        catalog::create(&transaction, root)?;
        transaction.commit().map_err(error::catalog("create the tables"))?;
        for folder in ["", EVENTS] {
            sync_dir(&path(dir, folder)).map_err(error::file("create", folder))?;
        }
        Ok(Self::new(dir, root, connection))
    }

    /// Opens a store, and removes what an interrupted ingest left unless another one is running.
    pub fn open(dir: &Path, root: &SecretKey) -> Result<Self, StoreError> {
        let connection = catalog::connect(&path(dir, CATALOG))?;
        catalog::check(&connection, root)?;
        if let Some(lock) = WriterLock::take(dir)? {
            remove_garbage(dir, &connection, &lock)?;
        }
        Ok(Self::new(dir, root, connection))
    }

    /// Returns a number that grows with every feed: a server that sees it change reads anew.
    pub fn epoch(&self) -> Result<u64, StoreError> {
        self.connection()
            .prepare_cached("SELECT epoch FROM store")
            .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)))
            .map(|epoch| epoch as u64)
            .map_err(error::catalog("read the epoch"))
    }

    /// Returns the connection. A thread that panicked left no half transaction: it was rolled
    /// back when it was dropped.
    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new(dir: &Path, root: &SecretKey, connection: Connection) -> Self {
        Self {
            dir: dir.to_path_buf(),
            root: root.clone(),
            columns: Columns::new(root),
            connection: Mutex::new(connection),
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store(hidden)")
    }
}
