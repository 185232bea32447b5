//! `twinkeep scan plan`, `apply`, `verify`, and `rollback`.

use std::path::Path;

use serde::Serialize;
use twinkeep_app::{AppError, Caller, FixAction, record_fix};
use twinkeep_posture::baseline::Baseline;
use twinkeep_posture::facts::Facts;
use twinkeep_posture::fix::windows::scripts;
use twinkeep_posture::fix::{
    Change, FixError, Journal, Plan, Services, State, Verified, apply_in, plan, rollback_in, verify,
};
use twinkeep_posture::report::plain;
use twinkeep_posture::{Outcome, Severity, judge};

use super::targets::{Collected, collect, s3_client};
use super::{read, write_private};
use crate::cli::{Global, ScannedArgs};
use crate::output::Output;
use crate::surroundings::open_keep;

/// What is in a plan, for people.
#[derive(Serialize)]
struct Planned {
    plan: String,
    changes: Vec<String>,
    by_hand: Vec<String>,
}

pub(super) fn plan_to(
    global: &Global,
    scanned: &ScannedArgs,
    at_least: Severity,
    file: &Path,
    out: &Output,
) -> Result<(), AppError> {
    let Collected { facts, .. } = collect(global, scanned)?;
    let mut plan = plan(&facts, at_least);
    for step in &mut plan.steps {
        step.change.make_absolute();
    }
    let text = serde_json::to_vec_pretty(&plan)
        .map_err(|error| AppError::environment("json", "cannot write the plan").because(error))?;
    write_private(file, &text)?;
    let hand =
        |it: &twinkeep_posture::fix::ByHand| format!("{} {}: {}", it.rule, it.resource, it.remedy);
    let planned = Planned {
        plan: file.display().to_string(),
        changes: plan.steps.iter().map(|step| step.change.says()).collect(),
        by_hand: plan.by_hand.iter().map(hand).collect(),
    };
    out.result(&planned, |planned| {
        let mut text = String::new();
        for line in &planned.changes {
            text.push_str(&format!("change   {}\n", plain(line)));
        }
        for line in &planned.by_hand {
            text.push_str(&format!("by hand  {}\n", plain(line)));
        }
        let (changes, by_hand) = (planned.changes.len(), planned.by_hand.len());
        text.push_str(&format!(
            "{changes} changes in {}, {by_hand} things by hand\n",
            planned.plan
        ));
        text
    })
}

/// Scripts that were written.
#[derive(Serialize)]
struct Written {
    repair: String,
    rollback: String,
    changes: usize,
}

/// Writes scripts for the one workstation among the targets.
pub(super) fn write_scripts(
    global: &Global,
    scanned: &ScannedArgs,
    folder: &Path,
    out: &Output,
) -> Result<(), AppError> {
    let Collected { facts, .. } = collect(global, scanned)?;
    let mut workstations = facts.facts.iter().filter_map(|facts| match facts {
        Facts::Windows(windows) => Some(windows),
        _ => None,
    });
    let (Some(workstation), None) = (workstations.next(), workstations.next()) else {
        let attempt = "scripts are for one Windows workstation";
        return Err(AppError::usage("scan-scripts", attempt).hint(
            "name what its collector wrote down, as `windows:FILE`; `twinkeep scan --collector` \
             prints the collector",
        ));
    };
    let scripts = scripts(workstation);
    let (repair, rollback) = (folder.join("repair.ps1"), folder.join("rollback.ps1"));
    std::fs::create_dir_all(folder).map_err(|error| {
        let attempt = format!("cannot make the folder `{}`", folder.display());
        AppError::environment("out-write", attempt).because(error)
    })?;
    // What takes a repair back is there before the repair is.
    write_private(&rollback, scripts.rollback.as_bytes())?;
    write_private(&repair, scripts.apply.as_bytes())?;
    let written = Written {
        repair: repair.display().to_string(),
        rollback: rollback.display().to_string(),
        changes: scripts.change_count,
    };
    out.result(&written, |written| {
        let Written { repair, rollback, changes } = written;
        format!("{changes} changes in {repair}; {rollback} takes them back")
    })
}

/// What became of changes.
#[derive(Serialize)]
struct Changed {
    journal: String,
    changes: Vec<ChangedLine>,
}

#[derive(Serialize)]
struct ChangedLine {
    state: State,
    change: String,
}

