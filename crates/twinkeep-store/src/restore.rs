//! How a copy of the data becomes a store again: the old catalog is brought in line with the
//! present keyring.
//!
//! # Life of a restore
//!
//! 1. The keyring is put beside the old catalog, which must hold.
//! 2. Files that no longer open are looked up in the keyring: if an erasure wrote another one in
//!    their place, it is taken from the keyring's backup, or from the store that the keyring is in.
//! 3. One transaction puts these files where the old ones were, moves everybody's ranges, and
//!    removes whoever was erased since.
//! 4. Numbers of files begin far above all that any copy may have, so that the next erasure
//!    destroys the keys of what other copies have and this store does not.
//!
//! # Invariants
//!
//! - Whoever was erased is gone, and nobody else loses a row that opens anywhere.
//! - Rows are lost only if the caller accepts it; then the counts of everybody say so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Transaction;
use twinkeep_domain::Subject;
use twinkeep_vault::digest::sha256;
use twinkeep_vault::files::{
    PRIVATE_FILE, copy_file, create_private_dir, read_bounded, write_atomic,
};
use twinkeep_vault::{Purpose, SecretKey};

use crate::catalog;
use crate::error::{catalog, file};
use crate::feeds::written_at;
use crate::files::{FileNumbers, WriterLock};
use crate::keyring::{KEYRING_SIZE_MAX, Keyring, Ring, Successor};
use crate::layout::{CATALOG, KEYRING, data_folders, path, quarantine_file};
use crate::quarantine::{QuarantineWriter, RefusedRow, quarantine};
use crate::rows::{DIGESTED, FEEDS, QUARANTINE, RANGES, SHARDS, STAGED, SUBJECTS};
use crate::snapshot::BACKUP_MAGIC;
use crate::staged::staged_row;
use crate::table::Written;
use crate::{Store, StoreError};

/// What a restored store has and has not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// People in the copy who were erased since, and are not here.
    pub erased_subjects: u64,
    /// Files that were put in the place of older ones, which had somebody who was erased.
    pub healed_files: u64,
    /// Files that open no more, and of which nothing has taken the place.
    pub lost_files: u64,
    /// People who lost events with them.
    pub damaged_subjects: u64,
    /// Refused rows that are blank, or gone, because they may concern somebody who was erased.
    pub withheld_rows: u64,
}

/// Which state a copy is of, and what may be lost.
#[derive(Clone, Copy, Debug)]
pub struct RestoreTerms {
    /// The restored catalog gets a higher epoch than this, and is not taken for the older one
    /// that it was.
    pub above_epoch: u64,
    /// The generation of the keyring when the copy was made.
    pub keyring_generation: u64,
    /// Go on although rows are lost.
    pub accept_loss: bool,
}

/// A keyring outside of the store that is restored: a backup, or the keyring of another folder of
/// the same store.
pub struct KeyringSource {
    path: PathBuf,
    sealed: Vec<u8>,
    is_backup: bool,
}

impl KeyringSource {
    /// Finds the keyring in a file.
    pub fn read(from: &Path) -> Result<Self, StoreError> {
        let name = from.display().to_string();
        let cannot = file("read", &name);
        let mut head = vec![0; BACKUP_MAGIC.len()];
        let mut input = File::open(from).map_err(&cannot)?;
        let is_backup = input.read_exact(&mut head).is_ok() && head == BACKUP_MAGIC;
        let sealed = match is_backup {
            true => read_block(&mut input, KEYRING_SIZE_MAX).map_err(cannot)?.ok_or(UNREADABLE)?,
            false => read_bounded(from, KEYRING_SIZE_MAX).map_err(cannot)?,
        };
        Ok(Self { path: from.to_path_buf(), sealed, is_backup })
    }

    /// Returns whether it lies there as a store has it, and not in a backup.
    pub fn is_of_a_store(&self) -> bool {
        !self.is_backup
    }

    /// Returns the generation of the keyring, if the key opens it.
    pub fn generation(&self, root: &SecretKey) -> Result<u64, StoreError> {
        Ok(Ring::open(&self.sealed, root)?.generation)
    }

    /// Writes the keyring to a store that lost its own.
    pub fn put_back(&self, dir: &Path) -> Result<(), StoreError> {
        let to = path(dir, KEYRING);
        write_atomic(&to, &self.sealed, PRIVATE_FILE).map_err(file("write", KEYRING))
    }

