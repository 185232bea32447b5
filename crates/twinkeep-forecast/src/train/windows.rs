//! One window target: from its examples to its engine.
//!
//! What [`super::learn`] and [`super::select`] are for a value, in one file: the trees, then what
//! the tuning split decides: the reference, the shares of the trees, and the calibration.

use twinkeep_domain::{Basis, QUANTILES, WindowKind, WindowTarget};

use super::select::certain_gain;
use super::{Material, learn, strided, teachers};
use crate::boost::{
    CAUSE_COUNT_MAX, CHOOSING_CAUSES, CHOOSING_ESTIMATES, Column, Hazards, LANE_COUNT, Lanes,
    Objective, Problem, Rows, TotalScale, Totals, cut_points, log_loss, log_odds, pinball,
    quantile,
};
use crate::calibrate::{Outcome, shifts, stretches};
use crate::examples::{Examples, WindowExamples};
use crate::features::WINDOW_OWN_COUNT;
use crate::forest::Forest;
use crate::target::{Quantiles, REACH_SHARE_MIN};
use crate::window_model::{EventHead, TotalHead, WindowHead, WindowModel, power};

/// Learns one window target; `at` is its place among the pack's window targets.
pub(super) fn target(material: &Material<'_>, at: usize) -> WindowModel {
    let target = &material.pack.windows()[at];
    let (train, tuning) = (&material.train.windows[at], &material.tuning.windows[at]);
    let mut model = WindowModel::empty(target);
    // How often something happens is learned exactly, so under noise it is not learned at all.
    if material.noise().is_some() {
        return model;
    }
    let enough = |rows: &WindowExamples, least: usize| {
        let something = rows.value.iter().filter(|&&value| 0.0 < value).count();
        ROWS_MIN <= rows.value.len() && least <= something
    };
    if enough(train, HAPPENED_COUNT_MIN) && enough(tuning, TUNING_HAPPENED_COUNT_MIN) {
        match &target.kind {
            WindowKind::Event(plan) => {
                learn_event(material, at, 1 + plan.competing.len(), &mut model);
            }
            _ => learn_total(material, at, target, &mut model),
        }
    }
    model
}

fn learn_total(material: &Material<'_>, at: usize, target: &WindowTarget, model: &mut WindowModel) {
    let (train, tuning) = (&material.train.windows[at], &material.tuning.windows[at]);
    let scale = scale(&train.value, target);
    let bend = |rows: &WindowExamples| -> Vec<f32> {
        rows.value.iter().map(|&value| scale.bend(value)).collect()
    };
    let (bent, bent_tuning) = (bend(train), bend(tuning));
    let objective = |shrinkage| Totals::new(scale, material.config.mean_weight, shrinkage);
    grow(material, at, [bent.clone(), bent_tuning.clone()], objective, model);
    let references = [false, true].map(|carried| {
        let reference = reference(&bent, &train.before, &scale, carried);
        TotalHead { scale, carried, reference, shift: [0.0; QUANTILES.len()], stretch: [0.0; 2] }
    });
    let errors = references.each_ref().map(|head| {
        let error = |row: usize| {
            let bent = head.bent(&[0.0; LANE_COUNT], 0.0, before(tuning, row));
            f64::from((tuning.value[row] - scale.straighten(bent[QUANTILES.len() / 2])).abs())
        };
        (0..tuning.value.len()).map(error).sum::<f64>()
    });
    let [base, carried] = references;
    let mut head = if errors[1] < errors[0] { carried } else { base };
    choose_total(material, at, &bent_tuning, &mut head, model);
    model.basis = match (0.0 < model.tree_share.max(model.mean_tree_share), head.carried) {
        (true, _) => Basis::Trees,
        (false, true) => Basis::CarryForward,
        (false, false) => Basis::BaseRate,
    };
    model.head = WindowHead::Total(head);
}

