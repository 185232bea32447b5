//! Learns a [`VariableModel`] of every variable, and measures its scores on subjects apart.
//!
//! The subjects are cut in two halves; each half is scored by what the other half taught, so the
//! scores that calibrate the thresholds are those of rows that nothing was learned from. Rows far
//! off are left out of the second fit, so that poison in the reference teaches little.

use std::ops::Range;

use twinkeep_domain::Event;

use super::frame::{CORRELATES, FEATURES, Frame, Lens, NONE, STRATA};
use super::model::{Picker, Scores, Scratch, Spread, Stratum, VariableModel};
use super::ridge::Sums;
use super::scale::{Scale, quantile};
use super::tail::Tail;

/// The rows of the subjects that teach.
pub(super) struct Lesson<'a> {
    pub rows: &'a [Event],
    /// The rows of each subject.
    pub subjects: &'a [Range<usize>],
    /// By code, which variable it is.
    pub variable_of: &'a [Option<u16>],
}

/// The models, and the union of both detectors' surprise on rows that were apart.
pub(super) struct Learned {
    pub models: Vec<VariableModel>,
    pub surprises: Vec<f32>,
}

type Cells<T> = Vec<[T; STRATA]>;

impl Lesson<'_> {
    /// Calls `each` with every subject's frame, and whether it is in the second half.
    pub(super) fn frames(&self, lenses: &[Lens], mut each: impl FnMut(&mut Frame, usize)) {
        let mut frame = Frame::new(lenses.len());
        for (at, range) in self.subjects.iter().enumerate() {
            let rows = &self.rows[range.clone()];
            frame.fill(rows, range.start, self.variable_of, lenses, |_| false);
            each(&mut frame, at % 2);
        }
    }

    /// Learns scales and usual gaps; variables that say nothing are `None`.
    pub(super) fn lenses(&self, variable_count: usize) -> Vec<Option<Lens>> {
        let mut values: Vec<Vec<f32>> = vec![Vec::new(); variable_count];
        let mut gaps: Vec<Vec<f32>> = vec![Vec::new(); variable_count];
        let mut last = vec![None; variable_count];
        for (at, range) in self.subjects.iter().enumerate() {
            for event in &self.rows[range.clone()] {
                let Some(&Some(variable)) = self.variable_of.get(event.code as usize) else {
                    continue;
                };
                let variable = usize::from(variable);
                let Some(value) = event.value.filter(|value| value.is_finite()) else { continue };
                values[variable].push(value);
                let Some(time) = event.time else { continue };
                if let Some((subject, before)) = last[variable].replace((at, time))
                    && subject == at
                {
                    gaps[variable].push(time.hours_since(before) as f32);
                }
            }
        }
        let lens = |(values, gaps): (&mut Vec<f32>, &mut Vec<f32>)| {
            if values.len() < VALUES_MIN {
                return None;
            }
            gaps.sort_unstable_by(f32::total_cmp);
            let gap_hours = quantile(gaps, 0.5).unwrap_or(1.0).max(GAP_MIN_HOURS);
            let scale = Scale::learn(values)?;
            Some(Lens { scale, gap_hours, correlates: [u16::MAX; CORRELATES] })
        };
        values.iter_mut().zip(&mut gaps).map(lens).collect()
    }

    /// Finds for every variable the others that move with it at the same moment.
    pub(super) fn correlates(&self, lenses: &mut [Lens]) {
        let count = lenses.len();
        let mut pairs = vec![Pair::default(); count * count];
        let mut seen = 0_usize;
        self.frames(lenses, |frame, _| {
            if CORRELATE_ROWS_MAX < seen {
                return;
            }
            seen += frame.obs.len();
            let mut start = 0;
            while let Some(first) = frame.obs.get(start) {
                let rest = &frame.obs[start..];
                let end = start + rest.partition_point(|obs| obs.hours <= first.hours);
                let end = end.min(start + MOMENT_MAX);
                for one in &frame.obs[start..end] {
                    let moved = |obs: &super::frame::Obs| {
                        let before = frame.at(obs.prev).filter(|_| obs.prev != NONE);
                        before.map(|before| (obs.z - before.z).clamp(-4.0, 4.0))
                    };
                    let step = moved(one);
                    for other in &frame.obs[start..end] {
                        let pair = &mut pairs
                            [usize::from(one.variable) * count + usize::from(other.variable)];
                        pair.add(one.z.clamp(-4.0, 4.0), other.z.clamp(-4.0, 4.0));
                        if let (Some(a), Some(b)) = (step, moved(other)) {
                            pair.add_step(a, b);
                        }
                    }
                }
                start = end;
            }
        });
        for (at, lens) in lenses.iter_mut().enumerate() {
            let total = pairs[at * count + at].count.max(1.0);
            let mut order: Vec<(f64, u16)> = (0..count)
                .filter(|&other| other != at)
                .map(|other| (pairs[at * count + other].strength(total), other as u16))
                .filter(|(strength, _)| STRENGTH_MIN < *strength)
                .collect();
            order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            for (slot, (_, other)) in lens.correlates.iter_mut().zip(order) {
                *slot = other;
            }
        }
    }

    /// Learns the models; `lenses` have their correlates.
    pub(super) fn models(&self, lenses: &[Lens]) -> Learned {
        let first = self.fit(lenses, None);
        let rough = self.scales(lenses, &first);
        let second = self.fit(lenses, Some((&first, &rough)));
        let scales = self.scales(lenses, &second);
        let halves = [0, 1].map(|half| second.finish(half..half + 1, &scales));
        let mut models = second.finish(0..2, &scales);
        // What was not scored apart has no threshold, and must not be judged by that of the rest.
        for (at, model) in models.iter_mut().enumerate() {
            for (stratum, learned) in model.strata.iter_mut().enumerate() {
                if halves.iter().any(|half| half[at].strata[stratum].is_none()) {
                    *learned = None;
                }
            }
        }
        // Each half is scored by what the other taught.
        let mut scores: Vec<Vec<Scores>> = vec![Vec::new(); lenses.len()];
        let mut scratch = Scratch::default();
        self.frames(lenses, |frame, half| {
            frame.contexts(lenses, |obs, context| {
                let at = usize::from(obs.variable);
                if models[at].strata[context.stratum].is_some() {
                    scores[at].push(halves[1 - half][at].score(obs, context, &mut scratch));
                }
            });
        });
        let mut surprises = Vec::new();
        for (model, scores) in models.iter_mut().zip(&scores) {
            let mut residuals: Vec<f32> = scores.iter().map(|score| score.residual.abs()).collect();
            let mut neighbors: Vec<f32> = scores.iter().map(|score| score.neighbor).collect();
            model.residual = Tail::learn(&mut residuals);
            model.neighbor = Tail::learn(&mut neighbors);
            surprises.extend(scores.iter().map(|&score| model.surprise(score)));
        }
        Learned { models, surprises }
    }

    /// Adds up one regression a half, variable, and kind of context. The second time, rows that
    /// the first fit finds far off are left out.
    fn fit(&self, lenses: &[Lens], before: Option<(&Fit, &Cells<Spread>)>) -> Fit {
        let cells = || vec![<[Sums<FEATURES>; STRATA]>::default(); lenses.len()];
        let mut fit = Fit {
            halves: [cells(), cells()],
            pickers: [(); 2].map(|()| vec![<[Picker; STRATA]>::default(); lenses.len()]),
        };
        let weights = before.map(|(fit, _)| fit.weights());
        self.frames(lenses, |frame, half| {
            frame.contexts(lenses, |obs, context| {
                let (at, stratum) = (usize::from(obs.variable), context.stratum);
                if let Some((weights, (_, scales))) = weights.as_ref().zip(before) {
                    let residual = obs.z - weights[at][stratum].predict(&context.features);
                    if TRIM * scales[at][stratum].at(context.roughness) < residual.abs() {
                        return;
                    }
                }
                let z = obs.z.clamp(-CLIP, CLIP);
                fit.halves[half][at][stratum].add(&context.features, z);
                fit.pickers[half][at][stratum].offer(&context.features, z);
            });
        });
        fit
    }

    /// Returns the usual size of a residual, a variable and kind of context.
    fn scales(&self, lenses: &[Lens], fit: &Fit) -> Cells<Spread> {
        let weights = fit.weights();
        let mut sizes = vec![<[Vec<(f32, f32)>; STRATA]>::default(); lenses.len()];
        self.frames(lenses, |frame, _| {
            frame.contexts(lenses, |obs, context| {
                let (at, stratum) = (usize::from(obs.variable), context.stratum);
                let predicted = weights[at][stratum].predict(&context.features);
                sizes[at][stratum].push(((obs.z - predicted).abs(), context.roughness));
            });
        });
        sizes.iter().map(|strata| strata.each_ref().map(|sizes| Spread::learn(sizes))).collect()
    }
}

