//! How forecasts err together: from the tuning split to a [`Dependence`].
//!
//! The trees did not learn from the tuning subjects, and their intervals are calibrated on them:
//! where an observed value lies in its forecast is a score that is spread as a normal distribution.
//! Products of two scores of one snapshot, by how far apart in time they are, give correlations;
//! Goulard and Voltz's algorithm (1992) finds the parts that explain them best and can exist.
//!
//! A value that many scores have (a count, an event) is placed at their mean, which hides part of
//! a correlation; what it hides is known and divided out.
//!
//! # Invariants
//!
//! - Nothing of one subject is kept: a correlation is a mean over [`PAIR_SUBJECT_COUNT_MIN`]
//!   subjects or more, or is zero.

use twinkeep_domain::{Basis, EventPoint, Range, WindowAnswer, WindowKind};

use super::{Material, select};
use crate::curve::{Curve, Placed, between};
use crate::dependence::{Dependence, MEMORIES, Matrix, Part, correlation};
use crate::features::WINDOW_OWN_COUNT;
use crate::normal::score;
use crate::target::TargetModel;
use crate::window_model::WindowModel;

/// Where one outcome lies in its forecast.
#[derive(Clone, Copy)]
struct Mark {
    snapshot: u32,
    component: u16,
    /// How far ahead, in parts of the horizon.
    cell: u8,
    placed: Placed,
}

/// Learns how the targets of a model hang together.
pub(super) fn learn(
    material: &Material<'_>,
    targets: &[TargetModel],
    windows: &[WindowModel],
) -> Dependence {
    let count = targets.len() + windows.len();
    let mut marks = Vec::new();
    for (at, target) in targets.iter().enumerate() {
        marks_of_target(material, at, target, &mut marks);
    }
    for (at, window) in windows.iter().enumerate() {
        marks_of_window(material, at, window, targets.len() + at, &mut marks);
    }
    marks.sort_by_key(|mark| (mark.snapshot, mark.component, mark.cell));
    marks.dedup_by_key(|mark| (mark.snapshot, mark.component, mark.cell));
    let joined = joined(&marks, count, &material.tuning.subjects);
    if joined.is_empty() {
        return Dependence::none(count);
    }
    let moments = Moments::collect(&marks, &joined, targets.len(), &material.tuning.subjects);
    let parts = moments.fit();
    Dependence { component_count: count, parts: spread(&parts, &joined, count, targets.len()) }
}

fn marks_of_target(material: &Material<'_>, at: usize, target: &TargetModel, out: &mut Vec<Mark>) {
    if target.basis == Basis::NotEnoughHistory {
        return;
    }
    let plan = material.pack.forecast();
    let range = material.pack.variables()[target.variable].range;
    let rows = &material.tuning.targets[at];
    let points = select::points(&material.tuning, at, target, &plan.buckets_hours);
    for (row, mut point) in points.into_iter().enumerate() {
        target.finish(&mut point, &plan.buckets_hours, range);
        let placed = Curve::of(&point, range).place(rows.value[row]);
        let cell = (rows.horizon[row] / plan.horizon_hours * CELL_COUNT as f32).ceil() as usize;
        out.push(Mark {
            snapshot: rows.snapshot[row],
            component: narrow(at),
            cell: cell.clamp(1, CELL_COUNT) as u8,
            placed,
        });
    }
}

fn marks_of_window(
    material: &Material<'_>,
    at: usize,
    window: &WindowModel,
    component: usize,
    out: &mut Vec<Mark>,
) {
    if window.basis == Basis::NotEnoughHistory {
        return;
    }
    let target = &material.pack.windows()[at];
    let rows = &material.tuning.windows[at];
    let shared = material.tuning.shared.len() / material.tuning.subjects.len().max(1);
    let mut features = vec![f32::NAN; shared + WINDOW_OWN_COUNT];
    let mut start = 0;
    for part in rows.snapshot.chunk_by(|one, other| one == other) {
        let snapshot = part[0] as usize;
        features[..shared].copy_from_slice(&material.tuning.shared[snapshot * shared..][..shared]);
        let own = &rows.own[snapshot * WINDOW_OWN_COUNT..][..WINDOW_OWN_COUNT];
        features[shared..].copy_from_slice(own);
        let values = &rows.value[start..start + part.len()];
        start += part.len();
        let placed = match window.answer(target, &features, rows.before[snapshot]) {
            WindowAnswer::None => continue,
            WindowAnswer::Total(point) => {
                let range = Range { low: 0.0, high: f32::MAX };
                values.first().map(|&value| Curve::of(&point, range).place(value))
            }
            WindowAnswer::Event(points) => {
                let absent = matches!(&target.kind, WindowKind::Event(plan) if plan.absent);
                place_event(&points, values, absent)
            }
        };
        if let Some(placed) = placed {
            let component = narrow(component);
            out.push(Mark { snapshot: part[0], component, cell: 1, placed });
        }
    }
}

