//! Use cases: contain an incident, go on with one that was interrupted, and undo what was done.
//!
//! # Life of a step
//!
//! 1. What is there before is looked up and written down, with the intent: durable before anything
//!    is done.
//! 2. It is done. What is done already, because whoever did it was killed before they could say so,
//!    is not done again.
//! 3. The ledger has an entry of it, and the incident says that it is done.
//!
//! # Invariants
//!
//! - One at a time contains in a keep, in whatever process: limits hold over all of it. While
//!   something is done on the host, others contain all the same ([`turn`]).
//! - Killed anywhere, the next who reports, serves, or resumes goes on at the step that was begun.
//! - Nothing here puts anything back by itself: that takes a person ([`roll_back_incident`]).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_registry::ModelId;
use twinkeep_store::Incidents;
use twinkeep_watch::incident::{
    Incident, Measure, OnFailure, Phase, PlanFacts, PlanLimits, Playbook, Step, StepState,
    incident_id, plan,
};
use twinkeep_watch::{Detection, Target};

use crate::act_on_host::commands_on_host;
use crate::incidents::{IncidentReport, StepLine, change, find, load, read, report, step_line};
use crate::{App, AppError, Caller};

mod actions;
mod concerned;
mod turn;
mod undo;

pub(crate) use actions::{is_quarantined, require_identity, require_route};
pub(crate) use turn::Containing;
use turn::{Patience, Turn};
pub use undo::{RollBackRequest, request_rollback, roll_back_incident};

/// What would be done about something, and what would hold then.
#[derive(Debug, Serialize)]
pub struct ContainmentPlan {
    /// The playbook that would be chosen.
    pub playbook: String,
    /// What would be done, in order.
    pub steps: Vec<PlannedLine>,
}

/// A step of a plan.
#[derive(Debug, Serialize)]
pub struct PlannedLine {
    /// What would be done, and to what.
    #[serde(flatten)]
    pub step: StepLine,
    /// The exact commands that would undo it, where it is done on the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undo_commands: Vec<String>,
    /// What would hold then.
    pub expected: String,
}

/// Says what would be done about a detection. Nothing is.
pub fn plan_containment(app: &App, detection: &Detection) -> Result<ContainmentPlan, AppError> {
    let incident = Incident::open(detection, app.now().micros());
    let playbooks = app.playbooks().known;
    let playbook = Playbook::choose(&playbooks, detection).ok_or_else(no_playbook)?;
    // No incident has this number: it holds nothing yet.
    let facts = facts(app, 0, &incident)?;
    let steps = plan(playbook, &incident.target, &facts, &PlanLimits::default());
    Ok(ContainmentPlan { playbook: playbook.name.clone(), steps: plan_steps(app, steps) })
}

/// Says of each step what would come of it, and leaves out what a failure before it rules out.
fn plan_steps(app: &App, steps: Vec<Step>) -> Vec<PlannedLine> {
    let mut stopped = false;
    let mut lines = Vec::with_capacity(steps.len());
    for mut step in steps {
        let tells = step.measure.action.phase() == Phase::Notify;
        if stopped && step.state == StepState::Planned && !tells {
            step.state = StepState::Skipped;
            "stopped".clone_into(&mut step.code);
        }
        let line = plan_step(app, &step);
        stopped |= line.step.state == REFUSED && step.on_failure != OnFailure::Continue;
        lines.push(line);
    }
    lines
}

/// Says of a step what would be written down first, or why it cannot be done.
fn plan_step(app: &App, step: &Step) -> PlannedLine {
    let mut line = step_line(step);
    let (mut undo_commands, mut expected) = (Vec::new(), step.measure.action.expected().to_owned());
    let captured = match step.state {
        StepState::Planned => actions::capture(app, &step.measure),
        _ => Ok(actions::Captured::default()),
    };
    match captured {
        Ok(captured) => {
            (line.before, line.commands) = (captured.before, captured.commands);
            (undo_commands, expected) = (captured.undo, captured.expected.unwrap_or(expected));
        }
        Err(error)
            if error.code() == NOT_PERMITTED && app.leaves_to_helper(step.measure.action) =>
        {
            "the helper of `serve` does this".clone_into(&mut line.says);
            let order = actions::host_order(&step.measure);
            line.commands = order.map(|it| commands_on_host(app, &it)).unwrap_or_default();
        }
        Err(error) => {
            line.state = REFUSED;
            error.code().clone_into(&mut line.code);
            line.says = error.to_string();
        }
    }
    PlannedLine { step: line, undo_commands, expected }
}