pub(super) fn apply_plan(
    global: &Global,
    file: &Path,
    journal: &Path,
    record: bool,
    out: &Output,
) -> Result<(), AppError> {
    let plan = read_plan(file)?;
    let app = record.then(|| open_keep(global)).transpose()?;
    let client = client_for(plan.steps.iter().map(|step| &step.change))?;
    let services = Services { s3: client.as_ref() };
    let applied = apply_in(services, &plan, journal).map_err(|error| {
        let hint = format!(
            "what was changed is in `{}`; `scan rollback` takes it back",
            journal.display()
        );
        refused(&error).hint(hint)
    })?;
    if let Some(app) = &app {
        record_fix(app, &Caller::operator(), FixAction::Applied, &applied)?;
    }
    tell(journal, &applied, out)
}

pub(super) fn roll_back(
    global: &Global,
    journal: &Path,
    record: bool,
    out: &Output,
) -> Result<(), AppError> {
    let app = record.then(|| open_keep(global)).transpose()?;
    let before = Journal::read(journal).map_err(|error| refused(&error))?;
    let steps = before.iter().flat_map(|journal| &journal.steps);
    let client = client_for(steps.map(|step| &step.step.change))?;
    let services = Services { s3: client.as_ref() };
    let undone = rollback_in(services, journal).map_err(|error| refused(&error))?;
    if let Some(app) = &app {
        record_fix(app, &Caller::operator(), FixAction::RolledBack, &undone)?;
    }
    tell(journal, &undone, out)
}

/// A client of the object store, if one of the changes needs it.
fn client_for<'a>(
    mut changes: impl Iterator<Item = &'a Change>,
) -> Result<Option<twinkeep_posture::collect::s3::client::Client>, AppError> {
    changes.any(Change::needs_s3).then(s3_client).transpose()
}

fn tell(path: &Path, journal: &Journal, out: &Output) -> Result<(), AppError> {
    let line = |step: &twinkeep_posture::fix::JournalStep| ChangedLine {
        state: step.state,
        change: step.step.change.says(),
    };
    let changed = Changed {
        journal: path.display().to_string(),
        changes: journal.steps.iter().map(line).collect(),
    };
    out.result(&changed, |changed| {
        let mut text = String::new();
        for line in &changed.changes {
            text.push_str(&format!("{:<13}  {}\n", word(line.state), plain(&line.change)));
        }
        text.push_str(&format!("the journal is {}\n", changed.journal));
        text
    })
}

fn word(state: State) -> &'static str {
    match state {
        State::Begun => "begun",
        State::Done => "done",
        State::Found => "was so before",
        State::Undone => "taken back",
    }
}

pub(super) fn verify_plan(
    global: &Global,
    file: &Path,
    scanned: &ScannedArgs,
    out: &Output,
) -> Result<(), AppError> {
    let plan = read_plan(file)?;
    let Collected { facts, .. } = collect(global, scanned)?;
    let verified = verify(&plan, &judge(&facts, None, &Baseline::default()));
    out.list(&verified, |verified| {
        let mut text = String::new();
        for Verified { rule, resource, outcome } in verified {
            let says = match outcome.says() {
                "" => String::new(),
                says => format!(": {says}"),
            };
            let line = format!("{:<14}  {rule}  {resource}{says}", outcome.word());
            text.push_str(&format!("{}\n", plain(&line)));
        }
        text
    })?;
    let open = verified.iter().filter(|it| it.outcome != Outcome::Pass).count();
    if open == 0 {
        return Ok(());
    }
    let unknown = |it: &Verified| matches!(it.outcome, Outcome::NotChecked { .. });
    if verified.iter().all(|it| it.outcome == Outcome::Pass || unknown(it)) {
        let attempt = format!("{open} resources of the plan could not be checked");
        return Err(AppError::environment("scan-not-checked", attempt)
            .hint("scan the same targets that the plan was made for"));
    }
    let attempt = format!("{open} resources of the plan do not pass");
    Err(AppError::refused("scan-findings", attempt)
        .hint("`twinkeep scan apply` makes the changes; `twinkeep scan rollback` takes them back"))
}

fn read_plan(path: &Path) -> Result<Plan, AppError> {
    Plan::parse(&path.display().to_string(), &read(path)?).map_err(|error| refused(&error))
}

fn refused(error: &FixError) -> AppError {
    let text = error.to_string();
    match error {
        FixError::System { .. } | FixError::Remote { .. } => {
            AppError::environment(error.code(), text)
        }
        FixError::Malformed { .. } | FixError::OtherJournal { .. } => {
            AppError::usage(error.code(), text)
        }
        _ => AppError::refused(error.code(), text),
    }
}
