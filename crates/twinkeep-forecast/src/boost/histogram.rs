//! Exact sums of gradients, by bin; and what a split of them is worth.
//!
//! Each objective has sums of its own, as small as they can be: a histogram is as fast as memory.
//! What they have in common is [`Additive`]: integers, so that no order of work changes a bit.

use twinkeep_domain::QUANTILES;

use super::LANE_COUNT;
use super::bins::Column;

/// Sums over some rows, in a form in which addition is exact.
pub(crate) trait Additive: Copy + Default {
    /// Returns the number of rows.
    fn rows(&self) -> u32;
    /// Adds the sums of other rows.
    fn add(&mut self, other: &Self);
    /// Takes away the sums of rows that were added before.
    fn subtract(&mut self, other: &Self);
}

/// The gradients of all rows of a round, and what a step of their own is worth to some of them.
pub(crate) trait Gradients {
    /// Sums of gradients.
    type Sums: Additive;
    /// Returns the sums of one row.
    fn row(&self, row: u32) -> Self::Sums;
    /// Returns how much the loss falls if the rows take the best step together.
    fn worth(&self, sums: &Self::Sums) -> f32;
}

/// Sums of the quantiles and the mean of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// For each quantile how many values lie below its estimate; last, the number of rows.
    pub(crate) counts: [u32; LANE_COUNT],
    /// Sum of the residuals of the mean, in fixed point.
    pub(crate) residual: i64,
}

impl Sums {
    /// Returns the sums of one row.
    pub(crate) fn of_row(below: u8, residual: i32) -> Self {
        let mut counts = [1; LANE_COUNT];
        for (lane, count) in counts.iter_mut().take(QUANTILES.len()).enumerate() {
            *count = u32::from((below >> lane) & 1);
        }
        Self { counts, residual: i64::from(residual) }
    }
}

impl Additive for Sums {
    #[inline]
    fn rows(&self) -> u32 {
        self.counts[LANE_COUNT - 1]
    }

    // Wrapping: 2^32 rows do not fit in memory, and checks would halve the speed.
    #[inline]
    fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.wrapping_add(*more);
        }
        self.residual = self.residual.wrapping_add(other.residual);
    }

    #[inline]
    fn subtract(&mut self, other: &Self) {
        for (count, less) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.wrapping_sub(*less);
        }
        self.residual = self.residual.wrapping_sub(other.residual);
    }
}

/// How much a set of rows would gain from a step of its own, over all lanes.
pub(crate) struct Gain {
    /// Weight of each quantile's squared gradient; 0 for the lane that counts rows.
    pub(crate) weights: [f32; LANE_COUNT],
    /// Weight of the squared residual sum.
    pub(crate) mean_weight: f32,
    /// Added to the number of rows.
    pub(crate) shrinkage_rows: f32,
}

impl Gain {
    /// Weighs the lanes: `mean_weight` for the mean, 1 for all quantiles together.
    ///
    /// Where an estimate is right, its gradient has variance p(1-p); dividing by it makes an
    /// unhelpful split worth the same in every lane.
    pub(crate) fn new(mean_weight: f32, residual_variance: f32, shrinkage_rows: f32) -> Self {
        let mut weights = [0.0; LANE_COUNT];
        for (weight, probability) in weights.iter_mut().zip(QUANTILES) {
            *weight = 1.0 / (QUANTILES.len() as f32 * probability * (1.0 - probability));
        }
        let mean_weight = mean_weight / residual_variance.max(f32::MIN_POSITIVE);
        Self { weights, mean_weight, shrinkage_rows }
    }

    /// Returns the sum over lanes of weight · G² / (n + shrinkage).
    #[inline]
    pub(crate) fn of(&self, sums: &Sums) -> f32 {
        let residual = sums.residual as f32 * FIXED_POINT_STEP;
        let mean = self.mean_weight * residual * residual;
        (self.squares(&sums.counts) + mean) / (sums.rows() as f32 + self.shrinkage_rows)
    }

