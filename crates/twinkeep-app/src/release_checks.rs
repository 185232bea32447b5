//! What a version must show before it is released: that its intervals hold, and that it is not
//! worse than the version in service, on people neither was learned from.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use twinkeep_registry::{LoadedModel, VersionId};
use twinkeep_watch::poisoning::{CandidateFinding, CandidateVerdict};
use twinkeep_watch::{Detection, Detector, Severity, Target};

use crate::compare_models::{Candidate, ModelComparison, Pair, measure, people};
use crate::put_in_service::ReleaseRequest;
use crate::watch_queries::report;
use crate::{App, AppError};

/// Something that was checked, and held.
#[derive(Clone, Debug, Serialize)]
pub struct ReleaseCheck {
    /// What.
    pub check: &'static str,
    /// What was found.
    pub found: String,
}

impl ReleaseCheck {
    pub(crate) fn held(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, found: found.into() }
    }
}

/// What was checked, and how the candidate compares with the version in service, if it was compared.
pub(crate) struct Checked {
    pub(crate) checks: Vec<ReleaseCheck>,
    pub(crate) comparison: Option<ModelComparison>,
}

/// Checks a candidate; refuses with what did not hold.
pub(crate) fn check_release(
    app: &App,
    id: &VersionId,
    request: &ReleaseRequest<'_>,
) -> Result<Checked, AppError> {
    let new = app.registry.load_to_measure(id).map_err(|error| app.distrust(id, error))?;
    let mut checks = vec![check_calibration(&new)?];
    let before = app.registry.in_service()?;
    let not_compared = |mut checks: Vec<ReleaseCheck>, why| {
        checks.push(ReleaseCheck::held("accuracy", why));
        Ok(Checked { checks, comparison: None })
    };
    let Some(before) = before else {
        return not_compared(checks, "no version is in service to compare with");
    };
    if request.without_comparison {
        return not_compared(checks, "not compared, as was asked");
    }
    let before = app.registry.load(&before).map_err(|error| app.distrust(&before, error))?;
    let Ok(before_model) = app.model_of(&before) else {
        return not_compared(checks, "the version in service is of another pack");
    };
    let pair = Pair { new: &new, before: &before };
    let otherwise = "`--without-comparison` releases the version all the same, on record";
    let held_out = people(app, &pair, request.splits, otherwise)?;
    let model = app.model_of(&new)?;
    let candidate = Candidate { name: &id.to_string(), model: &model };
    let found = measure(app, &candidate, (&before, &before_model), &held_out)?;
    if found.verdict == CandidateVerdict::Refuse {
        let worse = refused(&found);
        report(app, &poisoned(app, &found, worse.to_string()))?;
        return Err(worse);
    }
    checks.push(ReleaseCheck::held("accuracy", accuracy(&found)));
    if let Some(canaries) = &found.canaries {
        checks.push(ReleaseCheck::held("canaries", canaries.words()));
    }
    if found.verdict == CandidateVerdict::Warn {
        let says = "released all the same, as `poisoning.toml` asks: it departs from the version \
                    in service by more than it allows";
        report(app, &poisoned(app, &found, format!("`{id}` is {says}")))?;
        checks.push(ReleaseCheck::held("warning", says));
    }
    Ok(Checked { checks, comparison: Some(found) })
}

/// A candidate that is worse where it must not be was taught something: by a season, or by somebody.
fn poisoned(app: &App, found: &ModelComparison, says: String) -> Detection {
    let now = app.now().micros();
    let figure = |it: &CandidateFinding| match it.by.is_empty() {
        true => ("error".to_owned(), it.larger.mean),
        false => (format!("error-of-{}-{}", it.by, it.group), it.larger.mean),
    };
    let shift = found.canaries.iter().map(|it| ("canary-shift".to_owned(), it.shift));
    Detection {
        detector: Detector::ModelPoisoning,
        target: Target::Model(found.version.clone()),
        // Nothing has to be taken away: it is not released, or the parameters ask for a warning only.
        severity: Severity::Medium,
        began_us: now,
        seen_us: now,
        says,
        figures: found.findings.iter().map(figure).chain(shift).collect(),
        evidence: BTreeMap::new(),
        subjects: BTreeSet::new(),
    }
}

/// The version says itself, under its signature, how many of the values its intervals covered.
fn check_calibration(new: &LoadedModel) -> Result<ReleaseCheck, AppError> {
    let bytes = new.documents.get("evaluation.json").map(Vec::as_slice).unwrap_or_default();
    let evaluation: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    let Some(covered) = evaluation["coverage_90_mean"].as_f64() else {
        return Ok(ReleaseCheck::held("calibration", "no target about a value was measured"));
    };
    let said = format!("the 90 % intervals cover {:.1} % of the values", 100.0 * covered);
    if covered < COVERAGE_90_MIN {
        let attempt = format!("{said}, and must cover {:.0} %", 100.0 * COVERAGE_90_MIN);
        return Err(AppError::refused("model-calibration", attempt).hint(
            "ingest more subjects: intervals are calibrated on the tuning split, and need many",
        ));
    }
    Ok(ReleaseCheck::held("calibration", said))
}

/// Says what stands against a candidate.
fn refused(found: &ModelComparison) -> AppError {
    let id = &found.version;
    if let Some(worse) = found.findings.iter().find(|it| it.worse) {
        let whom = match worse.by.is_empty() {
            true => "everybody".to_owned(),
            false => format!("{} {}", worse.by, worse.group),
        };
        let attempt = format!(
            "model version `{id}` is worse than the one in service for {whom}: its error is \
             larger by {} of carry-forward's ({}), which is more than chance",
            percent(worse.larger.mean),
            interval(worse),
        );
        return AppError::refused("model-worse", attempt).hint(
            "`twinkeep model compare VERSION` shows where; `--without-comparison` releases it \
             all the same, on record",
        );
    }
    let attempt = format!(
        "model version `{id}` answers the canaries of the one in service otherwise than \
         `poisoning.toml` allows"
    );
    AppError::refused("model-canaries-moved", attempt).hint(
        "`twinkeep model compare VERSION` shows how far; `--without-comparison` releases it all \
         the same, on record",
    )
}

/// Says how a candidate compares whose error is no hindrance.
fn accuracy(found: &ModelComparison) -> String {
    let Some(all) = found.everybody() else { return "nobody was held out".to_owned() };
    let direction = if all.larger.mean <= 0.0 { "smaller" } else { "larger" };
    let groups = found.findings.len() - 1;
    let mut said = format!(
        "on {} people the error is {direction} by {} of carry-forward's ({}) than that of the \
         version in service",
        all.larger.people,
        percent(all.larger.mean),
        interval(all),
    );
    if let Some(worst) = found.worst_group() {
        said.push_str(&format!(
            "; of {groups} subgroups it does worst for {} {}: {} ({})",
            worst.by,
            worst.group,
            signed(worst.larger.mean),
            interval(worst),
        ));
    }
    said
}

fn percent(mean: f64) -> String {
    format!("{:.1} %", 100.0 * mean.abs())
}

fn signed(mean: f64) -> String {
    format!("{:+.1} %", 100.0 * mean)
}

/// Says in which interval a difference lies.
fn interval(found: &CandidateFinding) -> String {
    format!("95 % interval {} to {}", signed(found.larger.low), signed(found.larger.high))
}

/// An interval that promises 90 % and covers less than this is wrong, however few were measured.
const COVERAGE_90_MIN: f64 = 0.8;
