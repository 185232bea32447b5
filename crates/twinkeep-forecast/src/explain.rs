//! Why a forecast is what it is: exact Shapley values of its trees.
//!
//! The trees say how far the target will move from where it stands. How much of that is due to a
//! feature is its Shapley value: what knowing it changes, averaged over all orders in which the
//! features could become known; what is not known yet is averaged over the training rows that
//! came by. Summed with what is carried forward and with how such values usually move, they give
//! the median exactly, up to rounding.
//!
//! The algorithm is TreeSHAP (Lundberg, Erion, Lee: Consistent individualized feature attribution
//! for tree ensembles, 2018, algorithm 2): polynomial where the definition is exponential.

use std::collections::BTreeMap;

use serde::Serialize;
use twinkeep_domain::{Basis, QUANTILES, Timestamp};

use crate::Model;
use crate::features::{OWN_COUNT, SubjectState, anchors, own};
use crate::forest::Forest;
use crate::target::{TREE_ANCHOR, TargetModel, bucket};

mod windows;

#[cfg(test)]
mod tests;

pub use windows::{MarginScale, WindowExplanation};

/// Where the median of one forecast comes from. Its parts add up to the median.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// What is forecast.
    pub code: String,
    /// How far ahead.
    pub horizon_hours: f32,
    /// What is carried forward: the last value, or a mean of recent ones.
    pub carried: f32,
    /// How such values usually move until then, whoever it is.
    pub usual_change: f32,
    /// What this subject's features add, by how much they add; none that adds nothing.
    pub drivers: Vec<Driver>,
    /// What ordering the quantiles and the range of the variable add.
    pub adjusted: f32,
    /// The forecast's median.
    pub median: f32,
}

/// What one feature adds to a forecast.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Driver {
    /// What a person calls the feature, such as `Lactate, last value`.
    pub feature: String,
    /// The feature of this subject; `None` where it is missing.
    pub value: Option<f32>,
    /// How old the last value of the feature's variable is.
    pub age_hours: Option<f32>,
    /// What it adds, in the target's unit.
    pub contribution: f32,
}

impl Model {
    /// Explains the median of a value target; `None` where there is no forecast of it at this
    /// horizon.
    pub fn explain(
        &self,
        state: &SubjectState,
        prediction_time: Timestamp,
        code: &str,
        horizon_hours: f32,
    ) -> Option<Explanation> {
        let target = self.targets.iter().find(|target| self.code(target) == code)?;
        let forecast = self.forecast(state, prediction_time, &[horizon_hours]);
        let answer = forecast.targets.iter().find(|answer| answer.code.as_str() == code)?;
        let median = answer.points.first()?.median();
        let shared = self.layout.shared_count();
        let mut features = vec![f32::NAN; shared + OWN_COUNT];
        self.layout.shared(state, prediction_time, &mut features[..shared]);
        let known = state.variable(target.variable);
        own(known, &mut features[shared..]);
        features.push(horizon_hours);
        let buckets = &self.pack.forecast().buckets_hours;
        let parts = target.parts(&features, anchors(known), bucket(buckets, horizon_hours));
        let age = |feature: usize| {
            let variable = match feature.checked_sub(shared) {
                None => self.layout.variable_of(feature)?,
                Some(own) => (own < OWN_COUNT).then_some(target.variable)?,
            };
            let last = state.variable(variable)?.last_time();
            Some(prediction_time.hours_since(last) as f32)
        };
        let mut drivers: Vec<Driver> = (0..features.len())
            .filter(|&feature| parts.shapley[feature] != 0.0)
            .map(|feature| Driver {
                feature: self.layout.name(&self.pack, target.variable, feature).unwrap_or_default(),
                value: Some(features[feature]).filter(|value| !value.is_nan()),
                age_hours: age(feature),
                contribution: parts.shapley[feature] as f32,
            })
            .collect();
        drivers.sort_by(|one, other| other.contribution.abs().total_cmp(&one.contribution.abs()));
        let told = parts.carried + parts.usual_change + parts.shapley.iter().sum::<f64>();
        Some(Explanation {
            code: code.to_owned(),
            horizon_hours,
            carried: parts.carried as f32,
            usual_change: parts.usual_change as f32,
            drivers,
            adjusted: (f64::from(median) - told) as f32,
            median,
        })
    }

