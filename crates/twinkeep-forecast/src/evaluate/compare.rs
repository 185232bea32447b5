//! By how much one forecaster misses more than another, on the same people: paired.
//!
//! Errors of one person go together, so the person is the unit: for each, the mean over observed
//! values of how much larger one forecaster's error is than the other's, in carry-forward errors of
//! the target. What of it may be chance is for those to say who judge. Where a forecaster has no
//! answer, carry-forward's counts as its own.

use std::collections::BTreeMap;

use twinkeep_domain::{Cohort, Pack, Subject};

use super::groups::{Groups, group_name};
use super::{EvaluationPlan, Scored, evaluate_by};
use crate::features::SubjectState;
use crate::{CodeMap, Forecaster};

#[cfg(test)]
mod tests;

/// How far a forecaster was from what was observed, person by person.
pub struct Errors {
    by_target: BTreeMap<String, BTreeMap<Subject, Missed>>,
}

/// How much larger one forecaster's error is than another's, in carry-forward errors, one value a
/// person: above 0 it is worse.
#[derive(Clone, PartialEq)]
pub struct Differences {
    /// Over all targets, a person's mean over their values.
    pub all: BTreeMap<Subject, f64>,
    /// By target, in the order of the people.
    pub by_target: BTreeMap<String, Vec<f64>>,
}

/// A group of people, as a pack divides them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// What divides the people.
    pub by: String,
    /// Which group.
    pub group: String,
}

/// Sums over the values of one person and target.
#[derive(Clone, Copy, Default)]
struct Missed {
    error: f64,
    carry_forward: f64,
    count: f64,
}

impl Errors {
    /// Asks a forecaster about people whom it was not learned from.
    pub fn of(
        pack: &Pack,
        plan: &EvaluationPlan<'_>,
        forecaster: &dyn Forecaster,
        people: &Cohort,
    ) -> Self {
        let mut by_target: BTreeMap<String, BTreeMap<Subject, Missed>> = BTreeMap::new();
        evaluate_by(pack, plan, forecaster, people, &mut |scored: Scored<'_>| {
            let carry_forward = f64::from((scored.actual - scored.carry_forward).abs());
            let said = scored.point.map(|point| f64::from((scored.actual - point.median()).abs()));
            let of_target = by_target.entry(scored.code.to_string()).or_default();
            let sums = of_target.entry(scored.subject).or_default();
            sums.error += said.unwrap_or(carry_forward);
            sums.carry_forward += carry_forward;
            sums.count += 1.0;
        });
        Self { by_target }
    }

    /// Returns the mean error of carry-forward by target, of people of whom only some may count: a unit
    /// that says how far values move anyway.
    pub fn carry_forward(&self, counts: &dyn Fn(Subject) -> bool) -> BTreeMap<String, f64> {
        let mean = |people: &BTreeMap<Subject, Missed>| {
            let sums = people.iter().filter(|(subject, _)| counts(**subject));
            let (carried, count) = sums
                .fold((0.0, 0.0), |sums, (_, it)| (sums.0 + it.carry_forward, sums.1 + it.count));
            // NaN: nobody was asked about.
            Some(carried / count).filter(|mean| 0.0 < *mean)
        };
        let means = self.by_target.iter().map(|(code, people)| Some((code.clone(), mean(people)?)));
        means.flatten().collect()
    }

    /// Returns by how much these errors are larger than others on the same people, of whom only
    /// some may count.
    pub fn beyond(&self, others: &Self, counts: &dyn Fn(Subject) -> bool) -> Differences {
        self.beyond_in(&self.carry_forward(counts), others, counts)
    }

    /// The same in other units, by target; a target without one is left out.
    pub fn beyond_in(
        &self,
        units: &BTreeMap<String, f64>,
        others: &Self,
        counts: &dyn Fn(Subject) -> bool,
    ) -> Differences {
        let mut by_subject: BTreeMap<Subject, (f64, f64)> = BTreeMap::new();
        let mut by_target = BTreeMap::new();
        for (code, own) in &self.by_target {
            let Some(others) = others.by_target.get(code) else { continue };
            let Some(unit) = units.get(code) else { continue };
            let mut of_target = Vec::new();
            for (subject, missed) in own.iter().filter(|(subject, _)| counts(**subject)) {
                let Some(other) = others.get(subject) else { continue };
                let more = (missed.error - other.error) / unit;
                of_target.push(more / missed.count);
                let sums = by_subject.entry(*subject).or_default();
                *sums = (sums.0 + more, sums.1 + missed.count);
            }
            by_target.insert(code.clone(), of_target);
        }
        let all = by_subject.into_iter().map(|(subject, (sum, count))| (subject, sum / count));
        Differences { all: all.collect(), by_target }
    }
}

/// Returns the groups of the pack in which each person is at the cut.
pub fn groups_of(
    pack: &Pack,
    plan: &EvaluationPlan<'_>,
    people: &Cohort,
) -> BTreeMap<Group, Vec<Subject>> {
    let codes = CodeMap::new(pack, &people.codes);
    let groups = Groups::new(pack, &people.codes);
    let mut members: BTreeMap<Group, Vec<Subject>> = BTreeMap::new();
    for timeline in &people.timelines {
        let Some(start) = codes.start(timeline) else { continue };
        let cut = start.plus_hours(f64::from(plan.cut_hours));
        let mut state = SubjectState::new(pack);
        for event in timeline.events() {
            if event.time.is_none_or(|time| time < cut) {
                state.apply(&codes, event);
            }
        }
        for (by, group) in groups.of(pack, timeline, &state, cut).into_iter().enumerate() {
            let subgroup = &pack.subgroups()[by];
            let (by, group) = (subgroup.title.clone(), group_name(pack, subgroup, group));
            members.entry(Group { by, group }).or_default().push(timeline.subject());
        }
    }
    members
}
