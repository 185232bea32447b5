//! Screens against poisoning: a panel of detectors, each with its own action.
//!
//! A range check finds about one in a hundred poisoned rows, since a poisoner stays within what is
//! plausible. What he cannot do is make his values agree with everything that surrounds them, be
//! many and not repeat himself, and look like every other sender. Each detector asks one of these:
//!
//! | detector | asks | holds |
//! |---|---|---|
//! | [`Detector::Residual`] | does the value agree with its context? | the row |
//! | [`Detector::Neighbor`] | did the nearest contexts have such a value? | the row |
//! | [`Detector::Repetition`] | do too many people have exactly these values? | the person's rows |
//! | [`Detector::Distance`] | is the whole series unlike anyone's? | the series |
//!
//! A whole sender is scored apart, by what its feeds add up to ([`SenderStats`], [`Panel::judge`]).
//!
//! # Invariants
//!
//! - Pure: the same reference and rows give the same findings, in any environment.
//! - Nothing is deleted: a finding names a row, and the caller quarantines it.
//! - Thresholds are quantiles of the detectors' own scores on clean rows that taught them nothing.

mod distance;
mod frame;
mod learn;
mod model;
mod parameters;
mod reference;
mod repetition;
mod ridge;
mod scale;
mod sender;
mod tail;

use twinkeep_domain::{Event, Events};

use distance::summary;
use frame::{Frame, Lens};
use model::{Scores, Scratch};
pub use parameters::{PanelParameters, PanelParametersError, RowParameters, SenderParameters};
pub use reference::Reference;
use reference::subject_ranges;
pub use sender::{Course, SenderFinding, SenderJudgement, SenderStats, Verdict};
use sender::{Person, Tallies, judge};

/// What finds something strange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detector {
    /// The value is far from what its context predicts.
    Residual,
    /// The value is far from those in the nearest contexts of the reference.
    Neighbor,
    /// The same exact values are in too many people.
    Repetition,
    /// The whole series is unlike anyone's.
    Distance,
}

impl Detector {
    /// All detectors, in the order of their scores.
    pub const ALL: [Self; 4] = [Self::Residual, Self::Neighbor, Self::Repetition, Self::Distance];

    /// Returns the permanent name of this detector.
    pub fn code(self) -> &'static str {
        match self {
            Self::Residual => "residual",
            Self::Neighbor => "neighbor",
            Self::Repetition => "repetition",
            Self::Distance => "distance",
        }
    }
}

/// A row that a detector finds strange.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suspect {
    /// Index of the event.
    pub row: usize,
    /// Who found it; of several, the most surprised.
    pub detector: Detector,
}

/// How surprised each detector is by one event, in the order of [`Detector::ALL`]: 3 means that
/// one in a thousand clean rows surprises it as much.
pub type Surprises = [f32; Detector::ALL.len()];

/// The detectors, with what they know of clean data.
#[derive(Debug)]
pub struct Panel {
    reference: Reference,
    parameters: PanelParameters,
}

impl Panel {
    /// Makes a panel that knows clean data from `reference`.
    pub fn new(reference: Reference, parameters: PanelParameters) -> Self {
        Self { reference, parameters }
    }

    /// Returns what the panel knows of clean data.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Compares a sender with others. Both must be measured by this panel.
    pub fn judge(&self, own: &SenderStats, others: &SenderStats) -> SenderJudgement {
        judge(own, others, &self.reference, &self.parameters.senders)
    }

    /// Returns the events that are to be held, by increasing row, and adds to what their sender's
    /// rows add up to. Events are sorted by subject and time.
    pub fn screen(&self, events: &Events, stats: &mut SenderStats) -> Vec<Suspect> {
        let thresholds = self.thresholds();
        let suspect = |(row, surprises): (usize, Surprises)| {
            let over = surprises.iter().zip(thresholds).map(|(surprise, limit)| surprise / limit);
            let strongest = over.zip(Detector::ALL).max_by(|a, b| a.0.total_cmp(&b.0));
            let (_, detector) = strongest.filter(|(over, _)| 1.0 <= *over)?;
            Some(Suspect { row, detector })
        };
        let surprises = self.weigh_with(events, Some(&mut *stats));
        let suspects: Vec<Suspect> =
            surprises.into_iter().enumerate().filter_map(suspect).collect();
        let mut rest = suspects.as_slice();
        for range in subject_ranges(&events.rows) {
            let own = rest.partition_point(|suspect| suspect.row < range.end);
            stats.count(range.len(), own);
            rest = &rest[own..];
        }
        suspects
    }

    /// Returns how surprised each detector is by each event.
    pub fn weigh(&self, events: &Events) -> Vec<Surprises> {
        self.weigh_with(events, None)
    }

