//! `twinkeep scan` and `twinkeep compliance`.

mod fixes;
mod periodic;
mod targets;

use std::path::Path;

use serde::Serialize;
use twinkeep_app::{
    AlertsToTry, App, AppError, Caller, PostureRequest, alert_of_scan, deliver_alerts,
    record_processing, record_scan,
};
use twinkeep_posture::baseline::Baseline;
use twinkeep_posture::collect::git::{PIPELINE_LINE, PRE_RECEIVE_HOOK};
use twinkeep_posture::collect::windows::COLLECTOR;
use twinkeep_posture::rules::{RULES, find};
use twinkeep_posture::{Report, Rule, Severity, Verdict, controls, judge, report};
use twinkeep_vault::files::{PRIVATE_FILE, read_bounded, write_atomic};

use self::targets::{Collected, collect};
use crate::cli::{
    ComplianceCommand, ComplianceFormat, Global, RecordFormat, ScanArgs, ScanCommand, ScanFormat,
};
use crate::output::{Output, table};
use crate::surroundings::{open_keep, state_dir};

pub(crate) fn run(global: &Global, args: &ScanArgs, out: &Output) -> Result<(), AppError> {
    match &args.command {
        None => scan(global, args, out),
        Some(ScanCommand::Explain { rule }) => explain(rule.as_deref(), out),
        Some(ScanCommand::Plan { scanned, at_least, out: file }) => {
            fixes::plan_to(global, scanned, (*at_least).into(), file, out)
        }
        Some(ScanCommand::Scripts { scanned, out: folder }) => {
            fixes::write_scripts(global, scanned, folder, out)
        }
        Some(ScanCommand::Apply { plan, journal, record, server }) => {
            let beside = || plan.with_added_extension("journal");
            let journal = journal.clone().unwrap_or_else(beside);
            fixes::apply_plan(global, plan, &fixes::Way { journal, record: *record, server }, out)
        }
        Some(ScanCommand::Verify { plan, scanned }) => {
            fixes::verify_plan(global, plan, scanned, out)
        }
        Some(ScanCommand::Trend { last, only, format, out: file }) => {
            let asked = periodic::Asked { last: usize::from(*last), only, format: *format };
            periodic::show_trend(global, &asked, file.as_deref(), out)
        }
        Some(ScanCommand::Timer { every, fail_on, profile, targets }) => {
            periodic::print_timer(global, every, *fail_on, *profile, targets, out)
        }
        Some(ScanCommand::Rollback { journal, record, server }) => {
            let journal = journal.clone();
            fixes::roll_back(global, &fixes::Way { journal, record: *record, server }, out)
        }
    }
}

fn scan(global: &Global, args: &ScanArgs, out: &Output) -> Result<(), AppError> {
    if args.install_hint {
        return out.verbatim(&format!("{PRE_RECEIVE_HOOK}\n# In a pipeline:\n# {PIPELINE_LINE}\n"));
    }
    if args.collector {
        return out.verbatim(COLLECTOR);
    }
    // A baseline that cannot be read is known before anything is looked at.
    let baseline = match &args.baseline {
        Some(path) => Baseline::parse(&read(path)?)
            .map_err(|error| AppError::usage(error.code(), error.to_string()))?,
        None => Baseline::default(),
    };
    let Collected { facts, scope, app } = collect(global, &args.scanned)?;
    let judged = judge(&facts, args.profile.map(Into::into), &baseline);
    let judged = Report { scope: Some(scope), ..judged };
    if let Some(app) = &app {
        // Told before it is recorded: what is new is what no record has.
        if args.alert {
            tell_people(app, &judged, args.fail_on.into(), out)?;
        }
        record_scan(app, &Caller::operator(), &judged)?;
    }
    let format = match args.format {
        ScanFormat::Text if out.json() => ScanFormat::Json,
        format => format,
    };
    let text = match format {
        ScanFormat::Text => report::text(&judged),
        ScanFormat::Json => written(report::json(&judged))?,
        ScanFormat::Csv => report::csv(&judged),
        ScanFormat::Html => report::html(&judged),
        ScanFormat::Sarif => written(report::sarif(&judged))?,
        ScanFormat::Ocsf => written(report::ocsf(&judged))?,
        ScanFormat::Oscal => written(report::oscal(&judged))?,
        ScanFormat::Facts => written(serde_json::to_string_pretty(&facts))?,
    };
    hand_over(&text, args.out.as_deref(), out)?;
    if format == ScanFormat::Facts {
        return Ok(());
    }
    conclude(&judged, args.fail_on.into())
}

