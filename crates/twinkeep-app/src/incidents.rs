//! Use cases: report what a detector found, and look after incidents.
//!
//! What is reported opens an incident or extends the open one of the same detector and target, and
//! is contained at once, as its playbook says ([`crate::contain_incident`]). Undoing that takes a
//! person.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use twinkeep_domain::Timestamp;
use twinkeep_ledger::{Activity, Class as EventClass, Entry, Severity as EventSeverity};
use twinkeep_store::{IncidentRecord, Incidents};
use twinkeep_watch::incident::{
    About, Incident, Note, Step, clocks, incident_id, parse_incident_id,
};
use twinkeep_watch::{Detection, Detector, Severity, Target};

use crate::contain_incident::{Containing, awaits_plan, contain, is_left, resume_others};
use crate::reason::check_reason;
use crate::time_text::rfc3339;
use crate::{Alert, AlertStage, App, AppError, Caller, Queued, Scope, queue_alert};

/// An incident.
#[derive(Clone, Debug, Serialize)]
pub struct IncidentReport {
    /// Its name: `inc-1`.
    pub id: String,
    /// `open`, `contained`, `acknowledged`, or `closed`.
    pub state: &'static str,
    /// Who found it.
    pub detector: String,
    /// The detector that a drill rehearses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rehearses: Option<String>,
    /// What it is about.
    pub target: Target,
    /// How bad it is.
    pub severity: String,
    /// When it began, as far as is known (RFC 3339).
    pub began: String,
    /// When the keep became aware of it: the clocks run from here.
    pub aware: String,
    /// When it was reported last.
    pub last: String,
    /// How often it was reported.
    pub count: u64,
    /// What was said of it last.
    pub says: String,
    /// What was measured.
    pub figures: BTreeMap<String, f64>,
    /// Digests of what proves it.
    pub evidence: BTreeMap<String, String>,
    /// Keyed references of people concerned, as far as they are known.
    pub subjects: Vec<String>,
    /// How many people are concerned, as far as is known.
    pub subject_count: u64,
    /// Model versions concerned.
    pub models: Vec<String>,
    /// How many people each of them learned from, as far as is known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub training_subjects: BTreeMap<String, u64>,
    /// Time limits of the law.
    pub clocks: Vec<ClockLine>,
    /// The playbook that was chosen.
    pub playbook: Option<String>,
    /// What was done.
    pub steps: Vec<StepLine>,
    /// What people wrote.
    pub notes: Vec<NoteLine>,
    /// When all of the playbook was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contained: Option<String>,
    /// Microseconds from awareness until all of the playbook was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contained_after_us: Option<i64>,
    /// When it was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<String>,
    /// The entry of the ledger that says that it was opened.
    pub ledger_entry: Option<u64>,
}

/// A time limit.
#[derive(Clone, Debug, Serialize)]
pub struct ClockLine {
    /// The rule.
    pub rule: &'static str,
    /// Who is to be told.
    pub whom: &'static str,
    /// Until when (RFC 3339).
    pub deadline: String,
    /// What is left, in seconds; negative, if it is over.
    pub left_seconds: i64,
}

/// An action, as a list shows it.
#[derive(Clone, Debug, Serialize)]
pub struct StepLine {
    /// What is done.
    pub action: &'static str,
    /// To what; empty, if to the keep.
    pub on: String,
    /// How far it has come.
    pub state: &'static str,
    /// When that was reached (RFC 3339).
    pub at: String,
    /// Why it failed or was left out.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// What came of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub says: String,
    /// What was there before.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub before: BTreeMap<String, String>,
    /// The exact commands, where it is done on the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// Whether it can be undone.
    pub reversible: bool,
    /// What undoes it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub undone_by: &'static str,
}

/// A note.
#[derive(Clone, Debug, Serialize)]
pub struct NoteLine {
    /// When (RFC 3339).
    pub at: String,
    /// Who.
    pub by: String,
    /// What part of a report it belongs to.
    pub about: &'static str,
    /// In their words.
    pub text: String,
}

/// Opens an incident, or extends the open one of the same detector and target, and contains it at
/// once. Any number of threads and processes may call this at a time.
pub fn report_detection(app: &App, detection: &Detection) -> Result<IncidentReport, AppError> {
    report_as(app, &Caller::system(), detection, None)
}

/// The same for a drill, which rehearses another detector.
pub(crate) fn report_as(
    app: &App,
    caller: &Caller,
    detection: &Detection,
    rehearses: Option<Detector>,
) -> Result<IncidentReport, AppError> {
    let number = open(app, caller, detection, rehearses)?;
    contain(app, number)?;
    await_helper(app, number)?;
    // What keeps another incident from being contained fails no report; `serve` tries it again.
    let _others = resume_others(app);
    load(app, number).map(|incident| report(app, number, &incident))
}

