//! Use case: hand out everything that is kept about a person (GDPR, articles 15 and 20).
//!
//! The folder has the events twice, in the schema of MEDS and as JSON, and what else concerns the
//! person: who they are here, the feeds they came from, refused rows about them, models that may
//! have learned from them, and who did what with their data.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};
use twinkeep_domain::{Code, Cohort, Event, Timestamp};
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_store::{FeedRecord, MedsFile, QuarantinedRecord};
use twinkeep_vault::files::{PRIVATE_FILE, create_private_dir, write_atomic};

use crate::concerns::Person;
use crate::feeds::feed_name;
use crate::sites::unknown_subject;
use crate::time_text::rfc3339;
use crate::verify_ledger::{LedgerLine, line};
use crate::{App, AppError, Caller, Entry, Scope};

/// What was handed out.
#[derive(Debug, Serialize)]
pub struct SubjectExport {
    /// Events of the person.
    pub events: usize,
    /// Refused rows about the person.
    pub refused_rows: usize,
    /// Entries of the ledger about the person.
    pub ledger_entries: usize,
    /// The files in the folder.
    pub files: Vec<&'static str>,
}

/// Everything about a person, for a program.
#[derive(Debug, Serialize)]
pub struct SubjectDocument {
    /// Who they are here, the feeds they came from, refused rows about them, models that may have
    /// learned from them, and who did what with their data.
    pub person: Value,
    /// The events, in the schema of MEDS.
    pub events: Vec<Value>,
}

/// Writes everything about a person to a new folder.
pub fn export_subject(
    app: &App,
    caller: &Caller,
    subject: &str,
    folder: &Path,
) -> Result<SubjectExport, AppError> {
    let class = EventClass::DatastoreActivity;
    let entry = app.entry(caller, class, Activity::Read, "subject.exported");
    hand_out(app, caller, entry, subject, |person| export(app, person, folder))
}

/// Returns everything about a person, for a program.
pub fn read_subject(
    app: &App,
    caller: &Caller,
    subject: &str,
) -> Result<SubjectDocument, AppError> {
    let class = EventClass::DatastoreActivity;
    let entry = app.entry(caller, class, Activity::Read, "subject.exported");
    hand_out(app, caller, entry, subject, |person| {
        let kept = Kept::of(app, person)?;
        let (codes, events) = kept.events();
        if EVENT_COUNT_MAX < events.len() {
            let attempt = format!("there are more than {EVENT_COUNT_MAX} events");
            return Err(AppError::refused("export-size", attempt)
                .hint("`twinkeep subject export` writes them to a folder"));
        }
        let history = ledger_entries(app, person)?;
        Ok(SubjectDocument {
            person: person_json(app, person, &kept.refused, &history)?,
            events: events.iter().map(|event| event_json(codes, event)).collect(),
        })
    })
}

/// Finds a person and hands out what is kept: on record first, because it is out of the keep's
/// hands then.
fn hand_out<T>(
    app: &App,
    caller: &Caller,
    entry: Entry,
    subject: &str,
    export: impl FnOnce(&Person) -> Result<T, AppError>,
) -> Result<T, AppError> {
    let allowed = caller.require(Scope::ExportSubjects);
    let wanted = allowed.and_then(|()| app.find_person(subject));
    let entry = match &wanted {
        Ok(person) => entry.about(&app.reference(person.subject)).severity(Severity::Low),
        Err(_) => entry,
    };
    let result = wanted.and_then(|person| {
        app.record(&entry)?;
        export(&person)
    });
    match result {
        Ok(report) => Ok(report),
        Err(error) => app.conclude(entry, Err(error)),
    }
}

/// What the store has about a person.
struct Kept {
    cohort: Option<Cohort>,
    refused: Vec<Value>,
}

impl Kept {
    fn of(app: &App, person: &Person) -> Result<Self, AppError> {
        let cohort = app.store.timeline(person.subject)?;
        let refused = refused_rows(app, person)?;
        match cohort.is_none() && refused.is_empty() {
            true => Err(unknown_subject()),
            false => Ok(Self { cohort, refused }),
        }
    }

    fn events(&self) -> (&[Code], &[Event]) {
        let Some(cohort) = &self.cohort else { return (&[], &[]) };
        (&cohort.codes, cohort.timelines.first().map_or(&[], |timeline| timeline.events()))
    }
}

fn export(app: &App, person: &Person, folder: &Path) -> Result<SubjectExport, AppError> {
    let kept = Kept::of(app, person)?;
    new_folder(folder)?;
    let (codes, events) = kept.events();
    let mut meds = MedsFile::create(&folder.join(EVENTS_PARQUET))?;
    meds.add(person.subject.reveal(), codes, events)?;
    meds.finish()?;
    let listed: Vec<Value> = events.iter().map(|event| event_json(codes, event)).collect();
    write(folder, EVENTS_JSON, &json!(listed))?;
    let history = ledger_entries(app, person)?;
    write(folder, PERSON_JSON, &person_json(app, person, &kept.refused, &history)?)?;
    Ok(SubjectExport {
        events: events.len(),
        refused_rows: kept.refused.len(),
        ledger_entries: history.len(),
        files: vec![EVENTS_PARQUET, EVENTS_JSON, PERSON_JSON],
    })
}