/// Goes on with every incident that was interrupted; returns their names. What is done on the host
/// comes last, and is left to another thread of a process that has a helper ([`resume_on_host`]).
pub fn resume_incidents(app: &App) -> Result<Vec<String>, AppError> {
    resume(app, if app.host.is_helper() { Host::Left } else { Host::Done(Patience::Waits) })
}

/// The same, without waiting for whoever acts on the host now.
pub(crate) fn resume_others(app: &App) -> Result<Vec<String>, AppError> {
    resume(app, if app.host.is_helper() { Host::Left } else { Host::Done(Patience::Leaves) })
}

/// Goes on with every incident that was interrupted, in the keep and on the host; returns their names.
pub fn resume_on_host(app: &App) -> Result<Vec<String>, AppError> {
    resume(app, Host::Done(Patience::Waits))
}

fn resume(app: &App, host: Host) -> Result<Vec<String>, AppError> {
    let (mut resumed, mut failed) = (BTreeSet::new(), None);
    // What takes long in one incident is after what takes moments in all of them.
    let passes = [Host::Left, host];
    for pass in &passes[..if host == Host::Left { 1 } else { 2 }] {
        for record in app.store.incidents(Incidents::Open)? {
            let incident = read(&record)?;
            if incident.pending().is_none() && incident.playbook.is_some() {
                continue;
            }
            // One that cannot be contained does not keep others waiting.
            match contain_with(app, record.number, *pass, Asked::Anyhow) {
                Ok(()) => _ = resumed.insert(record.number),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
    }
    failed.map_or_else(|| Ok(resumed.into_iter().map(incident_id).collect()), Err)
}

/// What becomes of steps on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    /// Another thread does them, or they come later.
    Left,
    /// They are done.
    Done(Patience),
}

/// Why somebody goes on with an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// It was interrupted, or reported again.
    Anyhow,
    /// A person asked for what failed to be tried again.
    ToTryAgain,
}

/// Goes on with one incident, and tries again what failed.
pub fn resume_incident(app: &App, caller: &Caller, id: &str) -> Result<IncidentReport, AppError> {
    let class = EventClass::DetectionFinding;
    let entry = app.entry(caller, class, Activity::Update, "incident.resumed");
    let result = find(id).and_then(|number| {
        contain_with(app, number, Host::Done(Patience::Waits), Asked::ToTryAgain)?;
        Ok((number, load(app, number)?))
    });
    let entry = if result.is_ok() { entry.with("incident", id) } else { entry };
    app.conclude(entry, result.map(|(number, incident)| report(app, number, &incident)))
}

/// Plans what is to be done about an incident, and does it, from where somebody may have left it. In a
/// process that has a helper, another thread does what is done on the host.
pub(crate) fn contain(app: &App, number: u64) -> Result<(), AppError> {
    let host = if app.host.is_helper() { Host::Left } else { Host::Done(Patience::Waits) };
    contain_with(app, number, host, Asked::Anyhow)
}

fn contain_with(app: &App, number: u64, host: Host, asked: Asked) -> Result<(), AppError> {
    let mut turn = Turn::in_keep(app)?;
    let incident = load(app, number)?;
    // Whoever waits here may find that another has done it.
    if incident.closed_us.is_some() {
        return Ok(());
    }
    if incident.pending().is_none() {
        plan_more(app, number, &incident, asked)?;
    }
    let mut did = go_on(app, number, &mut turn)?;
    drop(turn);
    if let Host::Done(patience) = host
        && waits_for_turn(app, &load(app, number)?)
        && let Some(mut turn) = Turn::on_host(app, patience)?
    {
        did |= go_on(app, number, &mut turn)?;
    }
    // Looking people up takes long in a large keep; others contain meanwhile.
    if did {
        let people = concerned::concerned(app, &incident)?;
        if !people.is_empty() {
            change(app, number, &mut |incident| {
                // All of them are here: who has no room is not counted on top of the last count.
                incident.subjects_more = 0;
                incident.add_subjects(people.iter().cloned());
            })?;
        }
    }
    Ok(())
}

/// Returns whether something is to be done on the host, by this process.
fn waits_for_turn(app: &App, incident: &Incident) -> bool {
    let pending = incident.pending().and_then(|index| incident.steps.get(index));
    pending.is_some_and(|step| !is_left(app, step))
}

/// Returns whether the helper of another process does a step. One that was lost does nothing more,
/// even if it is there.
pub(crate) fn is_left(app: &App, step: &Step) -> bool {
    !waits_for_helper(step) && app.leaves_to_helper(step.measure.action)
}

