//! Use case: learn a forecaster from the stored events and keep it as a signed model version.
//!
//! Nothing that goes into the version depends on the clock: the same data, configuration, and
//! seed give the same weights, and the training record holds their digest to show it. A training
//! that was interrupted goes on where it was (`training_folder`), to the same weights.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};
use twinkeep_domain::{Cohort, Subject, Tensor, TensorData, Timeline};
use twinkeep_forecast::{
    Evaluation, EvaluationPlan, Model, TrainConfig, evaluate_by, evaluate_trajectories, train_on,
    training_spreads,
};
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_store::FeedState;
use twinkeep_vault::digest::{Sha256, to_hex};

use crate::attestations::{Origin, bill_of_materials, provenance};
use crate::canaries::{CANARIES_FILE, Canaries};
use crate::compare_models::beside_serving;
use crate::drift::{BASELINE_FILE, Baseline, Outcomes, baseline};
use crate::given_splits::{GivenSplits, cohorts};
use crate::model_card::card;
use crate::privacy_cost::{PrivacyCost, cost, privacy_statement, protected};
use crate::probe_config::{PROFILE_FILE, Profile};
use crate::source_attributes::source_attributes;
use crate::training_folder::{Ingredients, TrainingFolder, data_digest};
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
    /// SHA-256 of the program that learns: another program may learn otherwise.
    pub program: Option<[u8; 32]>,
    /// The commit that the program was built from, and whether it was signed.
    pub commit: Option<&'a str>,
    /// Whether to learn anew what an interrupted training has learned already.
    pub start_over: bool,
    /// Fewest subjects in a leaf, where that is more than the pack asks for.
    pub leaf_subjects: Option<u32>,
    /// Whether to measure what the protection of privacy costs, by a model without it.
    pub privacy_cost: bool,
}

/// A target is learned.
#[derive(Clone, Copy, Debug)]
pub struct TrainStep {
    /// How much of the work is done.
    pub progress: Progress,
    /// Whether an interrupted training had done this step already: it took no time now.
    pub resumed: bool,
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
    /// Targets that an interrupted training had learned already.
    pub resumed_targets: usize,
    /// In what an unfinished training differed, if that is why this one started over: `data`,
    /// `pack`, `configuration`, `splits`, `program`.
    pub started_over: Vec<String>,
    /// Why what was learned could not be kept while the training ran, if so: had it been
    /// interrupted, it would have started over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_kept: Option<String>,
    /// Errors and coverage on held-out subjects, beside carry-forward.
    pub evaluation: Evaluation,
    /// How the subjects' privacy is protected, and what that costs, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy: Option<PrivacyCost>,
}

