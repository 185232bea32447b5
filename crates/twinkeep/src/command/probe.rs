//! `twinkeep probe list|show|clear|limits`.

use twinkeep_app::{
    AppError, Caller, ProbeLimits, TierLine, clear_tier, list_tiers, probe_limits, show_tier,
};

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

fn limits(limits: &ProbeLimits) -> String {
    format!(
        "{} bears {} different inputs of a caller in a day ({})\n",
        limits.model,
        thousands(limits.inputs_a_day),
        limits.because,
    )
}
