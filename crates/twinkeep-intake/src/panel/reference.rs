//! What clean data look like, learned from data of the keep: bounded, sealed by whoever keeps it.
//!
//! It holds contexts and sketches of real people, without names and in robust units: it is as
//! sensitive as the events.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use twinkeep_domain::{Code, Event, Events};

use super::RowParameters;
use super::distance::{Distance, Summaries, summary};
use super::frame::Lens;
use super::learn::Lesson;
use super::model::{Scratch, VariableModel};
use super::repetition::{Repetition, mix};
use super::ridge::{Sums, Weights};
use super::scale::quantile;
use super::sender::{Course, INPUTS, Person, SenderStats, Tallies, VariableStats};

/// What clean data look like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    format: u32,
    pub(super) subjects: u64,
    pub(super) codes: Vec<String>,
    pub(super) lenses: Vec<Lens>,
    pub(super) models: Vec<VariableModel>,
    pub(super) repetition: Repetition,
    pub(super) distance: Distance,
    /// How a person's course goes on, by variable.
    pub(super) courses: Vec<Weights<INPUTS>>,
    pub(super) course: Course,
    /// What the people who taught it add up to; nothing until all else is known.
    pub(super) baseline: Option<SenderStats>,
    /// Surprise beyond which a row is held by the detectors that look at rows.
    pub(super) row_threshold: f32,
}

impl Reference {
    /// Learns from events sorted by subject and time. `None` if there are too few people to tell
    /// what is usual.
    ///
    /// Which people teach, of more than a reference holds, is chosen by `seed`.
    pub fn learn(
        events: &Events,
        course: Course,
        seed: u64,
        parameters: &RowParameters,
    ) -> Option<Self> {
        let subjects = choose(&events.rows, seed);
        if subjects.len() < SUBJECTS_MIN {
            return None;
        }
        let (variable_of, candidates) = most_used(events, &subjects);
        let lesson = |variable_of: &[Option<u16>]| -> Vec<Option<Lens>> {
            let lesson = Lesson { rows: &events.rows, subjects: &subjects, variable_of };
            lesson.lenses(candidates.len())
        };
        let found = lesson(&variable_of);
        // Variables that say nothing drop out, and the others move up.
        let mut place = vec![None; found.len()];
        let (mut codes, mut lenses) = (Vec::new(), Vec::new());
        for (at, lens) in found.into_iter().enumerate() {
            let Some(lens) = lens else { continue };
            place[at] = Some(lenses.len() as u16);
            codes.push(events.codes()[candidates[at]].to_string());
            lenses.push(lens);
        }
        let variable_of: Vec<Option<u16>> =
            variable_of.iter().map(|at| at.and_then(|at| place[usize::from(at)])).collect();
        let lesson = Lesson { rows: &events.rows, subjects: &subjects, variable_of: &variable_of };
        lesson.correlates(&mut lenses);
        let mut learned = lesson.models(&lenses);
        let mut summaries: Summaries = vec![Vec::new(); lenses.len()];
        lesson.frames(&lenses, |frame, _| {
            frame.series(|variable, series| {
                summaries[usize::from(variable)].push(summary(series));
            });
        });
        let distance = Distance::learn(&summaries);
        learned.surprises.sort_unstable_by(f32::total_cmp);
        let threshold = quantile(&learned.surprises, 1.0 - parameters.alarm_share)?;
        let mut reference = Self {
            format: FORMAT,
            subjects: subjects.len() as u64,
            codes,
            lenses,
            models: learned.models,
            repetition: Repetition::learn(&events.rows, events.codes(), &subjects),
            distance,
            courses: Vec::new(),
            course,
            baseline: None,
            row_threshold: threshold,
        };
        reference.learn_courses(&lesson);
        Some(reference)
    }

    /// Learns how courses go on, and then what the people who teach add up to.
    fn learn_courses(&mut self, lesson: &Lesson<'_>) {
        let sums = self.stats(lesson, None);
        let all = |stats: &VariableStats| {
            let parts = stats.courses.iter();
            parts.fold(Sums::default(), |all, part| all.plus(part)).solve()
        };
        self.courses = sums.variables.iter().map(all).collect();
        self.baseline = Some(self.stats(lesson, Some(&self.courses)));
    }