    /// Puts the files that are wanted into a store; returns those that were found whole.
    fn bring(
        &self,
        wanted: &BTreeMap<String, [u8; 32]>,
        dir: &Path,
    ) -> Result<BTreeSet<String>, StoreError> {
        match self.is_backup {
            true => self.bring_from_backup(wanted, dir),
            false => self.bring_from_folder(wanted, dir),
        }
    }

    fn bring_from_backup(
        &self,
        wanted: &BTreeMap<String, [u8; 32]>,
        dir: &Path,
    ) -> Result<BTreeSet<String>, StoreError> {
        let shown = self.path.display().to_string();
        let cannot = file("read", &shown);
        let mut input = File::open(&self.path).map_err(&cannot)?;
        let mut head = vec![0; BACKUP_MAGIC.len()];
        input.read_exact(&mut head).map_err(&cannot)?;
        read_block(&mut input, KEYRING_SIZE_MAX).map_err(&cannot)?.ok_or(UNREADABLE)?;
        let mut brought = BTreeSet::new();
        while let Some(name) = read_block(&mut input, NAME_LEN_MAX).map_err(&cannot)? {
            let bytes = read_block(&mut input, FILE_SIZE_MAX).map_err(&cannot)?;
            let bytes = bytes.ok_or(UNREADABLE)?;
            // Only names that the keyring itself has lead to a file.
            let name = String::from_utf8(name).map_err(|_| UNREADABLE)?;
            if wanted.get(&name).is_some_and(|digest| *digest == sha256(&bytes)) {
                write_atomic(&path(dir, &name), &bytes, PRIVATE_FILE)
                    .map_err(file("write", &name))?;
                brought.insert(name);
            }
        }
        Ok(brought)
    }

    fn bring_from_folder(
        &self,
        wanted: &BTreeMap<String, [u8; 32]>,
        dir: &Path,
    ) -> Result<BTreeSet<String>, StoreError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut brought = BTreeSet::new();
        for (name, digest) in wanted {
            match copy_file(&path(folder, name), &path(dir, name), PRIVATE_FILE) {
                Ok(found) if found == *digest => drop(brought.insert(name.clone())),
                Ok(_) => fs::remove_file(path(dir, name)).map_err(file("remove", name))?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(file("copy", name)(error)),
            }
        }
        Ok(brought)
    }
}

impl Store {
    /// Makes a store of a folder with the files of a snapshot, and a keyring that may be newer.
    pub fn restore(
        dir: &Path,
        root: &SecretKey,
        keyring: &KeyringSource,
        terms: RestoreTerms,
    ) -> Result<(Self, Restored), StoreError> {
        for folder in data_folders() {
            create_private_dir(&path(dir, &folder)).map_err(file("create", &folder))?;
        }
        keyring.put_back(dir)?;
        let mut connection = catalog::connect(&path(dir, CATALOG))?;
        let transaction = connection.transaction().map_err(catalog("begin"))?;
        catalog::check(&transaction, root)?;
        drop(transaction);
        let store = Self::new(dir, root, Keyring::open(dir, root)?, connection);
        let lock = WriterLock::soon(dir)?;
        let restored = store.heal(keyring, terms, &lock)?;
        // What the copy itself had to destroy, and files that have no place any more.
        store.execute_doomed(&lock, &|_| ())?;
        store.begin_numbers_above(&lock)?;
        drop(lock);
        Ok((store, restored))
    }

