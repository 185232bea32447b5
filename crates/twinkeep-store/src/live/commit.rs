//! Committing batches of live events: one transaction for all that wait.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use twinkeep_domain::{Event, SourceSubject, Subject};
use twinkeep_vault::digest::to_hex;
use twinkeep_vault::{SecretBytes, SplitHasher};

use super::row::{EventContent, Key, RefusedContent, key};
use super::{
    LIVE_ROW_COUNT_MAX, LateRefusal, LiveBatch, LiveOrigin, LiveOutcome, LiveRefused, set,
};
use crate::catalog::connect;
use crate::error::catalog;
use crate::keyring::Ring;
use crate::layout::{CATALOG, path};
use crate::plan::subject_ranges;
use crate::rows::{LIVE_ROWS, STORE};
use crate::shard::{Collector, shards};
use crate::staged::{People, staged};
use crate::{Store, StoreError};

/// What only the thread that commits may use.
#[derive(Default)]
pub(super) struct Writer {
    /// A connection of its own: readers of this process do not wait for the disk with it.
    connection: Option<Connection>,
    known: BTreeMap<Subject, Known>,
}

/// One subject's events in files, to find duplicates without reading the files each time.
struct Known {
    /// The digest of the ranges in which they are: others make this worthless.
    place: String,
    keys: BTreeSet<Key>,
}

/// How far the table has come within a transaction.
struct Head {
    count: i64,
    last: i64,
    sum: [u8; 32],
}

/// What kind of row is added.
#[derive(Clone, Copy)]
struct NewRow {
    subject: Option<Subject>,
    refused: bool,
}

type BatchResult = Result<LiveOutcome, StoreError>;

