//! New data keys for files that are there: each is written once more, and its old key destroyed.
//!
//! One file at a time, each in a transaction of its own: readers and other writers go on between
//! two of them, and what was interrupted goes on where it stopped.

use std::sync::Arc;

use rusqlite::Connection;
use twinkeep_domain::Split;

use crate::feeds::written_at;
use crate::files::{FileNumbers, WriterLock, remove_garbage};
use crate::layout::{file_number, quarantine_file, shard_file};
use crate::quarantine::quarantine;
use crate::rows::{DOOMED, FEEDS, QUARANTINE, SHARDS};
use crate::shard::shards;
use crate::table::Written;
use crate::{Store, StoreError};

/// How far a rotation has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Files that have a new key.
    pub done: u64,
    /// Files that had an old one when it began.
    pub total: u64,
}

/// Points between which a crash is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    FileWritten,
    Committed,
    KeyDestroyed,
}

/// A file as the catalog knows it.
struct Known {
    id: i64,
    feed: i64,
    /// None for refused rows.
    split: Option<Split>,
    written: Written,
}

impl Store {
    /// Returns the number below which every file has an old key, for [`Store::rotate_data_keys`].
    pub fn newest_file(&self) -> Result<u64, StoreError> {
        let known = self.read(|connection| self.known_files(connection))?;
        Ok(known.iter().filter_map(|known| file_number(&known.written.file)).max().unwrap_or(0))
    }

    /// Gives a new data key to every file up to this number, and destroys the old ones.
    ///
    /// Interrupted, it is called again with the same number and goes on. A copy of the data from
    /// before opens with an older keyring only.
    pub fn rotate_data_keys(
        &self,
        up_to: u64,
        progress: &mut dyn FnMut(Rotation),
    ) -> Result<Rotation, StoreError> {
        self.rotate_stepwise(up_to, progress, &|_| ())
    }

    pub(crate) fn rotate_stepwise(
        &self,
        up_to: u64,
        progress: &mut dyn FnMut(Rotation),
        after: &dyn Fn(Step),
    ) -> Result<Rotation, StoreError> {
        let old = |known: &Known| file_number(&known.written.file).is_some_and(|it| it <= up_to);
        let files = self.read(|connection| self.known_files(connection))?;
        let files: Vec<i64> = files.iter().filter(|it| old(it)).map(|it| it.id).collect();
        let mut rotation = Rotation { done: 0, total: files.len() as u64 };
        progress(rotation);
        loop {
            let lock = WriterLock::soon(&self.dir)?;
            // What an interrupted run left.
            self.execute_doomed(&lock, &|_| ())?;
            // Anew each time: between two files another command may have replaced some.
            let known = self.read(|connection| self.known_files(connection))?;
            let Some(known) = known.into_iter().find(|it| old(it)) else {
                // What was merged into other files has a key in copies still.
                self.destroy_unnamed(&lock)?;
                return Ok(rotation);
            };
            let rotated = self.rotate_file(&known, &lock, after);
            if rotated.is_err() {
                // Should this fail too, the next opening removes it.
                let _ = remove_garbage(&self.dir, &self.connection(), &lock);
            }
            rotated?;
            rotation.done += 1;
            progress(rotation);
        }
    }

    fn rotate_file(
        &self,
        known: &Known,
        lock: &WriterLock,
        after: &dyn Fn(Step),
    ) -> Result<(), StoreError> {
        let ring = self.keyring.now()?;
        let mut numbers = self.read(|connection| FileNumbers::after(connection, &ring, lock))?;
        let (sealed, name) = match known.split {
            Some(split) => {
                (shards(&self.dir, Arc::clone(&ring)), shard_file(split, numbers.next()))
            }
            None => (quarantine(&self.dir, Arc::clone(&ring)), quarantine_file(numbers.next())),
        };
        let mut writing = sealed.begin(&name)?;
        sealed.read_all(&known.written, &mut |batch| writing.add(Ok(batch.clone())))?;
        let new = writing.finish()?;
        after(Step::FileWritten);
        self.change(&[&FEEDS, &SHARDS, &QUARANTINE, &DOOMED], |transaction| {
            // No successor: the backup of the keyring would otherwise have all data in it.
            self.doom_file(transaction, &known.written.file, None)?;
            let Known { id, feed, split, .. } = known;
            let Written { file, row_count, sha256 } = &new;
            match split {
                Some(split) => {
                    let values: [&dyn rusqlite::ToSql; 6] =
                        [id, feed, &split.name(), file, row_count, sha256];
                    self.rows.replace(transaction, &SHARDS, &values)?;
                }
                None => {
                    let values: [&dyn rusqlite::ToSql; 5] = [id, feed, file, row_count, sha256];
                    self.rows.replace(transaction, &QUARANTINE, &values)?;
                }
            }
            // A held feed names its shards in what is staged, too.
            self.rename_staged(transaction, *feed, &known.written.file, file)?;
            self.authenticate_staged(transaction)
        })?;
        after(Step::Committed);
        self.execute_doomed(lock, &|_| ())?;
        after(Step::KeyDestroyed);
        Ok(())
    }

    fn known_files(&self, connection: &Connection) -> Result<Vec<Known>, StoreError> {
        let mut known = Vec::new();
        self.rows.scan(connection, &SHARDS, &mut |row| {
            let split = Split::parse(&row.get::<_, String>(3)?);
            let (id, feed, written) = (row.get(1)?, row.get(2)?, written_at(4)(row)?);
            known.push(Known { id, feed, split, written });
            Ok(())
        })?;
        self.rows.scan(connection, &QUARANTINE, &mut |row| {
            let (id, feed, written) = (row.get(1)?, row.get(2)?, written_at(3)(row)?);
            known.push(Known { id, feed, split: None, written });
            Ok(())
        })?;
        Ok(known)
    }
}
