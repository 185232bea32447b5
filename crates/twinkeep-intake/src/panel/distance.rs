//! Detector *distance*: a person whose whole series of a variable is unlike everyone's.
//!
//! Three numbers sum up a series: how many values, at what level, and how much they move from one
//! to the next. Each is compared with the people of the reference in robust units; a series that
//! is farther off than almost anyone's is held as a whole.

use serde::{Deserialize, Serialize};

use super::scale::quantile;
use super::tail::Tail;

/// What sums up a series: logarithm of the count, level, restlessness.
pub(super) const STATISTICS: usize = 3;

/// How the series of a reference are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Distance {
    /// Middle and spread, by variable and statistic.
    usual: Vec<[(f32, f32); STATISTICS]>,
    /// The largest distances of the reference's series, by variable.
    tails: Vec<Tail>,
}

/// The summaries of all series of all subjects, by variable.
pub(super) type Summaries = Vec<Vec<[f32; STATISTICS]>>;

impl Distance {
    /// Learns from the summaries of a reference.
    pub(super) fn learn(summaries: &Summaries) -> Self {
        let mut distance = Self::default();
        for of_variable in summaries {
            let usual = std::array::from_fn(|statistic| {
                let mut values: Vec<f32> = of_variable.iter().map(|s| s[statistic]).collect();
                values.sort_unstable_by(f32::total_cmp);
                let at = |share| quantile(&values, share).unwrap_or_default();
                let spread = ((at(0.75) - at(0.25)) / 1.349).max((at(0.95) - at(0.05)) / 3.29);
                (at(0.5), spread.max(SPREAD_MIN))
            });
            let mut scores: Vec<f32> = of_variable.iter().map(|s| score(&usual, s)).collect();
            distance.usual.push(usual);
            distance.tails.push(Tail::learn(&mut scores));
        }
        distance
    }

    /// Returns how surprising a series is.
    pub(super) fn surprise(&self, variable: u16, summary: &[f32; STATISTICS]) -> f32 {
        let at = usize::from(variable);
        let Some((usual, tail)) = self.usual.get(at).zip(self.tails.get(at)) else { return 0.0 };
        tail.surprise(score(usual, summary))
    }
}

/// Sums up the values of a series.
pub(super) fn summary(series: &[f32]) -> [f32; STATISTICS] {
    let (mut count, mut level, mut moved) = (0_u32, 0.0, 0.0);
    let mut last: Option<f32> = None;
    for z in series {
        let z = z.clamp(-CLIP, CLIP);
        moved += last.map_or(0.0, |last| (z - last).abs());
        last = Some(z);
        level += z;
        count += 1;
    }
    let steps = count.saturating_sub(1).max(1) as f32;
    let count = count.max(1) as f32;
    [count.ln(), level / count, moved / steps]
}

fn score(usual: &[(f32, f32); STATISTICS], summary: &[f32; STATISTICS]) -> f32 {
    let parts = usual.iter().zip(summary);
    let square: f32 = parts.map(|((middle, spread), x)| ((x - middle) / spread).powi(2)).sum();
    square.sqrt()
}

/// Values beyond this many robust standard deviations count as this.
const CLIP: f32 = 30.0;

/// A statistic that is nearly always the same still has rounding.
const SPREAD_MIN: f32 = 0.05;
