//! Use case: record live events, durable when it is answered.
//!
//! # Life of a live event
//!
//! 1. It is screened by the same rules as a row of a feed.
//! 2. The ledger gets what came and how much of it passed, so that a crash cannot hide what was
//!    stored.
//! 3. The store makes it durable, with others that came at the same time; from then on the twin's
//!    state and forecasts know it. What did not pass, or is there already, is kept as refused.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;
use twinkeep_domain::{SourceSubject, Subject, Timestamp};
use twinkeep_intake::{Dates, Judgement, LiveRow, Portion, ReadOptions, screen_events};
use twinkeep_ledger::{Activity, Class as EventClass, Entry, Severity};
use twinkeep_store::{LateRefusal, LiveBatch, LiveOrigin, LiveRefused, LiveRequest};
use twinkeep_vault::{Pseudonymizer, SecretBytes};

use crate::feeds::QuarantineLine;
use crate::sites::{LOCAL_SITE, check_site, unknown_subject};
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller, Scope};

/// Events that came together.
pub struct RecordRequest {
    /// Whose record numbers they speak in; by default, the caller's site.
    pub site: Option<String>,
    /// At least one, at most [`LIVE_EVENT_COUNT_MAX`].
    pub events: Vec<LiveEvent>,
    /// The caller's own name for this request, and a digest of what it said: the same request
    /// again gets the same answer, and stores nothing.
    pub idempotency: Option<(String, [u8; 32])>,
}

/// One thing that happened.
pub struct LiveEvent {
    /// Whom it is about: the source's identifier, or the pseudonym of a twin that is there.
    pub subject: String,
    /// When; `None` is allowed for static codes only.
    pub time: Option<Timestamp>,
    /// What: a code of the pack or another name of it.
    pub code: String,
    /// The value.
    pub value: Option<f32>,
    /// Its unit; `None` if it is the one that goes with the name.
    pub unit: Option<String>,
    /// The text.
    pub text: Option<String>,
}

/// What became of the events: `accepted + missing + quarantined = received`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordReport {
    /// Events that came.
    pub received: u64,
    /// Events that are stored.
    pub accepted: u64,
    /// Events whose value says "not recorded".
    pub missing: u64,
    /// Events that were refused.
    pub quarantined: u64,
    /// Which ones were refused, and why.
    pub refused: Vec<RefusedEvent>,
}

/// An event that was refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedEvent {
    /// Its place in the request, counted from 0.
    pub index: u64,
    /// The permanent name of the reason.
    pub reason: String,
    /// The field that was wrong, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// Records live events.
pub fn record_events(
    app: &App,
    caller: &Caller,
    request: &RecordRequest,
) -> Result<RecordReport, AppError> {
    let class = EventClass::DatastoreActivity;
    let entry = app.entry(caller, class, Activity::Create, "events.received");
    let screened = match screen(app, caller, request) {
        Ok(screened) => screened,
        Err(error) => return app.conclude(entry, Err(error)),
    };
    let entry = describe(app, entry, &screened);
    app.record(&entry)?;
    let stored = store(app, caller, request, screened);
    match &stored {
        Ok(_) => app.remember_catalog()?,
        Err(error) => {
            let failed = entry.severity(Severity::Medium).failed(error.code());
            app.record(&failed)?;
        }
    }
    stored
}

/// Events that were screened.
struct ScreenedEvents {
    site: String,
    portion: Portion,
    report: RecordReport,
}

