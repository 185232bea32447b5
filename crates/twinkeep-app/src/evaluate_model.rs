//! Use case: measure a model version, on the keep's own people or on any source.
//!
//! # Life of an evaluation
//!
//! 1. The version is verified, and its model put together. It need not be in service.
//! 2. People come from the store, or from a source that is read and screened as for an ingest, but
//!    not stored. Whoever the model learned from is left out, and counted.
//! 3. `forecast::evaluate` stands at the cut, forecasts, and compares with what was observed.
//! 4. On request, every value is written beside its forecast, and the figures as a page.
//!
//! # Invariants
//!
//! - Nobody is measured whom the model may have learned from, unless their split is asked for.
//! - A plaintext of a person is written only to the predictions file that was asked for, and the
//!   ledger says so before.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;
use twinkeep_domain::{Cohort, Split, Subject};
use twinkeep_forecast::{
    Evaluation, EvaluationPlan, Model, Scored, TrainConfig, evaluate_by, evaluate_trajectories,
};
use twinkeep_ledger::{Activity, Class as EventClass, Entry, Severity};
use twinkeep_registry::LoadedModel;
use twinkeep_store::{PredictionRow, PredictionsFile, StoreError, SubjectIds};
use twinkeep_vault::files::{PRIVATE_FILE, write_atomic};

use crate::given_splits::{GivenSplits, cohorts};
use crate::models::version_to_measure;
use crate::{App, AppError, Caller, Progress};

mod page;
mod source;

pub use source::{EvaluateSource, ScreenedSource};

/// What to measure, on whom, and what to write.
#[derive(Clone, Copy, Debug)]
pub struct EvaluateRequest<'a> {
    /// The version; by default, the one in service.
    pub model: Option<&'a str>,
    /// On whom.
    pub on: EvaluateOn<'a>,
    /// The file of splits that the version was trained with, if it was trained with one.
    pub splits: Option<&'a Path>,
    /// Hours after the first event; by default, the pack's evaluation cut.
    pub cut_hours: Option<f32>,
    /// How far ahead; by default, as far as the pack looks.
    pub horizon_hours: Option<f32>,
    /// Where to write every value beside its forecast, as Parquet: plaintext.
    pub predictions: Option<&'a Path>,
    /// Where to write the figures as a page.
    pub report: Option<&'a Path>,
}