/// Returns where an outcome lies among the probabilities of an event and of what competes with it;
/// `None` where the subject was not observed until something happened, or to the end.
fn place_event(points: &[EventPoint], values: &[f32], absent: bool) -> Option<Placed> {
    let of = |point: &EventPoint, cause: usize| -> f64 {
        let own = if absent { 1.0 - point.probability } else { point.probability };
        f64::from(if cause == 0 { own } else { point.competing[cause - 1] })
    };
    let last = points.last()?;
    let interval = values.len().checked_sub(1)?;
    let outcome = values[interval];
    let before = |cause: usize| (0..cause).map(|cause| of(last, cause)).sum::<f64>();
    let (low, high) = if 0.0 < outcome {
        let cause = outcome as usize - 1;
        let until = |at: usize| points.get(at).map_or(0.0, |point| of(point, cause));
        let earlier = interval.checked_sub(1).map_or(0.0, until);
        (before(cause) + earlier, before(cause) + until(interval))
    } else if values.len() == points.len() {
        (before(1 + last.competing.len()), 1.0)
    } else {
        return None;
    };
    Some(between(score(low.clamp(0.0, 1.0)), score(high.clamp(0.0, 1.0))))
}

/// Returns which targets are joined: those that enough subjects have, the most observed first.
fn joined(marks: &[Mark], count: usize, subjects: &[u32]) -> Vec<usize> {
    let mut seen = vec![(0_usize, u32::MAX); count];
    for mark in marks {
        let subject = subjects[mark.snapshot as usize];
        let (known, last) = &mut seen[usize::from(mark.component)];
        *known += usize::from(*last != subject);
        *last = subject;
    }
    let mut order: Vec<usize> =
        (0..count).filter(|&at| PAIR_SUBJECT_COUNT_MIN <= seen[at].0).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(seen[at].0));
    order.truncate(JOINED_COUNT_MAX);
    order.sort_unstable();
    order
}

/// Sums of products of scores, by how far apart they are.
struct Moments {
    size: usize,
    /// The first component that is about a window.
    window_from: usize,
    /// [group][row * size + column].
    sums: Vec<Vec<f64>>,
    counts: Vec<Vec<u32>>,
    /// How often each distance between cells came.
    distances: [u64; CELL_COUNT],
    /// How many subjects have both.
    subjects: Vec<u32>,
    /// What each product is divided by: deviation, and how much of it the means of ranges keep.
    scales: Vec<f64>,
}

impl Moments {
    fn collect(marks: &[Mark], joined: &[usize], targets: usize, subjects: &[u32]) -> Self {
        let size = joined.len();
        let mut place = vec![None; joined.last().map_or(0, |last| last + 1)];
        joined.iter().enumerate().for_each(|(at, &component)| place[component] = Some(at));
        let mut moments = Self {
            size,
            window_from: joined.partition_point(|&component| component < targets),
            sums: vec![vec![0.0; size * size]; GROUP_COUNT],
            counts: vec![vec![0; size * size]; GROUP_COUNT],
            distances: [0; CELL_COUNT],
            subjects: vec![0; size * size],
            scales: vec![1.0; size],
        };
        let snapshots: Vec<&[Mark]> =
            marks.chunk_by(|one, other| one.snapshot == other.snapshot).collect();
        let stride = snapshots.len().div_ceil(SNAPSHOT_COUNT_MAX).max(1);
        let mut last_subject = vec![u32::MAX; size * size];
        let mut here: Vec<(usize, u8, f64)> = Vec::new();
        let mut squares = vec![[0.0_f64; 3]; size];
        for marks in snapshots.into_iter().step_by(stride) {
            here.clear();
            for mark in marks {
                let Some(at) = place.get(usize::from(mark.component)).copied().flatten() else {
                    continue;
                };
                let score = f64::from(mark.placed.score);
                here.push((at, mark.cell, score));
                squares[at][0] += 1.0;
                squares[at][1] += score * score;
                squares[at][2] += f64::from(mark.placed.variance);
            }
            let subject = marks.first().map_or(0, |mark| subjects[mark.snapshot as usize]);
            moments.add(&here, subject, &mut last_subject);
        }
        for (scale, [count, between, within]) in moments.scales.iter_mut().zip(squares) {
            let all = (between + within) / count.max(1.0);
            let kept = between / (between + within).max(f64::MIN_POSITIVE);
            *scale = if KEPT_MIN <= kept { all.sqrt() * kept } else { f64::INFINITY };
        }
        moments
    }

