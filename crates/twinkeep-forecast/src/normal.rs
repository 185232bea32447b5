//! The normal distribution, as far as paths need it: from probabilities to scores.
//!
//! A *score* is where a probability lies on the standard normal distribution: 0 is the median,
//! 1.645 the 95 % quantile.

use twinkeep_domain::{OUTER, QUANTILES};

/// Returns the score of a probability; 0 and 1 give minus and plus infinity.
///
/// Wichura, The percentage points of the normal distribution, Applied Statistics 37 (1988),
/// algorithm AS 241, PPND7: about 7 digits.
pub(crate) fn score(probability: f64) -> f64 {
    let middle = probability - 0.5;
    if middle.abs() <= 0.425 {
        let r = 0.180_625 - middle * middle;
        return middle * polynomial(&NEAR_TOP, r) / polynomial(&NEAR_BOTTOM, r);
    }
    let tail = probability.min(1.0 - probability);
    if tail <= 0.0 {
        return if middle < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let r = (-tail.ln()).sqrt();
    let size = if r <= 5.0 {
        polynomial(&FAR_TOP, r - 1.6) / polynomial(&FAR_BOTTOM, r - 1.6)
    } else {
        polynomial(&TAIL_TOP, r - 5.0) / polynomial(&TAIL_BOTTOM, r - 5.0)
    };
    if middle < 0.0 { -size } else { size }
}

/// Returns the density at a score.
pub(crate) fn density(score: f64) -> f64 {
    (-0.5 * score * score).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

fn polynomial(coefficients: &[f64; 4], at: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * at + coefficient)
}

/// The scores of [`QUANTILES`], between those of [`OUTER`].
pub(crate) const KNOTS: [f32; QUANTILES.len() + OUTER.len()] = [
    -1.959_964,
    -1.644_853_6,
    -1.281_551_6,
    -0.674_489_76,
    0.0,
    0.674_489_76,
    1.281_551_6,
    1.644_853_6,
    1.959_964,
];

const NEAR_TOP: [f64; 4] = [3.387_132_717_9, 50.434_271_938, 159.291_132_02, 59.109_374_720];
const NEAR_BOTTOM: [f64; 4] = [1.0, 17.895_169_469, 78.757_757_664, 67.187_563_600];
const FAR_TOP: [f64; 4] = [1.423_437_277_7, 2.756_815_390_0, 1.306_728_481_6, 0.170_238_211_03];
const FAR_BOTTOM: [f64; 4] = [1.0, 0.737_001_642_50, 0.120_211_329_75, 0.0];
const TAIL_TOP: [f64; 4] = [6.657_905_115_0, 3.081_226_386_0, 0.428_682_943_37, 0.017_337_203_997];
const TAIL_BOTTOM: [f64; 4] = [1.0, 0.241_978_942_25, 0.012_258_202_635, 0.0];

#[cfg(test)]
mod tests {
    use twinkeep_domain::{OUTER, QUANTILES};

    use super::{KNOTS, density, score};

    #[test]
    fn scores_are_those_of_the_tables() {
        for (probability, expected) in [
            (0.5, 0.0),
            (0.75, 0.674_489_75),
            (0.95, 1.644_853_6),
            (0.999, 3.090_232_3),
            (1e-9, -5.997_807),
            (1e-13, -7.348_8),
        ] {
            let found = score(probability);
            assert!((found - expected).abs() < 1e-4, "{probability}: {found}");
            assert!((score(1.0 - probability) + found).abs() < 1e-2, "{probability}");
        }
        assert_eq!(score(0.0), f64::NEG_INFINITY);
        assert_eq!(score(1.0), f64::INFINITY);
    }

    #[test]
    fn the_knots_are_the_scores_of_the_quantiles() {
        let all = [&OUTER[..1], &QUANTILES, &OUTER[1..]].concat();
        for (knot, probability) in KNOTS.iter().zip(all) {
            assert!((f64::from(*knot) - score(f64::from(probability))).abs() < 1e-5, "{knot}");
        }
    }

    #[test]
    fn the_density_is_highest_in_the_middle() {
        assert!((density(0.0) - 0.398_942_28).abs() < 1e-7);
        assert!((density(2.0) - 0.053_990_97).abs() < 1e-7);
    }
}
