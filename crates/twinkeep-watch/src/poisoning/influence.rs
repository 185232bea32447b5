//! What leaving a feed out does to the error of a target, beyond chance.
//!
//! Leaving out and learning again is the exact form of what influence functions estimate (Cook 1977;
//! Koh and Liang: Understanding black-box predictions via influence functions, 2017). Two things make
//! a difference by chance: on whom it is measured, which the people show, and that another model was
//! learned, which they do not. The second is known from models that were learned without as many
//! people drawn by lot: by how much their differences vary more than those of the people explain, the
//! chance of all is taken to be larger (the inflation factor of Devlin and Roeder: Genomic control for
//! association studies, 1999, which takes the median and so bears some that are no chance).

use serde::Serialize;

use super::{InfluenceParameters, Spread, resampled};
use crate::detect::{benjamini_hochberg, chi_squared_tail};

/// What one target's error has of a group of people, person by person.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftOut {
    /// How much larger the error is that was learned with the group, in carry-forward errors, for
    /// each person it is measured on: above 0 the group harms.
    pub added: Vec<f64>,
}

/// What a group does to a target's error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Influence {
    /// What is to be thought of it.
    pub verdict: InfluenceVerdict,
    /// How much the group adds to the error, in carry-forward errors; below 0 it helps.
    pub adds: Spread,
    /// How likely it adds as much if it does no harm; absent for few people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
}

/// What is to be thought of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InfluenceVerdict {
    /// The target is worse for it, by more than chance.
    Harms,
    /// The target is better for it, by more than chance.
    Helps,
    /// It is worse for it on people of another group that is suspected, too, and too few are left who
    /// are of neither: one of the two harms, and nobody can say which.
    Disputed,
    /// Neither is known.
    Neither,
    /// Too few people to say anything.
    TooFew,
}

/// Returns by how many times the variance of differences is larger than people explain, from models
/// that were learned without people drawn by lot; at least 1.
pub fn dispersion(parameters: &InfluenceParameters, controls: &[LeftOut]) -> f64 {
    let known = controls.iter().filter(|it| parameters.people_min <= it.added.len() as u64);
    let squares = known.map(|it| {
        let found = resampled(&it.added);
        (found.mean / found.standard_error.max(f64::MIN_POSITIVE)).powi(2)
    });
    let mut squares: Vec<f64> = squares.filter(|square| square.is_finite()).collect();
    squares.sort_unstable_by(f64::total_cmp);
    let median = match squares.len() {
        0 => return 1.0,
        count if count % 2 == 1 => squares[count / 2],
        count => f64::midpoint(squares[count / 2 - 1], squares[count / 2]),
    };
    (median / CHI_SQUARED_MEDIAN).max(1.0)
}

/// Judges what groups do to targets, all together, in the order in which they are given.
pub fn judge_influence(
    parameters: &InfluenceParameters,
    dispersion: f64,
    trials: &[LeftOut],
) -> Vec<Influence> {
    let factor = dispersion.max(1.0).sqrt();
    let spreads: Vec<Spread> =
        trials.iter().map(|trial| resampled(&trial.added).widened(factor)).collect();
    let known = |it: &Spread| parameters.people_min <= it.people;
    let judged: Vec<usize> = (0..spreads.len()).filter(|&at| known(&spreads[at])).collect();
    let tails = |sign: f64| -> Vec<f64> {
        judged.iter().map(|&at| tail(sign * spreads[at].mean, &spreads[at], factor)).collect()
    };
    let (harm, help) = (tails(1.0), tails(-1.0));
    let rate = parameters.false_discovery_rate;
    let (harms, helps) = (benjamini_hochberg(&harm, rate), benjamini_hochberg(&help, rate));
    let mut found: Vec<Influence> = spreads
        .iter()
        .map(|&adds| Influence { verdict: InfluenceVerdict::TooFew, adds, p_value: None })
        .collect();
    for (place, &at) in judged.iter().enumerate() {
        let adds = spreads[at].mean;
        found[at].p_value = Some(harm[place]);
        found[at].verdict = if harms[place] && parameters.harm_min <= adds {
            InfluenceVerdict::Harms
        } else if helps[place] && adds <= -parameters.harm_min {
            InfluenceVerdict::Helps
        } else {
            InfluenceVerdict::Neither
        };
    }
    found
}

/// Returns the probability of a mean so far above 0 if the true one is not above it.
fn tail(mean: f64, of: &Spread, factor: f64) -> f64 {
    if of.standard_error == 0.0 {
        // All people differ alike: models that are the same do not differ at all.
        return if 0.0 < mean { 0.0 } else { 1.0 };
    }
    let half = chi_squared_tail((mean / (of.standard_error * factor)).powi(2), 1.0) / 2.0;
    if 0.0 < mean { half } else { 1.0 - half }
}

/// The median of a chi-squared variable with one degree of freedom.
const CHI_SQUARED_MEDIAN: f64 = 0.454_936_423_119_572_8;
