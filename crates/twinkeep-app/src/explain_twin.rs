//! Use case: say why a twin's forecast is what it is, and how good such forecasts were so far.

use std::sync::Arc;

use serde::Serialize;
use twinkeep_domain::{Timestamp, Variable, WindowTarget};
use twinkeep_forecast::{Driver, Explanation, MarginScale};
use twinkeep_twin::chart::{Part, parts_svg, short};
use twinkeep_twin::{BackTest, Twin, backtest};

use crate::answer::{NOTICE, rounded, tidy};
use crate::moment::{Moment, moment};
use crate::obligation::{Hidden, Obligations};
use crate::predict::check_horizons;
use crate::receipt::{Grounds, Receipt, forecast_request};
use crate::served::Served;
use crate::time_text::rfc3339;
use crate::twins::{Found, about_with_receipt};
use crate::{App, AppError, BudgetUnit, Caller};

/// Which forecast is to be explained.
#[derive(Clone, Debug, Default)]
pub struct ExplainRequest {
    /// The target's code.
    pub target: String,
    /// How far ahead; by default, the pack's horizon.
    pub ahead_hours: Option<f32>,
    /// Where to stand: nothing later is looked at.
    pub at: Moment,
    /// How many drivers are told one by one; by default, [`DRIVERS_DEFAULT`].
    pub drivers_max: Option<usize>,
    /// Whether the answer is to carry a receipt.
    pub receipt: bool,
}

/// Why a forecast is what it is. `carried`, `usual_change`, the drivers, `others`, and `adjusted`
/// add up to `margin`, but for the five digits that numbers of answers have.
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
    /// `value`, `sum`, `count`, or `event`.
    pub kind: &'static str,
    /// What the parts add up to: `value`, in the target's unit; `log-mean`, the logarithm of the
    /// mean of a sum or a count; `log-odds`, the logarithm of the odds of an event against nothing,
    /// from `from_hours` to `horizon_hours`, of whoever is asked about then.
    pub scale: &'static str,
    /// The unit of the target, in UCUM.
    pub unit: String,
    /// Of an event: where the interval begins whose odds are explained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_hours: Option<f32>,
    /// Hours after the prediction time.
    pub horizon_hours: f32,
    /// Of a value, what is carried forward: the last value, or a mean of recent ones; 0 otherwise.
    pub carried: f32,
    /// How such values usually move until then, whoever it is; of a window, what is usual.
    pub usual_change: f32,
    /// What moves this one, by how much; exact Shapley values.
    pub drivers: Vec<DriverAnswer>,
    /// What all other features add together.
    pub others: f32,
    /// What the order of the quantiles and the variable's range add; of a sum or a count, the blend
    /// with what simpler guesses say.
    pub adjusted: f32,
    /// The sum of the parts.
    pub margin: f32,
    /// Of a value: the forecast's median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median: Option<f32>,
    /// Of a sum or a count: the forecast's mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f32>,
    /// Of an event: the probability by `horizon_hours`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f32>,
    /// Of a value: how forecasts of this target would have done for this subject before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backtest: Option<BackTestAnswer>,
    /// What it is not.
    pub notice: &'static str,
    /// The receipt, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

impl ExplainAnswer {
    /// Leaves out what the caller may not have; the parts add up still.
    fn withhold(mut self, obligations: &Obligations) -> Self {
        let drivers_max = obligations.at_most(self.drivers.len());
        let surplus: f32 = self.drivers.drain(drivers_max..).map(|one| one.contribution).sum();
        self.others = tidy(self.others + surplus);
        if obligations.hides(Hidden::DriverValues) {
            for driver in &mut self.drivers {
                driver.value = None;
                driver.age_hours = None;
            }
        }
        if obligations.hides(Hidden::Backtest) {
            self.backtest = None;
        }
        self
    }
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
    /// What it adds to the margin.
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

/// Explains one forecast of one twin: the median of a value, the mean of a sum or a count, or the
/// odds of an event.
pub fn explain_twin(
    app: &App,
    caller: &Caller,
    subject: &str,
    request: &ExplainRequest,
) -> Result<ExplainAnswer, AppError> {
    let paid = |(answer, grounds): (ExplainAnswer, Option<Grounds>)| {
        app.spend_or_refuse(caller, BudgetUnit::FullAnswers, &answer.model, &[])?;
        Ok((answer.withhold(&caller.obligations), grounds))
    };
    let attach = |answer: &mut ExplainAnswer, receipt| answer.receipt = Some(receipt);
    let work = |found: &Found<'_>| {
        let mut windows = app.pack.windows().iter();
        if let Some(window) = windows.find(|window| window.code.as_str() == request.target) {
            return paid(explain_window(app, found, request, window)?);
        }
        let index = app.pack.find(&request.target);
        let variable = index
            .and_then(|index| app.pack.variables().get(index))
            .filter(|variable| variable.target)
            .ok_or_else(|| {
                AppError::usage("target-unknown", "the pack has no such target")
                    .hint("`twinkeep twin forecast SUBJECT` lists the targets")
            })?;
        paid(explain(app, found, request, (index.unwrap_or_default(), variable))?)
    };
    about_with_receipt(app, caller, "twin.explained", subject, work, attach)
}

/// Says what an explanation rests on, if its receipt was asked for.
fn grounds(
    found: &Found<'_>,
    request: &ExplainRequest,
    served: Arc<Served>,
    time: Timestamp,
    horizon_hours: f32,
) -> Option<Grounds> {
    request.receipt.then(|| {
        let mut asked = forecast_request(time, &[horizon_hours]);
        asked.push(("explain", request.target.clone()));
        found.grounds(served, asked, time)
    })
}

