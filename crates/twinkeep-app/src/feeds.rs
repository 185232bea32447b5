//! Use cases: list feeds, and show what was refused in one.

use std::collections::BTreeMap;

use serde::Serialize;
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_store::{FeedId, FeedRecord, QuarantinedRecord};
use twinkeep_vault::SecretBytes;

use crate::store_feed::parsed_row;
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller, Scope};

/// One feed.
#[derive(Debug, Serialize)]
pub struct FeedLine {
    /// The feed's id.
    pub id: String,
    /// When it was ingested (RFC 3339).
    pub ingested: String,
    /// The sender's key; absent for a plain feed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// Its place in the sender's sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Rows that were read.
    pub read: u64,
    /// Rows that were accepted.
    pub accepted: u64,
    /// Rows whose value says "not recorded".
    pub missing: u64,
    /// Rows that were refused.
    pub quarantined: u64,
    /// How many of them were screened again and are events of another feed now.
    pub released: u64,
    /// `admitted`; `held` until somebody decides; `rejected`.
    pub state: String,
    /// Why it was held.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_because: Vec<String>,
    /// Why it was released or rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// The feed whose refused rows these are, if they were screened again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed: Option<String>,
}

/// What was refused in one feed.
#[derive(Debug, Serialize)]
pub struct QuarantineReport {
    /// The feed's id.
    pub feed: String,
    /// How many rows for each reason.
    pub reasons: BTreeMap<String, u64>,
    /// The rows, in the order of the source.
    pub rows: Vec<QuarantineLine>,
}

/// One row that was refused.
#[derive(Debug, Serialize)]
pub struct QuarantineLine {
    /// The file within the source; shown with `reveal` only, since it may name a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its number among the refused rows of the feed, counted from 1: what `feed replay` takes.
    pub number: u64,
    /// The row, counted from 1.
    pub row: u64,
    /// The field that was wrong, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Why.
    pub reason: String,
    /// The feed that it is of now, if it was screened again and passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released: Option<String>,
    /// The row as it was read; shown with `reveal` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

/// Lists the feeds, the newest last.
pub fn list_feeds(app: &App, caller: &Caller) -> Result<Vec<FeedLine>, AppError> {
    let entry = app.entry(caller, EventClass::DatastoreActivity, Activity::Read, "feeds.listed");
    app.conclude(entry, caller.require(Scope::ReadFeeds).and_then(|()| list(app)))
}

fn list(app: &App) -> Result<Vec<FeedLine>, AppError> {
    let line = |feed: FeedRecord| FeedLine {
        id: feed_name(feed.id),
        ingested: rfc3339(feed.ingested_at),
        sequence: feed.delivery.as_ref().map(|(_, sequence)| *sequence),
        sender: feed.delivery.map(|(sender, _)| sender),
        read: feed.counts.read,
        accepted: feed.counts.accepted,
        missing: feed.counts.missing,
        quarantined: feed.counts.quarantined,
        released: feed.released,
        state: feed.state.name().to_owned(),
        held_because: read_reasons(&feed.reasons),
        decision: Some(feed.decision).filter(|decision| !decision.is_empty()),
        replayed: feed.replayed.map(feed_name),
    };
    Ok(app.store.feeds()?.into_iter().map(line).collect())
}

/// Returns how people name a feed: `feed-1`.
pub(crate) fn feed_name(id: FeedId) -> String {
    format!("{PREFIX}{}", id.0)
}

/// Shows the rows of a feed that were refused. `reveal` shows them as they were read.
pub fn show_quarantine(
    app: &App,
    caller: &Caller,
    feed: &str,
    reveal: bool,
) -> Result<QuarantineReport, AppError> {
    let action = if reveal { "quarantine.revealed" } else { "quarantine.listed" };
    let entry = app.entry(caller, EventClass::DatastoreActivity, Activity::Read, action);
    let result = show(app, feed, reveal);
    let entry = if result.is_ok() { entry.with("feed", feed) } else { entry };
    app.conclude(entry, result)
}

/// Finds a feed by the name that people use.
pub(crate) fn parse_feed(app: &App, feed: &str) -> Result<FeedRecord, AppError> {
    let missing = || {
        AppError::refused("feed-unknown", "there is no such feed")
            .hint("`twinkeep feed list` shows the ids")
    };
    let number = feed.strip_prefix(PREFIX).and_then(|digits| digits.parse().ok());
    let id = FeedId(number.ok_or_else(missing)?);
    app.store.feeds()?.into_iter().find(|known| known.id == id).ok_or_else(missing)
}

/// Writes why a feed is held, as the catalog keeps it.
pub(crate) fn write_reasons(reasons: &[String]) -> String {
    serde_json::to_string(reasons).unwrap_or_default()
}

pub(crate) fn read_reasons(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_default()
}

fn show(app: &App, feed: &str, reveal: bool) -> Result<QuarantineReport, AppError> {
    let known = parse_feed(app, feed)?;
    let count = usize::try_from(known.counts.quarantined).unwrap_or(usize::MAX);
    let rows = app.store.quarantined(known.id, 0, count)?;
    let mut reasons = BTreeMap::new();
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        *reasons.entry(row.reason.clone()).or_insert(0) += 1;
        lines.push(QuarantineLine {
            file: reveal.then(|| text(&row.file)),
            number: row.position + 1,
            row: row.row,
            released: row.released.map(feed_name),
            raw: reveal.then(|| raw(&row)),
            field: row.field,
            reason: row.reason,
        });
    }
    Ok(QuarantineReport { feed: feed.to_owned(), reasons, rows: lines })
}

/// Of an event that was there already, only the fields are kept.
fn raw(row: &QuarantinedRecord) -> String {
    match &row.parsed {
        Some(parsed) if row.raw.expose().is_empty() => {
            parsed_row(parsed).map(|row| row.to_line()).unwrap_or_default()
        }
        _ => text(&row.raw),
    }
}

fn text(bytes: &SecretBytes) -> String {
    String::from_utf8_lossy(bytes.expose()).into_owned()
}

const PREFIX: &str = "feed-";
