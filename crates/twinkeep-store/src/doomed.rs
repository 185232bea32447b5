//! Keys that are to be destroyed: the catalog first stops naming what they open, then the keyring
//! forgets them, then the files go.
//!
//! When a person goes, every file goes that the catalog does not name, whether the list has it or
//! not: a file that was merged into another one held them too, and lies in copies with a key.
//!
//! The list lies in the catalog, in the transaction that made the files superfluous: whoever opens
//! the store next, and can take the lock for writers, completes what was interrupted.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::{Connection, Transaction};
use twinkeep_domain::Subject;

use crate::catalog::wait_for_others;
use crate::error::catalog;
use crate::feeds::written_at;
use crate::files::{FileNumbers, WriterLock, remove_garbage};
use crate::keyring::{Doomed, Named, Successor};
use crate::layout::file_number;
use crate::rows::{DOOMED, ERASURES, QUARANTINE, SHARDS};
use crate::table::Written;
use crate::{Store, StoreError};

impl Store {
    /// Puts the key of a file on the list. `successor` is the file that took its place.
    pub(crate) fn doom_file(
        &self,
        transaction: &Transaction<'_>,
        file: &str,
        successor: Option<&Written>,
    ) -> Result<(), StoreError> {
        let name = successor.map(|written| written.file.as_str());
        let row_count = successor.map(|written| written.row_count);
        let sha256 = successor.map(|written| written.sha256);
        self.rows.insert(transaction, &DOOMED, &[&file, &name, &row_count, &sha256]).map(drop)
    }

    /// Puts the key of a subject on the list.
    pub(crate) fn doom_subject(
        &self,
        transaction: &Transaction<'_>,
        subject: Subject,
    ) -> Result<(), StoreError> {
        let what = format!("{SUBJECT_PREFIX}{}", subject.reveal());
        let nothing: Option<i64> = None;
        self.rows.insert(transaction, &DOOMED, &[&what, &nothing, &nothing, &nothing]).map(drop)
    }

    /// Destroys every key on the list, and then removes the files that nothing names any more.
    pub(crate) fn execute_doomed(
        &self,
        lock: &WriterLock,
        after: &dyn Fn(Execution),
    ) -> Result<(), StoreError> {
        let mut doomed = self.read(|connection| self.read_doomed(connection))?;
        if !doomed.subjects.is_empty() {
            doomed.all_but = Some(self.read(|connection| self.named(connection, lock))?);
        }
        if !doomed.files.is_empty() || !doomed.subjects.is_empty() {
            self.keyring.destroy(lock, &doomed)?;
            after(Execution::KeysDestroyed);
            self.change(&[&DOOMED, &ERASURES], |transaction| {
                let cannot = catalog("end an erasure");
                transaction.execute("DELETE FROM doomed", []).map_err(&cannot)?;
                self.end_erasures(transaction)
            })?;
            after(Execution::ListEmptied);
            self.forget_old_pages()?;
        }
        remove_garbage(&self.dir, &self.connection(), lock)?;
        after(Execution::FilesRemoved);
        Ok(())
    }

    /// Destroys the keys of all files that the catalog does not name.
    pub(crate) fn destroy_unnamed(&self, lock: &WriterLock) -> Result<(), StoreError> {
        let named = self.read(|connection| self.named(connection, lock))?;
        self.keyring.destroy(lock, &Doomed { all_but: Some(named), ..Doomed::default() })
    }

    /// Returns the numbers of all files that the catalog names, verified.
    fn named(&self, connection: &Connection, lock: &WriterLock) -> Result<Named, StoreError> {
        let mut numbers = BTreeSet::new();
        for (table, column) in [(&SHARDS, 4), (&QUARANTINE, 3)] {
            self.rows.scan(connection, table, &mut |row| {
                numbers.extend(file_number(&written_at(column)(row)?.file));
                Ok(())
            })?;
        }
        let ring = self.keyring.now()?;
        let next = FileNumbers::after(connection, &ring, lock)?.next();
        Ok(Named { numbers, next })
    }

    /// Moves every page into the database file, where what was deleted is overwritten, and empties
    /// the log, which still has the pages as they were. Readers may keep some of it a while.
    fn forget_old_pages(&self) -> Result<(), StoreError> {
        let cannot = catalog("empty the log");
        let mut connection = self.connection();
        // Whoever writes waits for this, and this for whoever reads: not so long.
        connection.busy_timeout(READERS_TIME_MAX).map_err(&cannot)?;
        let emptied = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        wait_for_others(&mut connection)?;
        emptied.map_err(cannot)
    }

    pub(crate) fn read_doomed(&self, connection: &Connection) -> Result<Doomed, StoreError> {
        let mut doomed = Doomed::default();
        self.rows.scan(connection, &DOOMED, &mut |row| {
            let what: String = row.get(1)?;
            if let Some(number) = what.strip_prefix(SUBJECT_PREFIX) {
                let subject = number.parse().ok().and_then(Subject::from_pseudonym);
                doomed.subjects.extend(subject);
                return Ok(());
            }
            let file: Option<String> = row.get(2)?;
            let successor = match file {
                Some(file) => Some(Successor { file, row_count: row.get(3)?, sha256: row.get(4)? }),
                None => None,
            };
            doomed.files.push((what, successor));
            Ok(())
        })?;
        Ok(doomed)
    }
}

/// Points between which a crash is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Execution {
    KeysDestroyed,
    ListEmptied,
    FilesRemoved,
}

/// How long emptying the log waits for those who read what is in it.
const READERS_TIME_MAX: Duration = Duration::from_secs(10);

/// Names a subject on the list; no file has such a name.
const SUBJECT_PREFIX: &str = "subject/";
