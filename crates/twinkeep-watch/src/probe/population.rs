//! What real histories look like, in figures of which none is about few people.
//!
//! Of each feature its distribution is kept, of each pair of features how they go together, and of
//! the whole how far real histories lie from the middle. Distances are those of people on whom the
//! middle was not computed: otherwise they would be too small.

use serde::{Deserialize, Serialize};

use crate::detect::{GROUP_COUNT_MIN, Sketch, normal_quantile};

/// A summary of real histories.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// People that it was made from.
    people: u64,
    /// The distribution of each feature, one value a person.
    features: Vec<Sketch>,
    /// How the scores of features go together, in thousandths: the lower half, row by row.
    together: Vec<Vec<i32>>,
    /// The distribution of the logarithm of the distance.
    distances: Sketch,
    /// How far likenesses of features go together, when two people are compared.
    alike_correlation: f64,
    /// The likeness that few pairs of different people reach.
    alike_limit: f64,
}

/// In which part of its distribution each feature of a history lies; 0 where it is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells(pub(crate) Box<[u8]>);

/// Where a history lies, as it is compared with others: of each feature its rank in two hundredths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Places(pub(crate) Box<[u8]>);

/// A population with what is computed from it once.
pub(crate) struct Judge {
    /// By feature and cell, 0 of what is not known.
    scores: Vec<Vec<f64>>,
    places: Vec<Vec<u8>>,
    likeness: Likeness,
    /// The lower triangle whose square is the matrix of second moments, row by row.
    root: Vec<Vec<f64>>,
    distances: Sketch,
    distance_scores: Vec<f64>,
    alike_correlation: f64,
    alike_limit: f64,
}

impl Population {
    /// Summarizes features of people, one row a person; NaN is what is not known.
    ///
    /// Returns nothing if there are too few people.
    pub fn of(rows: &[Vec<f32>]) -> Option<Self> {
        let width = rows.first()?.len();
        if rows.len() < PEOPLE_MIN || rows.iter().any(|row| row.len() != width) {
            return None;
        }
        let column = |at: usize| -> Vec<f64> {
            let values = rows.iter().filter_map(|row| row.get(at)).map(|&value| f64::from(value));
            values.filter(|value| value.is_finite()).collect()
        };
        let features: Vec<Sketch> = (0..width).map(|at| Sketch::of(&column(at))).collect();
        let mut made = Self {
            people: rows.len() as u64,
            features,
            together: Vec::new(),
            distances: Sketch::default(),
            alike_correlation: 0.0,
            alike_limit: f64::MAX,
        };
        let cells: Vec<Cells> = rows.iter().map(|row| made.cells(row)).collect();
        let scores = made.scores();
        let scored: Vec<Vec<f64>> = cells.iter().map(|cells| score(&scores, cells)).collect();
        made.together = together(&scored, &|_| true);
        made.distances = Sketch::of(&made.distances_across(&scored));
        let (correlation, limit) = made.likeness(&cells);
        (made.alike_correlation, made.alike_limit) = (correlation, limit);
        Some(made)
    }

    /// Returns whether the figures fit together and are for so many features.
    pub fn is_sound(&self, width: usize) -> bool {
        self.features.len() == width
            && self.together.len() == width
            && self.features.iter().chain([&self.distances]).all(Sketch::is_sound)
            && self.together.iter().enumerate().all(|(at, row)| row.len() == at + 1)
            && self.together.iter().flatten().all(|it| (-MOMENT_MAX..=MOMENT_MAX).contains(it))
            && self.alike_limit.is_finite()
            && (0.0..=1.0).contains(&self.alike_correlation)
    }

    /// Returns in which parts the features of a history lie.
    pub fn cells(&self, row: &[f32]) -> Cells {
        let cell = |(sketch, &value): (&Sketch, &f32)| match value.is_finite() {
            true => u8::try_from(sketch.part(f64::from(value)) + 1).unwrap_or(u8::MAX),
            false => 0,
        };
        Cells(self.features.iter().zip(row).map(cell).collect())
    }

