//! The loop: gradients, a tree, a step; until the tuning rows no longer gain.

use twinkeep_domain::QUANTILES;

use super::bins::Column;
use super::grow::{Soil, Tree, grow};
use super::histogram::{FIXED_POINT_STEP, Gain};
use super::leaf::steps;
use super::{LANE_COUNT, Lanes, MEAN_LANE};
use crate::random;

/// Examples of one target, as the learner sees them.
pub(crate) struct Rows {
    /// Which snapshot a row belongs to; never decreasing.
    pub(crate) snapshot: Vec<u32>,
    /// What is to be learned, scaled to a spread of about 1.
    pub(crate) value: Vec<f32>,
}

/// One target's learning problem.
pub(crate) struct Problem<'a> {
    /// Training features: of snapshots, and, last, the horizon of each row.
    pub(crate) columns: Vec<&'a Column>,
    /// Training rows.
    pub(crate) rows: Rows,
    /// Which subject each training snapshot is of.
    pub(crate) subjects: &'a [u32],
    /// The same features of the tuning split.
    pub(crate) tuning_columns: Vec<&'a Column>,
    /// Tuning rows.
    pub(crate) tuning_rows: Rows,
}

/// The knobs of [`boost`]; see [`crate::TrainConfig`].
#[derive(Clone, Copy)]
pub(crate) struct Knobs {
    pub(crate) seed: u64,
    pub(crate) rounds_max: usize,
    pub(crate) patience_rounds: usize,
    pub(crate) learning_rate: f32,
    pub(crate) leaves_max: usize,
    pub(crate) leaf_rows_min: u32,
    pub(crate) shrinkage_rows: f32,
    pub(crate) feature_share: f32,
    pub(crate) subject_share: f32,
    pub(crate) mean_weight: f32,
}

/// What boosting learned.
pub(crate) struct Boosted {
    /// Where every row starts.
    pub(crate) start: Lanes,
    /// The trees; steps after a lane's best round are zero.
    pub(crate) trees: Vec<Tree>,
}

/// Learns a problem. The same problem and knobs give the same trees.
pub(crate) fn boost(problem: &Problem<'_>, knobs: &Knobs) -> Boosted {
    let start = start(&problem.rows.value);
    let mut fitted = vec![start; problem.rows.value.len()];
    let mut tuned = vec![start; problem.tuning_rows.value.len()];
    let mut progress = Progress::new(losses(&problem.tuning_rows.value, &tuned));
    let mut trees = Vec::new();
    while trees.len() < knobs.rounds_max && !progress.is_over(trees.len(), knobs.patience_rounds) {
        let tree = round(problem, knobs, trees.len() as u64, &mut fitted);
        if tree.nodes.is_empty() {
            break;
        }
        for (row, lanes) in tuned.iter_mut().enumerate() {
            let snapshot = problem.tuning_rows.snapshot[row];
            step(lanes, &tree.leaves[tree.leaf_of(&problem.tuning_columns, snapshot, row)]);
        }
        trees.push(tree);
        progress.note(trees.len(), losses(&problem.tuning_rows.value, &tuned));
    }
    trees.truncate(progress.rounds.into_iter().max().unwrap_or(0));
    for (at, tree) in trees.iter_mut().enumerate() {
        for leaf in &mut tree.leaves {
            for (step, &rounds) in leaf.iter_mut().zip(&progress.rounds) {
                if rounds <= at {
                    *step = 0.0;
                }
            }
        }
    }
    Boosted { start, trees }
}

/// Grows one tree, sets its steps, and takes them on all training rows.
fn round(problem: &Problem<'_>, knobs: &Knobs, round: u64, fitted: &mut [Lanes]) -> Tree {
    let rows = &problem.rows;
    let drawn = |snapshot: u32| {
        let subject = u64::from(problem.subjects[snapshot as usize]);
        random::chance(knobs.seed, [SUBJECT_DRAW, round, subject], knobs.subject_share)
    };
    let (mut members, others): (Vec<u32>, Vec<u32>) =
        (0_u32..).take(rows.value.len()).partition(|&row| drawn(rows.snapshot[row as usize]));
    let features = draw_features(problem, knobs, round);
    let (below, residual, variance) = gradients(&rows.value, fitted);
    let soil = Soil {
        columns: &problem.columns,
        features: &features,
        rows,
        below: &below,
        residual: &residual,
        gain: Gain::new(knobs.mean_weight, variance, knobs.shrinkage_rows),
        rows_min: knobs.leaf_rows_min,
        leaves_max: knobs.leaves_max,
    };
    let (mut tree, ranges) = grow(&soil, &mut members);
    let mut residuals: [Vec<f32>; LANE_COUNT] = std::array::from_fn(|_| Vec::new());
    for range in ranges {
        for (lane, residuals) in residuals.iter_mut().enumerate() {
            let of = |&row: &u32| rows.value[row as usize] - fitted[row as usize][lane];
            residuals.clear();
            residuals.extend(members[range.clone()].iter().map(of));
        }
        let leaf =
            steps(&mut residuals, knobs.shrinkage_rows).map(|step| step * knobs.learning_rate);
        for &row in &members[range] {
            step(&mut fitted[row as usize], &leaf);
        }
        tree.leaves.push(leaf);
    }
    for row in others {
        let snapshot = rows.snapshot[row as usize];
        let leaf = tree.leaf_of(&problem.columns, snapshot, row as usize);
        step(&mut fitted[row as usize], &tree.leaves[leaf]);
    }
    tree
}

