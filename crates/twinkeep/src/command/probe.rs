//! `twinkeep probe list|show|clear|limits|questions|mark`.

use std::path::Path;

use twinkeep_app::{
    AppError, Caller, MarkQuestionsRequest, MarkReport, MarkTestRequest, ProbeLimits, TierLine,
    clear_tier, list_tiers, mark_questions, probe_limits, show_tier, test_mark,
};
use twinkeep_vault::files::read_bounded;

use crate::cli::{Global, ProbeCommand};
use crate::output::{Output, table, thousands};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &ProbeCommand, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    match args {
        ProbeCommand::List => out.list(&list_tiers(&app)?, list),
        ProbeCommand::Show { caller } => {
            let report = show_tier(&app, caller)?;
            out.result(&report, |report| {
                let mut text = list(std::slice::from_ref(&report.line));
                for alarm in &report.alarms {
                    let together = match &alarm.together {
                        Some(group) => format!(", seen together with others ({group})"),
                        None => String::new(),
                    };
                    text.push_str(&format!(
                        "{}  {} after {} questions{together}: ledger entry {}\n",
                        alarm.time, alarm.probing, alarm.questions, alarm.entry,
                    ));
                }
                text
            })
        }
        ProbeCommand::Clear { caller } => {
            clear_tier(&app, &Caller::operator(), caller)?;
            let done = serde_json::json!({ "cleared": caller });
            out.result(&done, |_| format!("{caller} gets full answers again"))
        }
        ProbeCommand::Limits { model } => {
            out.result(&probe_limits(&app, model.as_deref())?, limits)
        }
        ProbeCommand::Questions { model, count, seed } => {
            let model = model.as_deref();
            let request = MarkQuestionsRequest { model, count: *count, seed: *seed };
            // A question is one line of JSON, whatever the form of other results.
            for question in mark_questions(&app, &Caller::operator(), &request)? {
                let line = serde_json::to_string(&question).map_err(|error| {
                    AppError::environment("json", "cannot print JSON").because(error)
                })?;
                out.verbatim(&format!("{line}\n"))?;
            }
            Ok(())
        }
        ProbeCommand::Mark { questions, answers, model, caller } => {
            let (questions, answers) = (read(questions)?, read(answers)?);
            let request = MarkTestRequest {
                model: model.as_deref(),
                caller: caller.as_deref(),
                questions: &questions,
                answers: &answers,
            };
            out.result(&test_mark(&app, &Caller::operator(), &request)?, found)
        }
    }
}

fn list(lines: &[TierLine]) -> String {
    let header = ["caller", "answers", "because of", "alarms", "since", "until"];
    let rows = lines.iter().map(|line| {
        let TierLine { caller, tier, probing, alarms, since, until } = line;
        let alarms = alarms.to_string();
        [caller.as_str(), tier.name(), probing, &alarms, since, until].map(str::to_owned).to_vec()
    });
    let header = header.map(str::to_owned).to_vec();
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

fn read(path: &Path) -> Result<Vec<u8>, AppError> {
    read_bounded(path, MARK_FILE_LEN_MAX).map_err(|error| {
        AppError::environment("mark-read", format!("cannot read `{}`", path.display()))
            .because(error)
    })
}

fn found(report: &MarkReport) -> String {
    let header = ["caller", "statistic", "p", "p of all", "verdict"].map(str::to_owned).to_vec();
    let rows = report.callers.iter().map(|line| {
        let p = |value: f64| format!("{value:.5}");
        let statistic = format!("{:.1}", line.statistic);
        vec![
            line.caller.clone(),
            statistic,
            p(line.p_value),
            p(line.p_adjusted),
            line.verdict.to_owned(),
        ]
    });
    let rows = table(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
    format!(
        "{} answers to {} questions, compared with {} in {} stretches\n{rows}{}",
        thousands(report.answered as u64),
        thousands(report.questions as u64),
        report.model,
        thousands(report.stretches as u64),
        remarks(report),
    )
}

/// What a verdict must not be read without.
fn remarks(report: &MarkReport) -> String {
    let mut text = String::new();
    if 0 < report.same {
        text.push_str(&format!(
            "{} of {} numbers are the version's to the last digit: so answers the version itself, \
             and where both carry the last value forward, any model\n",
            thousands(report.same),
            thousands(report.compared),
        ));
    }
    if report.callers.iter().any(|line| !line.known) {
        text.push_str("the ledger knows nobody of this name who ever got coarser answers\n");
    }
    for version in &report.other_versions {
        text.push_str(&format!("noticed under {version}, too: test with `--model {version}`\n"));
    }
    text
}

fn limits(limits: &ProbeLimits) -> String {
    format!(
        "{} bears {} different inputs of a caller in a day ({})\n",
        limits.model,
        thousands(limits.inputs_a_day),
        limits.because,
    )
}

/// Ten thousand answers of a pack with many targets, each with all of its quantiles.
const MARK_FILE_LEN_MAX: u64 = 256 << 20;