    fn heal(
        &self,
        keyring: &KeyringSource,
        terms: RestoreTerms,
        lock: &WriterLock,
    ) -> Result<Restored, StoreError> {
        let ring = self.keyring.now()?;
        let closed = self.read(|connection| self.closed_files(connection, &ring))?;
        let successor = |name: &String| ring.living_successor(name);
        let wanted = closed.iter().filter_map(|it| successor(&it.written.file));
        let wanted = wanted.map(|it| (it.file.clone(), it.sha256)).collect();
        let brought = keyring.bring(&wanted, &self.dir)?;
        let mut numbers = self.read(|connection| FileNumbers::after(connection, &ring, lock))?;
        let mut healing = Healing {
            store: self,
            ring: &ring,
            damaged: BTreeSet::new(),
            restored: Restored::default(),
        };
        let mut replaced = Vec::new();
        for Closed { id, feed, split, written } in closed {
            let found = successor(&written.file).filter(|it| brought.contains(&it.file)).cloned();
            let found = found.map(|it| {
                let Successor { file, row_count, sha256 } = it;
                Written { file, row_count, sha256 }
            });
            let new = match found.filter(|it| split.is_some() || it.row_count == written.row_count)
            {
                // Places of refused rows must stay, whatever was in them.
                None if split.is_none() => Some(healing.blank(&written, &mut numbers)?),
                found => found,
            };
            replaced.push((id, feed, split, written, new));
        }
        let since = terms.keyring_generation < ring.generation && ring.any_erased();
        self.change(&DIGESTED, |transaction| {
            for (id, feed, split, old, new) in &replaced {
                match split {
                    Some(split) => {
                        let place = (*id, *feed, split.as_str());
                        healing.shard(transaction, place, old, new.as_ref())?;
                    }
                    None => healing.quarantine(transaction, (*id, *feed), new.as_ref())?,
                }
            }
            if since {
                healing.unname_feeds(transaction)?;
            }
            healing.live_rows(transaction, since)?;
            // From here on the row of `store` is authenticated at the end only.
            healing.subjects(transaction)?;
            self.authenticate_staged(transaction)?;
            transaction
                .execute("UPDATE store SET epoch = max(epoch, ?1)", [terms.above_epoch as i64])
                .map_err(catalog("raise the epoch"))?;
            healing.restored.damaged_subjects = healing.damaged.len() as u64;
            let Restored { lost_files, damaged_subjects, .. } = healing.restored;
            match terms.accept_loss || (lost_files, damaged_subjects) == (0, 0) {
                true => Ok(()),
                false => {
                    Err(StoreError::Incomplete { files: lost_files, people: damaged_subjects })
                }
            }
        })?;
        Ok(healing.restored)
    }

    /// Lets the numbers of new files begin above those of every other copy.
    fn begin_numbers_above(&self, lock: &WriterLock) -> Result<(), StoreError> {
        let ring = self.keyring.now()?;
        let numbers = self.read(|connection| FileNumbers::after(connection, &ring, lock));
        self.keyring.raise_floor(lock, numbers?.next() + FLOOR_STEP)
    }

    /// Returns the files of the catalog whose keys are destroyed.
    fn closed_files(
        &self,
        connection: &rusqlite::Connection,
        ring: &Ring,
    ) -> Result<Vec<Closed>, StoreError> {
        let mut closed = Vec::new();
        self.rows.scan(connection, &SHARDS, &mut |row| {
            let written = written_at(4)(row)?;
            if ring.file_key(Purpose::ShardKey, &written.file).is_err() {
                let (id, feed, split) = (row.get(1)?, row.get(2)?, Some(row.get(3)?));
                closed.push(Closed { id, feed, split, written });
            }
            Ok(())
        })?;
        self.rows.scan(connection, &QUARANTINE, &mut |row| {
            let written = written_at(3)(row)?;
            if ring.file_key(Purpose::QuarantineKey, &written.file).is_err() {
                closed.push(Closed { id: row.get(1)?, feed: row.get(2)?, split: None, written });
            }
            Ok(())
        })?;
        Ok(closed)
    }
}

/// A file whose key is destroyed.
struct Closed {
    id: i64,
    feed: i64,
    /// None for refused rows.
    split: Option<String>,
    written: Written,
}

/// Rows of one subject in a shard that is closed.
struct Place {
    /// The row of `staged`, if the feed is not admitted.
    staged: Option<i64>,
    pseudonym: i64,
    first_row: i64,
    row_count: i64,
    span: Vec<u8>,
}

/// An old catalog that is brought in line with the present keyring.
struct Healing<'a> {
    store: &'a Store,
    ring: &'a Arc<Ring>,
    damaged: BTreeSet<i64>,
    restored: Restored,
}

