//! What a feed says about people before it counts: whom it names, and where their events are.
//!
//! Each portion of a feed puts its rows here; one transaction turns them into subjects and ranges
//! when the feed is admitted, at the end of an ingest or when a held feed is released. Rows that
//! no feed names are left of an interrupted ingest and are removed with its files.
//!
//! # Invariants
//!
//! - A row is covered by its MAC, and all rows of a feed by a digest: in the memory of whoever
//!   writes the feed, and in the feed's row while it is held.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Row, Transaction, TransactionBehavior};
use twinkeep_domain::{Event, SourceSubject, Subject};
use twinkeep_vault::SplitHasher;
use twinkeep_vault::digest::Sha256;

use crate::catalog::Columns;
use crate::error::catalog;
use crate::extent::Extent;
use crate::keyring::Ring;
use crate::plan::Plan;
use crate::rows::{RANGES, STAGED, SUBJECTS};
use crate::{Store, StoreError};

/// The people of a portion.
pub(crate) struct People<'a> {
    pub(crate) feed: i64,
    /// Who is behind each pseudonym, with the site.
    pub(crate) names: &'a BTreeMap<Subject, SourceSubject>,
    pub(crate) splits: &'a SplitHasher,
    pub(crate) ring: &'a Ring,
}

/// A row of `staged`.
pub(crate) struct StagedRow {
    pub(crate) pseudonym: i64,
    pub(crate) split: String,
    /// Sealed.
    pub(crate) source: Vec<u8>,
    /// The shard.
    pub(crate) file: Option<String>,
    pub(crate) first_row: i64,
    pub(crate) row_count: i64,
    /// Sealed.
    pub(crate) span: Vec<u8>,
}

