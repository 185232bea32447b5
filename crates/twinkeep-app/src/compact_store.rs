//! Use cases: show what the store holds, and make few large files of many small ones.

use std::collections::BTreeMap;

use serde::Serialize;
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_store::{LIVE_ROW_COUNT_MAX, StoreStatus};

use crate::fold_live::fold;
use crate::{App, AppError, Caller, FoldReport, Progress};

/// What the store holds.
#[derive(Debug, Serialize)]
pub struct StatusReport {
    /// Subjects.
    pub subjects: u64,
    /// Feeds, by the name of their state.
    pub feeds: BTreeMap<&'static str, u64>,
    /// Events in files that are read.
    pub events: u64,
    /// Files with them.
    pub shards: u64,
    /// Events of feeds that are held.
    pub held_events: u64,
    /// Files with them.
    pub held_shards: u64,
    /// Bytes of all files with events.
    pub shard_bytes: u64,
    /// Refused rows in files.
    pub refused_rows: u64,
    /// Files with them.
    pub quarantine_files: u64,
    /// Bytes of these.
    pub quarantine_bytes: u64,
    /// Bytes of the catalog.
    pub catalog_bytes: u64,
    /// Live events that are in no file yet.
    pub live_events: u64,
    /// Live events that were refused and are in no file yet.
    pub live_refused: u64,
    /// How many of both are taken before they must be moved into files.
    pub live_limit: u64,
    /// People who were erased.
    pub erasures: u64,
    /// Grows whenever keys are destroyed: then back the keyring up.
    pub keyring_generation: u64,
    /// Bytes of the keyring.
    pub keyring_bytes: u64,
    /// Files that a compaction would replace.
    pub compaction_replaces: u64,
    /// Files that would take their place.
    pub compaction_writes: u64,
}

/// What became fewer.
#[derive(Debug, Serialize)]
pub struct CompactReport {
    /// Live events that were moved into files.
    pub live_events: u64,
    /// Refused live events that were.
    pub live_refused: u64,
    /// Feeds that they became.
    pub live_feeds: u64,
    /// Files with events that were replaced.
    pub replaced: u64,
    /// Files that took their place.
    pub written: u64,
}

/// Shows what the store holds.
pub fn store_status(app: &App) -> Result<StatusReport, AppError> {
    let StoreStatus {
        subjects,
        feeds,
        shards,
        events,
        held_shards,
        held_events,
        shard_bytes,
        quarantine_files,
        refused_rows,
        quarantine_bytes,
        catalog_bytes,
        live_events,
        live_refused,
        erasures,
        keyring_generation,
        keyring_bytes,
        compaction,
    } = app.store.status()?;
    Ok(StatusReport {
        subjects,
        feeds,
        events,
        shards,
        held_events,
        held_shards,
        shard_bytes,
        refused_rows,
        quarantine_files,
        quarantine_bytes,
        catalog_bytes,
        live_events,
        live_refused,
        live_limit: LIVE_ROW_COUNT_MAX,
        erasures,
        keyring_generation,
        keyring_bytes,
        compaction_replaces: compaction.replaced,
        compaction_writes: compaction.written,
    })
}

/// Moves live events into files and merges small files. Serving goes on.
pub fn compact_store(
    app: &App,
    caller: &Caller,
    progress: &mut dyn FnMut(Progress),
) -> Result<CompactReport, AppError> {
    let class = EventClass::DatastoreActivity;
    app.record(&app.entry(caller, class, Activity::Update, "store.compacting"))?;
    let entry = app.entry(caller, class, Activity::Update, "store.compacted");
    let result = compact(app, progress);
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let entry = match &result {
        Ok(report) => entry
            .with("live_events", number(report.live_events))
            .with("replaced", number(report.replaced))
            .with("written", number(report.written)),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

fn compact(app: &App, progress: &mut dyn FnMut(Progress)) -> Result<CompactReport, AppError> {
    let FoldReport { feeds, events, refused } = fold(app)?;
    let due = app.store.compaction_due()?;
    let done = app.store.compact(&mut |done| {
        progress(Progress { done: done.replaced, total: due.replaced });
    })?;
    Ok(CompactReport {
        live_events: events,
        live_refused: refused,
        live_feeds: feeds,
        replaced: done.replaced,
        written: done.written,
    })
}