fn person_json(
    app: &App,
    person: &Person,
    refused: &[Value],
    history: &[LedgerLine],
) -> Result<Value, AppError> {
    let ids = app.store.feeds_of(person.subject)?;
    let feeds: Vec<FeedRecord> =
        app.store.feeds()?.into_iter().filter(|feed| ids.contains(&feed.id)).collect();
    let since = feeds.iter().map(|feed| feed.ingested_at).min();
    let senders: BTreeMap<String, String> =
        crate::list_senders(app)?.into_iter().map(|it| (it.key_id, it.name)).collect();
    let feed = |feed: &FeedRecord| {
        let sender = feed.delivery.as_ref().and_then(|(key, _)| senders.get(key));
        json!({
            "feed": feed_name(feed.id),
            "ingested": rfc3339(feed.ingested_at),
            "source": feed.source,
            "state": feed.state.name(),
            "sender": sender,
        })
    };
    let learned = |record: &&twinkeep_registry::VersionRecord| {
        let submitted = record.steps.first().map(|step| step.at);
        since.zip(submitted).is_some_and(|(since, submitted)| since <= submitted)
    };
    let versions = app.registry.list()?;
    let models: Vec<Value> = versions
        .iter()
        .filter(learned)
        .map(|record| json!({ "version": record.id.to_string(), "state": record.status.name() }))
        .collect();
    let split = app.store.subject(person.subject)?.map(|record| record.split.name());
    Ok(json!({
        "exported": rfc3339(app.now()),
        "subject": person.subject.reveal_text(),
        "site": person.site,
        "identifier": person.identifier,
        "ledger_reference": app.reference(person.subject),
        "split": split,
        "feeds": feeds.iter().map(feed).collect::<Vec<_>>(),
        "refused_rows": refused,
        "models_that_may_have_learned_from_the_person": models,
        "ledger": history,
    }))
}

fn refused_rows(app: &App, person: &Person) -> Result<Vec<Value>, AppError> {
    let mut found = Vec::new();
    app.store.visit_refused(&mut |feed, row| {
        if person.is_in(&feed.site, &row) {
            found.push(refused_json(&feed_name(feed.id), &row));
        }
        Ok(())
    })?;
    let concerns = |row: &QuarantinedRecord| person.is_in("", row);
    app.store.visit_live_refused(person.subject, &concerns, &mut |row| {
        found.push(refused_json("live", &row));
    })?;
    Ok(found)
}

fn refused_json(feed: &str, row: &QuarantinedRecord) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let parsed = row.parsed.as_ref().map(|parsed| {
        json!({
            "time": parsed.time.map(rfc3339),
            "name": parsed.name,
            "value": parsed.value,
            "unit": parsed.unit,
            "text": parsed.text,
        })
    });
    json!({
        "feed": feed,
        "file": text(row.file.expose()),
        "row": row.row,
        "field": row.field,
        "reason": row.reason,
        "as_read": text(row.raw.expose()),
        "fields": parsed,
    })
}

/// Returns every entry of the ledger about the person.
fn ledger_entries(app: &App, person: &Person) -> Result<Vec<LedgerLine>, AppError> {
    let reference = app.reference(person.subject);
    let view = app.ledger_view()?;
    let size = view.checkpoint().checkpoint.size;
    let mut found = Vec::new();
    let mut first = 0;
    while first < size {
        let end = size.min(first + ENTRIES_AT_ONCE);
        for (bytes, index) in view.entries(first..end)?.iter().zip(first..) {
            let Ok(entry) = Entry::decode(bytes) else { continue };
            if entry.subject.as_deref() == Some(&reference) {
                found.push(line(index, entry));
            }
        }
        first = end;
    }
    Ok(found)
}

fn event_json(codes: &[Code], event: &Event) -> Value {
    json!({
        "time": event.time.map(|time: Timestamp| rfc3339(time)),
        "code": codes.get(event.code as usize).map(Code::as_str),
        "numeric_value": event.value,
        "text_value": event.text,
    })
}

/// Makes a folder for plaintext; refuses one that has something in it.
pub(crate) fn new_folder(folder: &Path) -> Result<(), AppError> {
    let occupied = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied || folder.is_file() {
        let attempt = format!("`{}` exists and is not an empty folder", folder.display());
        return Err(AppError::refused("export-exists", attempt).hint("choose another one"));
    }
    create_private_dir(folder).map_err(|error| {
        let attempt = format!("cannot create `{}`", folder.display());
        AppError::environment("export-write", attempt).because(error)
    })
}

fn write(folder: &Path, name: &str, value: &Value) -> Result<(), AppError> {
    let path = folder.join(name);
    let failed = |error: std::io::Error| {
        let attempt = format!("cannot write `{}`", path.display());
        AppError::environment("export-write", attempt).because(error)
    };
    let text = serde_json::to_vec_pretty(value).map_err(|error| failed(error.into()))?;
    write_atomic(&path, &text, PRIVATE_FILE).map_err(failed)
}

const EVENTS_PARQUET: &str = "events.parquet";
const EVENTS_JSON: &str = "events.json";
const PERSON_JSON: &str = "person.json";

/// Events in one answer: some 20 MB of JSON, and more than a long stay in intensive care has.
const EVENT_COUNT_MAX: usize = 200_000;

/// Some tiles of the ledger at a time.
const ENTRIES_AT_ONCE: u64 = 4096;
