//! Why a forecast of a window is what it is, on the scale on which trees add up.
//!
//! The trees of a sum or a count add up to the logarithm of its mean, those of an event to the
//! logarithm of the odds that it comes in one interval, of whoever entered it. On that scale the
//! parts have an exact sum; as factors they multiply. Probabilities and amounts themselves do not
//! add up, and nothing here pretends that they do.

use serde::Serialize;
use twinkeep_domain::{EventPlan, Timestamp, WindowAnswer, WindowKind};

use super::Driver;
use crate::Model;
use crate::boost::{LANE_COUNT, MEAN_LANE};
use crate::features::{SubjectState, WINDOW_OWN_COUNT};
use crate::window_model::{EventHead, TotalHead, WindowHead, WindowModel};

/// Where a forecast of a window comes from. `usual`, the contributions, and `adjusted` add up to
/// `margin`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowExplanation {
    /// What is forecast.
    pub code: String,
    /// What the parts add up to.
    pub scale: MarginScale,
    /// Of an event: where the interval begins whose odds are explained.
    pub from_hours: f32,
    /// How far ahead the interval or the window ends.
    pub horizon_hours: f32,
    /// What is usual, whoever it is.
    pub usual: f32,
    /// What this subject's features add, by how much they add; none that adds nothing.
    pub drivers: Vec<Driver>,
    /// Of a sum or a count: what the blend with the reference adds.
    pub adjusted: f32,
    /// The sum.
    pub margin: f32,
    /// What is forecast: the mean, or the probability by then.
    pub answer: f32,
}

/// The scale on which the parts of an explanation add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarginScale {
    /// The logarithm of the mean.
    LogMean,
    /// The logarithm of the odds of the event against nothing, within the interval.
    LogOdds,
}

impl MarginScale {
    /// Returns the permanent name.
    pub fn name(self) -> &'static str {
        match self {
            Self::LogMean => "log-mean",
            Self::LogOdds => "log-odds",
        }
    }
}

/// The parts of a margin, before features get their names.
struct Parts {
    usual: f64,
    shapley: Vec<f64>,
    margin: f64,
}

impl Model {
    /// Explains the forecast of a window target: the mean of a sum or a count; of an event, the
    /// odds in the interval that holds `ahead_hours`, the last one if there is no such number.
    ///
    /// `None` where there is no forecast of it.
    pub fn explain_window(
        &self,
        state: &SubjectState,
        prediction_time: Timestamp,
        code: &str,
        ahead_hours: Option<f32>,
    ) -> Option<WindowExplanation> {
        let at = self.pack.windows().iter().position(|target| target.code.as_str() == code)?;
        let (target, model) = (self.pack.windows().get(at)?, self.windows.get(at)?);
        let forecast = self.forecast(state, prediction_time, &[]);
        let answer = forecast.windows.get(at)?;
        let shared = self.layout.shared_count();
        let mut features = vec![f32::NAN; shared + WINDOW_OWN_COUNT];
        self.layout.shared(state, prediction_time, &mut features[..shared]);
        state.window_features(at, prediction_time, &mut features[shared..]);
        let (scale, from_hours, horizon_hours, parts, said) =
            match (&model.head, &target.kind, &answer.answer) {
                (WindowHead::Total(head), _, WindowAnswer::Total(point)) => {
                    features.push(target.window_hours);
                    let parts = model.total_parts(head, &features, point.mean);
                    (MarginScale::LogMean, 0.0, target.window_hours, parts, point.mean)
                }
                (WindowHead::Event(head), WindowKind::Event(plan), WindowAnswer::Event(points)) => {
                    let interval = interval(plan, ahead_hours);
                    let horizon = *plan.horizons_hours.get(interval)?;
                    let from = interval.checked_sub(1).and_then(|at| plan.horizons_hours.get(at));
                    features.push(horizon);
                    let parts = model.event_parts(head, &features, interval);
                    let said = points.get(interval)?.probability;
                    (MarginScale::LogOdds, from.copied().unwrap_or(0.0), horizon, parts, said)
                }
                _ => return None,
            };
        let drivers = self.window_drivers(state, prediction_time, at, &features, &parts.shapley);
        let told = parts.usual + parts.shapley.iter().sum::<f64>();
        Some(WindowExplanation {
            code: code.to_owned(),
            scale,
            from_hours,
            horizon_hours,
            usual: parts.usual as f32,
            drivers,
            adjusted: (parts.margin - told) as f32,
            margin: parts.margin as f32,
            answer: said,
        })
    }