impl VariableModel {
    /// Returns the larger surprise of the two detectors.
    pub(super) fn surprise(&self, scores: Scores) -> f32 {
        let residual = self.residual.surprise(scores.residual.abs());
        residual.max(self.neighbor.surprise(scores.neighbor))
    }
}

/// Sums and samples of both halves.
struct Fit {
    halves: [Cells<Sums<FEATURES>>; 2],
    pickers: [Cells<Picker>; 2],
}

impl Fit {
    fn weights(&self) -> Cells<super::ridge::Weights<FEATURES>> {
        let both = |(a, b): (&[Sums<FEATURES>; STRATA], &[Sums<FEATURES>; STRATA])| {
            std::array::from_fn(|at| a[at].plus(&b[at]).solve())
        };
        self.halves[0].iter().zip(&self.halves[1]).map(both).collect()
    }

    fn finish(&self, halves: Range<usize>, scales: &Cells<Spread>) -> Vec<VariableModel> {
        let model = |(at, scales): (usize, &[Spread; STRATA])| {
            let stratum = |stratum: usize| {
                let sums = self.halves[halves.clone()].iter().map(|cells| &cells[at][stratum]);
                let sums = sums.fold(Sums::default(), |all, sums| all.plus(sums));
                // A sample of one half stands for both; it is bounded anyway.
                let picked = self.pickers[halves.start][at][stratum].picked();
                Stratum::learn(&sums, picked, scales[stratum])
            };
            VariableModel { strata: std::array::from_fn(stratum), ..VariableModel::default() }
        };
        scales.iter().enumerate().map(model).collect()
    }
}

