//! Feeds that are held: releasing one makes its events count, rejecting one makes them refused rows.
//!
//! # Life of a release
//!
//! 1. Events that were admitted by another feed meanwhile go to quarantine, shard by shard; after
//!    each, the feed is a whole held feed with fewer events.
//! 2. One transaction turns what is staged into subjects and ranges, and the feed is admitted.
//!
//! # Life of a rejection
//!
//! 1. All events are written to a file of refused rows.
//! 2. One transaction takes the shards and what is staged away, and the feed is rejected.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, Transaction};
use twinkeep_domain::{Event, Events, SourceSubject, Split, Subject, Timestamp};
use twinkeep_vault::digest::Sha256;

use crate::duplicates::Own;
use crate::error::catalog;
use crate::extent::Extent;
use crate::feeds::{FeedId, FeedState, written_at};
use crate::files::{FileNumbers, WriterLock};
use crate::keyring::Ring;
use crate::layout::{quarantine_file, shard_file};
use crate::plan::subject_ranges;
use crate::quarantine::{ParsedFields, QuarantineWriter, RefusedRow, quarantine};
use crate::rows::{DOOMED, FEEDS, QUARANTINE, SETTINGS, SHARDS, STAGED};
use crate::shard::{Collector, shards, write_shard};
use crate::staged::staged_row;
use crate::table::Written;
use crate::writer::{DUPLICATE, ERASED, PortionOutcome};
use crate::{Store, StoreError};

/// Why a feed was released or rejected, and when.
#[derive(Clone, Copy)]
pub struct Decision<'a> {
    /// Why; kept sealed.
    pub reason: &'a str,
    /// When.
    pub at: Timestamp,
}

/// What the catalog says about a held feed.
struct Held {
    id: i64,
    site: String,
    staged: [u8; 32],
    shards: Vec<HeldShard>,
}

/// A shard of a held feed.
struct HeldShard {
    id: i64,
    split: Split,
    written: Written,
}

/// Where the rows of a subject are after a shard was written again.
type Places = BTreeMap<i64, Place>;

/// Rows of one subject in a shard.
#[derive(Clone, Copy, Default)]
struct Place {
    first_row: i64,
    row_count: i64,
    extent: Extent,
}

impl Store {
    /// Makes the events of a held feed count. What another feed brought meanwhile is not stored
    /// again but goes to the feed's quarantine; returns what became of the events.
    pub fn release_feed(
        &self,
        feed: FeedId,
        decision: Decision<'_>,
    ) -> Result<PortionOutcome, StoreError> {
        let lock = WriterLock::soon(&self.dir)?;
        let released = self.release_locked(feed, decision, &lock);
        self.clear(released, &lock)
    }

    /// Turns the events of a held feed into refused rows, for good; returns how many there are.
    pub fn reject_feed(&self, feed: FeedId, decision: Decision<'_>) -> Result<u64, StoreError> {
        let lock = WriterLock::soon(&self.dir)?;
        let rejected = self.reject_locked(feed, decision, &lock);
        self.clear(rejected, &lock)
    }

    /// Destroys the keys of the files that were replaced and removes them, or removes what a
    /// failed change left.
    fn clear<T>(&self, result: Result<T, StoreError>, lock: &WriterLock) -> Result<T, StoreError> {
        // Nothing is removed on the word of a catalog that does not hold.
        if !matches!(result, Err(StoreError::RowChanged { .. })) {
            // Should this fail, the next opening removes it.
            let _ = self.execute_doomed(lock, &|_| ());
        }
        result
    }

    fn release_locked(
        &self,
        feed: FeedId,
        decision: Decision<'_>,
        lock: &WriterLock,
    ) -> Result<PortionOutcome, StoreError> {
        let ring = self.keyring.now()?;
        let mut numbers = self.read(|connection| FileNumbers::after(connection, &ring, lock))?;
        let mut outcome = PortionOutcome::default();
        let held = self.read(|connection| self.held(connection, feed))?;
        for shard in &held.shards {
            let part = self.release_shard(&held, shard, &ring, &mut numbers)?;
            outcome.stored += part.stored;
            outcome.duplicates += part.duplicates;
            outcome.erased += part.erased;
        }
        self.change(&[&FEEDS, &SHARDS, &SETTINGS], |transaction| {
            let held = self.held(transaction, feed)?;
            let shards = held.shards.into_iter().map(|shard| (shard.written.file, shard.id));
            self.note_admitted(transaction, held.id)?;
            self.admit(transaction, held.id, &held.staged, &shards.collect())?;
            self.decide(transaction, feed, FeedState::Admitted, decision)
        })?;
        Ok(outcome)
    }

