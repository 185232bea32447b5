//! Compaction: many small shards of a split become few large ones, sorted.
//!
//! # Life of a group
//!
//! 1. As many small shards of a split as fit into memory together are read, sorted, and written
//!    as new shards.
//! 2. One transaction puts the new shards, and who is where in them, in the place of the old ones.
//! 3. The old files are removed.
//!
//! Readers go on meanwhile: one who finds a file gone reads the catalog anew. An interruption
//! leaves a group done or not begun.
//!
//! The keys of the old files stay until the next erasure or rotation, which destroys the key of
//! every file that the catalog does not name: they open nothing that the new files do not have,
//! and an older snapshot can be restored meanwhile.
//!
//! # Invariants
//!
//! - Everybody has as many rows after as before, in one range of a group's shards.
//! - Each range says of which feeds its rows are, whatever feed the shard is put down to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use rusqlite::{Connection, Transaction};
use twinkeep_domain::{Events, Split, Subject};

use crate::error::{catalog, file};
use crate::extent::Extent;
use crate::feeds::{admitted, written_at};
use crate::files::{FileNumbers, WriterLock, remove_garbage};
use crate::keyring::Ring;
use crate::layout::path;
use crate::plan::{Plan, SHARD_ROWS_MAX, plan, subject_ranges};
use crate::rows::{RANGES, SHARDS};
use crate::shard::{Collector, shards, write_shard};
use crate::staged::{open_range, seal_range};
use crate::table::Written;
use crate::{Store, StoreError};

/// What a compaction did, or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compaction {
    /// Shards that are replaced.
    pub replaced: u64,
    /// Shards that take their place.
    pub written: u64,
}

/// Points between which a crash is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    ShardWritten,
    Committed,
    FilesRemoved,
}

/// A small shard.
#[derive(PartialEq, Eq)]
struct Small {
    id: i64,
    feed: i64,
    name: String,
    row_count: i64,
    byte_count: u64,
}

/// What is known of a subject in a group: rows, and the feeds that they are of.
type People = BTreeMap<Subject, (i64, BTreeSet<i64>)>;

impl Store {
    /// Merges small shards. `progress` is told after each group.
    pub fn compact(&self, progress: &mut dyn FnMut(Compaction)) -> Result<Compaction, StoreError> {
        self.compact_stepwise(progress, &|_| ())
    }

    /// Returns what a compaction would do.
    pub fn compaction_due(&self) -> Result<Compaction, StoreError> {
        let mut due = Compaction::default();
        for split in Split::ALL {
            for group in self.groups(split)? {
                let rows: i64 = group.iter().map(|shard| shard.row_count).sum();
                due.replaced += group.len() as u64;
                due.written += (rows as u64).div_ceil(SHARD_ROWS_MAX as u64);
            }
        }
        Ok(due)
    }

    pub(crate) fn compact_stepwise(
        &self,
        progress: &mut dyn FnMut(Compaction),
        after: &dyn Fn(Step),
    ) -> Result<Compaction, StoreError> {
        let mut total = Compaction::default();
        for split in Split::ALL {
            // Decided once: what a group becomes is not merged again in the same run.
            for group in self.groups(split)? {
                // Given back between two groups, so that a feed that waits gets its turn.
                let lock = WriterLock::soon(&self.dir)?;
                self.execute_doomed(&lock, &|_| ())?;
                let merged = self.merge(split, &group, &lock, after);
                if !matches!(merged, Ok(_) | Err(StoreError::RowChanged { .. })) {
                    // Should this fail too, the next opening removes it.
                    let _ = remove_garbage(&self.dir, &self.connection(), &lock);
                }
                total.written += merged?;
                total.replaced += group.len() as u64;
                progress(total);
            }
        }
        Ok(total)
    }

    /// Returns the small shards of a split, in groups that fit into memory.
    fn groups(&self, split: Split) -> Result<Vec<Vec<Small>>, StoreError> {
        let mut groups: Vec<Vec<Small>> = Vec::new();
        let (mut rows, mut bytes) = (i64::MAX, u64::MAX);
        for shard in self.read(|connection| self.small_shards(connection, split))? {
            rows = rows.saturating_add(shard.row_count);
            bytes = bytes.saturating_add(shard.byte_count);
            if GROUP_ROWS < rows || GROUP_BYTES < bytes {
                (rows, bytes) = (shard.row_count, shard.byte_count);
                groups.push(Vec::new());
            }
            if let Some(group) = groups.last_mut() {
                group.push(shard);
            }
        }
        groups.retain(|group| 1 < group.len());
        Ok(groups)
    }

    /// Returns the small shards of admitted feeds, the oldest first.
    fn small_shards(
        &self,
        connection: &Connection,
        split: Split,
    ) -> Result<Vec<Small>, StoreError> {
        let admitted = admitted(&self.rows, connection)?;
        let mut found = Vec::new();
        self.rows.scan(connection, &SHARDS, &mut |row| {
            let (id, feed) = (row.get(1)?, row.get(2)?);
            let Written { file: name, row_count, .. } = written_at(4)(row)?;
            let ours = row.get::<_, String>(3)? == split.name() && admitted.contains(&feed);
            if ours && row_count < SMALL_ROWS {
                found.push(Small { id, feed, name, row_count, byte_count: 0 });
            }
            Ok(())
        })?;
        for shard in &mut found {
            let size = fs::metadata(path(&self.dir, &shard.name));
            shard.byte_count = size.map_err(file("look at", &shard.name))?.len();
        }
        found.retain(|shard| shard.byte_count < GROUP_BYTES / 2);
        Ok(found)
    }

