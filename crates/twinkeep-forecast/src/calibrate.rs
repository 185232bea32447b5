//! Split conformal calibration: shifts quantiles until they cover what they promise.
//!
//! On subjects that the trees did not learn from, each quantile is moved by the same quantile of
//! its errors, with the finite-sample correction of conformal prediction: rank p(n + 1). Between two
//! ranks it is interpolated: rounded outward, as a promise of "at least" would need, buckets of some
//! hundred values would cover up to half a percent too much. Done per horizon bucket where there are
//! enough values, else over all horizons.
//!
//! A model that had teachers knows what came true for the people of its training split no better
//! than for others, so these count, too: the tuning split alone places the ends of an interval to
//! a percent only.
//!
//! The 95 % interval reaches farther from the median than the outermost quantiles by a factor,
//! which is placed in the same way, so it is wide where they are.

use twinkeep_domain::{OUTER, QUANTILES};

use crate::boost::at_place;
use crate::target::{MEDIAN, Quantiles, reaches};

#[cfg(test)]
mod tests;

/// Forecast quantiles with what was then observed, and the horizon bucket.
pub(crate) struct Outcome {
    pub(crate) bucket: usize,
    pub(crate) quantiles: Quantiles,
    pub(crate) value: f32,
}

/// Returns the shift of each quantile for each bucket.
pub(crate) fn shifts(
    outcomes: &[Outcome],
    bucket_count: usize,
    bucket_values_min: usize,
) -> Vec<Quantiles> {
    by_bucket(outcomes, bucket_count, bucket_values_min, [0.0; QUANTILES.len()], shift_of)
}

/// Returns how much farther the 95 % interval reaches for each bucket, in distances of the
/// outermost quantiles from the median. The quantiles of the outcomes are shifted already.
pub(crate) fn stretches(
    outcomes: &[Outcome],
    bucket_count: usize,
    bucket_values_min: usize,
    reach_min: f32,
) -> Vec<[f32; 2]> {
    let of = |outcomes: &[&Outcome]| stretch_of(outcomes, reach_min);
    by_bucket(outcomes, bucket_count, bucket_values_min, [NORMAL_STRETCH; 2], of)
}

/// Asks `of` about each bucket, or about all outcomes where a bucket has too few values.
fn by_bucket<T: Copy>(
    outcomes: &[Outcome],
    bucket_count: usize,
    bucket_values_min: usize,
    unknown: T,
    of: impl Fn(&[&Outcome]) -> T,
) -> Vec<T> {
    let all: Vec<&Outcome> = outcomes.iter().collect();
    let pooled = if all.len() < VALUES_MIN { unknown } else { of(&all) };
    let of_bucket = |bucket| {
        let part: Vec<&Outcome> =
            outcomes.iter().filter(|outcome| outcome.bucket == bucket).collect();
        if part.len() < bucket_values_min.max(VALUES_MIN) { pooled } else { of(&part) }
    };
    (0..bucket_count).map(of_bucket).collect()
}

fn shift_of(outcomes: &[&Outcome]) -> Quantiles {
    std::array::from_fn(|lane| {
        let mut errors: Vec<f32> =
            outcomes.iter().map(|outcome| outcome.value - outcome.quantiles[lane]).collect();
        if lane == MEDIAN { 0.0 } else { conformal(&mut errors, QUANTILES[lane]) }
    })
}

fn stretch_of(outcomes: &[&Outcome], reach_min: f32) -> [f32; 2] {
    let beyond = |side: usize| -> Vec<f32> {
        let of = |outcome: &&Outcome| {
            let reach = reaches(&outcome.quantiles, reach_min)[side];
            let [first, .., last] = outcome.quantiles;
            if side == 0 { (first - outcome.value) / reach } else { (outcome.value - last) / reach }
        };
        outcomes.iter().map(of).collect()
    };
    let stretch = |side: usize, probability: f32| {
        conformal(&mut beyond(side), probability).clamp(0.0, STRETCH_MAX)
    };
    [stretch(0, 1.0 - OUTER[0]), stretch(1, OUTER[1])]
}

/// Returns the conformal quantile of errors: rank p(n + 1), interpolated.
pub(crate) fn conformal(errors: &mut [f32], probability: f32) -> f32 {
    let Some(last) = errors.len().checked_sub(1) else { return 0.0 };
    let rank = f64::from(probability) * (errors.len() + 1) as f64;
    at_place(errors, (rank - 1.0).clamp(0.0, last as f64))
}

/// Fewer values cannot place a 5 % quantile.
const VALUES_MIN: usize = 40;

/// By how much the 97.5 % quantile of a normal distribution lies beyond its 95 % quantile, in
/// distances of this from the mean: where there are too few values to place it.
const NORMAL_STRETCH: f32 = 0.1916;

/// Where the quantiles lie on the median, its distance to a value is many of theirs; no more than
/// this many, so that every number of a model is of a sane size.
pub(crate) const STRETCH_MAX: f32 = 1e6;
