//! Answers about twins, as applications and people get them: field names, units, and shapes here
//! are the API's.

use serde::Serialize;
use twinkeep_domain::{Forecast, ForecastPoint, Pack, QUANTILES, TargetForecast};

use crate::time_text::rfc3339;

/// A forecast of one subject.
#[derive(Debug, Serialize)]
pub struct ForecastAnswer {
    /// The subject's pseudonym; absent if the history came with the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The moment it is made for (RFC 3339): nothing later was looked at.
    pub prediction_time: String,
    /// The model version that made it.
    pub model: String,
    /// The pack it speaks about, as `name@version`.
    pub pack: String,
    /// One entry per target, in the pack's order.
    pub targets: Vec<TargetAnswer>,
    /// What it is not.
    pub notice: &'static str,
}

/// A forecast of one target.
#[derive(Debug, Serialize)]
pub struct TargetAnswer {
    /// The code.
    pub code: String,
    /// What a person reads.
    pub title: String,
    /// The unit, in UCUM.
    pub unit: String,
    /// `trees`, `carry-forward`, `exponential-mean`, or `not-enough-history`.
    pub basis: &'static str,
    /// The last observed value, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<LastAnswer>,
    /// By increasing horizon; empty if there is not enough history.
    pub points: Vec<PointAnswer>,
}

/// The last observed value.
#[derive(Debug, Serialize)]
pub struct LastAnswer {
    /// The value, in the target's unit.
    pub value: f32,
    /// Hours before the prediction time.
    pub age_hours: f32,
}

/// A forecast at one horizon.
#[derive(Debug, Serialize)]
pub struct PointAnswer {
    /// Hours after the prediction time.
    pub horizon_hours: f32,
    /// Expected value.
    pub mean: f32,
    /// The calibrated 5 % quantile; with `q95` the 90 % interval.
    pub q05: f32,
    /// The calibrated 10 % quantile.
    pub q10: f32,
    /// The calibrated 25 % quantile; with `q75` the 50 % interval.
    pub q25: f32,
    /// The median.
    pub q50: f32,
    /// The calibrated 75 % quantile.
    pub q75: f32,
    /// The calibrated 90 % quantile.
    pub q90: f32,
    /// The calibrated 95 % quantile.
    pub q95: f32,
}

impl ForecastAnswer {
    pub(crate) fn new(
        pack: &Pack,
        model: &str,
        subject: Option<String>,
        forecast: &Forecast,
    ) -> Self {
        Self {
            subject,
            prediction_time: rfc3339(forecast.prediction_time),
            model: model.to_owned(),
            pack: format!("{}@{}", pack.name(), pack.version()),
            targets: forecast.targets.iter().map(|target| target_answer(pack, target)).collect(),
            notice: NOTICE,
        }
    }
}

fn target_answer(pack: &Pack, target: &TargetForecast) -> TargetAnswer {
    let variable = pack.find(target.code.as_str()).and_then(|index| pack.variables().get(index));
    TargetAnswer {
        code: target.code.to_string(),
        title: variable.map(|variable| variable.title.clone()).unwrap_or_default(),
        unit: variable.map(|variable| variable.unit.clone()).unwrap_or_default(),
        basis: target.basis.name(),
        last: target
            .last
            .map(|(value, age)| LastAnswer { value: tidy(value), age_hours: tidy(age) }),
        points: target.points.iter().map(point_answer).collect(),
    }
}

fn point_answer(point: &ForecastPoint) -> PointAnswer {
    // The order of the fields is the order of QUANTILES.
    const { assert!(QUANTILES.len() == 7) };
    let [q05, q10, q25, q50, q75, q90, q95] = point.quantiles.map(tidy);
    PointAnswer {
        horizon_hours: point.horizon_hours,
        mean: tidy(point.mean),
        q05,
        q10,
        q25,
        q50,
        q75,
        q90,
        q95,
    }
}

/// Five significant digits: more would only look exact, and would tell more about the model.
fn tidy(value: f32) -> f32 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

/// Every answer says what it is not.
const NOTICE: &str = "statistical forecast; not a medical device, not clinically validated";

#[cfg(test)]
mod tests {
    use super::tidy;

    #[test]
    fn five_significant_digits_are_kept() {
        assert_eq!(tidy(123.456_79), 123.46);
        assert_eq!(tidy(0.001_234_567), 0.001_234_6);
        assert_eq!(tidy(-0.0), 0.0);
    }
}
