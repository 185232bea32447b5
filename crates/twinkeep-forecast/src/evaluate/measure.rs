//! Running sums over observed values and what was forecast of them, and the figures they give.

use twinkeep_domain::{ForecastPoint, QUANTILES};

use crate::boost::pinball;

/// Sums over some values; sums of parts can be put together.
#[derive(Clone, Debug, Default)]
pub(super) struct Measure {
    /// Values that were forecast.
    pub(super) count: u64,
    /// Values for which the forecaster answered "not enough history".
    pub(super) refused: u64,
    /// Values that were forecast although none was seen before.
    pub(super) unseen: u64,
    absolute: f64,
    squared: f64,
    carried_absolute: f64,
    carried_squared: f64,
    inside: [u64; INTERVAL_COUNT],
    widths: [f64; INTERVAL_COUNT],
    losses: [f64; QUANTILES.len()],
    not_above: [u64; QUANTILES.len()],
}

impl Measure {
    pub(super) fn refuse(&mut self) {
        self.refused += 1;
    }

    pub(super) fn add(&mut self, point: &ForecastPoint, value: f32, carried: f32, unseen: bool) {
        self.count += 1;
        self.unseen += u64::from(unseen);
        self.absolute += f64::from((value - point.median()).abs());
        self.squared += f64::from(value - point.mean).powi(2);
        self.carried_absolute += f64::from((value - carried).abs());
        self.carried_squared += f64::from(value - carried).powi(2);
        for (at, [low, high]) in intervals(point).into_iter().enumerate() {
            self.inside[at] += u64::from(low <= value && value <= high);
            self.widths[at] += f64::from(high - low);
        }
        for (at, (quantile, probability)) in point.quantiles.iter().zip(QUANTILES).enumerate() {
            self.losses[at] += f64::from(pinball(value - quantile, probability));
            self.not_above[at] += u64::from(value <= *quantile);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.refused += other.refused;
        self.unseen += other.unseen;
        self.absolute += other.absolute;
        self.squared += other.squared;
        self.carried_absolute += other.carried_absolute;
        self.carried_squared += other.carried_squared;
        for at in 0..INTERVAL_COUNT {
            self.inside[at] += other.inside[at];
            self.widths[at] += other.widths[at];
        }
        for at in 0..QUANTILES.len() {
            self.losses[at] += other.losses[at];
            self.not_above[at] += other.not_above[at];
        }
    }

    pub(super) fn mae(&self) -> Option<f64> {
        self.mean(self.absolute)
    }

    pub(super) fn rmse(&self) -> Option<f64> {
        self.mean(self.squared).map(f64::sqrt)
    }

    pub(super) fn carry_forward_mae(&self) -> Option<f64> {
        self.mean(self.carried_absolute)
    }

    pub(super) fn carry_forward_rmse(&self) -> Option<f64> {
        self.mean(self.carried_squared).map(f64::sqrt)
    }

    /// `None` where carry-forward is never wrong: nothing can be divided by its error.
    pub(super) fn mase(&self) -> Option<f64> {
        (0.0 < self.carried_absolute).then(|| self.absolute / self.carried_absolute)
    }

    /// Returns the share of the values inside an interval: 0 is 50 %, 1 is 80 %,
    /// 2 is 90 %, 3 is 95 %.
    pub(super) fn coverage(&self, interval: usize) -> Option<f64> {
        self.mean(self.inside[interval] as f64)
    }

    pub(super) fn width(&self, interval: usize) -> Option<f64> {
        self.mean(self.widths[interval])
    }

    pub(super) fn pinball(&self) -> Option<f64> {
        self.mean(self.losses.iter().sum::<f64>() / QUANTILES.len() as f64)
    }

    /// CRPS = 2 ∫ pinball_p dp over all probabilities p. Each p takes the loss of the nearest
    /// quantile that there is.
    pub(super) fn crps(&self) -> Option<f64> {
        let sum: f64 = self.losses.iter().zip(crps_weights()).map(|(loss, w)| 2.0 * w * loss).sum();
        self.mean(sum)
    }

    /// Returns, for each quantile, the share of the values that are not above it.
    pub(super) fn calibration(&self) -> Vec<f64> {
        self.not_above.iter().filter_map(|&count| self.mean(count as f64)).collect()
    }

    fn mean(&self, sum: f64) -> Option<f64> {
        (0 < self.count).then(|| sum / self.count as f64)
    }
}

/// Returns, for each quantile, how long the range of probabilities is that is nearest to it.
fn crps_weights() -> [f64; QUANTILES.len()] {
    let between = |at: usize| match (at.checked_sub(1), QUANTILES.get(at)) {
        (Some(before), Some(after)) => f64::from(QUANTILES[before] + after) / 2.0,
        (None, _) => 0.0,
        (_, None) => 1.0,
    };
    std::array::from_fn(|at| between(at + 1) - between(at))
}

/// Returns the 50 %, 80 %, 90 %, and 95 % interval of a point.
pub(super) fn intervals(point: &ForecastPoint) -> [[f32; 2]; INTERVAL_COUNT] {
    let [q05, q10, q25, _, q75, q90, q95] = point.quantiles;
    [[q25, q75], [q10, q90], [q05, q95], point.outer]
}

const INTERVAL_COUNT: usize = 4;

#[cfg(test)]
mod tests {
    use super::crps_weights;

    #[test]
    fn the_weights_of_the_crps_are_the_ranges_around_the_quantiles() {
        let expected = [0.075, 0.1, 0.2, 0.25, 0.2, 0.1, 0.075];
        for (weight, expected) in crps_weights().into_iter().zip(expected) {
            assert!((weight - expected).abs() < 1e-6, "{weight} {expected}");
        }
    }
}
