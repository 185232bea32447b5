//! The same figures for some of the subjects: by age, sex, unit, as the pack divides them.
//!
//! A model that is good in the mean may be bad for the old, or for women.

use serde::Serialize;
use twinkeep_domain::{Code, Pack, Subgroup, SubgroupBy, Timeline, Timestamp};

use super::measure::Measure;
use super::median;
use crate::features::SubjectState;

#[cfg(test)]
mod tests;

/// The measurements of a forecaster on a group of subjects; no personal data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SubgroupEvaluation {
    /// What divides the subjects.
    pub by: String,
    /// Which group.
    pub group: String,
    /// Subjects with at least one forecast.
    pub subject_count: u64,
    /// Observed values that were forecast.
    pub value_count: u64,
    /// Median over targets of `mase`.
    pub mase_median: Option<f64>,
    /// Mean over targets of `coverage_90`.
    pub coverage_90_mean: Option<f64>,
    /// The targets of which there are values, in the pack's order.
    pub targets: Vec<SubgroupTarget>,
}

/// The measurements of one target in a group; see [`super::TargetEvaluation`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SubgroupTarget {
    /// What was forecast.
    pub code: String,
    /// Observed values that were forecast.
    pub value_count: u64,
    /// Mean absolute error of the median.
    pub mae: Option<f64>,
    /// That divided by carry-forward's.
    pub mase: Option<f64>,
    /// Share of the values inside the 90 % interval.
    pub coverage_90: Option<f64>,
    /// Mean width of the 90 % interval.
    pub width_90: Option<f64>,
    /// Continuous ranked probability score.
    pub crps: Option<f64>,
}

/// Sums by subgroup, group, and target. The last group is of those of whom it is not known.
pub(super) struct Groups {
    sums: Vec<Vec<Part>>,
    birth: Option<u32>,
}

#[derive(Clone)]
struct Part {
    subject_count: u64,
    targets: Vec<Measure>,
}

impl Groups {
    pub(super) fn new(pack: &Pack, codes: &[Code]) -> Self {
        let part =
            Part { subject_count: 0, targets: vec![Measure::default(); pack.targets().count()] };
        let parts = |one: &Subgroup| vec![part.clone(); one.group_count(pack) + 1];
        let birth = pack.screening().subject.birth.as_deref();
        let birth = codes.iter().position(|code| Some(code.as_str()) == birth);
        Self {
            sums: pack.subgroups().iter().map(parts).collect(),
            birth: birth.and_then(|at| u32::try_from(at).ok()),
        }
    }

    /// Returns a subject's group in each subgroup.
    pub(super) fn of(
        &self,
        pack: &Pack,
        timeline: &Timeline,
        state: &SubjectState,
        cut: Timestamp,
    ) -> Vec<usize> {
        let group = |one: &Subgroup| {
            let value = match one.by {
                SubgroupBy::Age => self.age(pack, timeline, state, cut),
                SubgroupBy::Variable(at) => state.static_value(at),
            };
            one.group_of(pack, value).unwrap_or(one.group_count(pack))
        };
        pack.subgroups().iter().map(group).collect()
    }

    pub(super) fn add(&mut self, groups: &[usize], target: usize, add: impl Fn(&mut Measure)) {
        for (parts, &group) in self.sums.iter_mut().zip(groups) {
            add(&mut parts[group].targets[target]);
        }
    }

    pub(super) fn count(&mut self, groups: &[usize]) {
        for (parts, &group) in self.sums.iter_mut().zip(groups) {
            parts[group].subject_count += 1;
        }
    }

    pub(super) fn finish(&self, pack: &Pack) -> Vec<SubgroupEvaluation> {
        let mut found = Vec::new();
        for (subgroup, parts) in pack.subgroups().iter().zip(&self.sums) {
            for (group, part) in parts.iter().enumerate().filter(|(_, it)| 0 < it.subject_count) {
                let name = group_name(pack, subgroup, group);
                found.push(part.finish(pack, &subgroup.title, name));
            }
        }
        found
    }

    /// Returns how old a subject is, in years: by the time of birth, else as a variable has it.
    fn age(&self, pack: &Pack, timeline: &Timeline, state: &SubjectState, cut: Timestamp) -> f32 {
        let birth = self.birth.and_then(|code| {
            let events = timeline.events().iter();
            events.filter(|event| event.code == code).find_map(|event| event.time)
        });
        if let Some(birth) = birth {
            return (cut.hours_since(birth) / HOURS_PER_YEAR) as f32;
        }
        let variable = pack.screening().subject.age.as_deref().and_then(|code| pack.find(code));
        variable.map_or(f32::NAN, |variable| state.static_value(variable))
    }
}

/// Returns what a group is called; the last is of those of whom it is not known.
pub(super) fn group_name(pack: &Pack, subgroup: &Subgroup, group: usize) -> String {
    match group < subgroup.group_count(pack) {
        true => subgroup.group_name(pack, group),
        false => "not known".to_owned(),
    }
}

impl Part {
    fn finish(&self, pack: &Pack, by: &str, group: String) -> SubgroupEvaluation {
        let measured = || self.targets.iter().filter(|sums| 0 < sums.count);
        let covered: Vec<f64> = measured().filter_map(|sums| sums.coverage(2)).collect();
        let mean = covered.iter().sum::<f64>() / covered.len() as f64;
        let targets = pack.targets().zip(&self.targets).filter(|(_, sums)| 0 < sums.count);
        SubgroupEvaluation {
            by: by.to_owned(),
            group,
            subject_count: self.subject_count,
            value_count: measured().map(|sums| sums.count).sum(),
            mase_median: median(measured().filter_map(Measure::mase).collect()),
            coverage_90_mean: (!covered.is_empty()).then_some(mean),
            targets: targets
                .map(|((_, variable), sums)| SubgroupTarget {
                    code: variable.code.to_string(),
                    value_count: sums.count,
                    mae: sums.mae(),
                    mase: sums.mase(),
                    coverage_90: sums.coverage(2),
                    width_90: sums.width(2),
                    crps: sums.crps(),
                })
                .collect(),
        }
    }
}

/// A year of the Gregorian calendar, in the mean.
const HOURS_PER_YEAR: f64 = 8_765.82;
