//! How good forecasts of windows are: sums and counts beside simpler guesses, events beside the
//! base rate.

use serde::Serialize;
use twinkeep_domain::{
    Cohort, ForecastPoint, Pack, Timeline, Timestamp, WindowAnswer, WindowKind, WindowTarget,
};

use super::events::{EventEvaluation, Followed, measure};
use super::groups::{Groups, group_name};
use super::measure::intervals;
use crate::examples::{Track, observed_until};
use crate::features::SubjectState;
use crate::{CodeMap, Forecaster};

#[cfg(test)]
mod tests;

/// The measurements of one window target on a cohort; no personal data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowEvaluation {
    /// What was forecast.
    pub code: String,
    /// `sum`, `count`, or `event`.
    pub kind: &'static str,
    /// How long the window is.
    pub window_hours: f32,
    /// Subjects who were forecast and of whom it is known what happened; for an event, in its
    /// first interval at least.
    pub subject_count: u64,
    /// Subjects for whom the forecaster had no answer.
    pub refused_count: u64,
    /// Of a sum or a count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<TotalEvaluation>,
    /// Of an event, by horizon.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventEvaluation>,
    /// By the subgroups of the pack, of those with at least 20 subjects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subgroups: Vec<WindowSubgroup>,
}

/// The measurements of a group of subjects.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowSubgroup {
    /// What divides the subjects.
    pub by: String,
    /// Which group.
    pub group: String,
    /// How many are in it.
    pub subject_count: u64,
    /// Of a sum or a count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<TotalEvaluation>,
    /// Of an event, at the last horizon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventEvaluation>,
}

/// The measurements of a sum or a count; `None` where there are no subjects.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TotalEvaluation {
    /// Mean absolute error of the median.
    pub mae: Option<f64>,
    /// Root of the mean squared error of the mean.
    pub rmse: Option<f64>,
    /// Mean absolute error of saying that it will be as in the window before.
    pub carry_forward_mae: Option<f64>,
    /// Root of its mean squared error.
    pub carry_forward_rmse: Option<f64>,
    /// Mean absolute error of saying what the subject has had in a window on average so far.
    pub usual_mae: Option<f64>,
    /// Root of its mean squared error.
    pub usual_rmse: Option<f64>,
    /// Subjects who were observed in the same window 52 weeks before.
    pub seasonal_count: u64,
    /// Mean absolute error of saying that it will be as 52 weeks before, for those.
    pub seasonal_mae: Option<f64>,
    /// Mean absolute error of the median, for those.
    pub seasonal_own_mae: Option<f64>,
    /// `mae` divided by `carry_forward_mae`.
    pub mase: Option<f64>,
    /// Share inside the 50 % interval.
    pub coverage_50: Option<f64>,
    /// Share inside the 80 % interval.
    pub coverage_80: Option<f64>,
    /// Share inside the 90 % interval; whole numbers cover more than they promise.
    pub coverage_90: Option<f64>,
    /// Share inside the 95 % interval.
    pub coverage_95: Option<f64>,
    /// Mean width of the 90 % interval.
    pub width_90: Option<f64>,
    /// Sum of the means over the sum of what happened: 1 where all errors cancel out.
    pub sum_ratio: Option<f64>,
    /// Variance of the means over the variance of what happened: how much of the difference
    /// between subjects the forecasts show.
    pub variance_ratio: Option<f64>,
    /// The same of saying that it will be as in the window before.
    pub carry_forward_variance_ratio: Option<f64>,
    /// The same of saying that it will be as 52 weeks before, for who was observed then.
    pub seasonal_variance_ratio: Option<f64>,
}

/// Measures the answers about windows that begin at a cut.
pub(super) fn evaluate(
    pack: &Pack,
    cut_hours: f32,
    forecaster: &dyn Forecaster,
    held_out: &Cohort,
) -> Vec<WindowEvaluation> {
    let codes = CodeMap::new(pack, &held_out.codes);
    let end = observed_until(pack.forecast(), held_out);
    let groups = Groups::new(pack, &held_out.codes);
    let mut all: Vec<Collected> = pack.windows().iter().map(|_| Collected::default()).collect();
    for timeline in &held_out.timelines {
        let moment = (cut_hours, end(timeline));
        collect(pack, forecaster, (&codes, timeline), moment, &groups, &mut all);
    }
    pack.windows().iter().zip(all).map(|(target, found)| found.finish(pack, target)).collect()
}

/// What was said of the subjects, and what became of them.
#[derive(Default)]
struct Collected {
    refused: u64,
    totals: Vec<Told>,
    events: Vec<Followed>,
    /// The groups of each total or event.
    groups: Vec<Vec<usize>>,
}