/// Chooses the shares of the trees in the quantiles and in the mean, and calibrates.
fn choose_total(
    material: &Material<'_>,
    at: usize,
    bent: &[f32],
    head: &mut TotalHead,
    model: &mut WindowModel,
) {
    let rows = &material.tuning.windows[at];
    let lanes = fitted(&material.tuning, rows, model);
    let subject = |row: usize| material.tuning.subjects[rows.snapshot[row] as usize];
    let objective = Totals::new(head.scale, 0.0, 0.0);
    let pinballs = |row: usize, share: f32| -> f64 {
        let quantiles = head.bent(&lanes[row], share, before(rows, row));
        let losses = quantiles.iter().zip(QUANTILES);
        losses.map(|(quantile, p)| f64::from(pinball(bent[row] - quantile, p))).sum()
    };
    let deviance = |row: usize, share: f32| -> f64 {
        objective.deviance_of(rows.value[row], head.mean(&lanes[row], share, before(rows, row)))
    };
    let errors = material.config.gain_errors;
    model.tree_share = best_share(rows.value.len(), errors, subject, pinballs);
    model.mean_tree_share = best_share(rows.value.len(), errors, subject, deviance);
    let mut judged = Vec::new();
    for split in material.judges() {
        let rows = &split.windows[at];
        let known = rows.value.iter().map(|&value| head.scale.bend(value));
        let known = known.enumerate().map(|(row, value)| (before(rows, row), value));
        judged.extend(fitted(split, rows, model).into_iter().zip(known));
    }
    let outcomes = |head: &TotalHead| -> Vec<Outcome> {
        let outcome = |&(lanes, (before, value)): &(Lanes, (f32, f32))| Outcome {
            bucket: 0,
            quantiles: head.shifted(&lanes, model.tree_share, before),
            value,
        };
        judged.iter().map(outcome).collect()
    };
    let values_min = material.config.bucket_values_min;
    let found = shifts(&outcomes(head), 1, values_min);
    head.shift = found.into_iter().next().unwrap_or_default();
    let found = stretches(&outcomes(head), 1, values_min, REACH_SHARE_MIN);
    head.stretch = found.into_iter().next().unwrap_or_default();
}

fn learn_event(material: &Material<'_>, at: usize, cause_count: usize, model: &mut WindowModel) {
    let (train, tuning) = (&material.train.windows[at], &material.tuning.windows[at]);
    let labels = [train.value.clone(), tuning.value.clone()];
    let objective = |shrinkage| Hazards::new(cause_count, shrinkage).with_rows(&train.value);
    grow(material, at, labels, objective, model);
    let WindowHead::Event(head) = &mut model.head else { return };
    let WindowKind::Event(plan) = &material.pack.windows()[at].kind else { return };
    for (base, &end) in head.base.iter_mut().zip(&plan.horizons_hours) {
        let rows = train.value.iter().zip(&train.horizon).filter(|(_, horizon)| **horizon == end);
        *base = log_odds(&rows.map(|(&value, _)| value).collect::<Vec<_>>(), cause_count);
    }
    let interval = |rows: &WindowExamples, row: usize| {
        let end = rows.horizon[row];
        plan.horizons_hours.partition_point(|&other| other < end).min(plan.horizons_hours.len() - 1)
    };
    let head = head.clone();
    let lanes = fitted(&material.tuning, tuning, model);
    let subject = |row: usize| material.tuning.subjects[tuning.snapshot[row] as usize];
    let blend = |row: usize, share: f32| head.blend(&lanes[row], share, interval(tuning, row));
    let happened = tuning.value.iter().filter(|&&value| 0.0 < value).count();
    if TREES_HAPPENED_COUNT_MIN <= happened {
        let errors = material.config.gain_errors;
        model.tree_share = best_share(tuning.value.len(), errors, subject, |row, share| {
            log_loss(tuning.value[row], &blend(row, share), cause_count)
        });
    }
    model.basis = if 0.0 < model.tree_share { Basis::Trees } else { Basis::BaseRate };
    let (mut values, mut blended) = (Vec::new(), Vec::new());
    for split in material.judges() {
        let rows = &split.windows[at];
        values.extend_from_slice(&rows.value);
        let lanes = fitted(split, rows, model);
        let blend = |(row, lanes): (usize, &Lanes)| {
            head.blend(lanes, model.tree_share, interval(rows, row))
        };
        blended.extend(lanes.iter().enumerate().map(blend));
    }
    let mut head = head;
    calibrate(&mut head, &values, &blended, cause_count);
    model.head = WindowHead::Event(head);
}

