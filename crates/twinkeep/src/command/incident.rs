//! `twinkeep incident ...`.

use std::path::Path;

use twinkeep_app::{
    App, AppError, Caller, ContainmentPlan, DetectionTarget, DrillRequest, IncidentReport,
    NoteAbout, RollBackRequest, StepLine, acknowledge_incident, close_incident, drill_incident,
    list_incidents, note_incident, plain_lines, plan_drill, request_rollback, resume_incident,
    resume_incidents, roll_back_incident, show_incident,
};
use twinkeep_posture::report::plain;
use twinkeep_vault::files::{PUBLIC_FILE, write_atomic};

use crate::cli::{Global, IncidentCommand, IncidentDrillArgs, IncidentNoteArgs};
use crate::output::{Output, table};
use crate::surroundings::open_keep;

mod evidence;
mod playbook;
mod report;

pub(crate) fn run(global: &Global, args: &IncidentCommand, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    let operator = Caller::operator();
    match args {
        IncidentCommand::List { all } => out.list(&list_incidents(&app, &operator, *all)?, list),
        IncidentCommand::Show { incident } => {
            out.result(&show_incident(&app, &operator, incident)?, show)
        }
        IncidentCommand::Ack { incident } => {
            out.result(&acknowledge_incident(&app, &operator, incident)?, show)
        }
        IncidentCommand::Note(args) => note(&app, &operator, args, out),
        IncidentCommand::Close { incident, reason } => {
            out.result(&close_incident(&app, &operator, incident, reason)?, show)
        }
        IncidentCommand::Drill(args) => drill(&app, &operator, args, out),
        IncidentCommand::Report(args) => report::run(&app, &operator, args, out),
        IncidentCommand::Evidence { incident } => evidence::run(&app, &operator, incident, out),
        IncidentCommand::Request { incident, out: file } => {
            request(&app, &operator, incident, file, out)
        }
        IncidentCommand::Rollback { incident, reason, approvals } => {
            roll_back(&app, &operator, incident, &RollBackRequest { reason, approvals }, out)
        }
        IncidentCommand::Resume { incident: Some(incident) } => {
            out.result(&resume_incident(&app, &operator, incident)?, show)
        }
        IncidentCommand::Resume { incident: None } => {
            let resumed = resume_incidents(&app)?;
            out.result(&serde_json::json!({ "resumed": resumed }), |_| match resumed.is_empty() {
                true => "nothing was interrupted".to_owned(),
                false => format!("went on with {}", resumed.join(", ")),
            })
        }
        IncidentCommand::Playbook(args) => playbook::run(&app, &operator, args, out),
    }
}

fn note(
    app: &App,
    operator: &Caller,
    args: &IncidentNoteArgs,
    out: &Output,
) -> Result<(), AppError> {
    let about = NoteAbout::parse(&args.about).ok_or_else(|| {
        let known = NoteAbout::ALL.map(NoteAbout::name).join("`, `");
        AppError::usage("note-about", format!("no part of a report is called `{}`", args.about))
            .hint(format!("parts are `{known}`"))
    })?;
    out.result(&note_incident(app, operator, &args.incident, about, &args.text)?, show)
}

fn drill(
    app: &App,
    operator: &Caller,
    args: &IncidentDrillArgs,
    out: &Output,
) -> Result<(), AppError> {
    let target = match args {
        IncidentDrillArgs { model: Some(name), .. } => DetectionTarget::Model(name.clone()),
        IncidentDrillArgs { feed: Some(name), .. } => DetectionTarget::Feed(name.clone()),
        IncidentDrillArgs { identity: Some(name), .. } => DetectionTarget::Identity(name.clone()),
        IncidentDrillArgs { route: Some(name), .. } => DetectionTarget::Route(name.clone()),
        _ => DetectionTarget::Keep,
    };
    let request = DrillRequest { detector: &args.detector, severity: &args.severity, target };
    match args.dry_run {
        true => out.result(&plan_drill(app, &request)?, plan),
        false => out.result(&drill_incident(app, operator, &request)?, show),
    }
}

fn request(
    app: &App,
    operator: &Caller,
    incident: &str,
    file: &Path,
    out: &Output,
) -> Result<(), AppError> {
    let request = request_rollback(app, operator, incident)?;
    let unwritable = |error| {
        let attempt = format!("cannot write `{}`", file.display());
        AppError::environment("request-write", attempt).because(error)
    };
    let text = serde_json::to_vec_pretty(&request).map_err(|error| unwritable(error.into()))?;
    write_atomic(file, &text, PUBLIC_FILE).map_err(unwritable)?;
    out.result(&request, |request| {
        let (id, file) = (&request.version, file.display());
        format!(
            "asked for {id} in {file}; an approver answers with\n  \
             twinkeep model approve {file} --identity NAME.identity --reason TEXT"
        )
    })
}