fn screen(app: &App, caller: &Caller, request: &RecordRequest) -> Result<ScreenedEvents, AppError> {
    caller.require(Scope::WriteEvents)?;
    if !(1..=LIVE_EVENT_COUNT_MAX).contains(&request.events.len()) {
        let attempt = format!("a request brings 1 to {LIVE_EVENT_COUNT_MAX} events");
        return Err(AppError::usage("event-count", attempt)
            .hint("send many events as a sealed feed: `twinkeep send`"));
    }
    let site = site_of(app, caller, request.site.as_deref())?;
    let events = &request.events;
    let subjects: Vec<String> =
        events.iter().map(|event| identifier(app, &site, event)).collect::<Result<_, _>>()?;
    let raws: Vec<SecretBytes> = events.iter().map(raw).collect();
    let rows = events.iter().zip(&subjects).zip(&raws).map(|((event, subject), raw)| LiveRow {
        subject,
        time: event.time,
        name: &event.code,
        value: event.value,
        unit: event.unit.as_deref(),
        text: event.text.as_deref(),
        raw: raw.expose(),
    });
    let rows: Vec<LiveRow<'_>> = rows.collect();
    let pseudonyms = app.site_pseudonyms(&site);
    let spool = app.layout.store();
    let options = live_options(app, &pseudonyms, &spool);
    let failed = |error: twinkeep_intake::IntakeError| {
        AppError::refused(error.code(), "cannot screen the events")
    };
    let (mut portions, counts) = screen_events(&rows, &options).map_err(failed)?;
    // INVARIANT: a request is far smaller than a portion, so that there is exactly one.
    let portion = portions.pop().filter(|_| portions.is_empty());
    let portion = portion.ok_or_else(|| AppError::refused("event-count", "too many events"))?;
    let mut refused: Vec<RefusedEvent> = portion.quarantined.iter().map(refused_event).collect();
    refused.sort();
    let report = RecordReport {
        received: counts.read,
        accepted: counts.accepted,
        missing: counts.missing,
        quarantined: counts.quarantined,
        refused,
    };
    Ok(ScreenedEvents { site, portion, report })
}

fn refused_event(row: &twinkeep_intake::QuarantinedRow) -> RefusedEvent {
    RefusedEvent {
        index: row.origin.row - 1,
        reason: row.reason.code().to_owned(),
        field: row.field.map(str::to_owned),
    }
}

/// Returns the site that a caller speaks for: a key cannot write into another site's people.
fn site_of(app: &App, caller: &Caller, asked: Option<&str>) -> Result<String, AppError> {
    let own = app.caller_site(caller)?;
    let site = match (asked, own) {
        (Some(asked), Some(own)) if asked != own => {
            let attempt = "this key does not speak for that site";
            return Err(AppError::refused("site-foreign", attempt).hint(
                "make a key for it: `twinkeep key new NAME --scope events:write --site SITE`",
            ));
        }
        (Some(asked), _) => asked.to_owned(),
        (None, own) => own.unwrap_or_else(|| LOCAL_SITE.to_owned()),
    };
    check_site(&site)?;
    Ok(site)
}

/// Returns by what single events are screened: as a feed's rows are, but for the panel, which looks
/// at many at a time.
pub(crate) fn live_options<'a>(
    app: &'a App,
    pseudonyms: &'a Pseudonymizer,
    spool: &'a Path,
) -> ReadOptions<'a> {
    ReadOptions {
        pack: &app.pack,
        pseudonyms,
        now: app.now(),
        spool,
        mapping: None,
        dates: Dates::Real,
        judgement: Judgement::ByThePack,
        deidentify: app.date_shift_by(None),
        panel: None,
    }
}

/// Returns what the site calls a person: as it was given, or the name behind a pseudonym.
fn identifier(app: &App, site: &str, event: &LiveEvent) -> Result<String, AppError> {
    let Some(subject) = Subject::parse(&event.subject) else {
        return own_identifier(app, site, &event.subject);
    };
    let source = app.store.source_of(subject)?.ok_or_else(unknown_subject)?;
    let own = source.reveal().split_once('/').filter(|(of, _)| *of == site);
    own.map(|(_, identifier)| identifier.to_owned()).ok_or_else(unknown_subject)
}

/// Takes the site off `SITE/IDENTIFIER`, by which all else names people: as an identifier, all of it
/// would be somebody new.
fn own_identifier(app: &App, site: &str, given: &str) -> Result<String, AppError> {
    let Some((of, identifier)) = given.split_once('/') else { return Ok(given.to_owned()) };
    if of == site {
        return Ok(identifier.to_owned());
    }
    if app.sites()?.iter().any(|known| known == of) {
        let attempt = "the event is about somebody of another site than the one it is for";
        return Err(AppError::refused("site-foreign", attempt)
            .hint("name the site apart: `twinkeep event add IDENTIFIER ... --site SITE`"));
    }
    Ok(given.to_owned())
}

/// Writes an event as the API takes it, so that it can be looked at and sent again.
fn raw(event: &LiveEvent) -> SecretBytes {
    let LiveEvent { subject, time, code, value, unit, text } = event;
    let time = time.map(rfc3339);
    let event = json!({
        "subject": subject, "time": time, "code": code, "value": value, "unit": unit, "text": text,
    });
    SecretBytes::new(event.to_string().into_bytes())
}

