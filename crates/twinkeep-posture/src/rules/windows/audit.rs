//! Rule `win-audit`: logons and access to files are written down.
//!
//! `auditpol` speaks the language of Windows; words that are not known are not checked.

use super::on;
use crate::facts::Check;
use crate::facts::windows::Windows;
use crate::outcome::Place;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "win-audit",
    title: "The event log runs, and logons and failed access to files are audited",
    severity: Severity::Medium,
    protects: "After an incident nobody can say who logged on, or who tried which files.",
    remedy: "run `auditpol /set /subcategory:{0CCE9215-69AE-11D9-BED3-505054503030} /success:enable /failure:enable`, and the same for {0CCE921D-69AE-11D9-BED3-505054503030}",
    controls: &[
        Evidence {
            control: "hipaa-164.312(b)",
            strength: Strength::Partial,
            because: "These are the mechanisms of Windows that record activity.",
        },
        Evidence {
            control: "hipaa-164.308(a)(5)(ii)(C)",
            strength: Strength::Partial,
            because: "Logons can be monitored only if they are written down.",
        },
    ],
    check: Check::Windows(Judge { judge }),
};

fn judge(facts: &Windows) -> Vec<Judged> {
    let service = match &facts.services {
        None => Outcome::not_checked("services could not be asked"),
        Some(services) => match services.iter().find(|it| it.name.eq_ignore_ascii_case("EventLog"))
        {
            Some(service) if service.status == "Running" => Outcome::Pass,
            Some(_) => Outcome::fail(Place::of("EventLog"), "the event log does not run"),
            None => Outcome::not_checked("the event log was not found"),
        },
    };
    let mut judged = vec![on(facts, "event log", service)];
    for (name, guid, wanted) in WANTED {
        judged.push(on(facts, &format!("audit of {name}"), audited(facts, guid, wanted)));
    }
    judged
}

fn audited(facts: &Windows, guid: &str, wanted: &[&str]) -> Outcome {
    let Some(policy) = &facts.audit_policy else {
        return Outcome::not_checked("the audit policy is told to administrators only");
    };
    let is = |subcategory: &str| subcategory.trim_matches(['{', '}']).eq_ignore_ascii_case(guid);
    let Some(found) = policy.iter().find(|audited| is(&audited.subcategory)) else {
        return Outcome::not_checked("the audit policy does not say it");
    };
    let setting = found.setting.as_str();
    if wanted.contains(&setting) {
        Outcome::Pass
    } else if KNOWN.contains(&setting) {
        Outcome::fail(Place::of(guid), format!("audited is: {setting}"))
    } else {
        Outcome::not_checked("the audit policy is in a language that is not known here")
    }
}

/// What each subcategory has to say at least. The identifiers are the same in every language.
const WANTED: &[(&str, &str, &[&str])] = &[
    ("logons", "0CCE9215-69AE-11D9-BED3-505054503030", &["Success and Failure"]),
    ("files", "0CCE921D-69AE-11D9-BED3-505054503030", &["Failure", "Success and Failure"]),
];

/// All that `auditpol` says, in English.
const KNOWN: &[&str] = &["No Auditing", "Success", "Failure", "Success and Failure"];
