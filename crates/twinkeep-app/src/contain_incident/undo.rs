//! Undoing what an incident did, in reverse order, by a person and with a second one's agreement.
//!
//! Where approvers are named in the keep (`twinkeep model approver add`), one of them must agree: a
//! containment is put back by two people, or it stays. Where none is, the operator decides alone, and
//! a version stays in quarantine all the same: the registry gives none back without a second person.

use std::path::PathBuf;
use std::thread;

use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_registry::{Decision, ModelId, Status, VersionId};
use twinkeep_store::Incidents;
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_watch::incident::{Action, Incident, Measure, Step, StepState, incident_id};

use super::actions::{host_order, reason_of};
use super::{Patience, Turn, is_left, record_step, set};
use crate::act_on_host::undo_on_host;
use crate::approve_model::{ApprovalRequest, Purpose, agreed_to};
use crate::incidents::{
    HELPER_PAUSE, HELPER_TRIES, IncidentReport, change, find, load, read, report,
};
use crate::models::parse_version;
use crate::reason::check_reason;
use crate::{App, AppError, Caller, roll_back_model};

/// What a rollback asks for.
#[derive(Clone, Copy, Debug)]
pub struct RollBackRequest<'a> {
    /// Why.
    pub reason: &'a str,
    /// Statements of approvers who agree.
    pub approvals: &'a [PathBuf],
}

/// Who undoes, and who agreed.
pub(super) struct By {
    caller: Caller,
    reason: String,
    approved_by: Vec<String>,
    /// They wait until another process has undone what is left to it.
    waits: bool,
}

impl By {
    /// The playbook says so.
    pub(super) fn system() -> Self {
        let reason = "a step of the playbook failed".to_owned();
        Self { caller: Caller::system(), reason, approved_by: Vec::new(), waits: false }
    }
}

/// Writes what an approver is asked to agree to: that all of this incident is undone, as it stands.
pub fn request_rollback(app: &App, caller: &Caller, id: &str) -> Result<ApprovalRequest, AppError> {
    let class = EventClass::DetectionFinding;
    let entry = app.entry(caller, class, Activity::Read, "incident.approval-asked");
    let result = find(id).and_then(|number| ask(app, id, &load(app, number)?));
    let entry = if result.is_ok() { entry.with("incident", id) } else { entry };
    app.conclude(entry, result)
}

/// Undoes what an incident did, in reverse order, and says of each what cannot be undone.
pub fn roll_back_incident(
    app: &App,
    caller: &Caller,
    id: &str,
    request: &RollBackRequest<'_>,
) -> Result<IncidentReport, AppError> {
    let class = EventClass::DetectionFinding;
    let entry = app.entry(caller, class, Activity::Update, "incident.rolled-back");
    let result = roll_back(app, caller, id, request);
    let entry = if result.is_ok() { entry.with("incident", id) } else { entry };
    app.conclude(entry, result)
}

fn roll_back(
    app: &App,
    caller: &Caller,
    id: &str,
    request: &RollBackRequest<'_>,
) -> Result<IncidentReport, AppError> {
    let reason = check_reason(request.reason)?.to_owned();
    let number = find(id)?;
    let mut turn = turn_for(app, &load(app, number)?)?;
    let incident = load(app, number)?;
    let asked = ask(app, id, &incident)?;
    let approved_by = agreed_to(app, &asked, request.approvals, &again(id))?;
    let (approvers, _) = app.registry.approvers()?;
    if !approvers.is_empty() && approved_by.is_empty() {
        let attempt = format!("{id} is undone by two people, and nobody agreed");
        return Err(AppError::refused("rollback-approval", attempt).hint(again(id)));
    }
    let by = By { caller: caller.clone(), reason, approved_by, waits: true };
    // Whoever has the helper looks at what is open only.
    if turn.is_on_host() {
        change(app, number, &mut |incident| incident.closed_us = None)?;
    }
    leave_out(app, number)?;
    undo_steps(app, &by, number, incident.steps.len(), &mut turn)?;
    let incident = load(app, number)?;
    Ok(report(app, number, &incident))
}

