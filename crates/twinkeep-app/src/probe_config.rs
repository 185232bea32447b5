//! What probing is judged by: `probe.toml`, and what each version says of the people it was made
//! from.
//!
//! When a version is trained, a *profile* is computed and signed with it: how features of histories
//! are distributed and go together, and keyed digests by which a history of somebody it learned from
//! is known again. Nothing of it is about few people, and digests say nothing without the keep's key.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use twinkeep_domain::{Code, Cohort, Event, Pack, Timestamp};
use twinkeep_forecast::{CodeMap, SubjectState};
use twinkeep_vault::digest::hmac_sha256;
use twinkeep_watch::probe::{
    Cells, History, Mark, Members, MixKey, Population, ProbeParameters, ProbeParametersError,
};

use crate::models::version_to_measure;
use crate::parameter_file::Parameters;
use crate::{App, AppError, Layout};

/// What a version says of the people it was made from.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    version: u32,
    pub(crate) population: Population,
    pub(crate) members: Members,
}

impl Profile {
    /// Summarizes people; `learned_from` are those who are known again later.
    ///
    /// Returns nothing if there are too few of them.
    pub(crate) fn of(app: &App, people: &[&Cohort], learned_from: &[&Cohort]) -> Option<Self> {
        let pack = &app.pack;
        let rows: Vec<Vec<f32>> = people.iter().flat_map(|cohort| rows(pack, cohort)).collect();
        let population = Population::of(&rows)?;
        let key = app.probe_key();
        let histories: Vec<History> = learned_from
            .iter()
            .flat_map(|cohort| {
                let codes = CodeMap::new(pack, &cohort.codes);
                cohort.timelines.iter().map(move |timeline| (codes.clone(), timeline))
            })
            .map(|(codes, timeline)| history(&key, &population, &codes, timeline.events().iter()))
            .collect();
        let members = Members::new(histories.iter());
        Some(Self { version: PROFILE_VERSION, population, members })
    }

    /// Reads the profile of a version, whose signature was checked.
    pub(crate) fn read(pack: &Pack, bytes: &[u8]) -> Option<Self> {
        let read: Self = serde_json::from_slice(bytes).ok()?;
        let sound = read.version == PROFILE_VERSION && read.population.is_sound(width(pack));
        sound.then_some(read)
    }
}

/// Stands at a quarter, half, three quarters, or the end of each person's history: questions are
/// asked at any time.
fn rows(pack: &Pack, cohort: &Cohort) -> Vec<Vec<f32>> {
    let codes = CodeMap::new(pack, &cohort.codes);
    let row = |(person, timeline): (usize, &twinkeep_domain::Timeline)| {
        let start = codes.start(timeline)?;
        let quarter = timeline.end()?.hours_since(start) / 4.0;
        let now = start.plus_hours(quarter * (person % 4 + 1) as f64);
        let mut state = SubjectState::new(pack);
        let known = timeline.events().iter();
        known
            .filter(|event| event.time.is_none_or(|time| time <= now))
            .for_each(|event| state.apply(&codes, event));
        Some(features(pack, &state, now))
    };
    cohort.timelines.iter().enumerate().filter_map(row).collect()
}

/// Returns the features of a history: of each variable the last value, the mean, and how much values
/// vary; of the whole, how much there is and since when. NaN is what is not known.
pub(crate) fn features(pack: &Pack, state: &SubjectState, now: Timestamp) -> Vec<f32> {
    let mut row = Vec::with_capacity(width(pack));
    let mut observed = 0_u32;
    for variable in 0..pack.variables().len() {
        match state.variable(variable) {
            Some(known) => {
                observed += 1;
                let mean = if 1 < known.count() { known.mean() } else { f32::NAN };
                row.extend([known.last(), mean, known.deviation()]);
            }
            None => row.extend([state.static_value(variable), f32::NAN, f32::NAN]),
        }
    }
    let hours = state.start().map_or(f64::NAN, |start| now.hours_since(start));
    row.extend([(state.event_count() as f32).ln_1p(), observed as f32, hours as f32]);
    row
}

/// Digests a history.
pub(crate) fn history<'a>(
    key: &MixKey,
    population: &Population,
    codes: &CodeMap,
    events: impl Iterator<Item = &'a Event>,
) -> History {
    let mark = |event: &Event| {
        let variable = codes.variable(event.code);
        let value = event.value.unwrap_or(0.0);
        Mark {
            time_us: event.time.map_or(i64::MIN, Timestamp::micros),
            code: variable.map_or(event.code | OTHER_CODE, |it| u32::try_from(it).unwrap_or(0)),
            value: value.to_bits(),
            part: variable.and_then(|it| population.part(FEATURES_EACH * it, value)),
        }
    };
    History::new(key, events.map(mark).collect())
}