    /// Takes out of a shard what must not be stored a second time.
    fn release_shard(
        &self,
        held: &Held,
        shard: &HeldShard,
        ring: &Arc<Ring>,
        numbers: &mut FileNumbers,
    ) -> Result<PortionOutcome, StoreError> {
        let mut events = self.shard_events(&shard.written, ring)?;
        let own = Own { feed: held.id, files: &BTreeMap::new() };
        let found = self.find_duplicates(&events, &own)?;
        let mut out = found.unwrap_or_else(|| vec![false; events.rows.len()]);
        let mut outcome = PortionOutcome::default();
        let sealed = quarantine(&self.dir, Arc::clone(ring));
        let mut refused = None;
        for range in subject_ranges(&events.rows) {
            let subject = events.rows[range.start].subject;
            let erased = ring.is_erased(subject);
            if erased {
                out[range.clone()].fill(true);
            }
            let found = range.filter(|index| out[*index]);
            let found: Vec<&Event> = found.map(|index| &events.rows[index]).collect();
            if found.is_empty() {
                continue;
            }
            let refused = match &mut refused {
                Some(refused) => refused,
                none => {
                    let name = quarantine_file(numbers.next());
                    none.insert(QuarantineWriter::begin(&sealed, &name)?)
                }
            };
            if erased {
                outcome.erased += found.len() as u64;
                refuse_erased(refused, found.len())?;
            } else {
                outcome.duplicates += found.len() as u64;
                let name = self.read(|connection| self.staged_name(connection, held, subject))?;
                refuse_events(refused, &found, &events, &name, DUPLICATE)?;
            }
        }
        outcome.stored = events.rows.len() as u64 - outcome.refused();
        if outcome.refused() == 0 {
            return Ok(outcome);
        }
        let mut out = out.iter();
        events.rows.retain(|_| !out.next().copied().unwrap_or_default());
        let refused = refused.map(QuarantineWriter::finish).transpose()?;
        self.replace_shard(held, shard, &events, numbers, (outcome, refused))?;
        Ok(outcome)
    }

    /// Reads a shard, in the order of a portion.
    fn shard_events(&self, written: &Written, ring: &Arc<Ring>) -> Result<Events, StoreError> {
        let mut collector = Collector::default();
        let sealed = shards(&self.dir, Arc::clone(ring));
        sealed.read_all(written, &mut |batch| collector.add(&written.file, batch))?;
        let mut events = collector.into_events();
        events.sort();
        Ok(events)
    }

    /// Puts a smaller shard into the place of one of a held feed.
    fn replace_shard(
        &self,
        held: &Held,
        shard: &HeldShard,
        events: &Events,
        numbers: &mut FileNumbers,
        (outcome, refused): (PortionOutcome, Option<Written>),
    ) -> Result<(), StoreError> {
        let ranges: Vec<_> = subject_ranges(&events.rows).collect();
        let mut places = Places::new();
        for range in &ranges {
            let rows = &events.rows[range.clone()];
            let place = Place {
                first_row: range.start as i64,
                row_count: range.len() as i64,
                extent: Extent::of(rows),
            };
            places.insert(rows[0].subject.reveal(), place);
        }
        let name = shard_file(shard.split, numbers.next());
        let written = match ranges.is_empty() {
            true => None,
            false => {
                let sealed = shards(&self.dir, self.keyring.now()?);
                Some(write_shard(&sealed, &name, events, &ranges)?)
            }
        };
        let ring = self.keyring.now()?;
        self.change(&[&FEEDS, &SHARDS, &QUARANTINE, &DOOMED], |transaction| {
            // A copy of the file that was replaced must not outlive an erasure.
            self.doom_file(transaction, &shard.written.file, written.as_ref())?;
            // What was staged may be another one since another shard was replaced.
            let expected = self.held(transaction, FeedId(held.id))?.staged;
            self.scan_staged(transaction, held.id, &expected, &mut |_| Ok(()))?;
            self.move_staged(transaction, held.id, &shard.written.file, (&name, &places), &ring)?;
            match &written {
                Some(Written { file, row_count, sha256 }) => {
                    let split = shard.split.name();
                    self.rows.replace(
                        transaction,
                        &SHARDS,
                        &[&shard.id, &held.id, &split, file, row_count, sha256],
                    )?;
                }
                None => {
                    transaction
                        .execute("DELETE FROM shards WHERE id = ?1", [shard.id])
                        .map_err(catalog("remove a shard"))?;
                }
            }
            if let Some(refused) = &refused {
                self.insert_quarantine(transaction, held.id, refused)?;
            }
            let refused = outcome.refused() as i64;
            let digest = self.staged_digest(transaction, held.id)?;
            transaction
                .execute(
                    "UPDATE feeds SET rows_accepted = rows_accepted - ?2,
                    rows_quarantined = rows_quarantined + ?2, staged = ?3 WHERE id = ?1",
                    (held.id, refused, digest),
                )
                .map_err(catalog("change the feed"))?;
            self.rows.seal(transaction, &FEEDS, &held.id)
        })
    }

