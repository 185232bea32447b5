//! The objective of a sum or a count: quantiles on a bent scale, and a mean that is never below 0.
//!
//! Sums are skewed and often 0: a few subjects spend a hundred times what the others do. Quantiles
//! do not mind a monotone change of scale, so their lanes learn `ln(1 + value / unit)`, where
//! zeros stay zeros and no large value drowns the rest. A mean does mind, so its lane is the
//! logarithm of the mean of the value itself, by the deviance of Tweedie's distributions: Poisson
//! (power 1) for counts, between Poisson and gamma (power 1.5) for sums, both at home with zeros.

use super::histogram::{Additive, Gain, Gradients};
use super::rounds::Objective;
use super::values::{below, pinball_losses, quantile_steps};
use super::{LANE_COUNT, Lanes, MEAN_LANE, leaf};

/// Pinball losses on the bent scale and a Tweedie deviance.
pub(crate) struct Totals {
    scale: TotalScale,
    mean_weight: f32,
    shrinkage_rows: f32,
    residuals: Vec<f32>,
}

/// How totals are bent for the quantiles, and how their mean is learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TotalScale {
    /// About this is where the bent scale turns from linear to logarithmic.
    pub(crate) unit: f32,
    /// The mean of all: the lane of the mean counts in it.
    pub(crate) mean: f32,
    /// Tweedie's power: 1 for counts, 1.5 for sums.
    pub(crate) power: f32,
}

impl TotalScale {
    /// Bends a total.
    pub(crate) fn bend(&self, value: f32) -> f32 {
        (value.max(0.0) / self.unit).ln_1p()
    }

    /// Returns the total of a bent one.
    pub(crate) fn straighten(&self, bent: f32) -> f32 {
        self.unit * bent.clamp(0.0, BENT_MAX).exp_m1()
    }

    /// Returns the mean that a lane stands for.
    pub(crate) fn mean_of(&self, lane: f32) -> f32 {
        self.mean * lane.clamp(-LOG_MEAN_MAX, LOG_MEAN_MAX).exp()
    }
}

/// Sums of the quantiles and the mean of a total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TotalSums {
    /// As of a value: how many lie below each estimate; last, the number of rows.
    counts: [u32; LANE_COUNT],
    gradient: i64,
    hessian: i64,
}

impl Additive for TotalSums {
    #[inline]
    fn rows(&self) -> u32 {
        self.counts[LANE_COUNT - 1]
    }

    #[inline]
    fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.wrapping_add(*more);
        }
        self.gradient = self.gradient.wrapping_add(other.gradient);
        self.hessian = self.hessian.wrapping_add(other.hessian);
    }

    #[inline]
    fn subtract(&mut self, other: &Self) {
        for (count, less) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.wrapping_sub(*less);
        }
        self.gradient = self.gradient.wrapping_sub(other.gradient);
        self.hessian = self.hessian.wrapping_sub(other.hessian);
    }
}

/// What each row asks for.
pub(crate) struct TotalGradients {
    below: Vec<u8>,
    /// Gradient and hessian of the mean, in fixed point.
    mean: Vec<[i32; 2]>,
    gain: Gain,
    mean_weight: f32,
}

impl Gradients for TotalGradients {
    type Sums = TotalSums;

    #[inline]
    fn row(&self, row: u32) -> TotalSums {
        let bits = self.below[row as usize];
        let mut counts = [1; LANE_COUNT];
        for (lane, count) in counts.iter_mut().take(MEAN_LANE).enumerate() {
            *count = u32::from((bits >> lane) & 1);
        }
        let [gradient, hessian] = self.mean[row as usize].map(i64::from);
        TotalSums { counts, gradient, hessian }
    }

    #[inline]
    fn worth(&self, sums: &TotalSums) -> f32 {
        let quantiles =
            self.gain.squares(&sums.counts) / (sums.rows() as f32 + self.gain.shrinkage_rows);
        let gradient = sums.gradient as f32 * STEP;
        let hessian = sums.hessian as f32 * STEP;
        quantiles
            + self.mean_weight * gradient * gradient / (hessian + self.gain.shrinkage_rows + TINY)
    }
}

impl Totals {
    /// The other arguments are those of [`super::Values::new`].
    pub(crate) fn new(scale: TotalScale, mean_weight: f32, shrinkage_rows: f32) -> Self {
        Self { scale, mean_weight, shrinkage_rows, residuals: Vec::new() }
    }

    /// Returns the deviance of a total from a mean; a mean of 0 counts as a thousandth of all's.
    pub(crate) fn deviance_of(&self, value: f32, mean: f32) -> f64 {
        let lane = (mean / self.scale.mean).max(MEAN_SHARE_MIN).ln();
        self.deviance(self.scale.bend(value), lane)
    }

