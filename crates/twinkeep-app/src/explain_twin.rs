//! Use case: say why a twin's forecast is what it is, and how good such forecasts were so far.

use serde::Serialize;
use twinkeep_domain::Variable;
use twinkeep_forecast::{Driver, Explanation};
use twinkeep_twin::{BackTest, Twin, backtest};

use crate::answer::{NOTICE, tidy};
use crate::predict::check_horizons;
use crate::time_text::rfc3339;
use crate::twins::{Found, about, moment};
use crate::{App, AppError, Caller};

/// Which forecast is to be explained.
#[derive(Clone, Debug, Default)]
pub struct ExplainRequest {
    /// The target's code.
    pub target: String,
    /// How far ahead; by default, the pack's horizon.
    pub ahead_hours: Option<f32>,
    /// Stand at this many hours after the first event; by default, at the last event.
    pub at_hours: Option<f32>,
    /// How many drivers are told one by one; by default, [`DRIVERS_DEFAULT`].
    pub drivers_max: Option<usize>,
}

/// Why a forecast is what it is. `carried`, `usual_change`, the drivers, `others`, and `adjusted`
/// add up to `median`, but for the five digits that numbers of answers have.
#[derive(Debug, Serialize)]
pub struct ExplainAnswer {
    /// The subject's pseudonym.
    pub subject: String,
    /// The moment it is made for (RFC 3339): nothing later was looked at.
    pub prediction_time: String,
    /// The model version that made it.
    pub model: String,
    /// What is forecast.
    pub code: String,
    /// What a person reads.
    pub title: String,
    /// The unit of all contributions, in UCUM.
    pub unit: String,
    /// Hours after the prediction time.
    pub horizon_hours: f32,
    /// What is carried forward: the last value, or a mean of recent ones.
    pub carried: f32,
    /// How such values usually move until then, whoever it is.
    pub usual_change: f32,
    /// What moves this one, by how much; exact Shapley values.
    pub drivers: Vec<DriverAnswer>,
    /// What all other features add together.
    pub others: f32,
    /// What the order of the quantiles and the variable's range add.
    pub adjusted: f32,
    /// The forecast's median.
    pub median: f32,
    /// How forecasts of this target would have done for this subject before.
    pub backtest: BackTestAnswer,
    /// What it is not.
    pub notice: &'static str,
}

/// What one feature adds to a forecast.
#[derive(Debug, Serialize)]
pub struct DriverAnswer {
    /// What a person calls it, such as `Lactate, last value`.
    pub feature: String,
    /// What it is for this subject; absent where it is missing, which can tell something too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f32>,
    /// How old the variable's last value is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_hours: Option<f32>,
    /// What it adds to the median, in the target's unit.
    pub contribution: f32,
}

/// How forecasts of one target would have done for one subject before.
#[derive(Debug, Serialize)]
pub struct BackTestAnswer {
    /// Moments at which a forecast would have been made.
    pub forecast_count: u32,
    /// Observed values that were forecast, once for each such moment.
    pub value_count: u32,
    /// Mean absolute error of the median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mae: Option<f32>,
    /// Mean absolute error of saying that the last value stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carry_forward_mae: Option<f32>,
    /// Share of the values inside the 90 % interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage_90: Option<f32>,
}

/// Explains the median of one forecast of one twin.
pub fn explain_twin(
    app: &App,
    caller: &Caller,
    subject: &str,
    request: &ExplainRequest,
) -> Result<ExplainAnswer, AppError> {
    about(app, caller, "twin.explained", subject, |found| {
        let index = app.pack.find(&request.target);
        let variable = index
            .and_then(|index| app.pack.variables().get(index))
            .filter(|variable| variable.target)
            .ok_or_else(|| {
                AppError::usage("target-unknown", "the pack has no such target of the kind `value`")
                    .hint("`twinkeep twin forecast SUBJECT` lists the targets")
            })?;
        explain(app, found, request, (index.unwrap_or_default(), variable))
    })
}

fn explain(
    app: &App,
    found: &Found<'_>,
    request: &ExplainRequest,
    (index, variable): (usize, &Variable),
) -> Result<ExplainAnswer, AppError> {
    let ahead = request.ahead_hours.unwrap_or(app.pack.forecast().horizon_hours);
    check_horizons(&app.pack, &[ahead])?;
    let time = moment(app, found.timeline, request.at_hours)?;
    let served = app.served()?;
    let twin = Twin::at(&app.pack, found.codes, found.timeline, time);
    let why = served.model.explain(twin.state(), time, variable.code.as_str(), ahead).ok_or_else(
        || {
            AppError::refused("history-short", "there is not enough history for a forecast")
                .hint("`twinkeep twin show SUBJECT` lists what is known")
        },
    )?;
    let past = backtest(&app.pack, found.codes, found.timeline, &served.model, index, time);
    let Explanation { horizon_hours, carried, usual_change, drivers, adjusted, median, .. } = why;
    let told = request.drivers_max.unwrap_or(DRIVERS_DEFAULT).min(drivers.len());
    let (told, others) = drivers.split_at(told);
    Ok(ExplainAnswer {
        subject: found.subject.reveal_text(),
        prediction_time: rfc3339(time),
        model: served.version.to_string(),
        code: variable.code.to_string(),
        title: variable.title.clone(),
        unit: variable.unit.clone(),
        horizon_hours,
        carried: tidy(carried),
        usual_change: tidy(usual_change),
        drivers: told.iter().map(DriverAnswer::new).collect(),
        others: tidy(others.iter().fold(0.0, |sum, driver| sum + driver.contribution)),
        adjusted: tidy(adjusted),
        median: tidy(median),
        backtest: BackTestAnswer::new(&past),
        notice: NOTICE,
    })
}

impl DriverAnswer {
    fn new(driver: &Driver) -> Self {
        let Driver { feature, value, age_hours, contribution } = driver.clone();
        Self {
            feature,
            value: value.map(tidy),
            age_hours: age_hours.map(tidy),
            contribution: tidy(contribution),
        }
    }
}

impl BackTestAnswer {
    fn new(past: &BackTest) -> Self {
        let &BackTest { forecast_count, value_count, mae, carry_forward_mae, coverage_90 } = past;
        Self {
            forecast_count,
            value_count,
            mae: mae.map(tidy),
            carry_forward_mae: carry_forward_mae.map(tidy),
            coverage_90: coverage_90.map(tidy),
        }
    }
}

/// As many as a person takes in; they usually make up most of the whole.
pub const DRIVERS_DEFAULT: usize = 8;
