//! How a value should be, given its context: a regression a variable, and a sample of contexts.
//!
//! Two detectors ask it. *Residual*: how far is the value from what the regression predicts?
//! *Neighbor*: how far is it from the values in the nearest contexts of the reference? The second
//! is asked only where the first is surprised at all, since it costs a thousand times more; it
//! finds what a straight line cannot, and clears what a straight line gets wrong.

use serde::{Deserialize, Serialize};

use super::frame::{Context, FEATURES, Obs, STRATA};
use super::ridge::{Sums, Weights};
use super::scale::quantile;
use super::tail::Tail;

/// What is known of one variable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct VariableModel {
    /// By kind of context; `None` where there were too few.
    pub strata: [Option<Stratum>; STRATA],
    /// Scores of the residual detector on clean rows.
    pub residual: Tail,
    /// Scores of the neighbor detector on clean rows.
    pub neighbor: Tail,
}

/// What is known of one variable in one kind of context.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stratum {
    pub weights: Weights<FEATURES>,
    pub scale: Spread,
    pub sample: Sample,
}

/// The usual size of a residual: it grows with the roughness of the context.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread {
    pub base: f32,
    pub slope: f32,
}

impl Spread {
    pub(super) fn at(self, roughness: f32) -> f32 {
        self.base + self.slope * roughness
    }

    /// Learns from sizes of residuals and the roughness of their contexts.
    pub(super) fn learn(sizes: &[(f32, f32)]) -> Self {
        let plain = |sizes: &mut Vec<f32>| {
            sizes.sort_unstable_by(f32::total_cmp);
            quantile(sizes, 0.6827).unwrap_or(1.0).max(RESIDUAL_MIN)
        };
        let usual = plain(&mut sizes.iter().map(|(size, _)| *size).collect());
        let mut roughness: Vec<f32> = sizes.iter().map(|(_, roughness)| *roughness).collect();
        roughness.sort_unstable_by(f32::total_cmp);
        let middle = quantile(&roughness, 0.5).unwrap_or_default();
        // The usual size in the calm half and in the rough half give a line.
        let half = |rough: bool| {
            let chosen = sizes.iter().filter(|(_, roughness)| (middle < *roughness) == rough);
            let (mut chosen, at): (Vec<f32>, Vec<f32>) = chosen.copied().unzip();
            let at = at.iter().sum::<f32>() / at.len().max(1) as f32;
            (plain(&mut chosen), at)
        };
        let ((calm, from), (rough, to)) = (half(false), half(true));
        if to - from < ROUGHNESS_MIN || rough <= calm {
            return Self { base: usual, slope: 0.0 };
        }
        let slope = (rough - calm) / (to - from);
        Self { base: (calm - slope * from).max(BASE_SHARE * calm), slope }
    }
}

/// Contexts of the reference with their values, to find the nearest among.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    /// Row-major, each feature times its weight: what predicts much counts much.
    contexts: Vec<f32>,
    values: Vec<f32>,
}

/// What the two detectors say of a value: 0 is nothing strange.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Scores {
    /// The residual, in usual sizes; the sign says on which side.
    pub residual: f32,
    /// The distance from the nearest contexts' values, in their own spread.
    pub neighbor: f32,
}

impl VariableModel {
    /// Scores one value. `scratch` is reused between calls.
    pub(super) fn score(&self, obs: &Obs, context: &Context, scratch: &mut Scratch) -> Scores {
        let Some(Some(stratum)) = self.strata.get(context.stratum) else {
            return Scores::default();
        };
        stratum.score(obs.z, context, scratch)
    }
}

impl Stratum {
    pub(super) fn score(&self, z: f32, context: &Context, scratch: &mut Scratch) -> Scores {
        let scale = self.scale.at(context.roughness);
        let residual = (z - self.weights.predict(&context.features)) / scale;
        if residual.abs() < ASK_NEIGHBORS {
            return Scores { residual, neighbor: 0.0 };
        }
        let query = weigh(&self.weights, &context.features);
        let neighbor = self.sample.disagreement(&query, z, scale, scratch);
        Scores { residual, neighbor }
    }