    /// Lets what is staged point to the rows of a shard that was written again. The rows of the
    /// feed were verified.
    fn move_staged(
        &self,
        transaction: &Transaction<'_>,
        feed: i64,
        file: &str,
        (new_file, places): (&str, &Places),
        ring: &Ring,
    ) -> Result<(), StoreError> {
        let cannot = catalog("change what is staged");
        let select = format!(
            "SELECT {} FROM staged WHERE feed = ?1 AND file = ?2 ORDER BY id",
            STAGED.selection()
        );
        let mut statement = transaction.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query((feed, file)).map_err(&cannot)?;
        let mut moved = Vec::new();
        while let Some(row) = rows.next().map_err(&cannot)? {
            self.rows.check(&STAGED, row)?;
            let id: i64 = row.get(1).map_err(&cannot)?;
            moved.push((id, staged_row(row).map_err(&cannot)?));
        }
        for (id, mut row) in moved {
            let gone = StoreError::RowChanged { table: STAGED.name };
            let subject = Subject::from_pseudonym(row.pseudonym).ok_or(gone)?;
            let Ok(columns) = ring.columns_of(subject) else {
                transaction.execute("DELETE FROM staged WHERE id = ?1", [id]).map_err(&cannot)?;
                continue;
            };
            let place = places.get(&row.pseudonym).copied().unwrap_or_default();
            row.file = (0 < place.row_count).then(|| new_file.to_owned());
            row.first_row = place.first_row;
            row.row_count = place.row_count;
            let span = place.extent.to_bytes();
            row.span = columns.seal("ranges", "span", row.pseudonym, &span);
            self.replace_staged(transaction, id, feed, &row)?;
        }
        Ok(())
    }

    /// Digests what is staged of a feed, whose rows were verified or just written.
    fn staged_digest(
        &self,
        transaction: &Transaction<'_>,
        feed: i64,
    ) -> Result<[u8; 32], StoreError> {
        let cannot = catalog("read what is staged");
        let select =
            format!("SELECT {} FROM staged WHERE feed = ?1 ORDER BY id", STAGED.selection());
        let mut statement = transaction.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query([feed]).map_err(&cannot)?;
        let mut digest = Sha256::default();
        while let Some(row) = rows.next().map_err(&cannot)? {
            digest.update(&self.rows.check(&STAGED, row)?);
        }
        Ok(digest.finish())
    }

    fn reject_locked(
        &self,
        feed: FeedId,
        decision: Decision<'_>,
        lock: &WriterLock,
    ) -> Result<u64, StoreError> {
        let ring = self.keyring.now()?;
        let mut numbers = self.read(|connection| FileNumbers::after(connection, &ring, lock))?;
        let held = self.read(|connection| self.held(connection, feed))?;
        let (refused, count) = self.refuse_shards(&held, &ring, &mut numbers)?;
        self.change(&[&FEEDS, &SHARDS, &QUARANTINE, &DOOMED], |transaction| {
            let cannot = catalog("reject the feed");
            for shard in self.held(transaction, feed)?.shards {
                self.doom_file(transaction, &shard.written.file, None)?;
            }
            for delete in
                ["DELETE FROM shards WHERE feed = ?1", "DELETE FROM staged WHERE feed = ?1"]
            {
                transaction.execute(delete, [feed.0]).map_err(&cannot)?;
            }
            if let Some(refused) = &refused {
                self.insert_quarantine(transaction, feed.0, refused)?;
            }
            transaction
                .execute(
                    "UPDATE feeds SET rows_accepted = rows_accepted - ?2,
                    rows_quarantined = rows_quarantined + ?2, staged = x'' WHERE id = ?1",
                    (feed.0, count as i64),
                )
                .map_err(&cannot)?;
            self.decide(transaction, feed, FeedState::Rejected, decision)
        })?;
        Ok(count)
    }

    /// Writes all events of a held feed as refused rows.
    fn refuse_shards(
        &self,
        held: &Held,
        ring: &Arc<Ring>,
        numbers: &mut FileNumbers,
    ) -> Result<(Option<Written>, u64), StoreError> {
        if held.shards.is_empty() {
            return Ok((None, 0));
        }
        let sealed = quarantine(&self.dir, Arc::clone(ring));
        let mut refused = QuarantineWriter::begin(&sealed, &quarantine_file(numbers.next()))?;
        let mut count = 0;
        for shard in &held.shards {
            let events = self.shard_events(&shard.written, ring)?;
            for range in subject_ranges(&events.rows) {
                let subject = events.rows[range.start].subject;
                let rows: Vec<&Event> = events.rows[range].iter().collect();
                count += rows.len() as u64;
                if ring.is_erased(subject) {
                    refuse_erased(&mut refused, rows.len())?;
                    continue;
                }
                let name = self.read(|connection| self.staged_name(connection, held, subject))?;
                refuse_events(&mut refused, &rows, &events, &name, REJECTED)?;
            }
        }
        Ok((Some(refused.finish()?), count))
    }