/// Adds to an incident what its playbook says and it has not yet.
fn plan_more(app: &App, number: u64, incident: &Incident, asked: Asked) -> Result<(), AppError> {
    let playbooks = app.playbooks().known;
    let detection = as_detection(incident);
    let playbook = Playbook::choose(&playbooks, &detection).ok_or_else(no_playbook)?;
    let facts = facts(app, number, incident)?;
    let steps = plan(playbook, &incident.target, &facts, &PlanLimits::default());
    let again = incident.playbook.as_ref() == Some(&playbook.name);
    let worse = incident.playbook.is_none();
    let (now, severity) = (app.now().micros(), incident.severity);
    change(app, number, &mut |incident| {
        let known: BTreeSet<Measure> =
            incident.steps.iter().map(|step| step.measure.clone()).collect();
        let failed = incident.failed_last();
        for step in &steps {
            let tells = worse && step.measure.action.phase() == Phase::Notify;
            let contains = step.measure.action.contains();
            let retried = asked == Asked::ToTryAgain && failed.contains(&step.measure);
            let anew = step.state == StepState::Planned && (contains || tells || retried);
            // Of what is reported again, only what holds no more is done again; of what is worse,
            // people are told again.
            let wanted = if known.contains(&step.measure) { anew } else { !again || anew };
            if wanted && incident.steps.len() < STEP_COUNT_MAX {
                incident.steps.push(step.clone());
            }
        }
        // Reported as worse meanwhile: planned anew by whoever is next.
        incident.playbook = (incident.severity == severity).then(|| playbook.name.clone());
        incident.settle(now);
    })?;
    Ok(())
}

/// Does what is pending, one step after the other; returns whether there was any.
fn go_on(app: &App, number: u64, turn: &mut Turn<'_>) -> Result<bool, AppError> {
    let mut did = false;
    let mut waiting = BTreeSet::new();
    loop {
        let incident = load(app, number)?;
        let Some(index) = next_pending(&incident, &waiting, turn.is_on_host()) else { break };
        let Some(step) = incident.steps.get(index).cloned() else { break };
        if is_left(app, &step) {
            // Whoever has the privileges for it goes on within a moment.
            return Ok(did);
        }
        match step.state {
            StepState::Planned => intend(app, number, index, &step, turn)?,
            StepState::Intended => act(app, number, index, &step, turn)?,
            StepState::Undoing if step.code == undo::LEFT_TO_HELPER => {
                undo::undo_step(app, &undo::By::system(), number, index, &step, turn)?;
            }
            // Only a person undoes: what was interrupted stays as it is until they go on.
            _ => set(app, number, index, StepState::Kept, "interrupted", "")?,
        }
        let now = load(app, number)?.steps.get(index).cloned();
        if now.is_some_and(|now| now.state == step.state && waits_for_helper(&now)) {
            waiting.insert(index);
        } else {
            did = true;
        }
    }
    let now = app.now().micros();
    if load(app, number)?.contained_us.is_none() {
        change(app, number, &mut |incident| incident.settle(now))?;
    }
    Ok(did)
}

/// Returns the step that is next: what is done in the keep goes before what is done on the host, unless
/// it depends on that. If some wait for a helper, only people are told meanwhile.
fn next_pending(incident: &Incident, waiting: &BTreeSet<usize>, on_host: bool) -> Option<usize> {
    let mut first_on_host = None;
    let mut depends = false;
    for (index, step) in incident.steps.iter().enumerate() {
        let tells = step.measure.action.phase() == Phase::Notify;
        if !step.state.is_pending() || waiting.contains(&index) || !tells && !waiting.is_empty() {
            continue;
        }
        if step.measure.action.is_on_host() {
            first_on_host = first_on_host.or(Some(index));
            depends |= step.on_failure != OnFailure::Continue;
        } else if first_on_host.is_none() || !tells && !depends {
            return Some(index);
        }
    }
    first_on_host.filter(|_| on_host)
}

fn waits_for_helper(step: &Step) -> bool {
    step.state.is_pending() && step.code == HELPER_LOST
}

/// Says that the helper ended before a step was done, or before it could say so: whoever has another
/// one goes on with it, and finds out how far it came.
fn wait_for_helper(
    app: &App,
    number: u64,
    index: usize,
    step: &Step,
    error: &AppError,
) -> Result<(), AppError> {
    if waits_for_helper(step) {
        return Ok(());
    }
    let id = incident_id(number);
    record_step(app, &id, &step.measure, "containment.applied", Some(HELPER_LOST))?;
    let says =
        format!("{error}: start `serve` again, or run `twinkeep incident resume {id}` as root");
    set(app, number, index, step.state, HELPER_LOST, &says)
}

