//! How requirements stand, and the score: by requirement, never by resource.
//!
//! A thousand resources that pass say nothing about the one that fails, so they are not counted.
//! The share is of all requirements that apply: what no rule can see, and what was not looked at,
//! counts as not met.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::controls::{self, Control};
use crate::outcome::{Finding, Outcome};
use crate::profile::Profile;
use crate::rule::{Rule, Strength};

/// A requirement, and what the rules say about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// Its identifier.
    pub id: String,
    /// Its official title.
    pub title: String,
    /// How binding it is.
    pub need: String,
    /// How it stands.
    pub standing: Standing,
    /// What says so.
    pub evidence: Vec<RuleEvidence>,
}

/// What one rule says about a requirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleEvidence {
    /// The rule.
    pub rule: String,
    /// How much it says.
    pub strength: Strength,
    /// Why it is evidence.
    pub because: String,
    /// How many resources had which outcome; nothing if its target was not scanned.
    pub outcomes: BTreeMap<String, usize>,
}

/// How a requirement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// A rule that is evidence for it fails.
    Failed,
    /// No rule fails, and some could not be checked, or their target was not scanned.
    NotChecked,
    /// All that could be seen holds, but it is a part of what is required.
    Partial,
    /// No rule can see it: somebody has to attest to it.
    Manual,
    /// All rules hold, and one of them is strong evidence.
    Met,
    /// Nothing here falls under it.
    NotApplicable,
}

impl Standing {
    /// All of them, in the order of reports.
    pub const ALL: [Standing; 6] = [
        Standing::Failed,
        Standing::NotChecked,
        Standing::Partial,
        Standing::Manual,
        Standing::Met,
        Standing::NotApplicable,
    ];

    /// Its words in reports for people.
    pub fn words(self) -> &'static str {
        match self {
            Standing::Failed => "failed",
            Standing::NotChecked => "not checked",
            Standing::Partial => "partly evidenced",
            Standing::Manual => "needs attestation",
            Standing::Met => "met",
            Standing::NotApplicable => "not applicable",
        }
    }
}

/// How many requirements are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// How many are met.
    pub met: usize,
    /// Of how many that apply.
    pub of: usize,
    /// The share in tenths of a percent, rounded down: a score of 1000 has nothing left over.
    pub per_mille: usize,
}

impl Score {
    /// The score of requirements.
    pub fn of(requirements: &[Requirement]) -> Score {
        let standing = |standing| requirements.iter().filter(|it| it.standing == standing).count();
        let met = standing(Standing::Met);
        let of = requirements.len() - standing(Standing::NotApplicable);
        Score { met, of, per_mille: (met * 1000).checked_div(of).unwrap_or(0) }
    }
}

/// How the requirements of a profile stand.
pub(crate) fn requirements(
    profile: Profile,
    rules: &[Rule],
    findings: &[Finding],
) -> Vec<Requirement> {
    let mut outcomes: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
    for finding in findings {
        let of_rule = outcomes.entry(&finding.rule).or_default();
        *of_rule.entry(finding.outcome.word().to_owned()).or_default() += 1;
    }
    controls::of(profile).iter().map(|control| requirement(control, rules, &outcomes)).collect()
}

fn requirement(
    control: &Control,
    rules: &[Rule],
    outcomes: &BTreeMap<&str, BTreeMap<String, usize>>,
) -> Requirement {
    let ids = controls::evidenced_by(control);
    let mut evidence = Vec::new();
    for rule in rules {
        if let Some(it) = rule.controls.iter().find(|it| ids.contains(&it.control)) {
            evidence.push(RuleEvidence {
                rule: rule.id.to_owned(),
                strength: it.strength,
                because: it.because.to_owned(),
                outcomes: outcomes.get(rule.id).cloned().unwrap_or_default(),
            });
        }
    }
    Requirement {
        id: control.id.to_owned(),
        title: control.title.to_owned(),
        need: control.need.words().to_owned(),
        standing: standing(&evidence),
        evidence,
    }
}

fn standing(evidence: &[RuleEvidence]) -> Standing {
    let has = |it: &RuleEvidence, outcome: &Outcome| it.outcomes.contains_key(outcome.word());
    let failed = |it: &RuleEvidence| it.outcomes.contains_key("fail");
    let unknown =
        |it: &RuleEvidence| it.outcomes.is_empty() || has(it, &Outcome::not_checked(String::new()));
    let passed = |it: &RuleEvidence| has(it, &Outcome::Pass);
    if evidence.is_empty() {
        Standing::Manual
    } else if evidence.iter().any(failed) {
        Standing::Failed
    } else if evidence.iter().any(unknown) {
        Standing::NotChecked
    } else if evidence.iter().any(|it| passed(it) && it.strength == Strength::Strong) {
        Standing::Met
    } else if evidence.iter().any(passed) {
        Standing::Partial
    } else {
        Standing::NotApplicable
    }
}

#[cfg(test)]
mod tests;
