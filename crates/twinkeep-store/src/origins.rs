//! Where the rows of people lie, and by which feeds people came: of one, and of many at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rusqlite::Connection;
use twinkeep_domain::Subject;

use crate::error::catalog;
use crate::feeds::{FeedId, written_at};
use crate::rows::{RANGES, SHARDS, STAGED};
use crate::staged::{open_range, staged_row};
use crate::{Store, StoreError};

/// Where the rows of a subject lie, with the feeds that they are of where that is known.
#[derive(Default)]
pub(crate) struct Places {
    by_id: BTreeMap<i64, (Range<usize>, BTreeSet<i64>)>,
    by_file: BTreeMap<String, (Range<usize>, BTreeSet<i64>)>,
}

/// A shard, by its number, its file, and the feed that wrote it.
pub(crate) struct ShardPlace<'a> {
    pub(crate) id: i64,
    pub(crate) file: &'a str,
    pub(crate) feed: i64,
}

impl Places {
    /// Returns which rows of a shard are the subject's, and of which feeds they are.
    pub(crate) fn take(&mut self, shard: &ShardPlace<'_>) -> Option<(Range<usize>, BTreeSet<i64>)> {
        let found = self.by_id.remove(&shard.id).or_else(|| self.by_file.remove(shard.file));
        let (rows, mut origins) = found?;
        if origins.is_empty() {
            origins.insert(shard.feed);
        }
        Some((rows, origins))
    }
}

impl Store {
    /// Returns the feeds with events of a subject, whatever became of them.
    pub fn feeds_of(&self, subject: Subject) -> Result<Vec<FeedId>, StoreError> {
        let each = self.feeds_of_each(&[subject])?;
        Ok(each.into_iter().flatten().collect())
    }

    /// Returns the feeds with events of each of some subjects, in their order: the table of shards
    /// is read once for all of them.
    pub fn feeds_of_each(&self, subjects: &[Subject]) -> Result<Vec<Vec<FeedId>>, StoreError> {
        self.read(|connection| {
            let mut shards: Vec<(i64, String, i64)> = Vec::new();
            self.rows.scan(connection, &SHARDS, &mut |row| {
                shards.push((row.get(1)?, written_at(4)(row)?.file, row.get(2)?));
                Ok(())
            })?;
            let (mut by_id, mut by_file) = (BTreeMap::new(), BTreeMap::new());
            for (id, file, feed) in &shards {
                let place = ShardPlace { id: *id, file, feed: *feed };
                by_id.insert(*id, place);
                by_file.insert(file.as_str(), *id);
            }
            let feeds = |subject: &Subject| -> Result<Vec<FeedId>, StoreError> {
                let mut places = self.places(connection, *subject)?;
                let named = places.by_file.keys().filter_map(|file| by_file.get(file.as_str()));
                let own: BTreeSet<i64> = places.by_id.keys().chain(named).copied().collect();
                let mut feeds = BTreeSet::new();
                for place in own.iter().filter_map(|id| by_id.get(id)) {
                    feeds.extend(places.take(place).into_iter().flat_map(|(_, origins)| origins));
                }
                Ok(feeds.into_iter().map(FeedId).collect())
            };
            subjects.iter().map(feeds).collect()
        })
    }

    /// Finds where the rows of a subject lie: what says so names shards, but does not say which
    /// shards count.
    pub(crate) fn places(
        &self,
        connection: &Connection,
        subject: Subject,
    ) -> Result<Places, StoreError> {
        let cannot = catalog("find a subject's files");
        let columns = self.keyring.now()?.columns_of(subject);
        let mut places = Places::default();
        let select = format!("SELECT {} FROM ranges WHERE subject = ?1", RANGES.selection());
        let mut statement = connection.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query([subject.reveal()]).map_err(&cannot)?;
        while let Some(row) = rows.next().map_err(&cannot)? {
            self.rows.check(&RANGES, row)?;
            let (first, count): (i64, i64) =
                (row.get(3).map_err(&cannot)?, row.get(4).map_err(&cannot)?);
            let feeds = match &columns {
                Ok(columns) => {
                    let span: Vec<u8> = row.get(5).map_err(&cannot)?;
                    open_range(columns, subject.reveal(), &span)?.1
                }
                Err(_) => BTreeSet::new(),
            };
            places.by_id.insert(row.get(2).map_err(&cannot)?, (span_of(first, count), feeds));
        }
        let select = format!("SELECT {} FROM staged WHERE subject = ?1", STAGED.selection());
        let mut statement = connection.prepare_cached(&select).map_err(&cannot)?;
        let mut rows = statement.query([subject.reveal()]).map_err(&cannot)?;
        while let Some(row) = rows.next().map_err(&cannot)? {
            self.rows.check(&STAGED, row)?;
            let staged = staged_row(row).map_err(&cannot)?;
            if let Some(file) = staged.file {
                let rows = span_of(staged.first_row, staged.row_count);
                places.by_file.insert(file, (rows, BTreeSet::new()));
            }
        }
        Ok(places)
    }
}

fn span_of(first: i64, count: i64) -> Range<usize> {
    first as usize..first.wrapping_add(count) as usize
}
