//! Use case: follow what changes, one twin's or all, from where somebody left off.
//!
//! A follower asks again and again, and is told everything after its cursor once. The cursor is
//! with every message, so that who was cut off goes on with the last one that came.
//!
//! # Invariants
//!
//! - What is told is in the ledger before it is handed out.
//! - A change says of whom, which code, and when it happened: never a value. A forecast comes with
//!   it only if it was asked for, and is recorded as any other.

use std::collections::BTreeMap;

use serde::Serialize;
use twinkeep_domain::Subject;
use twinkeep_ledger::{Activity, Class as EventClass, Entry};
use twinkeep_store::{ApiKeyRecord, ChangeCursor, Changes, EventChange, FeedChange};
use twinkeep_watch::incident::Action;

use crate::answer::ForecastAnswer;
use crate::api_keys::caller_id;
use crate::feeds::feed_name;
use crate::policy::PolicyAction;
use crate::sites::unknown_subject;
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller, Scope, TwinForecastRequest, forecast_twin};

/// What to follow.
#[derive(Clone, Debug, Default)]
pub struct FollowRequest {
    /// Whose changes; by default, everybody's.
    pub subject: Option<String>,
    /// The id of the last message that came; by default, only what changes from now on.
    pub after: Option<String>,
    /// Whether a twin's new forecast comes with its change.
    pub forecast: bool,
}

/// Somebody who follows.
pub struct Follower {
    caller: Caller,
    subject: Option<Subject>,
    cursor: ChangeCursor,
    forecast: bool,
    begun: bool,
    told: u64,
}

/// One message to a follower.
#[derive(Debug, Serialize)]
pub struct ChangeMessage {
    /// What to go on with after this message.
    pub id: String,
    /// `ready`, `change`, `feed`, or `gone`.
    pub event: &'static str,
    /// What happened.
    pub data: ChangeData,
}

/// What a message says; which fields there are depends on the kind of message.
#[derive(Debug, Default, Serialize)]
pub struct ChangeData {
    /// Of `change`, and of `feed` where one twin is followed: whose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// With `subject`: how many events the twin has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_count: Option<u64>,
    /// Of `change`: the live events that came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<ChangedEvent>,
    /// Of `feed`: the feed whose events count from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
    /// The new forecast, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<ForecastAnswer>,
    /// Why there is no forecast although it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_forecast: Option<&'static str>,
    /// Of `gone`: what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'static str>,
}

/// A live event that came.
#[derive(Debug, Serialize)]
pub struct ChangedEvent {
    /// What it is about.
    pub code: String,
    /// When it happened (RFC 3339); absent for what holds at all times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// What decides whether somebody who follows is told more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Grows with every change of the keep.
    epoch: u64,
    /// What each API key, certificate, and token may do that is neither revoked, nor expired, nor
    /// suspended, by caller.
    keys: BTreeMap<String, Vec<Scope>>,
}

impl Pulse {
    /// Returns whether a caller's key or token still holds.
    pub fn knows(&self, caller: &str) -> bool {
        self.keys.contains_key(caller)
    }

    /// Returns whether a caller may still follow.
    pub fn allows(&self, caller: &str) -> bool {
        self.keys.get(caller).is_some_and(|scopes| scopes.contains(&Scope::ReadTwins))
    }
}

/// Looks whether anything changed, and who may follow. Reads nothing about a person.
pub fn pulse(app: &App) -> Result<Pulse, AppError> {
    let now = app.now();
    let epoch = app.store.epoch()?;
    let live = app.store.api_keys()?.into_iter().filter(|key| key.is_live(now));
    let scopes = |key: &ApiKeyRecord| {
        key.scopes.iter().filter_map(|scope| Scope::parse(scope)).collect::<Vec<_>>()
    };
    let mut keys: BTreeMap<_, _> = live.map(|key| (caller_id(&key.id), scopes(&key))).collect();
    for caller in app.known_certificates()?.callers(now) {
        keys.entry(caller.id).or_default().extend(&caller.scopes);
    }
    for caller in app.known_issuers()?.callers(now) {
        keys.entry(caller.id.clone()).or_default().extend(&caller.scopes);
    }
    let suspended = app.contained_by(Action::SuspendIdentity)?;
    keys.retain(|caller, _| !suspended.contains(caller));
    Ok(Pulse { epoch, keys })
}