/// Trains on what the store holds.
pub fn train_model(
    app: &App,
    caller: &Caller,
    request: TrainRequest<'_>,
    progress: &mut dyn FnMut(TrainStep),
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
    progress: &mut dyn FnMut(TrainStep),
) -> Result<TrainReport, AppError> {
    app.refuse_paused_training()?;
    let config = TrainConfig {
        seed: request.seed.unwrap_or(app.settings.train.seed),
        threads: request.threads.unwrap_or(app.settings.train.threads) as usize,
        ..TrainConfig::default()
    };
    let config = protected(&app.pack, config, request.leaf_subjects)?;
    let given = request.splits.map(|path| GivenSplits::read(app, path)).transpose()?;
    let [training, tuning, held_out] = without_held_feeds(app, cohorts(app, given.as_ref())?)?;
    require_subjects(&training, &tuning, &held_out)?;
    let ingredients = ingredients(app, &request, given.as_ref(), &config, [&training, &tuning]);
    let mut folder = TrainingFolder::open(app, &ingredients, request.start_over)?;
    let mut resumed_targets = 0;
    let model = train_on(&app.pack, &config, &training, &tuning, &mut folder, &mut |step| {
        resumed_targets += usize::from(step.restored);
        let done = Progress { done: step.done_work as u64, total: step.total_work as u64 };
        progress(TrainStep { progress: done, resumed: step.restored });
    })
    .map_err(|error| AppError::refused(error.code(), "cannot train").because(error))?;
    // How much targets vary in the training split is an exact figure, which noise would not hide.
    let measured = if config.noise.is_none() { &training } else { &tuning };
    let spreads = training_spreads(&app.pack, measured);
    let plan = EvaluationPlan { spreads: &spreads, ..EvaluationPlan::of(&app.pack) };
    let mut outcomes = Outcomes::default();
    let evaluation = Evaluation {
        trajectories: evaluate_trajectories(&app.pack, &plan, &model, &held_out, config.seed),
        ..evaluate_by(&app.pack, &plan, &model, &held_out, &mut |scored| outcomes.add(&scored))
    };
    // Figures of the training split are exact, too, and noise would not hide them.
    let inputs_of: &[&Cohort] = match config.noise {
        None => &[&training, &tuning, &held_out],
        Some(_) => &[&tuning, &held_out],
    };
    let baseline = baseline(app, &plan, &model, inputs_of, (&held_out, outcomes))?;
    // With noise, nobody is to be known again.
    let known_again: &[&Cohort] = if config.noise.is_none() { &[&training, &tuning] } else { &[] };
    let profile = Profile::of(app, inputs_of, known_again);
    let people = [&training, &tuning, &held_out];
    let privacy = cost(&app.pack, &config, &evaluation, request.privacy_cost, people)?;
    let beside = beside_serving(app, given.as_ref(), &model, &held_out);
    let tensors = model.to_tensors();
    let weights_sha256 = weights_digest(&tensors);
    let documents = documents(
        app,
        (given.as_ref(), &ingredients, request.commit),
        &config,
        &model,
        &evaluation,
        (&weights_sha256, &spreads, &baseline, profile.as_ref(), beside),
        [training.timelines.len(), tuning.timelines.len(), held_out.timelines.len()],
    )?;
    folder.refuse_if_deleted()?;
    let version = app.registry.submit(&tensors, &documents, &caller.id, app.now())?;
    app.remember_registry()?;
    let started_over = std::mem::take(&mut folder.differs);
    let not_kept = folder.finish().map(|error| error.to_string());
    Ok(TrainReport {
        version: version.to_string(),
        weights_sha256,
        train_subjects: training.timelines.len(),
        tuning_subjects: tuning.timelines.len(),
        resumed_targets,
        started_over,
        not_kept,
        evaluation,
        privacy,
    })
}

/// Leaves out whoever came by a feed that an incident holds: of somebody with such rows, nothing is
/// learned.
pub(crate) fn without_held_feeds(app: &App, cohorts: [Cohort; 3]) -> Result<[Cohort; 3], AppError> {
    let held = app.feeds_on_hold()?;
    if held.is_empty() {
        return Ok(cohorts);
    }
    let everybody: Vec<Subject> = subjects(&cohorts).collect();
    let feeds = app.store.feeds_of_each(&everybody)?;
    let concerned = everybody.into_iter().zip(feeds);
    let concerned = concerned.filter(|(_, of)| of.iter().any(|feed| held.contains(&feed.0)));
    let left_out: BTreeSet<Subject> = concerned.map(|(subject, _)| subject).collect();
    Ok(cohorts.map(|mut cohort| {
        cohort.timelines.retain(|timeline| !left_out.contains(&timeline.subject()));
        cohort
    }))
}

/// Returns everybody of some cohorts.
pub(crate) fn subjects(cohorts: &[Cohort; 3]) -> impl Iterator<Item = Subject> {
    cohorts.iter().flat_map(|cohort| &cohort.timelines).map(Timeline::subject)
}

fn require_subjects(train: &Cohort, tuning: &Cohort, held_out: &Cohort) -> Result<(), AppError> {
    let counts = [train, tuning, held_out].map(|cohort| cohort.timelines.len());
    if counts.iter().any(|count| *count < SUBJECTS_MIN) {
        let [train, tuning, held_out] = counts;
        let attempt = format!(
            "each split needs at least {SUBJECTS_MIN} subjects to train: `train` has {train}, \
             `tuning` {tuning}, and `held_out` {held_out}"
        );
        return Err(AppError::refused("train-too-few", attempt)
            .hint("ingest more feeds, or try with `twinkeep synth`"));
    }
    Ok(())
}

