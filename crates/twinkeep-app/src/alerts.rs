//! Use cases: tell people that something is wrong, and look after what was not delivered yet.
//!
//! # Life of an alert
//!
//! 1. [`queue_alert`] seals it into the outbox, once for each `[[alert]]` of the configuration that
//!    speaks at this severity. That is all that containment waits for: a file, not a network.
//! 2. [`deliver_alerts`] gives away what is due, on a thread of `serve` and by `twinkeep alert
//!    send`. Each way of telling has a thread of its own, so that a slow one delays no other.
//! 3. What was not delivered is tried again, after a pause that doubles; what was refused for good,
//!    or too often, is put aside, which is in the ledger as something to act on.
//!
//! # Invariants
//!
//! - An alert is delivered at least once, and under the same id each time.
//! - No alert holds anything of a person, not even a name by which the ledger knows somebody: it says
//!   what kind of thing is wrong, how bad, and where to look.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use serde::{Deserialize, Serialize};
use twinkeep_domain::Timestamp;
use twinkeep_ledger::{Activity, Class as EventClass, Severity as EntrySeverity};
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_vault::random_bytes;
use twinkeep_watch::incident::{Incident, StepState, incident_id};
use twinkeep_watch::{Detector, Severity, Target};

use crate::time_text::rfc3339;
use crate::{AlertConfig, App, AppError, Caller};

mod channel;
mod ocsf;
mod outbox;
mod words;

#[cfg(test)]
mod tests;

use channel::Channel;
use outbox::{DAMAGED, FULL, Outbox, Patience, Waiting, no_room};

/// What is told: what is wrong, how bad it is, and what was done; nothing of a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// The incident that it is about, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// What became of it so far.
    pub stage: AlertStage,
    /// Who found it.
    pub detector: Detector,
    /// What it is about. Whoever calls, an address, and a file are told by their kind only.
    pub target: Target,
    /// How bad it is.
    pub severity: Severity,
    /// When it began, as far as is known: microseconds since 1970.
    pub began_us: i64,
    /// When it was noticed.
    pub seen_us: i64,
    /// What was measured, by name.
    #[serde(default)]
    pub figures: BTreeMap<String, f64>,
    /// How many people are concerned, as far as is known.
    #[serde(default)]
    pub subjects: u64,
    /// What was done about it, by the names of actions.
    #[serde(default)]
    pub actions: Vec<String>,
}

/// What became of what is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertStage {
    /// It was noticed.
    Noticed,
    /// What is to be done about it was done.
    Contained,
    /// Something of what is to be done could not be done.
    NotContained,
    /// It is over.
    Closed,
    /// It is a test: nothing is wrong.
    Test,
}

impl Alert {
    /// Tells of an incident.
    pub(crate) fn of(number: u64, incident: &Incident, stage: AlertStage) -> Self {
        let done = incident
            .steps
            .iter()
            .filter(|step| step.state == StepState::Done && step.measure.action.contains());
        Self {
            incident: Some(incident_id(number)),
            stage,
            detector: incident.detector,
            target: incident.target.clone(),
            severity: incident.severity,
            began_us: incident.began_us,
            seen_us: incident.last_us,
            figures: incident.figures.clone(),
            subjects: incident.subjects_more.saturating_add(incident.subjects.len() as u64),
            actions: done.map(|step| step.measure.action.name().to_owned()).collect(),
        }
    }
}

/// One way of telling, and how it stands.
#[derive(Clone, Debug, Serialize)]
pub struct AlertLine {
    /// Its name in the configuration.
    pub name: String,
    /// `webhook`, `email`, `syslog`, or `ocsf-file`.
    pub kind: &'static str,
    /// Where it goes; of a webhook the host only.
    pub place: String,
    /// From which severity on.
    pub severity: Severity,
    /// Alerts that wait.
    pub waiting: usize,
    /// Alerts that were put aside.
    pub dead: usize,
    /// Alerts that found no room in the outbox, ever.
    pub not_sent: u64,
    /// When the last of these was (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_sent_last: Option<String>,
    /// Why the one that was tried most was not delivered; empty, if there is none.
    pub last_error: String,
}

/// An alert that waits, was put aside, or was just tried.
#[derive(Clone, Debug, Serialize)]
pub struct AlertState {
    /// Its id: what a receiver knows it by.
    pub id: String,
    /// Which way it goes.
    pub to: String,
    /// `waiting`, `delivered`, or `dead`.
    pub state: &'static str,
    /// The incident that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// When it was put into the outbox (RFC 3339).
    pub queued: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Why it was not delivered; empty, if nothing is known.
    pub code: String,
}

