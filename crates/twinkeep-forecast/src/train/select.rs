//! What the tuning split decides: the reference, the shares of the trees, and the shifts.

use std::collections::BTreeMap;

use twinkeep_domain::{Basis, ForecastPoint, QUANTILES};

use super::Material;
use crate::boost::{huber, quantile};
use crate::calibrate::{Outcome, shifts, stretches};
use crate::examples::{Examples, TargetExamples};
use crate::features::OWN_COUNT;
use crate::target::{Anchor, Quantiles, TargetModel, bucket};

/// Fills in everything about a target that its trees do not say.
pub(super) fn select(material: &Material<'_>, at: usize, target: &mut TargetModel) {
    let tuning = &material.tuning.targets[at];
    let buckets = &material.pack.forecast().buckets_hours;
    let errors = |anchor: Anchor| -> f64 {
        (0..tuning.value.len())
            .map(|row| {
                f64::from(
                    (tuning.value[row] - anchor_of(tuning, row, anchor, target.typical)).abs(),
                )
            })
            .sum()
    };
    target.anchor =
        if errors(Anchor::Middle) < errors(Anchor::Last) { Anchor::Middle } else { Anchor::Last };
    // Under noise, nothing but noisy sums is taken from the training split.
    let known = match material.config.noise {
        None => &material.train.targets[at],
        Some(_) => tuning,
    };
    target.reference = reference(known, target, buckets, material.config.bucket_values_min);
    choose_shares(material, at, target);
    choose_hold(material, at, target);
    target.basis = match (target.tree_share.max(target.mean_tree_share), target.anchor) {
        (share, _) if 0.0 < share => Basis::Trees,
        (_, Anchor::Last) => Basis::CarryForward,
        (_, Anchor::Middle) => Basis::ExponentialMean,
    };
    calibrate(material, at, target);
}

/// Shifts the quantiles, and stretches the outermost.
fn calibrate(material: &Material<'_>, at: usize, target: &mut TargetModel) {
    let buckets = &material.pack.forecast().buckets_hours;
    let range = material.pack.variables()[target.variable].range;
    let judges = material.judges();
    let mut points: Vec<ForecastPoint> =
        judges.iter().flat_map(|split| points(split, at, target, buckets)).collect();
    let values: Vec<f32> =
        judges.iter().flat_map(|split| &split.targets[at].value).copied().collect();
    let outcomes = |points: &[ForecastPoint]| -> Vec<Outcome> {
        let outcome = |(point, &value): (&ForecastPoint, &f32)| Outcome {
            bucket: bucket(buckets, point.horizon_hours),
            quantiles: point.quantiles,
            value,
        };
        points.iter().zip(&values).map(outcome).collect()
    };
    let values_min = material.config.bucket_values_min;
    target.shift = shifts(&outcomes(&points), buckets.len(), values_min);
    for point in &mut points {
        target.finish(point, buckets, range);
    }
    let reach_min = target.reach_min();
    target.stretch = stretches(&outcomes(&points), buckets.len(), values_min, reach_min);
}

/// Chooses how much the trees count: in the median and quantiles, and in the mean.
fn choose_shares(material: &Material<'_>, at: usize, target: &mut TargetModel) {
    let tuning = &material.tuning.targets[at];
    let buckets = &material.pack.forecast().buckets_hours;
    let mut ends = Vec::new();
    for share in [0.0, 1.0] {
        (target.tree_share, target.mean_tree_share) = (share, share);
        ends.push(points(&material.tuning, at, target, buckets));
    }
    let subject = |row: usize| material.tuning.subjects[tuning.snapshot[row] as usize];
    let best = |of: fn(&ForecastPoint) -> f32, loss: &dyn Fn(f32) -> f64| -> f32 {
        let mut best = (0.0, 0.0);
        for share in SHARES {
            let gain = |row: usize| {
                let (reference, trees) = (of(&ends[0][row]), of(&ends[1][row]));
                let blend = share * trees + (1.0 - share) * reference;
                let of = |estimate: f32| loss(tuning.value[row] - estimate);
                (subject(row), of(reference) - of(blend))
            };
            let gains = (0..tuning.value.len()).map(gain);
            let certain = certain_gain(gains, material.config.gain_errors);
            if best.1 < certain {
                best = (share, certain);
            }
        }
        best.0
    };
    target.tree_share = best(ForecastPoint::median, &|error| f64::from(error.abs()));
    let delta = material.pack.huber_delta(target.variable).unwrap_or(f32::INFINITY);
    target.mean_tree_share = best(|point| point.mean, &|error| huber(error, delta));
}

