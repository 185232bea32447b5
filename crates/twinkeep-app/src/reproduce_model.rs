//! Use case: learn a version anew, and see that the same weights come out.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;
use twinkeep_forecast::train;
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_registry::VersionId;

use crate::evaluate_model::{EvaluateOn, Record};
use crate::given_splits::{GivenSplits, cohorts};
use crate::models::parse_version;
use crate::train_model::weights_digest;
use crate::training_folder::data_digest;
use crate::{App, AppError, Caller, Progress};

/// A version whose weights came out again.
#[derive(Debug, Serialize)]
pub struct ReproduceReport {
    /// The version.
    pub version: String,
    /// SHA-256 of its weights, and of those that were learned now.
    pub weights_sha256: String,
}

/// Learns a version anew from the same data with the same configuration and seed; refuses if
/// other weights come out.
pub fn reproduce_model(
    app: &App,
    caller: &Caller,
    version: &str,
    splits: Option<&Path>,
    progress: &mut dyn FnMut(Progress),
) -> Result<ReproduceReport, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Read, "model.reproduced");
    let result = parse_version(version).and_then(|id| reproduce(app, &id, splits, progress));
    let entry = match &result {
        Ok(report) => entry
            .with("model", report.version.as_str())
            .with("weights_sha256", report.weights_sha256.as_str()),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

pub(crate) fn reproduce(
    app: &App,
    id: &VersionId,
    splits: Option<&Path>,
    progress: &mut dyn FnMut(Progress),
) -> Result<ReproduceReport, AppError> {
    let loaded = app.registry.load_to_measure(id).map_err(|error| app.distrust(id, error))?;
    app.model_of(&loaded)?;
    let record = Record::of(&loaded);
    let given = splits.map(|path| GivenSplits::read(app, path)).transpose()?;
    record.check_splits(given.as_ref(), EvaluateOn::Split(twinkeep_domain::Split::Train))?;
    let refuse = |code, attempt: String| Err(AppError::refused(code, attempt));
    let Some(config) = record.config else {
        return refuse("reproduce-record", format!("`{id}` does not say how it was trained"));
    };
    if config.noise.is_some() {
        let attempt = format!("`{id}` was trained with noise, which is on record nowhere");
        return refuse("reproduce-noise", attempt);
    }
    let config =
        twinkeep_forecast::TrainConfig { threads: app.settings.train.threads as usize, ..config };
    let [training, tuning, _] = cohorts(app, given.as_ref())?;
    if record.data.as_deref() != Some(&*data_digest(&[&training, &tuning])) {
        let attempt = format!("the data have changed since `{id}` was trained");
        return refuse("reproduce-data-changed", attempt);
    }
    let model = train(&app.pack, &config, &training, &tuning, &mut |step| {
        progress(Progress { done: step.done_work as u64, total: step.total_work as u64 });
    })
    .map_err(|error| AppError::refused(error.code(), "cannot train").because(error))?;
    let found = weights_digest(&model.to_tensors());
    let bytes = loaded.documents.get("training.json").map(Vec::as_slice).unwrap_or_default();
    let training: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    if training["weights_sha256"].as_str() != Some(&*found) {
        let attempt = format!("other weights came out than those of `{id}`");
        return Err(AppError::refused("model-not-reproduced", attempt).hint(
            "another program version may learn otherwise: `twinkeep model show VERSION --json` has \
             the digest of the program under `training.program`",
        ));
    }
    Ok(ReproduceReport { version: id.to_string(), weights_sha256: found })
}
