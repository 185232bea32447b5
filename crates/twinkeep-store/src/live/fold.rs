//! Folding: live rows become feeds, one for each site, with shards and refused rows like any other.
//!
//! # Life of a portion
//!
//! 1. The oldest live rows are read, verified, and written as shards and files of refused rows.
//! 2. One transaction makes the feeds exist and takes the rows away.
//!
//! No other file is touched: a snapshot from before stays as good as it was. Readers and requests
//! go on meanwhile; an interruption leaves a portion folded or not begun.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use twinkeep_domain::{Events, Subject, Timestamp};
use twinkeep_vault::digest::Sha256;
use twinkeep_vault::{SplitHasher, random_bytes};

use super::read::LiveRow;
use crate::catalog::connect;
use crate::error::catalog;
use crate::extent::Extent;
use crate::feeds::FeedState;
use crate::files::{FileNumbers, WriterLock, remove_garbage};
use crate::keyring::Ring;
use crate::layout::{CATALOG, path, quarantine_file};
use crate::plan::{Plan, plan};
use crate::quarantine::{QuarantineWriter, RefusedRow, quarantine};
use crate::rows::{FEEDS, QUARANTINE, RANGES, SETTINGS, SHARDS};
use crate::shard::{Collector, shards, write_shard};
use crate::table::Written;
use crate::{ParsedRecord, QuarantinedRecord, Store, StoreError};

/// What was folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Feeds that the rows became.
    pub feeds: u64,
    /// Events.
    pub events: u64,
    /// Events that had been refused.
    pub refused: u64,
}

/// Where an event that was refused came from: its site, empty if that is not known, and its fields
/// if they can be read.
pub type RefusedOrigin<'a> =
    &'a dyn Fn(Option<Subject>, &QuarantinedRecord) -> (String, Option<ParsedRecord>);

/// Points between which a crash is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    FileWritten,
    Committed,
}

/// The rows of one site.
#[derive(Default)]
struct Part {
    events: Collector,
    event_count: u64,
    since: Option<Timestamp>,
    refused: Vec<(QuarantinedRecord, Option<ParsedRecord>)>,
}

/// The files of one site.
struct Files {
    site: String,
    at: Timestamp,
    counts: [i64; 2],
    events: Events,
    shards: Vec<(Plan, Written)>,
    refused: Option<Written>,
}

impl Store {
    /// Moves all live rows into files.
    pub fn fold_live(
        &self,
        splits: &SplitHasher,
        origin: RefusedOrigin<'_>,
        now: Timestamp,
    ) -> Result<Folded, StoreError> {
        self.fold_stepwise(splits, origin, now, &|_| ())
    }

    pub(crate) fn fold_stepwise(
        &self,
        splits: &SplitHasher,
        origin: RefusedOrigin<'_>,
        now: Timestamp,
        after: &dyn Fn(Step),
    ) -> Result<Folded, StoreError> {
        // Of its own: readers of this process do not wait for so many rows.
        let mut connection = connect(&path(&self.dir, CATALOG))?;
        // What comes meanwhile waits for the next time, so that this comes to an end.
        let last: i64 = self.rows.head(&connection, |row| row.get("live_last"))?;
        let mut total = Folded::default();
        loop {
            let lock = WriterLock::soon(&self.dir)?;
            self.execute_doomed(&lock, &|_| ())?;
            let rows = self.oldest_live(&mut connection, last)?;
            if rows.is_empty() {
                return Ok(total);
            }
            let folded = self.fold(&mut connection, &rows, splits, origin, now, &lock, after);
            if !matches!(folded, Ok(_) | Err(StoreError::RowChanged { .. })) {
                // Should this fail too, the next opening removes it.
                let _ = remove_garbage(&self.dir, &self.connection(), &lock);
            }
            let Folded { feeds, events, refused } = folded?;
            total.feeds += feeds;
            total.events += events;
            total.refused += refused;
        }
    }

