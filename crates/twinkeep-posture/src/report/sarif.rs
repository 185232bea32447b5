//! A report as SARIF 2.1.0 (OASIS), for code scanning and editors.

use serde_json::{Value, json};

use super::{PRODUCT, VERSION, plain};
use crate::outcome::{Finding, Outcome, Place, Severity};
use crate::rule::Rule;
use crate::rules::RULES;
use crate::scan::Report;

/// Writes a report as SARIF.
pub fn sarif(report: &Report) -> Result<String, serde_json::Error> {
    let rules: Vec<&Rule> = RULES
        .iter()
        .filter(|rule| report.findings.iter().any(|finding| finding.rule == rule.id))
        .collect();
    let results: Vec<Value> = report.findings.iter().map(|it| result(it, &rules)).collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": PRODUCT,
                "semanticVersion": VERSION,
                "rules": rules.iter().map(|rule| descriptor(rule)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    Ok(text)
}

fn descriptor(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": { "text": rule.title },
        "fullDescription": { "text": rule.protects },
        "help": { "text": format!("To fix it: {}.", rule.remedy) },
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": {
            "security-severity": score(rule.severity),
            "tags": rule.controls.iter().map(|it| it.control).collect::<Vec<_>>(),
        },
    })
}

fn result(finding: &Finding, rules: &[&Rule]) -> Value {
    let (kind, level) = match finding.outcome {
        Outcome::Fail { .. } => ("fail", level(finding.severity)),
        Outcome::NotChecked { .. } => ("open", "none"),
        Outcome::Pass => ("pass", "none"),
        Outcome::NotApplicable { .. } => ("notApplicable", "none"),
    };
    let says = match finding.outcome.says() {
        "" => "It holds.".to_owned(),
        says => plain(&format!("{}: {says}.", named(finding))).into_owned(),
    };
    let mut result = json!({
        "ruleId": finding.rule,
        "kind": kind,
        "level": level,
        "message": { "text": says },
        "locations": [location(finding)],
        "partialFingerprints": { "twinkeep/v1": finding.fingerprint.to_string() },
    });
    if let Some(index) = rules.iter().position(|rule| rule.id == finding.rule) {
        result["ruleIndex"] = json!(index);
    }
    if finding.known {
        result["suppressions"] = json!([{ "kind": "external", "status": "accepted" }]);
    }
    result
}

fn named(finding: &Finding) -> &str {
    if finding.resource.is_empty() { &finding.target } else { &finding.resource }
}

fn location(finding: &Finding) -> Value {
    let place = match &finding.outcome {
        Outcome::Fail { at, .. } => at.clone(),
        _ => Place::of(named(finding)),
    };
    // Only what has a line, or looks like a path, is an artifact; all else is a name.
    if place.line.is_none() && !place.path.contains('/') {
        let name = plain(&place.path);
        return json!({ "logicalLocations": [{ "fullyQualifiedName": name }] });
    }
    let mut physical = json!({ "artifactLocation": { "uri": uri(&place.path) } });
    if let Some(line) = place.line {
        physical["region"] = match place.column {
            Some(column) => json!({ "startLine": line, "startColumn": column }),
            None => json!({ "startLine": line }),
        };
    }
    json!({ "physicalLocation": physical })
}

/// A path as a reference (RFC 3986): whatever could mean something else is escaped.
fn uri(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    if path.starts_with('/') { format!("file://{text}") } else { text }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational | Severity::Low => "note",
        Severity::Medium => "warning",
        Severity::High | Severity::Critical => "error",
    }
}

/// What code scanning sorts by: 0.0 to 10.0, as text.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "0.0",
        Severity::Low => "3.0",
        Severity::Medium => "5.5",
        Severity::High => "8.0",
        Severity::Critical => "9.5",
    }
}
