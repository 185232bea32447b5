//! Where each feature sits in the vector, and what a person calls it.

use twinkeep_domain::{Pack, Timestamp, VariableKind, WindowTarget};

use super::notes;
use super::window::WINDOW_OWN;
use super::{SubjectState, VariableState, WINDOW_OWN_COUNT};

/// The order of the features of a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureLayout {
    series: Vec<usize>,
    statics: Vec<usize>,
    /// Window targets about codes that are no variables: nothing else tells of them.
    marks: Vec<usize>,
    /// How many features the notes have; 0 if the pack does not ask for them.
    notes: usize,
}

impl FeatureLayout {
    /// Returns the layout for a pack: it depends on the variables, their kinds, the codes of
    /// window targets, and how notes are read.
    pub fn new(pack: &Pack) -> Self {
        let of = |kind| {
            let all = pack.variables().iter().enumerate();
            all.filter(|(_, variable)| variable.kind == kind).map(|(at, _)| at).collect()
        };
        let known = |target: &WindowTarget| {
            target.codes.iter().all(|code| pack.find(code.beginning()).is_some())
        };
        let marks = pack.windows().iter().enumerate().filter(|(_, target)| !known(target));
        Self {
            series: of(VariableKind::Series),
            statics: of(VariableKind::Static),
            marks: marks.map(|(at, _)| at).collect(),
            notes: pack.notes().map_or(0, notes::feature_count),
        }
    }

    /// Returns how many features all targets share.
    pub fn shared_count(&self) -> usize {
        self.notes_from() + self.notes + 1
    }

    fn marks_from(&self) -> usize {
        self.series.len() * PER_SERIES.len() + self.statics.len()
    }

    fn notes_from(&self) -> usize {
        self.marks_from() + self.marks.len() * PER_MARK.len()
    }

    /// Returns the index of the horizon among the features of a window target.
    pub(crate) fn window_horizon_index(&self) -> usize {
        self.shared_count() + WINDOW_OWN_COUNT
    }

    /// Returns what a person calls a feature of a window target.
    pub fn window_name(&self, pack: &Pack, window: usize, feature: usize) -> Option<String> {
        if feature < self.shared_count() {
            return self.name(pack, 0, feature);
        }
        if feature == self.window_horizon_index() {
            return Some("hours ahead".to_owned());
        }
        let detail = WINDOW_OWN.get(feature - self.shared_count())?;
        Some(format!("{}, {detail}", pack.windows().get(window)?.title))
    }

    /// Returns how many features a target sees.
    pub fn feature_count(&self) -> usize {
        self.shared_count() + OWN_COUNT + 1
    }

    /// Returns the index of the horizon, the last feature.
    pub fn horizon_index(&self) -> usize {
        self.feature_count() - 1
    }

    /// Returns the variable that a shared feature is about; `None` for all other features.
    pub fn variable_of(&self, feature: usize) -> Option<usize> {
        if let Some(&variable) = self.series.get(feature / PER_SERIES.len()) {
            return Some(variable);
        }
        self.statics.get(feature - self.series.len() * PER_SERIES.len()).copied()
    }

    /// Returns the index of the shared feature that is the last value of a variable, or its value
    /// if it is static.
    pub(crate) fn value_index(&self, variable: usize) -> Option<usize> {
        let place = |all: &[usize]| all.iter().position(|&known| known == variable);
        match place(&self.series) {
            Some(at) => Some(at * PER_SERIES.len()),
            None => place(&self.statics).map(|at| self.series.len() * PER_SERIES.len() + at),
        }
    }

    /// Returns the series variable that a shared feature is about.
    pub(crate) fn series_of(&self, feature: usize) -> Option<usize> {
        self.series.get(feature / PER_SERIES.len()).copied()
    }

    /// Returns what a person calls a feature of a target, such as `Lactate, last value`.
    pub fn name(&self, pack: &Pack, target: usize, feature: usize) -> Option<String> {
        let title = |at: usize| pack.variables().get(at).map(|variable| variable.title.as_str());
        if let Some(variable) = self.variable_of(feature) {
            let title = title(variable)?;
            let of_series = feature < self.series.len() * PER_SERIES.len();
            let detail = PER_SERIES[feature % PER_SERIES.len()];
            return Some(if of_series { format!("{title}, {detail}") } else { title.to_owned() });
        }
        if let Some(mark) = feature.checked_sub(self.marks_from())
            && let Some(&window) = self.marks.get(mark / PER_MARK.len())
        {
            let title = &pack.windows().get(window)?.title;
            return Some(format!("{title}, {}", PER_MARK[mark % PER_MARK.len()]));
        }
        if let Some(at) = feature.checked_sub(self.notes_from()).filter(|&at| at < self.notes) {
            return Some(notes::feature_name(at));
        }
        if feature + 1 == self.shared_count() {
            return Some("hours since the first event".to_owned());
        }
        if feature == self.horizon_index() {
            return Some("hours ahead".to_owned());
        }
        let detail = OWN.get(feature.checked_sub(self.shared_count())?)?;
        Some(format!("{}, {detail}", title(target)?))
    }

