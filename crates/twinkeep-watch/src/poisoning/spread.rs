//! The mean of differences between people, and how far chance may have moved it.

use serde::Serialize;

/// A mean over people with its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// How many people.
    pub people: u64,
    /// The mean over them.
    pub mean: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Where the mean lies in 95 % of resamples of the people.
    pub low: f64,
    /// As above.
    pub high: f64,
}

impl Spread {
    /// Returns the interval as if chance were this many times as large.
    pub(super) fn widened(self, factor: f64) -> Self {
        let wide = |bound: f64| self.mean + (bound - self.mean) * factor;
        Self { low: wide(self.low), high: wide(self.high), ..self }
    }
}

/// Resamples people, each with their difference: Efron's bootstrap of a paired difference, by its
/// percentiles (Efron and Tibshirani: An introduction to the bootstrap, 1993, chapter 13).
pub fn resampled(differences: &[f64]) -> Spread {
    let count = differences.len();
    let mean = differences.iter().sum::<f64>() / count.max(1) as f64;
    let squares: f64 = differences.iter().map(|one| (one - mean).powi(2)).sum();
    let divisor = (count.saturating_sub(1).max(1) * count.max(1)) as f64;
    let standard_error = (squares / divisor).sqrt();
    let mut state = SEED;
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..count).map(|_| differences[draw(&mut state, count)]);
            drawn.sum::<f64>() / count.max(1) as f64
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| means[((RESAMPLES - 1) as f64 * share).round() as usize];
    Spread { people: count as u64, mean, standard_error, low: at(0.025), high: at(0.975) }
}

/// Returns a number below `count`: SplitMix64 (Steele, Lea, and Flood 2014), and Lemire's
/// multiplication instead of a division.
fn draw(state: &mut u64, count: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    ((u128::from(mixed) * count as u128) >> 64) as usize
}

/// Any will do; the same people are drawn each time, so that a report can be repeated.
const SEED: u64 = 42;

/// The bounds of a 95 % interval need some hundreds.
const RESAMPLES: usize = 400;