fn documents(
    app: &App,
    (given, ingredients, commit): (Option<&GivenSplits>, &Ingredients, Option<&str>),
    config: &TrainConfig,
    model: &Model,
    evaluation: &Evaluation,
    (weights_sha256, spreads, baseline, profile, beside): (
        &str,
        &[Option<f32>],
        &Baseline,
        Option<&Profile>,
        Value,
    ),
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
    let record = json!({
        "version": 1,
        "program": {
            "name": "twinkeep",
            "version": env!("CARGO_PKG_VERSION"),
            "sha256": ingredients.get("program"),
            "commit": commit,
        },
        "pack": format!("{}@{}", app.pack.name(), app.pack.version()),
        "pack_sha256": ingredients.get("pack"),
        "configuration": configuration(config),
        "shards_sha256": shards,
        "data_sha256": ingredients.get("data"),
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
    let text = |value: &Value| {
        serde_json::to_vec_pretty(value).map_err(|error| {
            AppError::environment("json", "cannot write the record").because(error)
        })
    };
    let mut card = card(&app.pack, evaluation, subjects, given.is_some());
    card["privacy"] = privacy_statement(config);
    card["beside_the_version_in_service"] = beside;
    card["source_attributes"] =
        source_attributes(&app.pack, evaluation, subjects, &app.settings.card);
    let origin = Origin { pack: &app.pack, record: &record, evaluation, commit };
    let mut documents = BTreeMap::from([
        ("pack.toml".to_owned(), pack),
        ("training.json".to_owned(), text(&record)?),
        ("evaluation.json".to_owned(), text(&json!(evaluation))?),
        ("card.json".to_owned(), text(&card)?),
        ("provenance.json".to_owned(), text(&provenance(&origin))?),
        (BASELINE_FILE.to_owned(), text(&json!(baseline))?),
        ("bom.json".to_owned(), text(&bill_of_materials(&origin))?),
    ]);
    if let Some(profile) = profile {
        documents.extend(watched(app, model, profile)?);
    }
    Ok(documents)
}

/// Returns what those who watch a version compare it with: on one line each, as there are hundreds
/// of thousands of numbers.
fn watched(
    app: &App,
    model: &Model,
    profile: &Profile,
) -> Result<[(String, Vec<u8>); 2], AppError> {
    let failed = |error| AppError::environment("json", "cannot write the profile").because(error);
    let canaries = Canaries::of(&app.pack, model, &profile.population);
    Ok([
        (PROFILE_FILE.to_owned(), serde_json::to_vec(profile).map_err(failed)?),
        (CANARIES_FILE.to_owned(), serde_json::to_vec(&canaries).map_err(failed)?),
    ])
}

/// Returns all that the result depends on; what it is called is part of the report.
fn ingredients(
    app: &App,
    request: &TrainRequest<'_>,
    given: Option<&GivenSplits>,
    config: &TrainConfig,
    learned_from: [&Cohort; 2],
) -> Ingredients {
    let splits = given.map_or_else(|| "keyed-hash".to_owned(), GivenSplits::digest);
    let program = request.program.map(|digest| to_hex(&digest));
    BTreeMap::from([
        ("configuration", configuration(config).to_string()),
        ("data", data_digest(&learned_from)),
        ("pack", to_hex(&app.pack_sha256)),
        ("program", program.unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned())),
        ("splits", splits),
    ])
}

/// Returns the knobs. Threads change the time, never the result, so they are no part of it.
fn configuration(config: &TrainConfig) -> Value {
    let mut configuration = json!(config);
    if let Some(fields) = configuration.as_object_mut() {
        fields.remove("threads");
    }
    configuration
}

/// A digest over names, shapes, and elements, in the order of the tensors.
pub(crate) fn weights_digest(tensors: &[Tensor]) -> String {
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
