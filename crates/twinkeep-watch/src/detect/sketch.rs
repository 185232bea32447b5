//! A distribution in a few numbers: what of a baseline is kept, and how samples compare with it.

use serde::{Deserialize, Serialize};

use super::cells::Cells;
use super::distance::{jensen_shannon, population_stability};
use super::probability::{chi_squared_tail, kolmogorov_tail, kolmogorov_tail_exact};

/// How many values lie between which marks. Lies beside a model, in plain text, so that nothing of
/// it is about few people: each part has [`GROUP_COUNT_MIN`] values or more, one a person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sketch {
    /// What divides the parts, increasing; a value that equals a mark lies below it.
    pub marks: Vec<f64>,
    /// How many values each part has: one more than there are marks.
    pub counts: Vec<u64>,
}

/// How a sample compares with a sketch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The population stability index.
    pub psi: f64,
    /// What it would be on average if nothing had changed: chance alone, in samples of this size.
    pub psi_by_chance: f64,
    /// The largest difference of the distribution functions at the marks.
    pub ks: f64,
    /// The Jensen-Shannon distance, from 0 to 1.
    pub jensen_shannon: f64,
    /// The area between the distribution functions, in widths of the middle half of the baseline;
    /// `None` where that has no width.
    pub wasserstein: Option<f64>,
    /// The probability of such a difference if nothing changed.
    pub p_value: f64,
}

impl Sketch {
    /// Sketches finite values, one a person.
    pub fn of(values: &[f64]) -> Self {
        let parts = (values.len() / GROUP_COUNT_MIN).clamp(1, PART_COUNT_MAX);
        let size = values.len().div_ceil(parts).max(GROUP_COUNT_MIN);
        let mut drawn = Self::default();
        // Those in the part that is not full yet, and all that were looked at.
        let (mut count, mut seen) = (0, 0);
        let (mut grouped, ends) = Cells::group(values);
        let mut before = None;
        for end in ends {
            let Some(cell) = grouped.get_mut(seen..end).filter(|cell| !cell.is_empty()) else {
                continue;
            };
            // What is in the middle of a part needs no order.
            if count + cell.len() < size {
                (count, seen, before) = (count + cell.len(), end, None);
                continue;
            }
            cell.sort_unstable_by(f64::total_cmp);
            for &mut value in cell {
                // INVARIANT: equal values are in one part, and no part is smaller than a group.
                if let Some(before) = before.filter(|&before| before < value)
                    && size <= count
                    && GROUP_COUNT_MIN <= values.len() - seen
                {
                    drawn.marks.push(f64::midpoint(before, value));
                    drawn.counts.push(count as u64);
                    count = 0;
                }
                (count, seen, before) = (count + 1, seen + 1, Some(value));
            }
        }
        drawn.counts.push(count as u64);
        drawn
    }

    /// Returns how many values there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns whether counts, marks, and their order fit together.
    pub fn is_sound(&self) -> bool {
        let counts_sound = self.counts.iter().try_fold(0_u64, |sum, &count| sum.checked_add(count));
        self.counts.len() == self.marks.len() + 1
            && self.marks.len() < PART_COUNT_MAX
            && counts_sound.is_some_and(|count| count < COUNT_MAX)
            && self.marks.iter().all(|mark| mark.is_finite())
            && self.marks.windows(2).all(|pair| pair[0] < pair[1])
    }

    /// Returns the share of the values below a value, those of its own part counted half.
    pub fn rank(&self, value: f64) -> f64 {
        let part = self.part(value);
        let below: u64 = self.counts.iter().take(part).sum();
        let own = self.counts.get(part).copied().unwrap_or(0);
        (below as f64 + own as f64 / 2.0) / self.count().max(1) as f64
    }

    /// Compares a sample with the sketch.
    ///
    /// The probability is of the better of two tests, with Bonferroni's correction: that of
    /// Kolmogorov and Smirnov sees that values moved, and that of the population stability index
    /// that they spread (it is chi-squared distributed: Yurdakul, Statistical properties of
    /// population stability index, 2018). As both are made at the marks, what they say is exact or
    /// on the side of no change.
    pub fn compare(&self, values: &[f64]) -> Comparison {
        let counts = self.count_parts(values);
        let (before, now) = (self.count(), values.len() as u64);
        let ks = self.largest_step(&counts);
        let ks_p = if before.saturating_mul(now) <= EXACT_CELL_COUNT_MAX {
            kolmogorov_tail_exact(ks, before, now)
        } else {
            kolmogorov_tail(ks, before, now)
        };
        let [one, other] = coarse(&self.counts, &counts);
        let degrees = (one.len() - 1) as f64;
        let by_chance = 1.0 / before.max(1) as f64 + 1.0 / now.max(1) as f64;
        let [one, other] = [one, other].map(|counts| shares(&counts));
        let psi = population_stability(&one, &other);
        let psi_p = if degrees == 0.0 { 1.0 } else { chi_squared_tail(psi / by_chance, degrees) };
        Comparison {
            psi,
            psi_by_chance: degrees * by_chance,
            ks,
            jensen_shannon: jensen_shannon(&one, &other),
            wasserstein: self.area(&counts),
            p_value: (2.0 * ks_p.min(psi_p)).min(1.0),
        }
    }

