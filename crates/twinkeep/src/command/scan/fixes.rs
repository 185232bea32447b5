//! `twinkeep scan plan`, `apply`, `verify`, and `rollback`.

use std::path::{Path, PathBuf};

use serde::Serialize;
use twinkeep_app::{AppError, Caller, FixAction, RepairedServer, SourceConfig, record_fix};
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
use crate::cli::{DatabaseArgs, Global, ScannedArgs, ServerArgs};
use crate::database_password;
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

/// Where changes are written down, and what they are made in.
pub(super) struct Way<'a> {
    pub(super) journal: PathBuf,
    pub(super) record: bool,
    pub(super) server: &'a ServerArgs,
}

pub(super) fn apply_plan(
    global: &Global,
    file: &Path,
    way: &Way<'_>,
    out: &Output,
) -> Result<(), AppError> {
    let plan = read_plan(file)?;
    let app = way.record.then(|| open_keep(global)).transpose()?;
    let changes: Vec<&Change> = plan.steps.iter().map(|step| &step.change).collect();
    let applied = with_services(&changes, way.server, |services| {
        apply_in(services, &plan, &way.journal).map_err(|error| {
            let hint = format!(
                "what was changed is in `{}`; `scan rollback` takes it back",
                way.journal.display()
            );
            refused(&error).hint(hint)
        })
    })?;
    if let Some(app) = &app {
        record_fix(app, &Caller::operator(), FixAction::Applied, &applied)?;
    }
    tell(&way.journal, &applied, out)
}

pub(super) fn roll_back(global: &Global, way: &Way<'_>, out: &Output) -> Result<(), AppError> {
    let app = way.record.then(|| open_keep(global)).transpose()?;
    let before = Journal::read(&way.journal).map_err(|error| refused(&error))?;
    let steps = before.iter().flat_map(|journal| &journal.steps);
    let changes: Vec<&Change> = steps.map(|step| &step.step.change).collect();
    let undone = with_services(&changes, way.server, |services| {
        rollback_in(services, &way.journal).map_err(|error| refused(&error))
    })?;
    if let Some(app) = &app {
        record_fix(app, &Caller::operator(), FixAction::RolledBack, &undone)?;
    }
    tell(&way.journal, &undone, out)
}

/// Reaches the other systems that changes are made in, if there are any.
fn with_services(
    changes: &[&Change],
    server: &ServerArgs,
    make: impl FnOnce(Services<'_>) -> Result<Journal, AppError>,
) -> Result<Journal, AppError> {
    let needs_s3 = changes.iter().any(|change| change.needs_s3());
    let client = needs_s3.then(s3_client).transpose()?;
    let s3 = client.as_ref();
    let Some(place) = changes.iter().find_map(|change| change.database_server()) else {
        return make(Services { s3, postgres: None });
    };
    // A plan may come from anywhere: a password goes to a server that somebody named.
    let Some(url) = &server.server else {
        let attempt = "the plan changes a server of PostgreSQL, and none was named";
        return Err(AppError::usage("scan-server", attempt)
            .hint(format!("if it is the right one, say `--server {}`", plain(place))));
    };
    let source =
        SourceConfig { url: url.clone(), ca: server.ca.clone(), ..SourceConfig::default() };
    let password = database_password::get(&DatabaseArgs::default(), &source)?;
    let postgres = RepairedServer::open(&source, password.as_ref())?;
    make(Services { s3, postgres: Some(&postgres) })
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