    /// Returns in which part of a feature a value lies.
    pub fn part(&self, feature: usize, value: f32) -> Option<u8> {
        let sketch = self.features.get(feature).filter(|_| value.is_finite())?;
        u8::try_from(sketch.part(f64::from(value))).ok()
    }

    /// Returns a value that divides the distribution of a feature at about this share.
    pub fn value(&self, feature: usize, share: f64) -> Option<f32> {
        let marks = &self.features.get(feature)?.marks;
        let at = (share * marks.len() as f64) as usize;
        marks.get(at.min(marks.len().checked_sub(1)?)).map(|&mark| mark as f32)
    }

    /// Returns how many people it was made from.
    pub fn people(&self) -> u64 {
        self.people
    }

    /// Returns the share of people of whom a feature is known.
    pub fn known(&self, feature: usize) -> f64 {
        let count = self.features.get(feature).map_or(0, Sketch::count);
        count as f64 / self.people.max(1) as f64
    }

    pub(crate) fn judge(&self) -> Judge {
        let ridge = ridge(self.features.len(), self.people as usize);
        Judge {
            scores: self.scores(),
            places: self.places(),
            likeness: Likeness::new(),
            root: root(&self.together, ridge),
            distance_scores: by_part(&self.distances, normal_quantile),
            distances: self.distances.clone(),
            alike_correlation: self.alike_correlation,
            alike_limit: self.alike_limit,
        }
    }

    fn places(&self) -> Vec<Vec<u8>> {
        let of = |sketch: &Sketch| {
            let ranks = by_part(sketch, |rank| rank);
            let one = ranks.len() <= 2;
            let place = |(cell, rank): (usize, f64)| match cell {
                0 => UNKNOWN,
                _ if one => ALIKE_ANYWAY,
                _ => (rank * f64::from(PLACE_MAX)).round() as u8,
            };
            ranks.into_iter().enumerate().map(place).collect()
        };
        self.features.iter().map(of).collect()
    }

    fn scores(&self) -> Vec<Vec<f64>> {
        self.features.iter().map(|sketch| by_part(sketch, normal_quantile)).collect()
    }

    /// Returns the logarithm of everybody's distance from the middle of the other parts.
    fn distances_across(&self, scored: &[Vec<f64>]) -> Vec<f64> {
        let width = self.features.len();
        let mut found = Vec::with_capacity(scored.len());
        for fold in 0..FOLD_COUNT {
            let moments = together(scored, &|person| person % FOLD_COUNT != fold);
            let people = scored.len() - scored.len().div_ceil(FOLD_COUNT);
            let root = root(&moments, ridge(width, people));
            let own = scored.iter().skip(fold).step_by(FOLD_COUNT);
            found.extend(own.map(|scores| ln_distance(&root, scores)));
        }
        found
    }

    /// Compares people with each other: how likenesses go together, and how high they come.
    fn likeness(&self, cells: &[Cells]) -> (f64, f64) {
        let (places, likeness) = (self.places(), Likeness::new());
        let all: Vec<Places> = cells.iter().map(|cells| place(&places, cells)).collect();
        let count = all.len();
        let pairs: Vec<(f64, f64)> = (0..PAIR_COUNT)
            .map(|at| (at % count, (at % count + 1 + at / count * STRIDE) % count))
            .filter(|(one, other)| one != other)
            .filter_map(|(one, other)| likeness.of(&all[one], &all[other]))
            .collect();
        if pairs.is_empty() {
            return (0.0, f64::MAX);
        }
        // The variance of a sum of k likenesses, each of variance 1, is k (1 + (k - 1) ρ).
        let part = |&(sum, k): &(f64, f64)| (sum * sum / k - 1.0) / (k - 1.0).max(1.0);
        let correlation = pairs.iter().map(part).sum::<f64>() / pairs.len() as f64;
        let correlation = correlation.clamp(0.0, 1.0);
        let mut heights: Vec<f64> =
            pairs.iter().map(|&(sum, k)| height(sum, k, correlation)).collect();
        heights.sort_by(f64::total_cmp);
        let at = ((1.0 - ALIKE_SHARE) * heights.len() as f64) as usize;
        let limit = heights.get(at.min(heights.len() - 1)).copied().unwrap_or(f64::MAX);
        (correlation, limit.max(ALIKE_MIN))
    }
}

