//! Adding a feed: files first, then one transaction that makes them count.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use rusqlite::{Connection, Transaction};
use twinkeep_domain::{Event, Screened, SourceSubject, Split, Subject, Timestamp};
use twinkeep_vault::digest::hmac_sha256;
use twinkeep_vault::{Purpose, SplitHasher};

use crate::catalog::Columns;
use crate::error::catalog;
use crate::feeds::FeedId;
use crate::files::{FileNumbers, WriterLock, remove_garbage};
use crate::keyring::Ring;
use crate::layout::{quarantine_file, shard_file};
use crate::quarantine::{quarantine, write_quarantine};
use crate::rows::{FEEDS, QUARANTINE, SENDERS, SHARDS, SUBJECTS};
use crate::senders::find_sender;
use crate::shard::{shards, write_shard};
use crate::table::Written;
use crate::{Store, StoreError};

/// A feed that is to be added.
#[derive(Clone, Copy)]
pub struct NewFeed<'a> {
    /// What the person called it; kept sealed.
    pub source: &'a str,
    /// SHA-256 of its content: the same content is refused the second time.
    pub digest: [u8; 32],
    /// When.
    pub ingested_at: Timestamp,
    /// What became of its rows.
    pub counts: FeedCounts,
    /// Who sent it, if it was a sealed feed.
    pub delivery: Option<Delivery<'a>>,
}

/// What became of the rows of a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedCounts {
    /// Rows that were read.
    pub read: u64,
    /// Rows that passed.
    pub accepted: u64,
    /// Rows whose value says "not recorded".
    pub missing: u64,
    /// Rows that were refused.
    pub quarantined: u64,
}

/// Who sent a sealed feed, and where it is in the sender's order.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// The name of the sender's key.
    pub sender: &'a str,
    /// Its number among the sender's feeds.
    pub sequence: u64,
    /// The digest of its manifest, which the sender's next feed names.
    pub manifest_digest: [u8; 32],
}

/// A row that intake refused.
#[derive(Clone, Copy)]
pub struct RefusedRow<'a> {
    /// Name of the file within the source.
    pub file: &'a str,
    /// Line or row, counted from 1; 0 if it is the whole file.
    pub row: u64,
    /// The field that was wrong, if it was one.
    pub field: Option<&'a str>,
    /// The permanent name of the reason.
    pub reason: &'a str,
    /// The row as it came.
    pub raw: &'a [u8],
}

/// Points between which a crash is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Locked,
    Planned,
    ShardWritten,
    QuarantineWritten,
    RowsInserted,
    Committed,
}

/// What a feed brings.
struct Parts<'a> {
    feed: &'a NewFeed<'a>,
    screened: &'a Screened,
    mapping: &'a [(Subject, SourceSubject)],
    splits: &'a SplitHasher,
}

/// The rows of one subject, and where they go.
struct Placed {
    subject: Subject,
    range: Range<usize>,
    /// Row within the shard.
    first_row: usize,
}

/// A shard that is to be written.
struct Plan {
    split: Split,
    file: String,
    placed: Vec<Placed>,
    row_count: usize,
}

impl Store {
    /// Adds a feed: its events, whom they are about, and the rows that were refused.
    ///
    /// After a crash it is there once or not at all. Takes one caller at a time across all
    /// processes; a second one is told [`StoreError::Busy`].
    pub fn add_feed(
        &self,
        feed: &NewFeed<'_>,
        screened: &Screened,
        mapping: &[(Subject, SourceSubject)],
        refused: &mut dyn Iterator<Item = RefusedRow<'_>>,
        splits: &SplitHasher,
    ) -> Result<FeedId, StoreError> {
        self.add_feed_stepwise(feed, screened, mapping, refused, splits, &|_| ())
    }

    pub(crate) fn add_feed_stepwise(
        &self,
        feed: &NewFeed<'_>,
        screened: &Screened,
        mapping: &[(Subject, SourceSubject)],
        refused: &mut dyn Iterator<Item = RefusedRow<'_>>,
        splits: &SplitHasher,
        after: &dyn Fn(Step),
    ) -> Result<FeedId, StoreError> {
        let lock = WriterLock::take(&self.dir)?.ok_or(StoreError::Busy)?;
        after(Step::Locked);
        let parts = Parts { feed, screened, mapping, splits };
        let added = self.add_locked(&parts, refused, &lock, after);
        // Nothing is removed on the word of a catalog that does not hold.
        if !matches!(added, Ok(_) | Err(StoreError::RowChanged { .. })) {
            // What was written is garbage now. Should this fail too, the next opening removes it.
            let _ = remove_garbage(&self.dir, &self.connection(), &lock);
        }
        added
    }

