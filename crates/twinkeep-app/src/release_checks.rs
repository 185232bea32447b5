//! What a version must show before it is released: that its intervals hold, and that it is not
//! worse than the version in service, on people neither was learned from.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use twinkeep_domain::{Cohort, Split};
use twinkeep_forecast::{Comparison, EvaluationPlan, compare};
use twinkeep_registry::{LoadedModel, VersionId};
use twinkeep_watch::{Detection, Detector, Severity, Target};

use crate::evaluate_model::{EvaluateOn, Record};
use crate::given_splits::{GivenSplits, cohorts};
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

/// Checks a candidate; refuses with what did not hold.
pub(crate) fn check_release(
    app: &App,
    id: &VersionId,
    request: &ReleaseRequest<'_>,
) -> Result<Vec<ReleaseCheck>, AppError> {
    let new = app.registry.load_to_measure(id).map_err(|error| app.distrust(id, error))?;
    let mut checks = vec![check_calibration(&new)?];
    let before = app.registry.in_service()?;
    let Some(before) = before else {
        checks.push(ReleaseCheck::held("accuracy", "no version is in service to compare with"));
        return Ok(checks);
    };
    if request.without_comparison {
        checks.push(ReleaseCheck::held("accuracy", "not compared, as was asked"));
        return Ok(checks);
    }
    let before = app.registry.load(&before).map_err(|error| app.distrust(&before, error))?;
    let Ok(before_model) = app.model_of(&before) else {
        checks.push(ReleaseCheck::held("accuracy", "the version in service is of another pack"));
        return Ok(checks);
    };
    let held_out = people(app, [&new, &before], request)?;
    let model = app.model_of(&new)?;
    let plan = EvaluationPlan::of(&app.pack);
    let found = compare(&app.pack, &plan, [&model, &before_model], &held_out);
    match check_accuracy(id, &found) {
        Ok(check) => checks.push(check),
        Err(worse) => {
            report(app, &poisoned(app, id, &found, &worse))?;
            return Err(worse);
        }
    }
    Ok(checks)
}

/// A candidate that is worse where it must not be was taught something: by a season, or by somebody.
fn poisoned(app: &App, id: &VersionId, found: &Comparison, worse: &AppError) -> Detection {
    let now = app.now().micros();
    let slices = found
        .slices
        .iter()
        .map(|slice| (format!("error-of-{}-{}", slice.by, slice.group), slice.difference.mean));
    let figures = slices.chain([("error".to_owned(), found.all.mean)]);
    Detection {
        detector: Detector::ModelPoisoning,
        target: Target::Model(id.to_string()),
        // It is not released, so that nothing has to be taken away.
        severity: Severity::Medium,
        began_us: now,
        seen_us: now,
        says: worse.to_string(),
        figures: figures.collect(),
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

fn check_accuracy(id: &VersionId, found: &Comparison) -> Result<ReleaseCheck, AppError> {
    let percent = |mean: f64| format!("{:.1} %", 100.0 * mean.abs());
    let refuse = |whom: &str, mean: f64| {
        let attempt = format!(
            "model version `{id}` is worse than the one in service for {whom}: its error is \
             larger by {} of carry-forward's, which is more than chance",
            percent(mean)
        );
        Err(AppError::refused("model-worse", attempt).hint(
            "`twinkeep evaluate --model VERSION` shows where; `--without-comparison` releases it \
             all the same, on record",
        ))
    };
    if found.all.is_worse(MARGIN, CHANCE_ERRORS) {
        return refuse("everybody", found.all.mean);
    }
    for slice in &found.slices {
        if slice.difference.is_worse(SLICE_MARGIN, SLICE_CHANCE_ERRORS) {
            let whom = format!("{} {}", slice.by, slice.group);
            return refuse(&whom, slice.difference.mean);
        }
    }
    let direction = if found.all.mean <= 0.0 { "smaller" } else { "larger" };
    Ok(ReleaseCheck::held(
        "accuracy",
        format!(
            "on {} people the error is {direction} by {} of carry-forward's than that of the \
             version in service, and in none of {} subgroups it is worse than chance explains",
            found.all.subject_count,
            percent(found.all.mean),
            found.slices.len(),
        ),
    ))
}

/// Returns the people that neither version was learned from.
fn people(
    app: &App,
    versions: [&LoadedModel; 2],
    request: &ReleaseRequest<'_>,
) -> Result<Cohort, AppError> {
    let given = request.splits.map(|path| GivenSplits::read(app, path)).transpose()?;
    for version in versions {
        let on = EvaluateOn::Split(Split::HeldOut);
        Record::of(version).check_splits(given.as_ref(), on).map_err(|error| {
            error.hint(
                "name the file of splits that both versions were trained with, `--splits FILE`; \
                 if they differ, `--without-comparison` releases the version all the same, on record",
            )
        })?;
    }
    let [_, _, held_out] = cohorts(app, given.as_ref())?;
    Ok(held_out)
}

/// An interval that promises 90 % and covers less than this is wrong, however few were measured.
const COVERAGE_90_MIN: f64 = 0.8;

/// Two hundredths of carry-forward's error: what another seed may change, and nobody notices.
const MARGIN: f64 = 0.02;

/// One version in a thousand that is as good is refused by chance.
const CHANCE_ERRORS: f64 = 3.0;

/// Groups are smaller, and another seed changes more in each.
const SLICE_MARGIN: f64 = 0.05;

/// As above, for a few dozen groups together.
const SLICE_CHANCE_ERRORS: f64 = 4.0;
