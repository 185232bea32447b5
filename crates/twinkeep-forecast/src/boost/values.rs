//! The objective of a value: seven quantiles and the mean, each by the loss that it minimizes.
//!
//! The mean minimizes the squared error, or Huber's loss where the pack asks for it: beyond some
//! distance, an error counts linearly, so that a few faults of a sensor do not bend it.

use twinkeep_domain::QUANTILES;

use super::histogram::{FIXED_POINT_STEP, Gain, Gradients, Sums};
use super::leaf::{quantile, steps};
use super::rounds::Objective;
use super::{LANE_COUNT, Lanes, MEAN_LANE};

/// Pinball losses and the squared error, or Huber's loss.
pub(crate) struct Values {
    mean_weight: f32,
    shrinkage_rows: f32,
    /// Where Huber's loss becomes linear; infinite for the squared error.
    delta: f32,
    residuals: [Vec<f32>; LANE_COUNT],
}

/// For each row which estimates lie above its value, and the residual of the mean.
pub(crate) struct ValueGradients {
    below: Vec<u8>,
    residual: Vec<i32>,
    gain: Gain,
}

impl Values {
    /// `mean_weight` is the weight of the mean in the choice of splits, where all quantiles
    /// together weigh 1; `shrinkage_rows` is added to the rows of a leaf.
    pub(crate) fn new(mean_weight: f32, shrinkage_rows: f32) -> Self {
        let residuals = std::array::from_fn(|_| Vec::new());
        Self { mean_weight, shrinkage_rows, delta: f32::INFINITY, residuals }
    }

    /// Learns the mean with Huber's loss, which is linear beyond `delta`.
    pub(crate) fn with_huber(mut self, delta: Option<f32>) -> Self {
        self.delta = delta.unwrap_or(f32::INFINITY);
        self
    }

    /// Returns the step of the mean that Huber's loss asks for, from the residuals of some rows.
    ///
    /// A Newton step, but at least a quarter of the rows count as bending the loss: a leaf of
    /// outliers alone would ask for a step without end.
    fn huber_step(&self, residuals: &[f32], shrinkage_rows: f32) -> f32 {
        let clamped = residuals.iter().map(|rest| f64::from(rest.clamp(-self.delta, self.delta)));
        let inside = residuals.iter().filter(|rest| rest.abs() <= self.delta).count() as f64;
        let bent = inside.max(residuals.len() as f64 / 4.0) + f64::from(shrinkage_rows);
        if bent <= 0.0 { 0.0 } else { (clamped.sum::<f64>() / bent) as f32 }
    }
}

impl Gradients for ValueGradients {
    type Sums = Sums;

    #[inline]
    fn row(&self, row: u32) -> Sums {
        Sums::of_row(self.below[row as usize], self.residual[row as usize])
    }

    #[inline]
    fn worth(&self, sums: &Sums) -> f32 {
        self.gain.of(sums)
    }
}

impl Objective for Values {
    type Gradients = ValueGradients;

    fn start(&self, values: &[f32]) -> Lanes {
        let mut all: [Vec<f32>; LANE_COUNT] = std::array::from_fn(|_| values.to_vec());
        let mut start = steps(&mut all, 0.0);
        if self.delta.is_finite() {
            // From the median, a few steps are enough.
            start[MEAN_LANE] = start[MEDIAN];
            for _ in 0..HUBER_STEPS {
                let rest: Vec<f32> = values.iter().map(|value| value - start[MEAN_LANE]).collect();
                start[MEAN_LANE] += self.huber_step(&rest, 0.0);
            }
        }
        start
    }

