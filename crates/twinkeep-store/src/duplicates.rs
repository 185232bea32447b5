//! Finds events of a portion that are there already: in admitted feeds, or in earlier portions.
//!
//! A portion is sorted, and the catalog knows where a subject's rows are and which times they
//! have. So only rows are read that can be the same as a new one, and each is looked up in the
//! portion: exact, in memory that depends on the portion alone.

use std::collections::BTreeMap;
use std::ops::Range;

use arrow_array::RecordBatch;
use rusqlite::Connection;
use twinkeep_domain::{Code, Event, Events, Subject};

use crate::catalog::Columns;
use crate::error::catalog;
use crate::extent::Extent;
use crate::feeds::written_at;
use crate::plan::subject_ranges;
use crate::rows::{RANGES, SHARDS, STAGED};
use crate::shard::{ShardRows, shards};
use crate::staged::range_extent;
use crate::table::Written;
use crate::{Store, StoreError};

/// Rows that can be the same as new ones, by file.
type Earlier = BTreeMap<String, (Written, Vec<Range<usize>>)>;

/// The files of the feed that is being written.
pub(crate) struct Own<'a> {
    pub(crate) feed: i64,
    pub(crate) files: &'a BTreeMap<String, Written>,
}

/// The times of new events of one subject.
struct Times<'a> {
    subject: Subject,
    extent: Extent,
    columns: &'a Columns,
}

impl Times<'_> {
    /// Returns whether rows with this sealed span can be the same.
    fn meet(&self, span: &[u8]) -> Result<bool, StoreError> {
        Ok(self.extent.meets(range_extent(self.columns, self.subject.reveal(), span)?))
    }
}

impl Store {
    /// Returns for each event whether it is there already; `None` if none is. The events are
    /// sorted by subject, time, and code.
    pub(crate) fn find_duplicates(
        &self,
        events: &Events,
        own: &Own<'_>,
    ) -> Result<Option<Vec<bool>>, StoreError> {
        let earlier = self.read(|connection| self.earlier(connection, &events.rows, own))?;
        let sealed = shards(&self.dir, self.keyring.now()?);
        let mut found = vec![false; events.rows.len()];
        for (written, ranges) in earlier.values() {
            sealed.read_rows(written, ranges, &mut |batch| {
                let damaged = || StoreError::Damaged { file: written.file.clone(), source: None };
                mark(events, batch, &mut found).ok_or_else(damaged)
            })?;
        }
        self.read(|connection| self.mark_live(connection, events, &mut found))?;
        Ok(found.contains(&true).then_some(found))
    }

    fn earlier(
        &self,
        connection: &Connection,
        rows: &[Event],
        own: &Own<'_>,
    ) -> Result<Earlier, StoreError> {
        let ring = self.keyring.now()?;
        let mut earlier = Earlier::new();
        let mut admitted: BTreeMap<i64, Vec<Range<usize>>> = BTreeMap::new();
        for range in subject_ranges(rows) {
            let subject = rows[range.start].subject;
            let columns = match ring.columns_of(subject) {
                Err(StoreError::SubjectErased) => continue,
                columns => columns?,
            };
            let times = Times { subject, extent: Extent::of(&rows[range]), columns: &columns };
            self.meeting_ranges(connection, &times, &mut admitted)?;
            if !own.files.is_empty() {
                self.meeting_staged(connection, own, &times, &mut earlier)?;
            }
        }
        let select = format!("SELECT {} FROM shards WHERE id = ?1", SHARDS.selection());
        let cannot = catalog("find a shard");
        let mut statement = connection.prepare_cached(&select).map_err(&cannot)?;
        for (shard, ranges) in admitted {
            let mut found = statement.query([shard]).map_err(&cannot)?;
            let gone = StoreError::RowChanged { table: "shards" };
            let row = found.next().map_err(&cannot)?.ok_or(gone)?;
            self.rows.check(&SHARDS, row)?;
            let written = written_at(4)(row).map_err(&cannot)?;
            earlier.insert(written.file.clone(), (written, ranges));
        }
        for (_, ranges) in earlier.values_mut() {
            ranges.sort_by_key(|range| range.start);
        }
        Ok(earlier)
    }