/// Writes down what is there before, and that it is to be changed.
///
/// What only keeps or tells changes nothing that could be put back: it is done at once.
fn intend(
    app: &App,
    number: u64,
    index: usize,
    step: &Step,
    turn: &mut Turn<'_>,
) -> Result<(), AppError> {
    if !step.measure.action.contains() {
        return act(app, number, index, step, turn);
    }
    let captured = match step.measure.action.is_on_host() {
        true => turn.apart(|| actions::capture(app, &step.measure))?,
        false => actions::capture(app, &step.measure),
    };
    let captured = match captured {
        Ok(captured) => captured,
        Err(error) => return fail(app, number, index, step, &error, turn),
    };
    let now = app.now().micros();
    change(app, number, &mut |incident| {
        if let Some(step) = incident.steps.get_mut(index) {
            step.state = StepState::Intended;
            step.before.clone_from(&captured.before);
            step.commands.clone_from(&captured.commands);
            step.at_us = now;
            // One whose helper was lost is left to none before it is done.
            if !waits_for_helper(step) {
                step.code.clear();
                step.says.clear();
            }
        }
    })?;
    Ok(())
}

/// Does a step, unless it was done before somebody could say so.
fn act(
    app: &App,
    number: u64,
    index: usize,
    step: &Step,
    turn: &mut Turn<'_>,
) -> Result<(), AppError> {
    let id = incident_id(number);
    let apply = || actions::apply(app, number, &step.measure, &step.before);
    // What is intended is on record: others may contain while it takes long.
    let applied = if step.measure.action.is_on_host() { turn.apart(apply)? } else { apply() };
    let says = match applied {
        Ok(says) => says,
        Err(error) => return fail(app, number, index, step, &error, turn),
    };
    record_step(app, &id, &step.measure, "containment.applied", None)?;
    set(app, number, index, StepState::Done, "", &says)
}

/// Says that a step failed, and what follows.
fn fail(
    app: &App,
    number: u64,
    index: usize,
    step: &Step,
    error: &AppError,
    turn: &mut Turn<'_>,
) -> Result<(), AppError> {
    let (id, code) = (incident_id(number), error.code());
    if code == HELPER_LOST && step.measure.action.is_on_host() {
        return wait_for_helper(app, number, index, step, error);
    }
    record_step(app, &id, &step.measure, "containment.applied", Some(code))?;
    // Nobody takes back what is contained because people could not be told.
    let on_failure = match step.measure.action.phase() {
        Phase::Notify => OnFailure::Continue,
        _ => step.on_failure,
    };
    let skips = |later: &Step| {
        on_failure != OnFailure::Continue
            && later.state == StepState::Planned
            && later.measure.action.phase() != Phase::Notify
    };
    let (now, says) = (app.now().micros(), error.to_string());
    // One change: whoever goes on after a crash must not do what the failure rules out.
    change(app, number, &mut |incident| {
        if let Some(step) = incident.steps.get_mut(index) {
            step.state = StepState::Failed;
            step.at_us = now;
            step.failed_us = Some(now);
            code.clone_into(&mut step.code);
            step.says.clone_from(&says);
        }
        for later in incident.steps.iter_mut().skip(index).filter(|later| skips(later)) {
            later.state = StepState::Skipped;
            "stopped".clone_into(&mut later.code);
            later.at_us = now;
        }
    })?;
    match on_failure {
        // This one as well: some of it may have been done.
        OnFailure::Undo => undo::undo_steps(app, &undo::By::system(), number, index + 1, turn),
        OnFailure::Stop | OnFailure::Continue => Ok(()),
    }
}

/// Writes how far a step has come.
pub(crate) fn set(
    app: &App,
    number: u64,
    index: usize,
    state: StepState,
    code: &str,
    says: &str,
) -> Result<(), AppError> {
    let now = app.now().micros();
    change(app, number, &mut |incident| {
        if let Some(step) = incident.steps.get_mut(index) {
            step.state = state;
            step.at_us = now;
            code.clone_into(&mut step.code);
            says.clone_into(&mut step.says);
        }
        if state == StepState::Done {
            incident.settle(now);
        }
    })?;
    Ok(())
}

