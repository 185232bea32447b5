//! How good forecasts are, on subjects that nothing was learned from.
//!
//! Knows nothing about models: it asks a [`Forecaster`] and compares with what was observed.
//! Carry-forward, the baseline that every claim stands next to, is computed here on the same
//! observations, so that no forecaster can flatter itself.

use serde::Serialize;
use twinkeep_domain::{Code, Cohort, ForecastPoint, Pack, Subject, Timeline, Timestamp};

use crate::features::SubjectState;
use crate::{CodeMap, Forecaster};

use groups::Groups;
use measure::Measure;

mod compare;
mod events;
mod groups;
mod measure;
mod spread;
#[cfg(test)]
mod tests;
mod trajectories;
mod windows;

pub use compare::{Differences, Errors, Group, groups_of};
pub use events::{CalibrationBin, EventEvaluation};
pub use windows::{TotalEvaluation, WindowEvaluation, WindowSubgroup};

pub use groups::{SubgroupEvaluation, SubgroupTarget};
pub use spread::training_spreads;
pub use trajectories::{
    LagEvaluation, PairEvaluation, TrajectoryEvaluation, evaluate_trajectories,
};

/// At which moment, and against which scale.
#[derive(Clone, Copy, Debug)]
pub struct EvaluationPlan<'a> {
    /// Hours after the first event at which forecasts are made.
    pub cut_hours: f32,
    /// How far ahead; at most as far as the forecaster looks.
    pub horizon_hours: f32,
    /// How much each target varied in training, in the pack's order: see [`training_spreads`].
    /// Shorter where it is not known.
    pub spreads: &'a [Option<f32>],
}

impl EvaluationPlan<'_> {
    /// Returns the plan of a pack: its own cut and horizon, and no scale.
    pub fn of(pack: &Pack) -> Self {
        let plan = pack.forecast();
        Self {
            cut_hours: plan.evaluation_cut_hours,
            horizon_hours: plan.horizon_hours,
            spreads: &[],
        }
    }
}

/// One observed value beside what was forecast; for whoever may see persons.
#[derive(Clone, Copy)]
pub struct Scored<'a> {
    /// Whose value it is.
    pub subject: Subject,
    /// When it was observed.
    pub time: Timestamp,
    /// What was observed: a target.
    pub code: &'a Code,
    /// The value.
    pub actual: f32,
    /// What was forecast; `None` where the forecaster answered "not enough history".
    pub point: Option<&'a ForecastPoint>,
    /// The last value before the cut (the training mean where there is none).
    pub carry_forward: f32,
}

impl std::fmt::Debug for Scored<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scored(hidden)")
    }
}

/// The measurements of a forecaster on a cohort; no personal data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Hours after the first event at which forecasts were made.
    pub cut_hours: f32,
    /// How far ahead.
    pub horizon_hours: f32,
    /// Subjects with at least one forecast.
    pub subject_count: u64,
    /// Observed values that were forecast, over all targets.
    pub value_count: u64,
    /// Observed values for which the forecaster answered "not enough history".
    pub refused_count: u64,
    /// Median over targets of `mase`.
    pub mase_median: Option<f64>,
    /// Mean over targets of `scaled_mae`.
    pub scaled_mae_mean: Option<f64>,
    /// Mean over targets of `coverage_50`.
    pub coverage_50_mean: Option<f64>,
    /// Mean over targets of `coverage_80`.
    pub coverage_80_mean: Option<f64>,
    /// Mean over targets of `coverage_90`.
    pub coverage_90_mean: Option<f64>,
    /// Mean over targets of `coverage_95`.
    pub coverage_95_mean: Option<f64>,
    /// Mean over targets of `calibration`, by quantile.
    pub calibration_mean: Vec<f64>,
    /// By target, in the pack's order.
    pub targets: Vec<TargetEvaluation>,
    /// By target that is about a window, in the pack's order; each looks ahead as far as its window.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<WindowEvaluation>,
    /// By the subgroups of the pack, where there is anybody in them.
    pub subgroups: Vec<SubgroupEvaluation>,
    /// Of paths, where they were measured: see [`evaluate_trajectories`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trajectories: Option<TrajectoryEvaluation>,
}