    /// Returns what the deviance of a value needs: `y·μ^(1-p)` and `μ^(2-p)`, by the mean of all.
    fn parts(&self, bent: f32, lane: f32) -> [f64; 2] {
        let value = f64::from(self.scale.straighten(bent) / self.scale.mean);
        let (log, power) =
            (f64::from(lane.clamp(-LOG_MEAN_MAX, LOG_MEAN_MAX)), f64::from(self.scale.power));
        [value * ((1.0 - power) * log).exp(), ((2.0 - power) * log).exp()]
    }

    /// Returns the deviance of a value: 0 where it is the mean, and above elsewhere.
    fn deviance(&self, bent: f32, lane: f32) -> f64 {
        let value = f64::from(self.scale.straighten(bent) / self.scale.mean);
        let [observed, expected] = self.parts(bent, lane);
        let power = f64::from(self.scale.power);
        if power == 1.0 {
            let own = if 0.0 < value { value * value.ln() } else { 0.0 };
            let log = f64::from(lane.clamp(-LOG_MEAN_MAX, LOG_MEAN_MAX));
            return 2.0 * (own - value * log - value + expected);
        }
        let own = value.powf(2.0 - power) / ((1.0 - power) * (2.0 - power));
        2.0 * (own - observed / (1.0 - power) + expected / (2.0 - power))
    }
}

impl Objective for Totals {
    type Gradients = TotalGradients;

    fn start(&self, values: &[f32]) -> Lanes {
        let mut start = [0.0; LANE_COUNT];
        let mut all = values.to_vec();
        for (lane, probability) in twinkeep_domain::QUANTILES.into_iter().enumerate() {
            start[lane] = leaf::quantile(&mut all, probability);
        }
        start
    }

    fn gradients(&self, values: &[f32], fitted: &[Lanes]) -> TotalGradients {
        let mut mean = Vec::with_capacity(values.len());
        let (mut squares, mut hessians) = (0.0_f64, 0.0_f64);
        let fixed =
            |number: f64| (number.clamp(-DERIVATIVE_MAX, DERIVATIVE_MAX) / f64::from(STEP)) as i32;
        let power = f64::from(self.scale.power);
        for (&value, lanes) in values.iter().zip(fitted) {
            let [observed, expected] = self.parts(value, lanes[MEAN_LANE]);
            let gradient = observed - expected;
            let hessian = (power - 1.0) * observed + (2.0 - power) * expected;
            mean.push([fixed(gradient), fixed(hessian)]);
            squares += gradient * gradient;
            hessians += hessian;
        }
        // Dividing by the dispersion makes an unhelpful split worth the same in every lane.
        let dispersion = (squares / hessians.max(f64::MIN_POSITIVE)).max(f64::from(TINY)) as f32;
        let gain = Gain::new(0.0, 1.0, self.shrinkage_rows);
        let below = values.iter().zip(fitted).map(|(&value, lanes)| below(value, lanes)).collect();
        TotalGradients { below, mean, gain, mean_weight: self.mean_weight / dispersion }
    }

    fn steps(&mut self, values: &[f32], fitted: &[Lanes], members: &[u32]) -> Lanes {
        let mut steps =
            quantile_steps(values, fitted, members, self.shrinkage_rows, &mut self.residuals);
        // The best step has a closed form; the shrinkage stands for rows of which nothing is
        // to be learned.
        let shrinkage = f64::from(self.shrinkage_rows) + f64::from(TINY);
        let mut sums = [shrinkage; 2];
        for &row in members {
            let parts = self.parts(values[row as usize], fitted[row as usize][MEAN_LANE]);
            sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
        }
        let step = (sums[0] / sums[1]).ln() as f32;
        steps[MEAN_LANE] = step.clamp(-LOG_STEP_MAX, LOG_STEP_MAX);
        steps
    }

    fn losses(&self, values: &[f32], fitted: &[Lanes]) -> [f64; LANE_COUNT] {
        let mut sums = pinball_losses(values, fitted);
        for (&value, lanes) in values.iter().zip(fitted) {
            sums[MEAN_LANE] += self.deviance(value, lanes[MEAN_LANE]);
        }
        sums
    }
}

/// Derivatives are kept to 1/65,536 of the mean of all: far below what a split can see.
const STEP: f32 = 1.0 / 65_536.0;

/// Beyond this many means a total is an outlier: more would let one row choose the splits.
const DERIVATIVE_MAX: f64 = 256.0;

/// Where a mean of exactly 0 is wrong, its deviance has no end.
const MEAN_SHARE_MIN: f32 = 1e-3;

/// A leaf of zeros alone would ask for a step without end.
const LOG_STEP_MAX: f32 = 3.0;

/// No mean lies further from the mean of all than e^20, in either direction.
const LOG_MEAN_MAX: f32 = 20.0;

/// `e^40` units are more than any sum of screened values.
const BENT_MAX: f32 = 40.0;

/// Keeps a division by nothing from happening.
const TINY: f32 = 1e-6;