fn explain(
    app: &App,
    found: &Found<'_>,
    request: &ExplainRequest,
    (index, variable): (usize, &Variable),
) -> Result<(ExplainAnswer, Option<Grounds>), AppError> {
    let ahead = request.ahead_hours.unwrap_or(app.pack.forecast().horizon_hours);
    check_horizons(&app.pack, &[ahead])?;
    let time = moment(app, found.timeline, request.at)?;
    let served = found.served(app)?;
    let twin = Twin::at(&app.pack, found.codes, found.timeline, time);
    let why = served.model.explain(twin.state(), time, variable.code.as_str(), ahead);
    let why = why.ok_or_else(history_short)?;
    let past = backtest(&app.pack, found.codes, found.timeline, &served.model, index, time);
    let Explanation { horizon_hours, carried, usual_change, drivers, adjusted, median, .. } = why;
    let (drivers, others) = tell(&drivers, request);
    let answer = ExplainAnswer {
        subject: found.subject.reveal_text(),
        prediction_time: rfc3339(time),
        model: served.version.to_string(),
        code: variable.code.to_string(),
        title: variable.title.clone(),
        kind: "value",
        scale: "value",
        unit: variable.unit.clone(),
        from_hours: None,
        horizon_hours,
        carried: tidy(carried),
        usual_change: tidy(usual_change),
        drivers,
        others,
        adjusted: tidy(adjusted),
        margin: tidy(median),
        median: Some(tidy(median)),
        mean: None,
        probability: None,
        backtest: Some(BackTestAnswer::new(&past)),
        notice: NOTICE,
        receipt: None,
    };
    let grounds = grounds(found, request, served, time, answer.horizon_hours);
    Ok((answer, grounds))
}

fn explain_window(
    app: &App,
    found: &Found<'_>,
    request: &ExplainRequest,
    window: &WindowTarget,
) -> Result<(ExplainAnswer, Option<Grounds>), AppError> {
    if request.ahead_hours.is_some_and(|ahead| !(0.0 < ahead && ahead <= window.window_hours)) {
        let attempt =
            format!("`ahead_hours` takes a number above 0 and up to {}", window.window_hours);
        return Err(AppError::usage("horizons", attempt));
    }
    let time = moment(app, found.timeline, request.at)?;
    let served = found.served(app)?;
    let twin = Twin::at(&app.pack, found.codes, found.timeline, time);
    let code = window.code.as_str();
    let why = served.model.explain_window(twin.state(), time, code, request.ahead_hours);
    let why = why.ok_or_else(history_short)?;
    let is_event = why.scale == MarginScale::LogOdds;
    let (drivers, others) = tell(&why.drivers, request);
    let answer = ExplainAnswer {
        subject: found.subject.reveal_text(),
        prediction_time: rfc3339(time),
        model: served.version.to_string(),
        code: code.to_owned(),
        title: window.title.clone(),
        kind: window.kind_name(),
        scale: why.scale.name(),
        unit: window.unit(&app.pack).to_owned(),
        from_hours: is_event.then_some(why.from_hours),
        horizon_hours: why.horizon_hours,
        carried: 0.0,
        usual_change: tidy(why.usual),
        drivers,
        others,
        adjusted: tidy(why.adjusted),
        margin: tidy(why.margin),
        median: None,
        mean: (!is_event).then_some(tidy(why.answer)),
        probability: is_event.then_some(rounded(why.answer)),
        backtest: None,
        notice: NOTICE,
        receipt: None,
    };
    let grounds = grounds(found, request, served, time, answer.horizon_hours);
    Ok((answer, grounds))
}

/// Tells the largest drivers one by one, and what all others add together.
fn tell(drivers: &[Driver], request: &ExplainRequest) -> (Vec<DriverAnswer>, f32) {
    let told = request.drivers_max.unwrap_or(DRIVERS_DEFAULT).min(drivers.len());
    let (told, others) = drivers.split_at(told);
    let others = others.iter().fold(0.0, |sum, driver| sum + driver.contribution);
    (told.iter().map(DriverAnswer::new).collect(), tidy(others))
}

fn history_short() -> AppError {
    AppError::refused("history-short", "there is no forecast of it to be explained").hint(
        "`twinkeep twin forecast SUBJECT` says whether the history is short or it has happened already",
    )
}

impl ExplainAnswer {
    /// Draws the parts as SVG; those of a window with the factor that each is.
    pub fn svg(&self) -> String {
        let is_value = self.scale == "value";
        let part = |label: String, amount: f32| Part {
            label,
            amount,
            text: match is_value {
                true => format!("{amount:+.3}"),
                false => format!("× {:.2}", amount.exp()),
            },
        };
        let mut parts = Vec::new();
        if is_value {
            parts.push(part("usual change until then".to_owned(), self.usual_change));
        }
        parts.extend(self.drivers.iter().map(|driver| {
            let value = driver.value.map_or_else(|| "missing".to_owned(), short);
            part(format!("{} ({value})", driver.feature), driver.contribution)
        }));
        parts.push(part("everything else".to_owned(), self.others));
        let name = if is_value { "order and range" } else { "blend with simpler guesses" };
        if self.adjusted.abs() >= ADJUSTED_SHOWN_MIN {
            parts.push(part(name.to_owned(), self.adjusted));
        }
        parts_svg(&format!("What moves it: {}", self.title), &parts)
    }
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

/// Less is rounding.
const ADJUSTED_SHOWN_MIN: f32 = 5e-4;
