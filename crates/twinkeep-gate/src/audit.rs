//! What the gate itself writes to the ledger: refusals, sign-ins, and counts.
//!
//! Use cases write their own entries; these are about requests that never reached one.
//!
//! # Invariants
//!
//! - An entry holds a route's pattern, never a path or a query: those can name a person.
//! - An address is not recorded: it can identify a person, and the client chooses it.

use std::collections::BTreeMap;

use twinkeep_app::{Activity, App, AppError, Caller, Entry, EventClass, Severity};

use crate::refusal::LOCKED_OUT;

/// What happened to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestAction {
    /// It was refused.
    Refused,
    /// Somebody signed in.
    SignedIn,
    /// Somebody signed out.
    SignedOut,
    /// An operator who is elsewhere looked at something.
    AdminRead,
    /// An operator ended somebody's session.
    SessionEnded,
    /// An operator has an address listened to again.
    LockoutLifted,
}

/// One request.
pub(crate) struct RequestRecord<'a> {
    /// What happened.
    pub(crate) action: RequestAction,
    /// The caller's id, if recognized.
    pub(crate) caller: Option<&'a str>,
    /// The route's pattern; empty if there is none.
    pub(crate) route: &'static str,
    /// As in the answer.
    pub(crate) request_id: &'a str,
    /// The HTTP status.
    pub(crate) status: u16,
    /// The code of the refusal.
    pub(crate) failure: Option<&'static str>,
    /// What the client was not told: why its credential was not taken.
    pub(crate) reason: Option<&'static str>,
}

/// Records one request; when this returns, the entry is durable.
pub(crate) fn record_request(app: &App, record: &RequestRecord<'_>) -> Result<(), AppError> {
    let (class, activity, action) = match record.action {
        RequestAction::Refused => (EventClass::ApiActivity, Activity::Other, "request.refused"),
        RequestAction::SignedIn => (EventClass::Authentication, Activity::Logon, "session.opened"),
        RequestAction::SignedOut => {
            (EventClass::Authentication, Activity::Logoff, "session.closed")
        }
        RequestAction::AdminRead => (EventClass::ApiActivity, Activity::Read, "admin.read"),
        RequestAction::SessionEnded => {
            (EventClass::Authentication, Activity::Logoff, "session.ended")
        }
        RequestAction::LockoutLifted => {
            (EventClass::EntityManagement, Activity::Update, "lockout.lifted")
        }
    };
    let caller = unnamed(record.caller.unwrap_or("anonymous"));
    let mut entry = app
        .entry(&caller, class, activity, action)
        .with("request_id", record.request_id)
        .with("status", i64::from(record.status));
    if !record.route.is_empty() {
        entry = entry.with("route", record.route);
    }
    if let Some(reason) = record.reason {
        entry = entry.with("reason", reason);
    }
    if let Some(code) = record.failure {
        let severity = if code == LOCKED_OUT { Severity::Medium } else { severity(record.status) };
        entry = entry.failed(code).severity(severity);
    }
    app.record(&entry).map(drop)
}

/// Records how many were turned away, by kind, since the last time.
pub(crate) fn record_counts(
    app: &App,
    counts: &BTreeMap<&'static str, u64>,
) -> Result<(), AppError> {
    let entry =
        app.entry(&unnamed("gate"), EventClass::ApiActivity, Activity::Other, "gate.counted");
    app.record(&counts.iter().fold(entry, with_count)).map(drop)
}

fn with_count(entry: Entry, (&name, &count): (&&'static str, &u64)) -> Entry {
    entry.with(name, i64::try_from(count).unwrap_or(i64::MAX))
}

/// A bug is somebody's to mend; a wrong key is worth a look; the rest is weather.
fn severity(status: u16) -> Severity {
    match status {
        500 => Severity::High,
        401 | 403 => Severity::Medium,
        _ => Severity::Low,
    }
}

fn unnamed(id: &str) -> Caller {
    Caller::named(id)
}