    fn add_locked(
        &self,
        parts: &Parts<'_>,
        refused: &mut dyn Iterator<Item = RefusedRow<'_>>,
        lock: &WriterLock,
        after: &dyn Fn(Step),
    ) -> Result<FeedId, StoreError> {
        let &Parts { feed, screened, mapping, splits } = parts;
        let content = self.content_name(&feed.digest);
        let delivery = feed.delivery.as_ref();
        let (id, _) = self.read(|connection| self.check_new(connection, &content, delivery))?;
        let rows = &screened.events().rows;
        let ring = self.keyring.now()?;
        let mut numbers = self.read(|connection| FileNumbers::after(connection, &ring, lock))?;
        let plans = plan(&mut numbers, rows, splits);
        after(Step::Planned);
        let written = self.write_shards(screened, &plans, after)?;
        let sealed = quarantine(&self.dir, Arc::clone(&ring));
        let mut refused = refused.peekable();
        let quarantined = match refused.peek() {
            Some(_) => {
                let name = quarantine_file(numbers.next());
                Some(write_quarantine(&sealed, &name, &mut refused)?)
            }
            None => None,
        };
        after(Step::QuarantineWritten);
        self.change(&[&FEEDS, &SENDERS, &SHARDS, &QUARANTINE], |transaction| {
            let (_, sender) = self.check_new(transaction, &content, delivery)?;
            self.insert_feed(transaction, id, feed, &content, sender)?;
            self.insert_subjects(transaction, &ring, mapping, rows, splits)?;
            self.insert_files(transaction, id, &plans, &written, quarantined.as_ref())?;
            after(Step::RowsInserted);
            Ok(())
        })?;
        after(Step::Committed);
        Ok(FeedId(id))
    }

    /// The keep's own name for a content: who has the disk cannot test a guess.
    fn content_name(&self, digest: &[u8; 32]) -> [u8; 32] {
        hmac_sha256(&self.root.derive(Purpose::CatalogColumn, b"feeds/content"), digest)
    }

    fn write_shards(
        &self,
        screened: &Screened,
        plans: &[Plan],
        after: &dyn Fn(Step),
    ) -> Result<Vec<Written>, StoreError> {
        let sealed = shards(&self.dir, self.keyring.now()?);
        let mut written = Vec::with_capacity(plans.len());
        for plan in plans {
            let ranges: Vec<_> = plan.placed.iter().map(|placed| placed.range.clone()).collect();
            written.push(write_shard(&sealed, &plan.file, screened.events(), &ranges)?);
            after(Step::ShardWritten);
        }
        Ok(written)
    }