/// Returns where the features of a history lie, and its digests.
pub(crate) fn asked(
    app: &App,
    profile: &Population,
    (codes, events): (&[Code], &[Event]),
    (state, now): (&SubjectState, Timestamp),
) -> (Cells, History) {
    let codes = CodeMap::new(&app.pack, codes);
    let cells = profile.cells(&features(&app.pack, state, now));
    (cells, history(&app.probe_key(), profile, &codes, events.iter()))
}

impl App {
    /// Returns the key of digests of histories.
    pub(crate) fn probe_key(&self) -> MixKey {
        let secret = hmac_sha256(self.access_key(), b"probe\0histories");
        let mut half = [0; 16];
        half.iter_mut().zip(secret).for_each(|(to, from)| *to = from);
        MixKey::new(half)
    }

    /// Reads the keep's own parameters, or takes the shipped ones.
    pub(crate) fn probe_parameters(&self) -> Result<ProbeParameters, AppError> {
        Parameters {
            shipped: ProbeParameters::SHIPPED,
            unreadable: "probe-parameters-read",
            parse: ProbeParameters::parse,
            code: ProbeParametersError::code,
        }
        .read(&self.layout.probe())
    }
}

/// What a version bears.
#[derive(Debug, Serialize)]
pub struct ProbeLimits {
    /// The version.
    pub model: String,
    /// Different inputs of a caller in a day; more are an alarm.
    pub inputs_a_day: u64,
    /// Where that comes from.
    pub because: &'static str,
}

/// Returns what a version bears.
pub fn probe_limits(app: &App, model: Option<&str>) -> Result<ProbeLimits, AppError> {
    let id = version_to_measure(app, model)?;
    let (inputs_a_day, because) = app.inputs_a_day(&app.probe_parameters()?, id.as_str());
    Ok(ProbeLimits { model: id.to_string(), inputs_a_day, because })
}

impl App {
    /// Returns how many different inputs in a day are an alarm, and why: a share of the answers that
    /// a copy needs, as the attack on this version measured it, or some for each feature.
    ///
    /// A line is known from one answer a feature and one more (Tramèr et al. 2016); trees take more.
    pub(crate) fn inputs_a_day(
        &self,
        parameters: &ProbeParameters,
        version: &str,
    ) -> (u64, &'static str) {
        if 0 < parameters.inputs_a_day {
            return (parameters.inputs_a_day, "`inputs_a_day` of `probe.toml`");
        }
        let reports = crate::show_attacks(self, version).unwrap_or_default();
        let measured = reports.iter().find_map(|report| report.extraction.as_ref()).map(|found| {
            let trials = || found.trials.iter();
            let enough = trials().filter(|trial| {
                trial.fidelity.is_some_and(|fidelity| parameters.copy_fidelity <= fidelity)
            });
            let needed = enough.map(|trial| trial.answer_count).min();
            needed.or_else(|| trials().map(|trial| trial.answer_count).max()).unwrap_or(0)
        });
        let (needed, because) = match measured {
            Some(needed) => (needed, "what `attack extraction` found that a copy needs"),
            None => {
                let needed = ANSWERS_A_FEATURE * width(&self.pack) as u64;
                (needed, "its features: `attack extraction` was not run on it")
            }
        };
        (((needed as f64 * parameters.copy_share) as u64).max(INPUTS_MIN), because)
    }
}

impl Layout {
    /// How probing is judged, where the operator wants it otherwise than usual.
    pub(crate) fn probe(&self) -> PathBuf {
        self.root().join("probe.toml")
    }
}

/// Returns how many features a history has.
pub(crate) fn width(pack: &Pack) -> usize {
    FEATURES_EACH * pack.variables().len() + WHOLE_FEATURES
}

/// The document of a version that holds its profile.
pub(crate) const PROFILE_FILE: &str = "probe.json";

const PROFILE_VERSION: u32 = 1;

/// Features of each variable.
pub(crate) const FEATURES_EACH: usize = 3;

/// Features of a history as a whole.
const WHOLE_FEATURES: usize = 3;

/// Tells codes that are no variable from the numbers of variables.
const OTHER_CODE: u32 = 1 << 31;

/// Where nothing was measured.
const ANSWERS_A_FEATURE: u64 = 8;

/// Fewer are a morning of a ward.
const INPUTS_MIN: u64 = 100;
