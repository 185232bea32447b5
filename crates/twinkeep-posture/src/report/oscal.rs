//! A report as OSCAL 1.1 assessment results (NIST), requirement by requirement.
//!
//! OSCAL knows `satisfied` and `not-satisfied` only, and asks for an assessment plan. So only what
//! is met is satisfied, how everything stands is a property beside that, and the plan that is
//! referred to says that there is none.

use serde_json::{Value, json};

use super::time::rfc3339;
use super::{PRODUCT, VERSION};
use crate::outcome::{Finding, Outcome, stable_id};
use crate::scan::Report;
use crate::score::{Requirement, Standing};

/// Writes a report as OSCAL assessment results. Without a profile there is nothing to assess.
pub fn oscal(report: &Report) -> Result<String, serde_json::Error> {
    let taken = rfc3339(report.taken_us);
    let about = report.profile.map_or("", |profile| profile.title());
    // The same facts give the same identifiers, and other facts give others.
    let facts: Vec<String> = report
        .findings
        .iter()
        .map(|it| format!("{}{}", it.fingerprint, it.outcome.word()))
        .collect();
    let run = stable_id(&["run", about, &taken, &facts.concat()]).to_string();
    let id = |kind: &str, name: &str| stable_id(&[kind, &run, name]).to_string();
    let components: Vec<Value> = report
        .targets
        .iter()
        .map(|target| {
            json!({
                "uuid": id("component", target),
                "type": "software",
                "title": target,
                "description": format!("What was scanned: {target}."),
                "status": { "state": "operational" },
            })
        })
        .collect();
    let observations: Vec<Value> =
        report.findings.iter().map(|finding| observation(finding, &taken, &id)).collect();
    let findings: Vec<Value> =
        report.requirements.iter().map(|it| finding(it, report, &id)).collect();
    let controls: Vec<Value> =
        report.requirements.iter().map(|it| json!({ "control-id": token(&it.id) })).collect();
    let mut result = json!({
        "uuid": id("result", ""),
        "title": format!("Scan of {taken}"),
        "description": "What the rules of Twinkeep said of the facts that were taken then. \
                        What no rule can see needs somebody's attestation.",
        "start": taken,
        "end": taken,
        "reviewed-controls": { "control-selections": [selection(controls)] },
    });
    // Lists must not be empty.
    for (name, list) in [("observations", observations), ("findings", findings)] {
        if !list.is_empty() {
            result[name] = Value::Array(list);
        }
    }
    if !components.is_empty() {
        result["local-definitions"] = json!({ "components": components });
    }
    let no_plan = id("no-plan", "");
    let document = json!({ "assessment-results": {
        "uuid": run,
        "metadata": {
            "title": format!("{PRODUCT}: {about}"),
            "last-modified": taken,
            "version": VERSION,
            "oscal-version": "1.1.2",
        },
        "import-ap": { "href": format!("#{no_plan}") },
        "results": [result],
        "back-matter": { "resources": [{
            "uuid": no_plan,
            "title": "No assessment plan",
            "description": "The scan follows the rules of the program, and no other plan.",
        }]},
    }});
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    Ok(text)
}

fn selection(controls: Vec<Value>) -> Value {
    if controls.is_empty() {
        json!({ "include-all": {} })
    } else {
        json!({ "include-controls": controls })
    }
}

fn observation(finding: &Finding, taken: &str, id: &dyn Fn(&str, &str) -> String) -> Value {
    let says = match finding.outcome.says() {
        "" => "it holds",
        says => says,
    };
    let about = if finding.resource.is_empty() { &finding.target } else { &finding.resource };
    let mut props =
        vec![property("rule", &finding.rule), property("outcome", finding.outcome.word())];
    if let Outcome::Fail { at, .. } = &finding.outcome {
        props.push(property("place", &at.to_string()));
    }
    json!({
        "uuid": observation_id(finding, id),
        "title": finding.rule,
        "description": format!("{about}: {says}"),
        "props": props,
        "methods": ["TEST"],
        "subjects": [{
            "subject-uuid": id("component", &finding.target),
            "type": "component",
            "title": about,
        }],
        "collected": taken,
    })
}

/// Two findings may have one fingerprint: they differ in what is said.
fn observation_id(finding: &Finding, id: &dyn Fn(&str, &str) -> String) -> String {
    let outcome = &finding.outcome;
    let at = match outcome {
        Outcome::Fail { at, .. } => at.to_string(),
        _ => String::new(),
    };
    let name = format!("{}\n{}\n{}\n{at}", finding.fingerprint, outcome.word(), outcome.says());
    id("observation", &name)
}

fn finding(requirement: &Requirement, report: &Report, id: &dyn Fn(&str, &str) -> String) -> Value {
    let satisfied = requirement.standing == Standing::Met;
    let (state, reason) =
        if satisfied { ("satisfied", "pass") } else { ("not-satisfied", reason(requirement)) };
    let of_rule =
        |finding: &&Finding| requirement.evidence.iter().any(|it| it.rule == finding.rule);
    let related: Vec<Value> = report
        .findings
        .iter()
        .filter(of_rule)
        .map(|finding| json!({ "observation-uuid": observation_id(finding, id) }))
        .collect();
    let mut document = json!({
        "uuid": id("finding", &requirement.id),
        "title": format!("{} {}", requirement.id, requirement.title),
        "description": format!("{} ({}): {}.", requirement.title, requirement.need,
                               requirement.standing.words()),
        "props": [property("standing", &requirement.standing.words().replace(' ', "-"))],
        "target": {
            "type": "objective-id",
            "target-id": token(&requirement.id),
            "status": { "state": state, "reason": reason },
        },
    });
    if !related.is_empty() {
        document["related-observations"] = Value::Array(related);
    }
    document
}

fn reason(requirement: &Requirement) -> &'static str {
    if requirement.standing == Standing::Failed { "fail" } else { "other" }
}

fn property(name: &str, value: &str) -> Value {
    // A value has no line breaks, and is not empty.
    let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let value = value.trim();
    let value = if value.is_empty() { "-" } else { value };
    json!({ "name": name, "ns": "https://twinkeep.local/ns/oscal", "value": value })
}

/// An identifier as a token of OSCAL, which has no parentheses.
fn token(id: &str) -> String {
    id.replace('(', "_").replace(')', "")
}
