//! The trend of recorded scans: how requirements stood each time, and what is new, fixed, or was
//! not looked at again between the first of them and the last.
//!
//! # Invariants
//!
//! - Nothing counts as fixed that the last scan did not see pass: what it did not look at, or could
//!   not, is said so.
//! - The same scans give the same trend, byte for byte.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::outcome::{Finding, Outcome, Severity};
use crate::report::{plain, rfc3339};
use crate::scan::Report;
use crate::score::{Score, Standing};

#[cfg(test)]
mod tests;

/// The version of the form of trends.
pub const TREND_FORMAT: &str = "twinkeep-posture-trend/1";

/// What became of findings and requirements over some scans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trend {
    /// The version of this form: [`TREND_FORMAT`].
    pub format: &'static str,
    /// The scans, the oldest first.
    pub scans: Vec<Scanned>,
    /// What failed in the first or the last scan, by what became of it.
    pub changes: Vec<Changed>,
    /// How many things failed in both.
    pub still: usize,
    /// How each requirement stood in each scan.
    pub requirements: Vec<Stood>,
}

/// One scan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Scanned {
    /// When the facts were taken (RFC 3339).
    pub taken: String,
    /// The targets.
    pub targets: BTreeSet<String>,
    /// The source of requirements, if it was held against one.
    pub profile: Option<&'static str>,
    /// How many things failed.
    pub failed: usize,
    /// How many could not be checked.
    pub not_checked: usize,
    /// How many passed.
    pub passed: usize,
    /// How many requirements are met.
    pub score: Option<Score>,
}

/// What became of something that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// It fails in the last scan, and did not in the first.
    New,
    /// It failed, and passes.
    Fixed,
    /// It failed, and nothing of the name is there any more.
    Gone,
    /// It failed, and could not be checked in the last scan.
    NotChecked,
    /// It failed, and the last scan did not look at its target.
    NotScanned,
}

impl Became {
    /// Its word in every form.
    pub fn word(self) -> &'static str {
        match self {
            Became::New => "new",
            Became::Fixed => "fixed",
            Became::Gone => "gone",
            Became::NotChecked => "not-checked",
            Became::NotScanned => "not-scanned",
        }
    }
}

/// Something that failed, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// What became of it.
    pub became: Became,
    /// What failed, as the scan has it in which it failed.
    #[serde(flatten)]
    pub finding: Finding,
}

/// How a requirement stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stood {
    /// Its identifier.
    pub id: String,
    /// Its official title.
    pub title: String,
    /// How it stood in each scan; nothing if that was held against another source.
    pub standings: Vec<Option<Standing>>,
}

/// The trend of scans, which are put into the order of their times.
pub fn trend(mut reports: Vec<Report>) -> Trend {
    reports
        .sort_by(|one, other| (one.taken_us, &one.targets).cmp(&(other.taken_us, &other.targets)));
    let (changes, still) = match reports.as_slice() {
        [first, .., last] => changes(first, last),
        _ => (Vec::new(), 0),
    };
    Trend {
        format: TREND_FORMAT,
        scans: reports.iter().map(scanned).collect(),
        changes,
        still,
        requirements: requirements(&reports),
    }
}

fn scanned(report: &Report) -> Scanned {
    let [failed, not_checked, passed, _] = report.counts().map(|(_, count)| count);
    Scanned {
        taken: rfc3339(report.taken_us),
        targets: report.targets.clone(),
        profile: report.profile.map(crate::Profile::word),
        failed,
        not_checked,
        passed,
        score: report.score,
    }
}

fn failed(report: &Report) -> BTreeMap<uuid::Uuid, &Finding> {
    let failed = report.findings.iter().filter(|it| matches!(it.outcome, Outcome::Fail { .. }));
    failed.map(|it| (it.fingerprint, it)).collect()
}