/// Queues an alert of what is new, and delivers what is due: nobody else may run who does.
fn tell_people(
    app: &App,
    report: &Report,
    at_least: Severity,
    out: &Output,
) -> Result<(), AppError> {
    let Some(told) = alert_of_scan(app, report, at_least)? else { return Ok(()) };
    let rules: Vec<&str> = told.rules.keys().map(String::as_str).collect();
    let tried = deliver_alerts(app, AlertsToTry::Due)?;
    let delivered = tried.iter().filter(|alert| alert.state == "delivered").count();
    out.remark(&format!(
        "new: {}; {} alerts queued, {delivered} delivered",
        rules.join(", "),
        told.queued
    ));
    Ok(())
}

/// Turns what was found into an exit code.
fn conclude(report: &Report, fail_on: Severity) -> Result<(), AppError> {
    let [failed, not_checked, ..] = report.counts().map(|(_, count)| count);
    match report.verdict(fail_on) {
        Verdict::Clean => Ok(()),
        Verdict::Findings => {
            let attempt = format!("the scan found {failed} things that are not as they should be");
            Err(AppError::refused("scan-findings", attempt).hint(
                "`twinkeep scan explain RULE` says more; `twinkeep scan plan` what to change",
            ))
        }
        Verdict::NotChecked if not_checked == 0 => {
            let attempt = "the scan saw nothing that it could judge";
            Err(AppError::environment("scan-not-checked", attempt)
                .hint("is the target the right one?"))
        }
        Verdict::NotChecked => {
            let attempt =
                format!("the scan found nothing, but could not check {not_checked} things");
            Err(AppError::environment("scan-not-checked", attempt)
                .hint("each line says why; many need root, or a program that is not installed"))
        }
    }
}