/// What became of an alert that was to wait for each way of telling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// Those that wait, by id.
    pub ids: Vec<String>,
    /// Ways of telling for which there was no room: these are told nothing.
    pub not_sent: Vec<String>,
}

/// Which alerts are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertsToTry {
    /// Those whose time has come.
    Due,
    /// All that wait.
    All,
}

/// Puts an alert into the outbox for each way of telling that speaks at its severity. What finds no
/// room there is not sent, which the ledger says; that is no failure: nothing waits for it.
pub fn queue_alert(app: &App, alert: &Alert) -> Result<Queued, AppError> {
    let channels = app.settings.alerts.iter().filter(|it| it.severity <= alert.severity);
    let names: Vec<&str> = channels.map(|it| it.name.as_str()).collect();
    queue(app, &Caller::system(), alert, &names)
}

fn queue(app: &App, caller: &Caller, alert: &Alert, names: &[&str]) -> Result<Queued, AppError> {
    if names.is_empty() {
        return Ok(Queued::default());
    }
    let queued = put(app, alert, names);
    // Each that found no room has an entry of its own.
    if queued.as_ref().is_ok_and(|queued| queued.ids.is_empty()) {
        return queued;
    }
    let count = queued.as_ref().map_or(names.len(), |queued| queued.ids.len());
    let entry = app.entry(caller, EventClass::DetectionFinding, Activity::Create, "alert.queued");
    let entry = entry.with("detector", words::detector_name(alert.detector));
    let entry = entry.with("to", i64::try_from(count).unwrap_or(i64::MAX));
    let entry = match &alert.incident {
        Some(incident) => entry.with("incident", incident.as_str()),
        None => entry,
    };
    app.conclude(entry, queued)
}