/// Waits for the turn to undo an incident: for whoever acts on the host only where it did as well.
fn turn_for<'a>(app: &'a App, incident: &Incident) -> Result<Turn<'a>, AppError> {
    let on_host = |step: &Step| {
        let over = matches!(step.state, StepState::Skipped | StepState::Undone);
        step.measure.action.is_on_host() && !over
    };
    let turn = match incident.steps.iter().any(on_host) {
        true => Turn::on_host(app, Patience::Waits)?,
        false => None,
    };
    turn.map_or_else(|| Turn::in_keep(app), Ok)
}

/// Leaves out what was not begun: nobody goes on with what a person undoes.
fn leave_out(app: &App, number: u64) -> Result<(), AppError> {
    let now = app.now().micros();
    change(app, number, &mut |incident| {
        let planned =
            |step: &&mut Step| step.state == StepState::Planned && step.measure.action.contains();
        for step in incident.steps.iter_mut().filter(planned) {
            step.state = StepState::Skipped;
            "rolled-back".clone_into(&mut step.code);
            step.at_us = now;
        }
    })?;
    Ok(())
}

fn again(id: &str) -> String {
    format!(
        "`twinkeep incident request {id} --out FILE` writes what to agree to; an approver signs it: \
         `twinkeep model approve`"
    )
}

/// What is agreed to names the steps as they are: whatever is done or undone since needs another
/// agreement.
fn ask(app: &App, id: &str, incident: &Incident) -> Result<ApprovalRequest, AppError> {
    let steps = serde_json::to_vec(&incident.steps).map_err(|error| {
        AppError::refused("incident-record", "the incident cannot be read").because(error)
    })?;
    let signer = sha256(app.registry.public_pem().as_bytes());
    Ok(ApprovalRequest {
        keep: to_hex(&signer[..16]),
        version: id.to_owned(),
        digest: to_hex(&sha256(&steps)),
        purpose: Purpose::Restore,
        decisions: incident.steps.len() as u64,
        figures: serde_json::Value::Null,
    })
}

/// Undoes the steps before this one, the last first. The turn is given to whoever has to undo a step on
/// the host, and taken back, if somebody waits for that; else it follows after this.
pub(super) fn undo_steps(
    app: &App,
    by: &By,
    number: u64,
    end: usize,
    turn: &mut Turn<'_>,
) -> Result<(), AppError> {
    for index in (0..end).rev() {
        let Some(step) = load(app, number)?.steps.get(index).cloned() else { continue };
        if !may_have_happened(&step) || !step.measure.action.contains() {
            continue;
        }
        if !step.measure.action.reversible() {
            let says = "this cannot be undone: issue another credential";
            set(app, number, index, StepState::Kept, "irreversible", says)?;
            continue;
        }
        let on_host = step.measure.action.is_on_host();
        if on_host && (is_left(app, &step) || !turn.is_on_host()) {
            set(app, number, index, StepState::Undoing, LEFT_TO_HELPER, "")?;
            if !by.waits || !turn.is_on_host() {
                continue;
            }
            turn.give(|| wait_for_helper(app, number, index))??;
            let undoing = |step: &Step| step.state == StepState::Undoing;
            // It ended before it was done, or takes too long: this process may be able to.
            if !load(app, number)?.steps.get(index).is_some_and(undoing) {
                continue;
            }
        }
        set(app, number, index, StepState::Undoing, "", "")?;
        undo_step(app, by, number, index, &step, turn)?;
    }
    Ok(())
}

