//! A report as events of OCSF 1.5, class 2003 (Compliance Finding): one JSON object a line.

use serde_json::{Value, json};

use super::{PRODUCT, VERSION};
use crate::controls;
use crate::outcome::{Finding, Outcome, Severity};
use crate::rules;
use crate::scan::Report;

/// Writes a report as OCSF events.
pub fn ocsf(report: &Report) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&serde_json::to_string(&event(report, finding))?);
        text.push('\n');
    }
    Ok(text)
}

fn event(report: &Report, finding: &Finding) -> Value {
    let rule = rules::find(&finding.rule);
    let title = rule.map_or(finding.rule.as_str(), |rule| rule.title);
    let cited = rule.map_or(&[][..], |rule| rule.controls);
    let requirements: Vec<String> = cited
        .iter()
        .filter_map(|it| controls::find(it.control))
        .map(|control| format!("{} {}", control.id, control.title))
        .collect();
    let (status_id, status) = match finding.outcome {
        Outcome::Fail { .. } => (3, "Fail"),
        Outcome::NotChecked { .. } => (0, "Unknown"),
        Outcome::Pass => (1, "Pass"),
        Outcome::NotApplicable { .. } => (99, "Not Applicable"),
    };
    let (severity_id, severity) = match finding.severity {
        Severity::Informational => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    };
    let time = report.taken_us.div_euclid(1000);
    json!({
        "category_uid": 2, "category_name": "Findings",
        "class_uid": 2003, "class_name": "Compliance Finding",
        "activity_id": 1, "activity_name": "Create",
        "type_uid": 200_301, "type_name": "Compliance Finding: Create",
        "time": time,
        "severity_id": severity_id, "severity": severity,
        "status_id": 1, "status": "New",
        "message": message(finding, title),
        "metadata": {
            "version": "1.5.0",
            "product": { "name": PRODUCT, "vendor_name": PRODUCT, "version": VERSION },
            "profiles": [],
            "event_code": finding.rule,
        },
        "finding_info": {
            "uid": finding.fingerprint.to_string(),
            "title": title,
            "desc": rule.map_or("", |rule| rule.protects),
            "created_time": time,
            "types": [finding.target],
        },
        "compliance": {
            "control": finding.rule,
            "standards": standards(cited.iter().map(|it| it.control)),
            "requirements": requirements,
            "status_id": status_id,
            "status": status,
            "status_detail": finding.outcome.says(),
        },
        "resources": [{
            "name": finding.resource,
            "type": finding.target,
            "uid": format!("{}:{}", finding.target, finding.resource),
        }],
        "remediation": { "desc": rule.map_or("", |rule| rule.remedy) },
    })
}

fn message(finding: &Finding, title: &str) -> String {
    match finding.outcome.says() {
        "" => title.to_owned(),
        says => format!("{}: {says}", finding.resource),
    }
}

fn standards<'a>(controls: impl Iterator<Item = &'a str>) -> Vec<&'static str> {
    let mut names: Vec<&str> = controls
        .filter_map(|id| {
            let source = id.split('-').next()?;
            [("hipaa", "HIPAA"), ("gdpr", "GDPR"), ("aisvs", "OWASP AISVS 1.0")]
                .into_iter()
                .find_map(|(word, name)| (word == source).then_some(name))
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}