/// What was not undone is in the result, and the exit code says that there is some.
fn roll_back(
    app: &App,
    operator: &Caller,
    incident: &str,
    request: &RollBackRequest<'_>,
    out: &Output,
) -> Result<(), AppError> {
    let report = roll_back_incident(app, operator, incident, request)?;
    out.result(&report, show)?;
    let kept = report.steps.iter().filter(|step| step.state == "kept").count();
    if kept == 0 {
        return Ok(());
    }
    let attempt = format!("{kept} of the steps of {incident} were not undone");
    Err(AppError::refused("rollback-partial", attempt)
        .hint("each says why; what can be mended is undone by another `incident rollback`"))
}

fn list(incidents: &[IncidentReport]) -> String {
    let header = ["incident", "state", "severity", "aware", "detector", "about", "reports"];
    let rows = incidents.iter().map(|incident| {
        vec![
            incident.id.clone(),
            incident.state.to_owned(),
            incident.severity.clone(),
            incident.aware.clone(),
            incident.detector.clone(),
            about(&incident.target),
            incident.count.to_string(),
        ]
    });
    let header = header.map(str::to_owned).to_vec();
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

fn about(target: &DetectionTarget) -> String {
    match target {
        DetectionTarget::Model(name)
        | DetectionTarget::Feed(name)
        | DetectionTarget::Identity(name)
        | DetectionTarget::Address(name)
        | DetectionTarget::Route(name)
        | DetectionTarget::File(name) => plain(name).into_owned(),
        DetectionTarget::Keep => "the keep".to_owned(),
    }
}

fn show(incident: &IncidentReport) -> String {
    let mut lines = vec![
        ("incident", incident.id.clone()),
        ("state", incident.state.to_owned()),
        ("severity", incident.severity.clone()),
        ("detector", incident.detector.clone()),
        ("about", about(&incident.target)),
        ("says", incident.says.clone()),
        ("began", incident.began.clone()),
        ("aware", incident.aware.clone()),
        ("reported", format!("{} times, last {}", incident.count, incident.last)),
        ("people", incident.subject_count.to_string()),
    ];
    let learned = incident.training_subjects.iter();
    lines.extend(learned.map(|(model, it)| ("people", format!("{model} learned from {it}"))));
    for clock in &incident.clocks {
        let hours = clock.left_seconds.div_euclid(3600);
        let left = if hours < 0 { "over".to_owned() } else { format!("{hours} h left") };
        let text = format!("{}: {} by {} ({left})", clock.rule, clock.whom, clock.deadline);
        lines.push(("clock", text));
    }
    if let (Some(contained), Some(after)) = (&incident.contained, incident.contained_after_us) {
        lines.push(("contained", format!("{contained}, {} ms after that", after / 1000)));
    }
    let entry = incident.ledger_entry.map_or("none yet".to_owned(), |it| it.to_string());
    lines.push(("ledger", format!("entry {entry}")));
    lines.extend(incident.figures.iter().map(|(name, it)| ("figure", format!("{name} = {it}"))));
    let digests = incident.evidence.iter();
    lines.extend(digests.map(|(name, it)| ("evidence", format!("{name} {it}"))));
    let playbook = incident.playbook.clone().unwrap_or_else(|| "none yet".to_owned());
    lines.push(("playbook", playbook));
    for it in &incident.steps {
        lines.push(("step", step(it)));
        lines.extend(it.commands.iter().map(|command| ("  command", command.clone())));
    }
    let notes = incident.notes.iter();
    lines.extend(
        notes.map(|it| ("note", format!("{} {} ({}): {}", it.at, it.by, it.about, it.text))),
    );
    lines.iter().map(|(name, text)| format!("{name:<10} {}\n", indented(text, 11))).collect()
}

/// What others wrote, as people read it: what nobody sees is written as its number, and no line of it
/// begins where ours do.
fn indented(text: &str, by: usize) -> String {
    plain_lines(text).replace('\n', &format!("\n{:by$}", ""))
}

fn step(step: &StepLine) -> String {
    let mut text = format!("{:<9} {}", step.state, step.action);
    for more in [&step.on, &step.code, &step.says].into_iter().filter(|it| !it.is_empty()) {
        text.push_str(&format!(" · {more}"));
    }
    text
}

fn plan(plan: &ContainmentPlan) -> String {
    let mut text = format!("playbook   {}\n", plan.playbook);
    for line in &plan.steps {
        text.push_str(&format!("step       {}\n", indented(&step(&line.step), 11)));
        if line.step.code.is_empty() {
            for (name, value) in &line.step.before {
                text.push_str(&format!("  before   {name} = {}\n", indented(value, 11)));
            }
            let commands = line.step.commands.iter().map(|it| ("command", it));
            for (name, it) in commands.chain(line.undo_commands.iter().map(|it| ("undo", it))) {
                text.push_str(&format!("  {name:<8} {}\n", indented(it, 11)));
            }
            text.push_str(&format!("  then     {}\n", line.expected));
        }
    }
    text.push_str("nothing was done\n");
    text
}
