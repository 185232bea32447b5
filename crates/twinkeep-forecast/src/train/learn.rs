//! One target: from its examples to its engine.

use std::collections::BTreeMap;

use super::{Material, private, select, strided, teachers};
use crate::boost::{CHOOSING_ESTIMATES, Column, Knobs, Problem, Rows, Values, cut_points};
use crate::examples::TargetExamples;
use crate::features::{FeatureLayout, OWN_COUNT};
use crate::forest::Forest;
use crate::target::{TREE_ANCHOR, TargetModel};
use crate::{TrainConfig, random};

/// Learns one target; `at` is its place among the pack's targets.
pub(super) fn target(material: &Material<'_>, at: usize, variable: usize) -> TargetModel {
    let train = &material.train.targets[at];
    let tuning = &material.tuning.targets[at];
    let mut target = TargetModel::empty(variable, material.pack.forecast().buckets_hours.len());
    if let Some(noise) = material.noise() {
        return private::target(material, at, target, noise);
    }
    target.typical = mean(train.value.iter().copied());
    if train.value.len() < ROWS_MIN || tuning.value.len() < ROWS_MIN {
        return target;
    }
    grow(material, at, &mut target);
    select::select(material, at, &mut target);
    target
}

/// Grows the trees of a target.
fn grow(material: &Material<'_>, at: usize, target: &mut TargetModel) {
    let config = material.config;
    let train = &material.train.targets[at];
    let tuning = &material.tuning.targets[at];
    let kept = thin(config, at, train);
    let kept_tuning = thin(config, at, tuning);
    let rest = |rows: &TargetExamples, row: usize| {
        let anchors = rows.anchors[rows.snapshot[row] as usize];
        rows.value[row] - TREE_ANCHOR.of(anchors, target.typical)
    };
    let scale = deviation(kept.iter().map(|&row| rest(train, row)));
    target.scale = if 0.0 < scale && scale.is_finite() { scale } else { 1.0 };
    let rows = |examples: &TargetExamples, kept: &[usize]| Rows {
        snapshot: kept.iter().map(|&row| examples.snapshot[row]).collect(),
        value: kept.iter().map(|&row| rest(examples, row) / target.scale).collect(),
    };
    let (own, own_tuning) = own_columns(config.bins_max, (train, &kept), (tuning, &kept_tuning));
    let problem = Problem {
        columns: material.train_columns.iter().chain(&own).collect(),
        rows: rows(train, &kept),
        subjects: &material.train.subjects,
        tuning_columns: material.tuning_columns.iter().chain(&own_tuning).collect(),
        tuning_rows: rows(tuning, &kept_tuning),
    };
    let mut snapshots = problem.rows.snapshot.clone();
    snapshots.dedup();
    let (knobs, shrinkage_rows) =
        knobs(config, at as u64, snapshots.len(), snapshots.len(), kept.len());
    let delta = material.pack.huber_delta(target.variable).map(|delta| delta / target.scale);
    let values = || Values::new(config.mean_weight, shrinkage_rows).with_huber(delta);
    let boosted =
        teachers::learn(&problem, values, CHOOSING_ESTIMATES, (&knobs, shrinkage_rows), config);
    target.start = boosted.start;
    target.forest = Forest::flatten(&boosted, &problem.columns);
    target.correlates = correlates(&FeatureLayout::new(material.pack), target.variable, &boosted);
}

/// Returns the knobs of a target, and how many rows are added to those of a leaf.
///
/// `informative` of the `snapshots` decide whether it is rare.
pub(super) fn knobs(
    config: &TrainConfig,
    at: u64,
    informative: usize,
    snapshots: usize,
    rows: usize,
) -> (Knobs, f32) {
    let rare = informative < config.rare_snapshots;
    let rows_a_snapshot = rows as f32 / snapshots.max(1) as f32;
    let leaf_snapshots_min =
        if rare { config.rare_leaf_snapshots_min } else { config.leaf_snapshots_min };
    let knobs = Knobs {
        seed: random::bits(config.seed, [TARGET_DRAW, at, 0]),
        rounds_max: config.rounds_max,
        patience_rounds: config.patience_rounds,
        learning_rate: if rare { config.rare_learning_rate } else { config.learning_rate },
        leaves_max: if rare { config.rare_leaves_max } else { config.leaves_max },
        leaf_rows_min: (leaf_snapshots_min * rows_a_snapshot)
            .max(config.leaf_subjects_min as f32)
            .max(1.0) as u32,
        leaf_subjects_min: config.leaf_subjects_min,
        leaf_step_max: config.leaf_step_max.unwrap_or(f32::INFINITY),
        feature_share: config.feature_share,
        subject_share: config.subject_share,
    };
    (knobs, config.leaf_shrinkage_snapshots * rows_a_snapshot)
}