fn changes(first: &Report, last: &Report) -> (Vec<Changed>, usize) {
    let (before, after) = (failed(first), failed(last));
    let mut seen: BTreeMap<(&str, &str), &Outcome> = BTreeMap::new();
    for finding in &last.findings {
        // The worst outcome of a resource comes first in a report.
        seen.entry((&finding.rule, &finding.resource)).or_insert(&finding.outcome);
    }
    let mut unchecked: BTreeSet<&str> = BTreeSet::new();
    for finding in &last.findings {
        if matches!(finding.outcome, Outcome::NotChecked { .. }) {
            unchecked.insert(&finding.rule);
        }
    }
    let changed = |became, it: &Finding| Changed { became, finding: it.clone() };
    let new = after.values().filter(|it| {
        // What fails in a target that nobody looked at before may be old.
        !before.contains_key(&it.fingerprint) && first.targets.contains(&it.target)
    });
    let mut changes: Vec<Changed> = new.map(|it| changed(Became::New, it)).collect();
    for finding in before.values().filter(|it| !after.contains_key(&it.fingerprint)) {
        let became = match seen.get(&(finding.rule.as_str(), finding.resource.as_str())) {
            _ if !last.targets.contains(&finding.target) => Became::NotScanned,
            Some(Outcome::Pass | Outcome::NotApplicable { .. }) => Became::Fixed,
            // The same resource fails for another reason, which is new.
            Some(Outcome::Fail { .. }) => Became::Fixed,
            Some(Outcome::NotChecked { .. }) => Became::NotChecked,
            // What could not be looked at at all has no line of its own.
            None if unchecked.contains(finding.rule.as_str()) => Became::NotChecked,
            None => Became::Gone,
        };
        changes.push(changed(became, finding));
    }
    changes.sort_by(|one, other| order(one).cmp(&order(other)));
    let still = before.keys().filter(|it| after.contains_key(it)).count();
    (changes, still)
}

/// What is new comes first, and the worst of it before the rest.
fn order(it: &Changed) -> (Became, std::cmp::Reverse<Severity>, &str, &str, uuid::Uuid) {
    let finding = &it.finding;
    let severity = std::cmp::Reverse(finding.severity);
    (it.became, severity, &finding.rule, &finding.resource, finding.fingerprint)
}

fn requirements(reports: &[Report]) -> Vec<Stood> {
    let mut order: Vec<(&str, &str)> = Vec::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for requirement in reports.iter().rev().flat_map(|report| &report.requirements) {
        if known.insert(&requirement.id) {
            order.push((&requirement.id, &requirement.title));
        }
    }
    let by_id: Vec<BTreeMap<&str, Standing>> = reports
        .iter()
        .map(|report| report.requirements.iter().map(|it| (it.id.as_str(), it.standing)).collect())
        .collect();
    let stood = |(id, title): (&str, &str)| Stood {
        id: id.to_owned(),
        title: title.to_owned(),
        standings: by_id.iter().map(|of| of.get(id).copied()).collect(),
    };
    order.into_iter().map(stood).collect()
}

impl Trend {
    /// Writes it for people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for scan in &self.scans {
            let targets: Vec<&str> = scan.targets.iter().map(String::as_str).collect();
            let score = scan.score.map_or_else(String::new, |score| {
                let profile = scan.profile.unwrap_or_default();
                format!(", {} of {} requirements of {profile} met", score.met, score.of)
            });
            out.push_str(&format!(
                "{}  {}: {} failed, {} not checked, {} passed{score}\n",
                scan.taken,
                plain(&targets.join(" ")),
                scan.failed,
                scan.not_checked,
                scan.passed
            ));
        }
        if self.scans.len() < 2 {
            out.push_str("there is nothing to compare: a trend needs two recorded scans\n");
            return out;
        }
        out.push('\n');
        for change in &self.changes {
            let line = format!(
                "{:<11}  {:<8}  {}  {}",
                change.became.word(),
                change.finding.severity.word(),
                change.finding.rule,
                change.finding.resource
            );
            out.push_str(&format!("{}\n", plain(&line)));
        }
        out.push_str(&format!("{} failed in the first scan and in the last\n", self.still));
        let moved = self.requirements.iter().filter(|it| it.moved());
        for stood in moved {
            let words: Vec<&str> =
                stood.standings.iter().map(|it| it.map_or("-", Standing::words)).collect();
            out.push_str(&format!("{}: {}\n", plain(&stood.id), words.join(" > ")));
        }
        out
    }

    /// Writes what became of findings as a table for spreadsheets (RFC 4180).
    pub fn csv(&self) -> String {
        let mut text =
            String::from("became,severity,rule,target,resource,place,says,fingerprint\r\n");
        for change in &self.changes {
            let finding = &change.finding;
            let place = match &finding.outcome {
                Outcome::Fail { at, .. } => at.to_string(),
                _ => String::new(),
            };
            let line = [
                change.became.word(),
                change.finding.severity.word(),
                &finding.rule,
                &finding.target,
                &finding.resource,
                &place,
                finding.outcome.says(),
                &finding.fingerprint.to_string(),
            ];
            text.push_str(&line.map(crate::report::quoted).join(","));
            text.push_str("\r\n");
        }
        text
    }

    /// Writes it for programs.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

impl Stood {
    /// Whether it did not stand the same in all scans that were held against its source.
    fn moved(&self) -> bool {
        let mut seen = self.standings.iter().flatten();
        let first = seen.next();
        seen.any(|it| Some(it) != first)
    }
}
