//! What the store holds, in numbers.

use std::collections::BTreeMap;
use std::fs;

use crate::error::{catalog, file};
use crate::feeds::{FeedState, written_at};
use crate::layout::{CATALOG, KEYRING, path};
use crate::rows::{FEEDS, QUARANTINE, SHARDS};
use crate::table::Written;
use crate::{Compaction, Store, StoreError};

/// What the store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// Subjects.
    pub subjects: u64,
    /// Feeds, by the name of their state.
    pub feeds: BTreeMap<&'static str, u64>,
    /// Files with events that are read.
    pub shards: u64,
    /// Events in them.
    pub events: u64,
    /// Files with events of feeds that are held.
    pub held_shards: u64,
    /// Events in them.
    pub held_events: u64,
    /// Bytes of all files with events.
    pub shard_bytes: u64,
    /// Files with refused rows.
    pub quarantine_files: u64,
    /// Rows in them.
    pub refused_rows: u64,
    /// Bytes of them.
    pub quarantine_bytes: u64,
    /// Bytes of the catalog.
    pub catalog_bytes: u64,
    /// Live events that are in no file yet.
    pub live_events: u64,
    /// Live events that were refused and are in no file yet.
    pub live_refused: u64,
    /// People who were erased.
    pub erasures: u64,
    /// Grows whenever keys are destroyed.
    pub keyring_generation: u64,
    /// Bytes of the keyring.
    pub keyring_bytes: u64,
    /// What a compaction would do to shards.
    pub compaction: Compaction,
}

impl Store {
    /// Returns what the store holds.
    pub fn status(&self) -> Result<StoreStatus, StoreError> {
        self.retrying(|| self.status_now())
    }

    fn status_now(&self) -> Result<StoreStatus, StoreError> {
        let mut status = StoreStatus {
            subjects: self.subject_counts()?.into_values().sum(),
            erasures: self.erasures()?.len() as u64,
            keyring_generation: self.keyring_generation()?,
            compaction: self.compaction_due()?,
            catalog_bytes: self.size(CATALOG)?,
            keyring_bytes: self.size(KEYRING)?,
            ..StoreStatus::default()
        };
        let (mut shards, mut refused): (Vec<(i64, Written)>, Vec<Written>) = Default::default();
        let mut states: BTreeMap<i64, Option<FeedState>> = BTreeMap::new();
        self.read(|connection| {
            self.rows.scan(connection, &FEEDS, &mut |row| {
                states.insert(row.get(1)?, FeedState::parse(&row.get::<_, String>(13)?));
                Ok(())
            })?;
            self.rows.scan(connection, &SHARDS, &mut |row| {
                shards.push((row.get(2)?, written_at(4)(row)?));
                Ok(())
            })?;
            self.rows.scan(connection, &QUARANTINE, &mut |row| {
                refused.push(written_at(3)(row)?);
                Ok(())
            })?;
            let live: i64 = self.rows.head(connection, |row| row.get("live_count"))?;
            let select = "SELECT count(*) FROM live_rows WHERE refused = 1";
            let refused: i64 = connection
                .query_row(select, [], |row| row.get(0))
                .map_err(catalog("count the live events"))?;
            status.live_refused = refused as u64;
            status.live_events = live.saturating_sub(refused) as u64;
            Ok(())
        })?;
        for (feed, written) in shards {
            status.shard_bytes += self.size(&written.file)?;
            let admitted = states.get(&feed).copied().flatten() == Some(FeedState::Admitted);
            let (files, rows) = match admitted {
                true => (&mut status.shards, &mut status.events),
                false => (&mut status.held_shards, &mut status.held_events),
            };
            *files += 1;
            *rows += written.row_count as u64;
        }
        for written in refused {
            status.quarantine_files += 1;
            status.refused_rows += written.row_count as u64;
            status.quarantine_bytes += self.size(&written.file)?;
        }
        for state in states.into_values().flatten() {
            *status.feeds.entry(state.name()).or_default() += 1;
        }
        Ok(status)
    }

    fn size(&self, name: &str) -> Result<u64, StoreError> {
        let metadata = fs::metadata(path(&self.dir, name));
        metadata.map(|it| it.len()).map_err(file("look at", name))
    }
}