/// Sums of two variables at the same moments: of the values, and of their steps.
#[derive(Clone, Copy, Default)]
struct Pair {
    count: f64,
    values: [f64; 5],
    step_count: f64,
    steps: [f64; 5],
}

impl Pair {
    fn add(&mut self, a: f32, b: f32) {
        self.count += 1.0;
        accumulate(&mut self.values, a, b);
    }

    fn add_step(&mut self, a: f32, b: f32) {
        self.step_count += 1.0;
        accumulate(&mut self.steps, a, b);
    }

    /// Returns how much the second says about the first, of `total` times that it is there.
    fn strength(&self, total: f64) -> f64 {
        let level = correlation(self.count, &self.values).powi(2);
        let step = correlation(self.step_count, &self.steps).powi(2);
        self.count / total * (STEP_WEIGHT * step + level)
    }
}

fn accumulate(sums: &mut [f64; 5], a: f32, b: f32) {
    let (a, b) = (f64::from(a), f64::from(b));
    for (sum, term) in sums.iter_mut().zip([a, b, a * a, b * b, a * b]) {
        *sum += term;
    }
}

fn correlation(count: f64, &[a, b, aa, bb, ab]: &[f64; 5]) -> f64 {
    if count < PAIRS_MIN {
        return 0.0;
    }
    let covariance = ab / count - a * b / (count * count);
    let spread = (aa / count - (a / count).powi(2)) * (bb / count - (b / count).powi(2));
    if spread <= 0.0 { 0.0 } else { covariance / spread.sqrt() }
}

/// Fewer values do not show what is usual.
const VALUES_MIN: usize = 500;

/// Sources that put everything at one time have no gap.
const GAP_MIN_HOURS: f32 = 0.01;

/// Rows that the search for correlates looks at: enough for a correlation to two digits.
const CORRELATE_ROWS_MAX: usize = 400_000;

/// Most values of one moment that are paired: bounds a moment with thousands.
const MOMENT_MAX: usize = 64;

/// Fewer moments with both do not show a correlation.
const PAIRS_MIN: f64 = 200.0;

/// What moves together says more than what is high together: levels the own series knows.
const STEP_WEIGHT: f64 = 2.0;

/// A weaker correlate only adds noise.
const STRENGTH_MIN: f64 = 0.002;

/// Residuals beyond this many usual sizes are left out of the second fit.
const TRIM: f32 = 5.0;

/// Values beyond this many robust standard deviations count as this in a fit.
const CLIP: f32 = 6.0;