fn put(app: &App, alert: &Alert, names: &[&str]) -> Result<Queued, AppError> {
    let outbox = Outbox::new(app);
    let told = words::without_people(alert);
    let mut queued = Queued::default();
    for name in names {
        let id = id_of(&told, name);
        match outbox.put(&id, name, app.now().micros(), &told) {
            Ok(()) => queued.ids.push(id),
            Err(error) if error.code() == FULL => {
                not_sent(app, id, name, alert.incident.as_deref())?;
                queued.not_sent.push((*name).to_owned());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(queued)
}

/// Says in the ledger that somebody is told nothing, and counts it for whoever asks how they stand.
fn not_sent(app: &App, id: String, name: &str, incident: Option<&str>) -> Result<(), AppError> {
    let now = app.now();
    let lost = AlertState {
        id,
        to: name.to_owned(),
        state: "not-sent",
        incident: incident.map(str::to_owned),
        queued: rfc3339(now),
        attempts: 0,
        next: None,
        code: FULL.to_owned(),
    };
    record(app, "alert.not-sent", &lost, EntrySeverity::High, Some(FULL))?;
    app.store.change_setting(&format!("{NOT_SENT}{name}"), &mut |known| {
        let count = known.as_deref().and_then(times).map_or(0, |known| known.0);
        Some(format!("{} {}", count.saturating_add(1), now.micros()))
    })?;
    Ok(())
}

/// Reads how often something happened, and when it did last.
fn times(text: &str) -> Option<(u64, i64)> {
    let (count, last) = text.split_once(' ')?;
    Some((count.parse().ok()?, last.parse().ok()?))
}

/// Names an alert by what it says and whom it tells: whoever was killed and queues the same again
/// gives it the same name, by which a receiver takes it once.
fn id_of(alert: &Alert, name: &str) -> String {
    let text = serde_json::to_vec(&(alert, name)).unwrap_or_default();
    format!("msg_{}", to_hex(&sha256(&text)[..16]))
}

/// Puts a test into the outbox for one way of telling or all of them, and tries these at once.
pub fn test_alerts(
    app: &App,
    caller: &Caller,
    name: Option<&str>,
) -> Result<Vec<AlertState>, AppError> {
    let configs = &app.settings.alerts;
    let names: Vec<&str> = match name {
        Some(name) => vec![known(app, name)?.name.as_str()],
        None if configs.is_empty() => return Err(nobody()),
        None => configs.iter().map(|it| it.name.as_str()).collect(),
    };
    let now = app.now().micros();
    let alert = Alert {
        incident: None,
        stage: AlertStage::Test,
        detector: Detector::Drill,
        target: Target::Keep,
        severity: Severity::Informational,
        began_us: now,
        seen_us: now,
        figures: BTreeMap::new(),
        subjects: 0,
        actions: Vec::new(),
    };
    let outbox = Outbox::new(app);
    // Before it is put there: a server that runs would deliver it before.
    let _held = outbox.lock(Patience::Some)?;
    let queued = queue(app, caller, &alert, &names)?;
    if !queued.not_sent.is_empty() {
        return Err(no_room());
    }
    let ids: BTreeSet<String> = queued.ids.into_iter().collect();
    deliver(app, &outbox, &|waiting| ids.contains(&waiting.id))
}

/// Delivers alerts that wait; returns what became of those that were tried. A failure of one way of
/// telling is no failure here: it is in what is returned, and tried again.
pub fn deliver_alerts(app: &App, which: AlertsToTry) -> Result<Vec<AlertState>, AppError> {
    let outbox = Outbox::new(app);
    let now = app.now().micros();
    if outbox.is_empty()? {
        return Ok(Vec::new());
    }
    let patience = match which {
        AlertsToTry::Due => Patience::None,
        AlertsToTry::All => Patience::Some,
    };
    let _held = outbox.lock(patience)?;
    deliver(app, &outbox, &|waiting| which == AlertsToTry::All || waiting.next_us <= now)
}

/// Lists the ways of telling, and how they stand.
pub fn list_alerts(app: &App) -> Result<Vec<AlertLine>, AppError> {
    let outbox = Outbox::new(app);
    let count = |all: &[Waiting]| {
        let mut of: BTreeMap<String, (usize, u32, String)> = BTreeMap::new();
        for waiting in all {
            let Ok(stored) = outbox.read(waiting) else { continue };
            let (count, attempts, code) = of.entry(stored.to).or_default();
            *count += 1;
            if *attempts <= waiting.attempts && !waiting.code.is_empty() {
                (*attempts, *code) = (waiting.attempts, waiting.code.clone());
            }
        }
        of
    };
    let (waiting, dead) = (count(&outbox.waiting()?), count(&outbox.dead()?));
    let lost: BTreeMap<String, String> = app.store.settings_below(NOT_SENT)?.into_iter().collect();
    let line = |config: &AlertConfig| {
        let of = |all: &BTreeMap<String, (usize, u32, String)>| {
            all.get(&config.name).cloned().unwrap_or_default()
        };
        let ((waiting, _, slow), (dead, _, put_aside)) = (of(&waiting), of(&dead));
        let lost = lost.get(&format!("{NOT_SENT}{}", config.name)).and_then(|it| times(it));
        AlertLine {
            name: config.name.clone(),
            kind: config.kind.word(),
            place: config.place(),
            severity: config.severity,
            waiting,
            dead,
            not_sent: lost.map_or(0, |lost| lost.0),
            not_sent_last: lost.map(|lost| rfc3339(Timestamp::from_micros(lost.1))),
            last_error: if slow.is_empty() { put_aside } else { slow },
        }
    };
    Ok(app.settings.alerts.iter().map(line).collect())
}

/// Lists alerts that were put aside.
pub fn dead_alerts(app: &App) -> Result<Vec<AlertState>, AppError> {
    let outbox = Outbox::new(app);
    outbox.dead()?.iter().map(|it| Ok(state(&outbox, it, "dead"))).collect()
}

/// Lets alerts that were put aside wait again: one, or all of them.
pub fn retry_alerts(
    app: &App,
    caller: &Caller,
    id: Option<&str>,
) -> Result<Vec<AlertState>, AppError> {
    let outbox = Outbox::new(app);
    let _held = outbox.lock(Patience::Some)?;
    let mut dead = outbox.dead()?;
    if let Some(id) = id {
        dead.retain(|it| it.id == id);
        if dead.is_empty() {
            let attempt = "there is no alert of this id that was put aside";
            let hint = "`twinkeep alert dead` lists them";
            return Err(AppError::usage("alert-unknown", attempt).hint(hint));
        }
    }
    let class = EventClass::DetectionFinding;
    let entry = app.entry(caller, class, Activity::Update, "alert.retried");
    let entry = entry.with("count", i64::try_from(dead.len()).unwrap_or(i64::MAX));
    let now = app.now().micros();
    let again = dead.into_iter().map(|it| {
        let anew = Waiting { attempts: 0, next_us: now, code: String::new(), ..it.clone() };
        outbox.revive(&it, &anew)?;
        Ok(state(&outbox, &anew, "waiting"))
    });
    app.conclude(entry, again.collect())
}

/// Tries what is chosen, each way of telling on a thread of its own.
fn deliver(
    app: &App,
    outbox: &Outbox<'_>,
    chosen: &dyn Fn(&Waiting) -> bool,
) -> Result<Vec<AlertState>, AppError> {
    let mut by_channel: BTreeMap<String, Vec<Waiting>> = BTreeMap::new();
    let mut done = Vec::new();
    for waiting in outbox.waiting()?.into_iter().filter(|it| chosen(it)) {
        match outbox.read(&waiting) {
            Ok(stored) => by_channel.entry(stored.to).or_default().push(waiting),
            Err(error) => done.push(unreadable(app, outbox, &waiting, &error)?),
        }
    }
    let results: Vec<_> = thread::scope(|scope| {
        let run = |(name, all): (&String, &Vec<Waiting>)| {
            let (name, all) = (name.clone(), all.clone());
            scope.spawn(move || one_channel(app, outbox, &name, &all))
        };
        let threads: Vec<_> = by_channel.iter().map(run).collect();
        threads.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    for result in results {
        // A panic was told where it happened; what it was about still waits.
        done.extend(result.unwrap_or_else(|_| Ok(Vec::new()))?);
    }
    Ok(done)
}

/// Tries alerts that go one way, oldest first, until one is not taken.
fn one_channel(
    app: &App,
    outbox: &Outbox<'_>,
    name: &str,
    all: &[Waiting],
) -> Result<Vec<AlertState>, AppError> {
    let Ok(config) = known(app, name) else {
        return all.iter().map(|it| put_aside(app, outbox, it, "alert-no-channel")).collect();
    };
    let channel = Channel::open(app, config);
    let mut done = Vec::new();
    for (index, waiting) in all.iter().enumerate() {
        let stored = match outbox.read(waiting) {
            Ok(stored) => stored,
            Err(error) => {
                done.push(unreadable(app, outbox, waiting, &error)?);
                continue;
            }
        };
        let now = app.now().micros();
        let told = channel.as_ref().map(|channel| channel.tell(&stored, now));
        let (code, is_final) = match told {
            Ok(Ok(())) => {
                done.push(delivered(app, outbox, waiting)?);
                continue;
            }
            Ok(Err(error)) => (error.code(), error.is_final()),
            Err(error) => (error.code(), false),
        };
        let attempts = waiting.attempts.saturating_add(1);
        let tried = Waiting {
            attempts,
            next_us: next_try(now, attempts, u16::from_be_bytes(random_bytes::<2>())),
            code: code.to_owned(),
            ..waiting.clone()
        };
        if is_final || config.attempts <= attempts {
            outbox.change(waiting, &tried)?;
            done.push(put_aside(app, outbox, &tried, code)?);
            if is_final {
                continue;
            }
        } else {
            done.push(delayed(app, outbox, waiting, &tried)?);
        }
        // Whoever does not take this one takes none now: the rest waits as long.
        for other in all.iter().skip(index + 1) {
            let later = Waiting { next_us: other.next_us.max(tried.next_us), ..other.clone() };
            outbox.change(other, &later)?;
        }
        break;
    }
    Ok(done)
}

fn delivered(app: &App, outbox: &Outbox<'_>, waiting: &Waiting) -> Result<AlertState, AppError> {
    let done = state(outbox, waiting, "delivered");
    if let Err(error) = record(app, "alert.delivered", &done, EntrySeverity::Informational, None) {
        // A full disk must not have it delivered twice a second.
        let attempts = waiting.attempts.saturating_add(1);
        let next_us = next_try(app.now().micros(), attempts, 0);
        outbox.change(waiting, &Waiting { attempts, next_us, ..waiting.clone() })?;
        return Err(error);
    }
    // After the entry: a crash between has it delivered once more, and never unrecorded.
    outbox.remove(waiting)?;
    Ok(done)
}

fn delayed(
    app: &App,
    outbox: &Outbox<'_>,
    before: &Waiting,
    tried: &Waiting,
) -> Result<AlertState, AppError> {
    outbox.change(before, tried)?;
    let done = state(outbox, tried, "waiting");
    if tried.attempts == 1 {
        record(app, "alert.delayed", &done, EntrySeverity::Low, Some(&tried.code))?;
    }
    Ok(done)
}

/// What is damaged stays so, and is put aside; what cannot be read now is tried again, and no attempt
/// is counted: it never left.
fn unreadable(
    app: &App,
    outbox: &Outbox<'_>,
    waiting: &Waiting,
    error: &AppError,
) -> Result<AlertState, AppError> {
    if error.code() == DAMAGED {
        return put_aside(app, outbox, waiting, DAMAGED);
    }
    let next_us = app.now().micros().saturating_add(UNREADABLE_PAUSE_US);
    let later = Waiting { next_us, code: error.code().to_owned(), ..waiting.clone() };
    outbox.change(waiting, &later)?;
    Ok(state(outbox, &later, "waiting"))
}

/// Keeps an alert where nobody tries it, and says so.
fn put_aside(
    app: &App,
    outbox: &Outbox<'_>,
    waiting: &Waiting,
    code: &str,
) -> Result<AlertState, AppError> {
    let aside = Waiting { code: code.to_owned(), ..waiting.clone() };
    let done = state(outbox, &aside, "dead");
    outbox.bury(waiting, &aside)?;
    record(app, "alert.dead", &done, EntrySeverity::High, Some(code))?;
    Ok(done)
}

fn record(
    app: &App,
    action: &str,
    state: &AlertState,
    severity: EntrySeverity,
    failed: Option<&str>,
) -> Result<(), AppError> {
    let class = EventClass::DetectionFinding;
    let entry = app.entry(&Caller::system(), class, Activity::Update, action);
    let entry = entry.severity(severity).with("message", state.id.as_str());
    let entry = entry.with("to", state.to.as_str()).with("attempts", i64::from(state.attempts));
    let entry = match &state.incident {
        Some(incident) => entry.with("incident", incident.as_str()),
        None => entry,
    };
    app.record(&failed.into_iter().fold(entry, |entry, code| entry.failed(code))).map(drop)
}

fn state(outbox: &Outbox<'_>, waiting: &Waiting, state: &'static str) -> AlertState {
    let stored = outbox.read(waiting).ok();
    let time = |us| rfc3339(Timestamp::from_micros(us));
    AlertState {
        id: waiting.id.clone(),
        to: stored.as_ref().map(|it| it.to.clone()).unwrap_or_default(),
        state,
        incident: stored.as_ref().and_then(|it| it.alert.incident.clone()),
        queued: stored.as_ref().map(|it| time(it.queued_us)).unwrap_or_default(),
        attempts: waiting.attempts,
        next: (state == "waiting").then(|| time(waiting.next_us)),
        code: waiting.code.clone(),
    }
}

fn known<'a>(app: &'a App, name: &str) -> Result<&'a AlertConfig, AppError> {
    app.settings.alerts.iter().find(|it| it.name == name).ok_or_else(|| {
        AppError::usage("alert-no-channel", format!("there is no `[[alert]]` named `{name}`"))
            .hint("`twinkeep alert list` has those of twinkeep.toml")
    })
}

fn nobody() -> AppError {
    AppError::usage("alert-no-channel", "there is no `[[alert]]` in twinkeep.toml")
        .hint("docs/guides/alerts.md has one of each kind")
}

/// Returns when to try again: two seconds doubled each time up to an hour, and up to half of it more
/// by chance, so that those who were cut off together do not come back together.
fn next_try(now_us: i64, attempts: u32, chance: u16) -> i64 {
    let doubled = PAUSE_FIRST_US.saturating_mul(1 << attempts.saturating_sub(1).min(20));
    let pause = doubled.min(PAUSE_MAX_US);
    let more = pause / 2 * i64::from(chance) / i64::from(u16::MAX);
    now_us.saturating_add(pause).saturating_add(more)
}

/// What the settings begin with that count what was not sent.
const NOT_SENT: &str = "alerts-not-sent/";

const PAUSE_FIRST_US: i64 = 2_000_000;

/// A disk that cannot be read is looked at by somebody within minutes.
const UNREADABLE_PAUSE_US: i64 = 60_000_000;

const PAUSE_MAX_US: i64 = 3_600_000_000;
