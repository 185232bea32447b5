//! Use case: learn a forecaster from the stored events and keep it as a signed model version.
//!
//! Nothing that goes into the version depends on the clock: the same data, configuration, and
//! seed give the same weights, and the training record holds their digest to show it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::json;
use twinkeep_domain::{Cohort, Tensor, TensorData};
use twinkeep_forecast::{
    Evaluation, EvaluationPlan, Model, TrainConfig, evaluate_by, evaluate_trajectories, train,
    training_spreads,
};
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_store::FeedState;
use twinkeep_vault::digest::{Sha256, to_hex};

use crate::given_splits::{GivenSplits, cohorts};
use crate::model_card::card;
use crate::{App, AppError, Caller, Progress};

/// What may differ from the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrainRequest<'a> {
    /// Threads; the result does not depend on it.
    pub threads: Option<u32>,
    /// Seed of row and column sampling.
    pub seed: Option<u64>,
    /// A file that says which subject is in which split; by default, the keep's own hash does.
    pub splits: Option<&'a Path>,
}

/// What was learned, and how well it forecasts subjects that it never saw.
#[derive(Debug, Serialize)]
pub struct TrainReport {
    /// The new version; a candidate until it is released.
    pub version: String,
    /// SHA-256 of the weights before encryption: the same for the same data and seed.
    pub weights_sha256: String,
    /// Subjects that were learned from.
    pub train_subjects: usize,
    /// Subjects on which choices were made and intervals calibrated.
    pub tuning_subjects: usize,
    /// Errors and coverage on held-out subjects, beside carry-forward.
    pub evaluation: Evaluation,
}

/// Trains on what the store holds.
pub fn train_model(
    app: &App,
    caller: &Caller,
    request: TrainRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<TrainReport, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Create, "model.trained");
    let result = learn(app, caller, request, progress);
    let entry = match &result {
        Ok(report) => entry
            .with("model", report.version.as_str())
            .with("weights_sha256", report.weights_sha256.as_str()),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

fn learn(
    app: &App,
    caller: &Caller,
    request: TrainRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<TrainReport, AppError> {
    let config = TrainConfig {
        seed: request.seed.unwrap_or(app.settings.train.seed),
        threads: request.threads.unwrap_or(app.settings.train.threads) as usize,
        ..TrainConfig::default()
    };
    let given = request.splits.map(|path| GivenSplits::read(app, path)).transpose()?;
    let [training, tuning, held_out] = cohorts(app, given.as_ref())?;
    require_subjects(&training, &tuning, &held_out)?;
    let model = train(&app.pack, &config, &training, &tuning, &mut |step| {
        progress(Progress { done: step.done_count as u64, total: step.total_count as u64 });
    })
    .map_err(|error| AppError::refused(error.code(), "cannot train").because(error))?;
    let spreads = training_spreads(&app.pack, &training);
    let plan = EvaluationPlan { spreads: &spreads, ..EvaluationPlan::of(&app.pack) };
    let evaluation = Evaluation {
        trajectories: evaluate_trajectories(&app.pack, &plan, &model, &held_out, config.seed),
        ..evaluate_by(&app.pack, &plan, &model, &held_out, &mut |_| ())
    };
    let tensors = model.to_tensors();
    let weights_sha256 = weights_digest(&tensors);
    let documents = documents(
        app,
        given.as_ref(),
        &config,
        &model,
        &evaluation,
        (&weights_sha256, &spreads),
        [training.timelines.len(), tuning.timelines.len(), held_out.timelines.len()],
    )?;
    let version = app.registry.submit(&tensors, &documents, &caller.id, app.now())?;
    app.remember_registry()?;
    Ok(TrainReport {
        version: version.to_string(),
        weights_sha256,
        train_subjects: training.timelines.len(),
        tuning_subjects: tuning.timelines.len(),
        evaluation,
    })
}

fn require_subjects(train: &Cohort, tuning: &Cohort, held_out: &Cohort) -> Result<(), AppError> {
    let fewest = [train, tuning, held_out].map(|cohort| cohort.timelines.len()).into_iter().min();
    if fewest.unwrap_or(0) < SUBJECTS_MIN {
        let attempt = format!("each split needs at least {SUBJECTS_MIN} subjects to train");
        return Err(AppError::refused("train-too-few", attempt)
            .hint("ingest more feeds, or try with `twinkeep synth`"));
    }
    Ok(())
}

fn documents(
    app: &App,
    given: Option<&GivenSplits>,
    config: &TrainConfig,
    model: &Model,
    evaluation: &Evaluation,
    (weights_sha256, spreads): (&str, &[Option<f32>]),
    subjects: [usize; 3],
) -> Result<BTreeMap<String, Vec<u8>>, AppError> {
    let shards: Vec<String> = app
        .store
        .feeds()?
        .iter()
        .filter(|feed| feed.state == FeedState::Admitted)
        .flat_map(|feed| &feed.shard_digests)
        .map(|d| to_hex(d))
        .collect();
    // Threads change the time, never the result, so they are no part of the record.
    let mut configuration = json!(config);
    if let Some(fields) = configuration.as_object_mut() {
        fields.remove("threads");
    }
    let record = json!({
        "version": 1,
        "program": { "name": "twinkeep", "version": env!("CARGO_PKG_VERSION") },
        "pack": format!("{}@{}", app.pack.name(), app.pack.version()),
        "configuration": configuration,
        "shards_sha256": shards,
        "splits": match given {
            None => json!({ "by": "keyed-hash" }),
            Some(given) => json!({ "by": "file", "sha256": given.digest() }),
        },
        "subjects": { "train": subjects[0], "tuning": subjects[1], "held_out": subjects[2] },
        "weights_sha256": weights_sha256,
        "targets": model.describe(),
        "target_spreads": spreads,
    });
    let pack = std::fs::read(app.layout.pack()).map_err(|error| {
        AppError::environment("keep-read", "cannot read the pack").because(error)
    })?;
    let text = |value: &serde_json::Value| {
        serde_json::to_vec_pretty(value).map_err(|error| {
            AppError::environment("json", "cannot write the record").because(error)
        })
    };
    Ok(BTreeMap::from([
        ("pack.toml".to_owned(), pack),
        ("training.json".to_owned(), text(&record)?),
        ("evaluation.json".to_owned(), text(&json!(evaluation))?),
        ("card.json".to_owned(), text(&card(&app.pack, evaluation, subjects, given.is_some()))?),
    ]))
}

/// A digest over names, shapes, and elements, in the order of the tensors.
fn weights_digest(tensors: &[Tensor]) -> String {
    let mut digest = Sha256::default();
    for tensor in tensors {
        digest.update(format!("{} {:?}\n", tensor.name, tensor.shape).as_bytes());
        match &tensor.data {
            TensorData::F32(data) => {
                data.iter().for_each(|value| digest.update(&value.to_le_bytes()));
            }
            TensorData::I32(data) => {
                data.iter().for_each(|value| digest.update(&value.to_le_bytes()));
            }
            TensorData::U8(data) => digest.update(data),
        }
    }
    to_hex(&digest.finish())
}

/// Fewer say nothing: a quantile at 5 % needs twenty values.
const SUBJECTS_MIN: usize = 20;