/// Gives whoever has the privileges for it the time to go on with what is done on the host. What
/// still waits then is done all the same, and is in the incident.
fn await_helper(app: &App, number: u64) -> Result<(), AppError> {
    for _ in 0..HELPER_TRIES {
        let incident = load(app, number)?;
        let next = incident.pending().and_then(|index| incident.steps.get(index));
        if !next.is_some_and(|step| is_left(app, step)) {
            break;
        }
        thread::sleep(HELPER_PAUSE);
    }
    Ok(())
}

/// Opens or extends an incident, and leaves containing to whoever resumes: for use cases that may
/// themselves be part of containing another.
pub(crate) fn note_detection(app: &App, detection: &Detection) -> Result<(), AppError> {
    open(app, &Caller::system(), detection, None).map(drop)
}

fn open(
    app: &App,
    caller: &Caller,
    detection: &Detection,
    rehearses: Option<Detector>,
) -> Result<u64, AppError> {
    let now = app.now().micros();
    let (mut number, mut count) = (0, 0);
    let mut damaged = None;
    app.store.change_incidents(Incidents::Open, &mut |known, next| {
        let mut found = None;
        for record in known {
            match read(record) {
                Ok(incident) if incident.is_of(detection, rehearses) => {
                    found = Some((record.number, incident));
                }
                Ok(_) => {}
                Err(error) => damaged = Some(error),
            }
        }
        let (own, incident) = match found {
            Some((own, mut incident)) => {
                // Worse than what was planned for: whoever contains plans anew, and people are told.
                if incident.severity < detection.severity {
                    incident.playbook = None;
                }
                incident.extend(detection, now);
                (own, incident)
            }
            None => (next, Incident { rehearses, ..Incident::open(detection, now) }),
        };
        (number, count) = (own, incident.count);
        write(own, &incident).map_err(|error| damaged = Some(error)).ok()
    })?;
    if number == 0 {
        return Err(damaged.unwrap_or_else(unknown));
    }
    record_found(app, caller, (number, count), detection)?;
    Ok(number)
}

/// Says what was found just now, without figures.
pub(crate) fn detected(
    app: &App,
    detector: Detector,
    target: Target,
    severity: Severity,
    says: &str,
) -> Detection {
    let now = app.now().micros();
    Detection {
        detector,
        target,
        severity,
        began_us: now,
        seen_us: now,
        says: says.to_owned(),
        figures: BTreeMap::new(),
        evidence: BTreeMap::new(),
        subjects: BTreeSet::new(),
    }
}

/// The first report of an incident is the entry that the incident names.
fn record_found(
    app: &App,
    caller: &Caller,
    (number, count): (u64, u64),
    detection: &Detection,
) -> Result<(), AppError> {
    let (action, activity) = match count {
        1 => ("incident.opened", Activity::Create),
        _ => ("incident.extended", Activity::Update),
    };
    let entry = app
        .entry(caller, EventClass::DetectionFinding, activity, action)
        .severity(event_severity(detection.severity))
        .with("incident", incident_id(number).as_str())
        .with("detector", word(&detection.detector).as_str())
        .with("count", i64::try_from(count).unwrap_or(i64::MAX));
    let index = app.record_at(&entry)?;
    if count == 1 {
        change(app, number, &mut |incident| incident.entry = incident.entry.or(Some(index)))?;
    }
    Ok(())
}

/// Lists incidents, the newest last; those that are closed, too, if `all`.
pub fn list_incidents(
    app: &App,
    caller: &Caller,
    all: bool,
) -> Result<Vec<IncidentReport>, AppError> {
    let entry = entry(app, caller, Activity::Read, "incidents.listed");
    let which = if all { Incidents::All } else { Incidents::Open };
    let list = || {
        may_look(caller)?;
        let known = app.store.incidents(which)?;
        known.iter().map(|it| Ok(report(app, it.number, &read(it)?))).collect()
    };
    app.conclude(entry, list())
}

/// Shows an incident.
pub fn show_incident(app: &App, caller: &Caller, id: &str) -> Result<IncidentReport, AppError> {
    let entry = entry(app, caller, Activity::Read, "incident.read");
    let result = may_look(caller)
        .and_then(|()| find(id))
        .and_then(|number| Ok((number, load(app, number)?)));
    let entry = if result.is_ok() { entry.with("incident", id) } else { entry };
    app.conclude(entry, result.map(|(number, incident)| report(app, number, &incident)))
}

