//! Erasing a person: what is left of them in no place of the store opens any more.
//!
//! # Life of an erasure
//!
//! 1. Every file with events of the subject, and every file with refused rows that concern them,
//!    is written anew without them.
//! 2. One transaction puts the new files in the place of the old ones, removes whom the pseudonym
//!    stands for, and lists the keys that are to be destroyed (`doomed`).
//! 3. The keyring destroys the keys of the old files and of the subject. From here on no copy of
//!    the data opens, whoever has it.
//! 4. The old files are removed.
//!
//! A crash before step 2 leaves the subject untouched; after it, opening the store completes the
//! erasure. The record of what was done is in the catalog from step 2 on, for the signed proof.
//!
//! # Invariants
//!
//! - Refused rows of an erased person are blanked, not removed: the rows after them keep their
//!   places.
//! - Nobody else loses a row.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use rusqlite::{Connection, Transaction};
use twinkeep_domain::{Split, Subject, Timestamp};
use twinkeep_vault::digest::Sha256;

use crate::doomed::Execution;
use crate::error::catalog;
use crate::feeds::{FeedId, written_at};
use crate::files::{FileNumbers, WriterLock, remove_garbage};
use crate::keyring::Ring;
use crate::layout::{quarantine_file, shard_file};
use crate::origins::ShardPlace;
use crate::quarantine::{QuarantineWriter, QuarantinedRecord, RefusedRow, quarantine};
use crate::rows::{DOOMED, ERASURES, FEEDS, QUARANTINE, RANGES, SHARDS, STAGED};
use crate::shard::shards;
use crate::staged::staged_row;
use crate::table::Written;
use crate::{Store, StoreError};

mod record;

pub use record::{ErasedFile, ErasureRecord};
use record::{parse, render};

/// Whom to erase.
pub struct ErasureRequest<'a> {
    /// The pseudonym.
    pub subject: Subject,
    /// The keyed digest that stands for the subject in the ledger; stays as the erasure's name.
    pub reference: &'a str,
    /// Why; kept sealed.
    pub reason: &'a str,
    /// When.
    pub at: Timestamp,
    /// Tells whether a refused row of a feed of this site concerns the subject; the site of a live
    /// event that was refused for want of a subject is empty.
    pub concerns: &'a dyn Fn(&str, &QuarantinedRecord) -> bool,
    /// Tells whether what a person called a feed of this site concerns the subject.
    pub names: &'a dyn Fn(&str, &str) -> bool,
}

/// A shard with events of the subject.
pub(crate) struct Holding {
    id: i64,
    feed: i64,
    split: String,
    pub(crate) written: Written,
    /// The subject's rows.
    rows: Range<usize>,
    /// The feeds that the subject's rows are of.
    pub(crate) origins: BTreeSet<i64>,
}

/// A file of refused rows that was written anew.
struct Blanked {
    id: i64,
    feed: i64,
    old: Written,
    new: Written,
}

/// Points between which a crash is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    FileWritten,
    RowsChanged,
    Committed,
    Executed(Execution),
}

impl Store {
    /// Erases a subject, known or not: it is never stored again.
    ///
    /// An erasure that was interrupted is completed; one that was done is told again.
    pub fn erase(&self, request: &ErasureRequest<'_>) -> Result<ErasureRecord, StoreError> {
        self.erase_stepwise(request, &|_| ())
    }

    pub(crate) fn erase_stepwise(
        &self,
        request: &ErasureRequest<'_>,
        after: &dyn Fn(Step),
    ) -> Result<ErasureRecord, StoreError> {
        let lock = WriterLock::soon(&self.dir)?;
        if let Some(record) = self.erasure(request.reference)? {
            self.execute_doomed(&lock, &|step| after(Step::Executed(step)))?;
            return Ok(ErasureRecord { complete: true, ..record });
        }
        let erased = self.erase_locked(request, &lock, after);
        if !matches!(erased, Ok(_) | Err(StoreError::RowChanged { .. })) {
            // What was written is garbage now. Should this fail too, the next opening removes it.
            let _ = remove_garbage(&self.dir, &self.connection(), &lock);
        }
        let record = erased?;
        self.execute_doomed(&lock, &|step| after(Step::Executed(step)))?;
        Ok(record)
    }

    /// Returns what is known of an erasure; `None` if the subject was not erased.
    pub fn erasure(&self, reference: &str) -> Result<Option<ErasureRecord>, StoreError> {
        let found = self.erasures()?.into_iter().find(|record| record.reference == reference);
        Ok(found)
    }