impl Healing<'_> {
    /// Writes as many blank rows as a file of refused rows had.
    fn blank(&mut self, old: &Written, numbers: &mut FileNumbers) -> Result<Written, StoreError> {
        let sealed = quarantine(&self.store.dir, Arc::clone(self.ring));
        let mut writer = QuarantineWriter::begin(&sealed, &quarantine_file(numbers.next()))?;
        for _ in 0..old.row_count {
            writer.add(&RefusedRow::ERASED)?;
        }
        self.restored.withheld_rows += old.row_count as u64;
        writer.finish()
    }

    fn shard(
        &mut self,
        transaction: &Transaction<'_>,
        (id, feed, split): (i64, i64, &str),
        old: &Written,
        new: Option<&Written>,
    ) -> Result<(), StoreError> {
        let places = self.places(transaction, id, feed, &old.file)?;
        let (gone, kept): (Vec<Place>, Vec<Place>) =
            places.into_iter().partition(|place| self.is_erased(place.pseudonym));
        let rows: i64 = kept.iter().map(|place| place.row_count).sum();
        self.forget_places(transaction, id, &gone)?;
        match new {
            // INVARIANT: what took the place of a file has the rows of everybody else, in order.
            Some(new) if new.row_count == rows => {
                self.restored.healed_files += 1;
                self.move_rows(transaction, id, kept, &new.file)?;
                let Written { file, row_count, sha256 } = new;
                let values: [&dyn rusqlite::ToSql; 6] =
                    [&id, &feed, &split, file, row_count, sha256];
                self.store.rows.replace(transaction, &SHARDS, &values)
            }
            _ => self.lose_shard(transaction, id, kept),
        }
    }

    fn quarantine(
        &mut self,
        transaction: &Transaction<'_>,
        (id, feed): (i64, i64),
        new: Option<&Written>,
    ) -> Result<(), StoreError> {
        let Some(Written { file, row_count, sha256 }) = new else { return Ok(()) };
        let values: [&dyn rusqlite::ToSql; 5] = [&id, &feed, file, row_count, sha256];
        self.store.rows.replace(transaction, &QUARANTINE, &values)
    }

    /// Returns who is where in a shard, in the order of its rows.
    fn places(
        &self,
        transaction: &Transaction<'_>,
        id: i64,
        feed: i64,
        name: &str,
    ) -> Result<Vec<Place>, StoreError> {
        let mut places = Vec::new();
        self.store.visit_ranges(
            transaction,
            id,
            &mut |pseudonym, first_row, row_count, span| {
                places.push(Place { staged: None, pseudonym, first_row, row_count, span });
            },
        )?;
        let cannot = catalog("read what is staged");
        let select =
            format!("SELECT {} FROM staged WHERE feed = ?1 AND file = ?2", STAGED.selection());
        let mut statement = transaction.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query((feed, name)).map_err(&cannot)?;
        while let Some(row) = rows.next().map_err(&cannot)? {
            self.store.rows.check(&STAGED, row)?;
            let id = Some(row.get(1).map_err(&cannot)?);
            let staged = staged_row(row).map_err(&cannot)?;
            places.push(Place {
                staged: id,
                pseudonym: staged.pseudonym,
                first_row: staged.first_row,
                row_count: staged.row_count,
                span: staged.span,
            });
        }
        places.sort_unstable_by_key(|place| place.first_row);
        Ok(places)
    }

    /// Removes where erased people were.
    fn forget_places(
        &self,
        transaction: &Transaction<'_>,
        shard: i64,
        gone: &[Place],
    ) -> Result<(), StoreError> {
        let cannot = catalog("forget the rows of a file");
        for place in gone {
            let removed = match place.staged {
                Some(staged) => transaction.execute("DELETE FROM staged WHERE id = ?1", [staged]),
                None => transaction.execute(
                    "DELETE FROM ranges WHERE shard = ?1 AND subject = ?2",
                    (shard, place.pseudonym),
                ),
            };
            removed.map_err(&cannot)?;
        }
        Ok(())
    }

    /// Closes the gaps that erased people left.
    fn move_rows(
        &self,
        transaction: &Transaction<'_>,
        shard: i64,
        places: Vec<Place>,
        file: &str,
    ) -> Result<(), StoreError> {
        let cannot = catalog("move the rows of a file");
        let mut first = 0;
        for place in places {
            match place.staged {
                Some(staged) => {
                    transaction
                        .execute(
                            "UPDATE staged SET first_row = ?2, file = ?3 WHERE id = ?1",
                            (staged, first, file),
                        )
                        .map_err(&cannot)?;
                    self.store.rows.seal(transaction, &STAGED, &staged)?;
                }
                None => {
                    let delete = "DELETE FROM ranges WHERE shard = ?1 AND subject = ?2";
                    transaction.execute(delete, (shard, place.pseudonym)).map_err(&cannot)?;
                    let Place { pseudonym, row_count, span, .. } = &place;
                    let values: [&dyn rusqlite::ToSql; 5] =
                        [pseudonym, &shard, &first, row_count, span];
                    self.store.rows.insert(transaction, &RANGES, &values)?;
                }
            }
            first += place.row_count;
        }
        Ok(())
    }

    /// Takes away a shard that opens no more; those who were in it have fewer events.
    fn lose_shard(
        &mut self,
        transaction: &Transaction<'_>,
        shard: i64,
        places: Vec<Place>,
    ) -> Result<(), StoreError> {
        let cannot = catalog("take a file away");
        self.restored.lost_files += u64::from(!places.is_empty());
        for place in places {
            self.damaged.insert(place.pseudonym);
            if let Some(staged) = place.staged {
                let delete = "DELETE FROM staged WHERE id = ?1";
                transaction.execute(delete, [staged]).map_err(&cannot)?;
                continue;
            }
            let less = "UPDATE subjects SET event_count = event_count - ?2 WHERE pseudonym = ?1";
            let changed = (place.pseudonym, place.row_count);
            if transaction.execute(less, changed).map_err(&cannot)? == 1 {
                self.store.rows.seal(transaction, &SUBJECTS, &place.pseudonym)?;
            }
        }
        for delete in ["DELETE FROM ranges WHERE shard = ?1", "DELETE FROM shards WHERE id = ?1"] {
            transaction.execute(delete, [shard]).map_err(&cannot)?;
        }
        Ok(())
    }

    /// Removes everybody who was erased.
    fn subjects(&mut self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        let cannot = catalog("remove who was erased");
        let select = "SELECT pseudonym FROM subjects UNION SELECT subject FROM staged";
        let mut statement = transaction.prepare(select).map_err(&cannot)?;
        let everybody = statement.query_map([], |row| row.get::<_, i64>(0)).map_err(&cannot)?;
        let everybody: Vec<i64> = everybody.collect::<Result<_, _>>().map_err(&cannot)?;
        drop(statement);
        let erased: Vec<i64> = everybody.into_iter().filter(|it| self.is_erased(*it)).collect();
        for pseudonym in erased {
            let Some(subject) = Subject::from_pseudonym(pseudonym) else { continue };
            self.store.forget_subject(transaction, subject)?;
            self.restored.erased_subjects += 1;
        }
        Ok(())
    }

    /// Takes away the live rows of everybody who was erased, and, if somebody was since, those of
    /// nobody: an event that was refused for want of a subject may have been theirs.
    fn live_rows(&mut self, transaction: &Transaction<'_>, since: bool) -> Result<(), StoreError> {
        let mut gone = Vec::new();
        let mut withheld = 0;
        self.store.rows.scan_live(transaction, &mut |row| {
            match row.subject {
                Some(subject) if self.ring.is_erased(subject) => gone.push(row.id),
                None if since => {
                    gone.push(row.id);
                    withheld += 1;
                }
                _ => {}
            }
            Ok(())
        })?;
        self.restored.withheld_rows += withheld;
        self.store.remove_live_rows(transaction, &gone)
    }

    /// Takes the names from all feeds: one may tell of somebody who was erased since.
    fn unname_feeds(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        let mut feeds: Vec<i64> = Vec::new();
        self.store.rows.scan(transaction, &FEEDS, &mut |row| {
            feeds.push(row.get(1)?);
            Ok(())
        })?;
        for id in feeds {
            let name = self.store.columns.seal("feeds", "source", id, WITHHELD.as_bytes());
            transaction
                .execute("UPDATE feeds SET source = ?2 WHERE id = ?1", (id, name))
                .map_err(catalog("unname a feed"))?;
            self.store.rows.seal(transaction, &FEEDS, &id)?;
        }
        Ok(())
    }

    fn is_erased(&self, pseudonym: i64) -> bool {
        Subject::from_pseudonym(pseudonym).is_none_or(|subject| self.ring.is_erased(subject))
    }
}

/// Reads a block with its length; nothing at the end.
fn read_block(input: &mut File, size_max: u64) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 8];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let length = u64::from_be_bytes(length);
    if size_max < length {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    input.by_ref().take(length).read_to_end(&mut bytes)?;
    match bytes.len() as u64 == length {
        true => Ok(Some(bytes)),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

const UNREADABLE: StoreError = StoreError::Keyring { problem: "has a backup that is damaged" };

/// What a feed is called whose name may tell of somebody who was erased.
const WITHHELD: &str = "(withheld: somebody was erased since the snapshot)";

/// More files than any copy has that was made after the one that is restored.
const FLOOR_STEP: u64 = 1 << 32;

/// Names of files have some fifty bytes.
const NAME_LEN_MAX: u64 = 1024;

/// A shard has about 10 MB, a file of refused rows seldom more than some GB.
const FILE_SIZE_MAX: u64 = 1 << 36;
