//! What a leaf says: one step for each lane.

use twinkeep_domain::QUANTILES;

use super::{LANE_COUNT, Lanes, MEAN_LANE};

/// Returns the full step of a leaf from the residuals of its rows, before the learning rate.
///
/// The mean takes the Newton step Σr / (n + shrinkage); a quantile the exact quantile of its
/// residuals, shrunk by n / (n + shrinkage) likewise.
pub(crate) fn steps(residuals: &mut [Vec<f32>; LANE_COUNT], shrinkage_rows: f32) -> Lanes {
    let mut steps = [0.0; LANE_COUNT];
    let rows = residuals[MEAN_LANE].len();
    if rows == 0 {
        return steps;
    }
    let shrink = rows as f32 / (rows as f32 + shrinkage_rows);
    for (lane, probability) in QUANTILES.into_iter().enumerate() {
        steps[lane] = shrink * quantile(&mut residuals[lane], probability);
    }
    let sum: f64 = residuals[MEAN_LANE].iter().map(|&residual| f64::from(residual)).sum();
    steps[MEAN_LANE] = shrink * (sum / rows as f64) as f32;
    steps
}

/// Returns the quantile of some values, interpolated between the two nearest; reorders them.
pub(crate) fn quantile(values: &mut [f32], probability: f32) -> f32 {
    let Some(last) = values.len().checked_sub(1) else { return 0.0 };
    at_place(values, f64::from(probability) * last as f64)
}

/// Returns what would stand at a place, from 0 to that of the last value, if the values were in
/// order; between two it is interpolated. Reorders them.
pub(crate) fn at_place(values: &mut [f32], place: f64) -> f32 {
    let Some(last) = values.len().checked_sub(1) else { return 0.0 };
    let low = (place.floor() as usize).min(last);
    let (_, &mut at_low, above) = values.select_nth_unstable_by(low, f32::total_cmp);
    let share = (place - low as f64) as f32;
    let next = above.iter().copied().min_by(f32::total_cmp).unwrap_or(at_low);
    at_low + share * (next - at_low)
}
