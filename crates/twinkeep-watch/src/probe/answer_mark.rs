//! The mark in coarse answers: by it, a model that learned from them is known again, and from whose.
//!
//! A coarse answer has two significant digits. Whoever was found to probe gets it rounded up or down
//! by a secret of theirs instead of to what is nearest: the secret decides for each target and each
//! stretch of its last value. A model that learns from such answers learns the stretches too, so
//! that what it says lies a little beside what the version says, in the direction of the secret.
//!
//! Rounding by a key as in DAWN (Szyller et al., ACM MM 2021), which decides by whole inputs, and
//! what students learn as in the cosine mark (Charette et al., AAAI 2022), which is smooth in the
//! inputs: a stretch is wide enough for a student to learn, and many of them make a key.
//!
//! # Invariants
//!
//! - The same last value gets the same direction, whatever else is asked: asking again, or asking
//!   something nearly alike, averages nothing out.
//! - An answer moves by less than one step of its two digits.
//! - The test is exact: whatever a suspect answers, if it does not depend on the secret, a p-value
//!   of `p` or less has a chance of at most `p`.

use std::collections::BTreeMap;

use super::MixKey;

#[cfg(test)]
mod tests;

/// The secret of one caller and one version.
#[derive(Clone, Copy)]
pub struct AnswerMark(MixKey);

/// In which direction an answer is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the step below.
    Down,
    /// To the step above.
    Up,
}

/// A stretch of the last value of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    target: u32,
    number: i64,
}

/// One number that a suspect answered, beside what the version answers.
#[derive(Clone, Copy, Debug)]
pub struct Compared {
    /// Of which stretch.
    pub stretch: Stretch,
    /// The version's.
    pub own: f32,
    /// The suspect's.
    pub suspect: f32,
}

/// How far a suspect lies beside the version, by stretch. It depends on no secret.
#[derive(Clone, Debug, Default)]
pub struct Departures {
    /// By stretch, so that none weighs much more than another.
    weights: BTreeMap<Stretch, f64>,
    answers: u64,
    same: u64,
}

/// What a test found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MarkTest {
    /// How far the suspect lies in the direction of the secret, in deviations of secrets drawn by
    /// chance.
    pub statistic: f64,
    /// The chance that a secret drawn at random lies as far.
    pub p_value: f64,
}

impl AnswerMark {
    /// Takes a secret.
    pub fn new(secret: [u8; 16]) -> Self {
        Self(MixKey::new(secret))
    }

    /// Returns in which direction answers of a stretch are rounded.
    pub fn direction(&self, stretch: Stretch) -> Direction {
        let words = [u64::from(stretch.target), u64::from_be_bytes(stretch.number.to_be_bytes())];
        if self.0.digest(&words) & 1 == 0 { Direction::Down } else { Direction::Up }
    }
}

impl Stretch {
    /// Returns where a last value lies, in stretches of this width; nothing where there is none.
    pub fn of(target: usize, last: f32, width: f32) -> Option<Self> {
        let number = (f64::from(last) / f64::from(width)).floor();
        let sound = 0.0 < width && number.abs() < NUMBER_MAX;
        let target = u32::try_from(target).ok().filter(|_| sound)?;
        Some(Self { target, number: number as i64 })
    }
}

impl Direction {
    /// Leaves two significant digits of a value.
    pub fn round(self, value: f32) -> f32 {
        two_digits(value, self).unwrap_or(value)
    }
}

/// Rounds as it is written, in whole numbers: the f32 next to 8.8 is not 8.8.
fn two_digits(value: f32, direction: Direction) -> Option<f32> {
    let text = format!("{value:.4e}");
    let (digits, exponent) = text.split_once('e')?;
    let digits: i64 = digits.replace('.', "").parse().ok()?;
    let exponent: i32 = exponent.parse().ok()?;
    let down = digits.div_euclid(DIGITS_DROPPED);
    let exact = digits.rem_euclid(DIGITS_DROPPED) == 0;
    let steps = if direction == Direction::Up && !exact { down + 1 } else { down };
    let rounded: f32 = format!("{steps}e{}", exponent - 1).parse().ok()?;
    Some(rounded).filter(|rounded| rounded.is_finite())
}

/// Returns the step of two significant digits.
fn step(value: f32) -> f64 {
    let size = f64::from(value).abs().max(f64::from(f32::MIN_POSITIVE));
    10.0_f64.powf(size.log10().floor() - 1.0)
}

impl Departures {
    /// Compares answers.
    ///
    /// What a suspect has beside the version anyway is taken out of each target: its median. What
    /// is left counts in deviations of the target, and more where a step is large beside them.
    pub fn of(compared: &[Compared]) -> Self {
        let mut targets: BTreeMap<u32, Vec<&Compared>> = BTreeMap::new();
        for one in compared.iter().filter(|one| one.own.is_finite() && one.suspect.is_finite()) {
            targets.entry(one.stretch.target).or_default().push(one);
        }
        let mut made = Self::default();
        for of_target in targets.values() {
            made.answers += of_target.len() as u64;
            let same = of_target.iter().filter(|it| it.own.to_bits() == it.suspect.to_bits());
            made.same += same.count() as u64;
            made.add(of_target);
        }
        made
    }

