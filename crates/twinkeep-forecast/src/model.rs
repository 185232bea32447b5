//! A trained model: forecasts every target of a pack for one subject.

use std::fmt;

use serde::Serialize;
use twinkeep_domain::{
    Basis, Forecast, Pack, TargetForecast, Timestamp, WindowAnswer, WindowForecast, WindowTarget,
};

use crate::dependence::Dependence;
use crate::features::{FeatureLayout, OWN_COUNT, SubjectState, WINDOW_OWN_COUNT, anchors, own};
use crate::support::{Support, Supported};
use crate::target::TargetModel;
use crate::window_model::WindowModel;

/// Whatever can forecast; what [`crate::evaluate`] measures.
pub trait Forecaster {
    /// Forecasts all targets at increasing horizons, from what was known at `prediction_time`.
    ///
    /// Pure: the same input gives the same answer. It has a point for each horizon, or none.
    fn forecast(
        &self,
        state: &SubjectState,
        prediction_time: Timestamp,
        horizons_hours: &[f32],
    ) -> Forecast;

    /// Returns the mean of a target in training: what carry-forward says where nothing was seen.
    fn typical(&self, target: usize) -> f32;
}

/// A trained model of one pack.
#[derive(Clone)]
pub struct Model {
    pub(crate) pack: Pack,
    pub(crate) layout: FeatureLayout,
    pub(crate) targets: Vec<TargetModel>,
    pub(crate) windows: Vec<WindowModel>,
    pub(crate) dependence: Dependence,
    pub(crate) support: Support,
}

/// What a person may want to know about one target of a model; no personal data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetDescription {
    /// What is forecast.
    pub code: String,
    /// `value`, `sum`, `count`, or `event`.
    pub kind: &'static str,
    /// How: see [`Basis::name`].
    pub basis: &'static str,
    /// Share of the trees in the median and the interval.
    pub tree_share: f32,
    /// Share of the trees in the mean.
    pub mean_tree_share: f32,
    /// How many trees.
    pub tree_count: usize,
    /// How many leaves they have together.
    pub leaf_count: usize,
    /// Codes that stand in for the target where it was never seen, best first.
    pub correlates: Vec<String>,
}

impl Model {
    /// Returns the pack that the model was trained for.
    pub fn pack(&self) -> &Pack {
        &self.pack
    }

    /// Returns how many training subjects speak for a value of a variable of this subject; the
    /// variables that are `changed` do not say who is alike.
    pub fn support(
        &self,
        state: &SubjectState,
        changed: &[usize],
        variable: usize,
        value: f32,
    ) -> Supported {
        self.support.of(state, changed, variable, value)
    }

    /// Describes each target, in the pack's order; those about a window come last.
    pub fn describe(&self) -> Vec<TargetDescription> {
        let code = |variable: usize| self.pack.variables()[variable].code.to_string();
        let describe = |target: &TargetModel| TargetDescription {
            code: code(target.variable),
            kind: "value",
            basis: target.basis.name(),
            tree_share: target.tree_share,
            mean_tree_share: target.mean_tree_share,
            tree_count: target.forest.roots.len(),
            leaf_count: target.forest.leaves.len(),
            correlates: target.correlates.iter().copied().map(code).collect(),
        };
        let window = |(model, target): (&WindowModel, &WindowTarget)| TargetDescription {
            code: target.code.to_string(),
            kind: target.kind_name(),
            basis: model.basis.name(),
            tree_share: model.tree_share,
            mean_tree_share: model.mean_tree_share,
            tree_count: model.forest.roots.len(),
            leaf_count: model.forest.leaves.len(),
            correlates: Vec::new(),
        };
        let windows = self.windows.iter().zip(self.pack.windows()).map(window);
        self.targets.iter().map(describe).chain(windows).collect()
    }