/// Refuses whoever may neither read incidents nor administer.
pub(crate) fn may_look(caller: &Caller) -> Result<(), AppError> {
    match caller.scopes.contains(&Scope::Administer) {
        true => Ok(()),
        false => caller.require(Scope::ReadIncidents),
    }
}

/// Says that somebody looks after an incident.
pub fn acknowledge_incident(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<IncidentReport, AppError> {
    let now = app.now().micros();
    decide(app, caller, id, "incident.acknowledged", &mut |incident| {
        incident.acknowledged_us = incident.acknowledged_us.or(Some(now));
    })
}

/// Writes a note, or a part of the report to a regulator.
pub fn note_incident(
    app: &App,
    caller: &Caller,
    id: &str,
    about: About,
    text: &str,
) -> Result<IncidentReport, AppError> {
    let text = check_note(text)?;
    let (now, by) = (app.now().micros(), caller.id.clone());
    let note = Note { at_us: now, by, about, text: text.to_owned() };
    if NOTE_COUNT_MAX <= load(app, find(id)?)?.notes.len() {
        let attempt = format!("an incident has at most {NOTE_COUNT_MAX} notes");
        return Err(AppError::refused("incident-notes", attempt));
    }
    decide(app, caller, id, "incident.noted", &mut |incident| incident.notes.push(note.clone()))
}

/// Closes an incident. What was contained stays so: `rollback` undoes it.
pub fn close_incident(
    app: &App,
    caller: &Caller,
    id: &str,
    reason: &str,
) -> Result<IncidentReport, AppError> {
    let reason = check_reason(reason)?;
    let (now, by) = (app.now().micros(), caller.id.clone());
    let text = format!("closed: {reason}");
    let note = Note { at_us: now, by, about: About::General, text };
    let number = find(id)?;
    // Nobody who contains it now goes on with one that is closed beside them.
    let _still = Containing::begin(app)?;
    let incident = load(app, number)?;
    let waits = incident.closed_us.is_none() && awaits_plan(app, &incident);
    if waits || incident.pending().is_some() {
        let attempt = format!("{id} is not contained yet");
        return Err(AppError::refused("incident-pending", attempt)
            .hint(format!("`twinkeep incident resume {id}` goes on with it")));
    }
    // Before it is closed: whoever is killed between closes it again, and tells nobody twice.
    let queued = match incident.closed_us {
        None => queue_alert(app, &Alert::of(number, &incident, AlertStage::Closed))?,
        Some(_) => Queued::default(),
    };
    decide(app, caller, id, "incident.closed", &mut |incident| {
        if incident.closed_us.is_none() {
            incident.closed_us = Some(now);
            incident.notes.push(note.clone());
            incident.notes.extend(untold(&queued, now));
        }
    })
}

/// Who is not told that an incident is closed: that keeps nobody from closing it.
fn untold(queued: &Queued, now: i64) -> Option<Note> {
    let names = queued.not_sent.join("`, `");
    let text =
        format!("`{names}` is not told that this is closed: the outbox is full (alerts-full)");
    let by = Caller::system().id;
    (!names.is_empty()).then_some(Note { at_us: now, by, about: About::General, text })
}

fn decide(
    app: &App,
    caller: &Caller,
    id: &str,
    action: &str,
    decide: &mut dyn FnMut(&mut Incident),
) -> Result<IncidentReport, AppError> {
    let entry = entry(app, caller, Activity::Update, action);
    let result = find(id).and_then(|number| Ok((number, change(app, number, decide)?)));
    let entry = if result.is_ok() { entry.with("incident", id) } else { entry };
    app.conclude(entry, result.map(|(number, incident)| report(app, number, &incident)))
}

fn entry(app: &App, caller: &Caller, activity: Activity, action: &str) -> Entry {
    app.entry(caller, EventClass::DetectionFinding, activity, action)
}

fn check_note(text: &str) -> Result<&str, AppError> {
    let text = text.trim();
    let length = text.chars().count();
    let control = |it: char| it.is_control() && it != '\n';
    if !(1..=NOTE_LEN_MAX).contains(&length) || text.contains(control) {
        let attempt =
            format!("a note has 1 to {NOTE_LEN_MAX} characters, and no controls but new lines");
        return Err(AppError::usage("incident-note", attempt));
    }
    Ok(text)
}

/// Reads the name of an incident.
pub(crate) fn find(id: &str) -> Result<u64, AppError> {
    parse_incident_id(id).ok_or_else(unknown)
}

/// Returns an incident.
pub(crate) fn load(app: &App, number: u64) -> Result<Incident, AppError> {
    let found = app.store.incidents(Incidents::One(number))?;
    read(found.first().ok_or_else(unknown)?)
}

/// Changes an incident, and returns it.
pub(crate) fn change(
    app: &App,
    number: u64,
    change: &mut dyn FnMut(&mut Incident),
) -> Result<Incident, AppError> {
    let mut result = Err(unknown());
    app.store.change_incidents(Incidents::One(number), &mut |known, _| {
        let changed = known.first().map(|record| {
            let mut incident = read(record)?;
            change(&mut incident);
            Ok((write(number, &incident)?, incident))
        });
        match changed? {
            Ok((record, incident)) => {
                result = Ok(incident);
                Some(record)
            }
            Err(error) => {
                result = Err(error);
                None
            }
        }
    })?;
    result
}

pub(crate) fn read(record: &IncidentRecord) -> Result<Incident, AppError> {
    serde_json::from_str(&record.record).map_err(|error| {
        let attempt = format!("{} cannot be read", incident_id(record.number));
        AppError::refused("incident-record", attempt)
            .because(error)
            .hint("a newer program may have written it")
    })
}

fn write(number: u64, incident: &Incident) -> Result<IncidentRecord, AppError> {
    let record = serde_json::to_string(incident).map_err(|error| {
        AppError::refused("incident-record", "the incident cannot be written").because(error)
    })?;
    Ok(IncidentRecord { number, closed: incident.closed_us.is_some(), record })
}

fn unknown() -> AppError {
    AppError::refused("incident-unknown", "there is no such incident")
        .hint("`twinkeep incident list --all` shows them")
}

/// Returns the report of an incident, as of now.
pub(crate) fn report(app: &App, number: u64, incident: &Incident) -> IncidentReport {
    let now = app.now().micros();
    let clocks = clocks(incident.aware_us, now).into_iter().map(|clock| ClockLine {
        rule: clock.rule,
        whom: clock.whom,
        deadline: time(clock.deadline_us),
        left_seconds: clock.left_seconds,
    });
    let named = u64::try_from(incident.subjects.len()).unwrap_or(u64::MAX);
    IncidentReport {
        id: incident_id(number),
        state: incident.state().name(),
        detector: word(&incident.detector),
        rehearses: incident.rehearses.as_ref().map(word),
        target: incident.target.clone(),
        severity: word(&incident.severity),
        began: time(incident.began_us),
        aware: time(incident.aware_us),
        last: time(incident.last_us),
        count: incident.count,
        says: incident.says.clone(),
        figures: incident.figures.clone(),
        evidence: incident.evidence.clone(),
        subjects: incident.subjects.iter().cloned().collect(),
        subject_count: named.saturating_add(incident.subjects_more),
        models: incident.models.iter().cloned().collect(),
        training_subjects: incident.training_subjects.clone(),
        clocks: clocks.collect(),
        playbook: incident.playbook.clone(),
        steps: incident.steps.iter().map(step_line).collect(),
        notes: incident.notes.iter().map(note_line).collect(),
        contained: incident.contained_us.map(time),
        contained_after_us: incident.contained_us.map(|it| it.saturating_sub(incident.aware_us)),
        closed: incident.closed_us.map(time),
        ledger_entry: incident.entry,
    }
}

pub(crate) fn step_line(step: &Step) -> StepLine {
    StepLine {
        action: step.measure.action.name(),
        on: step.measure.on.clone(),
        state: step.state.name(),
        at: time(step.at_us),
        code: step.code.clone(),
        says: step.says.clone(),
        before: step.before.clone(),
        commands: step.commands.clone(),
        reversible: step.measure.action.reversible(),
        undone_by: step.measure.action.undone_by(),
    }
}

fn note_line(note: &Note) -> NoteLine {
    NoteLine {
        at: time(note.at_us),
        by: note.by.clone(),
        about: note.about.name(),
        text: note.text.clone(),
    }
}

pub(crate) fn time(micros: i64) -> String {
    rfc3339(Timestamp::from_micros(micros))
}

/// Returns the word that JSON has for a name.
pub(crate) fn word<T: Serialize>(name: &T) -> String {
    match serde_json::to_value(name) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

pub(crate) fn event_severity(severity: Severity) -> EventSeverity {
    match severity {
        Severity::Informational => EventSeverity::Informational,
        Severity::Low => EventSeverity::Low,
        Severity::Medium => EventSeverity::Medium,
        Severity::High => EventSeverity::High,
        Severity::Critical => EventSeverity::Critical,
    }
}

/// `serve` looks twice a second, and stopping a service may take ten.
pub(crate) const HELPER_TRIES: u32 = 300;

pub(crate) const HELPER_PAUSE: Duration = Duration::from_millis(50);

/// A page.
const NOTE_LEN_MAX: usize = 4000;

/// What somebody still reads.
const NOTE_COUNT_MAX: usize = 200;