    /// Returns the share of each of the pack's variables in what the model decides by: of the
    /// questions that its trees ask, counted as often as training rows were asked them. What is
    /// carried forward is the target's own.
    pub fn variable_shares(&self) -> Vec<f64> {
        let mut shares = vec![0.0; self.pack.variables().len()];
        let shared = self.layout.shared_count();
        for target in &self.targets {
            let trees = match target.basis {
                Basis::Trees => f64::from(target.tree_share),
                _ => 0.0,
            };
            let asked = target.forest.asked(&|feature| match feature < shared {
                true => self.layout.variable_of(feature),
                false => (feature < shared + OWN_COUNT).then_some(target.variable),
            });
            asked.into_iter().for_each(|(variable, share)| shares[variable] += trees * share);
            shares[target.variable] += 1.0 - trees;
        }
        for window in self.windows.iter().filter(|window| window.basis == Basis::Trees) {
            let variable = |feature| {
                if feature < shared { self.layout.variable_of(feature) } else { None }
            };
            let asked = window.forest.asked(&variable);
            asked.into_iter().for_each(|(variable, share)| shares[variable] += share);
        }
        let all: f64 = shares.iter().sum();
        shares.iter().map(|share| if 0.0 < all { share / all } else { 0.0 }).collect()
    }

    fn code(&self, target: &TargetModel) -> &str {
        self.pack.variables()[target.variable].code.as_str()
    }
}

/// What the median is made of, in the target's unit.
struct Parts {
    carried: f64,
    usual_change: f64,
    shapley: Vec<f64>,
}

impl TargetModel {
    /// `features` end with the horizon.
    fn parts(&self, features: &[f32], anchors: [f32; 2], bucket: usize) -> Parts {
        let share = f64::from(self.tree_share);
        let unit = share * f64::from(self.scale);
        let from_trees = f64::from(TREE_ANCHOR.of(anchors, self.typical));
        let reference = self.anchor.of(anchors, self.typical) + self.reference[bucket][MEDIAN];
        let mut shapley = vec![0.0; features.len()];
        let mut usual = f64::from(self.start[MEDIAN]);
        if self.basis == Basis::Trees {
            usual += self.forest.shapley(features, MEDIAN, &mut shapley);
        }
        for value in &mut shapley {
            *value *= unit;
        }
        Parts {
            carried: share * from_trees + (1.0 - share) * f64::from(reference),
            usual_change: unit * usual,
            shapley,
        }
    }
}

impl Forest {
    /// Adds the Shapley value of each feature to `out`, and returns the mean over training rows.
    pub(crate) fn shapley(&self, features: &[f32], lane: usize, out: &mut [f64]) -> f64 {
        let covers = self.covers();
        let mut walk = Walk { forest: self, covers: &covers, features, lane, out, mean: 0.0 };
        for &root in &self.roots {
            walk.visit(root, Path::default(), Part { feature: NONE, known: 1.0, unknown: 1.0 });
        }
        walk.mean
    }

    /// Returns the share of each variable in the questions that are asked of training rows.
    fn asked(&self, variable: &dyn Fn(usize) -> Option<usize>) -> BTreeMap<usize, f64> {
        let covers = self.covers();
        let all: f64 = covers.iter().sum();
        let mut asked = BTreeMap::new();
        for (node, cover) in self.nodes.iter().zip(covers) {
            if let Some(variable) = variable(usize::from(node.feature)) {
                *asked.entry(variable).or_default() += cover / all;
            }
        }
        asked
    }

    /// Returns how many training rows came by each node. Children come after their parents.
    fn covers(&self) -> Vec<f64> {
        let mut covers = vec![0.0; self.nodes.len()];
        for at in (0..self.nodes.len()).rev() {
            covers[at] =
                self.nodes[at].children.iter().map(|&child| self.cover(&covers, child)).sum();
        }
        covers
    }

