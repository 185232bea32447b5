//! A forecast's quantiles as a curve: from scores to values, and back.
//!
//! Between two quantiles the value moves in proportion to the score, which is exact where the
//! forecast is a normal distribution. Beyond the outermost quantiles it goes on as it went between
//! the last two, up to the range of the variable.
//!
//! # Invariants
//!
//! - The curve never falls, and passes through every quantile.
//! - A value that many scores have (a count, a limit of the scale) has a range of scores.

use twinkeep_domain::{ForecastPoint, Range};

use crate::normal::{KNOTS, density};

/// The curve of one forecast at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Curve {
    quantiles: [f32; KNOTS.len()],
    range: Range,
}

/// Where a value lies: the mean score of all that have it, and their variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Placed {
    pub(crate) score: f32,
    pub(crate) variance: f32,
}

/// How many numbers describe a curve for [`Curve::value`]'s fast form.
pub(crate) const BEND_COUNT: usize = KNOTS.len() + 2;

impl Curve {
    /// Takes the quantiles of a forecast, and the ends of its 95 % interval.
    pub(crate) fn of(point: &ForecastPoint, range: Range) -> Self {
        let [q05, q10, q25, q50, q75, q90, q95] = point.quantiles;
        let [low, high] = [point.outer[0].min(q05), point.outer[1].max(q95)];
        Self::new([low, q05, q10, q25, q50, q75, q90, q95, high], range)
    }

    /// Takes quantiles that do not decrease.
    fn new(quantiles: [f32; KNOTS.len()], range: Range) -> Self {
        Self { quantiles, range }
    }

    /// Returns the curve as value at score 0 of its first line, that line's slope, and how much
    /// the slope changes at each knot: a sum that a processor computes for many scores at once.
    pub(crate) fn bends(&self) -> [f32; BEND_COUNT] {
        let first = self.slope(0);
        let mut bends = [0.0; BEND_COUNT];
        bends[0] = self.quantiles[0] - first * KNOTS[0];
        bends[1] = first;
        let mut before = first;
        for at in 0..KNOTS.len() {
            let after = self.slope(at.min(KNOTS.len() - 2));
            bends[2 + at] = after - before;
            before = after;
        }
        bends
    }

    /// Returns the slope between a knot and the next.
    fn slope(&self, at: usize) -> f32 {
        (self.quantiles[at + 1] - self.quantiles[at]) / (KNOTS[at + 1] - KNOTS[at])
    }

    /// Returns where a value lies on the curve.
    pub(crate) fn place(&self, value: f32) -> Placed {
        let last = KNOTS.len() - 1;
        let first_above = self.quantiles.partition_point(|&quantile| quantile < value);
        let first_beyond = self.quantiles.partition_point(|&quantile| quantile <= value);
        if first_above == KNOTS.len() {
            let slope = self.slope(last - 1);
            return exactly(KNOTS[last] + (value - self.quantiles[last]) / slope);
        }
        if first_beyond == 0 {
            let slope = self.slope(0);
            return exactly(KNOTS[0] - (self.quantiles[0] - value) / slope);
        }
        if first_above == first_beyond {
            let below = first_above - 1;
            let slope = self.slope(below);
            return exactly(KNOTS[below] + (value - self.quantiles[below]) / slope);
        }
        // Several scores have this value: from one knot to another, or to the end of the scale.
        let flat_low = first_above == 0 && self.slope(0) == 0.0 || value <= self.range.low;
        let flat_high =
            first_beyond == KNOTS.len() && self.slope(last - 1) == 0.0 || self.range.high <= value;
        let low = if flat_low { -SCORE_MAX } else { KNOTS[first_above] };
        let high = if flat_high { SCORE_MAX } else { KNOTS[first_beyond - 1] };
        between(f64::from(low), f64::from(high))
    }
}

/// Returns the mean and the variance of the scores between two, of a normal distribution.
pub(crate) fn between(low: f64, high: f64) -> Placed {
    let (low, high) = (low.max(-FAR), high.min(FAR));
    let share = share_between(low, high);
    if high - low < 1e-3 || share < 1e-6 {
        return exactly(0.5 * (low + high) as f32);
    }
    let (at_low, at_high) = (density(low), density(high));
    let mean = (at_low - at_high) / share;
    let variance = 1.0 + (low * at_low - high * at_high) / share - mean * mean;
    Placed { score: mean as f32, variance: variance.clamp(0.0, 1.0) as f32 }
}

/// Returns the probability between two scores, by Simpson's rule: the width is at most a few.
fn share_between(low: f64, high: f64) -> f64 {
    let step = (high - low) / f64::from(SIMPSON_STEPS);
    let inner = (1..SIMPSON_STEPS).map(|at| {
        let weight = if at % 2 == 1 { 4.0 } else { 2.0 };
        weight * density(low + f64::from(at) * step)
    });
    (density(low) + density(high) + inner.sum::<f64>()) * step / 3.0
}

fn exactly(score: f32) -> Placed {
    let score = if score.is_nan() { 0.0 } else { score.clamp(-SCORE_MAX, SCORE_MAX) };
    Placed { score, variance: 0.0 }
}

/// One in 740 of the values of a normal distribution lies further out; a score beyond it says that
/// the forecast was wrong, not how values hang together.
const SCORE_MAX: f32 = 3.0;

/// Nothing lies beyond it.
const FAR: f64 = 8.0;

/// Enough for five digits over sixteen deviations.
const SIMPSON_STEPS: u32 = 64;

#[cfg(test)]
mod tests {
    use twinkeep_domain::Range;

    use super::{Curve, between};
    use crate::normal::KNOTS;

    const RANGE: Range = Range { low: 0.0, high: 100.0 };

    #[test]
    fn a_normal_forecast_gives_back_every_score() {
        let curve = Curve::new(KNOTS.map(|score| 50.0 + 4.0 * score), RANGE);
        for score in [-2.9, -1.7, -0.3, 0.0, 0.5, 1.3, 2.5_f32] {
            let placed = curve.place(50.0 + 4.0 * score);
            assert!((placed.score - score).abs() < 1e-4, "{score}: {placed:?}");
            assert_eq!(placed.variance, 0.0);
        }
        assert_eq!(curve.place(0.0).score, -3.0);
    }

    #[test]
    fn a_value_of_many_scores_lies_in_their_middle() {
        let curve = Curve::new(
            [2.5, 3.0, 14.0, 15.0, 15.0, 15.0, 15.0, 15.0, 15.0],
            Range { low: 2.0, high: 15.0 },
        );
        let top = curve.place(15.0);
        assert!(0.3 < top.score && top.score < 0.6, "{top:?}");
        assert!(0.3 < top.variance && top.variance < 0.7, "{top:?}");
        let flat = Curve::new([7.0; 9], RANGE);
        let all = flat.place(7.0);
        assert!(all.score.abs() < 1e-6 && 0.9 < all.variance, "{all:?}");
        assert_eq!(flat.place(8.0).score, 3.0);
        assert_eq!(flat.place(6.0).score, -3.0);
    }

    #[test]
    fn the_mean_of_scores_is_that_of_the_tables() {
        // Above the median the mean is the square root of 2 / pi.
        let upper = between(0.0, 8.0);
        assert!((upper.score - 0.797_884_6).abs() < 1e-4, "{upper:?}");
        assert!((upper.variance - 0.363_380_2).abs() < 1e-4, "{upper:?}");
    }
}
