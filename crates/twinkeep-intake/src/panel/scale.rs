//! Puts every variable on one scale: robust units, with skewed variables on a logarithm first.
//!
//! Location and scale come from quantiles, so a share of poison below a quarter moves them little.

use serde::{Deserialize, Serialize};

/// How a value becomes a number of robust standard deviations.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Scale {
    /// Added before the logarithm, for a variable that is positive and skewed.
    log_offset: Option<f32>,
    center: f32,
    /// Robust standard deviations to the unit.
    factor: f32,
}

impl Scale {
    /// Learns from values; `None` if all of the middle is one value, so that nothing is strange.
    pub(super) fn learn(values: &mut [f32]) -> Option<Self> {
        values.sort_unstable_by(f32::total_cmp);
        let (low, middle, high) =
            (quantile(values, 0.05)?, quantile(values, 0.5)?, quantile(values, 0.95)?);
        let skewed = 0.0 <= *values.first()? && SKEW_MIN * (middle - low) < high - middle;
        let log_offset = (skewed && 0.0 < middle).then_some(middle * LOG_OFFSET_SHARE);
        let plain = Self { log_offset, center: 0.0, factor: 1.0 };
        // The transformation keeps the order, so quantiles stay quantiles.
        let at = |share| quantile(values, share).map(|value| plain.apply(value));
        let spread = ((at(0.75)? - at(0.25)?) / 1.349).max((at(0.95)? - at(0.05)?) / 3.29);
        (0.0 < spread && spread.is_finite()).then_some(Self {
            log_offset,
            center: at(0.5)?,
            factor: 1.0 / spread,
        })
    }

    /// Returns how many robust standard deviations `value` is from the middle, within bounds.
    pub(super) fn apply(&self, value: f32) -> f32 {
        let value = match self.log_offset {
            Some(offset) => (value.max(0.0) + offset).ln(),
            None => value,
        };
        ((value - self.center) * self.factor).clamp(-Z_MAX, Z_MAX)
    }
}

/// Returns the value below which `share` of sorted values lie.
pub(super) fn quantile(sorted: &[f32], share: f64) -> Option<f32> {
    let at = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(at).copied()
}

/// A longer upper than lower tail by this much is skewed: urine, creatinine, prices.
const SKEW_MIN: f32 = 1.8;

/// Keeps zeros and the smallest values from becoming outliers of the logarithm.
const LOG_OFFSET_SHARE: f32 = 0.1;

/// Farther than this is equally absurd; keeps sums finite.
const Z_MAX: f32 = 1e4;