/// Returns the features that a tree may use: the horizon always, of the others a share.
fn draw_features(problem: &Problem<'_>, knobs: &Knobs, round: u64) -> Vec<usize> {
    let horizon = problem.columns.len() - 1;
    (0..problem.columns.len())
        .filter(|&at| varies(problem.columns[at]))
        .filter(|&at| {
            let coordinates = [FEATURE_DRAW, round, at as u64];
            at == horizon || random::chance(knobs.seed, coordinates, knobs.feature_share)
        })
        .collect()
}

/// Returns the quantiles and the mean of all values.
fn start(values: &[f32]) -> Lanes {
    let mut all: [Vec<f32>; LANE_COUNT] = std::array::from_fn(|_| values.to_vec());
    steps(&mut all, 0.0)
}

/// Returns for each row which estimates lie above its value, and its residual in fixed point; and
/// the variance of the residuals.
fn gradients(values: &[f32], fitted: &[Lanes]) -> (Vec<u8>, Vec<i32>, f32) {
    let mut below = Vec::with_capacity(values.len());
    let mut residual = Vec::with_capacity(values.len());
    let mut squares = 0.0_f64;
    for (&value, lanes) in values.iter().zip(fitted) {
        let bits = (0..QUANTILES.len()).map(|lane| u8::from(value < lanes[lane]) << lane);
        below.push(bits.fold(0, |all, bit| all | bit));
        let rest = (value - lanes[MEAN_LANE]).clamp(-RESIDUAL_MAX, RESIDUAL_MAX);
        residual.push((rest / FIXED_POINT_STEP) as i32);
        squares += f64::from(rest * rest);
    }
    let variance = squares / values.len().max(1) as f64;
    (below, residual, variance as f32)
}

fn step(lanes: &mut Lanes, leaf: &Lanes) {
    for (lane, step) in lanes.iter_mut().zip(leaf) {
        *lane += step;
    }
}

/// Returns the pinball loss of each quantile and the squared error of the mean.
fn losses(values: &[f32], fitted: &[Lanes]) -> [f64; LANE_COUNT] {
    let mut sums = [0.0_f64; LANE_COUNT];
    for (&value, lanes) in values.iter().zip(fitted) {
        for (lane, probability) in QUANTILES.into_iter().enumerate() {
            sums[lane] += f64::from(pinball(value - lanes[lane], probability));
        }
        let rest = value - lanes[MEAN_LANE];
        sums[MEAN_LANE] += f64::from(rest * rest);
    }
    sums
}

/// Returns the pinball loss of a residual.
pub(crate) fn pinball(residual: f32, probability: f32) -> f32 {
    if residual < 0.0 { (probability - 1.0) * residual } else { probability * residual }
}

/// For each lane the best loss so far and the number of trees that gave it.
struct Progress {
    best: [f64; LANE_COUNT],
    rounds: [usize; LANE_COUNT],
    improved: usize,
}

impl Progress {
    fn new(losses: [f64; LANE_COUNT]) -> Self {
        Self { best: losses, rounds: [0; LANE_COUNT], improved: 0 }
    }

    fn note(&mut self, rounds: usize, losses: [f64; LANE_COUNT]) {
        for (lane, loss) in losses.into_iter().enumerate() {
            if loss < self.best[lane] * (1.0 - IMPROVEMENT_MIN) {
                self.best[lane] = loss;
                self.rounds[lane] = rounds;
                self.improved = rounds;
            }
        }
    }

    fn is_over(&self, rounds: usize, patience: usize) -> bool {
        self.improved + patience <= rounds
    }
}

/// Returns whether a feature can tell any two snapshots apart.
fn varies(column: &Column) -> bool {
    column.bins.windows(2).any(|pair| pair[0] != pair[1])
}

const _: () = assert!(QUANTILES.len() <= 8, "one bit a quantile");

/// Beyond this many spreads a value is an outlier: more would let one row choose the splits.
const RESIDUAL_MAX: f32 = 16.0;

/// A lane that gains less than this share of its loss is done: more trees would fit noise.
const IMPROVEMENT_MIN: f64 = 1e-4;

/// What a pseudo-random choice is about.
const SUBJECT_DRAW: u64 = 1;
const FEATURE_DRAW: u64 = 2;