    fn cover(&self, covers: &[f64], at: i32) -> f64 {
        match usize::try_from(at) {
            Ok(node) => covers[node],
            // A leaf without rows would divide by zero; training makes none.
            Err(_) => f64::from(self.rows[(!at) as usize].max(1)),
        }
    }
}

/// One feature on the way from the root: what share of the sets of other features let a row
/// through if this one is not known, and whether it does if it is.
#[derive(Clone, Copy)]
struct Part {
    feature: usize,
    unknown: f64,
    known: f64,
}

/// The features on the way to a node, with the weights of all subsets of each size.
#[derive(Clone, Default)]
struct Path {
    parts: Vec<Part>,
    weights: Vec<f64>,
}

impl Path {
    fn extend(&mut self, part: Part) {
        let length = self.parts.len();
        self.weights.push(if length == 0 { 1.0 } else { 0.0 });
        self.parts.push(part);
        let all = (length + 1) as f64;
        for at in (0..length).rev() {
            self.weights[at + 1] += part.known * self.weights[at] * (at + 1) as f64 / all;
            self.weights[at] *= part.unknown * (length - at) as f64 / all;
        }
    }

    /// Takes a part out, as if it had never been put in.
    fn unwind(&mut self, index: usize) {
        let last = self.parts.len() - 1;
        self.weights = self.without(index);
        self.weights.truncate(last);
        self.parts.remove(index);
    }

    /// Returns the weights without a part; the last one has no meaning.
    fn without(&self, index: usize) -> Vec<f64> {
        let Part { unknown, known, .. } = self.parts[index];
        let last = self.parts.len() - 1;
        let all = (last + 1) as f64;
        let mut weights = self.weights.clone();
        let mut next = weights[last];
        for at in (0..last).rev() {
            if known == 0.0 {
                weights[at] *= all / (unknown * (last - at) as f64);
            } else {
                let before = weights[at];
                weights[at] = next * all / ((at + 1) as f64 * known);
                next = before - weights[at] * unknown * (last - at) as f64 / all;
            }
        }
        weights
    }

    fn sum_without(&self, index: usize) -> f64 {
        self.without(index)[..self.parts.len() - 1].iter().sum()
    }
}

/// A walk through all branches of a tree.
struct Walk<'a> {
    forest: &'a Forest,
    covers: &'a [f64],
    features: &'a [f32],
    lane: usize,
    out: &'a mut [f64],
    mean: f64,
}

impl Walk<'_> {
    fn visit(&mut self, at: i32, mut path: Path, part: Part) {
        path.extend(part);
        let Ok(node) = usize::try_from(at) else {
            let step = f64::from(self.forest.leaves[(!at) as usize][self.lane]);
            self.leaf(&path, step);
            return;
        };
        let cover = self.covers[node];
        let node = self.forest.nodes[node];
        let feature = usize::from(node.feature);
        let left = node.goes_left(self.features[feature]);
        let mut before = Part { feature, unknown: 1.0, known: 1.0 };
        if let Some(index) = path.parts.iter().position(|part| part.feature == feature) {
            before = path.parts[index];
            path.unwind(index);
        }
        for (side, child) in node.children.into_iter().enumerate() {
            let hot = left == (side == 0);
            let share = self.forest.cover(self.covers, child) / cover;
            let part = Part {
                feature,
                unknown: before.unknown * share,
                known: if hot { before.known } else { 0.0 },
            };
            self.visit(child, path.clone(), part);
        }
    }

    fn leaf(&mut self, path: &Path, step: f64) {
        // What comes by if nothing is known: the product over all features on the way.
        self.mean += step * path.parts.iter().map(|part| part.unknown).product::<f64>();
        if step == 0.0 {
            return;
        }
        for index in 1..path.parts.len() {
            let Part { feature, unknown, known } = path.parts[index];
            self.out[feature] += path.sum_without(index) * (known - unknown) * step;
        }
    }
}

/// The feature of the root's part: no feature has this number.
const NONE: usize = usize::MAX;

/// The lane that is explained.
const MEDIAN: usize = QUANTILES.len() / 2;