/// On whom a model is measured.
#[derive(Clone, Copy, Debug)]
pub enum EvaluateOn<'a> {
    /// On a split of the keep.
    Split(Split),
    /// On a source, which is not stored.
    Source(EvaluateSource<'a>),
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct EvaluateReport {
    /// The version.
    pub model: String,
    /// `held_out`, `tuning`, `train`, or `source`.
    pub on: &'static str,
    /// What became of the rows of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<ScreenedSource>,
    /// People of the source who were left out, because the model may have learned from them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out_subjects: Option<u64>,
    /// The figures, beside carry-forward.
    pub evaluation: Evaluation,
}

/// The people that a model is measured on.
struct People {
    cohort: Cohort,
    /// What their sources call them, if it is to be written.
    names: BTreeMap<Subject, String>,
    source: Option<ScreenedSource>,
    left_out: Option<u64>,
}

/// Measures a version.
pub fn evaluate_model(
    app: &App,
    caller: &Caller,
    request: &EvaluateRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<EvaluateReport, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Read, "model.evaluated");
    let entry = match request.predictions {
        None => entry,
        Some(_) => {
            // On record first: what is written is out of the keep's hands.
            let class = EventClass::DatastoreActivity;
            let intent = app.entry(caller, class, Activity::Read, "predictions.writing");
            app.record(&intent.severity(Severity::Medium))?;
            entry.severity(Severity::Medium).with("predictions", "source identifiers")
        }
    };
    let result = measure(app, request, progress);
    let entry = match &result {
        Ok(report) => describe(entry, report),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

fn describe(entry: Entry, report: &EvaluateReport) -> Entry {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    entry
        .with("model", report.model.as_str())
        .with("on", report.on)
        .with("subjects", number(report.evaluation.subject_count))
        .with("values", number(report.evaluation.value_count))
}

fn measure(
    app: &App,
    request: &EvaluateRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<EvaluateReport, AppError> {
    let plan = plan(app, request)?;
    let id = version_to_measure(app, request.model)?;
    let loaded = app.registry.load_to_measure(&id).map_err(|error| app.distrust(&id, error))?;
    let model = app.model_of(&loaded)?;
    let record = Record::of(&loaded);
    let given = request.splits.map(|path| GivenSplits::read(app, path)).transpose()?;
    record.check_splits(given.as_ref(), request.on)?;
    let people = match request.on {
        EvaluateOn::Split(split) => stored(app, request, split, given.as_ref())?,
        EvaluateOn::Source(from) => {
            let learned = |subject| record.may_know(app, given.as_ref(), subject);
            source::read_people(app, from, &learned, progress)?
        }
    };
    let plan = EvaluationPlan { spreads: &record.spreads, ..plan };
    let trajectories =
        evaluate_trajectories(&app.pack, &plan, &model, &people.cohort, TRAJECTORY_SEED);
    let evaluation = Evaluation { trajectories, ..score(app, request, &plan, &model, &people)? };
    let report = EvaluateReport {
        model: id.to_string(),
        on: match request.on {
            EvaluateOn::Split(split) => split.name(),
            EvaluateOn::Source(_) => "source",
        },
        source: people.source,
        left_out_subjects: people.left_out,
        evaluation,
    };
    if let Some(path) = request.report {
        let page = page::page(&app.pack, &report);
        write_atomic(path, page.as_bytes(), PRIVATE_FILE).map_err(|error| {
            let attempt = format!("cannot write `{}`", path.display());
            AppError::environment("report-write", attempt).because(error)
        })?;
    }
    Ok(report)
}

/// Checks the moment that is asked for.
fn plan(app: &App, request: &EvaluateRequest<'_>) -> Result<EvaluationPlan<'static>, AppError> {
    let own = EvaluationPlan::of(&app.pack);
    let cut_hours = request.cut_hours.unwrap_or(own.cut_hours);
    let horizon_hours = request.horizon_hours.unwrap_or(own.horizon_hours);
    let refuse = |code, attempt: String| Err(AppError::usage(code, attempt));
    if !(0.0 < cut_hours && cut_hours.is_finite()) {
        return refuse("evaluate-cut", "the cut must lie after the first event".to_owned());
    }
    if !(0.0 < horizon_hours && horizon_hours <= own.horizon_hours) {
        let attempt =
            format!("the horizon must be above 0 and at most {} hours", own.horizon_hours);
        return refuse("evaluate-horizon", attempt);
    }
    Ok(EvaluationPlan { cut_hours, horizon_hours, spreads: &[] })
}

fn stored(
    app: &App,
    request: &EvaluateRequest<'_>,
    split: Split,
    given: Option<&GivenSplits>,
) -> Result<People, AppError> {
    let cohort = match given {
        None => app.store.cohort(split)?,
        Some(_) => {
            let [train, tuning, held_out] = cohorts(app, given)?;
            match split {
                Split::Train => train,
                Split::Tuning => tuning,
                Split::HeldOut => held_out,
            }
        }
    };
    let mut names = BTreeMap::new();
    if request.predictions.is_some() {
        for timeline in &cohort.timelines {
            let source = app.store.source_of(timeline.subject())?;
            let name = source.map(|source| source.reveal().to_owned()).unwrap_or_default();
            names.insert(timeline.subject(), name);
        }
    }
    Ok(People { cohort, names: without_site(names), source: None, left_out: None })
}

/// Takes the site away where the rest still names one person each.
fn without_site(names: BTreeMap<Subject, String>) -> BTreeMap<Subject, String> {
    let bare = |name: &String| name.split_once('/').map_or(name.clone(), |(_, bare)| bare.into());
    let mut all: Vec<String> = names.values().map(bare).collect();
    all.sort_unstable();
    if all.windows(2).any(|pair| pair[0] == pair[1]) {
        return names;
    }
    names.iter().map(|(&subject, name)| (subject, bare(name))).collect()
}

/// Forecasts everybody, and writes each value if that is asked for.
fn score(
    app: &App,
    request: &EvaluateRequest<'_>,
    plan: &EvaluationPlan<'_>,
    model: &Model,
    people: &People,
) -> Result<Evaluation, AppError> {
    let Some(path) = request.predictions else {
        return Ok(evaluate_by(&app.pack, plan, model, &people.cohort, &mut |_| ()));
    };
    // Written otherwise than a number is, it would be another name.
    let is_number = |name: &String| name.parse::<i64>().is_ok_and(|it| it.to_string() == *name);
    let ids = match people.names.values().all(is_number) {
        true => SubjectIds::Numbers,
        false => SubjectIds::Texts,
    };
    let mut file = PredictionsFile::create(path, ids)?;
    let mut written: Result<(), StoreError> = Ok(());
    let mut write = |scored: Scored<'_>| {
        if written.is_ok() {
            written = file.add(PredictionRow {
                subject: people.names.get(&scored.subject).map_or("", String::as_str),
                time: scored.time,
                code: scored.code.as_str(),
                actual: scored.actual,
                point: scored.point,
                carry_forward: scored.carry_forward,
            });
        }
    };
    let evaluation = evaluate_by(&app.pack, plan, model, &people.cohort, &mut write);
    written.and_then(|()| file.finish())?;
    Ok(evaluation)
}

/// What a version remembers of its training.
pub(crate) struct Record {
    /// The digest of the splits that were given; `None` if the keep's own hash decided.
    splits: Option<String>,
    spreads: Vec<Option<f32>>,
    /// The digest of the data that it learned from and was tuned on.
    pub(crate) data: Option<String>,
    /// How it was trained, but for the number of threads.
    pub(crate) config: Option<TrainConfig>,
}

impl Record {
    pub(crate) fn of(loaded: &LoadedModel) -> Self {
        let bytes = loaded.documents.get("training.json").map(Vec::as_slice).unwrap_or_default();
        let training: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
        let spreads = training["target_spreads"].as_array();
        // JSON knows 64-bit numbers only; what was written is a 32-bit one.
        let spread = |value: &Value| value.as_f64().map(|spread| spread as f32);
        Self {
            splits: training["splits"]["sha256"].as_str().map(str::to_owned),
            spreads: spreads.into_iter().flatten().map(spread).collect(),
            data: training["data_sha256"].as_str().map(str::to_owned),
            config: serde_json::from_value(training["configuration"].clone()).ok(),
        }
    }

    /// Refuses other splits than those of the training: people whom the model learned from would
    /// be measured as if it had never seen them.
    pub(crate) fn check_splits(
        &self,
        given: Option<&GivenSplits>,
        on: EvaluateOn<'_>,
    ) -> Result<(), AppError> {
        let found = given.map(GivenSplits::digest);
        let refuse = |attempt| {
            AppError::refused("evaluate-splits", attempt)
                .hint("name the file of splits that the version was trained with, unchanged")
        };
        match (&self.splits, &found) {
            (None, None) => Ok(()),
            (Some(trained), Some(found)) if trained == found => Ok(()),
            // Everybody whom the keep knows is left out instead.
            (Some(_), None) if matches!(on, EvaluateOn::Source(_)) => Ok(()),
            (Some(_), None) => Err(refuse("the version was trained with given splits")),
            (None, Some(_)) => Err(refuse("the version was trained with the keep's own splits")),
            (Some(_), Some(_)) => Err(refuse("the version was trained with other splits")),
        }
    }

    /// Returns whether the model may have learned from somebody.
    fn may_know(
        &self,
        app: &App,
        given: Option<&GivenSplits>,
        subject: Subject,
    ) -> Result<bool, AppError> {
        let Some(known) = app.store.subject(subject)? else { return Ok(false) };
        Ok(match (&self.splits, given) {
            (None, _) => known.split != Split::HeldOut,
            (Some(_), None) => true,
            (Some(_), Some(given)) => given.of(subject) != Some(Split::HeldOut),
        })
    }
}

/// Any will do; the same paths are drawn each time.
const TRAJECTORY_SEED: u64 = 42;