    fn weigh_with(&self, events: &Events, mut stats: Option<&mut SenderStats>) -> Vec<Surprises> {
        let rows = &events.rows;
        let reference = &self.reference;
        let variable_of = reference.variables(events.codes());
        let subjects = subject_ranges(rows);
        let mut found = vec![Surprises::default(); rows.len()];
        reference
            .repetition
            .find(rows, events.codes(), &subjects, &mut |row| found[row][2] = CERTAIN);
        let mut frame = Frame::new(reference.lenses.len());
        let mut look = Look::default();
        let mut tallies = Tallies::new(reference.lenses.len());
        for range in subjects {
            let found = &mut found[range.clone()];
            let one =
                One { rows: &rows[range.clone()], base: range.start, variable_of: &variable_of };
            one.fill(&mut frame, &reference.lenses, |_| false);
            self.look(&mut frame, &mut look);
            if let Some(stats) = &mut stats {
                let number = rows[range.start].subject.reveal() as u64;
                let Reference { lenses, course, courses, .. } = reference;
                let person = Person { frame: &frame, lenses, course: *course, number };
                stats.add(&person, &look.residuals, Some(courses), &mut tallies);
            }
            self.weigh_rows(&mut frame, &mut look, &one, found);
            // Last, so that a row that is held anyway does not accuse its series.
            self.weigh_series(&frame, range.start, found);
        }
        found
    }

    /// A held row is taken out of its neighbors' contexts, and they are judged anew: else one
    /// wrong value accuses everything around it.
    fn weigh_rows(
        &self,
        frame: &mut Frame,
        look: &mut Look,
        one: &One<'_>,
        found: &mut [Surprises],
    ) {
        let limit = self.row_threshold();
        let mut held = vec![];
        for _ in 0..ROUNDS_MAX {
            let worst = worst(frame, &look.rows, limit);
            for (&(_, surprise), obs) in look.rows.iter().zip(&frame.obs) {
                found[obs.row as usize - one.base][..2].copy_from_slice(&surprise);
            }
            if worst.is_empty() {
                break;
            }
            if held.is_empty() {
                held = vec![false; one.rows.len()];
            }
            for row in worst {
                held[row - one.base] = true;
            }
            one.fill(frame, &self.reference.lenses, |row| held[row - one.base]);
            self.look(frame, look);
        }
    }

    fn look(&self, frame: &mut Frame, look: &mut Look) {
        let Look { scratch, rows, residuals } = look;
        rows.clear();
        residuals.clear();
        let models = &self.reference.models;
        frame.contexts(&self.reference.lenses, |obs, context| {
            let model = &models[usize::from(obs.variable)];
            let scores: Scores = model.score(obs, context, scratch);
            let surprises = [
                model.residual.surprise(scores.residual.abs()),
                model.neighbor.surprise(scores.neighbor),
            ];
            rows.push((surprises[0].max(surprises[1]), surprises));
            residuals.push(scores.residual);
        });
    }

    fn weigh_series(&self, frame: &Frame, base: usize, found: &mut [Surprises]) {
        let distance = &self.reference.distance;
        frame.series(|variable, series| {
            let surprise = distance.surprise(variable, &summary(series));
            if surprise < ORDINARY {
                return;
            }
            for obs in frame.obs.iter().filter(|obs| obs.variable == variable) {
                found[obs.row as usize - base][3] = surprise;
            }
        });
    }

    /// The surprise beyond which each detector holds.
    fn thresholds(&self) -> Surprises {
        let row = self.row_threshold();
        [row, row, CERTAIN, row + self.parameters.rows.series_handicap]
    }

    fn row_threshold(&self) -> f32 {
        self.reference.row_threshold.max(self.parameters.rows.surprise_min)
    }
}

/// The rows of one person, of which the first is event `base`.
struct One<'a> {
    rows: &'a [Event],
    base: usize,
    variable_of: &'a [Option<u16>],
}

impl One<'_> {
    fn fill(&self, frame: &mut Frame, lenses: &[Lens], left_out: impl Fn(usize) -> bool) {
        frame.fill(self.rows, self.base, self.variable_of, lenses, left_out);
    }
}

/// What the row detectors found in a frame, in the order of its observations.
#[derive(Default)]
struct Look {
    scratch: Scratch,
    /// The larger surprise, and both.
    rows: Vec<(f32, [f32; 2])>,
    residuals: Vec<f32>,
}

/// Returns the events beyond the limit that surprise more than what is beside them: before and
/// after in the series, and at the same moment.
fn worst(frame: &Frame, rows: &[(f32, [f32; 2])], limit: f32) -> Vec<usize> {
    let surprise = |at: usize| rows.get(at).map_or(0.0, |row| row.0);
    let mut worst = Vec::new();
    for (at, obs) in frame.obs.iter().enumerate() {
        let own = surprise(at);
        if own < limit {
            continue;
        }
        let beats = |other: usize| {
            let its = surprise(other);
            its < own || (its == own && at <= other)
        };
        let beside = [obs.prev, obs.next].into_iter().all(|other| beats(other as usize));
        let same = |other: &usize| frame.obs.get(*other).is_some_and(|o| o.hours == obs.hours);
        let before = (0..at).rev().take(MOMENT_MAX).take_while(same).all(beats);
        let after = (at + 1..frame.obs.len()).take(MOMENT_MAX).take_while(same).all(beats);
        if beside && before && after {
            worst.push(obs.row as usize);
        }
    }
    worst
}

/// Rounds of judging anew. What is still strange after them is held as it is.
const ROUNDS_MAX: usize = 12;

/// Values of one moment that are compared with each other.
const MOMENT_MAX: usize = 64;

/// The surprise of what was found by a test with a threshold of its own.
const CERTAIN: f32 = 100.0;

/// Less surprise than this is not looked at.
const ORDINARY: f32 = 0.5;

#[cfg(test)]
mod tests;