/// Undoes a step, and writes down what came of it.
pub(super) fn undo_step(
    app: &App,
    by: &By,
    number: u64,
    index: usize,
    step: &Step,
    turn: &mut Turn<'_>,
) -> Result<(), AppError> {
    let id = incident_id(number);
    let undo = || undo(app, by, &id, step);
    match if step.measure.action.is_on_host() { turn.apart(undo)? } else { undo() } {
        Ok(says) => {
            record_step(app, &id, &step.measure, "containment.undone", None)?;
            set(app, number, index, StepState::Undone, "", &says)
        }
        Err(error) => {
            let code = error.code();
            record_step(app, &id, &step.measure, "containment.undone", Some(code))?;
            let hint = error.next_step().unwrap_or_default();
            let says = format!("{error}; {hint}");
            set(app, number, index, StepState::Kept, code, says.trim_end_matches("; "))
        }
    }
}

/// Gives whoever has the helper the time to undo a step, as containing is left to it.
fn wait_for_helper(app: &App, number: u64, index: usize) -> Result<(), AppError> {
    for _ in 0..HELPER_TRIES {
        let left = |step: &Step| step.state == StepState::Undoing && is_left(app, step);
        if !load(app, number)?.steps.get(index).is_some_and(left) {
            break;
        }
        thread::sleep(HELPER_PAUSE);
    }
    Ok(())
}

/// Returns whether there may be something to undo. What failed may have been done in part, unless
/// it was refused before anything was; each inverse looks first at what is there.
fn may_have_happened(step: &Step) -> bool {
    match step.state {
        StepState::Done | StepState::Undoing | StepState::Kept | StepState::Intended => true,
        StepState::Failed => {
            let begun = !step.before.is_empty() && step.measure.action.reversible();
            begun && !REFUSED.contains(&step.code.as_str())
        }
        StepState::Planned | StepState::Skipped | StepState::Undone => false,
    }
}

/// Undoes a step. What is undone already stays so.
fn undo(app: &App, by: &By, id: &str, step: &Step) -> Result<String, AppError> {
    let Measure { action, on } = &step.measure;
    match action {
        Action::CloseRoute | Action::SuspendIdentity | Action::HoldFeed | Action::PauseTraining => {
            app.let_go(&step.measure, id)?;
            let others = app.holders(&step.measure)?;
            Ok(match others.first() {
                None => "it is as it was".to_owned(),
                Some(other) => format!("{other} holds it still"),
            })
        }
        Action::QuarantineModel => give_back(app, by, id, on),
        Action::ActivateBackup => put_back(app, by, id, step),
        Action::DropPort | Action::StopService | Action::FreezeService => {
            let mut others = app.holders(&step.measure)?;
            others.remove(id);
            let says = match others.first() {
                Some(other) => format!("{other} holds it still"),
                None => {
                    undo_on_host(app, &host_order(&step.measure)?, &step.before)?;
                    "it is as it was".to_owned()
                }
            };
            // Afterwards: whoever is killed between undoes it again.
            app.let_go(&step.measure, id)?;
            Ok(says)
        }
        Action::PreserveEvidence | Action::RevokeCredential | Action::Notify => Ok(String::new()),
    }
}

/// Makes a version a candidate again, if it verifies and a second person agreed.
fn give_back(app: &App, by: &By, incident: &str, version: &str) -> Result<String, AppError> {
    if let Some(ModelId::Import(_)) = ModelId::parse(version) {
        let attempt = "an imported model that was taken away stays so";
        return Err(AppError::refused("model-import-held", attempt)
            .hint("have its maker sign another version of it, and import that"));
    }
    let id = parse_version(version)?;
    if app.registry.show(&id)?.status != Status::Quarantined {
        return Ok("it is in quarantine no more".to_owned());
    }
    if let Some(other) = also_away_for(app, incident, version)? {
        let attempt = format!("{other} is open, and {version} is away for that as well");
        return Err(AppError::refused("held-by-another", attempt)
            .hint(format!("close {other} first, if it is over as well")));
    }
    let decision = Decision {
        by: &by.caller.id,
        reason: &by.reason,
        approved_by: &by.approved_by,
        at: app.now(),
    };
    app.restore_quarantined(&id, &decision)?;
    Ok("it verified, and is a candidate: releasing it is another decision".to_owned())
}

