//! Detector *sender*: what the feeds of one sender add up to, beside everybody else's.
//!
//! Poison that agrees with its context row by row still has to move something, and whoever signs
//! all of it moves it in all of his rows. Of each sender only sums are kept, a variable:
//!
//! - how many values a person has, and at what level: other hospitals differ here, so it is told
//!   and does not condemn;
//! - how far values are from what their contexts predict, and on which side;
//! - how far the later course of a person is from what the earlier one predicts;
//! - the sums of a small forecast, so that its error on other people's data can be computed with
//!   this sender's rows and without them (reject on negative impact: Nelson et al., 2008).
//!
//! The unit is the person: a thousand rows of one patient are one observation.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::frame::{Frame, Lens, NONE};
use super::reference::Reference;
use super::repetition::mix;
use super::ridge::{Sums, Weights};

mod judge;

pub(super) use judge::judge;
pub use judge::{SenderFinding, SenderJudgement, Verdict};

/// Inputs of the small forecast: constant, last value, the one before, mean, the first correlate.
pub(super) const INPUTS: usize = 5;

/// Parts of the people, for errors on people who taught nothing.
pub(super) const FOLDS: usize = 4;

/// Where a person's course is cut into what predicts and what is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// Hours after a person's first event.
    pub cut_hours: f32,
    /// Hours after the cut.
    pub horizon_hours: f32,
}

/// What the rows of one or more feeds add up to, measured by one reference. No person can be
/// found in it, but a small feed's sums are near to its people: keep it sealed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct SenderStats {
    /// Which reference measured; others cannot be compared.
    reference: u64,
    pub(super) rows: u64,
    pub(super) subjects: u64,
    pub(super) suspects: u64,
    /// Share of a person's rows that is suspect.
    pub(super) suspicion: Moments,
    pub(super) variables: Vec<VariableStats>,
}

impl fmt::Debug for SenderStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SenderStats({} subjects, hidden)", self.subjects)
    }
}

/// The sums of one variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct VariableStats {
    /// By [`Measure`], over people.
    pub moments: [Moments; Measure::ALL.len()],
    /// The small forecast, by part of the people.
    pub courses: [Sums<INPUTS>; FOLDS],
}

/// What is measured of a person's values of one variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// Logarithm of their number.
    Rate,
    /// Their mean.
    Level,
    /// Mean residual from their contexts, with its sign.
    Bias,
    /// Mean size of the residual.
    Disagreement,
    /// Residual of the later course from the earlier one, with its sign.
    Outcome,
    /// Size of that residual.
    Surprise,
}

impl Measure {
    pub(super) const ALL: [Self; 6] =
        [Self::Rate, Self::Level, Self::Bias, Self::Disagreement, Self::Outcome, Self::Surprise];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Level => "level",
            Self::Bias => "bias",
            Self::Disagreement => "disagreement",
            Self::Outcome => "outcome",
            Self::Surprise => "surprise",
        }
    }
}

/// Count, sum, and sum of squares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Moments {
    pub count: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f32) {
        let value = f64::from(value.clamp(-CLIP, CLIP));
        self.count += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            squares: self.squares + other.squares,
        }
    }

    pub(super) fn mean(&self) -> f64 {
        self.sum / self.count.max(1.0)
    }

    pub(super) fn variance(&self) -> f64 {
        (self.squares / self.count.max(1.0) - self.mean().powi(2)).max(0.0)
    }
}

impl SenderStats {
    /// Starts with nothing, to be measured by `reference`.
    pub fn new(reference: &Reference) -> Self {
        let variable = VariableStats {
            moments: [Moments::default(); Measure::ALL.len()],
            courses: [(); FOLDS].map(|()| Sums::default()),
        };
        Self {
            reference: reference.name(),
            rows: 0,
            subjects: 0,
            suspects: 0,
            suspicion: Moments::default(),
            variables: vec![variable; reference.lenses.len()],
        }
    }

    /// Adds the sums of other rows. Returns whether it could: both must be measured by the same
    /// reference.
    pub fn merge(&mut self, other: &Self) -> bool {
        if self.reference != other.reference || self.variables.len() != other.variables.len() {
            return false;
        }
        self.rows += other.rows;
        self.subjects += other.subjects;
        self.suspects += other.suspects;
        self.suspicion = self.suspicion.plus(&other.suspicion);
        for (own, its) in self.variables.iter_mut().zip(&other.variables) {
            for (own, its) in own.moments.iter_mut().zip(&its.moments) {
                *own = own.plus(its);
            }
            for (own, its) in own.courses.iter_mut().zip(&its.courses) {
                *own = own.plus(its);
            }
        }
        true
    }

    /// Returns whether `reference` measured it.
    pub fn is_of(&self, reference: &Reference) -> bool {
        self.reference == reference.name() && self.variables.len() == reference.lenses.len()
    }

