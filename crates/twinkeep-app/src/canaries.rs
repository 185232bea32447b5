//! Canaries: questions whose answers a version knows by heart, signed with it.
//!
//! A signature says that weights are what was signed; not that this program, on this machine, makes
//! of them what it made when they were signed. So some histories of nobody, made of the quantiles of
//! each variable, are forecast when a version is made, and again whenever it is loaded and looked
//! after. Another answer is a finding: a program that was changed, memory that fails, a processor
//! that computes otherwise.

use serde::{Deserialize, Serialize};
use twinkeep_domain::{Forecast, Pack, Timestamp, VariableKind, WindowAnswer};
use twinkeep_forecast::{Model, SubjectState};
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_registry::LoadedModel;
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_watch::probe::Population;
use twinkeep_watch::{Detection, Detector, Severity as Weight, Target};

use crate::probe_config::FEATURES_EACH;
use crate::{App, AppError, Caller};

/// Questions with their answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Canaries {
    version: u32,
    canaries: Vec<Canary>,
}

/// One question with its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Canary {
    /// Variable, hours since the start, and value.
    values: Vec<(usize, f64, f32)>,
    /// Every number of the answer, in its order.
    answer: Vec<f32>,
}

/// An answer that is not what it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Departure {
    /// Which canary.
    canary: usize,
    /// How many numbers differ.
    differs: usize,
    /// By how much, in shares of the signed one.
    most: f64,
}

impl Canaries {
    /// Asks a new version.
    pub(crate) fn of(pack: &Pack, model: &Model, population: &Population) -> Self {
        let canary = |number: usize| {
            let values = question(pack, population, number);
            let answer = answer(pack, model, &values);
            Canary { values, answer }
        };
        Self { version: CANARIES_VERSION, canaries: (0..CANARY_COUNT).map(canary).collect() }
    }

    /// Reads the canaries of a version, whose signature was checked.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let read: Self = serde_json::from_slice(bytes).ok()?;
        let few = read.canaries.iter().all(|canary| canary.values.len() <= VALUE_COUNT_MAX);
        (read.version == CANARIES_VERSION && read.canaries.len() <= CANARY_COUNT && few)
            .then_some(read)
    }

    /// Returns the questions: variable, hours since the start, and value.
    pub(crate) fn questions(&self) -> impl Iterator<Item = &[(usize, f64, f32)]> {
        self.canaries.iter().map(|canary| canary.values.as_slice())
    }

    /// Asks again; returns the first answer that is not what it was.
    pub(crate) fn departure(&self, pack: &Pack, model: &Model) -> Option<Departure> {
        let departed = |(canary, known): (usize, &Canary)| {
            let now = answer(pack, model, &known.values);
            let apart = |(signed, now): (&f32, &f32)| {
                let (signed, now) = (f64::from(*signed), f64::from(*now));
                (signed - now).abs() / signed.abs().max(1.0)
            };
            let mut all: Vec<f64> = known.answer.iter().zip(&now).map(apart).collect();
            // NaN is no answer that was signed.
            all.iter_mut().filter(|it| it.is_nan()).for_each(|it| *it = f64::MAX);
            let missing = known.answer.len().abs_diff(now.len());
            let differs = all.iter().filter(|&&it| ALLOWED < it).count() + missing;
            let most = all.into_iter().fold(0.0, f64::max);
            (0 < differs).then_some(Departure { canary, differs, most })
        };
        self.canaries.iter().enumerate().find_map(departed)
    }
}

/// Returns a history of nobody: some variables that most people have, at shares of their
/// distributions that no two canaries have alike.
fn question(pack: &Pack, population: &Population, number: usize) -> Vec<(usize, f64, f32)> {
    let mut values = Vec::new();
    for (variable, described) in pack.variables().iter().enumerate() {
        let feature = FEATURES_EACH * variable;
        // Each canary leaves others out, so that all paths for what is missing are walked, too.
        if population.known(feature) < KNOWN_MIN || (variable + number).is_multiple_of(CANARY_COUNT)
        {
            continue;
        }
        let times = if described.kind == VariableKind::Static { 1 } else { TIMES };
        for time in 0..times {
            let step = (variable * 7 + number * 3 + time * 5) % SHARES;
            let share = (step as f64 + 0.5) / SHARES as f64;
            let value = population.value(feature, share);
            let value = value.filter(|&value| described.range.contains(value));
            values.extend(value.map(|value| (variable, 2.0 * time as f64, value)));
        }
    }
    values
}

