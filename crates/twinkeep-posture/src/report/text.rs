//! A report for people at a terminal: what fails, what could not be checked, and how it stands.

use std::fmt::Write;

use super::plain;
use crate::outcome::{Finding, Outcome};
use crate::rules;
use crate::scan::Report;
use crate::score::Standing;

/// Writes a report as text.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    for finding in &report.findings {
        match &finding.outcome {
            Outcome::Fail { what, at } => failure(&mut out, finding, what, &at.to_string()),
            Outcome::NotChecked { why } => {
                let about = about(finding);
                let why = plain(why);
                let _ = writeln!(out, "not checked  {}{about}: {why}", finding.rule);
            }
            Outcome::Pass | Outcome::NotApplicable { .. } => {}
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    let [failed, not_checked, passed, not_applicable] = report.counts().map(|(_, count)| count);
    let known = report.findings.iter().filter(|it| it.known).count();
    let _ = write!(out, "{failed} failed");
    if 0 < known {
        let _ = write!(out, " ({known} of them known)");
    }
    let _ = writeln!(
        out,
        ", {not_checked} not checked, {passed} passed, {not_applicable} not applicable"
    );
    requirements(&mut out, report);
    out
}

fn failure(out: &mut String, finding: &Finding, what: &str, at: &str) {
    let known = if finding.known { " (known)" } else { "" };
    let _ = writeln!(out, "{:<11}  {}{}{known}", finding.severity, finding.rule, about(finding));
    let _ = writeln!(out, "             {}", plain(what));
    if at != finding.resource {
        let _ = writeln!(out, "             at {}", plain(at));
    }
    if let Some(rule) = rules::find(&finding.rule) {
        let _ = writeln!(out, "             fix: {}", rule.remedy);
    }
}

fn about(finding: &Finding) -> String {
    let resource = plain(&finding.resource);
    if resource.is_empty() { String::new() } else { format!("  {resource}") }
}

fn requirements(out: &mut String, report: &Report) {
    let (Some(profile), Some(score)) = (report.profile, report.score) else { return };
    let _ = writeln!(out, "\n{}", profile.title());
    for requirement in &report.requirements {
        if matches!(requirement.standing, Standing::Manual | Standing::NotApplicable) {
            continue;
        }
        let _ = writeln!(
            out,
            "  {:<16}  {}  {}",
            requirement.standing.words(),
            requirement.id,
            requirement.title
        );
    }
    for standing in [Standing::Manual, Standing::NotApplicable] {
        let count = report.requirements.iter().filter(|it| it.standing == standing).count();
        if 0 < count {
            let _ = writeln!(out, "  {:<16}  {count} requirements", standing.words());
        }
    }
    let _ = writeln!(
        out,
        "{} of {} requirements that apply are met ({}.{} %)",
        score.met,
        score.of,
        score.per_mille / 10,
        score.per_mille % 10
    );
}
