//! The loop: gradients, a tree, a step; until the tuning rows no longer gain.

use super::bins::Column;
use super::grow::{Soil, Tree, grow};
use super::histogram::Gradients;
use super::{LANE_COUNT, Lanes};
use crate::random;

/// What is learned from the rows: where it starts, which way is down, and how far.
pub(crate) trait Objective {
    /// What a round's trees are grown from.
    type Gradients: Gradients;

    /// Returns where every row starts: the best answer that is the same for all.
    fn start(&self, values: &[f32]) -> Lanes;

    /// Returns which way each row asks the estimates to go.
    fn gradients(&self, values: &[f32], fitted: &[Lanes]) -> Self::Gradients;

    /// Returns the full step of a leaf with these rows, before the learning rate.
    fn steps(&mut self, values: &[f32], fitted: &[Lanes], members: &[u32]) -> Lanes;

    /// Returns the loss of each lane, never below 0; lanes that stop together have the same.
    fn losses(&self, values: &[f32], fitted: &[Lanes]) -> [f64; LANE_COUNT];
}

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
    pub(crate) leaf_subjects_min: usize,
    pub(crate) leaf_step_max: f32,
    pub(crate) feature_share: f32,
    pub(crate) subject_share: f32,
}

/// What boosting learned.
pub(crate) struct Boosted {
    /// Where every row starts.
    pub(crate) start: Lanes,
    /// The trees; steps after a lane's best round are zero.
    pub(crate) trees: Vec<Tree>,
}

/// Learns a problem. The same problem and knobs give the same trees.
pub(crate) fn boost<O: Objective>(
    problem: &Problem<'_>,
    objective: &mut O,
    knobs: &Knobs,
) -> Boosted {
    let start = objective.start(&problem.rows.value);
    let mut fitted = vec![start; problem.rows.value.len()];
    let mut tuned = vec![start; problem.tuning_rows.value.len()];
    let mut progress = Progress::new(objective.losses(&problem.tuning_rows.value, &tuned));
    let mut trees = Vec::new();
    while trees.len() < knobs.rounds_max && !progress.is_over(trees.len(), knobs.patience_rounds) {
        let tree = round(problem, objective, knobs, trees.len() as u64, &mut fitted);
        if tree.nodes.is_empty() {
            break;
        }
        for (row, lanes) in tuned.iter_mut().enumerate() {
            let snapshot = problem.tuning_rows.snapshot[row];
            step(lanes, &tree.leaves[tree.leaf_of(&problem.tuning_columns, snapshot, row)]);
        }
        trees.push(tree);
        progress.note(trees.len(), objective.losses(&problem.tuning_rows.value, &tuned));
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
fn round<O: Objective>(
    problem: &Problem<'_>,
    objective: &mut O,
    knobs: &Knobs,
    round: u64,
    fitted: &mut [Lanes],
) -> Tree {
    let rows = &problem.rows;
    let drawn = |snapshot: u32| {
        let subject = u64::from(problem.subjects[snapshot as usize]);
        random::chance(knobs.seed, [SUBJECT_DRAW, round, subject], knobs.subject_share)
    };
    let (mut members, others): (Vec<u32>, Vec<u32>) =
        (0_u32..).take(rows.value.len()).partition(|&row| drawn(rows.snapshot[row as usize]));
    let features = draw_features(problem, knobs, round);
    let gradients = objective.gradients(&rows.value, fitted);
    let soil = Soil {
        columns: &problem.columns,
        features: &features,
        rows,
        gradients: &gradients,
        rows_min: knobs.leaf_rows_min,
        subjects: problem.subjects,
        subjects_min: knobs.leaf_subjects_min,
        leaves_max: knobs.leaves_max,
    };
    let (mut tree, ranges) = grow(&soil, &mut members);
    for range in ranges {
        let full = objective.steps(&rows.value, fitted, &members[range.clone()]);
        let limit = knobs.leaf_step_max;
        let leaf = full.map(|step| step.clamp(-limit, limit) * knobs.learning_rate);
        tree.rows.push(u32::try_from(range.len()).unwrap_or(u32::MAX));
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

fn step(lanes: &mut Lanes, leaf: &Lanes) {
    for (lane, step) in lanes.iter_mut().zip(leaf) {
        *lane += step;
    }
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

/// A lane that gains less than this share of its loss is done: more trees would fit noise.
const IMPROVEMENT_MIN: f64 = 1e-4;

/// What a pseudo-random choice is about.
const SUBJECT_DRAW: u64 = 1;
const FEATURE_DRAW: u64 = 2;