    /// Returns all erasures, by reference.
    pub fn erasures(&self) -> Result<Vec<ErasureRecord>, StoreError> {
        let mut rows: Vec<(String, i64, i64, Vec<u8>)> = Vec::new();
        self.read(|connection| {
            self.rows.scan(connection, &ERASURES, &mut |row| {
                rows.push((row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
                Ok(())
            })
        })?;
        let open = |(reference, at, complete, sealed): (String, i64, i64, Vec<u8>)| {
            let text = self.columns.open_text("erasures", "record", at, &sealed)?;
            let changed = StoreError::RowChanged { table: "erasures" };
            parse(reference, at, complete != 0, &text).ok_or(changed)
        };
        rows.into_iter().map(open).collect()
    }

    /// States that every listed key is destroyed.
    pub(crate) fn end_erasures(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        let cannot = catalog("end an erasure");
        let mut open = Vec::new();
        self.rows.scan(transaction, &ERASURES, &mut |row| {
            if row.get::<_, i64>(3)? == 0 {
                open.push(row.get::<_, String>(1)?);
            }
            Ok(())
        })?;
        for reference in open {
            transaction
                .execute("UPDATE erasures SET complete = 1 WHERE reference = ?1", [&reference])
                .map_err(&cannot)?;
            self.rows.seal(transaction, &ERASURES, &reference)?;
        }
        Ok(())
    }

    fn erase_locked(
        &self,
        request: &ErasureRequest<'_>,
        lock: &WriterLock,
        after: &dyn Fn(Step),
    ) -> Result<ErasureRecord, StoreError> {
        let ring = self.keyring.now()?;
        let (holdings, mut numbers) = self.read(|connection| {
            let holdings = self.holdings(connection, request.subject)?;
            Ok((holdings, FileNumbers::after(connection, &ring, lock)?))
        })?;
        let mut rewritten = Vec::new();
        for holding in holdings {
            let new = self.without_rows(&ring, &holding, &mut numbers, request.subject)?;
            rewritten.push((holding, new));
            after(Step::FileWritten);
        }
        let (blanked, refused_count) = self.blank_refused(&ring, request, &mut numbers)?;
        after(Step::FileWritten);
        let mut record = self.describe(request, &rewritten, &blanked, refused_count)?;
        let tables = [&FEEDS, &SHARDS, &QUARANTINE, &DOOMED, &ERASURES];
        self.change(&tables, |transaction| {
            for (holding, new) in &rewritten {
                self.put_shard_without(transaction, holding, new.as_ref(), request.subject)?;
            }
            for Blanked { id, feed, old, new } in &blanked {
                self.doom_file(transaction, &old.file, Some(new))?;
                let Written { file, row_count, sha256 } = new;
                let values: [&dyn rusqlite::ToSql; 5] = [id, feed, file, row_count, sha256];
                self.rows.replace(transaction, &QUARANTINE, &values)?;
            }
            self.forget_live(transaction, request, &mut record)?;
            self.unname_feeds(transaction, request)?;
            self.remove_person(transaction, request.subject)?;
            self.insert_erasure(transaction, &record)?;
            after(Step::RowsChanged);
            Ok(())
        })?;
        after(Step::Committed);
        Ok(ErasureRecord { complete: true, ..record })
    }

    /// Finds the shards with events of a subject: of admitted feeds, and of those that are not.
    pub(crate) fn holdings(
        &self,
        connection: &Connection,
        subject: Subject,
    ) -> Result<Vec<Holding>, StoreError> {
        let mut places = self.places(connection, subject)?;
        let mut holdings = Vec::new();
        self.rows.scan(connection, &SHARDS, &mut |row| {
            let (id, written) = (row.get(1)?, written_at(4)(row)?);
            let (feed, split) = (row.get(2)?, row.get(3)?);
            let place = ShardPlace { id, file: &written.file, feed };
            if let Some((rows, origins)) = places.take(&place) {
                holdings.push(Holding { id, feed, split, written, rows, origins });
            }
            Ok(())
        })?;
        Ok(holdings)
    }

    /// Writes a shard anew without the rows of a subject; nothing if it had no others.
    fn without_rows(
        &self,
        ring: &Arc<Ring>,
        holding: &Holding,
        numbers: &mut FileNumbers,
        subject: Subject,
    ) -> Result<Option<Written>, StoreError> {
        let Holding { split, written, rows, .. } = holding;
        if rows.len() as i64 == written.row_count {
            return Ok(None);
        }
        let sealed = shards(&self.dir, Arc::clone(ring));
        let split = Split::parse(split).ok_or(StoreError::RowChanged { table: "shards" })?;
        let name = shard_file(split, numbers.next());
        let mut writing = sealed.begin(&name)?;
        let mut start = 0;
        sealed.read_all(written, &mut |batch| {
            let end = start + batch.num_rows();
            let cut = rows.start.clamp(start, end) - start..rows.end.clamp(start, end) - start;
            // INVARIANT: what is left out is the subject's, and nothing else is.
            let own = |row: usize| crate::shard::subject_at(batch, row) == Some(subject);
            if !(0..batch.num_rows()).all(|row| cut.contains(&row) == own(row)) {
                return Err(StoreError::Damaged { file: written.file.clone(), source: None });
            }
            for kept in [0..cut.start, cut.end..batch.num_rows()] {
                if !kept.is_empty() {
                    writing.add(Ok(batch.slice(kept.start, kept.len())))?;
                }
            }
            start = end;
            Ok(())
        })?;
        writing.finish().map(Some)
    }

    /// Writes the files with refused rows that concern the subject anew, those rows blank.
    fn blank_refused(
        &self,
        ring: &Arc<Ring>,
        request: &ErasureRequest<'_>,
        numbers: &mut FileNumbers,
    ) -> Result<(Vec<Blanked>, u64), StoreError> {
        let sites: BTreeMap<FeedId, String> =
            self.feeds()?.into_iter().map(|feed| (feed.id, feed.site)).collect();
        let mut files = Vec::new();
        self.read(|connection| {
            self.rows.scan(connection, &QUARANTINE, &mut |row| {
                files.push((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, written_at(3)(row)?));
                Ok(())
            })
        })?;
        let sealed = quarantine(&self.dir, Arc::clone(ring));
        let (mut blanked, mut count) = (Vec::new(), 0);
        for (id, feed, old) in files {
            let site = sites.get(&FeedId(feed)).map_or("", String::as_str);
            let mut concerned = BTreeSet::new();
            crate::quarantine::visit(&sealed, &old, &mut |row| {
                if (request.concerns)(site, &row) {
                    concerned.insert(row.position);
                }
                Ok(())
            })?;
            if concerned.is_empty() {
                continue;
            }
            let name = quarantine_file(numbers.next());
            let mut writer = QuarantineWriter::begin(&sealed, &name)?;
            crate::quarantine::visit(&sealed, &old, &mut |row| match concerned
                .contains(&row.position)
            {
                true => writer.add(&RefusedRow::ERASED),
                false => writer.add(&row.as_refused()),
            })?;
            count += concerned.len() as u64;
            blanked.push(Blanked { id, feed, old, new: writer.finish()? });
        }
        Ok((blanked, count))
    }

    fn describe(
        &self,
        request: &ErasureRequest<'_>,
        rewritten: &[(Holding, Option<Written>)],
        blanked: &[Blanked],
        refused_count: u64,
    ) -> Result<ErasureRecord, StoreError> {
        let feeds: BTreeSet<i64> =
            rewritten.iter().flat_map(|(holding, _)| holding.origins.iter().copied()).collect();
        let known_since = self
            .feeds()?
            .into_iter()
            .filter(|feed| feeds.contains(&feed.id.0))
            .map(|feed| feed.ingested_at)
            .min();
        let successor = |new: &Written| (new.file.clone(), new.sha256);
        let shards = rewritten.iter().map(|(holding, new)| ErasedFile {
            file: holding.written.file.clone(),
            sha256: holding.written.sha256,
            successor: new.as_ref().map(successor),
        });
        let refused = blanked.iter().map(|blanked| ErasedFile {
            file: blanked.old.file.clone(),
            sha256: blanked.old.sha256,
            successor: Some(successor(&blanked.new)),
        });
        Ok(ErasureRecord {
            reference: request.reference.to_owned(),
            erased_at: request.at,
            reason: request.reason.to_owned(),
            event_count: rewritten.iter().map(|(holding, _)| holding.rows.len() as u64).sum(),
            refused_count,
            known_since,
            files: shards.chain(refused).collect(),
            complete: false,
        })
    }

    /// Puts a shard in the place of another, with the ranges of everyone but the subject.
    fn put_shard_without(
        &self,
        transaction: &Transaction<'_>,
        holding: &Holding,
        new: Option<&Written>,
        subject: Subject,
    ) -> Result<(), StoreError> {
        let cannot = catalog("replace a shard");
        let Holding { id, feed, split, written, rows, .. } = holding;
        self.doom_file(transaction, &written.file, new)?;
        let shift = |first: i64| match (first as usize) < rows.end {
            true => first,
            false => first - rows.len() as i64,
        };
        let mut moved = Vec::new();
        self.visit_ranges(transaction, *id, &mut |pseudonym, first, count, span| {
            moved.push((pseudonym, shift(first), count, span));
        })?;
        transaction.execute("DELETE FROM ranges WHERE shard = ?1", [id]).map_err(&cannot)?;
        self.shift_staged(transaction, *feed, &written.file, new, subject, &shift)?;
        let Some(Written { file, row_count, sha256 }) = new else {
            transaction.execute("DELETE FROM shards WHERE id = ?1", [id]).map_err(cannot)?;
            return Ok(());
        };
        let values: [&dyn rusqlite::ToSql; 6] = [id, feed, split, file, row_count, sha256];
        self.rows.replace(transaction, &SHARDS, &values)?;
        for (pseudonym, first, count, span) in moved {
            if pseudonym != subject.reveal() {
                self.rows.insert(transaction, &RANGES, &[&pseudonym, id, &first, &count, &span])?;
            }
        }
        Ok(())
    }

    /// Visits the ranges of a shard, verified.
    pub(crate) fn visit_ranges(
        &self,
        connection: &Connection,
        shard: i64,
        visit: &mut dyn FnMut(i64, i64, i64, Vec<u8>),
    ) -> Result<(), StoreError> {
        let cannot = catalog("read the ranges of a shard");
        let select = format!(
            "SELECT {} FROM ranges WHERE shard = ?1 ORDER BY first_row",
            RANGES.selection()
        );
        let mut statement = connection.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query([shard]).map_err(&cannot)?;
        while let Some(row) = rows.next().map_err(&cannot)? {
            self.rows.check(&RANGES, row)?;
            let mut read = || {
                visit(row.get(1)?, row.get(3)?, row.get(4)?, row.get(5)?);
                Ok(())
            };
            read().map_err(&cannot)?;
        }
        Ok(())
    }

    /// Moves what is staged for a feed that is not admitted, and authenticates it anew.
    fn shift_staged(
        &self,
        transaction: &Transaction<'_>,
        feed: i64,
        old: &str,
        new: Option<&Written>,
        subject: Subject,
        shift: &dyn Fn(i64) -> i64,
    ) -> Result<(), StoreError> {
        let cannot = catalog("move what is staged");
        let mut moved = Vec::new();
        let select = format!("SELECT {} FROM staged WHERE feed = ?1", STAGED.selection());
        let mut statement = transaction.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query([feed]).map_err(&cannot)?;
        while let Some(row) = rows.next().map_err(&cannot)? {
            self.rows.check(&STAGED, row)?;
            let staged = staged_row(row).map_err(&cannot)?;
            if staged.file.as_deref() == Some(old) && staged.pseudonym != subject.reveal() {
                moved.push((row.get::<_, i64>(1).map_err(&cannot)?, staged));
            }
        }
        drop(rows);
        let Some(new) = new else { return Ok(()) };
        for (id, row) in moved {
            let first = shift(row.first_row);
            let values: [&dyn rusqlite::ToSql; 9] = [
                &id,
                &feed,
                &row.pseudonym,
                &row.split,
                &row.source,
                &new.file,
                &first,
                &row.row_count,
                &row.span,
            ];
            self.rows.replace(transaction, &STAGED, &values)?;
        }
        Ok(())
    }

    /// Removes the live events of the subject, and those that were refused and concern them.
    fn forget_live(
        &self,
        transaction: &Transaction<'_>,
        request: &ErasureRequest<'_>,
        record: &mut ErasureRecord,
    ) -> Result<(), StoreError> {
        let concerns = |row: &QuarantinedRecord| (request.concerns)("", row);
        let rows = self.live_rows_about(transaction, request.subject, &concerns)?;
        let events = self.live_events_of(transaction, request.subject)?;
        let since = events.iter().map(|event| event.received_at).min();
        record.known_since = record.known_since.into_iter().chain(since).min();
        record.event_count += events.len() as u64;
        record.refused_count += (rows.len() - events.len()) as u64;
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        self.remove_live_rows(transaction, &ids)
    }

    /// Takes a name that tells of the subject from the feeds.
    fn unname_feeds(
        &self,
        transaction: &Transaction<'_>,
        request: &ErasureRequest<'_>,
    ) -> Result<(), StoreError> {
        let cannot = catalog("unname a feed");
        let mut feeds = Vec::new();
        self.rows.scan(transaction, &FEEDS, &mut |row| {
            feeds.push((
                row.get::<_, i64>(1)?,
                row.get::<_, Vec<u8>>(3)?,
                row.get::<_, String>(4)?,
            ));
            Ok(())
        })?;
        for (id, source, site) in feeds {
            let text = self.columns.open_text("feeds", "source", id, &source)?;
            if (request.names)(&site, &text) {
                let sealed = self.columns.seal("feeds", "source", id, ERASED_NAME.as_bytes());
                transaction
                    .execute("UPDATE feeds SET source = ?2 WHERE id = ?1", (id, sealed))
                    .map_err(&cannot)?;
                self.rows.seal(transaction, &FEEDS, &id)?;
            }
        }
        Ok(())
    }

    /// Removes whom the pseudonym stands for, and everything that waits for admission.
    fn remove_person(
        &self,
        transaction: &Transaction<'_>,
        subject: Subject,
    ) -> Result<(), StoreError> {
        self.forget_subject(transaction, subject)?;
        self.authenticate_staged(transaction)?;
        self.doom_subject(transaction, subject)
    }

    /// Removes whom a pseudonym stands for, where their events are, and what is staged of them. The
    /// caller authenticates what is staged anew.
    pub(crate) fn forget_subject(
        &self,
        transaction: &Transaction<'_>,
        subject: Subject,
    ) -> Result<(), StoreError> {
        let cannot = catalog("remove a subject");
        let pseudonym = subject.reveal();
        let known = self.subject_row(transaction, subject)?.is_some();
        let execute = |sql: &str| transaction.execute(sql, [pseudonym]).map_err(&cannot);
        execute("DELETE FROM ranges WHERE subject = ?1")?;
        execute("DELETE FROM subjects WHERE pseudonym = ?1")?;
        execute("DELETE FROM staged WHERE subject = ?1")?;
        if known {
            transaction
                .execute("UPDATE store SET subject_count = subject_count - 1", [])
                .map_err(&cannot)?;
        }
        Ok(())
    }

    /// Authenticates what is staged for feeds that are held, as it is now.
    pub(crate) fn authenticate_staged(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<(), StoreError> {
        let cannot = catalog("authenticate what is staged");
        let mut digests: BTreeMap<i64, Sha256> = BTreeMap::new();
        let select = format!("SELECT {} FROM staged ORDER BY id", STAGED.selection());
        let mut statement = transaction.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query([]).map_err(&cannot)?;
        while let Some(row) = rows.next().map_err(&cannot)? {
            let mac = self.rows.check(&STAGED, row)?;
            digests.entry(row.get(2).map_err(&cannot)?).or_default().update(&mac);
        }
        drop(rows);
        let select = "SELECT id FROM feeds WHERE state = 'held'";
        let mut statement = transaction.prepare_cached(select).map_err(&cannot)?;
        let waiting = statement.query_map([], |row| row.get(0)).map_err(&cannot)?;
        let waiting: Vec<i64> = waiting.collect::<Result<_, _>>().map_err(&cannot)?;
        for feed in waiting {
            let digest = digests.remove(&feed).unwrap_or_default().finish();
            transaction
                .execute("UPDATE feeds SET staged = ?2 WHERE id = ?1", (feed, digest))
                .map_err(&cannot)?;
            self.rows.seal(transaction, &FEEDS, &feed)?;
        }
        Ok(())
    }

    fn insert_erasure(
        &self,
        transaction: &Transaction<'_>,
        record: &ErasureRecord,
    ) -> Result<(), StoreError> {
        let at = record.erased_at.micros();
        let sealed = self.columns.seal("erasures", "record", at, render(record).as_bytes());
        let values: [&dyn rusqlite::ToSql; 4] = [&record.reference, &at, &0_i64, &sealed];
        self.rows.insert(transaction, &ERASURES, &values).map(drop)
    }
}

/// What a feed is called whose name told of an erased person.
const ERASED_NAME: &str = "(named an erased person)";