    fn window_drivers(
        &self,
        state: &SubjectState,
        now: Timestamp,
        window: usize,
        features: &[f32],
        shapley: &[f64],
    ) -> Vec<Driver> {
        let shared = self.layout.shared_count();
        let age = |feature: usize| match self.layout.variable_of(feature) {
            Some(variable) if feature < shared => {
                Some(now.hours_since(state.variable(variable)?.last_time()) as f32)
            }
            _ => None,
        };
        let name = |feature| self.layout.window_name(&self.pack, window, feature);
        let mut drivers: Vec<Driver> = (0..features.len())
            .filter(|&feature| shapley[feature] != 0.0)
            .map(|feature| Driver {
                feature: name(feature).unwrap_or_default(),
                value: Some(features[feature]).filter(|value| !value.is_nan()),
                age_hours: age(feature),
                contribution: shapley[feature] as f32,
            })
            .collect();
        drivers.sort_by(|one, other| other.contribution.abs().total_cmp(&one.contribution.abs()));
        drivers
    }
}

impl WindowModel {
    /// `features` end with the horizon; `mean` is what was answered.
    fn total_parts(&self, head: &TotalHead, features: &[f32], mean: f32) -> Parts {
        let mut shapley = vec![0.0; features.len()];
        // A mean of exactly 0 has no logarithm; below this nobody tells means apart.
        let floor = f64::from(head.scale.mean) * MEAN_SHARE_MIN;
        let margin = f64::from(mean).max(floor.max(f64::MIN_POSITIVE)).ln();
        if self.mean_tree_share <= 0.0 {
            return Parts { usual: margin, shapley, margin };
        }
        let from_trees = self.forest.shapley(features, MEAN_LANE, &mut shapley);
        let start = f64::from(head.scale.mean).max(f64::MIN_POSITIVE).ln();
        Parts { usual: start + f64::from(self.start[MEAN_LANE]) + from_trees, shapley, margin }
    }

    /// `features` end with the horizon of the interval.
    fn event_parts(&self, head: &EventHead, features: &[f32], interval: usize) -> Parts {
        let mut shapley = vec![0.0; features.len()];
        let share = f64::from(self.tree_share);
        let mut trees = f64::from(self.start[EVENT]);
        if 0.0 < share {
            trees += self.forest.shapley(features, EVENT, &mut shapley);
        }
        let slope = f64::from(head.slope[EVENT]);
        for value in &mut shapley {
            *value *= slope * share;
        }
        let base = head.base.get(interval).map_or(0.0, |lanes: &[f32; LANE_COUNT]| lanes[EVENT]);
        let blended = share * trees + (1.0 - share) * f64::from(base);
        let usual = slope * blended + f64::from(head.intercept[EVENT]);
        let margin = usual + shapley.iter().sum::<f64>();
        Parts { usual, shapley, margin }
    }
}

/// Returns the interval that a horizon lies in; the last one by default.
fn interval(plan: &EventPlan, ahead_hours: Option<f32>) -> usize {
    let last = plan.horizons_hours.len().saturating_sub(1);
    let ahead = ahead_hours.unwrap_or(f32::INFINITY);
    plan.horizons_hours.partition_point(|&end| end < ahead).min(last)
}

/// The lane of the event itself; what competes with it has the others.
const EVENT: usize = 0;

/// Means below this share of everybody's are told as this.
const MEAN_SHARE_MIN: f64 = 1e-6;
