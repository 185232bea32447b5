//! Use case: tell people what a scan of the posture found that the one before did not.
//!
//! # Invariants
//!
//! - An alert has the names of rules, and how often each fails anew; never a resource, and nothing
//!   of what was found there.
//! - It is in the outbox before the scan is recorded: whoever is killed in between tells twice, and
//!   never not at all.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use twinkeep_posture::{Finding, Outcome, Report, Severity as Badness};
use twinkeep_watch::{Detector, Severity, Target};

use crate::recorded_scans::last_scan_of;
use crate::{Alert, AlertStage, App, AppError, queue_alert};

/// What was told of a scan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScanAlert {
    /// How often each rule fails anew.
    pub rules: BTreeMap<String, u64>,
    /// How many ways of telling it waits for.
    pub queued: usize,
}

/// Puts one alert into the outbox, if something at least so bad fails that did not fail in the last
/// recorded scan of the same targets; without such a scan, all that fails is new.
pub fn alert_of_scan(
    app: &App,
    report: &Report,
    at_least: Badness,
) -> Result<Option<ScanAlert>, AppError> {
    let before = last_scan_of(app.layout().root(), report)?;
    let new = new_findings(before.as_ref(), report, at_least);
    let Some(worst) = new.iter().map(|finding| finding.severity).max() else { return Ok(None) };
    let mut rules: BTreeMap<String, u64> = BTreeMap::new();
    for finding in new {
        *rules.entry(finding.rule).or_default() += 1;
    }
    let mut figures: BTreeMap<String, f64> =
        rules.iter().map(|(rule, count)| (rule.clone(), *count as f64)).collect();
    // The first by name: an alert has so many figures and no more.
    figures.insert("all".to_owned(), rules.values().sum::<u64>() as f64);
    let alert = Alert {
        incident: None,
        stage: AlertStage::Noticed,
        detector: Detector::Posture,
        target: Target::Keep,
        severity: severity(worst),
        began_us: report.taken_us,
        seen_us: app.now().micros(),
        figures,
        subjects: 0,
        actions: Vec::new(),
    };
    let queued = queue_alert(app, &alert)?.ids.len();
    Ok(Some(ScanAlert { rules, queued }))
}

/// What fails anew; what the baseline knows of is not told. The one before is the one that was
/// recorded last, whichever facts are older.
fn new_findings(before: Option<&Report>, report: &Report, at_least: Badness) -> Vec<Finding> {
    let fails = |it: &&Finding| matches!(it.outcome, Outcome::Fail { .. });
    let old = before.into_iter().flat_map(|before| &before.findings).filter(fails);
    let old: BTreeSet<_> = old.map(|it| it.fingerprint).collect();
    let new = report.findings.iter().filter(fails).filter(|it| !old.contains(&it.fingerprint));
    new.filter(|it| at_least <= it.severity && !it.known).cloned().collect()
}

fn severity(of: Badness) -> Severity {
    match of {
        Badness::Informational => Severity::Informational,
        Badness::Low => Severity::Low,
        Badness::Medium => Severity::Medium,
        Badness::High => Severity::High,
        Badness::Critical => Severity::Critical,
    }
}
