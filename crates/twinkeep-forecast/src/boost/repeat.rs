//! The objective of a model that repeats what others say: the squared distance to it, lane by lane.
//!
//! What is to be repeated is given row by row, for all lanes, and has no chance in it: a leaf takes
//! the mean of what is left in each lane. When to stop is still decided by what came true in the
//! tuning split, by the losses of the objective that the others learned by.

use super::histogram::{Additive, FIXED_POINT_STEP, Gradients};
use super::rounds::Objective;
use super::{CAUSE_COUNT_MAX, LANE_COUNT, Lanes, MEAN_LANE};

/// Squared distances to what is to be repeated.
pub(crate) struct Repeat<O> {
    /// By training row.
    said: Vec<Lanes>,
    /// What the tuning split is judged by.
    judge: O,
    choosing: Choosing,
    shrinkage_rows: f32,
}

impl<O: Objective> Repeat<O> {
    /// `said` is what to repeat, by training row; `shrinkage_rows` is added to the rows of a leaf.
    pub(crate) fn new(said: Vec<Lanes>, judge: O, choosing: Choosing, shrinkage_rows: f32) -> Self {
        Self { said, judge, choosing, shrinkage_rows }
    }
}

/// The lanes that choose splits; all of them take steps.
pub(crate) type Choosing = [usize; 4];

/// Of a value or a total: the 10 % quantile, the median, the 90 % quantile, and the mean. What is
/// to be repeated moves together, so the other lanes would say the same and cost as much again.
pub(crate) const CHOOSING_ESTIMATES: Choosing = [1, 3, 5, MEAN_LANE];

/// Of an event: the odds of each cause.
pub(crate) const CHOOSING_CAUSES: Choosing = [0, 1, 2, 3];

const _: () = assert!(CAUSE_COUNT_MAX <= CHOOSING_CAUSES.len(), "each cause chooses");

/// Sums of what is left in the lanes that choose splits, in fixed point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RestSums {
    rest: [i64; 4],
    rows: u32,
}

impl Additive for RestSums {
    #[inline]
    fn rows(&self) -> u32 {
        self.rows
    }

    #[inline]
    fn add(&mut self, other: &Self) {
        for (sum, more) in self.rest.iter_mut().zip(&other.rest) {
            *sum = sum.wrapping_add(*more);
        }
        self.rows = self.rows.wrapping_add(other.rows);
    }

    #[inline]
    fn subtract(&mut self, other: &Self) {
        for (sum, less) in self.rest.iter_mut().zip(&other.rest) {
            *sum = sum.wrapping_sub(*less);
        }
        self.rows = self.rows.wrapping_sub(other.rows);
    }
}

/// What is left of each row, and what a step is worth.
pub(crate) struct RestGradients {
    rest: Vec<[i32; 4]>,
    weights: [f32; 4],
    shrinkage_rows: f32,
}

impl Gradients for RestGradients {
    type Sums = RestSums;

    #[inline]
    fn row(&self, row: u32) -> RestSums {
        RestSums { rest: self.rest[row as usize].map(i64::from), rows: 1 }
    }

    #[inline]
    fn worth(&self, sums: &RestSums) -> f32 {
        let mut squares = [0.0_f32; 4];
        for ((square, &rest), weight) in squares.iter_mut().zip(&sums.rest).zip(&self.weights) {
            let rest = rest as f32 * FIXED_POINT_STEP;
            *square = weight * rest * rest;
        }
        let all = (squares[0] + squares[1]) + (squares[2] + squares[3]);
        all / (sums.rows as f32 + self.shrinkage_rows)
    }
}

impl<O: Objective> Objective for Repeat<O> {
    type Gradients = RestGradients;

    fn start(&self, _values: &[f32]) -> Lanes {
        let mut sums = [0.0_f64; LANE_COUNT];
        for lanes in &self.said {
            sums.iter_mut().zip(lanes).for_each(|(sum, &said)| *sum += f64::from(said));
        }
        sums.map(|sum| (sum / self.said.len().max(1) as f64) as f32)
    }

    fn gradients(&self, _values: &[f32], fitted: &[Lanes]) -> RestGradients {
        let mut squares = [0.0_f64; 4];
        let mut rest_of = |(said, fitted): (&Lanes, &Lanes)| {
            std::array::from_fn(|at| {
                let lane = self.choosing[at];
                let rest = (said[lane] - fitted[lane]).clamp(-REST_MAX, REST_MAX);
                squares[at] += f64::from(rest * rest);
                (rest / FIXED_POINT_STEP) as i32
            })
        };
        let rest = self.said.iter().zip(fitted).map(&mut rest_of).collect();
        // By the spread of what is left, an unhelpful split is worth the same in every lane.
        let weights = squares.map(|squares| {
            let variance = squares / self.said.len().max(1) as f64;
            0.25 / variance.max(f64::from(SPREAD_MIN * SPREAD_MIN)) as f32
        });
        RestGradients { rest, weights, shrinkage_rows: self.shrinkage_rows }
    }

    fn steps(&mut self, _values: &[f32], fitted: &[Lanes], members: &[u32]) -> Lanes {
        let mut sums = [0.0_f64; LANE_COUNT];
        for &row in members {
            let (said, fitted) = (&self.said[row as usize], &fitted[row as usize]);
            for (sum, (said, fitted)) in sums.iter_mut().zip(said.iter().zip(fitted)) {
                *sum += f64::from(said - fitted);
            }
        }
        let rows = members.len() as f64 + f64::from(self.shrinkage_rows);
        if members.is_empty() { [0.0; LANE_COUNT] } else { sums.map(|sum| (sum / rows) as f32) }
    }

    fn losses(&self, values: &[f32], fitted: &[Lanes]) -> [f64; LANE_COUNT] {
        self.judge.losses(values, fitted)
    }
}

/// Beyond this many spreads a teacher is wrong: more would let one row choose the splits.
const REST_MAX: f32 = 16.0;

/// Less than this share of the target's spread is nothing, and not worth a split.
const SPREAD_MIN: f32 = 1e-3;
