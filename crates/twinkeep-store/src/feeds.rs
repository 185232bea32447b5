//! The feeds that were ingested, and their refused rows.

use rusqlite::OptionalExtension as _;
use twinkeep_domain::Timestamp;

use crate::error::catalog;
use crate::quarantine::{quarantine, read_quarantine};
use crate::table::Written;
use crate::{FeedCounts, QuarantinedRecord, Store, StoreError};

/// The number of a feed, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeedId(pub i64);

/// A feed that was ingested.
#[derive(Clone)]
pub struct FeedRecord {
    /// Its number.
    pub id: FeedId,
    /// What the person called it. It may name a person.
    pub source: String,
    /// When.
    pub ingested_at: Timestamp,
    /// The sender's key and the number among the sender's feeds, if it was a sealed feed.
    pub delivery: Option<(String, u64)>,
    /// What became of its rows.
    pub counts: FeedCounts,
    /// Digests of the files with its events, in the order of their names.
    pub shard_digests: Vec<[u8; 32]>,
}

impl Store {
    /// Returns all feeds, oldest first.
    pub fn feeds(&self) -> Result<Vec<FeedRecord>, StoreError> {
        let cannot = catalog("list the feeds");
        let connection = self.connection();
        let mut statement = connection
            .prepare(
                "SELECT feeds.id, source, ingested_at, key_id, sequence,
                rows_read, rows_accepted, rows_missing, rows_quarantined
                FROM feeds LEFT JOIN senders ON senders.id = sender ORDER BY feeds.id",
            )
            .map_err(&cannot)?;
        let mut digests = connection
            .prepare("SELECT sha256 FROM shards WHERE feed = ?1 ORDER BY file")
            .map_err(&cannot)?;
        let mut rows = statement.query([]).map_err(&cannot)?;
        let mut feeds = Vec::new();
        while let Some(row) = rows.next().map_err(&cannot)? {
            let (mut feed, source) = record(row).map_err(&cannot)?;
            let id = feed.id.0;
            feed.source = self.columns.open_text("feeds", "source", id, &source)?;
            let found = digests.query_map([id], |row| row.get(0)).map_err(&cannot)?;
            feed.shard_digests = found.collect::<Result<_, _>>().map_err(&cannot)?;
            feeds.push(feed);
        }
        Ok(feeds)
    }

    /// Returns at most `limit` refused rows of a feed, after skipping `offset`.
    pub fn quarantined(
        &self,
        feed: FeedId,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<QuarantinedRecord>, StoreError> {
        let written = self
            .connection()
            .query_row(
                "SELECT file, wrapped_key, row_count, sha256 FROM quarantine WHERE feed = ?1",
                [feed.0],
                written_at(0),
            )
            .optional()
            .map_err(catalog("find the refused rows"))?;
        match written {
            Some(written) => {
                read_quarantine(&quarantine(&self.dir, &self.root), &written, offset, limit)
            }
            None => Ok(Vec::new()),
        }
    }
}

/// Reads what the catalog keeps about a file, from this column on.
pub(crate) fn written_at(
    column: usize,
) -> impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<Written> {
    move |row| {
        Ok(Written {
            file: row.get(column)?,
            wrapped_key: row.get(column + 1)?,
            row_count: row.get(column + 2)?,
            sha256: row.get(column + 3)?,
        })
    }
}

fn record(row: &rusqlite::Row<'_>) -> rusqlite::Result<(FeedRecord, Vec<u8>)> {
    let sender: Option<String> = row.get(3)?;
    let sequence: Option<i64> = row.get(4)?;
    let count = |column| row.get(column).map(|count: i64| count as u64);
    let feed = FeedRecord {
        id: FeedId(row.get(0)?),
        source: String::new(),
        ingested_at: Timestamp::from_micros(row.get(2)?),
        delivery: sender.zip(sequence.map(|sequence| sequence as u64)),
        counts: FeedCounts {
            read: count(5)?,
            accepted: count(6)?,
            missing: count(7)?,
            quarantined: count(8)?,
        },
        shard_digests: Vec::new(),
    };
    Ok((feed, row.get(1)?))
}