/// Forecasts a history of nobody.
pub(crate) fn ask(pack: &Pack, model: &Model, values: &[(usize, f64, f32)]) -> Forecast {
    let start = Timestamp::RELATIVE_ORIGIN;
    let mut state = SubjectState::new(pack);
    let mut now = start;
    for &(variable, hours, value) in values {
        let time = start.plus_hours(hours);
        state.observe(variable, Some(time), value);
        now = now.max(time);
    }
    let horizon = pack.forecast().horizon_hours;
    model.forecast(&state, now, &[horizon / 4.0, horizon])
}

fn answer(pack: &Pack, model: &Model, values: &[(usize, f64, f32)]) -> Vec<f32> {
    let forecast = ask(pack, model, values);
    let mut numbers = Vec::new();
    for point in forecast.targets.iter().flat_map(|target| &target.points) {
        numbers.push(point.mean);
        numbers.extend(point.quantiles);
    }
    for window in &forecast.windows {
        match &window.answer {
            WindowAnswer::None => {}
            WindowAnswer::Total(point) => {
                numbers.push(point.mean);
                numbers.extend(point.quantiles);
            }
            WindowAnswer::Event(points) => {
                numbers.extend(points.iter().map(|point| point.probability));
            }
        }
    }
    numbers
}

impl App {
    /// Returns the canaries of a version that was loaded; versions of older programs have none.
    pub(crate) fn canaries_of(&self, loaded: &LoadedModel) -> Option<Canaries> {
        Canaries::read(loaded.documents.get(CANARIES_FILE)?)
    }

    /// Asks the canaries of a version, and records it where an answer is not what it was; returns
    /// what was found. Whoever calls this reports it, once they hold nothing that a playbook needs.
    pub(crate) fn ask_canaries(
        &self,
        version: &str,
        canaries: &Canaries,
        model: &Model,
    ) -> Result<Option<Detection>, AppError> {
        let Some(found) = canaries.departure(&self.pack, model) else { return Ok(None) };
        let system = Caller::system();
        let class = EventClass::DetectionFinding;
        let entry = self.entry(&system, class, Activity::Create, "model.canary-differs");
        let entry = entry
            .severity(Severity::High)
            .with("model", version)
            .with("canary", i64::try_from(found.canary).unwrap_or(i64::MAX))
            .with("differs", i64::try_from(found.differs).unwrap_or(i64::MAX));
        self.record_at(&entry)?;
        Ok(Some(detection(self, version, canaries, found)))
    }
}

fn detection(app: &App, version: &str, canaries: &Canaries, found: Departure) -> Detection {
    let now = app.now().micros();
    let known = serde_json::to_vec(canaries).unwrap_or_default();
    Detection {
        detector: Detector::ModelCanary,
        target: Target::Model(version.to_owned()),
        // Its weights are what was signed: to take it away would take all others away after it.
        severity: Weight::Medium,
        began_us: now,
        seen_us: now,
        says: format!("`{version}` answers a canary otherwise than when it was signed"),
        figures: [
            ("canary".to_owned(), found.canary as f64),
            ("differs".to_owned(), found.differs as f64),
            ("most".to_owned(), found.most),
        ]
        .into(),
        evidence: [("canaries".to_owned(), format!("sha256:{}", to_hex(&sha256(&known))))].into(),
        subjects: std::collections::BTreeSet::new(),
    }
}

/// The document of a version that holds its canaries.
pub(crate) const CANARIES_FILE: &str = "canaries.json";

const CANARIES_VERSION: u32 = 1;

/// A look takes some milliseconds.
const CANARY_COUNT: usize = 8;

/// More than any pack asks for.
const VALUE_COUNT_MAX: usize = 100_000;

/// Moments at which each variable has a value.
const TIMES: usize = 4;

/// Places in a distribution.
const SHARES: usize = 11;

/// Variables that most people have.
const KNOWN_MIN: f64 = 0.5;

/// Mathematical functions of systems differ in the last digits.
const ALLOWED: f64 = 1e-4;

#[cfg(test)]
mod tests {
    use super::{Canaries, Canary};

    #[test]
    fn canaries_that_are_too_large_or_of_another_form_are_none() {
        let canary = Canary { values: vec![(0, 0.0, 1.0)], answer: vec![1.0] };
        let write = |version, count: usize, values: usize| {
            let canary = Canary { values: canary.values.repeat(values), ..canary.clone() };
            let made = Canaries { version, canaries: vec![canary; count] };
            Canaries::read(&serde_json::to_vec(&made).unwrap()).is_some()
        };
        assert!(write(1, 8, 1));
        assert!(!write(2, 8, 1) && !write(1, 9, 1) && !write(1, 1, 100_001));
        assert!(Canaries::read(b"{}").is_none() && Canaries::read(b"").is_none());
    }
}