/// Grows the trees of a window target.
fn grow<O: Objective>(
    material: &Material<'_>,
    at: usize,
    [values, tuning_values]: [Vec<f32>; 2],
    objective: impl Fn(f32) -> O,
    model: &mut WindowModel,
) {
    let config = material.config;
    let (train, tuning) = (&material.train.windows[at], &material.tuning.windows[at]);
    let (own, own_tuning) = own_columns(config.bins_max, train, tuning);
    let something = values.iter().filter(|&&value| 0.0 < value).count();
    let mut snapshots = train.snapshot.clone();
    snapshots.dedup();
    let problem = Problem {
        columns: material.train_columns.iter().chain(&own).collect(),
        rows: Rows { snapshot: train.snapshot.clone(), value: values },
        subjects: &material.train.subjects,
        tuning_columns: material.tuning_columns.iter().chain(&own_tuning).collect(),
        tuning_rows: Rows { snapshot: tuning.snapshot.clone(), value: tuning_values },
    };
    let place = (material.train.targets.len() + at) as u64;
    let rows = train.value.len();
    // What nothing happened to teaches little: it is what happened that can be rare.
    let informative = snapshots.len().min(something.saturating_mul(INFORMATIVE_FACTOR));
    let (mut knobs, shrinkage) = learn::knobs(config, place, informative, snapshots.len(), rows);
    let of_event = matches!(material.pack.windows()[at].kind, WindowKind::Event(_));
    if of_event {
        knobs.leaves_max = knobs.leaves_max.min(config.event_leaves_max);
        knobs.learning_rate = knobs.learning_rate.min(config.event_learning_rate);
        knobs.feature_share = knobs.feature_share.min(config.event_feature_share);
    }
    let choosing = if of_event { CHOOSING_CAUSES } else { CHOOSING_ESTIMATES };
    let knobs = (&knobs, shrinkage);
    let boosted = teachers::learn(&problem, || objective(shrinkage), choosing, knobs, config);
    model.start = boosted.start;
    model.forest = Forest::flatten(&boosted, &problem.columns);
}

/// Bins the target's own features and, last, the horizon of each row.
fn own_columns(
    bins_max: usize,
    train: &WindowExamples,
    tuning: &WindowExamples,
) -> (Vec<Column>, Vec<Column>) {
    let (mut own, mut own_tuning) = (Vec::new(), Vec::new());
    for at in 0..WINDOW_OWN_COUNT {
        let cuts = cut_points(strided(&train.own, at, WINDOW_OWN_COUNT), bins_max);
        own.push(Column::new(cuts.clone(), strided(&train.own, at, WINDOW_OWN_COUNT)));
        own_tuning.push(Column::new(cuts, strided(&tuning.own, at, WINDOW_OWN_COUNT)));
    }
    let cuts = cut_points(train.horizon.iter().copied(), bins_max);
    own.push(Column::new(cuts.clone(), train.horizon.iter().copied()));
    own_tuning.push(Column::new(cuts, tuning.horizon.iter().copied()));
    (own, own_tuning)
}

/// Returns what the trees say of each row.
fn fitted(examples: &Examples, rows: &WindowExamples, model: &WindowModel) -> Vec<Lanes> {
    let shared = examples.shared.len() / examples.subjects.len().max(1);
    let mut features = vec![f32::NAN; shared + WINDOW_OWN_COUNT];
    let mut all = Vec::with_capacity(rows.value.len());
    let mut start = 0;
    for part in rows.snapshot.chunk_by(|one, other| one == other) {
        let snapshot = part[0] as usize;
        features[..shared].copy_from_slice(&examples.shared[snapshot * shared..][..shared]);
        let own = &rows.own[snapshot * WINDOW_OWN_COUNT..][..WINDOW_OWN_COUNT];
        features[shared..].copy_from_slice(own);
        let horizons = &rows.horizon[start..start + part.len()];
        start += part.len();
        let from = all.len();
        all.resize(from + horizons.len(), model.start);
        model.forest.add(&features, horizons, &mut all[from..]);
    }
    all
}

/// Returns the share of the trees with the largest certain gain over none.
fn best_share(
    row_count: usize,
    errors: f32,
    subject: impl Fn(usize) -> u32,
    loss: impl Fn(usize, f32) -> f64,
) -> f32 {
    let mut best = (0.0, 0.0);
    for share in [0.25, 0.5, 0.75, 1.0] {
        let gain = |row| (subject(row), loss(row, 0.0) - loss(row, share));
        let certain = certain_gain((0..row_count).map(gain), errors);
        if best.1 < certain {
            best = (share, certain);
        }
    }
    best.0
}

/// Returns how the totals of a target are bent.
fn scale(values: &[f32], target: &WindowTarget) -> TotalScale {
    let count = values.len().max(1) as f64;
    let mean = (values.iter().copied().map(f64::from).sum::<f64>() / count) as f32;
    let mut some: Vec<f32> = values.iter().copied().filter(|&value| 0.0 < value).collect();
    // A count is bent from its first step on; a sum about where the lower amounts lie.
    let unit = if matches!(target.kind, WindowKind::Sum) { quantile(&mut some, 0.25) } else { 1.0 };
    TotalScale { unit: unit.max(UNIT_MIN), mean: mean.max(UNIT_MIN), power: power(&target.kind) }
}

