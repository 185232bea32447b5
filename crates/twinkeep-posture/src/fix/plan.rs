//! A plan: what would be changed, and what remains for people; and whether it helped.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::change::Change;
use super::error::FixError;
use super::{FIXES, Fix};
use crate::facts::FactFile;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rules::{self, RULES};
use crate::scan::Report;

/// What would be changed, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The version of this form: [`PLAN_FORMAT`].
    pub format: String,
    /// When the facts were taken that it rests on, in microseconds since 1970.
    pub taken_us: i64,
    /// What would be changed.
    pub steps: Vec<Step>,
    /// What fails, too, and shall pass by changes that are there for other rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Also>,
    /// What fails, and cannot be changed from here.
    pub by_hand: Vec<ByHand>,
}

/// The version of the form of plans.
const PLAN_FORMAT: &str = "twinkeep-plan/1";

/// One change of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The rule that fails.
    pub rule: String,
    /// The resource that it fails for.
    pub resource: String,
    /// What would be changed.
    pub change: Change,
}

/// A rule that a change is made for which another rule wanted first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Also {
    /// The rule that fails.
    pub rule: String,
    /// The resource that it fails for.
    pub resource: String,
}

/// Something that people have to repair.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByHand {
    /// The rule that fails.
    pub rule: String,
    /// The resource that it fails for.
    pub resource: String,
    /// What to do.
    pub remedy: String,
}

/// Makes a plan for all that fails and is at least so bad.
pub fn plan(facts: &FactFile, at_least: Severity) -> Plan {
    let mut steps: Vec<Step> = Vec::new();
    let (mut also, mut by_hand) = (Vec::new(), Vec::new());
    for rule in RULES.iter().filter(|rule| at_least <= rule.severity) {
        for of_target in &facts.facts {
            for judged in rule.check.judge(of_target).unwrap_or_default() {
                if !matches!(judged.outcome, Outcome::Fail { .. }) {
                    continue;
                }
                let fix = FIXES.iter().find(|fix| fix.rule == rule.id);
                let changes = |fix: &Fix| fix.changes.changes(of_target, &judged);
                let changes = fix.map_or_else(Vec::new, changes);
                if changes.is_empty() {
                    by_hand.push(hand(rule.id, &judged));
                }
                for change in changes {
                    let (rule, resource) = (rule.id.to_owned(), judged.resource.clone());
                    // Two rules may want the same; it is done once, and both are verified.
                    if steps.iter().any(|step| step.change == change) {
                        also.push(Also { rule, resource });
                    } else {
                        steps.push(Step { rule, resource, change });
                    }
                }
            }
        }
    }
    steps.sort_by_key(|step| step.change.rank());
    also.sort();
    also.dedup();
    by_hand.sort();
    by_hand.dedup();
    Plan { format: PLAN_FORMAT.to_owned(), taken_us: facts.taken_us, steps, also, by_hand }
}

fn hand(rule: &str, judged: &Judged) -> ByHand {
    ByHand {
        rule: rule.to_owned(),
        resource: judged.resource.clone(),
        remedy: rules::find(rule).map_or_else(String::new, |rule| rule.remedy.to_owned()),
    }
}

impl Plan {
    /// Reads a plan.
    pub fn parse(path: &str, text: &[u8]) -> Result<Plan, FixError> {
        let malformed = |line| FixError::Malformed { path: path.to_owned(), line };
        let plan: Plan = serde_json::from_slice(text).map_err(|error| malformed(error.line()))?;
        if plan.format == PLAN_FORMAT { Ok(plan) } else { Err(malformed(1)) }
    }
}

/// What a scan after a plan says of one of its resources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The rule.
    pub rule: String,
    /// The resource.
    pub resource: String,
    /// Whether the rule holds now.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Looks the resources of a plan up in a scan. What the scan does not have was not checked.
pub fn verify(plan: &Plan, report: &Report) -> Vec<Verified> {
    let mut outcomes: BTreeMap<(&str, &str), &Outcome> = BTreeMap::new();
    for finding in &report.findings {
        // The worst outcome of a resource comes first in a report.
        outcomes.entry((&finding.rule, &finding.resource)).or_insert(&finding.outcome);
    }
    let mut verified: Vec<Verified> = Vec::new();
    let of_steps = plan.steps.iter().map(|step| (&step.rule, &step.resource));
    for (rule, resource) in of_steps.chain(plan.also.iter().map(|it| (&it.rule, &it.resource))) {
        let found = outcomes.get(&(rule.as_str(), resource.as_str())).copied();
        // This rule names what is open in a folder, and the folder once nothing in it is.
        let folder = || {
            let mut above = Path::new(resource).ancestors().skip(1).filter_map(Path::to_str);
            let is_it = rule == "host-modes";
            above.find_map(|it| outcomes.get(&(rule.as_str(), it)).copied().filter(|_| is_it))
        };
        let missing = || Outcome::not_checked("the scan does not have it");
        let outcome = found.or_else(folder).cloned().unwrap_or_else(missing);
        let (rule, resource) = (rule.clone(), resource.clone());
        let one = Verified { rule, resource, outcome };
        if !verified.contains(&one) {
            verified.push(one);
        }
    }
    verified
}