    /// Forecasts all targets at these horizons.
    ///
    /// Horizons are put in order; those that are negative, not finite, or beyond the pack's
    /// horizon are left out, because nothing was learned about them. A target gets no points
    /// ([`Basis::NotEnoughHistory`]) where the history is shorter than the pack asks for, or
    /// neither the target nor any variable that stands in for it was ever seen.
    pub fn forecast(
        &self,
        state: &SubjectState,
        prediction_time: Timestamp,
        horizons_hours: &[f32],
    ) -> Forecast {
        let limit = self.pack.forecast().horizon_hours;
        let mut horizons: Vec<f32> =
            horizons_hours.iter().copied().filter(|hours| (0.0..=limit).contains(hours)).collect();
        horizons.sort_by(f32::total_cmp);
        let shared = self.layout.shared_count();
        let mut features = vec![f32::NAN; shared + OWN_COUNT];
        self.layout.shared(state, prediction_time, &mut features[..shared]);
        let supported = state.variable_count() == self.pack.variables().len()
            && self.pack.forecast().history_event_count_min.max(1) <= state.event_count();
        let mut forecast = |target: &TargetModel| {
            let known = state.variable(target.variable);
            own(known, &mut features[shared..]);
            let seen = known.is_some() || target.stands_in(state);
            let supported = supported && seen && target.basis != Basis::NotEnoughHistory;
            TargetForecast {
                code: self.pack.variables()[target.variable].code.clone(),
                basis: if supported { target.basis } else { Basis::NotEnoughHistory },
                last: known.map(|known| {
                    (known.last(), prediction_time.hours_since(known.last_time()) as f32)
                }),
                points: if supported {
                    self.points(target, &features, anchors(known), &horizons)
                } else {
                    Vec::new()
                },
            }
        };
        let targets = self.targets.iter().map(&mut forecast).collect();
        let windows = self.windows(state, prediction_time, &features[..shared], supported);
        Forecast { prediction_time, targets, windows }
    }

    /// Forecasts the targets that are about a window; `shared` are the features of all targets.
    fn windows(
        &self,
        state: &SubjectState,
        now: Timestamp,
        shared: &[f32],
        supported: bool,
    ) -> Vec<WindowForecast> {
        let mut features = shared.to_vec();
        features.resize(shared.len() + WINDOW_OWN_COUNT, f32::NAN);
        let mut forecast = |(at, (model, target)): (usize, (&WindowModel, &WindowTarget))| {
            state.window_features(at, now, &mut features[shared.len()..]);
            let before = state.window(at).map_or(0.0, |known| known.before(now));
            let (basis, answer) = if !supported {
                (Basis::NotEnoughHistory, WindowAnswer::None)
            } else if !state.is_at_risk(&self.pack, at) {
                (Basis::AlreadyHappened, WindowAnswer::None)
            } else {
                (model.basis, model.answer(target, &features, before))
            };
            WindowForecast { code: target.code.clone(), basis, before, answer }
        };
        self.windows.iter().zip(self.pack.windows()).enumerate().map(&mut forecast).collect()
    }

    fn points(
        &self,
        target: &TargetModel,
        features: &[f32],
        anchors: [f32; 2],
        horizons: &[f32],
    ) -> Vec<twinkeep_domain::ForecastPoint> {
        let buckets = &self.pack.forecast().buckets_hours;
        let range = self.pack.variables()[target.variable].range;
        let mut points = target.raw(features, anchors, horizons, buckets);
        for point in &mut points {
            target.finish(point, buckets, range);
        }
        points
    }
}

impl fmt::Debug for Model {
    // Thresholds lie between values of training subjects: they do not belong in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Model(pack {}, {} targets)", self.pack.name(), self.targets.len())
    }
}

impl Forecaster for Model {
    fn forecast(
        &self,
        state: &SubjectState,
        prediction_time: Timestamp,
        horizons_hours: &[f32],
    ) -> Forecast {
        Self::forecast(self, state, prediction_time, horizons_hours)
    }

    fn typical(&self, target: usize) -> f32 {
        self.targets.get(target).map_or(f32::NAN, |target| target.typical)
    }
}

impl TargetModel {
    /// Returns whether a variable was seen that stands in for the target.
    ///
    /// Only trees can use it: without them there is nothing to carry forward.
    fn stands_in(&self, state: &SubjectState) -> bool {
        self.basis == Basis::Trees
            && self.correlates.iter().any(|&variable| state.variable(variable).is_some())
    }
}