    fn add(&mut self, of_target: &[&Compared]) {
        let apart = |one: &Compared| f64::from(one.suspect) - f64::from(one.own);
        let middle = median(of_target.iter().map(|one| apart(one)).collect());
        let far = median(of_target.iter().map(|one| (apart(one) - middle).abs()).collect());
        let usual = median(of_target.iter().map(|one| step(one.own)).collect());
        let deviation = (DEVIATIONS_OF_MEDIAN * far).max(DEVIATION_STEPS_MIN * usual);
        // Sums of what is known of each stretch, and of its squares.
        let mut sums: BTreeMap<Stretch, (f64, f64)> = BTreeMap::new();
        for one in of_target {
            let far = ((apart(one) - middle) / deviation).clamp(-FAR_MAX, FAR_MAX);
            let value = far * (step(one.own) / deviation).min(FAR_MAX);
            let (sum, squares) = sums.entry(one.stretch).or_default();
            *sum += value;
            *squares += value * value;
        }
        let weights = sums.into_iter().filter(|&(_, (_, squares))| 0.0 < squares);
        self.weights
            .extend(weights.map(|(stretch, (sum, squares))| (stretch, sum / squares.sqrt())));
    }

    /// Returns how many numbers were compared.
    pub fn answers(&self) -> u64 {
        self.answers
    }

    /// Returns how many of them are the version's to the last digit. They lie in no direction.
    pub fn same(&self) -> u64 {
        self.same
    }

    /// Returns in how many stretches the others lie.
    pub fn stretches(&self) -> usize {
        self.weights.len()
    }

    /// Tests for a secret, beside secrets drawn at random.
    ///
    /// If the suspect does not depend on the secret, its sum is one draw more of theirs: a rank among
    /// exchangeable draws (Phipson and Smyth, 2010).
    /// `draws` makes them, and is nothing that the suspect knows.
    pub fn test(&self, mark: &AnswerMark, draws: &MixKey) -> MarkTest {
        self.test_beside(mark, draws, DRAW_COUNT)
    }

    fn test_beside(&self, mark: &AnswerMark, draws: &MixKey, draw_count: u64) -> MarkTest {
        let sum: f64 = self
            .weights
            .iter()
            .map(|(&stretch, weight)| match mark.direction(stretch) {
                Direction::Up => *weight,
                Direction::Down => -weight,
            })
            .sum();
        let deviation = self.weights.values().map(|weight| weight * weight).sum::<f64>().sqrt();
        if deviation == 0.0 {
            return MarkTest { statistic: 0.0, p_value: 1.0 };
        }
        // Sums of the same numbers in another order differ in their last digits.
        let reached = sum - SUM_DIGITS * deviation;
        let as_far = (0..draw_count).filter(|&draw| reached <= self.draw(draws, draw)).count();
        MarkTest {
            statistic: sum / deviation,
            p_value: (as_far as f64 + 1.0) / (draw_count as f64 + 1.0),
        }
    }

    /// Returns the sum of a secret that is drawn at random.
    fn draw(&self, draws: &MixKey, number: u64) -> f64 {
        let (mut sum, mut bits) = (0.0, 0);
        for (at, weight) in self.weights.values().enumerate() {
            if at % 64 == 0 {
                bits = draws.digest(&[number, at as u64]);
            }
            sum += if bits & 1 == 0 { -weight } else { *weight };
            bits >>= 1;
        }
        sum
    }
}

/// Returns p-values that hold for all of them together (Holm, 1979), in the same order.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&one, &other| p_values[one].total_cmp(&p_values[other]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut highest = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        let left = (p_values.len() - rank) as f64;
        highest = highest.max((left * p_values[index]).min(1.0));
        adjusted[index] = highest;
    }
    adjusted
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Beyond it whole numbers have gaps.
const NUMBER_MAX: f64 = 1e12;

/// Of five digits, two are left.
const DIGITS_DROPPED: i64 = 1_000;

/// Of a normal distribution, from the median of how far values lie.
const DEVIATIONS_OF_MEDIAN: f64 = 1.4826;

/// A suspect that answers as the version does has none.
const DEVIATION_STEPS_MIN: f64 = 0.1;

/// So that a few answers far away do not decide.
const FAR_MAX: f64 = 3.0;

/// Some hundred callers may be tested together, and one of them still be found at 0.1 percent.
const DRAW_COUNT: u64 = 100_000;

const SUM_DIGITS: f64 = 1e-9;