    /// Finds the admitted rows of a subject that are of the same times.
    fn meeting_ranges(
        &self,
        connection: &Connection,
        times: &Times<'_>,
        found: &mut BTreeMap<i64, Vec<Range<usize>>>,
    ) -> Result<(), StoreError> {
        let cannot = catalog("find a timeline");
        let select = format!("SELECT {} FROM ranges WHERE subject = ?1", RANGES.selection());
        let mut statement = connection.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query([times.subject.reveal()]).map_err(&cannot)?;
        while let Some(row) = rows.next().map_err(&cannot)? {
            self.rows.check(&RANGES, row)?;
            let span: Vec<u8> = row.get(5).map_err(&cannot)?;
            if times.meet(&span)? {
                let shard = row.get(2).map_err(&cannot)?;
                found.entry(shard).or_default().push(row_range(row, 3).map_err(&cannot)?);
            }
        }
        Ok(())
    }

    /// Finds the rows of a subject in earlier portions that are of the same times.
    fn meeting_staged(
        &self,
        connection: &Connection,
        own: &Own<'_>,
        times: &Times<'_>,
        found: &mut Earlier,
    ) -> Result<(), StoreError> {
        let cannot = catalog("find a timeline");
        let select = format!(
            "SELECT {} FROM staged WHERE feed = ?1 AND subject = ?2 AND file IS NOT NULL",
            STAGED.selection()
        );
        let mut statement = connection.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query((own.feed, times.subject.reveal())).map_err(&cannot)?;
        while let Some(row) = rows.next().map_err(&cannot)? {
            self.rows.check(&STAGED, row)?;
            let span: Vec<u8> = row.get(9).map_err(&cannot)?;
            if !times.meet(&span)? {
                continue;
            }
            let file: String = row.get(6).map_err(&cannot)?;
            let gone = StoreError::RowChanged { table: "staged" };
            let written = own.files.get(&file).ok_or(gone)?;
            let (_, ranges) = found.entry(file).or_insert_with(|| (written.clone(), Vec::new()));
            ranges.push(row_range(row, 7).map_err(&cannot)?);
        }
        Ok(())
    }
}

/// Marks the events that are the same as a row of the batch.
fn mark(events: &Events, batch: &RecordBatch, found: &mut [bool]) -> Option<()> {
    let rows = ShardRows::of(batch)?;
    let index_of = |name: Option<&str>| events.index_of(&Code::new(name?)?);
    let codes: Vec<Option<u32>> = rows.codes().map(index_of).collect();
    for row in 0..batch.num_rows() {
        let Some(code) = *codes.get(rows.code(row)?)? else { continue };
        let key = (rows.subject(row)?, rows.time(row), code);
        let start = events.rows.partition_point(|event| key_of(event) < key);
        let value = rows.value(row).map(bits);
        let same = events.rows[start..].iter().take_while(|event| key_of(event) == key);
        for (event, found) in same.zip(&mut found[start..]) {
            *found |= event.value.map(bits) == value && event.text.as_deref() == rows.text(row);
        }
    }
    Some(())
}

pub(crate) fn key_of(event: &Event) -> (Subject, Option<twinkeep_domain::Timestamp>, u32) {
    (event.subject, event.time, event.code)
}

/// 0 and -0 are the same value.
fn bits(value: f32) -> u32 {
    (value + 0.0).to_bits()
}

/// Reads the first row and the number of rows.
pub(crate) fn row_range(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Range<usize>> {
    let first: i64 = row.get(column)?;
    let count: i64 = row.get(column + 1)?;
    Ok(first as usize..first.wrapping_add(count) as usize)
}