/// Returns another open incident for which a version is in quarantine: it found it there, or put it
/// there first.
fn also_away_for(app: &App, incident: &str, version: &str) -> Result<Option<String>, AppError> {
    let measure = Measure::new(Action::QuarantineModel, version);
    for record in app.store.incidents(Incidents::Open)? {
        let holds = |step: &Step| {
            let done = step.state == StepState::Done || step.code == "in-place";
            step.measure == measure && done
        };
        let other = incident_id(record.number);
        if other != incident && read(&record)?.steps.iter().any(holds) {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

/// Puts the version into service that was there before, unless people chose another one since.
fn put_back(app: &App, by: &By, incident: &str, step: &Step) -> Result<String, AppError> {
    let was = step.before.get("in_service").map(String::as_str).unwrap_or_default();
    let Ok(id) = parse_version(was) else { return Ok("nothing was in service".to_owned()) };
    match app.registry.show(&id)?.status {
        Status::InService => Ok("it is in service".to_owned()),
        Status::Retired => {
            if let Some(serving) = app.registry.in_service()?
                && !is_put_there_by(app, &serving, incident)?
            {
                let attempt = format!("{serving} was put into service since, and serves on");
                return Err(AppError::refused("release-again", attempt)
                    .hint(format!("`twinkeep model rollback --to {was} --reason TEXT`")));
            }
            roll_back_model(app, &by.caller, Some(was), &by.reason)?;
            Ok(format!("{was} is in service again"))
        }
        status => {
            let attempt = format!("{was} is {}, and serves by a release only", status.name());
            Err(AppError::refused("release-again", attempt)
                .hint(format!("`twinkeep model release {was} --reason TEXT`")))
        }
    }
}

/// Returns whether an incident put a version into service, and nobody else did since.
fn is_put_there_by(app: &App, serving: &VersionId, incident: &str) -> Result<bool, AppError> {
    let steps = app.registry.show(serving)?.steps;
    Ok(steps.last().is_some_and(|last| last.reason == reason_of(incident)))
}

/// The code of a step that a person asked to undo, and that whoever has the helper undoes.
pub(super) const LEFT_TO_HELPER: &str = "left-to-helper";

/// Failures after which nothing was done on the host.
const REFUSED: [&str; 6] = [
    "host-ask",
    "host-guarded",
    "host-missing",
    "host-no-service",
    "host-not-permitted",
    "host-off",
];

#[cfg(test)]
mod tests {
    use twinkeep_watch::incident::{Action, Before, Measure, Step, StepState};

    use super::may_have_happened;

    #[test]
    fn what_failed_half_way_is_undone_and_what_was_refused_is_not() {
        let step = |action, code: &str, before: &str| Step {
            measure: Measure::new(action, "x"),
            state: StepState::Failed,
            on_failure: Default::default(),
            before: before
                .split_whitespace()
                .map(|it| (it.to_owned(), String::new()))
                .collect::<Before>(),
            commands: Vec::new(),
            at_us: 0,
            code: code.to_owned(),
            says: String::new(),
            failed_us: Some(0),
        };
        for half in ["host-helper", "host-timed-out", "host-failed", "host-system", "store-io"] {
            assert!(may_have_happened(&step(Action::DropPort, half, "dropped")), "{half}");
        }
        for refused in ["host-guarded", "host-not-permitted", "host-off", "host-no-service"] {
            assert!(!may_have_happened(&step(Action::StopService, refused, "state")), "{refused}");
        }
        // Nothing was on record: it was not begun. What cannot be undone stays failed.
        assert!(!may_have_happened(&step(Action::DropPort, "host-timed-out", "")));
        assert!(!may_have_happened(&step(Action::RevokeCredential, "store-io", "state")));
    }
}