/// Chooses how near to the last value the median must come to be it.
///
/// Weight, a coma scale, or the oxygen in the air of a ventilator is often written down again as it
/// was: then the median of what comes is the last value itself, and trees, whose steps are smooth,
/// come near it only.
fn choose_hold(material: &Material<'_>, at: usize, target: &mut TargetModel) {
    let tuning = &material.tuning.targets[at];
    let points = points(&material.tuning, at, target, &material.pack.forecast().buckets_hours);
    let last = |row: usize| tuning.anchors[tuning.snapshot[row] as usize][0];
    let same = (0..tuning.value.len()).filter(|&row| tuning.value[row] == last(row)).count();
    if (same as f32) < REPEATED_SHARE_MIN * tuning.value.len() as f32 {
        return;
    }
    let mut best = 0.0;
    for share in HOLDS {
        let hold = share * target.scale;
        let gain = |row: usize| {
            let (median, last) = (points[row].median(), last(row));
            let held = if (median - last).abs() <= hold { last } else { median };
            let error = |estimate: f32| f64::from((tuning.value[row] - estimate).abs());
            (material.tuning.subjects[tuning.snapshot[row] as usize], error(median) - error(held))
        };
        let gains = (0..points.len()).map(gain);
        let certain = certain_gain(gains, material.config.gain_errors);
        if best < certain {
            (best, target.hold) = (certain, hold);
        }
    }
}

/// Returns the sum of gains less some of its standard errors, where subjects, not rows, are the units.
///
/// The rows of a subject rise and fall together: for a target such as weight, a handful of
/// subjects make most of the error, and a gain in the sum alone may be luck.
pub(super) fn certain_gain(gains: impl Iterator<Item = (u32, f64)>, errors: f32) -> f64 {
    let mut by_subject: BTreeMap<u32, f64> = BTreeMap::new();
    for (subject, gain) in gains {
        *by_subject.entry(subject).or_default() += gain;
    }
    let count = by_subject.len().max(1) as f64;
    let sum: f64 = by_subject.values().sum();
    let squares: f64 = by_subject.values().map(|gain| (gain - sum / count).powi(2)).sum();
    sum - f64::from(errors) * squares.sqrt()
}

/// Returns the unfinished point of every tuning row.
pub(super) fn points(
    examples: &Examples,
    at: usize,
    target: &TargetModel,
    buckets: &[f32],
) -> Vec<ForecastPoint> {
    let rows = &examples.targets[at];
    let shared = examples.shared.len() / examples.subjects.len().max(1);
    let mut features = vec![f32::NAN; shared + OWN_COUNT];
    let mut points = Vec::with_capacity(rows.value.len());
    let mut start = 0;
    for part in rows.snapshot.chunk_by(|one, other| one == other) {
        let snapshot = part[0] as usize;
        features[..shared].copy_from_slice(&examples.shared[snapshot * shared..][..shared]);
        features[shared..].copy_from_slice(&rows.own[snapshot * OWN_COUNT..][..OWN_COUNT]);
        let horizons = &rows.horizon[start..start + part.len()];
        start += part.len();
        points.extend(target.raw(&features, rows.anchors[snapshot], horizons, buckets));
    }
    points
}

/// Returns the spread of the training values around the anchor, by bucket.
fn reference(
    train: &TargetExamples,
    target: &TargetModel,
    buckets: &[f32],
    bucket_values_min: usize,
) -> Vec<Quantiles> {
    let mut parts = vec![Vec::new(); buckets.len()];
    let mut all = Vec::with_capacity(train.value.len());
    for (row, &value) in train.value.iter().enumerate() {
        let error = value - anchor_of(train, row, target.anchor, target.typical);
        parts[bucket(buckets, train.horizon[row])].push(error);
        all.push(error);
    }
    let mut spread = |errors: &mut Vec<f32>| -> Quantiles {
        let errors = if errors.len() < bucket_values_min { &mut all } else { errors };
        let mut spread = QUANTILES.map(|probability| quantile(errors, probability));
        // The reference is the anchor itself; only its interval is learned.
        spread[QUANTILES.len() / 2] = 0.0;
        spread
    };
    parts.iter_mut().map(&mut spread).collect()
}

fn anchor_of(rows: &TargetExamples, row: usize, anchor: Anchor, typical: f32) -> f32 {
    anchor.of(rows.anchors[rows.snapshot[row] as usize], typical)
}

/// How near to the last value the median may be to be it, in spreads of the target: what is tried
/// besides not at all.
const HOLDS: [f32; 4] = [0.05, 0.1, 0.2, 0.3];

/// With fewer values that are the same as the last one, there is nothing to hold.
const REPEATED_SHARE_MIN: f32 = 0.1;

/// The shares of the trees that are tried besides none.
const SHARES: [f32; 4] = [0.25, 0.5, 0.75, 1.0];