impl Judge {
    /// Returns how far a history lies from the middle of real ones, as a normal score of its rank.
    pub(crate) fn distance(&self, cells: &Cells) -> f64 {
        let distance = ln_distance(&self.root, &score(&self.scores, cells));
        let part = self.distances.part(distance) + 1;
        self.distance_scores.get(part).copied().unwrap_or(0.0)
    }

    /// Returns where a history lies, as it is compared with others.
    pub(crate) fn places(&self, cells: &Cells) -> Places {
        place(&self.places, cells)
    }

    /// Returns whether two histories are so alike as those of two people hardly ever are.
    pub(crate) fn alike(&self, one: &Places, other: &Places) -> bool {
        self.likeness
            .of(one, other)
            .is_some_and(|(sum, k)| self.alike_limit <= height(sum, k, self.alike_correlation))
    }
}

/// Returns what each cell of a distribution has, by the rank of its middle; 0 of what is not known.
fn by_part(sketch: &Sketch, of: impl Fn(f64) -> f64) -> Vec<f64> {
    let all = sketch.count().max(1) as f64;
    let mut below = 0.0;
    let mut parts = vec![0.0];
    for &count in &sketch.counts {
        let rank = (below + count as f64 / 2.0) / all;
        below += count as f64;
        // One part says nothing: its middle is the middle.
        parts.push(if 0.0 < rank && rank < 1.0 { of(rank) } else { 0.0 });
    }
    parts
}

fn score(scores: &[Vec<f64>], cells: &Cells) -> Vec<f64> {
    let of =
        |(scores, &cell): (&Vec<f64>, &u8)| scores.get(usize::from(cell)).copied().unwrap_or(0.0);
    scores.iter().zip(&cells.0).map(of).collect()
}

/// Returns second moments, in thousandths; of few people nothing.
fn together(scored: &[Vec<f64>], wanted: &dyn Fn(usize) -> bool) -> Vec<Vec<i32>> {
    let width = scored.first().map_or(0, Vec::len);
    let mut sums: Vec<Vec<(f64, usize)>> = (0..width).map(|at| vec![(0.0, 0); at + 1]).collect();
    let mut people = 0.0_f64;
    for (_, scores) in scored.iter().enumerate().filter(|(person, _)| wanted(*person)) {
        people += 1.0;
        for (at, row) in sums.iter_mut().enumerate() {
            let own = scores[at];
            if own == 0.0 {
                continue;
            }
            for (sum, &other) in row.iter_mut().zip(scores) {
                sum.0 += own * other;
                sum.1 += usize::from(other != 0.0);
            }
        }
    }
    let figure = |&(sum, count): &(f64, usize)| match GROUP_COUNT_MIN <= count {
        true => (1_000.0 * sum / people.max(1.0)).round() as i32,
        false => 0,
    };
    sums.iter().map(|row| row.iter().map(figure).collect()).collect()
}

/// Returns the triangle whose square the matrix is (Cholesky), with a little more in its diagonal:
/// what few people happened to have in common is not believed (Hoerl and Kennard 1970).
fn root(together: &[Vec<i32>], ridge: f64) -> Vec<Vec<f64>> {
    let mut root: Vec<Vec<f64>> = Vec::with_capacity(together.len());
    for (at, row) in together.iter().enumerate() {
        let mut made: Vec<f64> = Vec::with_capacity(at + 1);
        for (other, &moment) in row.iter().enumerate() {
            let own = f64::from(moment) / 1_000.0 + if at == other { ridge } else { 0.0 };
            let above = if at == other { &made } else { &root[other] };
            let rest = own - made.iter().zip(above).map(|(one, other)| one * other).sum::<f64>();
            made.push(match at == other {
                true => rest.max(ridge / 2.0).sqrt(),
                false => rest / root[other][other],
            });
        }
        root.push(made);
    }
    root
}