    /// Merges a group; returns how many shards it became.
    fn merge(
        &self,
        split: Split,
        group: &[Small],
        lock: &WriterLock,
        after: &dyn Fn(Step),
    ) -> Result<u64, StoreError> {
        let ring = self.keyring.now()?;
        let (old, mut numbers) = self.read(|connection| {
            let numbers = FileNumbers::after(connection, &ring, lock)?;
            Ok((self.named_as(connection, group)?, numbers))
        })?;
        // Another process was faster, and replaced some of them.
        let Some(old) = old else { return Err(StoreError::Busy) };
        let (events, people) = self.read_group(group, &old, &ring)?;
        let plans = plan(&mut numbers, &events.rows, &|_| split);
        let sealed = shards(&self.dir, Arc::clone(&ring));
        let mut written = Vec::with_capacity(plans.len());
        for plan in &plans {
            let ranges: Vec<_> = plan.placed.iter().map(|placed| placed.range.clone()).collect();
            written.push(write_shard(&sealed, &plan.file, &events, &ranges)?);
            after(Step::ShardWritten);
        }
        self.change(&[&SHARDS], |transaction| {
            let cannot = catalog("replace shards");
            for shard in group {
                for delete in
                    ["DELETE FROM ranges WHERE shard = ?1", "DELETE FROM shards WHERE id = ?1"]
                {
                    transaction.execute(delete, [shard.id]).map_err(&cannot)?;
                }
            }
            let oldest = group.iter().map(|shard| shard.feed).min().unwrap_or_default();
            for (plan, written) in plans.iter().zip(&written) {
                self.place(transaction, &ring, (oldest, &people), plan, written, &events)?;
            }
            Ok(())
        })?;
        after(Step::Committed);
        remove_garbage(&self.dir, &self.connection(), lock)?;
        after(Step::FilesRemoved);
        Ok(written.len() as u64)
    }

    /// Returns the files of a group; nothing if one of its shards is another one by now.
    fn named_as(
        &self,
        connection: &Connection,
        group: &[Small],
    ) -> Result<Option<Vec<Written>>, StoreError> {
        let mut known = BTreeMap::new();
        self.rows.scan(connection, &SHARDS, &mut |row| {
            known.insert(row.get::<_, i64>(1)?, written_at(4)(row)?);
            Ok(())
        })?;
        let mut find = |shard: &Small| known.remove(&shard.id).filter(|it| it.file == shard.name);
        Ok(group.iter().map(&mut find).collect())
    }

    /// Reads the events of a group, sorted, and whose they are.
    fn read_group(
        &self,
        group: &[Small],
        old: &[Written],
        ring: &Arc<Ring>,
    ) -> Result<(Events, People), StoreError> {
        let sealed = shards(&self.dir, Arc::clone(ring));
        let (mut collector, mut people) = (Collector::default(), People::new());
        for (shard, written) in group.iter().zip(old) {
            sealed.read_all(written, &mut |batch| collector.add(&written.file, batch))?;
            let mut ranges = Vec::new();
            self.read(|connection| {
                self.visit_ranges(connection, shard.id, &mut |pseudonym, _, count, span| {
                    ranges.push((pseudonym, count, span));
                })
            })?;
            for (pseudonym, count, span) in ranges {
                let subject = Subject::from_pseudonym(pseudonym).ok_or(RANGES_CHANGED)?;
                let (_, feeds) = open_range(&ring.columns_of(subject)?, pseudonym, &span)?;
                let (rows, known) = people.entry(subject).or_default();
                *rows += count;
                match feeds.is_empty() {
                    true => drop(known.insert(shard.feed)),
                    false => known.extend(feeds),
                }
            }
        }
        let mut events = collector.into_events();
        events.sort();
        let mut found = 0;
        for range in subject_ranges(&events.rows) {
            let known = people.get(&events.rows[range.start].subject);
            if known.is_none_or(|(rows, _)| *rows != range.len() as i64) {
                return Err(RANGES_CHANGED);
            }
            found += 1;
        }
        match found == people.len() {
            true => Ok((events, people)),
            false => Err(RANGES_CHANGED),
        }
    }

    /// Puts a new shard down, and who is where in it.
    fn place(
        &self,
        transaction: &Transaction<'_>,
        ring: &Ring,
        (feed, people): (i64, &People),
        plan: &Plan,
        written: &Written,
        events: &Events,
    ) -> Result<(), StoreError> {
        let shard = self.insert_shard(transaction, feed, plan.split.name(), written)?;
        for placed in &plan.placed {
            let pseudonym = placed.subject.reveal();
            let extent = Extent::of(&events.rows[placed.range.clone()]);
            let (_, feeds) = people.get(&placed.subject).ok_or(RANGES_CHANGED)?;
            let columns = ring.columns_of(placed.subject)?;
            let span = seal_range(&columns, pseudonym, extent, feeds);
            let (first, count) = (placed.first_row as i64, placed.range.len() as i64);
            let values: [&dyn rusqlite::ToSql; 5] = [&pseudonym, &shard, &first, &count, &span];
            self.rows.insert(transaction, &RANGES, &values)?;
        }
        Ok(())
    }
}

const RANGES_CHANGED: StoreError = StoreError::RowChanged { table: "ranges" };

/// Smaller shards are merged: what is larger would be written again for little.
const SMALL_ROWS: i64 = SHARD_ROWS_MAX as i64 / 2;

/// Rows that are merged together: about 200 MB in memory.
const GROUP_ROWS: i64 = 1 << 21;

/// Bytes of files that are merged together: notes compress four times or more.
const GROUP_BYTES: u64 = 64 << 20;