/// Prints text that is already in its form, or writes it to a file.
fn hand_over(text: &str, file: Option<&Path>, out: &Output) -> Result<(), AppError> {
    match file {
        Some(path) => write_private(path, text.as_bytes()),
        None => out.verbatim(text),
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> Result<(), AppError> {
    write_atomic(path, bytes, PRIVATE_FILE).map_err(|error| {
        AppError::environment("out-write", format!("cannot write `{}`", path.display()))
            .because(error)
    })
}

/// Reads a file that somebody named: a plan, a baseline, facts.
fn read(path: &Path) -> Result<Vec<u8>, AppError> {
    read_bounded(path, FILE_BYTES_MAX).map_err(|error| {
        AppError::usage("scan-file", format!("cannot read `{}`", path.display())).because(error)
    })
}

const FILE_BYTES_MAX: u64 = twinkeep_posture::facts::FACT_FILE_BYTES_MAX;

fn written<E>(text: Result<String, E>) -> Result<String, AppError>
where
    E: std::error::Error + Send + Sync + 'static,
{
    text.map_err(|error| AppError::environment("json", "cannot write the report").because(error))
}

pub(crate) fn compliance(
    global: &Global,
    command: &ComplianceCommand,
    out: &Output,
) -> Result<(), AppError> {
    let (scanned, profile, format, file) = match command {
        ComplianceCommand::Report(asked) => {
            (&asked.scanned, &asked.profile, &asked.format, &asked.out)
        }
        ComplianceCommand::Record { format, out: file } => {
            return processing(global, *format, file.as_deref(), out);
        }
    };
    let Collected { facts, scope, app } = collect(global, scanned)?;
    let judged = judge(&facts, Some((*profile).into()), &Baseline::default());
    let judged = Report { scope: Some(scope), ..judged };
    if let Some(app) = &app {
        record_scan(app, &Caller::operator(), &judged)?;
    }
    let text = match format {
        // Who asks for JSON without naming a form gets no page.
        ComplianceFormat::Html if out.json() => written(report::json(&judged))?,
        ComplianceFormat::Html => report::html(&judged),
        ComplianceFormat::Oscal => written(report::oscal(&judged))?,
        ComplianceFormat::Json => written(report::json(&judged))?,
    };
    hand_over(&text, file.as_deref(), out)?;
    if let Some(score) = judged.score {
        out.remark(&format!("{} of {} requirements that apply are met", score.met, score.of));
    }
    Ok(())
}

/// Writes the record of processing activities.
fn processing(
    global: &Global,
    format: RecordFormat,
    file: Option<&Path>,
    out: &Output,
) -> Result<(), AppError> {
    let app = open_keep(global)?;
    let state_dir = state_dir();
    let request = PostureRequest { witnessed: None, state_dir: state_dir.as_deref() };
    let record = record_processing(&app, &Caller::operator(), request)?;
    let text = match format {
        RecordFormat::Html if !out.json() => record.html(),
        RecordFormat::Text => record.text(),
        RecordFormat::Html | RecordFormat::Json => written(record.json())?,
    };
    hand_over(&text, file, out)?;
    let missing: Vec<&str> = record.missing().map(|it| it.key).collect();
    if !missing.is_empty() {
        out.remark(&format!("missing in `twinkeep.toml`: {}", missing.join(", ")));
    }
    Ok(())
}

/// A rule, as it is explained.
#[derive(Serialize)]
struct Explained {
    id: &'static str,
    title: &'static str,
    target: &'static str,
    severity: Severity,
    protects: &'static str,
    remedy: &'static str,
    fixable: bool,
    evidence: Vec<ExplainedEvidence>,
}

#[derive(Serialize)]
struct ExplainedEvidence {
    requirement: &'static str,
    title: &'static str,
    strength: &'static str,
    because: &'static str,
}

fn explained(rule: &'static Rule) -> Explained {
    let evidence = rule.controls.iter().map(|it| ExplainedEvidence {
        requirement: it.control,
        title: controls::find(it.control).map_or("", |control| control.title),
        strength: it.strength.word(),
        because: it.because,
    });
    Explained {
        id: rule.id,
        title: rule.title,
        target: rule.check.target().word(),
        severity: rule.severity,
        protects: rule.protects,
        remedy: rule.remedy,
        fixable: twinkeep_posture::fix::FIXES.iter().any(|fix| fix.rule == rule.id),
        evidence: evidence.collect(),
    }
}

fn explain(name: Option<&str>, out: &Output) -> Result<(), AppError> {
    let Some(name) = name else {
        let all: Vec<Explained> = RULES.iter().map(explained).collect();
        return out.list(&all, |all| {
            let header =
                ["rule", "severity", "fix", "what should hold"].map(str::to_owned).to_vec();
            let rows = all.iter().map(|rule| {
                let fix = if rule.fixable { "yes" } else { "by hand" };
                vec![
                    rule.id.to_owned(),
                    rule.severity.to_string(),
                    fix.to_owned(),
                    rule.title.to_owned(),
                ]
            });
            table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
        });
    };
    let rule = find(name).ok_or_else(|| {
        AppError::usage("scan-rule", "there is no rule of this name")
            .hint("`twinkeep scan explain` lists all rules")
    })?;
    out.result(&explained(rule), |rule| {
        let mut text = format!(
            "{}  ({}, target {})\n{}.\n\n{}\n\nTo fix it: {}.\n",
            rule.id, rule.severity, rule.target, rule.title, rule.protects, rule.remedy
        );
        if rule.fixable {
            text.push_str("`twinkeep scan plan` says what it would change.\n");
        }
        text.push_str("\nEvidence for:\n");
        for it in &rule.evidence {
            text.push_str(&format!(
                "  {} {} ({})\n    {}\n",
                it.requirement, it.title, it.strength, it.because
            ));
        }
        text
    })
}
