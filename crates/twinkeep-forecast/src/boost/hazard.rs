//! The objective of an event: the hazard of each cause in each interval of a window.
//!
//! The window is cut into intervals. A row is one subject in one interval that it entered with
//! nothing having happened; its value says what happened in it: 0 nothing, 1 the event, 2 and more
//! a competing cause. Each cause has a lane: the logarithm of its odds against "nothing". With one
//! cause and one interval this is logistic regression; with more it is the discrete-time hazard
//! model of competing risks, in which a subject that is lost counts for as long as it was seen.

use super::histogram::{Additive, Gradients};
use super::rounds::Objective;
use super::{LANE_COUNT, Lanes};

/// Cross entropy over "nothing" and the causes.
pub(crate) struct Hazards {
    cause_count: usize,
    shrinkage_rows: f32,
    /// Added to the hessian of each cause: the shrinkage, where its hazard is that of all.
    shrinkage: [f64; CAUSE_COUNT_MAX],
}

/// Sums of gradients and hessians of each cause, in fixed point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HazardSums {
    rows: u32,
    gradients: [i64; CAUSE_COUNT_MAX],
    hessians: [i64; CAUSE_COUNT_MAX],
}

impl Additive for HazardSums {
    #[inline]
    fn rows(&self) -> u32 {
        self.rows
    }

    #[inline]
    fn add(&mut self, other: &Self) {
        self.rows = self.rows.wrapping_add(other.rows);
        for cause in 0..CAUSE_COUNT_MAX {
            self.gradients[cause] = self.gradients[cause].wrapping_add(other.gradients[cause]);
            self.hessians[cause] = self.hessians[cause].wrapping_add(other.hessians[cause]);
        }
    }

    #[inline]
    fn subtract(&mut self, other: &Self) {
        self.rows = self.rows.wrapping_sub(other.rows);
        for cause in 0..CAUSE_COUNT_MAX {
            self.gradients[cause] = self.gradients[cause].wrapping_sub(other.gradients[cause]);
            self.hessians[cause] = self.hessians[cause].wrapping_sub(other.hessians[cause]);
        }
    }
}

/// What each row asks for.
pub(crate) struct HazardGradients {
    rows: Vec<HazardSums>,
    shrinkage: [f64; CAUSE_COUNT_MAX],
}

impl Gradients for HazardGradients {
    type Sums = HazardSums;

    #[inline]
    fn row(&self, row: u32) -> HazardSums {
        self.rows[row as usize]
    }

    #[inline]
    fn worth(&self, sums: &HazardSums) -> f32 {
        let of = |cause: usize| {
            let gradient = sums.gradients[cause] as f64 * STEP;
            let hessian = sums.hessians[cause] as f64 * STEP;
            gradient * gradient / (hessian + self.shrinkage[cause])
        };
        (0..CAUSE_COUNT_MAX).map(of).sum::<f64>() as f32
    }
}

impl Hazards {
    /// `cause_count` is the event and what competes with it.
    pub(crate) fn new(cause_count: usize, shrinkage_rows: f32) -> Self {
        let cause_count = cause_count.clamp(1, CAUSE_COUNT_MAX);
        Self { cause_count, shrinkage_rows, shrinkage: [TINY; CAUSE_COUNT_MAX] }
    }

    /// Sets the shrinkage from the rows that are learned from.
    pub(crate) fn with_rows(mut self, values: &[f32]) -> Self {
        let rates = rates(values, self.cause_count);
        for (shrinkage, rate) in self.shrinkage.iter_mut().zip(rates) {
            *shrinkage = f64::from(self.shrinkage_rows) * rate * (1.0 - rate) + TINY;
        }
        self
    }
}

impl Objective for Hazards {
    type Gradients = HazardGradients;

    fn start(&self, values: &[f32]) -> Lanes {
        log_odds(values, self.cause_count)
    }

    fn gradients(&self, values: &[f32], fitted: &[Lanes]) -> HazardGradients {
        let fixed = |number: f64| (number / STEP) as i64;
        let row = |(&value, lanes): (&f32, &Lanes)| {
            let mut sums = HazardSums { rows: 1, ..HazardSums::default() };
            let hazards = hazards(lanes, self.cause_count);
            for (cause, &hazard) in hazards.iter().enumerate().take(self.cause_count) {
                let happened = f64::from(u8::from(cause_of(value) == Some(cause)));
                sums.gradients[cause] = fixed(happened - hazard);
                sums.hessians[cause] = fixed(hazard * (1.0 - hazard));
            }
            sums
        };
        let rows = values.iter().zip(fitted).map(row).collect();
        HazardGradients { rows, shrinkage: self.shrinkage }
    }

