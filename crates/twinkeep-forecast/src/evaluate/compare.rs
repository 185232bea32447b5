//! Whether one forecaster is worse than another, on the same people: paired, with its uncertainty.
//!
//! Errors of one person go together, so the person is the unit: for each, the mean over observed
//! values of how much larger one forecaster's error is than the other's, in carry-forward errors of
//! the target. The mean of that over people has a standard error, which says how much of it may be
//! chance. Where a forecaster has no answer, carry-forward's counts as its own.

use std::collections::BTreeMap;

use serde::Serialize;
use twinkeep_domain::{Cohort, Pack, Subject};

use super::groups::{Groups, group_name};
use super::{EvaluationPlan, Scored, evaluate_by};
use crate::features::SubjectState;
use crate::{CodeMap, Forecaster};

#[cfg(test)]
mod tests;

/// How much worse a forecaster is than another; no personal data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Over everybody.
    pub all: Difference,
    /// By the subgroups of the pack that have at least 20 people.
    pub slices: Vec<Slice>,
}

/// A group of people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slice {
    /// What divides the people.
    pub by: String,
    /// Which group.
    pub group: String,
    /// How much worse it is for them.
    pub difference: Difference,
}

/// How much larger the error is, in carry-forward errors: above 0 is worse.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// People with at least one value.
    pub subject_count: u64,
    /// The mean over people.
    pub mean: f64,
    /// The standard error of that mean.
    pub standard_error: f64,
}

impl Difference {
    fn of(all: &[f64]) -> Self {
        let count = all.len() as f64;
        let mean = all.iter().sum::<f64>() / count.max(1.0);
        let squares: f64 = all.iter().map(|one| (one - mean).powi(2)).sum();
        let standard_error = (squares / (count - 1.0).max(1.0) / count.max(1.0)).sqrt();
        Self { subject_count: all.len() as u64, mean, standard_error }
    }

    /// Returns whether it is worse by more than `margin`, and that is not chance: more than
    /// `errors` standard errors.
    pub fn is_worse(&self, margin: f64, errors: f64) -> bool {
        1 < self.subject_count && margin < self.mean && errors * self.standard_error < self.mean
    }
}

/// Compares a forecaster with the one before, on people neither was learned from.
pub fn compare(
    pack: &Pack,
    plan: &EvaluationPlan<'_>,
    [new, before]: [&dyn Forecaster; 2],
    held_out: &Cohort,
) -> Comparison {
    let [new, before] = [new, before].map(|forecaster| errors(pack, plan, forecaster, held_out));
    let mut carried: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for one in &new {
        let sums = carried.entry(&one.code).or_default();
        *sums = (sums.0 + one.carry_forward, sums.1 + 1.0);
    }
    let mut by_subject: BTreeMap<Subject, (f64, f64)> = BTreeMap::new();
    for (new, before) in new.iter().zip(&before) {
        let scale = carried.get(new.code.as_str()).map_or(0.0, |(sum, count)| sum / count);
        if 0.0 < scale {
            let sums = by_subject.entry(new.subject).or_default();
            *sums = (sums.0 + (new.error - before.error) / scale, sums.1 + 1.0);
        }
    }
    let means: BTreeMap<Subject, f64> =
        by_subject.into_iter().map(|(subject, (sum, count))| (subject, sum / count)).collect();
    let all: Vec<f64> = means.values().copied().collect();
    Comparison { all: Difference::of(&all), slices: slices(pack, plan, held_out, &means) }
}

/// One observed value: by how much a forecaster missed it.
struct Missed {
    subject: Subject,
    code: String,
    error: f64,
    carry_forward: f64,
}

fn errors(
    pack: &Pack,
    plan: &EvaluationPlan<'_>,
    forecaster: &dyn Forecaster,
    held_out: &Cohort,
) -> Vec<Missed> {
    let mut found = Vec::new();
    evaluate_by(pack, plan, forecaster, held_out, &mut |scored: Scored<'_>| {
        let carry_forward = f64::from((scored.actual - scored.carry_forward).abs());
        let said = scored.point.map(|point| f64::from((scored.actual - point.median()).abs()));
        found.push(Missed {
            subject: scored.subject,
            code: scored.code.to_string(),
            error: said.unwrap_or(carry_forward),
            carry_forward,
        });
    });
    found
}

fn slices(
    pack: &Pack,
    plan: &EvaluationPlan<'_>,
    held_out: &Cohort,
    means: &BTreeMap<Subject, f64>,
) -> Vec<Slice> {
    let codes = CodeMap::new(pack, &held_out.codes);
    let groups = Groups::new(pack, &held_out.codes);
    let mut members: BTreeMap<(usize, usize), Vec<f64>> = BTreeMap::new();
    for timeline in &held_out.timelines {
        let Some(&mean) = means.get(&timeline.subject()) else { continue };
        let Some(start) = codes.start(timeline) else { continue };
        let cut = start.plus_hours(f64::from(plan.cut_hours));
        let mut state = SubjectState::new(pack);
        for event in timeline.events() {
            if event.time.is_none_or(|time| time < cut) {
                state.apply(&codes, event);
            }
        }
        for (by, group) in groups.of(pack, timeline, &state, cut).into_iter().enumerate() {
            members.entry((by, group)).or_default().push(mean);
        }
    }
    let large = members.into_iter().filter(|(_, all)| SLICE_SUBJECT_COUNT_MIN <= all.len());
    large
        .map(|((by, group), all)| {
            let subgroup = &pack.subgroups()[by];
            Slice {
                by: subgroup.title.clone(),
                group: group_name(pack, subgroup, group),
                difference: Difference::of(&all),
            }
        })
        .collect()
}

/// What is said of fewer is chance.
const SLICE_SUBJECT_COUNT_MIN: usize = 20;