impl Store {
    /// Commits batches together; returns what became of each. If this fails, none was stored.
    pub(super) fn commit_live(
        &self,
        writer: &mut Writer,
        batches: &[LiveBatch],
        splits: &SplitHasher,
    ) -> Result<Vec<BatchResult>, StoreError> {
        let Writer { connection, known } = writer;
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(connect(&path(&self.dir, CATALOG))?),
        };
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(catalog("begin"))?;
        let mut head = self.live_head(&transaction)?;
        let mut results = Vec::with_capacity(batches.len());
        for batch in batches {
            let before = Head { ..head };
            save(&transaction, "SAVEPOINT batch")?;
            let result = self.add_batch(&transaction, known, &mut head, batch, splits);
            if result.is_err() {
                save(&transaction, "ROLLBACK TO batch")?;
                head = before;
            }
            save(&transaction, "RELEASE batch")?;
            results.push(result);
        }
        if let Some(batch) = batches.first() {
            self.forget_answers(&transaction, batch.received_at)?;
        }
        self.write_live_head(&transaction, &head)?;
        self.rows.seal_tables(&transaction, &[])?;
        let committed = transaction.commit().map_err(catalog("commit"));
        self.versions.note_change();
        committed.map(|()| results)
    }

    fn add_batch(
        &self,
        transaction: &Transaction<'_>,
        known: &mut BTreeMap<Subject, Known>,
        head: &mut Head,
        batch: &LiveBatch,
        splits: &SplitHasher,
    ) -> BatchResult {
        if let Some(request) = &batch.request
            && let Some(answer) = self.answered(transaction, request)?
        {
            return Ok(LiveOutcome { answer, repeated: true });
        }
        let rows = batch.origins.len() + batch.refused.len();
        if LIVE_ROW_COUNT_MAX < head.count as u64 + rows as u64 {
            return Err(StoreError::LiveFull { limit: LIVE_ROW_COUNT_MAX });
        }
        let events = batch.screened.events();
        let mut fresh: Vec<Event> = Vec::with_capacity(events.rows.len());
        let mut late: Vec<LateRefusal> = Vec::new();
        let ring = self.keyring.now()?;
        for rows in events.rows.chunk_by(|left, right| left.subject == right.subject) {
            let Some(subject) = rows.first().map(|event| event.subject) else { continue };
            let start = fresh.len() + late.len();
            let origins = batch.origins.get(start..start + rows.len()).ok_or(UNEQUAL)?;
            if ring.is_erased(subject) {
                // Nothing of a person who was erased is kept, not even this.
                let refuse = |origin: &LiveOrigin| LateRefusal { row: origin.row, reason: ERASED };
                late.extend(origins.iter().map(refuse));
                continue;
            }
            let mut live = self.live_keys(transaction, subject)?;
            let filed = self.filed_keys(transaction, known, subject)?;
            for (event, origin) in rows.iter().zip(origins) {
                let code = events.codes().get(event.code as usize).ok_or(UNEQUAL)?;
                let content = EventContent::new(event, code, batch.received_at);
                let key = content.key();
                if filed.contains(&key) || !live.insert(key) {
                    let refused = duplicate(subject, origin);
                    self.insert_refused(transaction, head, &refused, batch)?;
                    late.push(LateRefusal { row: origin.row, reason: DUPLICATE });
                } else {
                    let new = NewRow { subject: Some(subject), refused: false };
                    self.insert_row(transaction, head, new, &content.encode())?;
                    fresh.push(event.clone());
                }
            }
        }
        let mine = |refused: &&LiveRefused| {
            !refused.subject.is_some_and(|subject| ring.is_erased(subject))
        };
        for refused in batch.refused.iter().filter(mine) {
            self.insert_refused(transaction, head, refused, batch)?;
        }
        self.admit_people(transaction, &ring, batch, &fresh, splits)?;
        let answer = (batch.answer)(&late);
        if let Some(request) = &batch.request {
            self.remember_answer(transaction, request, &answer, batch.received_at)?;
        }
        Ok(LiveOutcome { answer: SecretBytes::new(answer), repeated: false })
    }

    /// Counts the new events of each person of a batch, and remembers who is new.
    fn admit_people(
        &self,
        transaction: &Transaction<'_>,
        ring: &Ring,
        batch: &LiveBatch,
        fresh: &[Event],
        splits: &SplitHasher,
    ) -> Result<(), StoreError> {
        let mapping = batch.mapping.iter().filter(|(subject, _)| !ring.is_erased(*subject));
        let names: BTreeMap<Subject, SourceSubject> = mapping.cloned().collect();
        // The row is never put down as staged: it only carries what `admit_subject` takes.
        let people = People { feed: 0, names: &names, splits, ring };
        let mut events: BTreeMap<Subject, &[Event]> = BTreeMap::new();
        for range in subject_ranges(fresh) {
            events.insert(fresh[range.start].subject, &fresh[range]);
        }
        let mut added = 0;
        for &subject in names.keys() {
            let events = events.get(&subject).copied().unwrap_or_default();
            let row = staged(&people, subject, None, (0, events))?;
            added += i64::from(self.admit_subject(transaction, ring, &row)?);
        }
        transaction
            .execute("UPDATE store SET subject_count = subject_count + ?1", [added])
            .map_err(catalog("add the subjects"))?;
        Ok(())
    }

    fn insert_refused(
        &self,
        transaction: &Transaction<'_>,
        head: &mut Head,
        refused: &LiveRefused,
        batch: &LiveBatch,
    ) -> Result<(), StoreError> {
        let content = RefusedContent::encode(refused, batch.received_at);
        let new = NewRow { subject: refused.subject, refused: true };
        self.insert_row(transaction, head, new, &content)
    }

    fn insert_row(
        &self,
        transaction: &Transaction<'_>,
        head: &mut Head,
        new: NewRow,
        content: &SecretBytes,
    ) -> Result<(), StoreError> {
        let cannot = catalog("add a live event");
        let id = head.last + 1;
        let subject = new.subject.map(Subject::reveal);
        let sealed = match new.subject {
            Some(subject) => self.keyring.now()?.columns_of(subject)?.seal(
                "live_rows",
                "content",
                id,
                content.expose(),
            ),
            None => self.columns.seal("live_rows", "content", id, content.expose()),
        };
        transaction
            .prepare_cached(
                "INSERT INTO live_rows (id, refused, subject, content) VALUES (?1, ?2, ?3, ?4)",
            )
            .and_then(|mut insert| insert.execute((id, new.refused, subject, sealed)))
            .map_err(&cannot)?;
        self.rows.seal(transaction, &LIVE_ROWS, &id)?;
        let mac: [u8; 32] = transaction
            .prepare_cached("SELECT mac FROM live_rows WHERE id = ?1")
            .and_then(|mut select| select.query_row([id], |row| row.get(0)))
            .map_err(cannot)?;
        head.last = id;
        head.count += 1;
        head.sum = set::add(&head.sum, &self.rows.live_term(&mac));
        Ok(())
    }

    /// Removes live rows that were verified: they were put into files, or are to be forgotten. The
    /// caller authenticates the row of `store` anew. A row that was changed since it was verified
    /// leaves a sum that no row explains, and is noticed by whoever reads next.
    pub(crate) fn remove_live_rows(
        &self,
        transaction: &Transaction<'_>,
        ids: &[i64],
    ) -> Result<(), StoreError> {
        let cannot = catalog("remove live events");
        let mut head = self.live_head(transaction)?;
        for id in ids {
            let mac: [u8; 32] = transaction
                .prepare_cached("DELETE FROM live_rows WHERE id = ?1 RETURNING mac")
                .and_then(|mut delete| delete.query_row([id], |row| row.get(0)))
                .map_err(&cannot)?;
            head.count -= 1;
            head.sum = set::subtract(&head.sum, &self.rows.live_term(&mac));
        }
        self.write_live_head(transaction, &head)
    }

    /// Returns what is among the live rows of a subject.
    fn live_keys(
        &self,
        transaction: &Transaction<'_>,
        subject: Subject,
    ) -> Result<BTreeSet<Key>, StoreError> {
        let events = self.live_events_of(transaction, subject)?;
        let keys = events
            .iter()
            .map(|event| key(event.time, &event.code, event.value, event.text.as_deref()));
        Ok(keys.collect())
    }

    /// Returns what is in files of a subject.
    fn filed_keys<'k>(
        &self,
        transaction: &Transaction<'_>,
        known: &'k mut BTreeMap<Subject, Known>,
        subject: Subject,
    ) -> Result<&'k BTreeSet<Key>, StoreError> {
        let ranges = self.ranges(transaction, subject)?;
        let name = |(written, rows): &(crate::table::Written, std::ops::Range<usize>)| {
            format!("{} {} {rows:?}\n", written.file, to_hex(&written.sha256))
        };
        let place: String = ranges.iter().map(name).collect();
        if known.get(&subject).is_none_or(|known| known.place != place) {
            let sealed = shards(&self.dir, self.keyring.now()?);
            let mut collector = Collector::default();
            for (written, rows) in ranges {
                sealed.read_rows(&written, slice::from_ref(&rows), &mut |batch| {
                    collector.add(&written.file, batch)
                })?;
            }
            let (codes, events) = collector.finish();
            let keys = events.iter().filter_map(|event| {
                let code = codes.get(event.code as usize)?;
                Some(key(event.time, code, event.value, event.text.as_deref()))
            });
            let keys = keys.collect();
            if KNOWN_SUBJECT_COUNT_MAX <= known.len() {
                known.clear();
            }
            known.insert(subject, Known { place, keys });
        }
        known.get(&subject).map(|known| &known.keys).ok_or(UNEQUAL)
    }

    fn live_head(&self, transaction: &Transaction<'_>) -> Result<Head, StoreError> {
        self.rows.head(transaction, |row| {
            Ok(Head {
                count: row.get("live_count")?,
                last: row.get("live_last")?,
                sum: row.get("live_set")?,
            })
        })
    }

    fn write_live_head(
        &self,
        transaction: &Transaction<'_>,
        head: &Head,
    ) -> Result<(), StoreError> {
        transaction
            .execute(
                "UPDATE store SET live_count = ?1, live_last = ?2, live_set = ?3",
                (head.count, head.last, head.sum),
            )
            .map_err(catalog("count the live events"))?;
        self.rows.seal(transaction, &STORE, &1)
    }
}

fn save(transaction: &Transaction<'_>, statement: &str) -> Result<(), StoreError> {
    transaction.execute_batch(statement).map_err(catalog("set a savepoint"))
}

fn duplicate(subject: Subject, origin: &LiveOrigin) -> LiveRefused {
    let raw = SecretBytes::new(origin.raw.expose().to_vec());
    LiveRefused {
        origin: LiveOrigin { row: origin.row, raw },
        subject: Some(subject),
        field: None,
        reason: DUPLICATE,
    }
}

/// It is in the store already.
const DUPLICATE: &str = "duplicate";

/// The person was erased.
const ERASED: &str = "erased-subject";

/// A batch whose events and origins are not as many.
const UNEQUAL: StoreError = StoreError::Refused { what: "batch of events", state: "not whole" };

/// A ward and its neighbors; 500 events of each take about 50 KiB.
const KNOWN_SUBJECT_COUNT_MAX: usize = 1024;