    /// Returns the oldest live rows up to a number, as many as are folded together.
    fn oldest_live(
        &self,
        connection: &mut Connection,
        last: i64,
    ) -> Result<Vec<LiveRow>, StoreError> {
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Deferred)
            .map_err(catalog("begin"))?;
        let (mut rows, mut bytes) = (Vec::new(), 0);
        self.rows.scan_live(&transaction, &mut |row| {
            if row.id <= last && rows.len() < FOLD_ROWS && bytes < FOLD_BYTES {
                bytes += row.content.len();
                rows.push(row);
            }
            Ok(())
        })?;
        Ok(rows)
    }

    #[expect(clippy::too_many_arguments, reason = "one step of one function, cut out to be read")]
    fn fold(
        &self,
        connection: &mut Connection,
        rows: &[LiveRow],
        splits: &SplitHasher,
        origin: RefusedOrigin<'_>,
        now: Timestamp,
        lock: &WriterLock,
        after: &dyn Fn(Step),
    ) -> Result<Folded, StoreError> {
        let ring = self.keyring.now()?;
        let mut numbers = FileNumbers::after(connection, &ring, lock)?;
        let mut folded = Folded::default();
        let mut files = Vec::new();
        for (site, part) in self.parts(connection, &ring, rows, origin)? {
            folded.feeds += 1;
            folded.events += part.event_count;
            folded.refused += part.refused.len() as u64;
            files.push(self.write_part(site, part, &ring, &mut numbers, (splits, now))?);
            after(Step::FileWritten);
        }
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        self.change_on(connection, &[&FEEDS, &SHARDS, &QUARANTINE, &SETTINGS], |transaction| {
            let next = self.check_content(transaction, None)?;
            for (id, files) in (next..).zip(&files) {
                self.admit_files(transaction, &ring, id, files)?;
            }
            self.note_folded(transaction, ids.last().copied().unwrap_or_default())?;
            self.remove_live_rows(transaction, &ids)
        })?;
        after(Step::Committed);
        Ok(folded)
    }

    /// Opens the rows, site by site.
    fn parts(
        &self,
        connection: &Connection,
        ring: &Ring,
        rows: &[LiveRow],
        origin: RefusedOrigin<'_>,
    ) -> Result<BTreeMap<String, Part>, StoreError> {
        let mut parts: BTreeMap<String, Part> = BTreeMap::new();
        let mut sites: BTreeMap<Subject, String> = BTreeMap::new();
        for row in rows {
            match row.subject {
                Some(subject) if !row.refused => {
                    let site = match sites.get(&subject) {
                        Some(site) => site,
                        None => {
                            let site = self.site_of(connection, ring, subject)?;
                            sites.entry(subject).or_insert(site)
                        }
                    };
                    let part = parts.entry(site.clone()).or_default();
                    let event = self.live_event(row, subject)?;
                    part.since = part.since.into_iter().chain([event.received_at]).min();
                    part.event_count += 1;
                    part.events.add_live(event);
                }
                subject => {
                    let refused = self.live_refusal(row)?;
                    let (site, parsed) = origin(subject, &refused);
                    parts.entry(site).or_default().refused.push((refused, parsed));
                }
            }
        }
        Ok(parts)
    }

    /// Returns the site whose name for a subject is known.
    fn site_of(
        &self,
        connection: &Connection,
        ring: &Ring,
        subject: Subject,
    ) -> Result<String, StoreError> {
        let changed = StoreError::RowChanged { table: "subjects" };
        let row = self.subject_row(connection, subject)?.ok_or(changed)?;
        let columns = ring.columns_of(subject)?;
        let source = columns.open_text("subjects", "source", subject.reveal(), &row.source)?;
        Ok(source.split_once('/').map_or_else(String::new, |(site, _)| site.to_owned()))
    }

    fn write_part(
        &self,
        site: String,
        part: Part,
        ring: &Arc<Ring>,
        numbers: &mut FileNumbers,
        (splits, now): (&SplitHasher, Timestamp),
    ) -> Result<Files, StoreError> {
        let mut events = part.events.into_events();
        events.sort();
        let sealed = shards(&self.dir, Arc::clone(ring));
        let mut written = Vec::new();
        for plan in plan(numbers, &events.rows, &|subject| splits.split(subject)) {
            let ranges: Vec<_> = plan.placed.iter().map(|placed| placed.range.clone()).collect();
            let file = write_shard(&sealed, &plan.file, &events, &ranges)?;
            written.push((plan, file));
        }
        let refused = match part.refused.is_empty() {
            true => None,
            false => {
                let sealed = quarantine(&self.dir, Arc::clone(ring));
                let mut writer =
                    QuarantineWriter::begin(&sealed, &quarantine_file(numbers.next()))?;
                for (row, parsed) in &part.refused {
                    let parsed = parsed.as_ref().map(ParsedRecord::as_fields);
                    writer.add(&RefusedRow { parsed, ..row.as_refused() })?;
                }
                Some(writer.finish()?)
            }
        };
        let counts = [part.event_count as i64, part.refused.len() as i64];
        let at = part.since.unwrap_or(now);
        Ok(Files { site, at, counts, events, shards: written, refused })
    }

    /// Makes a feed of the files of one site. Its people are known and counted already.
    fn admit_files(
        &self,
        transaction: &Transaction<'_>,
        ring: &Ring,
        id: i64,
        files: &Files,
    ) -> Result<(), StoreError> {
        let Files { site, at, counts: [accepted, refused], events, shards, .. } = files;
        // A name that no other content has.
        let content = self.content_name(&random_bytes::<32>());
        let seal = |column, text: &str| self.columns.seal("feeds", column, id, text.as_bytes());
        let (none, nothing): (Option<i64>, i64) = (None, 0);
        let values: [&dyn rusqlite::ToSql; 18] = [
            &id,
            &content,
            &seal("source", LIVE_SOURCE),
            site,
            &at.micros(),
            &none,
            &none,
            &(accepted + refused),
            accepted,
            &nothing,
            refused,
            &none,
            &FeedState::Admitted.name(),
            &seal("reasons", ""),
            &seal("decision", ""),
            &none,
            &nothing,
            &Sha256::default().finish(),
        ];
        self.rows.insert(transaction, &FEEDS, &values)?;
        for (plan, written) in shards {
            let shard = self.insert_shard(transaction, id, plan.split.name(), written)?;
            for placed in &plan.placed {
                let pseudonym = placed.subject.reveal();
                let span = Extent::of(&events.rows[placed.range.clone()]).to_bytes();
                let columns = ring.columns_of(placed.subject)?;
                let span = columns.seal("ranges", "span", pseudonym, &span);
                let (first, count) = (placed.first_row as i64, placed.range.len() as i64);
                let values: [&dyn rusqlite::ToSql; 5] = [&pseudonym, &shard, &first, &count, &span];
                self.rows.insert(transaction, &RANGES, &values)?;
            }
        }
        match &files.refused {
            Some(refused) => self.insert_quarantine(transaction, id, refused),
            None => Ok(()),
        }
    }
}

/// What a feed of live events is called.
pub const LIVE_SOURCE: &str = "live events";

/// Rows that are folded together: some ten MB in memory, and a second in one transaction.
const FOLD_ROWS: usize = 1 << 17;

/// Bytes of rows that are folded together: one that was refused can be as long as a request.
const FOLD_BYTES: usize = 64 << 20;