/// A total that was forecast, and what simpler guesses say.
#[derive(Clone, Copy)]
struct Told {
    point: ForecastPoint,
    actual: f32,
    before: f32,
    usual: f32,
    seasonal: Option<f32>,
}

fn collect(
    pack: &Pack,
    forecaster: &dyn Forecaster,
    (codes, timeline): (&CodeMap, &Timeline),
    (cut_hours, end): (f32, Timestamp),
    groups: &Groups,
    all: &mut [Collected],
) {
    let Some(start) = codes.start(timeline) else { return };
    let cut = start.plus_hours(f64::from(cut_hours));
    if end < cut {
        return;
    }
    let mut state = SubjectState::new(pack);
    for event in timeline.events() {
        if event.time.is_none_or(|time| time < cut) {
            state.apply(codes, event);
        }
    }
    let answers = forecaster.forecast(&state, cut, &[]).windows;
    let tracks = Track::all(pack, codes, timeline, end);
    let belongs = groups.of(pack, timeline, &state, cut);
    for (at, ((answer, track), found)) in answers.iter().zip(&tracks).zip(all).enumerate() {
        let mut known = false;
        let at_risk = state.is_at_risk(pack, at);
        track.label(at_risk, cut, &mut |_, _| known = true);
        if known && !matches!(answer.answer, WindowAnswer::None) {
            found.groups.push(belongs.clone());
        }
        match &answer.answer {
            _ if !known => {}
            WindowAnswer::None => found.refused += 1,
            WindowAnswer::Total(point) => found.totals.push(told(track, *point, start, cut)),
            WindowAnswer::Event(points) => found.events.push(Followed {
                probabilities: points.iter().map(|point| point.probability).collect(),
                happened: track.first_after(cut),
                observed_hours: track.observed_hours(cut),
                guesses: points
                    .iter()
                    .map(|point| guesses(track, point.horizon_hours, start, cut))
                    .collect(),
            }),
        }
    }
}

/// Returns whether there was an event in the time before, and in the same time a year before.
fn guesses(
    track: &Track<'_>,
    horizon_hours: f32,
    start: Timestamp,
    cut: Timestamp,
) -> (bool, Option<bool>) {
    let hours = f64::from(horizon_hours);
    let just_before = Timestamp::from_micros(cut.micros().saturating_sub(1));
    let last_season = cut.plus_hours(-SEASON_HOURS);
    let before = 0.0 < track.total(cut.plus_hours(-hours), just_before);
    let season = || 0.0 < track.total(last_season, last_season.plus_hours(hours));
    (before, (start <= last_season).then(season))
}

fn told(track: &Track<'_>, point: ForecastPoint, start: Timestamp, cut: Timestamp) -> Told {
    let hours = f64::from(track.window_hours());
    let just_before = Timestamp::from_micros(cut.micros().saturating_sub(1));
    let seen = cut.hours_since(start).max(hours);
    let last_season = cut.plus_hours(-SEASON_HOURS);
    Told {
        point,
        actual: track.total(cut, cut.plus_hours(hours)),
        before: track.total(cut.plus_hours(-hours), just_before),
        usual: (f64::from(track.total(start, just_before)) / seen * hours) as f32,
        seasonal: (start <= last_season)
            .then(|| track.total(last_season, last_season.plus_hours(hours))),
    }
}

impl Collected {
    fn finish(self, pack: &Pack, target: &WindowTarget) -> WindowEvaluation {
        let events: Vec<EventEvaluation> = match &target.kind {
            WindowKind::Event(plan) => plan
                .horizons_hours
                .iter()
                .enumerate()
                .map(|(at, &horizon)| measure(&self.events, at, horizon, plan.absent))
                .collect(),
            _ => Vec::new(),
        };
        let is_total = events.is_empty();
        WindowEvaluation {
            code: target.code.to_string(),
            kind: target.kind_name(),
            window_hours: target.window_hours,
            subject_count: (self.totals.len() + self.events.len()) as u64,
            refused_count: self.refused,
            total: is_total.then(|| total(&self.totals)),
            subgroups: self.subgroups(pack, target),
            events,
        }
    }