/// The measurements of one target; `None` where there are no values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetEvaluation {
    /// What was forecast.
    pub code: String,
    /// Observed values that were forecast.
    pub value_count: u64,
    /// Observed values for which the forecaster answered "not enough history".
    pub refused_count: u64,
    /// Of the values that were forecast, those of subjects who had no value before.
    pub unseen_count: u64,
    /// Mean absolute error of the median.
    pub mae: Option<f64>,
    /// Root of the mean squared error of the mean.
    pub rmse: Option<f64>,
    /// `mae` divided by how much the target varied in training.
    pub scaled_mae: Option<f64>,
    /// Mean absolute error of the last value (the training mean where there is none).
    pub carry_forward_mae: Option<f64>,
    /// Root of its mean squared error.
    pub carry_forward_rmse: Option<f64>,
    /// `mae` divided by `carry_forward_mae`: below 1 is better than carry-forward.
    pub mase: Option<f64>,
    /// Share of the values inside the 50 % interval.
    pub coverage_50: Option<f64>,
    /// Share of the values inside the 80 % interval.
    pub coverage_80: Option<f64>,
    /// Share of the values inside the 90 % interval.
    pub coverage_90: Option<f64>,
    /// Share of the values inside the 95 % interval.
    pub coverage_95: Option<f64>,
    /// Mean width of the 50 % interval, in the target's unit.
    pub width_50: Option<f64>,
    /// Mean width of the 80 % interval.
    pub width_80: Option<f64>,
    /// Mean width of the 90 % interval.
    pub width_90: Option<f64>,
    /// Mean width of the 95 % interval.
    pub width_95: Option<f64>,
    /// Mean pinball loss over the seven quantiles.
    pub pinball: Option<f64>,
    /// Continuous ranked probability score, from the seven quantiles: twice the pinball losses,
    /// each weighted with the range of probabilities that is nearest to its quantile.
    pub crps: Option<f64>,
    /// For each quantile, the share of the values that are not above it.
    pub calibration: Vec<f64>,
    /// By how far ahead: the pack's horizon buckets.
    pub horizons: Vec<HorizonEvaluation>,
}

/// The measurements of one target in a range of horizons.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HorizonEvaluation {
    /// Farther ahead than this, ...
    pub from_hours: f32,
    /// ... and up to this.
    pub to_hours: f32,
    /// Observed values that were forecast.
    pub value_count: u64,
    /// As of the target.
    pub mae: Option<f64>,
    /// As of the target.
    pub mase: Option<f64>,
    /// As of the target.
    pub coverage_90: Option<f64>,
    /// As of the target.
    pub width_90: Option<f64>,
    /// As of the target.
    pub crps: Option<f64>,
}

/// Measures a forecaster at the pack's evaluation cut, on every value observed up to the horizon.
///
/// `held_out` must not share subjects with what the forecaster was trained or tuned on.
pub fn evaluate(pack: &Pack, forecaster: &dyn Forecaster, held_out: &Cohort) -> Evaluation {
    evaluate_by(pack, &EvaluationPlan::of(pack), forecaster, held_out, &mut |_| ())
}