fn describe(app: &App, entry: Entry, screened: &ScreenedEvents) -> Entry {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let RecordReport { received, accepted, quarantined, .. } = screened.report;
    let entry = entry
        .with("received", number(received))
        .with("accepted", number(accepted))
        .with("quarantined", number(quarantined));
    match screened.portion.mapping[..] {
        [(subject, _)] => entry.about(&app.reference(subject)),
        _ => entry,
    }
}

fn store(
    app: &App,
    caller: &Caller,
    request: &RecordRequest,
    screened: ScreenedEvents,
) -> Result<RecordReport, AppError> {
    let ScreenedEvents { site, portion, report } = screened;
    app.remember_site(&site)?;
    let named = |(subject, source): &(Subject, SourceSubject)| {
        let name = format!("{site}/{}", source.reveal());
        let too_long = || AppError::refused("subject-too-long", "an identifier is too long");
        Ok((*subject, SourceSubject::new(&name).ok_or_else(too_long)?))
    };
    let mapping = portion.mapping.iter().map(named).collect::<Result<_, AppError>>()?;
    let origin = |row: u64| {
        let event = usize::try_from(row).ok().and_then(|row| request.events.get(row - 1));
        LiveOrigin { row, raw: event.map_or_else(|| SecretBytes::new(Vec::new()), raw) }
    };
    let pseudonyms = app.site_pseudonyms(&site);
    let refused = portion.quarantined.iter().map(|row| LiveRefused {
        origin: origin(row.origin.row),
        subject: row.parsed.as_ref().map(|parsed| pseudonyms.pseudonym(&parsed.subject)),
        field: row.field,
        reason: row.reason.code(),
    });
    let batch = LiveBatch {
        request: request
            .idempotency
            .as_ref()
            .map(|(name, body)| LiveRequest { name: format!("{} {name}", caller.id), body: *body }),
        received_at: app.now(),
        refused: refused.collect(),
        origins: portion.origins.iter().map(|at| origin(at.row)).collect(),
        screened: portion.screened,
        mapping,
        answer: Box::new(move |late| {
            serde_json::to_vec(&with_late(&report, late)).unwrap_or_default()
        }),
    };
    let outcome = app.store.add_live(batch, &app.splits)?;
    serde_json::from_slice(outcome.answer.expose()).map_err(|error| {
        AppError::refused("answer-damaged", "the answer to this request cannot be read")
            .because(error)
    })
}

/// Moves events that the store refused from the accepted to the refused ones.
fn with_late(report: &RecordReport, late: &[LateRefusal]) -> RecordReport {
    let refusal = |late: &LateRefusal| RefusedEvent {
        index: late.row - 1,
        reason: late.reason.to_owned(),
        field: None,
    };
    let mut refused = report.refused.clone();
    refused.extend(late.iter().map(refusal));
    refused.sort();
    let count = late.len() as u64;
    RecordReport {
        accepted: report.accepted.saturating_sub(count),
        quarantined: report.quarantined + count,
        refused,
        ..*report
    }
}

/// Shows the live events that were refused. `reveal` shows them as they came.
pub fn show_refused_events(
    app: &App,
    caller: &Caller,
    reveal: bool,
    limit: usize,
) -> Result<Vec<QuarantineLine>, AppError> {
    let action = if reveal { "quarantine.revealed" } else { "quarantine.listed" };
    let entry = app.entry(caller, EventClass::DatastoreActivity, Activity::Read, action);
    let rows = app.store.live_refused(0, limit).map_err(AppError::from);
    let rows = app.conclude(entry.with("feed", "live"), rows)?;
    let line = |row: twinkeep_store::QuarantinedRecord| QuarantineLine {
        number: row.row,
        released: None,
        file: None,
        row: row.row,
        field: row.field,
        reason: row.reason,
        raw: reveal.then(|| String::from_utf8_lossy(row.raw.expose()).into_owned()),
    };
    Ok(rows.into_iter().map(line).collect())
}

/// A monitor sends a few at a time; more is a feed, which is screened as a whole.
pub const LIVE_EVENT_COUNT_MAX: usize = 100;
