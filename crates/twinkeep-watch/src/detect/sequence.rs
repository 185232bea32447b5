//! Detectors that look at one value after the other: when did it begin?

use std::collections::VecDeque;

/// Page-Hinkley: whether the mean of values that were standard normal has risen.
///
/// Page: Continuous inspection schemes, 1954; Hinkley: Inference about the change-point, 1971. The
/// sum of what exceeds an allowance is taken back to zero wherever it would fall below.
#[derive(Clone, Debug)]
pub struct PageHinkley {
    allowance: f64,
    sum: f64,
    seen: u64,
    risen_from: u64,
    highest: f64,
    highest_from: u64,
}

impl PageHinkley {
    /// Begins to look.
    pub fn new(allowance: f64) -> Self {
        Self { allowance, sum: 0.0, seen: 0, risen_from: 0, highest: 0.0, highest_from: 0 }
    }

    /// Takes the next value.
    pub fn add(&mut self, value: f64) {
        self.sum = (self.sum + value - self.allowance).max(0.0);
        self.seen += 1;
        if self.sum == 0.0 {
            self.risen_from = self.seen;
        }
        if self.highest < self.sum {
            self.highest = self.sum;
            self.highest_from = self.risen_from;
        }
    }

    /// Returns the probability that the sum comes as high in so many values if nothing changed:
    /// false alarms come as in a Poisson process of the threshold's run length.
    pub fn p_value(&self) -> f64 {
        -(-(self.seen as f64) / page_hinkley_run_length(self.allowance, self.highest)).exp_m1()
    }

    /// Returns after how many values the highest rise began.
    pub fn risen_after(&self) -> u64 {
        self.highest_from
    }
}

/// Returns how many standard normal values there are between two false alarms on average, for a
/// threshold b and an allowance k: (e^(2kb) - 2kb - 1) / (2k²), with b greater by 1.166 (Siegmund:
/// Sequential analysis, 1985, chapter 10).
pub fn page_hinkley_run_length(allowance: f64, threshold: f64) -> f64 {
    let x = 2.0 * allowance * (threshold + OVERSHOOT);
    (x.exp_m1() - x) / (2.0 * allowance * allowance)
}

/// ADWIN: a window over values from 0 to 1 that forgets what was before a change of their mean.
///
/// Bifet and Gavaldà: Learning from time-changing data with adaptive windowing, 2007, with an
/// exponential histogram of at most [`ROW_COUNT_MAX`] buckets a size. Its memory grows with the
/// logarithm of the window; `confidence` bounds the chance of a false alarm at each look.
#[derive(Clone, Debug)]
pub struct Adwin {
    confidence: f64,
    /// Buckets of 2^level values, oldest first in each level: sum, and sum of squared deviations.
    levels: Vec<VecDeque<Bucket>>,
    seen: u64,
    width: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    sum: f64,
    deviation: f64,
}

impl Adwin {
    /// Begins to look.
    pub fn new(confidence: f64) -> Self {
        Self { confidence, levels: Vec::new(), seen: 0, width: 0 }
    }

    /// Returns how many values the window has.
    pub fn width(&self) -> u64 {
        self.width
    }

    /// Takes the next value; returns whether the mean has changed, be it up or down.
    pub fn add(&mut self, value: f64) -> bool {
        self.seen += 1;
        self.width += 1;
        self.insert(Bucket { sum: value, deviation: 0.0 });
        let mut changed = false;
        // Looking each time would cost most of the time and find nothing sooner.
        if self.seen.is_multiple_of(LOOK_EACH) {
            while MEMORY_MIN < self.width && self.cut() {
                changed = true;
            }
        }
        changed
    }

    fn insert(&mut self, bucket: Bucket) {
        let mut bucket = bucket;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(VecDeque::new());
            }
            let row = &mut self.levels[level];
            row.push_back(bucket);
            if row.len() <= ROW_COUNT_MAX {
                return;
            }
            let (Some(one), Some(other)) = (row.pop_front(), row.pop_front()) else { return };
            bucket = join((one, 1 << level), (other, 1 << level));
        }
    }

    /// Drops the oldest bucket if some older part of the window differs from the rest.
    fn cut(&mut self) -> bool {
        let oldest_first = || {
            let levels = self.levels.iter().enumerate().rev();
            levels.flat_map(|(level, row)| row.iter().map(move |&bucket| (bucket, 1_u64 << level)))
        };
        let whole = oldest_first()
            .fold((Bucket::default(), 0), |all, part| (join(all, part), all.1 + part.1));
        let variance = whole.0.deviation / self.width as f64;
        let log = (2.0 * (self.width as f64).ln() / self.confidence).ln();
        let (mut sum, mut count) = (0.0, 0);
        let differs = oldest_first().any(|(bucket, size)| {
            sum += bucket.sum;
            count += size;
            let rest = self.width - count;
            if count < PART_MIN || rest < PART_MIN {
                return false;
            }
            let harmonic = 1.0 / (count - PART_MIN + 1) as f64 + 1.0 / (rest - PART_MIN + 1) as f64;
            let bound = (2.0 * harmonic * variance * log).sqrt() + 2.0 / 3.0 * harmonic * log;
            let means = sum / count as f64 - (whole.0.sum - sum) / rest as f64;
            bound < means.abs()
        });
        if !differs {
            return false;
        }
        let Some(level) = self.levels.iter().rposition(|row| !row.is_empty()) else { return false };
        self.levels[level].pop_front();
        self.width -= 1 << level;
        true
    }
}

/// Puts two buckets together (Chan, Golub, and LeVeque, 1979).
fn join((one, a): (Bucket, u64), (other, b): (Bucket, u64)) -> Bucket {
    if a == 0 {
        return other;
    }
    let (a, b) = (a as f64, b as f64);
    let apart = one.sum / a - other.sum / b;
    Bucket {
        sum: one.sum + other.sum,
        deviation: one.deviation + other.deviation + apart * apart * a * b / (a + b),
    }
}

/// By how much a normal sum exceeds a threshold when it first does, twice (Siegmund 1985).
const OVERSHOOT: f64 = 1.166;

/// Most buckets of a size, as in the paper.
const ROW_COUNT_MAX: usize = 5;

/// How often the window is looked at, as in the authors' program.
const LOOK_EACH: u64 = 32;

/// A window that is not longer is left alone.
const MEMORY_MIN: u64 = 10;

/// The fewest values on either side of a cut.
const PART_MIN: u64 = 5;