    /// Builds a stratum from its sums, or `None` if there are too few rows.
    pub(super) fn learn(sums: &Sums<FEATURES>, picked: &Picked, scale: Spread) -> Option<Self> {
        if sums.count < ROWS_MIN {
            return None;
        }
        let weights = sums.solve();
        let mut sample = Sample::default();
        for (features, z) in &picked.0 {
            sample.contexts.extend(weigh(&weights, features));
            sample.values.push(*z);
        }
        Some(Self { weights, scale, sample })
    }
}

/// Buffers of [`VariableModel::score`].
#[derive(Default)]
pub(super) struct Scratch {
    distances: Vec<(f32, f32)>,
    values: Vec<f32>,
}

impl Sample {
    fn disagreement(
        &self,
        query: &[f32; FEATURES - 1],
        z: f32,
        scale: f32,
        scratch: &mut Scratch,
    ) -> f32 {
        if self.values.len() <= NEIGHBORS {
            return 0.0;
        }
        scratch.distances.clear();
        for (context, value) in self.contexts.chunks_exact(FEATURES - 1).zip(&self.values) {
            let distance = context.iter().zip(query).map(|(a, b)| (a - b) * (a - b)).sum();
            scratch.distances.push((distance, *value));
        }
        scratch.distances.select_nth_unstable_by(NEIGHBORS, |a, b| a.0.total_cmp(&b.0));
        scratch.values.clear();
        scratch.values.extend(scratch.distances[..NEIGHBORS].iter().map(|(_, value)| value));
        scratch.values.sort_unstable_by(f32::total_cmp);
        let at = |share| quantile(&scratch.values, share).unwrap_or_default();
        let spread = (at(0.8) - at(0.2)) / 1.68 + SPREAD_FLOOR * scale;
        (z - at(0.5)).abs() / spread
    }
}

fn weigh(weights: &Weights<FEATURES>, features: &[f32; FEATURES]) -> [f32; FEATURES - 1] {
    // The first feature is the constant.
    std::array::from_fn(|at| weights.0[at + 1] * features[at + 1])
}

/// Contexts picked for a sample, evenly over the rows that come by.
#[derive(Clone, Debug)]
pub(super) struct Picked(Vec<([f32; FEATURES], f32)>);

/// Picks every `stride`-th row, and doubles the stride when the sample is full.
#[derive(Clone, Debug)]
pub(super) struct Picker {
    picked: Picked,
    seen: u64,
    stride: u64,
}

impl Default for Picker {
    fn default() -> Self {
        Self { picked: Picked(Vec::new()), seen: 0, stride: 1 }
    }
}

impl Picker {
    pub(super) fn offer(&mut self, features: &[f32; FEATURES], z: f32) {
        if self.seen.is_multiple_of(self.stride) {
            self.picked.0.push((*features, z));
            if SAMPLE_MAX < self.picked.0.len() {
                let mut keep = false;
                self.picked.0.retain(|_| {
                    keep = !keep;
                    keep
                });
                self.stride *= 2;
            }
        }
        self.seen += 1;
    }

    pub(super) fn picked(&self) -> &Picked {
        &self.picked
    }
}

/// A residual below this many usual sizes is ordinary: about one row in twenty is above.
const ASK_NEIGHBORS: f32 = 2.0;

/// How many nearest contexts are asked.
const NEIGHBORS: usize = 11;

/// Most contexts of one variable and kind: bounds the reference and the time of a question.
const SAMPLE_MAX: usize = 512;

/// Neighbors that happen to agree do not make everything else impossible.
const SPREAD_FLOOR: f32 = 0.5;

/// Fewer rows do not carry a regression.
const ROWS_MIN: u64 = 200;

/// A variable that is nearly always predicted exactly still has rounding.
const RESIDUAL_MIN: f32 = 0.02;

/// Contexts that are all alike show no slope.
const ROUGHNESS_MIN: f32 = 0.05;

/// The steadiest context still has some spread.
const BASE_SHARE: f32 = 0.4;
