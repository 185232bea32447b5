//! A scan: every rule over the facts of its target, and what of it is worth an exit code.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::baseline::Baseline;
use crate::facts::FactFile;
use crate::outcome::{Finding, Judged, Outcome, Severity};
use crate::profile::Profile;
use crate::rule::Rule;
use crate::rules::RULES;
use crate::score::{Requirement, Score, requirements};

/// What the rules said about facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The version of this form: [`REPORT_FORMAT`].
    pub format: String,
    /// When the facts were taken, in microseconds since 1970.
    pub taken_us: i64,
    /// The targets of which there were facts.
    pub targets: BTreeSet<String>,
    /// Which of them, where there are several of a kind: a digest of their names, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// What every rule said of every resource: failures first, the worst of them first.
    pub findings: Vec<Finding>,
    /// The source of requirements, if it was held against one.
    pub profile: Option<Profile>,
    /// How each requirement stands.
    pub requirements: Vec<Requirement>,
    /// How many of them are met.
    pub score: Option<Score>,
}

/// The version of the form of reports.
pub const REPORT_FORMAT: &str = "twinkeep-posture/1";

/// Judges facts by all rules of their targets.
pub fn judge(facts: &FactFile, profile: Option<Profile>, baseline: &Baseline) -> Report {
    judge_by(RULES, facts, profile, baseline)
}

/// Judges facts by some rules.
pub(crate) fn judge_by(
    rules: &[Rule],
    facts: &FactFile,
    profile: Option<Profile>,
    baseline: &Baseline,
) -> Report {
    let mut findings = Vec::new();
    for rule in rules {
        for of_target in &facts.facts {
            let Some(mut judged) = rule.check.judge(of_target) else { continue };
            if judged.is_empty() {
                judged
                    .push(Judged::new("", Outcome::not_applicable("there is nothing of the kind")));
            }
            findings.extend(judged.into_iter().map(|judged| finding(rule, judged, baseline)));
        }
    }
    findings.sort_by(|a, b| order(a).cmp(&order(b)));
    findings.dedup();
    let requirements = profile.map_or_else(Vec::new, |it| requirements(it, rules, &findings));
    Report {
        format: REPORT_FORMAT.to_owned(),
        taken_us: facts.taken_us,
        targets: facts.facts.iter().map(|it| it.target().word().to_owned()).collect(),
        scope: None,
        score: profile.map(|_| Score::of(&requirements)),
        findings,
        profile,
        requirements,
    }
}

fn finding(rule: &Rule, judged: Judged, baseline: &Baseline) -> Finding {
    let fingerprint = Finding::fingerprint(rule.id, &judged);
    let failed = matches!(judged.outcome, Outcome::Fail { .. });
    Finding {
        fingerprint,
        rule: rule.id.to_owned(),
        severity: rule.severity,
        target: rule.check.target().word().to_owned(),
        resource: judged.resource,
        outcome: judged.outcome,
        known: failed && baseline.knows(&fingerprint),
    }
}

/// What failed comes first, the worst of it first; all else is in the order of names.
fn order(finding: &Finding) -> (u8, std::cmp::Reverse<Severity>, &str, &str, &Outcome) {
    let place = match finding.outcome {
        Outcome::Fail { .. } => 0,
        Outcome::NotChecked { .. } => 1,
        Outcome::Pass => 2,
        Outcome::NotApplicable { .. } => 3,
    };
    let severity = std::cmp::Reverse(finding.severity);
    (place, severity, &finding.rule, &finding.resource, &finding.outcome)
}

/// What a report comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Something was checked, and all of it holds.
    Clean,
    /// Something that was not known does not hold.
    Findings,
    /// Nothing was found, but not everything could be looked at, or nothing was.
    NotChecked,
}

impl Report {
    /// What it comes to for somebody who minds what is at least so bad.
    pub fn verdict(&self, fail_on: Severity) -> Verdict {
        let minded = || self.findings.iter().filter(|finding| fail_on <= finding.severity);
        let new =
            |finding: &Finding| matches!(finding.outcome, Outcome::Fail { .. }) && !finding.known;
        let not_checked = |finding: &Finding| matches!(finding.outcome, Outcome::NotChecked { .. });
        // What is known to be open has been looked at, too.
        let looked_at =
            |finding: &Finding| matches!(finding.outcome, Outcome::Pass | Outcome::Fail { .. });
        if minded().any(new) {
            Verdict::Findings
        } else if minded().any(not_checked) || !self.findings.iter().any(looked_at) {
            Verdict::NotChecked
        } else {
            Verdict::Clean
        }
    }

    /// How many findings there are of each outcome, in the order of the report.
    pub fn counts(&self) -> [(&'static str, usize); 4] {
        ["fail", "not-checked", "pass", "not-applicable"]
            .map(|word| (word, self.findings.iter().filter(|it| it.outcome.word() == word).count()))
    }
}