    fn insert_feed(
        &self,
        transaction: &Transaction<'_>,
        id: i64,
        feed: &NewFeed<'_>,
        content: &[u8; 32],
        sender: Option<i64>,
    ) -> Result<(), StoreError> {
        let cannot = catalog("add the feed");
        let source = self.columns.seal("feeds", "source", id, feed.source.as_bytes());
        let sequence = feed.delivery.map(|delivery| delivery.sequence as i64);
        let FeedCounts { read, accepted, missing, quarantined } = feed.counts;
        let insert = "INSERT INTO feeds (id, content, source, ingested_at, sender, sequence,
            rows_read, rows_accepted, rows_missing, rows_quarantined)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let at = feed.ingested_at.micros();
        let counts = [read, accepted, missing, quarantined].map(|count| count as i64);
        let [read, accepted, missing, quarantined] = counts;
        transaction
            .execute(
                insert,
                rusqlite::params![
                    id,
                    content,
                    source,
                    at,
                    sender,
                    sequence,
                    read,
                    accepted,
                    missing,
                    quarantined
                ],
            )
            .map_err(&cannot)?;
        if let (Some(sender), Some(delivery)) = (sender, feed.delivery) {
            transaction
                .execute(
                    "UPDATE senders SET last_sequence = ?2, last_manifest = ?3 WHERE id = ?1",
                    (sender, sequence, delivery.manifest_digest),
                )
                .map_err(cannot)?;
            self.rows.seal(transaction, &SENDERS, &sender)?;
        }
        self.rows.seal(transaction, &FEEDS, &id)
    }

    fn insert_subjects(
        &self,
        transaction: &Transaction<'_>,
        ring: &Ring,
        mapping: &[(Subject, SourceSubject)],
        rows: &[Event],
        splits: &SplitHasher,
    ) -> Result<(), StoreError> {
        let cannot = catalog("add the subjects");
        let mut events: BTreeMap<Subject, &[Event]> = BTreeMap::new();
        for range in subject_ranges(rows) {
            events.insert(rows[range.start].subject, &rows[range]);
        }
        let mut insert = transaction
            .prepare(
                "INSERT INTO subjects (pseudonym, split, source, event_count, span)
                VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (pseudonym)
                DO UPDATE SET event_count = excluded.event_count, span = excluded.span",
            )
            .map_err(&cannot)?;
        let mut subject_count = 0;
        for (subject, source) in mapping {
            let pseudonym = subject.reveal();
            let new = span(events.get(subject).copied().unwrap_or_default());
            let columns = ring.columns_of(*subject)?;
            let known = self.known(transaction, &columns, *subject, source)?;
            subject_count += i64::from(known.is_none());
            let (known_count, old) = known.unwrap_or_default();
            let span = match (old, new) {
                (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
                (old, new) => old.or(new),
            };
            let count = events.get(subject).map_or(0, |events| events.len() as i64);
            let count = known_count + count;
            let sealed = columns.seal("subjects", "span", pseudonym, &write_span(span));
            let source = source.reveal().as_bytes();
            let source = columns.seal("subjects", "source", pseudonym, source);
            let split = splits.split(*subject).name();
            insert.execute((pseudonym, split, source, count, sealed)).map_err(&cannot)?;
            self.rows.seal(transaction, &SUBJECTS, &pseudonym)?;
        }
        transaction
            .execute("UPDATE store SET subject_count = subject_count + ?1", [subject_count])
            .map_err(cannot)?;
        Ok(())
    }

    /// Returns the number of events and the span of a subject that is there already, having
    /// checked that it is the same person.
    fn known(
        &self,
        transaction: &Transaction<'_>,
        columns: &Columns,
        subject: Subject,
        source: &SourceSubject,
    ) -> Result<Option<(i64, Option<Span>)>, StoreError> {
        let pseudonym = subject.reveal();
        let Some(known) = self.subject_row(transaction, subject)? else { return Ok(None) };
        let known_source = columns.open("subjects", "source", pseudonym, &known.source)?;
        if known_source.expose() != source.reveal().as_bytes() {
            return Err(StoreError::SubjectCollision);
        }
        let span = columns.open("subjects", "span", pseudonym, &known.span)?;
        Ok(Some((known.event_count, read_span(span.expose()))))
    }

    /// Refuses a feed that is there already or out of its sender's order; returns the number that
    /// it gets and the sender's row.
    fn check_new(
        &self,
        connection: &Connection,
        content: &[u8; 32],
        delivery: Option<&Delivery<'_>>,
    ) -> Result<(i64, Option<i64>), StoreError> {
        let mut known = None;
        let mut last = 0;
        self.rows.scan(connection, &FEEDS, &mut |row| {
            last = row.get(1)?;
            if row.get::<_, [u8; 32]>(2)? == *content {
                known = Some(last);
            }
            Ok(())
        })?;
        if let Some(feed) = known {
            return Err(StoreError::FeedAlreadyIngested { feed });
        }
        let Some(delivery) = delivery else { return Ok((last + 1, None)) };
        let refused = |state| Err(StoreError::Refused { what: "sender", state });
        let found = find_sender(&self.rows, connection, delivery.sender)?;
        let Some((row, sender)) = found else { return refused("not known") };
        if sender.revoked_at.is_some() {
            return refused("revoked");
        }
        match sender.last_sequence {
            Some(last) if delivery.sequence <= last => {
                Err(StoreError::FeedReplayed { sequence: delivery.sequence, last })
            }
            _ => Ok((last + 1, Some(row))),
        }
    }

    fn insert_files(
        &self,
        transaction: &Transaction<'_>,
        feed: i64,
        plans: &[Plan],
        written: &[Written],
        quarantined: Option<&Written>,
    ) -> Result<(), StoreError> {
        let cannot = catalog("add the shards");
        let mut range = transaction
            .prepare(
                "INSERT INTO ranges (subject, shard, first_row, row_count) VALUES (?1, ?2, ?3, ?4)",
            )
            .map_err(&cannot)?;
        for (plan, written) in plans.iter().zip(written) {
            let Written { file, row_count, sha256 } = written;
            transaction
                .execute(
                    "INSERT INTO shards (feed, split, file, row_count, sha256)
                    VALUES (?1, ?2, ?3, ?4, ?5)",
                    (feed, plan.split.name(), file, row_count, sha256),
                )
                .map_err(&cannot)?;
            let shard = transaction.last_insert_rowid();
            self.rows.seal(transaction, &SHARDS, &shard)?;
            for placed in &plan.placed {
                let first = placed.first_row as i64;
                let count = placed.range.len() as i64;
                range.execute((placed.subject.reveal(), shard, first, count)).map_err(&cannot)?;
            }
        }
        if let Some(Written { file, row_count, sha256 }) = quarantined {
            transaction
                .execute(
                    "INSERT INTO quarantine (feed, file, row_count, sha256)
                    VALUES (?1, ?2, ?3, ?4)",
                    (feed, file, row_count, sha256),
                )
                .map_err(cannot)?;
            self.rows.seal(transaction, &QUARANTINE, &feed)?;
        }
        Ok(())
    }
}