/// As [`evaluate`], at any cut; `scored` gets every value, subject by subject in order of time.
pub fn evaluate_by(
    pack: &Pack,
    plan: &EvaluationPlan<'_>,
    forecaster: &dyn Forecaster,
    held_out: &Cohort,
    scored: &mut dyn FnMut(Scored<'_>),
) -> Evaluation {
    let codes = CodeMap::new(pack, &held_out.codes);
    let buckets = buckets(pack, plan.horizon_hours);
    let mut walk = Walk {
        pack,
        plan,
        forecaster,
        codes: &codes,
        buckets: &buckets,
        sums: vec![vec![Measure::default(); buckets.len()]; pack.targets().count()],
        groups: Groups::new(pack, &held_out.codes),
    };
    let mut subject_count = 0;
    for timeline in &held_out.timelines {
        subject_count += u64::from(walk.subject(timeline, scored));
    }
    let targets: Vec<TargetEvaluation> = pack
        .targets()
        .zip(&walk.sums)
        .enumerate()
        .map(|(at, ((_, target), sums))| {
            let spread = plan.spreads.get(at).copied().flatten().map(f64::from);
            target_evaluation(target.code.as_str(), spread, &buckets, sums)
        })
        .collect();
    let subgroups = walk.groups.finish(pack);
    let windows = windows::evaluate(pack, plan.cut_hours, forecaster, held_out);
    Evaluation { windows, ..summary(plan, subject_count, targets, subgroups) }
}

fn summary(
    plan: &EvaluationPlan<'_>,
    subject_count: u64,
    targets: Vec<TargetEvaluation>,
    subgroups: Vec<SubgroupEvaluation>,
) -> Evaluation {
    let mean = |of: &dyn Fn(&TargetEvaluation) -> Option<f64>| {
        let values: Vec<f64> = targets.iter().filter_map(of).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let calibration = |lane: usize| mean(&|target| target.calibration.get(lane).copied());
    Evaluation {
        cut_hours: plan.cut_hours,
        horizon_hours: plan.horizon_hours,
        subject_count,
        value_count: targets.iter().map(|target| target.value_count).sum(),
        refused_count: targets.iter().map(|target| target.refused_count).sum(),
        mase_median: median(targets.iter().filter_map(|target| target.mase).collect()),
        scaled_mae_mean: mean(&|target| target.scaled_mae),
        coverage_50_mean: mean(&|target| target.coverage_50),
        coverage_80_mean: mean(&|target| target.coverage_80),
        coverage_90_mean: mean(&|target| target.coverage_90),
        coverage_95_mean: mean(&|target| target.coverage_95),
        calibration_mean: (0..twinkeep_domain::QUANTILES.len()).filter_map(calibration).collect(),
        targets,
        windows: Vec::new(),
        subgroups,
        trajectories: None,
    }
}

/// What is needed to measure one subject after the other.
struct Walk<'a> {
    pack: &'a Pack,
    plan: &'a EvaluationPlan<'a>,
    forecaster: &'a dyn Forecaster,
    codes: &'a CodeMap,
    buckets: &'a [f32],
    /// By target and horizon bucket.
    sums: Vec<Vec<Measure>>,
    groups: Groups,
}

/// A value after the cut.
struct Row {
    target: usize,
    time: Timestamp,
    horizon: f32,
    value: f32,
}

impl Walk<'_> {
    /// Adds up one subject; returns whether anything was forecast.
    fn subject(&mut self, timeline: &Timeline, scored: &mut dyn FnMut(Scored<'_>)) -> bool {
        let Some(start) = self.codes.start(timeline) else { return false };
        let cut = start.plus_hours(f64::from(self.plan.cut_hours));
        let seen =
            timeline.events().partition_point(|event| event.time.is_none_or(|time| time < cut));
        let (past, future) = timeline.events().split_at(seen);
        let mut state = SubjectState::new(self.pack);
        for event in past {
            state.apply(self.codes, event);
        }
        let rows = self.rows(future, cut);
        let mut horizons: Vec<f32> = rows.iter().map(|row| row.horizon).collect();
        horizons.dedup();
        let forecast = self.forecaster.forecast(&state, cut, &horizons);
        let groups = self.groups.of(self.pack, timeline, &state, cut);
        let mut any = false;
        for row in rows {
            let Some(answer) = forecast.targets.get(row.target) else { continue };
            let point = answer.points.get(horizons.partition_point(|&it| it < row.horizon));
            let typical = self.forecaster.typical(row.target);
            let carry_forward = answer.last.map_or(typical, |(last, _)| last);
            scored(Scored {
                subject: timeline.subject(),
                time: row.time,
                code: &answer.code,
                actual: row.value,
                point,
                carry_forward,
            });
            any |= point.is_some();
            let bucket = self.buckets.partition_point(|&end| end < row.horizon);
            let sums = &mut self.sums[row.target][bucket.min(self.buckets.len() - 1)];
            match point {
                None => sums.refuse(),
                Some(point) => {
                    let unseen = answer.last.is_none();
                    sums.add(point, row.value, carry_forward, unseen);
                    self.groups.add(&groups, row.target, |sums| {
                        sums.add(point, row.value, carry_forward, unseen);
                    });
                }
            }
        }
        if any {
            self.groups.count(&groups);
        }
        any
    }

    fn rows(&self, future: &[twinkeep_domain::Event], cut: Timestamp) -> Vec<Row> {
        let mut target_of = vec![None; self.pack.variables().len()];
        for (at, (variable, _)) in self.pack.targets().enumerate() {
            target_of[variable] = Some(at);
        }
        let row = |event: &twinkeep_domain::Event| {
            let time = event.time?;
            let horizon = time.hours_since(cut) as f32;
            let target = target_of[self.codes.variable(event.code)?]?;
            let value = event.value.filter(|value| value.is_finite())?;
            let within = horizon <= self.plan.horizon_hours;
            within.then_some(Row { target, time, horizon, value })
        };
        future.iter().filter_map(row).collect()
    }
}

/// Returns the upper ends of the pack's buckets up to a horizon.
fn buckets(pack: &Pack, horizon_hours: f32) -> Vec<f32> {
    let ends = pack.forecast().buckets_hours.iter().copied();
    ends.filter(|&end| end < horizon_hours).chain([horizon_hours]).collect()
}

fn target_evaluation(
    code: &str,
    spread: Option<f64>,
    buckets: &[f32],
    sums: &[Measure],
) -> TargetEvaluation {
    let mut all = Measure::default();
    sums.iter().for_each(|part| all.merge(part));
    let mae = all.mae();
    let horizons = sums.iter().enumerate().map(|(at, part)| HorizonEvaluation {
        from_hours: at.checked_sub(1).map_or(0.0, |before| buckets[before]),
        to_hours: buckets[at],
        value_count: part.count,
        mae: part.mae(),
        mase: part.mase(),
        coverage_90: part.coverage(2),
        width_90: part.width(2),
        crps: part.crps(),
    });
    TargetEvaluation {
        code: code.to_owned(),
        value_count: all.count,
        refused_count: all.refused,
        unseen_count: all.unseen,
        mae,
        rmse: all.rmse(),
        scaled_mae: spread.filter(|&spread| 0.0 < spread).and_then(|spread| Some(mae? / spread)),
        carry_forward_mae: all.carry_forward_mae(),
        carry_forward_rmse: all.carry_forward_rmse(),
        mase: all.mase(),
        coverage_50: all.coverage(0),
        coverage_80: all.coverage(1),
        coverage_90: all.coverage(2),
        coverage_95: all.coverage(3),
        width_50: all.width(0),
        width_80: all.width(1),
        width_90: all.width(2),
        width_95: all.width(3),
        pinball: all.pinball(),
        crps: all.crps(),
        calibration: all.calibration(),
        horizons: horizons.collect(),
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let high = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { high } else { (values[middle - 1] + high) / 2.0 })
}
