//! Whether anything changed since the last look, for whoever looks at every request.
//!
//! SQLite tells a connection whether another one, of this process or of any other, has committed
//! since (`PRAGMA data_version`). A connection that never writes thus learns it without reading a
//! row, and no writer that waits for the disk stands in its way.
//!
//! Asking SQLite takes two locks of the file and gives them back; a request asks several times. So
//! what it said holds for a millisecond: a change of another process is seen that much later, before
//! whoever made it has said so to anybody. A change of this store is seen at once.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::error::catalog;
use crate::layout::{CATALOG, path};
use crate::rows::Rows;
use crate::{StoreError, catalog};

/// What tells whoever keeps something of the catalog in memory to read it anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableVersions {
    /// The digest of a table: it changes with the table, and is authenticated.
    pub(crate) settings: Vec<u8>,
    /// The same.
    pub(crate) consents: Vec<u8>,
    /// How often anything at all was found to have changed. Whoever goes by it reads more often than
    /// the table changes, and sees a forged row, which leaves the digest as it was.
    pub(crate) changes: u64,
    /// As [`crate::Store::epoch`].
    pub(crate) epoch: u64,
}

/// Looks, by a connection of its own that is opened at the first look.
pub(crate) struct Versions {
    dir: PathBuf,
    watcher: Mutex<Option<Watcher>>,
    /// This store changed something since the last look.
    changed: AtomicBool,
}

struct Watcher {
    connection: Connection,
    /// What SQLite said when `found` was read.
    seen: i64,
    /// When it said so last.
    looked: Instant,
    found: TableVersions,
}

impl Versions {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, watcher: Mutex::new(None), changed: AtomicBool::new(false) }
    }

    /// Has the next look see what this store has just committed.
    pub(crate) fn note_change(&self) {
        self.changed.store(true, Ordering::Release);
    }

    /// Returns what `read` takes from the versions as of now.
    pub(crate) fn now<T>(
        &self,
        rows: &Rows,
        read: impl FnOnce(&TableVersions) -> T,
    ) -> Result<T, StoreError> {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        let watcher = match &mut *watcher {
            Some(watcher) => {
                let now = Instant::now();
                let changed = self.changed.swap(false, Ordering::AcqRel);
                if changed || HOLDS < now.duration_since(watcher.looked) {
                    // If it fails, the next one looks again.
                    watcher.look(rows).inspect_err(|_| self.note_change())?;
                    watcher.looked = now;
                }
                watcher
            }
            none => {
                let connection = catalog::connect(&path(&self.dir, CATALOG))?;
                let looked = Instant::now();
                let seen = data_version(&connection)?;
                let found = versions(&connection, rows, 1)?;
                none.insert(Watcher { connection, seen, looked, found })
            }
        };
        Ok(read(&watcher.found))
    }
}

impl Watcher {
    fn look(&mut self, rows: &Rows) -> Result<(), StoreError> {
        // Before the rows: what is committed in between is seen at the next look.
        let seen = data_version(&self.connection)?;
        if seen != self.seen {
            self.found = versions(&self.connection, rows, self.found.changes + 1)?;
            self.seen = seen;
        }
        Ok(())
    }
}

fn data_version(connection: &Connection) -> Result<i64, StoreError> {
    let cannot = catalog("look for changes");
    let mut look = connection.prepare_cached("PRAGMA data_version").map_err(&cannot)?;
    look.query_row([], |row| row.get(0)).map_err(cannot)
}

fn versions(
    connection: &Connection,
    rows: &Rows,
    changes: u64,
) -> Result<TableVersions, StoreError> {
    rows.head(connection, |row| {
        Ok(TableVersions {
            settings: row.get("settings")?,
            consents: row.get("consents")?,
            changes,
            epoch: row.get::<_, i64>("epoch")?.cast_unsigned(),
        })
    })
}

/// How long what SQLite said holds.
const HOLDS: Duration = Duration::from_millis(1);