/// Begins to follow.
pub fn follow_changes(
    app: &App,
    caller: &Caller,
    request: &FollowRequest,
) -> Result<Follower, AppError> {
    let entry = entry(app, caller, "changes.followed");
    let subject = request.subject.as_deref();
    let found = caller.require(Scope::ReadTwins).and_then(|()| match subject {
        Some(subject) => find(app, caller, subject).map(Some),
        None => caller.require_everybody().map(|()| None),
    });
    let entry = match &found {
        Ok(Some(subject)) => entry.about(&app.reference(*subject)),
        _ => entry,
    };
    let result = found.and_then(|subject| {
        let cursor = match &request.after {
            Some(text) => parse(text).ok_or_else(bad_cursor)?,
            None => app.store.change_cursor()?,
        };
        let forecast = request.forecast;
        // A forecast that comes with a change is one that could be asked for.
        let caller = match forecast && !caller.is_operator() {
            true => app.permit(caller, PolicyAction::Forecast)?,
            false => caller.clone(),
        };
        Ok(Follower { caller, subject, cursor, forecast, begun: false, told: 0 })
    });
    app.conclude(entry, result)
}

fn find(app: &App, caller: &Caller, subject: &str) -> Result<Subject, AppError> {
    let subject = app.find_for(caller, subject)?;
    // For good and all: nobody breaks the glass for hours.
    if !app.may_be_asked(subject)? {
        return Err(withdrawn());
    }
    let known = app.store.subject(subject)?;
    known.map(|known| known.subject).ok_or_else(unknown_subject)
}

impl Follower {
    /// Returns who follows.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Returns what to go on with after the last message.
    pub fn id(&self) -> String {
        write(self.cursor)
    }

    /// Returns what changed since the last time: nothing, if nothing did, and a part, if it is
    /// much.
    pub fn next(&mut self, app: &App) -> Result<Vec<ChangeMessage>, AppError> {
        let mut messages = Vec::new();
        if !self.begun {
            self.begun = true;
            messages.push(self.message("ready", ChangeData::default()));
        }
        if self.subject.is_some_and(|subject| app.store.is_erased(subject).unwrap_or(true)) {
            return Err(AppError::refused("subject-erased", "the subject was erased"));
        }
        if let Some(subject) = self.subject
            && !app.may_be_asked(subject)?
        {
            return Err(withdrawn());
        }
        match app.store.changes(self.cursor, self.subject, EVENTS_AT_ONCE)? {
            Changes::Gone { cursor } => {
                self.cursor = cursor;
                let data = ChangeData { message: Some(RESYNC), ..ChangeData::default() };
                messages.push(self.message("gone", data));
            }
            Changes::Known { mut events, feeds, cursor } => {
                if self.subject.is_none() {
                    let asked: Result<Vec<bool>, AppError> =
                        events.iter().map(|event| app.may_be_asked(event.subject)).collect();
                    let mut asked = asked?.into_iter();
                    events.retain(|_| asked.next() == Some(true));
                }
                if !events.is_empty() || !feeds.is_empty() {
                    self.record(app, events.len() + feeds.len(), only_one(&events))?;
                }
                let same = |left: &EventChange, right: &EventChange| left.subject == right.subject;
                for events in events.chunk_by(same) {
                    messages.push(self.change(app, events)?);
                }
                // Refused events took numbers too.
                self.cursor.event = cursor.event;
                for feed in &feeds {
                    messages.push(self.feed(app, feed)?);
                }
                self.cursor = cursor;
            }
        }
        Ok(messages)
    }

    /// Records that nothing more is told, and why.
    pub fn close(self, app: &App, because: &'static str) -> Result<(), AppError> {
        let entry = self.about(app, entry(app, &self.caller, "changes.closed"));
        app.record(&entry.with("changes", number(self.told)).with("reason", because)).map(drop)
    }