    /// Returns the sum over quantiles of weight · G², from how many values lie below each
    /// estimate and, last, how many there are.
    #[inline]
    pub(crate) fn squares(&self, counts: &[u32; LANE_COUNT]) -> f32 {
        let rows = counts[LANE_COUNT - 1] as f32;
        let mut squares = [0.0_f32; LANE_COUNT];
        for lane in 0..LANE_COUNT {
            let gradient = counts[lane] as f32 - PROBABILITIES[lane] * rows;
            squares[lane] = self.weights[lane] * gradient * gradient;
        }
        let left = (squares[0] + squares[1]) + (squares[2] + squares[3]);
        let right = (squares[4] + squares[5]) + (squares[6] + squares[7]);
        left + right
    }
}

/// A way to split a leaf.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Split {
    /// Index into the columns.
    pub(crate) feature: usize,
    /// The last bin that goes left.
    pub(crate) bin: u8,
    /// Where missing values go.
    pub(crate) missing_left: bool,
    /// How much better the two leaves are than the one.
    pub(crate) gain: f32,
}

/// Returns the best split of a feature's histogram, if any leaves enough rows on both sides.
///
/// The first of equally good splits wins, so the result is the same everywhere.
pub(crate) fn best_split<S: Additive>(
    feature: usize,
    histogram: &[S],
    total: &S,
    worth: &impl Fn(&S) -> f32,
    rows_min: u32,
) -> Option<Split> {
    best_split_of(feature, (histogram, &|_, _| true), total, worth, rows_min)
}

/// As [`best_split`], of the splits alone that are permitted: by bin, and whether missing values go
/// left.
pub(crate) fn best_split_of<S: Additive>(
    feature: usize,
    (histogram, permitted): (&[S], &dyn Fn(usize, bool) -> bool),
    total: &S,
    worth: &impl Fn(&S) -> f32,
    rows_min: u32,
) -> Option<Split> {
    let (missing, values) = histogram.split_last()?;
    let before = worth(total);
    let mut best: Option<Split> = None;
    let mut left = S::default();
    // The last bin as a left side leaves nothing but missing values on the right: allowed.
    for (bin, sums) in values.iter().enumerate() {
        if sums.rows() == 0 {
            continue;
        }
        left.add(sums);
        for missing_left in [false, true] {
            if missing_left && missing.rows() == 0 {
                continue;
            }
            let mut low = left;
            if missing_left {
                low.add(missing);
            }
            let mut high = *total;
            high.subtract(&low);
            if low.rows() < rows_min || high.rows() < rows_min {
                continue;
            }
            let improvement = worth(&low) + worth(&high) - before;
            if best.is_none_or(|best| best.gain < improvement) && permitted(bin, missing_left) {
                let bin = u8::try_from(bin).unwrap_or(u8::MAX);
                best = Some(Split { feature, bin, missing_left, gain: improvement });
            }
        }
    }
    best
}

/// Adds the sums of snapshots into the histogram of one feature.
pub(crate) fn fill<S: Additive>(histogram: &mut [S], column: &Column, snapshots: &[(u32, S)]) {
    let bins = column.bins.as_slice();
    for (snapshot, sums) in snapshots {
        histogram[usize::from(bins[*snapshot as usize])].add(sums);
    }
}

/// Probabilities of the lanes; the last lane's is unused, its weight is 0.
const PROBABILITIES: [f32; LANE_COUNT] = {
    let mut probabilities = [0.0; LANE_COUNT];
    let mut lane = 0;
    while lane < QUANTILES.len() {
        probabilities[lane] = QUANTILES[lane];
        lane += 1;
    }
    probabilities
};

/// Residuals are kept to 1/65,536 of the target's spread: far below what a split can see.
pub(crate) const FIXED_POINT_STEP: f32 = 1.0 / 65_536.0;
