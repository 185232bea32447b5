//! One target under differential privacy: trees of which nobody in the training split can be told.
//!
//! What the training split gives is sums of clipped residuals and of weights, a leaf, with noise
//! (see [`crate::noise`]); nothing else of it reaches the model. The rest comes from elsewhere:
//!
//! - Which feature a node asks about is drawn at random, and its threshold is the value of a random
//!   row of the *tuning* split (random splits, as in DP-EBM: Nori et al., ICML 2021).
//! - Scale, mean, anchor, reference, shares, and calibration are those of the tuning split, which
//!   has no subject in common with the training split. One estimate serves all quantiles; the
//!   tuning split says how far they lie from it.
//! - Each subject weighs 1 in each tree, however many rows it has, and rows are not drawn: whether
//!   somebody is in the data must not change what is taken of others.
//!
//! So ε holds for the subjects of the training split, for the model as it is stored, and for
//! whatever is done with it. It does not hold for those of the tuning split.

use twinkeep_domain::QUANTILES;

use super::{Material, select};
use crate::boost::LANE_COUNT;
use crate::examples::{Examples, TargetExamples};
use crate::features::OWN_COUNT;
use crate::forest::{Forest, Node};
use crate::noise::{DiscreteGaussian, NoisePlan, RandomSource};
use crate::random;
use crate::target::{TREE_ANCHOR, TargetModel};

#[cfg(test)]
mod tests;

/// Learns one target. Without enough tuning rows, or with noise beyond all bounds, nothing is
/// learned.
pub(super) fn target(
    material: &Material<'_>,
    at: usize,
    mut target: TargetModel,
    (plan, source): (&NoisePlan, RandomSource),
) -> TargetModel {
    let tuning = &material.tuning.targets[at];
    target.typical = mean(tuning.value.iter().copied());
    if tuning.value.len() < ROWS_MIN {
        return target;
    }
    let rest = |rows: &TargetExamples, row: usize| {
        let anchors = rows.anchors[rows.snapshot[row] as usize];
        rows.value[row] - TREE_ANCHOR.of(anchors, target.typical)
    };
    let squares = (0..tuning.value.len()).map(|row| rest(tuning, row).powi(2));
    let scale = mean(squares).sqrt();
    target.scale = if 0.0 < scale && scale.is_finite() { scale } else { 1.0 };
    // Two sums a leaf, of which a subject changes each by 1 at most, taken over all leaves.
    let releases = 2 * TREE_COUNT * material.train.targets.len();
    let deviation = plan.deviation(releases) * UNIT;
    if let Some(noise) = DiscreteGaussian::new(deviation) {
        let train = &material.train.targets[at];
        let residuals: Vec<f32> =
            (0..train.value.len()).map(|row| rest(train, row) / target.scale).collect();
        let weights = weights(&material.train, train);
        let seed = random::bits(material.config.seed, [TARGET_DRAW, at as u64, 0]);
        let fitted = vec![0.0; residuals.len()];
        let mut grower =
            Grower { material, at, seed, fitted, residuals, weights, noise, deviation, source };
        (0..TREE_COUNT).for_each(|tree| grower.grow(tree as u64, &mut target.forest));
    }
    select::select(material, at, &mut target);
    target
}

/// Returns the weight of each row: 1 for each subject, divided among its rows.
fn weights(examples: &Examples, rows: &TargetExamples) -> Vec<f64> {
    let subject = |row: usize| examples.subjects[rows.snapshot[row] as usize];
    let mut weights = Vec::with_capacity(rows.value.len());
    let all: Vec<u32> = (0..rows.value.len()).map(subject).collect();
    for own in all.chunk_by(|one, other| one == other) {
        weights.extend(own.iter().map(|_| 1.0 / own.len() as f64));
    }
    weights
}

/// Grows trees of random splits, with noisy leaves.
struct Grower<'a> {
    material: &'a Material<'a>,
    at: usize,
    seed: u64,
    /// What the trees say of each training row so far, and what they should.
    fitted: Vec<f32>,
    residuals: Vec<f32>,
    weights: Vec<f64>,
    noise: DiscreteGaussian,
    deviation: f64,
    source: RandomSource,
}

