//! Use case: make questions to be put to a suspect, by which a copy of a version is told.
//!
//! They are histories of nobody, made of the distributions in the version's profile: two of three lie
//! where people lie, and the third anywhere in the plausible ranges of the pack, where those ask who
//! have no data. They depend on no secret, so that a suspect learns nothing from them, and the test
//! of [`crate::test_mark`] stays exact.

use serde::{Deserialize, Serialize};
use twinkeep_domain::{Pack, Timestamp, Variable, VariableKind};
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_registry::LoadedModel;
use twinkeep_watch::probe::{MixKey, Population};

use crate::answer::tidy;
use crate::models::version_to_measure;
use crate::predict::{HistoryEvent, PredictRequest};
use crate::probe_config::{FEATURES_EACH, PROFILE_FILE, Profile};
use crate::{App, AppError, Caller};

/// A question: the body of `POST /api/v1/predict`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkQuestion {
    events: Vec<QuestionEvent>,
    /// Hours after the first event.
    prediction_time: f64,
    horizons_hours: Vec<f32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuestionEvent {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<f64>,
    code: String,
    value: f32,
}

/// Which questions to make.
#[derive(Clone, Copy, Debug)]
pub struct MarkQuestionsRequest<'a> {
    /// About which version; by default, the one in service.
    pub model: Option<&'a str>,
    /// How many.
    pub count: u32,
    /// Another number makes other questions.
    pub seed: u64,
}

/// Makes questions.
pub fn mark_questions(
    app: &App,
    caller: &Caller,
    request: &MarkQuestionsRequest<'_>,
) -> Result<Vec<MarkQuestion>, AppError> {
    let entry =
        app.entry(caller, EventClass::ApplicationLifecycle, Activity::Other, "probe.mark-asked");
    let made = make(app, request);
    let entry = match &made {
        Ok((model, _)) => {
            entry.with("model", model.as_str()).with("questions", i64::from(request.count))
        }
        Err(_) => entry,
    };
    app.conclude(entry, made.map(|(_, questions)| questions))
}

fn make(
    app: &App,
    request: &MarkQuestionsRequest<'_>,
) -> Result<(String, Vec<MarkQuestion>), AppError> {
    if !(1..=MARK_QUESTION_COUNT_MAX).contains(&request.count) {
        let attempt = format!("a test takes 1 to {MARK_QUESTION_COUNT_MAX} questions");
        return Err(AppError::usage("mark-questions", attempt));
    }
    let id = version_to_measure(app, request.model)?;
    let loaded = app.registry.load_to_measure(&id).map_err(|error| app.distrust(&id, error))?;
    let population = population(&app.pack, &loaded)?;
    let question = |number| question(&app.pack, &population, request.seed, number);
    let questions = (0..u64::from(request.count)).filter_map(question).collect();
    Ok((id.to_string(), questions))
}

/// Returns what a version says of the people it was made from.
pub(crate) fn population(pack: &Pack, loaded: &LoadedModel) -> Result<Population, AppError> {
    let profile = loaded.documents.get(PROFILE_FILE);
    let profile = profile.and_then(|bytes| Profile::read(pack, bytes));
    profile.map(|profile| profile.population).ok_or_else(|| {
        AppError::refused("mark-no-profile", "answers of this version are not marked: no profile")
            .hint("a version that is trained now has one")
    })
}

/// Returns a history of nobody; nothing of a pack whose people have nothing in common.
fn question(pack: &Pack, population: &Population, seed: u64, number: u64) -> Option<MarkQuestion> {
    let draws = MixKey::new(*b"twinkeep-mark-q\0");
    let draw = |variable: usize, at: u64| {
        let bits = draws.digest(&[seed, number, variable as u64, at]);
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    };
    let wide = number % EVERY_WIDE == EVERY_WIDE - 1;
    let span = f64::from(pack.forecast().evaluation_cut_hours);
    let mut events = Vec::new();
    for (variable, described) in pack.variables().iter().enumerate() {
        if population.known(FEATURES_EACH * variable) < draw(variable, 0) {
            continue;
        }
        let times = match described.kind {
            VariableKind::Static => 1,
            VariableKind::Series => 1 + (draw(variable, 1) * TIMES_MAX) as u64,
        };
        for time in 0..times {
            let share = draw(variable, 2) + SHARE_MOVED * (draw(variable, 3 + 2 * time) - 0.5);
            let share = share.clamp(0.0, 1.0);
            let Some(value) = value(population, (variable, described), wide, share) else {
                continue;
            };
            let hours = span * (time as f64 + draw(variable, 4 + 2 * time)) / times as f64;
            let time = (described.kind == VariableKind::Series).then(|| hundredths(hours));
            events.push(QuestionEvent { time, code: described.code.to_string(), value });
        }
    }
    // What happens at the same hour is asked about as it is known then.
    let prediction_time = events.iter().filter_map(|event| event.time).max_by(f64::total_cmp)?;
    let horizons_hours = vec![pack.forecast().horizon_hours / HORIZON_PART];
    Some(MarkQuestion { events, prediction_time, horizons_hours })
}

fn value(
    population: &Population,
    (variable, described): (usize, &Variable),
    wide: bool,
    share: f64,
) -> Option<f32> {
    let range = described.range;
    let value = match wide {
        false => population.value(FEATURES_EACH * variable, share)?,
        true => range.low + share as f32 * (range.high - range.low),
    };
    Some(tidy(value)).filter(|&value| range.contains(value))
}

fn hundredths(hours: f64) -> f64 {
    (hours * 100.0).round() / 100.0
}

impl MarkQuestion {
    /// Returns the request that it is.
    pub(crate) fn request(&self) -> PredictRequest {
        let time = |hours: f64| Timestamp::RELATIVE_ORIGIN.plus_hours(hours);
        let event = |event: &QuestionEvent| HistoryEvent {
            time: event.time.map(time),
            code: event.code.clone(),
            value: Some(event.value),
        };
        PredictRequest {
            events: self.events.iter().map(event).collect(),
            prediction_time: Some(time(self.prediction_time)),
            horizons_hours: self.horizons_hours.clone(),
            receipt: false,
        }
    }
}

/// Each takes some milliseconds, and some kibibytes.
pub(crate) const MARK_QUESTION_COUNT_MAX: u32 = 10_000;

/// One question of so many lies anywhere.
const EVERY_WIDE: u64 = 3;

/// Values of one variable.
const TIMES_MAX: f64 = 8.0;

/// How far values of one variable lie from each other, in shares of its distribution.
const SHARE_MOVED: f64 = 0.3;

/// Soon enough that the last value matters.
const HORIZON_PART: f32 = 4.0;