    fn stats(&self, lesson: &Lesson<'_>, weights: Option<&[Weights<INPUTS>]>) -> SenderStats {
        let mut stats = SenderStats::new(self);
        let mut tallies = Tallies::new(self.lenses.len());
        let (mut scratch, mut residuals) = (Scratch::default(), Vec::new());
        let mut number = 0;
        lesson.frames(&self.lenses, |frame, _| {
            residuals.clear();
            frame.contexts(&self.lenses, |obs, context| {
                let model = &self.models[usize::from(obs.variable)];
                let scores = model.score(obs, context, &mut scratch);
                residuals.push(scores.residual);
            });
            let lenses = &self.lenses;
            let person = Person { frame, lenses, course: self.course, number };
            stats.add(&person, &residuals, weights, &mut tallies);
            stats.count(frame.obs.len(), 0);
            number += 1;
        });
        stats
    }

    /// Returns a number that tells references apart.
    pub(super) fn name(&self) -> u64 {
        let scales = self.lenses.iter().map(|lens| u64::from(lens.scale.apply(1.0).to_bits()));
        let threshold = u64::from(self.row_threshold.to_bits());
        scales.fold(mix(self.subjects ^ threshold), |name, scale| mix(name ^ scale))
    }

    /// Returns what the people who taught it add up to.
    pub fn baseline(&self) -> Option<&SenderStats> {
        self.baseline.as_ref()
    }

    /// Returns how many people taught it.
    pub fn subject_count(&self) -> u64 {
        self.subjects
    }

    /// Writes it down. Only for sealing: it is about people.
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// Reads what [`Reference::to_bytes`] wrote; `None` if it is anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let reference: Self = postcard::from_bytes(bytes).ok()?;
        let count = reference.lenses.len();
        let lengths = [reference.codes.len(), reference.models.len(), reference.courses.len()];
        let whole = reference.format == FORMAT && lengths == [count; 3];
        whole.then_some(reference)
    }

    /// Returns, by code of `codes`, which variable it is.
    pub(super) fn variables(&self, codes: &[Code]) -> Vec<Option<u16>> {
        let find = |code: &Code| {
            let at = self.codes.iter().position(|known| known == code.as_str())?;
            u16::try_from(at).ok()
        };
        codes.iter().map(find).collect()
    }
}

/// Returns the rows of each subject; rows are sorted by subject.
pub(super) fn subject_ranges(rows: &[Event]) -> Vec<Range<usize>> {
    let mut start = 0;
    rows.chunk_by(|a, b| a.subject == b.subject)
        .map(|chunk| {
            let range = start..start + chunk.len();
            start = range.end;
            range
        })
        .collect()
}

/// Chooses whom to learn from, within the bounds of a reference, whoever comes first.
fn choose(rows: &[Event], seed: u64) -> Vec<Range<usize>> {
    let ranges = subject_ranges(rows);
    let mut order: Vec<(u64, Range<usize>)> = ranges
        .into_iter()
        .map(|range| (mix(rows[range.start].subject.reveal() as u64 ^ seed), range))
        .collect();
    order.sort_unstable_by_key(|(hash, range)| (*hash, range.start));
    let mut left = EVENTS_MAX;
    let fits = |(_, range): &(u64, Range<usize>)| match left.checked_sub(range.len()) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    order.into_iter().take(SUBJECTS_MAX).filter(fits).map(|(_, range)| range).collect()
}

/// Numbers the codes with the most values; returns the number of each code, and its code.
fn most_used(events: &Events, subjects: &[Range<usize>]) -> (Vec<Option<u16>>, Vec<usize>) {
    let mut counts = vec![0_u64; events.codes().len()];
    for event in subjects.iter().flat_map(|range| &events.rows[range.clone()]) {
        if let Some(count) = counts.get_mut(event.code as usize) {
            *count += u64::from(event.value.is_some());
        }
    }
    let mut order: Vec<usize> = (0..counts.len()).filter(|&code| 0 < counts[code]).collect();
    order.sort_by_key(|&code| (std::cmp::Reverse(counts[code]), code));
    order.truncate(VARIABLES_MAX);
    let mut variable_of = vec![None; counts.len()];
    for (variable, &code) in (0..).zip(&order) {
        variable_of[code] = Some(variable);
    }
    (variable_of, order)
}

/// Changes with what is written.
const FORMAT: u32 = 2;

/// Fewer people do not show what one in a thousand rows looks like.
const SUBJECTS_MIN: usize = 200;

/// A reference of this many people is learned in seconds and has about 6 MiB.
const SUBJECTS_MAX: usize = 4_000;

/// Bounds the memory and time of learning, whatever a person's number of events.
const EVENTS_MAX: usize = 2_000_000;

/// Codes that have a model; the rest are counted only. Bounds open packs with thousands.
const VARIABLES_MAX: usize = 200;
