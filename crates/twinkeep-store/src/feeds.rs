//! The feeds that were ingested, and their refused rows.

use std::collections::BTreeMap;

use twinkeep_domain::Timestamp;

use crate::quarantine::{quarantine, read_quarantine};
use crate::rows::{FEEDS, QUARANTINE, SENDERS, SHARDS};
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
        let mut senders = BTreeMap::new();
        let mut shards: BTreeMap<i64, BTreeMap<String, [u8; 32]>> = BTreeMap::new();
        let mut feeds = Vec::new();
        self.read(|connection| {
            self.rows.scan(connection, &SENDERS, &mut |row| {
                senders.insert(row.get::<_, i64>(1)?, row.get::<_, String>(2)?);
                Ok(())
            })?;
            self.rows.scan(connection, &SHARDS, &mut |row| {
                let Written { file, sha256, .. } = written_at(4)(row)?;
                shards.entry(row.get(2)?).or_default().insert(file, sha256);
                Ok(())
            })?;
            self.rows.scan(connection, &FEEDS, &mut |row| {
                feeds.push((record(row, &senders)?, row.get::<_, Vec<u8>>(3)?));
                Ok(())
            })
        })?;
        let whole = |(mut feed, source): (FeedRecord, Vec<u8>)| {
            feed.source = self.columns.open_text("feeds", "source", feed.id.0, &source)?;
            let digests = shards.remove(&feed.id.0).unwrap_or_default();
            feed.shard_digests = digests.into_values().collect();
            Ok(feed)
        };
        feeds.into_iter().map(whole).collect()
    }

    /// Returns at most `limit` refused rows of a feed, after skipping `offset`.
    pub fn quarantined(
        &self,
        feed: FeedId,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<QuarantinedRecord>, StoreError> {
        let mut found = None;
        self.read(|connection| {
            self.rows.scan(connection, &QUARANTINE, &mut |row| {
                if row.get::<_, i64>(1)? == feed.0 {
                    found = Some(written_at(2)(row)?);
                }
                Ok(())
            })
        })?;
        match found {
            Some(written) => {
                let sealed = quarantine(&self.dir, self.keyring.now()?);
                read_quarantine(&sealed, &written, offset, limit)
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
            row_count: row.get(column + 1)?,
            sha256: row.get(column + 2)?,
        })
    }
}

/// Reads a feed, but for its source and shards.
fn record(
    row: &rusqlite::Row<'_>,
    senders: &BTreeMap<i64, String>,
) -> rusqlite::Result<FeedRecord> {
    let sender: Option<i64> = row.get(5)?;
    let sender = sender.and_then(|sender| senders.get(&sender).cloned());
    let sequence: Option<i64> = row.get(6)?;
    let count = |column| row.get(column).map(|count: i64| count as u64);
    Ok(FeedRecord {
        id: FeedId(row.get(1)?),
        source: String::new(),
        ingested_at: Timestamp::from_micros(row.get(4)?),
        delivery: sender.zip(sequence.map(|sequence| sequence as u64)),
        counts: FeedCounts {
            read: count(7)?,
            accepted: count(8)?,
            missing: count(9)?,
            quarantined: count(10)?,
        },
        shard_digests: Vec::new(),
    })
}