/// Cuts the events into shards: by split, at most [`SHARD_ROWS_MAX`] rows each, and one range of
/// rows for each subject in each shard.
fn plan(numbers: &mut FileNumbers, rows: &[Event], splits: &SplitHasher) -> Vec<Plan> {
    let mut open: BTreeMap<Split, Plan> = BTreeMap::new();
    let mut done = Vec::new();
    for range in subject_ranges(rows) {
        let subject = rows[range.start].subject;
        let split = splits.split(subject);
        let mut start = range.start;
        while start < range.end {
            let end = range.end.min(start + SHARD_ROWS_MAX);
            let full = |plan: &Plan| SHARD_ROWS_MAX < plan.row_count + (end - start);
            if open.get(&split).is_some_and(full) {
                done.extend(open.remove(&split));
            }
            let plan = open.entry(split).or_insert_with(|| {
                let file = shard_file(split, numbers.next());
                Plan { split, file, placed: Vec::new(), row_count: 0 }
            });
            plan.placed.push(Placed { subject, range: start..end, first_row: plan.row_count });
            plan.row_count += end - start;
            start = end;
        }
    }
    done.extend(open.into_values());
    done
}

/// Returns the range of each subject's rows; they are sorted by subject.
fn subject_ranges(rows: &[Event]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    rows.chunk_by(|left, right| left.subject == right.subject).map(move |chunk| {
        start += chunk.len();
        start - chunk.len()..start
    })
}

/// First and last time of a subject.
pub(crate) type Span = (Timestamp, Timestamp);

fn span(events: &[Event]) -> Option<Span> {
    let mut times = events.iter().filter_map(|event| event.time);
    let first = times.next()?;
    Some((first, times.next_back().unwrap_or(first)))
}

/// A span is always 17 bytes, so that its length says nothing.
fn write_span(span: Option<Span>) -> [u8; 17] {
    let mut bytes = [0; 17];
    if let Some((first, last)) = span {
        bytes[0] = 1;
        bytes[1..9].copy_from_slice(&first.micros().to_be_bytes());
        bytes[9..].copy_from_slice(&last.micros().to_be_bytes());
    }
    bytes
}

pub(crate) fn read_span(bytes: &[u8]) -> Option<Span> {
    let time = |bytes: &[u8]| {
        bytes.try_into().ok().map(|bytes| Timestamp::from_micros(i64::from_be_bytes(bytes)))
    };
    match bytes {
        [1, rest @ ..] if rest.len() == 16 => Some((time(&rest[..8])?, time(&rest[8..])?)),
        _ => None,
    }
}

/// About 10 MB encrypted: erasing a subject rewrites no more than this.
const SHARD_ROWS_MAX: usize = 1 << 20;
