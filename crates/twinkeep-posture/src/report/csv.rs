//! A report as a table for spreadsheets (RFC 4180).

use super::plain;
use crate::outcome::{Finding, Outcome};
use crate::rules;
use crate::scan::Report;

/// Writes a report as CSV.
pub fn csv(report: &Report) -> String {
    let mut text = String::from(
        "outcome,severity,rule,title,target,resource,place,says,requirements,known,fingerprint\r\n",
    );
    for finding in &report.findings {
        let line: Vec<String> = fields(finding).iter().map(|field| quoted(field)).collect();
        text.push_str(&line.join(","));
        text.push_str("\r\n");
    }
    text
}

fn fields(finding: &Finding) -> [String; 11] {
    let rule = rules::find(&finding.rule);
    let controls = rule.map_or(&[][..], |rule| rule.controls);
    let controls: Vec<&str> = controls.iter().map(|it| it.control).collect();
    let place = match &finding.outcome {
        Outcome::Fail { at, .. } => at.to_string(),
        _ => String::new(),
    };
    [
        finding.outcome.word().to_owned(),
        finding.severity.word().to_owned(),
        finding.rule.clone(),
        rule.map_or("", |rule| rule.title).to_owned(),
        finding.target.clone(),
        finding.resource.clone(),
        place,
        finding.outcome.says().to_owned(),
        controls.join(" "),
        finding.known.to_string(),
        finding.fingerprint.to_string(),
    ]
}

/// Names of files are not ours: a spreadsheet must not take one for a formula, nor show another one.
pub(crate) fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if formula { "'" } else { "" };
    format!("\"{guard}{}\"", plain(field).replace('"', "\"\""))
}
