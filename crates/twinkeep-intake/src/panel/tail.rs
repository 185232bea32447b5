//! Turns a score into a surprise: how many of ten, hundred, thousand clean rows score as high.
//!
//! Scores of different detectors and variables become comparable, and one threshold holds for
//! all. Beyond what was seen, the tail goes on as a power law (Hill's estimate).

use serde::{Deserialize, Serialize};

/// The upper tail of the scores of clean rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tail {
    /// Scores that a tenth, a tenth of the square root of a tenth, and so on, exceed.
    knots: Vec<f32>,
}

impl Tail {
    /// Learns from the scores of clean rows.
    pub(super) fn learn(scores: &mut [f32]) -> Self {
        scores.sort_unstable_by(f32::total_cmp);
        let mut knots = Vec::new();
        for step in 0..KNOTS_MAX {
            let share = 10_f64.powf(-(1.0 + step as f64 * STEP));
            let above = share * scores.len() as f64;
            if above < BEYOND_MIN {
                break;
            }
            let at = scores.len().saturating_sub(above.round() as usize + 1);
            let knot = scores[at].max(SCORE_MIN);
            let floor = knots.last().map_or(knot, |last: &f32| last * GROWTH_MIN);
            knots.push(knot.max(floor));
        }
        Self { knots }
    }

    /// Returns minus the decimal logarithm of the share of clean rows that score at least this.
    pub(super) fn surprise(&self, score: f32) -> f32 {
        let Some((&first, &last)) = self.knots.first().zip(self.knots.last()) else { return 0.0 };
        if score <= first {
            return (score / first).max(0.0);
        }
        let step = STEP as f32;
        let above = self.knots.partition_point(|&knot| knot < score);
        if above < self.knots.len() {
            let (low, high) = (self.knots[above - 1], self.knots[above]);
            let part = (score / low).ln() / (high / low).ln();
            return 1.0 + step * (above as f32 - 1.0 + part);
        }
        let known = 1.0 + step * (self.knots.len() - 1) as f32;
        let from = self.knots[self.knots.len().saturating_sub(1 + SLOPE_KNOTS)];
        let decades = step * (self.knots.len() - 1).min(SLOPE_KNOTS) as f32;
        let slope = match (last / from).log10() {
            growth if 0.0 < decades && 0.0 < growth => (decades / growth).min(SLOPE_MAX),
            _ => SLOPE_MAX,
        };
        known + slope * (score / last).log10()
    }
}

/// Decades between two knots.
const STEP: f64 = 0.5;

/// Down to one row in 100,000.
const KNOTS_MAX: usize = 9;

/// Scores that must lie beyond a knot for it to be trusted.
const BEYOND_MIN: f64 = 8.0;

/// Knots over which the slope beyond the last one is measured: one decade.
const SLOPE_KNOTS: usize = 2;

/// A tail that ends at once is not believed: scores beyond are strange, not impossible.
const SLOPE_MAX: f32 = 8.0;

/// Keeps logarithms finite where most scores are 0.
const SCORE_MIN: f32 = 1e-3;

/// Keeps knots apart where scores repeat.
const GROWTH_MIN: f32 = 1.001;

#[cfg(test)]
mod tests {
    use super::Tail;

    #[test]
    fn a_power_law_is_recovered_within_and_beyond_what_was_seen() {
        // Score x is exceeded with probability x^-2.
        let mut scores: Vec<f32> =
            (0..100_000).map(|i| ((i as f32 + 0.5) / 100_000.0).powf(-0.5)).collect();
        let tail = Tail::learn(&mut scores);
        for (score, expected) in [(10.0, 2.0), (31.6, 3.0), (1000.0, 6.0)] {
            let found = tail.surprise(score);
            assert!((found - expected).abs() < 0.3, "{score}: {found}");
        }
    }

    #[test]
    fn more_score_is_never_less_surprise() {
        let mut scores = vec![0.0; 5000];
        scores.extend((0..500).map(|i| i as f32));
        let tail = Tail::learn(&mut scores);
        let mut last = 0.0;
        for score in 0..2000 {
            let surprise = tail.surprise(score as f32);
            assert!(last <= surprise, "{score}");
            last = surprise;
        }
        assert_eq!(Tail::default().surprise(1e9), 0.0);
    }
}