    /// Records what is told now; if it is about one person, with whom.
    fn record(&mut self, app: &App, count: usize, of: Option<Subject>) -> Result<(), AppError> {
        self.told += count as u64;
        let entry = entry(app, &self.caller, "changes.told");
        let entry = match self.subject.or(of) {
            Some(subject) => entry.about(&app.reference(subject)),
            None => entry,
        };
        app.record(&entry.with("changes", number(count as u64))).map(drop)
    }

    fn about(&self, app: &App, entry: Entry) -> Entry {
        match self.subject {
            Some(subject) => entry.about(&app.reference(subject)),
            None => entry,
        }
    }

    fn change(&mut self, app: &App, events: &[EventChange]) -> Result<ChangeMessage, AppError> {
        let subject = events.first().map(|event| event.subject);
        self.cursor.event = events.last().map_or(self.cursor.event, |event| event.number);
        let events = events.iter().map(|event| ChangedEvent {
            code: event.code.to_string(),
            time: event.time.map(rfc3339),
        });
        let data = ChangeData { events: events.collect(), ..self.twin(app, subject)? };
        Ok(self.message("change", data))
    }

    fn feed(&mut self, app: &App, feed: &FeedChange) -> Result<ChangeMessage, AppError> {
        self.cursor.feed = feed.number;
        let data = ChangeData { feed: Some(feed_name(feed.feed)), ..self.twin(app, self.subject)? };
        Ok(self.message("feed", data))
    }

    /// Says what there is of a twin now.
    fn twin(&self, app: &App, subject: Option<Subject>) -> Result<ChangeData, AppError> {
        let Some(subject) = subject else { return Ok(ChangeData::default()) };
        let name = subject.reveal_text();
        let mut data = ChangeData {
            event_count: app.store.subject(subject)?.map(|known| known.event_count),
            ..ChangeData::default()
        };
        if self.forecast {
            let request = TwinForecastRequest::default();
            match forecast_twin(app, &self.caller, &name, &request) {
                Ok(answer) => data.forecast = Some(answer),
                Err(error) if error.code() == "ledger-write" => return Err(error),
                Err(error) => data.no_forecast = Some(error.code()),
            }
        }
        data.subject = Some(name);
        Ok(data)
    }

    fn message(&self, event: &'static str, data: ChangeData) -> ChangeMessage {
        ChangeMessage { id: self.id(), event, data }
    }
}

fn withdrawn() -> AppError {
    AppError::refused("consent-withdrawn", "this person does not want to be asked about")
}

/// Returns whose all these events are, if they are one person's.
fn only_one(events: &[EventChange]) -> Option<Subject> {
    let first = events.first()?.subject;
    events.iter().all(|event| event.subject == first).then_some(first)
}

fn entry(app: &App, caller: &Caller, action: &str) -> Entry {
    app.entry(caller, EventClass::DatastoreActivity, Activity::Read, action)
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn write(cursor: ChangeCursor) -> String {
    format!("{}-{}", cursor.event, cursor.feed)
}

/// Takes what [`write`] gave, and nothing that only looks like it.
fn parse(text: &str) -> Option<ChangeCursor> {
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // Numbers of rows are those of SQLite.
        digits.parse().ok().filter(|&number: &i64| plain && 0 <= number).map(|it| it as u64)
    };
    let (event, feed) = text.split_once('-')?;
    Some(ChangeCursor { event: number(event)?, feed: number(feed)? })
}

fn bad_cursor() -> AppError {
    AppError::usage("change-id", "the id to go on with is none that was given")
        .hint("take the `id` of the last message that came, or begin without one")
}

/// What to do when the changes after a cursor are not kept any more.
const RESYNC: &str = "what changed since then is not kept any more: read the twins again; what \
                      changes from here on follows";

/// Events in one read: a second of a busy ward.
const EVENTS_AT_ONCE: usize = 200;

#[cfg(test)]
mod tests {
    use super::{parse, write};

    #[test]
    fn an_id_is_taken_as_it_was_given_and_nothing_else_is() {
        for id in ["0-0", "12-7", "9223372036854775807-1"] {
            assert_eq!(write(parse(id).unwrap()), id);
        }
        for text in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "1-2-3",
            "+1-2",
            "1 -2",
            "1--2",
            "a-b",
            "1.0-2",
            "9223372036854775808-0",
            "\u{661}-1",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
