//! What a twin answers: for each target and horizon a mean, a median, and an interval.

use std::fmt;

use crate::{Code, Timestamp};

/// The probabilities of the quantiles in every [`ForecastPoint`], in order.
pub const QUANTILES: [f32; 7] = [0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95];

/// The probabilities of [`ForecastPoint::outer`]: between them lie 95 %.
pub const OUTER: [f32; 2] = [0.025, 0.975];

/// A forecast of all targets for one subject.
#[derive(Clone, PartialEq)]
pub struct Forecast {
    /// The moment it is made for: nothing later was looked at.
    pub prediction_time: Timestamp,
    /// One entry per target of the pack, in the pack's order.
    pub targets: Vec<TargetForecast>,
    /// One entry per window target of the pack, in the pack's order.
    pub windows: Vec<WindowForecast>,
}

/// A forecast of one target.
#[derive(Clone, PartialEq)]
pub struct TargetForecast {
    /// What is forecast.
    pub code: Code,
    /// How the points were made, or why there are none.
    pub basis: Basis,
    /// The last observed value and its age in hours, if there was one.
    pub last: Option<(f32, f32)>,
    /// By increasing horizon; empty if the basis is [`Basis::NotEnoughHistory`].
    pub points: Vec<ForecastPoint>,
}

/// A forecast of one target at one horizon.
#[derive(Clone, Copy, PartialEq)]
pub struct ForecastPoint {
    /// Hours after the prediction time.
    pub horizon_hours: f32,
    /// Expected value.
    pub mean: f32,
    /// Calibrated quantiles, never decreasing, at the probabilities of [`QUANTILES`].
    pub quantiles: [f32; 7],
    /// The calibrated quantiles at the probabilities of [`OUTER`], around all others.
    pub outer: [f32; 2],
}

/// A forecast of what happens within a window that begins at the prediction time.
#[derive(Clone, PartialEq)]
pub struct WindowForecast {
    /// What is forecast: the code of a window target.
    pub code: Code,
    /// How the answer was made, or why there is none.
    pub basis: Basis,
    /// The sum or count in a window of the same length that ended at the prediction time; of
    /// events, how many there were in it.
    pub before: f32,
    /// What is to be expected.
    pub answer: WindowAnswer,
}

/// What is to be expected of a window.
#[derive(Clone, PartialEq)]
pub enum WindowAnswer {
    /// Nothing can be said; the basis says why.
    None,
    /// Of a sum or a count: mean and quantiles at the end of the window.
    Total(ForecastPoint),
    /// Of an event: its probability, by increasing horizon up to the window.
    Event(Vec<EventPoint>),
}

/// The probability that an event has happened by a horizon.
#[derive(Clone, PartialEq)]
pub struct EventPoint {
    /// Hours after the prediction time.
    pub horizon_hours: f32,
    /// That it has happened by then; of an absence, that it has not.
    pub probability: f32,
    /// That a competing cause came first, for each in the pack's order.
    pub competing: Vec<f32>,
}

/// Which of the candidate methods the tuning split chose for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// Gradient boosted trees.
    Trees,
    /// The last value, carried forward.
    CarryForward,
    /// The exponentially weighted mean.
    ExponentialMean,
    /// The subject's history does not support a forecast of this target.
    NotEnoughHistory,
    /// What happened to others: nothing about the subject made a difference.
    BaseRate,
    /// The event that is asked for, or one that rules it out, has happened.
    AlreadyHappened,
}

impl Basis {
    /// Returns the name used in reports and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trees => "trees",
            Self::CarryForward => "carry-forward",
            Self::ExponentialMean => "exponential-mean",
            Self::NotEnoughHistory => "not-enough-history",
            Self::BaseRate => "base-rate",
            Self::AlreadyHappened => "already-happened",
        }
    }
}

impl ForecastPoint {
    /// Returns the median.
    pub fn median(&self) -> f32 {
        self.quantiles[3]
    }
}

impl fmt::Debug for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forecast(hidden)")
    }
}

impl fmt::Debug for TargetForecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TargetForecast(hidden)")
    }
}

impl fmt::Debug for WindowForecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WindowForecast(hidden)")
    }
}

impl fmt::Debug for WindowAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WindowAnswer(hidden)")
    }
}

impl fmt::Debug for EventPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventPoint(hidden)")
    }
}

impl fmt::Debug for ForecastPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForecastPoint(hidden)")
    }
}