    fn add(&mut self, here: &[(usize, u8, f64)], subject: u32, last_subject: &mut [u32]) {
        for (first, &(row, cell, score)) in here.iter().enumerate() {
            for &(column, other_cell, other) in &here[first + 1..] {
                let window = self.window_from <= row.max(column);
                let distance = if window { 0 } else { usize::from(cell.abs_diff(other_cell)) };
                let group = group(distance);
                let product = score * other;
                self.distances[distance] += u64::from(!window);
                for place in [row * self.size + column, column * self.size + row] {
                    self.sums[group][place] += product;
                    self.counts[group][place] += 1;
                    if last_subject[place] != subject {
                        last_subject[place] = subject;
                        self.subjects[place] += 1;
                    }
                }
            }
        }
    }

    /// Returns the covariances of each part.
    fn fit(&self) -> Vec<Matrix> {
        let (wanted, weights) = self.wanted();
        let shape = self.shape();
        let mut parts: Vec<Matrix> = MEMORIES.iter().map(|_| Matrix::zero(self.size)).collect();
        for at in 0..self.size {
            let windows = self.window_from <= at;
            for (part, matrix) in parts.iter_mut().enumerate() {
                let share = if windows { 0.0 } else { 1.0 / MEMORIES.len() as f64 };
                matrix.set(at, at, if windows && part == 0 { 1.0 } else { share });
            }
        }
        for _ in 0..ROUND_COUNT {
            for part in 0..parts.len() {
                let mut best = Matrix::zero(self.size);
                for row in 0..self.size {
                    for column in 0..=row {
                        if 0 < part && self.window_from <= row {
                            continue;
                        }
                        let place = row * self.size + column;
                        let (mut above, mut below) = (0.0, SHRINKAGE);
                        for group in 0..GROUP_COUNT {
                            let weight = weights[group][place] * shape[part][group];
                            let others: f64 = (0..parts.len())
                                .filter(|&other| other != part)
                                .map(|other| shape[other][group] * parts[other].at(row, column))
                                .sum();
                            above += weight * (wanted[group][place] - others);
                            below += weight * shape[part][group];
                        }
                        best.set(row, column, above / below);
                    }
                }
                parts[part] = best.nearest_covariance();
            }
        }
        normalize(&mut parts);
        parts
    }

    /// Returns the correlations by group, and how much each counts.
    fn wanted(&self) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let size = self.size;
        let mut wanted = vec![vec![0.0; size * size]; GROUP_COUNT];
        let mut weights = wanted.clone();
        for group in 0..GROUP_COUNT {
            let of = |row: usize, column: usize| {
                let place = row * size + column;
                let count = f64::from(self.counts[group][place]);
                let known = PAIR_SUBJECT_COUNT_MIN <= self.subjects[place] as usize;
                let found = self.sums[group][place] / (self.scales[row] * self.scales[column]);
                (if known { count } else { 0.0 }, found)
            };
            // What a target with few pairs has of itself is drawn to what all have.
            let known: Vec<f64> = (0..self.window_from)
                .filter(|&at| self.scales[at].is_finite())
                .map(|at| of(at, at))
                .filter(|(count, _)| PRIOR_PAIRS <= *count)
                .map(|(count, sum)| sum / count)
                .collect();
            let usual = known.iter().sum::<f64>() / known.len().max(1) as f64;
            for row in 0..size {
                for column in 0..size {
                    let place = row * size + column;
                    let (count, sum) = of(row, column);
                    let own = row == column;
                    let (count, sum) = match own {
                        true => (count + OWN_PRIOR_PAIRS, sum + OWN_PRIOR_PAIRS * usual),
                        false => (count, sum),
                    };
                    if own && group == 0 {
                        let weight = SAME_MOMENT_WEIGHT * OWN_WEIGHT;
                        (wanted[group][place], weights[group][place]) = (1.0, weight);
                    } else if 0.0 < count && !(own && self.window_from <= row) {
                        wanted[group][place] = (sum / count).clamp(-1.0, 1.0);
                        let weight = count / (count + PRIOR_PAIRS);
                        let factor = match (own, group) {
                            (true, _) => OWN_WEIGHT,
                            (false, 0) => SAME_MOMENT_WEIGHT,
                            (false, _) => 1.0,
                        };
                        weights[group][place] = factor * weight;
                    }
                }
            }
        }
        (wanted, weights)
    }

    /// Returns how strongly each part correlates with itself in each group: [part][group].
    fn shape(&self) -> Vec<[f64; GROUP_COUNT]> {
        let of = |memory: f32| {
            let mut sums = [(0.0, 0.0); GROUP_COUNT];
            for (distance, &count) in self.distances.iter().enumerate() {
                let horizons = distance as f32 / CELL_COUNT as f32;
                // One more, so that a group that never came has a shape.
                let count = count as f64 + 1.0;
                let (sum, all) = &mut sums[group(distance)];
                *sum += count * f64::from(correlation(memory, horizons));
                *all += count;
            }
            sums.map(|(sum, all)| sum / all)
        };
        MEMORIES.iter().map(|&memory| of(memory)).collect()
    }
}

