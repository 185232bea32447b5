//! Use cases: release a feed that is held, or reject it.
//!
//! A held feed is whole and encrypted in the store, and nothing of it is read. Released, it counts
//! as if it had never been held; rejected, its events become refused rows.

use serde::Serialize;
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_store::{Decision, FeedState};

use crate::feeds::parse_feed;
use crate::reason::check_reason;
use crate::{App, AppError, Caller, Scope};

/// What became of a feed that was held.
#[derive(Debug, Serialize)]
pub struct DecisionReport {
    /// The feed's id.
    pub feed: String,
    /// `admitted` or `rejected`.
    pub state: String,
    /// Events that count from now on.
    pub events: u64,
    /// Events that were refused: all of a rejected feed, and what another feed brought meanwhile.
    pub refused: u64,
}

/// Makes the events of a held feed count.
pub fn release_feed(
    app: &App,
    caller: &Caller,
    feed: &str,
    reason: &str,
) -> Result<DecisionReport, AppError> {
    decide(app, caller, feed, "feed.released", || {
        let (id, reason) = (parse_feed(app, feed)?.id, check_reason(reason)?);
        announce(app, caller, feed, "feed.releasing")?;
        let outcome = app.store.release_feed(id, Decision { reason, at: app.now() })?;
        Ok(report(feed, FeedState::Admitted, outcome.stored, outcome.refused()))
    })
}

/// Makes the events of a held feed refused rows, for good.
pub fn reject_feed(
    app: &App,
    caller: &Caller,
    feed: &str,
    reason: &str,
) -> Result<DecisionReport, AppError> {
    decide(app, caller, feed, "feed.rejected", || {
        let (id, reason) = (parse_feed(app, feed)?.id, check_reason(reason)?);
        let refused = app.store.reject_feed(id, Decision { reason, at: app.now() })?;
        Ok(report(feed, FeedState::Rejected, 0, refused))
    })
}

fn decide(
    app: &App,
    caller: &Caller,
    feed: &str,
    action: &str,
    decide: impl FnOnce() -> Result<DecisionReport, AppError>,
) -> Result<DecisionReport, AppError> {
    let entry = app.entry(caller, EventClass::DatastoreActivity, Activity::Update, action);
    let result = caller.require(Scope::DecideFeeds).and_then(|()| decide());
    let entry = match &result {
        Ok(report) => {
            let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            let entry = entry.with("feed", feed).with("events", number(report.events));
            entry.with("refused", number(report.refused))
        }
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

/// The intent is on record before events of people begin to count.
fn announce(app: &App, caller: &Caller, feed: &str, action: &str) -> Result<(), AppError> {
    let entry = app.entry(caller, EventClass::DatastoreActivity, Activity::Update, action);
    app.record(&entry.with("feed", feed)).map(drop)
}

fn report(feed: &str, state: FeedState, events: u64, refused: u64) -> DecisionReport {
    DecisionReport { feed: feed.to_owned(), state: state.name().to_owned(), events, refused }
}