fn ln_distance(root: &[Vec<f64>], scores: &[f64]) -> f64 {
    let mut solved: Vec<f64> = Vec::with_capacity(scores.len());
    for (row, &score) in root.iter().zip(scores) {
        let known: f64 = row.iter().zip(&solved).map(|(one, other)| one * other).sum();
        solved.push((score - known) / row.last().copied().unwrap_or(1.0));
    }
    solved.iter().map(|it| it * it).sum::<f64>().max(f64::MIN_POSITIVE).ln()
}

fn ridge(width: usize, people: usize) -> f64 {
    RIDGE_MIN + width as f64 / people.max(1) as f64 / 2.0
}

/// How likely it is that two people differ so little in a feature, as a sum over features.
struct Likeness([f64; PLACE_MAX as usize + 1]);

impl Likeness {
    fn new() -> Self {
        Self(std::array::from_fn(|apart| {
            let apart = apart as f64 / f64::from(PLACE_MAX);
            let chance = (2.0 * apart - apart * apart).clamp(SAME_CHANCE, 1.0);
            -chance.ln() - 1.0
        }))
    }

    /// Returns by how much two histories are more alike than two of different people are on average,
    /// as a sum over features with how many these are: of each, the probability that two people
    /// differ so little in it (Fisher: Statistical methods for research workers, 1932).
    fn of(&self, one: &Places, other: &Places) -> Option<(f64, f64)> {
        let (mut sum, mut count) = (0.0, 0_u32);
        for (&one, &other) in one.0.iter().zip(&other.0) {
            if PLACE_MAX < one && PLACE_MAX < other {
                continue;
            }
            count += 1;
            // What is known of one of them only is as unlike as can be.
            let apart = if PLACE_MAX < one.max(other) { PLACE_MAX } else { one.abs_diff(other) };
            sum += self.0[usize::from(apart)];
        }
        (0 < count).then_some((sum, f64::from(count)))
    }
}

fn place(places: &[Vec<u8>], cells: &Cells) -> Places {
    let of = |(places, &cell): (&Vec<u8>, &u8)| {
        places.get(usize::from(cell)).copied().unwrap_or(UNKNOWN)
    };
    Places(places.iter().zip(&cells.0).map(of).collect())
}

fn height(sum: f64, count: f64, correlation: f64) -> f64 {
    sum / (count * (1.0 + (count - 1.0) * correlation)).sqrt()
}

/// Fewer say nothing of how features go together.
const PEOPLE_MIN: usize = 40;

/// People whose distance is measured by what the other three quarters look like.
const FOLD_COUNT: usize = 4;

/// The least that is added to each variance, which is about 1.
const RIDGE_MIN: f64 = 0.05;

/// Scores of fifty parts are below 2.4, and their squares below 6.
const MOMENT_MAX: i32 = 10_000;

/// Two people who are compared; enough to know one in some thousands.
const PAIR_COUNT: usize = 40_000;

/// Takes pairs from all over, whatever order people are in.
const STRIDE: usize = 7;

/// One pair of people in 3,000 is as alike: a question is compared with 64 others.
const ALIKE_SHARE: f64 = 1.0 / 3_000.0;

/// Standard deviations: where few pairs were compared, their largest likeness is too small.
const ALIKE_MIN: f64 = 3.5;

/// The place of the highest rank.
const PLACE_MAX: u8 = 200;

/// Where a feature is not known.
const UNKNOWN: u8 = 255;

/// Where a feature tells nobody from anybody.
const ALIKE_ANYWAY: u8 = 254;

/// The probability of the same part, where there are fifty.
const SAME_CHANCE: f64 = 0.04;