impl Store {
    /// Puts down the people of a portion and where their events are.
    pub(crate) fn stage(
        &self,
        people: &People<'_>,
        plans: &[Plan],
        rows: &[Event],
        digest: &mut Sha256,
    ) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(catalog("begin"))?;
        let select = "SELECT coalesce(max(id), 0) FROM staged";
        let last: i64 = transaction
            .query_row(select, [], |row| row.get(0))
            .map_err(catalog("stage the subjects"))?;
        let mut ids = last + 1..;
        let mut insert = |subject: Subject, file: Option<&str>, place: (usize, &[Event])| {
            let id = ids.next().unwrap_or(i64::MAX);
            let row = staged(people, subject, file, place)?;
            let mac = self.insert_staged(&transaction, id, people.feed, &row)?;
            digest.update(&mac);
            Ok::<_, StoreError>(())
        };
        let mut with_events = BTreeSet::new();
        for plan in plans {
            for placed in &plan.placed {
                let events = &rows[placed.range.clone()];
                insert(placed.subject, Some(&plan.file), (placed.first_row, events))?;
                with_events.insert(placed.subject);
            }
        }
        for subject in people.names.keys().filter(|subject| !with_events.contains(subject)) {
            insert(*subject, None, (0, &[]))?;
        }
        transaction.commit().map_err(catalog("stage the subjects"))
    }

    /// Inserts a row of `staged` and returns its MAC.
    fn insert_staged(
        &self,
        transaction: &Transaction<'_>,
        id: i64,
        feed: i64,
        row: &StagedRow,
    ) -> Result<[u8; 32], StoreError> {
        let StagedRow { pseudonym, split, source, file, first_row, row_count, span } = row;
        self.rows.insert(
            transaction,
            &STAGED,
            &[&id, &feed, pseudonym, split, source, file, first_row, row_count, span],
        )
    }

    /// Replaces a row of `staged`.
    pub(crate) fn replace_staged(
        &self,
        transaction: &Transaction<'_>,
        id: i64,
        feed: i64,
        row: &StagedRow,
    ) -> Result<(), StoreError> {
        let StagedRow { pseudonym, split, source, file, first_row, row_count, span } = row;
        self.rows.replace(
            transaction,
            &STAGED,
            &[&id, &feed, pseudonym, split, source, file, first_row, row_count, span],
        )
    }

    /// Lets what is staged point to a file that took the place of another, row for row. The caller
    /// authenticates what is staged anew.
    pub(crate) fn rename_staged(
        &self,
        transaction: &Transaction<'_>,
        feed: i64,
        old: &str,
        new: &str,
    ) -> Result<(), StoreError> {
        let cannot = catalog("change what is staged");
        let select =
            format!("SELECT {} FROM staged WHERE feed = ?1 AND file = ?2", STAGED.selection());
        let mut statement = transaction.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query((feed, old)).map_err(&cannot)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(&cannot)? {
            self.rows.check(&STAGED, row)?;
            found.push((row.get::<_, i64>(1).map_err(&cannot)?, staged_row(row).map_err(&cannot)?));
        }
        drop(rows);
        for (id, mut row) in found {
            row.file = Some(new.to_owned());
            self.replace_staged(transaction, id, feed, &row)?;
        }
        Ok(())
    }

    /// Visits the rows of a feed, verified, in the order in which they were put down. What was
    /// visited counts only if this succeeds.
    pub(crate) fn scan_staged(
        &self,
        connection: &Connection,
        feed: i64,
        expected: &[u8; 32],
        visit: &mut dyn FnMut(StagedRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let cannot = catalog("read what is staged");
        let select =
            format!("SELECT {} FROM staged WHERE feed = ?1 ORDER BY id", STAGED.selection());
        let mut statement = connection.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query([feed]).map_err(&cannot)?;
        let mut digest = Sha256::default();
        while let Some(row) = rows.next().map_err(&cannot)? {
            digest.update(&self.rows.check(&STAGED, row)?);
            visit(staged_row(row).map_err(&cannot)?)?;
        }
        match digest.finish() == *expected {
            true => Ok(()),
            false => Err(StoreError::RowChanged { table: "staged" }),
        }
    }

    /// Turns the rows of a feed into subjects and ranges. `shards` are the feed's, by file.
    pub(crate) fn admit(
        &self,
        transaction: &Transaction<'_>,
        feed: i64,
        digest: &[u8; 32],
        shards: &BTreeMap<String, i64>,
    ) -> Result<(), StoreError> {
        let cannot = catalog("admit the feed");
        let ring = self.keyring.now()?;
        let mut added = 0;
        self.scan_staged(transaction, feed, digest, &mut |row| {
            added += i64::from(self.admit_subject(transaction, &ring, &row)?);
            let Some(file) = &row.file else { return Ok(()) };
            let Some(shard) = shards.get(file) else {
                return Err(StoreError::RowChanged { table: "staged" });
            };
            let StagedRow { pseudonym, first_row, row_count, span, .. } = &row;
            self.rows
                .insert(transaction, &RANGES, &[pseudonym, shard, first_row, row_count, span])
                .map(drop)
        })?;
        transaction.execute("DELETE FROM staged WHERE feed = ?1", [feed]).map_err(&cannot)?;
        transaction
            .execute("UPDATE store SET subject_count = subject_count + ?1", [added])
            .map_err(cannot)?;
        Ok(())
    }

    /// Adds events to a subject; returns whether it is a new one.
    pub(crate) fn admit_subject(
        &self,
        transaction: &Transaction<'_>,
        ring: &Ring,
        row: &StagedRow,
    ) -> Result<bool, StoreError> {
        let StagedRow { pseudonym, split, source, row_count, span, .. } = row;
        let subject = Subject::from_pseudonym(*pseudonym)
            .ok_or(StoreError::RowChanged { table: "staged" })?;
        if ring.is_erased(subject) && row.file.is_none() {
            // Erased while the feed was held, which only named the subject.
            return Ok(false);
        }
        let columns = ring.columns_of(subject)?;
        let extent = range_extent(&columns, *pseudonym, span)?;
        let known = self.subject_row(transaction, subject)?;
        let Some(known) = known else {
            let span = columns.seal("subjects", "span", *pseudonym, &extent.to_bytes());
            let values: [&dyn rusqlite::ToSql; 5] = [pseudonym, split, source, row_count, &span];
            return self.rows.insert(transaction, &SUBJECTS, &values).map(|_| true);
        };
        let open = |source: &[u8]| columns.open("subjects", "source", *pseudonym, source);
        if open(&known.source)?.expose() != open(source)?.expose() {
            return Err(StoreError::SubjectCollision);
        }
        let extent = extent.join(subject_extent(&columns, *pseudonym, &known.span)?);
        let span = columns.seal("subjects", "span", *pseudonym, &extent.to_bytes());
        let count = known.event_count + row_count;
        let values: [&dyn rusqlite::ToSql; 5] =
            [pseudonym, &known.split, &known.source, &count, &span];
        self.rows.replace(transaction, &SUBJECTS, &values).map(|()| false)
    }
}

