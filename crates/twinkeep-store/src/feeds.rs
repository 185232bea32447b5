//! The feeds that were ingested, and their refused rows.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Row};
use twinkeep_domain::Timestamp;

use crate::catalog::time;
use crate::error::catalog;
use crate::quarantine::{quarantine, read_quarantine};
use crate::rows::{FEEDS, PROFILES, QUARANTINE, Rows, SENDERS, SHARDS};
use crate::table::Written;
use crate::{FeedCounts, QuarantinedRecord, Store, StoreError};

/// The number of a feed, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeedId(pub i64);

/// Whether the events of a feed are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FeedState {
    /// They are.
    Admitted,
    /// Not until somebody has looked at them.
    Held,
    /// Never.
    Rejected,
}

impl FeedState {
    /// Returns the permanent name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Held => "held",
            Self::Rejected => "rejected",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Admitted, Self::Held, Self::Rejected].into_iter().find(|state| state.name() == name)
    }
}

/// A feed that was ingested.
#[derive(Clone)]
pub struct FeedRecord {
    /// Its number.
    pub id: FeedId,
    /// What the person called it. It may name a person.
    pub source: String,
    /// Whose record numbers it speaks in.
    pub site: String,
    /// When.
    pub ingested_at: Timestamp,
    /// The sender's key and the number among the sender's feeds, if it was a sealed feed.
    pub delivery: Option<(String, u64)>,
    /// What became of its rows.
    pub counts: FeedCounts,
    /// Digests of the files with its events, in the order of their names.
    pub shard_digests: Vec<[u8; 32]>,
    /// Whether its events are read.
    pub state: FeedState,
    /// Why it was held; empty if it was not.
    pub reasons: String,
    /// Why it was released or rejected; empty if it was not.
    pub decision: String,
    /// When it was released or rejected.
    pub decided_at: Option<Timestamp>,
    /// Whose refused rows these are, if they were screened again.
    pub replayed: Option<FeedId>,
    /// How many of its refused rows are events of another feed now.
    pub released: u64,
    /// Whether there is a profile of it.
    pub has_profile: bool,
}

/// The sealed columns of a feed.
struct SealedTexts {
    source: Vec<u8>,
    reasons: Vec<u8>,
    decision: Vec<u8>,
}

impl Store {
    /// Returns all feeds, oldest first.
    pub fn feeds(&self) -> Result<Vec<FeedRecord>, StoreError> {
        let mut senders = BTreeMap::new();
        let mut shards: BTreeMap<i64, BTreeMap<String, [u8; 32]>> = BTreeMap::new();
        let mut released: BTreeMap<FeedId, u64> = BTreeMap::new();
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
            for release in self.releases(connection)? {
                *released.entry(release.feed).or_default() += release.rows.end - release.rows.start;
            }
            self.rows.scan(connection, &FEEDS, &mut |row| {
                feeds.push((record(row, &senders)?, sealed_texts(row)?));
                Ok(())
            })
        })?;
        let whole = |(mut feed, texts): (FeedRecord, SealedTexts)| {
            let id = feed.id.0;
            let open = |column, text: &[u8]| self.columns.open_text("feeds", column, id, text);
            feed.released = released.get(&feed.id).copied().unwrap_or_default();
            feed.source = open("source", &texts.source)?;
            feed.reasons = open("reasons", &texts.reasons)?;
            feed.decision = open("decision", &texts.decision)?;
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
        let sealed = quarantine(&self.dir, self.keyring.now()?);
        let mut records = Vec::new();
        let mut before = 0;
        for written in self.quarantine_files(feed)? {
            let skip = offset.saturating_sub(before);
            let limit = limit - records.len();
            records.extend(read_quarantine(&sealed, &written, skip, limit, before)?);
            before += written.row_count as u64;
        }
        let releases = self.read(|connection| self.releases(connection))?;
        for release in releases.iter().filter(|release| release.feed == feed) {
            let rows = records.iter_mut().filter(|row| release.rows.contains(&row.position));
            rows.for_each(|row| row.released = Some(release.released));
        }
        Ok(records)
    }

    /// Returns the profile of a feed, if it has one.
    pub fn feed_profile(&self, feed: FeedId) -> Result<Option<Vec<u8>>, StoreError> {
        let cannot = catalog("read a profile");
        self.read(|connection| {
            let mut expected = false;
            self.rows.scan(connection, &FEEDS, &mut |row| {
                expected |= row.get::<_, i64>(1)? == feed.0 && row.get::<_, bool>(17)?;
                Ok(())
            })?;
            if !expected {
                return Ok(None);
            }
            let select = format!("SELECT {} FROM profiles WHERE feed = ?1", PROFILES.selection());
            let mut statement = connection.prepare_cached(&select).map_err(&cannot)?;
            let mut rows = statement.query([feed.0]).map_err(&cannot)?;
            let gone = StoreError::RowChanged { table: PROFILES.name };
            let row = rows.next().map_err(&cannot)?.ok_or(gone)?;
            self.rows.check(&PROFILES, row)?;
            let sealed: Vec<u8> = row.get(2).map_err(&cannot)?;
            let profile = self.columns.open("profiles", "profile", feed.0, &sealed)?;
            Ok(Some(profile.expose().to_vec()))
        })
    }

    /// Returns the files with the refused rows of a feed, in the order in which they were written.
    pub(crate) fn quarantine_files(&self, feed: FeedId) -> Result<Vec<Written>, StoreError> {
        let mut files = Vec::new();
        self.read(|connection| {
            self.rows.scan(connection, &QUARANTINE, &mut |row| {
                if row.get::<_, i64>(2)? == feed.0 {
                    files.push(written_at(3)(row)?);
                }
                Ok(())
            })
        })?;
        Ok(files)
    }
}