    /// Writes the features of a target at a moment; `out` has [`Self::feature_count`] places.
    pub fn features(
        &self,
        state: &SubjectState,
        cut: Timestamp,
        target: usize,
        horizon_hours: f32,
        out: &mut [f32],
    ) {
        let shared = self.shared_count();
        self.shared(state, cut, &mut out[..shared]);
        own(state.variable(target), &mut out[shared..shared + OWN_COUNT]);
        out[self.horizon_index()] = horizon_hours;
    }

    /// Writes the features that all targets share.
    pub(crate) fn shared(&self, state: &SubjectState, cut: Timestamp, out: &mut [f32]) {
        let (out, rest) = out.split_at_mut(self.notes_from().min(out.len()));
        let (out_notes, out_start) = rest.split_at_mut(self.notes.min(rest.len()));
        match state.notes() {
            Some(notes) => notes.features(cut, out_notes),
            None => out_notes.fill(f32::NAN),
        }
        if let [start] = out_start {
            *start = state.start().map_or(f32::NAN, |start| cut.hours_since(start) as f32);
        }
        let mut places = out.iter_mut();
        let mut put = |values: &[f32]| {
            for (&value, place) in values.iter().zip(places.by_ref()) {
                *place = value;
            }
        };
        for &variable in &self.series {
            match state.variable(variable) {
                None => put(&[f32::NAN, f32::NAN, f32::NAN, 0.0]),
                Some(known) => {
                    let age = cut.hours_since(known.last_time()) as f32;
                    put(&[known.last(), age, known.weighted_mean(MIDDLE), known.count() as f32]);
                }
            }
        }
        for &variable in &self.statics {
            put(&[state.static_value(variable)]);
        }
        for &mark in &self.marks {
            match state.window(mark) {
                Some(known) => put(&[known.age_hours(cut), known.count() as f32]),
                None => put(&[f32::NAN, 0.0]),
            }
        }
    }
}

/// Writes the features that only this target has.
pub(crate) fn own(known: Option<&VariableState>, out: &mut [f32]) {
    let Some(known) = known else {
        out.fill(f32::NAN);
        return;
    };
    let last = known.last();
    let values: [f32; OWN_COUNT] = [
        known.mean(),
        known.min(),
        known.max(),
        known.deviation(),
        known.slope(),
        known.previous(),
        known.weighted_mean(FAST),
        known.weighted_mean(SLOW),
        known.mean() - last,
        known.weighted_mean(FAST) - last,
        known.weighted_mean(MIDDLE) - last,
        known.weighted_mean(SLOW) - last,
        known.previous() - last,
    ];
    out.copy_from_slice(&values);
}

/// Returns the last value and the middle exponentially weighted mean; NaN where never observed.
pub(crate) fn anchors(known: Option<&VariableState>) -> [f32; 2] {
    known.map_or([f32::NAN; 2], |known| [known.last(), known.weighted_mean(MIDDLE)])
}

/// How many features a target has of its own.
pub(crate) const OWN_COUNT: usize = OWN.len();

/// Memories of the pack, in its order.
const FAST: usize = 0;
const MIDDLE: usize = 1;
const SLOW: usize = 2;

/// The features of every series variable, in order.
const PER_SERIES: [&str; 4] =
    ["last value", "hours since the last value", "recent mean", "number of values"];

/// The features of every window target about codes that are no variables, in order.
const PER_MARK: [&str; 2] = ["hours since the last time", "times so far"];

/// The features that a target has of its own, in order.
///
/// The differences repeat what a tree could learn from two features, but in one split.
const OWN: [&str; 13] = [
    "mean",
    "smallest value",
    "largest value",
    "standard deviation",
    "trend an hour",
    "value before the last",
    "very recent mean",
    "long-term mean",
    "mean minus last value",
    "very recent mean minus last value",
    "recent mean minus last value",
    "long-term mean minus last value",
    "value before the last minus last value",
];
