//! How the errors of forecasts hang together: over time, and from one target to another.
//!
//! A calibrated forecast says how likely each value is at each moment, not which values go
//! together. That is what is kept here, as a Gaussian copula: each target has a *score* at each
//! moment (where its value lies in its own forecast), and the scores of all targets are a sum of a
//! few independent parts, each with a memory of its own: one that never fades, some that fade
//! within shorter and shorter parts of the horizon, and one that is new at each moment. Every part
//! has its own correlations among the targets (a linear model of coregionalization, as in
//! geostatistics). Sums, counts, and events of a window take part with one score each, which hangs
//! on the part that never fades.
//!
//! What is stored are sums over many subjects. The classic method (the Schaake shuffle: Clark
//! 2004; Schefzik 2013) would store the rank paths of single subjects, which anybody who knows a
//! subject's record could recognize; and where each laboratory value is seen twice a day, most of
//! such a path would have to be made up.
//!
//! # Invariants
//!
//! - The parts of a target have the variance 1 together.
//! - Two targets that too few subjects share are independent.

mod matrix;

pub(crate) use matrix::Matrix;

/// How scores hang together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dependence {
    /// How many targets there are: those about a value, then those about a window.
    pub(crate) component_count: usize,
    /// One for each of [`MEMORIES`]; none if nothing was learned.
    pub(crate) parts: Vec<Part>,
}

/// One of the parts of which the scores are made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    /// How many factors several targets have in common.
    pub(crate) factor_count: usize,
    /// How much of each factor is in each target: [target, factor].
    pub(crate) loadings: Vec<f32>,
    /// How much of this part each target has for itself.
    pub(crate) own: Vec<f32>,
}

impl Dependence {
    /// Returns what is known before anything was learned.
    pub(crate) fn none(component_count: usize) -> Self {
        Self { component_count, parts: Vec::new() }
    }

    /// Returns whether anything was learned.
    pub(crate) fn is_known(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Returns whether the parts fit together: every target's variance is 1, and windows have the
    /// part only that never fades.
    pub(crate) fn is_sound(&self, window_from: usize) -> bool {
        let of = |part: &Part, at: usize| -> f64 {
            let all = part.of(at).iter().chain(std::iter::once(&part.own[at]));
            all.map(|&weight| f64::from(weight).powi(2)).sum()
        };
        let whole = |at: usize| {
            let sum: f64 = self.parts.iter().map(|part| of(part, at)).sum();
            (sum - 1.0).abs() < VARIANCE_TOLERANCE
        };
        let lasting = |at: usize| self.parts.iter().skip(1).all(|part| of(part, at) == 0.0);
        self.parts.is_empty()
            || (0..self.component_count).all(whole)
                && (window_from..self.component_count).all(lasting)
    }
}

impl Part {
    /// Returns how much of each factor is in a target.
    pub(crate) fn of(&self, component: usize) -> &[f32] {
        &self.loadings[component * self.factor_count..][..self.factor_count]
    }

    /// Takes the covariances of a part apart: into few factors, and what is left of each target.
    pub(crate) fn from_covariance(covariance: &Matrix) -> Self {
        let size = covariance.size();
        let (values, vectors) = covariance.eigen();
        let mut rest = covariance.clone();
        let mut factors: Vec<Vec<f32>> = Vec::new();
        for (at, &value) in values.iter().enumerate().take(FACTOR_COUNT_MAX) {
            if value <= 0.0 || rest.largest_off_diagonal() < REST_MAX {
                break;
            }
            let factor: Vec<f64> =
                (0..size).map(|row| vectors.at(row, at) * value.sqrt()).collect();
            rest.subtract_square(&factor);
            factors.push(factor.iter().map(|&weight| weight as f32).collect());
        }
        let loadings =
            (0..size).flat_map(|row| factors.iter().map(move |factor| factor[row])).collect();
        let own = (0..size).map(|at| rest.at(at, at).max(0.0).sqrt() as f32).collect();
        Self { factor_count: factors.len(), loadings, own }
    }
}

/// How long each part remembers, in horizons: for ever, a half, an eighth, a 32nd, not at all.
pub(crate) const MEMORIES: [f32; 5] = [f32::INFINITY, 0.5, 0.125, 0.031_25, 0.0];

/// Returns the correlation of a part with itself, so many horizons later.
pub(crate) fn correlation(memory: f32, distance: f32) -> f32 {
    if distance <= 0.0 {
        return 1.0;
    }
    if memory <= 0.0 { 0.0 } else { (-distance / memory).exp() }
}

/// Most factors of a part: what 16 do not explain among some forty targets is noise.
pub(crate) const FACTOR_COUNT_MAX: usize = 16;

/// No correlation that is left out is larger.
const REST_MAX: f64 = 0.01;

/// Weights are stored with 24 bits; sums of some dozen squares are this exact.
const VARIANCE_TOLERANCE: f64 = 1e-3;

#[cfg(test)]
mod tests {
    use super::{Dependence, Matrix, Part};

    #[test]
    fn factors_and_what_is_left_give_the_covariances_back() {
        let mut covariance = Matrix::zero(3);
        for (row, values) in [[1.0, 0.8, 0.1], [0.8, 0.9, 0.0], [0.1, 0.0, 0.5]].iter().enumerate()
        {
            for (column, &value) in values.iter().enumerate() {
                covariance.set(row, column, value);
            }
        }
        let part = Part::from_covariance(&covariance);
        for row in 0..3 {
            for column in 0..3 {
                let mut sum: f32 =
                    part.of(row).iter().zip(part.of(column)).map(|(a, b)| a * b).sum();
                if row == column {
                    sum += part.own[row] * part.own[row];
                }
                let expected = covariance.at(row, column) as f32;
                assert!((sum - expected).abs() < 0.011, "{row} {column}: {sum} {expected}");
            }
        }
    }

    #[test]
    fn a_target_of_another_variance_is_not_sound() {
        let part = |own: f32| Part { factor_count: 0, loadings: vec![], own: vec![own] };
        let of = |own: [f32; 2]| Dependence { component_count: 1, parts: own.map(part).to_vec() };
        assert!(of([0.6, 0.8]).is_sound(1));
        assert!(!of([0.6, 0.9]).is_sound(1));
        assert!(!of([0.6, 0.8]).is_sound(0));
        assert!(of([1.0, 0.0]).is_sound(0));
        assert!(Dependence::none(1).is_sound(0));
    }
}
