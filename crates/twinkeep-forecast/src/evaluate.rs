//! How good forecasts are, on subjects that nothing was learned from.
//!
//! Knows nothing about models: it asks a [`Forecaster`] and compares with what was observed.
//! Carry-forward, the baseline that every claim stands next to, is computed here on the same
//! observations, so that no forecaster can flatter itself.

use serde::Serialize;
use twinkeep_domain::{Cohort, ForecastPoint, Pack, QUANTILES, TargetForecast, Timeline};

use crate::boost::pinball;
use crate::features::SubjectState;
use crate::{CodeMap, Forecaster};

#[cfg(test)]
mod tests;

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
    /// Mean over targets of `coverage_50`.
    pub coverage_50_mean: Option<f64>,
    /// Mean over targets of `coverage_80`.
    pub coverage_80_mean: Option<f64>,
    /// Mean over targets of `coverage_90`.
    pub coverage_90_mean: Option<f64>,
    /// By target, in the pack's order.
    pub targets: Vec<TargetEvaluation>,
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
    /// Mean width of the 90 % interval, in the target's unit.
    pub width_90: Option<f64>,
    /// Mean pinball loss over the seven quantiles.
    pub pinball: Option<f64>,
}

/// Measures a forecaster at the pack's evaluation cut, on every value observed up to the horizon.
///
/// `held_out` must not share subjects with what the forecaster was trained or tuned on.
pub fn evaluate(pack: &Pack, forecaster: &dyn Forecaster, held_out: &Cohort) -> Evaluation {
    let codes = CodeMap::new(pack, &held_out.codes);
    let mut sums = vec![Sums::default(); pack.targets().count()];
    let mut subject_count = 0;
    for timeline in &held_out.timelines {
        subject_count += u64::from(measure(pack, forecaster, &codes, timeline, &mut sums));
    }
    let targets: Vec<TargetEvaluation> = pack
        .targets()
        .zip(&sums)
        .map(|((_, target), sums)| sums.finish(target.code.as_str()))
        .collect();
    let mean = |of: fn(&TargetEvaluation) -> Option<f64>| {
        let values: Vec<f64> = targets.iter().filter_map(of).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    Evaluation {
        cut_hours: pack.forecast().evaluation_cut_hours,
        horizon_hours: pack.forecast().horizon_hours,
        subject_count,
        value_count: targets.iter().map(|target| target.value_count).sum(),
        refused_count: targets.iter().map(|target| target.refused_count).sum(),
        mase_median: median(targets.iter().filter_map(|target| target.mase).collect()),
        coverage_50_mean: mean(|target| target.coverage_50),
        coverage_80_mean: mean(|target| target.coverage_80),
        coverage_90_mean: mean(|target| target.coverage_90),
        targets,
    }
}

/// Adds up one subject; returns whether anything was forecast.
fn measure(
    pack: &Pack,
    forecaster: &dyn Forecaster,
    codes: &CodeMap,
    timeline: &Timeline,
    sums: &mut [Sums],
) -> bool {
    let plan = pack.forecast();
    let Some(start) = codes.start(timeline) else { return false };
    let cut = start.plus_hours(f64::from(plan.evaluation_cut_hours));
    let seen = timeline.events().partition_point(|event| event.time.is_none_or(|time| time < cut));
    let (past, future) = timeline.events().split_at(seen);
    let mut state = SubjectState::new(pack);
    for event in past {
        if let (Some(variable), Some(value)) = (codes.variable(event.code), event.value) {
            state.observe(variable, event.time, value);
        }
    }
    let mut target_of = vec![None; pack.variables().len()];
    for (at, (variable, _)) in pack.targets().enumerate() {
        target_of[variable] = Some(at);
    }
    let rows: Vec<(usize, f32, f32)> = future
        .iter()
        .filter_map(|event| {
            let horizon = event.time?.hours_since(cut) as f32;
            let target = target_of[codes.variable(event.code)?]?;
            let value = event.value.filter(|value| value.is_finite())?;
            (horizon <= plan.horizon_hours).then_some((target, horizon, value))
        })
        .collect();
    let mut horizons: Vec<f32> = rows.iter().map(|row| row.1).collect();
    horizons.dedup();
    let forecast = forecaster.forecast(&state, cut, &horizons);
    let mut any = false;
    for (target, horizon, value) in rows {
        let Some(answer) = forecast.targets.get(target) else { continue };
        let at = horizons.partition_point(|&other| other < horizon);
        any |= sums[target].add(answer, at, value, forecaster.typical(target));
    }
    any
}

/// Running sums of one target.
#[derive(Clone, Default)]
struct Sums {
    count: u64,
    refused: u64,
    unseen: u64,
    absolute: f64,
    squared: f64,
    carried_absolute: f64,
    carried_squared: f64,
    inside: [u64; 3],
    width: f64,
    pinball: f64,
}

impl Sums {
    fn add(&mut self, answer: &TargetForecast, at: usize, value: f32, typical: f32) -> bool {
        let Some(point) = answer.points.get(at) else {
            self.refused += 1;
            return false;
        };
        let carried = answer.last.map_or(typical, |(last, _)| last);
        self.count += 1;
        self.unseen += u64::from(answer.last.is_none());
        self.absolute += f64::from((value - point.median()).abs());
        self.squared += f64::from(value - point.mean).powi(2);
        self.carried_absolute += f64::from((value - carried).abs());
        self.carried_squared += f64::from(value - carried).powi(2);
        for (inside, (low, high)) in self.inside.iter_mut().zip(INTERVALS) {
            let covered = point.quantiles[low] <= value && value <= point.quantiles[high];
            *inside += u64::from(covered);
        }
        self.width += f64::from(point.quantiles[6] - point.quantiles[0]);
        self.pinball += mean_pinball(point, value);
        true
    }

    fn finish(&self, code: &str) -> TargetEvaluation {
        let mean = |sum: f64| (0 < self.count).then(|| sum / self.count as f64);
        let share = |count: u64| mean(count as f64);
        let carried = mean(self.carried_absolute);
        TargetEvaluation {
            code: code.to_owned(),
            value_count: self.count,
            refused_count: self.refused,
            unseen_count: self.unseen,
            mae: mean(self.absolute),
            rmse: mean(self.squared).map(f64::sqrt),
            carry_forward_mae: carried,
            carry_forward_rmse: mean(self.carried_squared).map(f64::sqrt),
            mase: carried.filter(|&mae| 0.0 < mae).and(Some(self.absolute / self.carried_absolute)),
            coverage_50: share(self.inside[0]),
            coverage_80: share(self.inside[1]),
            coverage_90: share(self.inside[2]),
            width_90: mean(self.width),
            pinball: mean(self.pinball),
        }
    }
}

fn mean_pinball(point: &ForecastPoint, value: f32) -> f64 {
    let losses = point.quantiles.iter().zip(QUANTILES);
    let sum: f32 = losses.map(|(quantile, p)| pinball(value - quantile, p)).sum();
    f64::from(sum) / QUANTILES.len() as f64
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let high = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { high } else { (values[middle - 1] + high) / 2.0 })
}

/// Which quantiles bound the 50 %, 80 %, and 90 % intervals.
const INTERVALS: [(usize, usize); 3] = [(2, 4), (1, 5), (0, 6)];