    fn decide(
        &self,
        transaction: &Transaction<'_>,
        feed: FeedId,
        state: FeedState,
        decision: Decision<'_>,
    ) -> Result<(), StoreError> {
        let sealed = self.columns.seal("feeds", "decision", feed.0, decision.reason.as_bytes());
        transaction
            .execute(
                "UPDATE feeds SET state = ?2, decision = ?3, decided_at = ?4 WHERE id = ?1",
                (feed.0, state.name(), sealed, decision.at.micros()),
            )
            .map_err(catalog("decide about the feed"))?;
        self.rows.seal(transaction, &FEEDS, &feed.0)
    }

    /// Returns what is known of a held feed; refused if it is not held.
    fn held(&self, connection: &Connection, feed: FeedId) -> Result<Held, StoreError> {
        let mut found = None;
        self.rows.scan(connection, &FEEDS, &mut |row| {
            if row.get::<_, i64>(1)? == feed.0 {
                let state: String = row.get(13)?;
                found = Some((state, row.get::<_, String>(4)?, row.get::<_, Vec<u8>>(18)?));
            }
            Ok(())
        })?;
        let refused = |state| StoreError::Refused { what: "feed", state };
        let (state, site, staged) = found.ok_or(refused("not known"))?;
        if state != FeedState::Held.name() {
            return Err(refused("not held"));
        }
        let changed = || StoreError::RowChanged { table: FEEDS.name };
        let staged = staged.try_into().map_err(|_| changed())?;
        let mut shards = Vec::new();
        self.rows.scan(connection, &SHARDS, &mut |row| {
            if row.get::<_, i64>(2)? == feed.0 {
                shards.push((row.get(1)?, row.get::<_, String>(3)?, written_at(4)(row)?));
            }
            Ok(())
        })?;
        let shard = |(id, split, written): (i64, String, Written)| {
            Ok(HeldShard { id, split: Split::parse(&split).ok_or_else(changed)?, written })
        };
        let shards = shards.into_iter().map(shard).collect::<Result<_, StoreError>>()?;
        Ok(Held { id: feed.0, site, staged, shards })
    }

    /// Returns what the source of a held feed calls a subject.
    fn staged_name(
        &self,
        connection: &Connection,
        held: &Held,
        subject: Subject,
    ) -> Result<SourceSubject, StoreError> {
        let cannot = catalog("read what is staged");
        let select = format!(
            "SELECT {} FROM staged WHERE feed = ?1 AND subject = ?2 LIMIT 1",
            STAGED.selection()
        );
        let mut statement = connection.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query((held.id, subject.reveal())).map_err(&cannot)?;
        let gone = || StoreError::RowChanged { table: STAGED.name };
        let row = rows.next().map_err(&cannot)?.ok_or_else(gone)?;
        self.rows.check(&STAGED, row)?;
        let row = staged_row(row).map_err(&cannot)?;
        let columns = self.keyring.now()?.columns_of(subject)?;
        let name = columns.open_text("subjects", "source", row.pseudonym, &row.source)?;
        let name = name.strip_prefix(&held.site).and_then(|name| name.strip_prefix('/'));
        name.and_then(SourceSubject::new).ok_or_else(gone)
    }
}

/// Writes events of one subject as refused rows. Where they were in the source is not known any
/// more.
fn refuse_events(
    refused: &mut QuarantineWriter,
    rows: &[&Event],
    events: &Events,
    name: &SourceSubject,
    reason: &str,
) -> Result<(), StoreError> {
    for event in rows {
        let code = events.codes().get(event.code as usize).map_or("", |code| code.as_str());
        let value = event.value.map(|value| value.to_string());
        let parsed = ParsedFields {
            source: name.reveal(),
            time: event.time,
            name: code,
            value: value.as_deref(),
            unit: None,
            text: event.text.as_deref(),
        };
        let (file, field, raw) = ("", None, b"".as_slice());
        refused.add(&RefusedRow { file, row: 0, field, reason, raw, parsed: Some(parsed) })?;
    }
    Ok(())
}

/// Counts events of an erased subject without keeping anything of them.
fn refuse_erased(refused: &mut QuarantineWriter, count: usize) -> Result<(), StoreError> {
    let (file, field, reason, parsed) = ("", None, ERASED, None);
    let row = RefusedRow { file, row: 0, field, reason, raw: b"", parsed };
    (0..count).try_for_each(|_| refused.add(&row))
}

/// The permanent name of the reason.
const REJECTED: &str = "rejected-feed";