    fn gradients(&self, values: &[f32], fitted: &[Lanes]) -> ValueGradients {
        let below = values.iter().zip(fitted).map(|(&value, lanes)| below(value, lanes)).collect();
        let mut residual = Vec::with_capacity(values.len());
        let mut squares = 0.0_f64;
        let limit = self.delta.min(RESIDUAL_MAX);
        for (&value, lanes) in values.iter().zip(fitted) {
            let rest = (value - lanes[MEAN_LANE]).clamp(-limit, limit);
            residual.push((rest / FIXED_POINT_STEP) as i32);
            squares += f64::from(rest * rest);
        }
        let variance = (squares / values.len().max(1) as f64) as f32;
        let gain = Gain::new(self.mean_weight, variance, self.shrinkage_rows);
        ValueGradients { below, residual, gain }
    }

    fn steps(&mut self, values: &[f32], fitted: &[Lanes], members: &[u32]) -> Lanes {
        for (lane, residuals) in self.residuals.iter_mut().enumerate() {
            let of = |&row: &u32| values[row as usize] - fitted[row as usize][lane];
            residuals.clear();
            residuals.extend(members.iter().map(of));
        }
        let mut steps = steps(&mut self.residuals, self.shrinkage_rows);
        if self.delta.is_finite() {
            steps[MEAN_LANE] = self.huber_step(&self.residuals[MEAN_LANE], self.shrinkage_rows);
        }
        steps
    }

    fn losses(&self, values: &[f32], fitted: &[Lanes]) -> [f64; LANE_COUNT] {
        let mut sums = pinball_losses(values, fitted);
        for (&value, lanes) in values.iter().zip(fitted) {
            let rest = value - lanes[MEAN_LANE];
            sums[MEAN_LANE] += huber(rest, self.delta);
        }
        sums
    }
}

/// Returns one bit a quantile: whether the value lies below its estimate.
pub(super) fn below(value: f32, lanes: &Lanes) -> u8 {
    let bits = (0..QUANTILES.len()).map(|lane| u8::from(value < lanes[lane]) << lane);
    bits.fold(0, |all, bit| all | bit)
}

/// Returns the pinball loss of each quantile; 0 for the mean.
pub(super) fn pinball_losses(values: &[f32], fitted: &[Lanes]) -> [f64; LANE_COUNT] {
    let mut sums = [0.0_f64; LANE_COUNT];
    for (&value, lanes) in values.iter().zip(fitted) {
        for (lane, probability) in QUANTILES.into_iter().enumerate() {
            sums[lane] += f64::from(pinball(value - lanes[lane], probability));
        }
    }
    sums
}

/// Returns Huber's loss of a residual, twice as it is mostly written: the square up to `delta`.
pub(crate) fn huber(residual: f32, delta: f32) -> f64 {
    let (rest, delta) = (f64::from(residual.abs()), f64::from(delta));
    if rest <= delta { rest * rest } else { delta * (2.0 * rest - delta) }
}

/// Returns the pinball loss of a residual.
pub(crate) fn pinball(residual: f32, probability: f32) -> f32 {
    if residual < 0.0 { (probability - 1.0) * residual } else { probability * residual }
}

/// Returns the steps of the quantiles alone: the exact quantile of the residuals, shrunk.
pub(super) fn quantile_steps(
    values: &[f32],
    fitted: &[Lanes],
    members: &[u32],
    shrinkage_rows: f32,
    residuals: &mut Vec<f32>,
) -> Lanes {
    let mut steps = [0.0; LANE_COUNT];
    let shrink = members.len() as f32 / (members.len() as f32 + shrinkage_rows).max(1.0);
    for (lane, probability) in QUANTILES.into_iter().enumerate() {
        residuals.clear();
        residuals
            .extend(members.iter().map(|&row| values[row as usize] - fitted[row as usize][lane]));
        steps[lane] = shrink * quantile(residuals, probability);
    }
    steps
}

const _: () = assert!(QUANTILES.len() <= 8, "one bit a quantile");

/// The median of the quantiles.
const MEDIAN: usize = QUANTILES.len() / 2;

/// Each step at least halves the distance to the best start.
const HUBER_STEPS: usize = 30;

/// Beyond this many spreads a value is an outlier: more would let one row choose the splits.
const RESIDUAL_MAX: f32 = 16.0;