/// Bins the target's own features and, last, the horizon of each kept row.
fn own_columns(
    bins_max: usize,
    (train, kept): (&TargetExamples, &[usize]),
    (tuning, kept_tuning): (&TargetExamples, &[usize]),
) -> (Vec<Column>, Vec<Column>) {
    let (mut own, mut own_tuning) = (Vec::new(), Vec::new());
    for at in 0..OWN_COUNT {
        let cuts = cut_points(strided(&train.own, at, OWN_COUNT), bins_max);
        own.push(Column::new(cuts.clone(), strided(&train.own, at, OWN_COUNT)));
        own_tuning.push(Column::new(cuts, strided(&tuning.own, at, OWN_COUNT)));
    }
    let horizons = |examples: &TargetExamples, kept: &[usize]| -> Vec<f32> {
        kept.iter().map(|&row| examples.horizon[row]).collect()
    };
    let (of_train, of_tuning) = (horizons(train, kept), horizons(tuning, kept_tuning));
    let cuts = cut_points(of_train.iter().copied(), bins_max);
    own.push(Column::new(cuts.clone(), of_train.into_iter()));
    own_tuning.push(Column::new(cuts, of_tuning.into_iter()));
    (own, own_tuning)
}

/// Keeps at most so many rows of each snapshot, drawn at random, in their old order.
pub(super) fn thin(config: &TrainConfig, at: usize, rows: &TargetExamples) -> Vec<usize> {
    let mut kept = Vec::new();
    let mut start = 0;
    for part in rows.snapshot.chunk_by(|one, other| one == other) {
        let mut drawn: Vec<(u64, usize)> = (start..start + part.len())
            .map(|row| (random::bits(config.seed, [ROW_DRAW, at as u64, row as u64]), row))
            .collect();
        start += part.len();
        drawn.sort_unstable();
        drawn.truncate(config.snapshot_rows_max);
        let from = kept.len();
        kept.extend(drawn.into_iter().map(|(_, row)| row));
        kept[from..].sort_unstable();
    }
    kept
}

/// Returns the other series variables that the trees gained most from, best first.
fn correlates(layout: &FeatureLayout, own: usize, boosted: &crate::boost::Boosted) -> Vec<usize> {
    let mut gains: BTreeMap<usize, f64> = BTreeMap::new();
    for node in boosted.trees.iter().flat_map(|tree| &tree.nodes) {
        let variable = layout.series_of(node.split.feature);
        if let Some(variable) = variable.filter(|&variable| variable != own) {
            *gains.entry(variable).or_default() += f64::from(node.split.gain);
        }
    }
    let mut gains: Vec<(usize, f64)> = gains.into_iter().collect();
    gains.sort_by(|one, other| other.1.total_cmp(&one.1));
    gains.into_iter().take(CORRELATE_COUNT_MAX).map(|(variable, _)| variable).collect()
}

pub(super) fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (mut sum, mut count) = (0.0_f64, 0_u64);
    for value in values {
        sum += f64::from(value);
        count += 1;
    }
    if count == 0 { 0.0 } else { (sum / count as f64) as f32 }
}

fn deviation(values: impl Iterator<Item = f32> + Clone) -> f32 {
    let middle = mean(values.clone());
    mean(values.map(|value| (value - middle) * (value - middle))).sqrt()
}

/// With fewer rows in either split nothing can be learned or checked.
const ROWS_MIN: usize = 20;

/// How many variables stand in for a target that was never seen.
pub(crate) const CORRELATE_COUNT_MAX: usize = 5;

/// What a pseudo-random choice is about.
const TARGET_DRAW: u64 = 3;
const ROW_DRAW: u64 = 4;
