//! Use case: read the events of one twin, a page at a time.

use serde::Serialize;
use twinkeep_domain::{Code, Event, Timestamp};

use crate::time_text::rfc3339;
use crate::twins::{Found, about};
use crate::{App, AppError, Caller};

/// Which events.
#[derive(Clone, Debug, Default)]
pub struct HistoryRequest {
    /// None before this moment, and none that holds at all times.
    pub from: Option<Timestamp>,
    /// None after this moment.
    pub until: Option<Timestamp>,
    /// Of one code: one of the pack, another name that the pack has for it, or any other.
    pub code: Option<String>,
    /// Where the last page ended.
    pub after: Option<String>,
    /// How many; by default, [`EVENTS_DEFAULT`].
    pub limit: Option<usize>,
}

/// A page of events.
#[derive(Debug, Serialize)]
pub struct TwinHistory {
    /// The pseudonym.
    pub subject: String,
    /// By increasing time; what holds at all times comes first.
    pub events: Vec<HistoryLine>,
    /// Pass as `after` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One event.
#[derive(Debug, Serialize)]
pub struct HistoryLine {
    /// When (RFC 3339); absent for what holds at all times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// What.
    pub code: String,
    /// The value, in the pack's unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f32>,
    /// The unit, in UCUM, where the pack knows the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Reads a page of the events of one twin.
pub fn show_history(
    app: &App,
    caller: &Caller,
    subject: &str,
    request: &HistoryRequest,
) -> Result<TwinHistory, AppError> {
    about(app, caller, "twin.history", subject, |found| page(app, found, request))
}

fn page(app: &App, found: &Found<'_>, request: &HistoryRequest) -> Result<TwinHistory, AppError> {
    let after =
        request.after.as_deref().map(|text| parse(text).ok_or_else(bad_place)).transpose()?;
    let limit = request.limit.unwrap_or(EVENTS_DEFAULT).clamp(1, EVENTS_MAX);
    let wanted = request.code.as_deref().map(|code| canonical(app, code));
    let code = |event: &Event| found.codes.get(event.code as usize).map_or("", Code::as_str);
    let fits = |event: &&Event| {
        let since = request.from.is_none_or(|from| event.time.is_some_and(|time| from <= time));
        let until = request.until.is_none_or(|until| event.time.is_none_or(|time| time <= until));
        since && until && wanted.as_deref().is_none_or(|wanted| wanted == code(event))
    };
    let mut events: Vec<&Event> = found.timeline.events().iter().filter(fits).collect();
    // Of one moment, the order in which files keep them may change; a page must not.
    let content = |event: &Event| {
        let bits = event.value.map(f32::to_bits);
        (event.time, code(event).to_owned(), bits, event.text.clone())
    };
    events.sort_by_cached_key(|event| content(event));
    let start = after.map_or(0, |place| {
        let before = events.partition_point(|event| event.time < place.time);
        let same = events.iter().skip(before).take_while(|event| event.time == place.time);
        before + same.count().min(place.seen)
    });
    let rest = events.get(start..).unwrap_or_default();
    let shown = rest.get(..limit).unwrap_or(rest);
    let next = shown.last().filter(|_| shown.len() < rest.len()).map(|last| {
        let same = |event: &&&Event| event.time == last.time;
        let seen = events.iter().take(start + shown.len()).filter(same).count();
        write(&Place { time: last.time, seen })
    });
    let line = |event: &&Event| {
        let code = code(event);
        let variable = app.pack.find(code).and_then(|index| app.pack.variables().get(index));
        HistoryLine {
            time: event.time.map(rfc3339),
            code: code.to_owned(),
            value: event.value,
            unit: variable.map(|variable| variable.unit.clone()),
            text: event.text.as_deref().map(str::to_owned),
        }
    };
    let events = shown.iter().map(line).collect();
    Ok(TwinHistory { subject: found.subject.reveal_text(), events, next })
}

/// Returns the code that a name of the pack stands for.
fn canonical(app: &App, name: &str) -> String {
    let variable = app.pack.find(name).and_then(|index| app.pack.variables().get(index));
    variable.map_or(name, |variable| variable.code.as_str()).to_owned()
}

/// Where a page ended: how many events of the last moment it had, or pages before it.
struct Place {
    time: Option<Timestamp>,
    seen: usize,
}

fn write(place: &Place) -> String {
    let time = place.time.map_or_else(|| ALWAYS.to_owned(), |time| time.micros().to_string());
    format!("{time}.{}", place.seen)
}

fn parse(text: &str) -> Option<Place> {
    let (time, seen) = text.split_once('.')?;
    let time = match time {
        ALWAYS => None,
        time => Some(Timestamp::from_micros(time.parse().ok()?)),
    };
    Some(Place { time, seen: seen.parse().ok()? })
}

fn bad_place() -> AppError {
    AppError::usage("history-place", "`after` takes the `next` of an earlier page")
}

/// What stands for no time.
const ALWAYS: &str = "always";

/// A few screens.
pub const EVENTS_DEFAULT: usize = 200;

/// An answer that a program can hold.
const EVENTS_MAX: usize = 5_000;