impl Grower<'_> {
    fn grow(&mut self, tree: u64, forest: &mut Forest) {
        let nodes: Vec<Node> = (0..INNER_COUNT).map(|node| self.node(tree, node as u64)).collect();
        let (train, rows) = (&self.material.train, &self.material.train.targets[self.at]);
        let leaf_of: Vec<usize> =
            (0..rows.value.len()).map(|row| leaf(&nodes, train, rows, row)).collect();
        let noisy = |sum: i64| sum.saturating_add(self.noise.draw(self.source));
        let [sums, counts] = self.sums(&leaf_of).map(|sums| sums.map(noisy));
        let steps: Vec<f32> = sums
            .iter()
            .zip(&counts)
            .map(|(&sum, &count)| {
                // A leaf of few is drawn to 0: the noise is as large as the deviation.
                let full = sum as f64 / (count.max(0) as f64 + self.deviation);
                (LEARNING_RATE * CLIP * full.clamp(-1.0, 1.0)) as f32
            })
            .collect();
        for (fitted, &leaf) in self.fitted.iter_mut().zip(&leaf_of) {
            *fitted += steps[leaf];
        }
        let (first_node, first_leaf) = (forest.nodes.len(), forest.leaves.len());
        let index = |at: usize| i32::try_from(at).unwrap_or(i32::MAX);
        forest.roots.push(index(first_node));
        for (at, node) in nodes.into_iter().enumerate() {
            let child = |side: usize| match 2 * at + 1 + side {
                inner if inner < INNER_COUNT => index(first_node + inner),
                leaf => !index(first_leaf + leaf - INNER_COUNT),
            };
            forest.nodes.push(Node { children: [child(0), child(1)], ..node });
        }
        forest.leaves.extend(steps.into_iter().map(|step| [step; LANE_COUNT]));
        // How many people there are in a leaf is noisy, too.
        let people = |count: i64| (count.max(0) as f64 / UNIT) as u32;
        forest.rows.extend(counts.into_iter().map(people));
    }

    /// Returns, for each leaf, the sums of clipped residuals and of weights, without noise.
    fn sums(&self, leaf_of: &[usize]) -> [[i64; LEAF_COUNT]; 2] {
        let (train, rows) = (&self.material.train, &self.material.train.targets[self.at]);
        let subject = |row: usize| train.subjects[rows.snapshot[row] as usize];
        let mut all = [[0_i64; LEAF_COUNT]; 2];
        let mut row = 0;
        while row < leaf_of.len() {
            let who = subject(row);
            let mut own = [[0.0_f64; LEAF_COUNT]; 2];
            while row < leaf_of.len() && subject(row) == who {
                let clipped = f64::from(self.residuals[row] - self.fitted[row]);
                let clipped = if clipped.is_finite() { clipped } else { 0.0 };
                own[0][leaf_of[row]] += self.weights[row] * (clipped / CLIP).clamp(-1.0, 1.0);
                own[1][leaf_of[row]] += self.weights[row];
                row += 1;
            }
            for (all, own) in all.iter_mut().flatten().zip(own.iter().flatten()) {
                // Cut off, never rounded up: nobody adds more than 1. The factor keeps what
                // additions of floating-point numbers lose from going beyond it.
                *all += (own * (UNIT - 1.0)) as i64;
            }
        }
        all
    }

    /// Draws a node: a feature, and the value of a random tuning row as its threshold.
    fn node(&self, tree: u64, node: u64) -> Node {
        let (tuning, rows) = (&self.material.tuning, &self.material.tuning.targets[self.at]);
        let count = feature_count(tuning);
        let draw = |what: u64, try_at: u64, below: usize| {
            let bits = random::bits(self.seed, [what, tree << 8 | node, try_at]);
            (bits % below.max(1) as u64) as usize
        };
        for try_at in 0..TRIES_MAX {
            let feature = draw(FEATURE_DRAW, try_at, count);
            let row = draw(ROW_DRAW, try_at, rows.value.len());
            let threshold = value(tuning, rows, row, feature);
            if threshold.is_finite() {
                let missing_left = draw(SIDE_DRAW, try_at, 2) == 0;
                let feature = u16::try_from(feature).unwrap_or(u16::MAX);
                return Node { feature, missing_left, threshold, children: [0; 2] };
            }
        }
        // Every row has a horizon.
        let feature = u16::try_from(count - 1).unwrap_or(u16::MAX);
        let threshold = rows.horizon.first().copied().unwrap_or(0.0);
        Node { feature, missing_left: true, threshold, children: [0; 2] }
    }
}

/// Returns how many features a row has, the horizon included.
fn feature_count(examples: &Examples) -> usize {
    shared_count(examples) + OWN_COUNT + 1
}

fn shared_count(examples: &Examples) -> usize {
    examples.shared.len() / examples.subjects.len().max(1)
}

/// Returns a feature of a row, in the order of forecasts: shared, own, horizon.
fn value(examples: &Examples, rows: &TargetExamples, row: usize, feature: usize) -> f32 {
    let (snapshot, shared) = (rows.snapshot[row] as usize, shared_count(examples));
    match feature.checked_sub(shared) {
        None => examples.shared[snapshot * shared + feature],
        Some(own) if own < OWN_COUNT => rows.own[snapshot * OWN_COUNT + own],
        Some(_) => rows.horizon[row],
    }
}

fn leaf(nodes: &[Node], examples: &Examples, rows: &TargetExamples, row: usize) -> usize {
    let mut at = 0;
    while at < INNER_COUNT {
        let node = &nodes[at];
        let value = value(examples, rows, row, usize::from(node.feature));
        at = 2 * at + if node.goes_left(value) { 1 } else { 2 };
    }
    at - INNER_COUNT
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) =
        values.fold((0.0_f64, 0_u64), |(sum, count), value| (sum + f64::from(value), count + 1));
    if count == 0 { 0.0 } else { (sum / count as f64) as f32 }
}

/// Each tree costs as much privacy as any other, so there are few.
const TREE_COUNT: usize = 20;

/// Trees of three questions.
const INNER_COUNT: usize = 7;
const LEAF_COUNT: usize = INNER_COUNT + 1;

/// Share of a leaf's step that is taken: few trees must come far.
const LEARNING_RATE: f64 = 0.4;

/// Residuals count up to this, in spreads of the target.
const CLIP: f64 = 1.0;

/// What a subject adds at most, in the integers that noise is added to.
const UNIT: f64 = 4_096.0;

/// With fewer tuning rows nothing can be chosen.
const ROWS_MIN: usize = 20;

/// Features of which a row has no value are drawn again, so often at most.
const TRIES_MAX: u64 = 64;

/// What a pseudo-random choice is about.
const TARGET_DRAW: u64 = 71;
const FEATURE_DRAW: u64 = 72;
const ROW_DRAW: u64 = 73;
const SIDE_DRAW: u64 = 74;

const _: () = assert!(QUANTILES.len() < LANE_COUNT, "one step serves all lanes");