    /// Returns how many values lie in each part.
    pub(crate) fn count_parts(&self, values: &[f64]) -> Vec<u64> {
        let mut counts = vec![0_u64; self.counts.len()];
        let (Some(&first), Some(&last)) = (self.marks.first(), self.marks.last()) else {
            counts.iter_mut().for_each(|count| *count = values.len() as u64);
            return counts;
        };
        // How many marks lie in earlier cells: those are below every value of a cell.
        let cells = Cells::between(first, last, MARK_CELL_COUNT);
        let below: Vec<usize> = (0..MARK_CELL_COUNT)
            .map(|cell| self.marks.partition_point(|&mark| cells.of(mark) < cell))
            .collect();
        for &value in values {
            let known = below[cells.of(value)];
            let more = self.marks[known..].iter().take_while(|&&mark| mark < value).count();
            if let Some(count) = counts.get_mut(known + more) {
                *count += 1;
            }
        }
        counts
    }

    /// Returns in which part a value lies.
    pub(crate) fn part(&self, value: f64) -> usize {
        self.marks.partition_point(|&mark| mark < value).min(self.counts.len().saturating_sub(1))
    }

    /// Returns the differences of both distribution functions at the marks.
    fn steps(&self, counts: &[u64]) -> Vec<f64> {
        let (before, now) = (self.count().max(1) as f64, counts.iter().sum::<u64>().max(1) as f64);
        let (mut one, mut other) = (0, 0);
        let parts = self.counts.iter().zip(counts).take(self.marks.len());
        parts
            .map(|(&before_count, &now_count)| {
                one += before_count;
                other += now_count;
                (one as f64 / before - other as f64 / now).abs()
            })
            .collect()
    }

    fn largest_step(&self, counts: &[u64]) -> f64 {
        self.steps(counts).into_iter().fold(0.0, f64::max)
    }

    /// Returns the area between the distribution functions from the first to the last mark, taken
    /// as straight in between.
    fn area(&self, counts: &[u64]) -> Option<f64> {
        let half = self.quantile(0.75)? - self.quantile(0.25)?;
        let steps = self.steps(counts);
        let strip = |(marks, steps): (&[f64], &[f64])| {
            (marks[1] - marks[0]) * f64::midpoint(steps[0], steps[1])
        };
        let area: f64 = self.marks.windows(2).zip(steps.windows(2)).map(strip).sum();
        (0.0 < half).then(|| area / half)
    }

    /// Returns the first mark below which there is this share of the values.
    fn quantile(&self, share: f64) -> Option<f64> {
        let least = share * self.count() as f64;
        let mut below = 0;
        let reached = self.counts.iter().position(|&count| {
            below += count;
            least <= below as f64
        })?;
        self.marks.get(reached).or(self.marks.last()).copied()
    }
}

/// Puts neighboring parts together, until each has so many values of the baseline, and is to be
/// expected to have so many of the sample, that chi-squared holds, and there are as few as the
/// usual thresholds of the index suppose.
fn coarse(one: &[u64], other: &[u64]) -> [Vec<u64>; 2] {
    let (before, now) = (one.iter().sum::<u64>(), other.iter().sum::<u64>());
    let parts = (now / EXPECTED_COUNT_MIN).min(before / EXPECTED_COUNT_MIN).clamp(1, COARSE_COUNT);
    let mut merged = [Vec::new(), Vec::new()];
    let (mut pair, mut seen) = ([0, 0], 0);
    for (at, (&a, &b)) in one.iter().zip(other).enumerate() {
        pair = [pair[0] + a, pair[1] + b];
        seen += a;
        let full = before * (merged[0].len() as u64 + 1) <= seen * parts;
        if full || at + 1 == one.len() {
            merged[0].push(pair[0]);
            merged[1].push(pair[1]);
            pair = [0, 0];
        }
    }
    merged
}

/// Returns shares, none of them zero: half a value more in each part (Jeffreys' prior).
fn shares(counts: &[u64]) -> Vec<f64> {
    let all = counts.iter().sum::<u64>() as f64 + counts.len() as f64 / 2.0;
    counts.iter().map(|&count| (count as f64 + 0.5) / all).collect()
}

/// The fewest people that a figure may be about: CMS publishes no cell of ten or fewer.
pub const GROUP_COUNT_MIN: usize = 11;

/// Most parts: 2 % each, finer than any threshold looks.
const PART_COUNT_MAX: usize = 50;

/// Cells among the marks: most of them have none or one.
const MARK_CELL_COUNT: usize = 1 << 10;

/// Parts of the population stability index: its usual thresholds, 0.1 and 0.25, are of ten.
const COARSE_COUNT: u64 = 10;

/// The fewest expected values a part for chi-squared to hold (Cochran 1954).
const EXPECTED_COUNT_MIN: u64 = 5;

/// Up to this product of the sizes the exact probability takes some milliseconds.
const EXACT_CELL_COUNT_MAX: u64 = 1_000_000;

/// More people than there are: a damaged sketch must not make sums overflow.
const COUNT_MAX: u64 = 1 << 40;