pub(crate) fn record_step(
    app: &App,
    id: &str,
    measure: &Measure,
    action: &str,
    failed: Option<&'static str>,
) -> Result<(), AppError> {
    let class = EventClass::DetectionFinding;
    let entry = app
        .entry(&Caller::system(), class, Activity::Update, action)
        .severity(Severity::High)
        .with("incident", id)
        .with("step", measure.action.name());
    let entry = if measure.on.is_empty() { entry } else { entry.with("on", measure.on.as_str()) };
    let entry = failed.into_iter().fold(entry, |entry, code| entry.failed(code));
    app.record(&entry).map(drop)
}

/// What planning has to know of the keep.
fn facts(app: &App, number: u64, incident: &Incident) -> Result<PlanFacts, AppError> {
    let mut facts = PlanFacts {
        now_us: app.now().micros(),
        in_service: app.registry.in_service()?.map(|id| id.to_string()),
        backup: match &incident.target {
            // It never served: nothing takes its place.
            Target::Model(name) if matches!(ModelId::parse(name), Some(ModelId::Import(_))) => None,
            _ => app.registry.backup()?.map(|id| id.to_string()),
        },
        ..PlanFacts::default()
    };
    for record in app.store.incidents(Incidents::All)? {
        for step in read(&record)?.steps {
            let done = matches!(step.state, StepState::Done | StepState::Undone | StepState::Kept);
            if done {
                let at = facts.recent.entry(step.measure).or_insert(step.at_us);
                *at = step.at_us.max(*at);
            }
        }
    }
    let mut of_this: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for step in incident.steps.iter().filter(|step| step.state == StepState::Done) {
        of_this.entry(step.measure.action.takes()).or_default().insert(&step.measure.on);
    }
    facts.taken = of_this.into_iter().map(|(takes, names)| (takes, names.len())).collect();
    facts.in_place = actions::in_place(app, &incident.target);
    // What others hold, this one holds as well: it ends when the last of them lets go.
    let (id, held) = (incident_id(number), app.contained_now()?);
    // On the host somebody may have changed it since: what this one did there is done again, later.
    let (on_host, in_keep): (BTreeMap<_, _>, BTreeMap<_, _>) =
        held.into_iter().partition(|it| it.0.action.is_on_host());
    let others = |measure: &Measure| on_host.get(measure).is_some_and(|by| !by.contains(&id));
    facts.recent.retain(|measure, _| !in_keep.contains_key(measure) && !others(measure));
    facts.in_place.extend(in_keep.into_iter().filter(|it| it.1.contains(&id)).map(|it| it.0));
    facts.last_ways_in = last_ways_in(app, &incident.target)?;
    Ok(facts)
}

/// Returns the target if operators could not come in any more without it.
///
/// The operator at the command line holds the keep's secret, and can always come in; of those who
/// are elsewhere, the last one who may administer stays.
fn last_ways_in(app: &App, target: &Target) -> Result<BTreeSet<String>, AppError> {
    let mut stays: BTreeSet<String> = ["operator", "system"].map(str::to_owned).into();
    match target {
        Target::Identity(name) if app.is_last_administrator(name)? => {
            stays.insert(name.clone());
        }
        Target::Route(route) if route.starts_with("/admin") => {
            stays.insert(route.clone());
        }
        _ => {}
    }
    Ok(stays)
}

/// An incident as what was detected, for choosing its playbook again.
fn as_detection(incident: &Incident) -> Detection {
    Detection {
        detector: incident.rehearses.unwrap_or(incident.detector),
        target: incident.target.clone(),
        severity: incident.severity,
        began_us: incident.began_us,
        seen_us: incident.last_us,
        says: incident.says.clone(),
        figures: incident.figures.clone(),
        evidence: incident.evidence.clone(),
        subjects: incident.subjects.clone(),
    }
}

/// Returns whether what is to be done about an incident was not chosen yet, and can be.
pub(crate) fn awaits_plan(app: &App, incident: &Incident) -> bool {
    let chosen = || Playbook::choose(&app.playbooks().known, &as_detection(incident)).is_some();
    incident.playbook.is_none() && chosen()
}

fn no_playbook() -> AppError {
    AppError::refused("playbook-none", "no playbook is for this")
        .hint("`twinkeep incident playbook list` shows what each is for")
}

/// The code of a helper that ended.
const HELPER_LOST: &str = "host-helper";

/// The code of what takes other privileges.
const NOT_PERMITTED: &str = "host-not-permitted";

/// How a plan calls what would fail.
const REFUSED: &str = "refused";

/// An incident that is extended again and again does not grow without end.
const STEP_COUNT_MAX: usize = 200;