    /// Measures each group that is large enough to say nothing of one subject.
    fn subgroups(&self, pack: &Pack, target: &WindowTarget) -> Vec<WindowSubgroup> {
        let mut found = Vec::new();
        for (by, subgroup) in pack.subgroups().iter().enumerate() {
            for group in 0..=subgroup.group_count(pack) {
                let inside = |at: &usize| self.groups[*at][by] == group;
                let members: Vec<usize> = (0..self.groups.len()).filter(inside).collect();
                if members.len() < SUBGROUP_SUBJECT_COUNT_MIN {
                    continue;
                }
                let (mut total, mut event) = (None, None);
                match &target.kind {
                    WindowKind::Event(plan) => {
                        let of: Vec<Followed> =
                            members.iter().map(|&at| self.events[at].clone()).collect();
                        let last = plan.horizons_hours.iter().copied().enumerate().next_back();
                        event = last.map(|(at, horizon)| measure(&of, at, horizon, plan.absent));
                    }
                    _ => {
                        let of: Vec<Told> = members.iter().map(|&at| self.totals[at]).collect();
                        total = Some(self::total(&of));
                    }
                }
                found.push(WindowSubgroup {
                    by: subgroup.title.clone(),
                    group: group_name(pack, subgroup, group),
                    subject_count: members.len() as u64,
                    total,
                    event,
                });
            }
        }
        found
    }
}

fn total(all: &[Told]) -> TotalEvaluation {
    let mean = |of: &dyn Fn(&Told) -> f64| {
        (!all.is_empty()).then(|| all.iter().map(of).sum::<f64>() / all.len() as f64)
    };
    let distance = |one: &Told, guess: f32| f64::from(one.actual - guess);
    let absolute = |of: &dyn Fn(&Told) -> f32| mean(&|one| distance(one, of(one)).abs());
    let root =
        |of: &dyn Fn(&Told) -> f32| mean(&|one| distance(one, of(one)).powi(2)).map(f64::sqrt);
    let covered = |interval: usize| {
        mean(&|one| {
            let [low, high] = intervals(&one.point)[interval];
            f64::from(u8::from((low..=high).contains(&one.actual)))
        })
    };
    let median = |one: &Told| one.point.median();
    let (mae, carry_forward_mae) = (absolute(&median), absolute(&|one| one.before));
    let ratio = |one: Option<f64>, other: Option<f64>| {
        one.zip(other).filter(|(_, other)| 0.0 < *other).map(|(one, other)| one / other)
    };
    let variance = |of: &dyn Fn(&Told) -> f64| {
        let middle = mean(of)?;
        mean(&|one| (of(one) - middle).powi(2))
    };
    let (said, actual) =
        (|one: &Told| f64::from(one.point.mean), |one: &Told| f64::from(one.actual));
    let seasonal: Vec<(&Told, f32)> =
        all.iter().filter_map(|one| Some((one, one.seasonal?))).collect();
    let season = |of: &dyn Fn(&(&Told, f32)) -> f64| {
        let count = seasonal.len() as f64;
        (!seasonal.is_empty()).then(|| seasonal.iter().map(of).sum::<f64>() / count)
    };
    let seasonal_variance = |of: &dyn Fn(&(&Told, f32)) -> f64| {
        let middle = season(of)?;
        season(&|one| (of(one) - middle).powi(2))
    };
    TotalEvaluation {
        mae,
        rmse: root(&|one| one.point.mean),
        carry_forward_mae,
        carry_forward_rmse: root(&|one| one.before),
        usual_mae: absolute(&|one| one.usual),
        usual_rmse: root(&|one| one.usual),
        seasonal_count: seasonal.len() as u64,
        seasonal_mae: season(&|(one, seasonal)| distance(one, *seasonal).abs()),
        seasonal_own_mae: season(&|(one, _)| distance(one, one.point.median()).abs()),
        mase: ratio(mae, carry_forward_mae),
        coverage_50: covered(0),
        coverage_80: covered(1),
        coverage_90: covered(2),
        coverage_95: covered(3),
        width_90: mean(&|one| f64::from(one.point.quantiles[6] - one.point.quantiles[0])),
        sum_ratio: ratio(mean(&said), mean(&actual)),
        variance_ratio: ratio(variance(&said), variance(&actual)),
        carry_forward_variance_ratio: ratio(
            variance(&|one| f64::from(one.before)),
            variance(&actual),
        ),
        seasonal_variance_ratio: ratio(
            seasonal_variance(&|(_, seasonal)| f64::from(*seasonal)),
            seasonal_variance(&|(one, _)| f64::from(one.actual)),
        ),
    }
}

/// What is said of fewer could be about one; and it would be chance.
const SUBGROUP_SUBJECT_COUNT_MIN: usize = 20;

/// 52 weeks: the season, and the day of the week.
const SEASON_HOURS: f64 = 52.0 * 168.0;