    /// Returns how many people it is about; one who comes in two portions counts twice.
    pub fn subject_count(&self) -> u64 {
        self.subjects
    }

    /// Returns how many rows it is about.
    pub fn row_count(&self) -> u64 {
        self.rows
    }

    /// Returns how many of them were suspect.
    pub fn suspect_count(&self) -> u64 {
        self.suspects
    }

    /// Counts the rows of one person and how many were suspect.
    pub(super) fn count(&mut self, rows: usize, suspects: usize) {
        self.rows += rows as u64;
        self.suspects += suspects as u64;
        self.subjects += 1;
        self.suspicion.add(suspects as f32 / rows.max(1) as f32);
    }

    /// Adds one person: the observations, and the residual of each.
    pub(super) fn add(
        &mut self,
        person: &Person<'_>,
        residuals: &[f32],
        weights: Option<&[Weights<INPUTS>]>,
        tallies: &mut Tallies,
    ) {
        tallies.fill(person, residuals);
        let fold = (mix(person.number) % FOLDS as u64) as usize;
        for &at in &tallies.seen {
            let variable = usize::from(at);
            let tally = &tallies.of[variable];
            let count = tally.count as f32;
            let stats = &mut self.variables[variable];
            let mut measure = |measure: Measure, value| stats.moments[measure as usize].add(value);
            measure(Measure::Rate, count.ln());
            measure(Measure::Level, tally.level / count);
            if 0 < tally.among {
                measure(Measure::Bias, tally.residual / tally.among as f32);
                measure(Measure::Disagreement, tally.size / tally.among as f32);
            }
            let Some((inputs, outcome)) = tallies.course(variable, &person.lenses[variable]) else {
                continue;
            };
            if let Some(weights) = weights {
                let residual = outcome - weights[variable].predict(&inputs);
                measure(Measure::Outcome, residual);
                measure(Measure::Surprise, residual.abs());
            }
            stats.courses[fold].add(&inputs, outcome);
        }
        tallies.clear();
    }
}

/// One person's observations.
pub(super) struct Person<'a> {
    pub frame: &'a Frame,
    pub lenses: &'a [Lens],
    pub course: Course,
    /// Decides the part of the people.
    pub number: u64,
}

/// One person's sums; reused for the next.
#[derive(Default)]
pub(super) struct Tallies {
    of: Vec<Tally>,
    seen: Vec<u16>,
}

#[derive(Clone, Copy, Default)]
struct Tally {
    count: u32,
    level: f32,
    /// Of those that have others of the series before or after.
    among: u32,
    residual: f32,
    size: f32,
    early_count: u32,
    early: f32,
    last: f32,
    before_last: f32,
    late_count: u32,
    late: f32,
}

impl Tallies {
    pub(super) fn new(variable_count: usize) -> Self {
        Self { of: vec![Tally::default(); variable_count], seen: Vec::new() }
    }

    fn fill(&mut self, person: &Person<'_>, residuals: &[f32]) {
        let Course { cut_hours, horizon_hours } = person.course;
        for (obs, residual) in person.frame.obs.iter().zip(residuals) {
            let tally = &mut self.of[usize::from(obs.variable)];
            if tally.count == 0 {
                self.seen.push(obs.variable);
            }
            let z = obs.z.clamp(-CLIP, CLIP);
            let residual = residual.clamp(-CLIP, CLIP);
            tally.count += 1;
            tally.level += z;
            if (obs.prev, obs.next) != (NONE, NONE) {
                tally.among += 1;
                tally.residual += residual;
                tally.size += residual.abs();
            }
            if obs.hours < cut_hours {
                tally.before_last = if tally.early_count == 0 { z } else { tally.last };
                tally.last = z;
                tally.early += z;
                tally.early_count += 1;
            } else if obs.hours <= cut_hours + horizon_hours {
                tally.late += z;
                tally.late_count += 1;
            }
        }
    }

    /// What the person's course up to the cut says of a variable, and its mean after it.
    fn course(&self, variable: usize, lens: &Lens) -> Option<([f32; INPUTS], f32)> {
        let tally = &self.of[variable];
        if tally.early_count == 0 || tally.late_count == 0 {
            return None;
        }
        let correlate = self.of.get(usize::from(lens.correlates[0]));
        let correlate = correlate.map_or(0.0, |tally| tally.last);
        let mean = tally.early / tally.early_count as f32;
        let inputs = [1.0, tally.last, tally.before_last, mean, correlate];
        Some((inputs, tally.late / tally.late_count as f32))
    }

    fn clear(&mut self) {
        for at in self.seen.drain(..) {
            self.of[usize::from(at)] = Tally::default();
        }
    }
}

/// One absurd value must not decide about a sender.
const CLIP: f32 = 4.0;
