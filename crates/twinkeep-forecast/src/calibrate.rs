//! Split conformal calibration: shifts quantiles until they cover what they promise.
//!
//! On subjects that the trees did not learn from, each quantile is moved by the same quantile of
//! its errors, with the finite-sample correction of conformal prediction (outward, by at most one
//! rank). Done per horizon bucket where there are enough values, else over all horizons.

use twinkeep_domain::QUANTILES;

use crate::target::Quantiles;

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
    let all: Vec<&Outcome> = outcomes.iter().collect();
    let pooled = if all.len() < VALUES_MIN { [0.0; QUANTILES.len()] } else { shift_of(&all) };
    let of_bucket = |bucket| {
        let part: Vec<&Outcome> =
            outcomes.iter().filter(|outcome| outcome.bucket == bucket).collect();
        if part.len() < bucket_values_min.max(VALUES_MIN) { pooled } else { shift_of(&part) }
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

/// Returns the conformal quantile of errors: rank p(n+1), rounded away from the middle.
pub(crate) fn conformal(errors: &mut [f32], probability: f32) -> f32 {
    let Some(last) = errors.len().checked_sub(1) else { return 0.0 };
    let rank = f64::from(probability) * (errors.len() + 1) as f64;
    let rank = if probability < 0.5 { rank.floor() } else { rank.ceil() };
    let at = (rank as usize).saturating_sub(1).min(last);
    *errors.select_nth_unstable_by(at, f32::total_cmp).1
}

/// The median is learned, not shifted: it promises no coverage, and a shift costs accuracy.
const MEDIAN: usize = QUANTILES.len() / 2;

/// Fewer values cannot place a 5 % quantile.
const VALUES_MIN: usize = 40;
