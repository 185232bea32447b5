//! `twinkeep incident report`.

use twinkeep_app::{App, AppError, BreachReport, Caller, breach_page, report_incident};
use twinkeep_vault::files::{PRIVATE_FILE, write_atomic};

use super::indented;
use crate::cli::IncidentReportArgs;
use crate::output::Output;

pub(super) fn run(
    app: &App,
    operator: &Caller,
    args: &IncidentReportArgs,
    out: &Output,
) -> Result<(), AppError> {
    let report = report_incident(app, operator, &args.incident)?;
    if let Some(file) = &args.out {
        let page = breach_page(&report);
        write_atomic(file, page.as_bytes(), PRIVATE_FILE).map_err(|error| {
            let attempt = format!("cannot write `{}`", file.display());
            AppError::environment("report-write", attempt).because(error)
        })?;
    }
    out.result(&report, text)
}

fn text(report: &BreachReport) -> String {
    let mut text = format!(
        "report of {}, as of {} (version {})\n",
        report.incident, report.as_of, report.version
    );
    for field in &report.fields {
        let said = field.said.as_deref().unwrap_or("MISSING: nobody said");
        text.push_str(&format!("{:<24} {}\n", field.title, indented(said, 25)));
        for known in &field.known {
            text.push_str(&format!("{:<24} {}\n", "", indented(known, 25)));
        }
    }
    match report.missing.is_empty() {
        true => text.push_str("nothing is missing\n"),
        false => text.push_str(&format!(
            "missing: {}; write it with `twinkeep incident note {} TEXT --about PART`\n",
            report.missing.join(", "),
            report.incident
        )),
    }
    text
}