/// Returns the bent quantiles of everybody, or of the distance from the window before.
fn reference(bent: &[f32], before: &[f32], scale: &TotalScale, carried: bool) -> Quantiles {
    let mut values: Vec<f32> = bent.to_vec();
    if carried {
        for (value, &before) in values.iter_mut().zip(before) {
            *value -= scale.bend(before);
        }
    }
    let mut spread = QUANTILES.map(|probability| quantile(&mut values, probability));
    if carried {
        // The reference is the window before itself; only its interval is learned.
        spread[QUANTILES.len() / 2] = 0.0;
        spread.sort_by(f32::total_cmp);
    }
    spread
}

fn before(rows: &WindowExamples, row: usize) -> f32 {
    rows.before[rows.snapshot[row] as usize]
}

/// Fits Platt's correction of each cause, against "nothing happened".
///
/// In a model of several causes, the odds of one against nothing are those of the rows in which
/// one of the two came about, so each cause is calibrated by itself.
fn calibrate(head: &mut EventHead, values: &[f32], lanes: &[Lanes], cause_count: usize) {
    for cause in 0..cause_count.min(CAUSE_COUNT_MAX) {
        let wanted = (cause + 1) as f32;
        let rows: Vec<(f64, bool)> = values
            .iter()
            .zip(lanes)
            .filter(|(value, _)| **value == 0.0 || **value == wanted)
            .map(|(value, lanes)| (f64::from(lanes[cause]), 0.0 < *value))
            .collect();
        if TUNING_HAPPENED_COUNT_MIN <= rows.iter().filter(|row| row.1).count() {
            let [slope, intercept] = platt(&rows);
            (head.slope[cause], head.intercept[cause]) = (slope as f32, intercept as f32);
        }
    }
}

/// Returns slope and intercept of a logistic regression on log odds, drawn a little to 1 and 0.
pub(super) fn platt(rows: &[(f64, bool)]) -> [f64; 2] {
    let [mut slope, mut intercept] = [1.0, 0.0];
    for _ in 0..PLATT_STEPS {
        let mut gradient = [PLATT_PRIOR * (1.0 - slope), -PLATT_PRIOR * intercept];
        let mut hessian = [PLATT_PRIOR, 0.0, PLATT_PRIOR];
        for &(odds, happened) in rows {
            let probability = 1.0 / (1.0 + (-(slope * odds + intercept)).exp());
            let rest = f64::from(u8::from(happened)) - probability;
            let weight = probability * (1.0 - probability);
            gradient[0] += rest * odds;
            gradient[1] += rest;
            hessian[0] += weight * odds * odds;
            hessian[1] += weight * odds;
            hessian[2] += weight;
        }
        let determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1];
        let steps = [
            (hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant,
            (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant,
        ];
        let limited = steps.map(|step: f64| step.clamp(-1.0, 1.0));
        slope = (slope + limited[0]).clamp(0.0, PLATT_SLOPE_MAX);
        intercept = (intercept + limited[1]).clamp(-PLATT_INTERCEPT_MAX, PLATT_INTERCEPT_MAX);
    }
    if slope.is_finite() && intercept.is_finite() { [slope, intercept] } else { [1.0, 0.0] }
}

/// With fewer rows in either split nothing can be learned or checked.
const ROWS_MIN: usize = 20;

/// With fewer rows in which something happened, the training split cannot say to whom it does.
const HAPPENED_COUNT_MIN: usize = 30;

/// As above, of the tuning split, which checks two numbers a cause.
const TUNING_HAPPENED_COUNT_MIN: usize = 10;

/// With fewer events, the tuning split cannot tell trees from luck: it stopped them, too. On 293
/// made-up patients, trees that so few had chosen were worse than the base rate.
const TREES_HAPPENED_COUNT_MIN: usize = 100;

/// An event in this many snapshots teaches about as much as a value in each.
const INFORMATIVE_FACTOR: usize = 4;

/// No amount is smaller than this share of a unit.
const UNIT_MIN: f32 = 1e-3;

/// Newton's method doubles the right digits in each step; it starts near the answer.
const PLATT_STEPS: usize = 30;

/// Worth this many rows at the middle: a few events must not turn the odds around.
const PLATT_PRIOR: f64 = 1.0;

/// Trees that are this much too timid, or off by this much, are not mended by two numbers.
const PLATT_SLOPE_MAX: f64 = 5.0;
const PLATT_INTERCEPT_MAX: f64 = 10.0;