/// Makes the row of one person.
pub(crate) fn staged(
    people: &People<'_>,
    subject: Subject,
    file: Option<&str>,
    (first_row, events): (usize, &[Event]),
) -> Result<StagedRow, StoreError> {
    let pseudonym = subject.reveal();
    let columns = people.ring.columns_of(subject)?;
    let unknown = StoreError::Refused { what: "subject", state: "not in the mapping" };
    let source = people.names.get(&subject).ok_or(unknown)?.reveal().as_bytes();
    let span = Extent::of(events).to_bytes();
    Ok(StagedRow {
        pseudonym,
        split: people.splits.split(subject).name().to_owned(),
        source: columns.seal("subjects", "source", pseudonym, source),
        file: file.map(str::to_owned),
        first_row: first_row as i64,
        row_count: events.len() as i64,
        span: columns.seal("ranges", "span", pseudonym, &span),
    })
}

/// Opens the times of a range.
pub(crate) fn range_extent(
    columns: &Columns,
    pseudonym: i64,
    span: &[u8],
) -> Result<Extent, StoreError> {
    open_range(columns, pseudonym, span).map(|(extent, _)| extent)
}

/// Opens the times of a range, and of which feeds its rows are; none if of the shard's alone.
pub(crate) fn open_range(
    columns: &Columns,
    pseudonym: i64,
    span: &[u8],
) -> Result<(Extent, BTreeSet<i64>), StoreError> {
    let changed = StoreError::RowChanged { table: "ranges" };
    let span = columns.open("ranges", "span", pseudonym, span)?;
    let (times, feeds) = span.expose().split_at_checked(Extent::LEN).unwrap_or((&[], &[]));
    let (feeds, rest) = feeds.as_chunks::<8>();
    match (Extent::from_bytes(times), rest.is_empty()) {
        (Some(extent), true) => {
            Ok((extent, feeds.iter().map(|it| i64::from_be_bytes(*it)).collect()))
        }
        _ => Err(changed),
    }
}

/// Seals the times of a range, and of which feeds its rows are.
pub(crate) fn seal_range(
    columns: &Columns,
    pseudonym: i64,
    extent: Extent,
    feeds: &BTreeSet<i64>,
) -> Vec<u8> {
    let mut span = extent.to_bytes().to_vec();
    span.extend(feeds.iter().flat_map(|feed| feed.to_be_bytes()));
    columns.seal("ranges", "span", pseudonym, &span)
}

/// Opens the times of a subject.
pub(crate) fn subject_extent(
    columns: &Columns,
    pseudonym: i64,
    span: &[u8],
) -> Result<Extent, StoreError> {
    let span = columns.open("subjects", "span", pseudonym, span)?;
    Extent::from_bytes(span.expose()).ok_or(StoreError::RowChanged { table: "subjects" })
}

/// Reads a row, selected as [`crate::rows::Table::selection`].
pub(crate) fn staged_row(row: &Row<'_>) -> rusqlite::Result<StagedRow> {
    Ok(StagedRow {
        pseudonym: row.get(3)?,
        split: row.get(4)?,
        source: row.get(5)?,
        file: row.get(6)?,
        first_row: row.get(7)?,
        row_count: row.get(8)?,
        span: row.get(9)?,
    })
}