    /// A Newton step for each cause.
    fn steps(&mut self, values: &[f32], fitted: &[Lanes], members: &[u32]) -> Lanes {
        let mut sums = [[0.0_f64; 2]; CAUSE_COUNT_MAX];
        for &row in members {
            let hazards = hazards(&fitted[row as usize], self.cause_count);
            for (cause, sum) in sums.iter_mut().enumerate().take(self.cause_count) {
                let happened = cause_of(values[row as usize]) == Some(cause);
                sum[0] += f64::from(u8::from(happened)) - hazards[cause];
                sum[1] += hazards[cause] * (1.0 - hazards[cause]);
            }
        }
        let mut steps = [0.0; LANE_COUNT];
        for (cause, [gradient, hessian]) in sums.into_iter().enumerate().take(self.cause_count) {
            let step = (gradient / (hessian + self.shrinkage[cause])) as f32;
            steps[cause] = step.clamp(-LOGIT_STEP_MAX, LOGIT_STEP_MAX);
        }
        steps
    }

    /// The causes share one loss, so they stop together: only together are they a distribution.
    fn losses(&self, values: &[f32], fitted: &[Lanes]) -> [f64; LANE_COUNT] {
        let rows = values.iter().zip(fitted);
        let sum = rows.map(|(&value, lanes)| log_loss(value, lanes, self.cause_count)).sum();
        let mut losses = [0.0; LANE_COUNT];
        losses[..self.cause_count].fill(sum);
        losses
    }
}

/// Returns the probability of each cause in an interval, from the logarithms of their odds.
pub(crate) fn hazards(lanes: &Lanes, cause_count: usize) -> [f64; CAUSE_COUNT_MAX] {
    let mut odds = [0.0; CAUSE_COUNT_MAX];
    for (odds, &lane) in odds.iter_mut().zip(lanes).take(cause_count) {
        *odds = f64::from(lane.clamp(-LOGIT_MAX, LOGIT_MAX)).exp();
    }
    let all = 1.0 + odds.iter().sum::<f64>();
    odds.map(|odds| odds / all)
}

/// Returns the surprise at what happened in an interval.
pub(crate) fn log_loss(value: f32, lanes: &Lanes, cause_count: usize) -> f64 {
    let hazards = hazards(lanes, cause_count);
    let probability = match cause_of(value) {
        Some(cause) => hazards[cause.min(CAUSE_COUNT_MAX - 1)],
        None => 1.0 - hazards.iter().sum::<f64>(),
    };
    -probability.max(f64::MIN_POSITIVE).ln()
}

/// Returns the logarithm of the odds of each cause over some rows, half a row added to each.
pub(crate) fn log_odds(values: &[f32], cause_count: usize) -> Lanes {
    let mut counts = [0.5_f64; CAUSE_COUNT_MAX + 1];
    for &value in values {
        counts[cause_of(value).map_or(0, |cause| 1 + cause.min(CAUSE_COUNT_MAX - 1))] += 1.0;
    }
    let mut lanes = [0.0; LANE_COUNT];
    for (lane, &count) in lanes.iter_mut().zip(&counts[1..]).take(cause_count) {
        *lane = (count / counts[0]).ln() as f32;
    }
    lanes
}

fn rates(values: &[f32], cause_count: usize) -> [f64; CAUSE_COUNT_MAX] {
    hazards(&log_odds(values, cause_count), cause_count)
}

/// Returns which cause a row's value says, counted from 0.
fn cause_of(value: f32) -> Option<usize> {
    (value as usize).checked_sub(1)
}

/// The event and three that compete with it.
pub(crate) const CAUSE_COUNT_MAX: usize = 1 + twinkeep_domain::limits::COMPETING_COUNT_MAX;

const _: () = assert!(CAUSE_COUNT_MAX <= LANE_COUNT, "one lane a cause");

/// Gradients are kept to 2^-30: sums of 2^32 rows still fit.
const STEP: f64 = 1.0 / (1_u64 << 30) as f64;

/// A leaf in which everybody has the event would ask for a step without end.
const LOGIT_STEP_MAX: f32 = 4.0;

/// Odds beyond e^30 are certainty, and sums of them stay finite.
const LOGIT_MAX: f32 = 30.0;

/// Keeps a division by nothing from happening.
const TINY: f64 = 1e-6;