/// Gives every target the variance 1 over all parts.
fn normalize(parts: &mut [Matrix]) {
    let size = parts.first().map_or(0, Matrix::size);
    let scales: Vec<f64> = (0..size)
        .map(|at| parts.iter().map(|part| part.at(at, at)).sum::<f64>())
        .map(|all| if VARIANCE_MIN < all { all.sqrt() } else { 0.0 })
        .collect();
    for (number, part) in parts.iter_mut().enumerate() {
        for row in 0..size {
            for column in 0..=row {
                let scale = scales[row] * scales[column];
                let value = if 0.0 < scale { part.at(row, column) / scale } else { 0.0 };
                let lost = row == column && scales[row] <= 0.0 && number == 0;
                part.set(row, column, if lost { 1.0 } else { value });
            }
        }
    }
}

/// Takes the parts apart into factors, and gives targets that are not joined what others usually
/// have for themselves.
fn spread(parts: &[Matrix], joined: &[usize], count: usize, targets: usize) -> Vec<Part> {
    let values = joined.iter().filter(|&&component| component < targets).count();
    let usual = |part: &Matrix| {
        let sum: f64 = (0..values).map(|at| part.at(at, at)).sum();
        if values == 0 { 1.0 / MEMORIES.len() as f64 } else { sum / values as f64 }
    };
    let wide = |(number, matrix): (usize, &Matrix)| {
        let part = Part::from_covariance(matrix);
        let width = part.factor_count;
        let mut loadings = vec![0.0; count * width];
        let mut own: Vec<f32> = (0..count)
            .map(|component| match (component < targets, number) {
                (true, _) => usual(matrix).sqrt() as f32,
                (false, 0) => 1.0,
                (false, _) => 0.0,
            })
            .collect();
        for (at, &component) in joined.iter().enumerate() {
            loadings[component * width..][..width]
                .copy_from_slice(&part.loadings[at * width..][..width]);
            own[component] = part.own[at];
        }
        Part { factor_count: width, loadings, own }
    };
    parts.iter().enumerate().map(wide).collect()
}

/// Returns the group of a distance between cells: each is twice as wide as the one before.
fn group(distance: usize) -> usize {
    GROUP_ENDS.iter().position(|&end| distance <= end).unwrap_or(GROUP_COUNT - 1)
}

fn narrow(component: usize) -> u16 {
    // A pack has at most 1,024 variables and 64 window targets.
    u16::try_from(component).unwrap_or(u16::MAX)
}

/// Parts of the horizon within which two values are of one moment: an hour of a day.
const CELL_COUNT: usize = 24;

/// Distances that are learned together, in cells.
const GROUP_ENDS: [usize; 7] = [0, 1, 2, 4, 8, 15, 23];
const GROUP_COUNT: usize = GROUP_ENDS.len();

/// Fewest subjects behind a correlation: nobody shines through a mean over so many.
pub(crate) const PAIR_SUBJECT_COUNT_MIN: usize = 50;

/// Most targets that are joined: the time grows with the third power.
const JOINED_COUNT_MAX: usize = 64;

/// As many snapshots say what there is to say; a correlation is then known to a hundredth.
const SNAPSHOT_COUNT_MAX: usize = 6_000;

/// Rounds of Goulard and Voltz's algorithm; parts with memories alike part slowly.
const ROUND_COUNT: usize = 100;

/// A correlation of this many pairs counts half as much as one that is known exactly.
const PRIOR_PAIRS: f64 = 200.0;

/// What others usually have of themselves counts as much as this many pairs of a target's own.
const OWN_PRIOR_PAIRS: f64 = 40.0;

/// A target has one correlation with itself, and dozens with others.
const OWN_WEIGHT: f64 = 10.0;

/// Targets at one moment are what people look at together.
const SAME_MOMENT_WEIGHT: f64 = 4.0;

/// Draws covariances that hardly anything speaks for to zero.
const SHRINKAGE: f64 = 0.02;

/// Less of a score than this cannot be scaled up: such an event is too rare to say with what it
/// goes together.
const KEPT_MIN: f64 = 0.1;

/// A target of which no part is left keeps its median path.
const VARIANCE_MIN: f64 = 1e-6;