/// Reads what the catalog keeps about a file, from this column on.
pub(crate) fn written_at(column: usize) -> impl Fn(&Row<'_>) -> rusqlite::Result<Written> {
    move |row| {
        Ok(Written {
            file: row.get(column)?,
            row_count: row.get(column + 1)?,
            sha256: row.get(column + 2)?,
        })
    }
}

/// Reads the numbers of the feeds whose events are read.
pub(crate) fn admitted(rows: &Rows, connection: &Connection) -> Result<BTreeSet<i64>, StoreError> {
    let mut admitted = BTreeSet::new();
    rows.scan(connection, &FEEDS, &mut |row| {
        if row.get::<_, String>(13)? == FeedState::Admitted.name() {
            admitted.insert(row.get(1)?);
        }
        Ok(())
    })?;
    Ok(admitted)
}

fn sealed_texts(row: &Row<'_>) -> rusqlite::Result<SealedTexts> {
    Ok(SealedTexts { source: row.get(3)?, reasons: row.get(14)?, decision: row.get(15)? })
}

/// Reads a feed, but for its sealed texts and shards.
fn record(row: &Row<'_>, senders: &BTreeMap<i64, String>) -> rusqlite::Result<FeedRecord> {
    let sender: Option<i64> = row.get(6)?;
    let sender = sender.and_then(|sender| senders.get(&sender).cloned());
    let sequence: Option<i64> = row.get(7)?;
    let count = |column| row.get(column).map(|count: i64| count as u64);
    Ok(FeedRecord {
        id: FeedId(row.get(1)?),
        source: String::new(),
        site: row.get(4)?,
        ingested_at: Timestamp::from_micros(row.get(5)?),
        delivery: sender.zip(sequence.map(|sequence| sequence as u64)),
        counts: FeedCounts {
            read: count(8)?,
            accepted: count(9)?,
            missing: count(10)?,
            quarantined: count(11)?,
        },
        replayed: row.get::<_, Option<i64>>(12)?.map(FeedId),
        // The row's MAC and the table's CHECK leave no other name.
        state: FeedState::parse(&row.get::<_, String>(13)?).unwrap_or(FeedState::Rejected),
        reasons: String::new(),
        decision: String::new(),
        decided_at: time(row.get(16)?),
        has_profile: row.get(17)?,
        released: 0,
        shard_digests: Vec::new(),
    })
}
