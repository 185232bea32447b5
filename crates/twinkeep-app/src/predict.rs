//! Use case: forecast from a history that comes with the request.
//!
//! The history is screened as a feed is: a code that the pack does not know, a value outside its
//! range, or a time that makes no sense refuses the request, by index and field.

use std::sync::Arc;

use twinkeep_domain::{
    Code, Event, Events, Forecast, Pack, Subject, Timestamp, VariableKind, limits,
};
use twinkeep_forecast::{CodeMap, SubjectState};
use twinkeep_ledger::{Activity, Class as EventClass, Entry};

use crate::answer::ForecastAnswer;
use crate::budget::Precision;
use crate::receipt::{Grounds, forecast_request, input_text};
use crate::watch_queries::{Tapped, What};
use crate::{App, AppError, BudgetUnit, Caller, Scope};

/// What the caller wants to know.
pub struct PredictRequest {
    /// What happened, in any order.
    pub events: Vec<HistoryEvent>,
    /// Nothing later is looked at; by default, the time of the last event.
    pub prediction_time: Option<Timestamp>,
    /// Hours ahead, each above 0 and up to the pack's horizon; by default, every step of the pack.
    pub horizons_hours: Vec<f32>,
    /// Whether the answer is to carry a receipt.
    pub receipt: bool,
}

/// One thing that happened.
pub struct HistoryEvent {
    /// When; `None` is allowed for static codes only.
    pub time: Option<Timestamp>,
    /// What: a code or alias of the pack, or a code that one of its window targets is about.
    pub code: String,
    /// The value, in the unit that goes with the name; only variables need one.
    pub value: Option<f32>,
}

/// A history that may be forecast.
pub(crate) struct Screened {
    pub(crate) events: Events,
    pub(crate) state: SubjectState,
    pub(crate) prediction_time: Timestamp,
}

/// Forecasts from a history in the request.
pub fn predict(
    app: &App,
    caller: &Caller,
    request: &PredictRequest,
) -> Result<ForecastAnswer, AppError> {
    let entry = app.entry(caller, EventClass::ApiActivity, Activity::Read, "predict");
    let result = answer(app, caller, request);
    let entry = match &result {
        Ok((answer, _)) => describe(entry, request, answer),
        Err(_) => entry,
    };
    app.conclude_with_receipt(caller, entry, result, ForecastAnswer::attach)
}

fn describe(entry: Entry, request: &PredictRequest, answer: &ForecastAnswer) -> Entry {
    let count = i64::try_from(request.events.len()).unwrap_or(i64::MAX);
    entry.with("model", answer.model.as_str()).with("event_count", count)
}

fn answer(
    app: &App,
    caller: &Caller,
    request: &PredictRequest,
) -> Result<(ForecastAnswer, Option<Grounds>), AppError> {
    caller.require(Scope::Predict)?;
    let pack = app.pack();
    let horizons = check_horizons(pack, &request.horizons_hours)?;
    let Screened { events, state, prediction_time } = screened(pack, request)?;
    let served = app.served()?;
    let mut forecast: Forecast = served.model.forecast(&state, prediction_time, &horizons);
    let asked = forecast_request(prediction_time, &horizons);
    let input = || input_text(&asked, events.codes(), events.rows.iter());
    let inputs = match app.is_budgeted(caller, BudgetUnit::DistinctInputs) {
        true => {
            app.spend(caller, BudgetUnit::DistinctInputs, &served.version, input().as_bytes())?
        }
        false => Precision::Full,
    };
    let answers = app.spend(caller, BudgetUnit::FullAnswers, &served.version, &[])?;
    app.oblige(caller, &served.version, &mut forecast);
    let answer = ForecastAnswer::new(pack, &served.version, None, &forecast);
    let answer = app
        .with_precision(caller, &served, answer, inputs.max(answers))?
        .withhold(&caller.obligations);
    let grounds = request.receipt.then(|| {
        let served = Arc::clone(&served);
        Grounds { input: input(), served, scope: Scope::Predict }
    });
    if app.questions.is_open() {
        let (codes, events, state) = (events.codes().to_vec(), events.rows, Box::new(state));
        let what = What::History { codes, events, state, prediction_time };
        app.questions.put(Tapped { caller: caller.clone(), at: app.now(), served, what });
    }
    Ok((answer, grounds))
}

/// Screens a history, and takes in what was known at the prediction time.
pub(crate) fn screened(pack: &Pack, request: &PredictRequest) -> Result<Screened, AppError> {
    let mut events = screen(pack, &request.events)?;
    let last = events.rows.iter().filter_map(|event| event.time).max();
    let Some(prediction_time) = request.prediction_time.or(last) else {
        return Err(AppError::usage("history-empty", "no event of the history has a time"));
    };
    let horizon = f64::from(pack.forecast().horizon_hours);
    if last.is_none_or(|last| horizon < prediction_time.hours_since(last)) {
        let attempt = "`prediction_time` lies further after the last event than the horizon";
        return Err(AppError::usage("prediction-time", attempt));
    }
    // What lies after the prediction time is not known yet.
    events.rows.retain(|event| event.time.is_none_or(|time| time <= prediction_time));
    events.rows.sort_by_key(|event| event.time);
    let codes = CodeMap::new(pack, events.codes());
    let mut state = SubjectState::new(pack);
    for event in &events.rows {
        state.apply(&codes, event);
    }
    Ok(Screened { events, state, prediction_time })
}

fn screen(pack: &Pack, asked: &[HistoryEvent]) -> Result<Events, AppError> {
    if limits::REQUEST_EVENT_COUNT_MAX < asked.len() {
        let attempt =
            format!("the history has more than {} events", limits::REQUEST_EVENT_COUNT_MAX);
        return Err(AppError::usage("history-too-long", attempt));
    }
    let mut events = Events::new();
    for (index, event) in asked.iter().enumerate() {
        let (code, time, value) = screen_event(pack, index, event)?;
        let code = events.intern(&code);
        // Who it is about is not said, and not asked.
        let Some(subject) = Subject::from_pseudonym(0) else { continue };
        events.rows.push(Event { subject, time, code, value, text: None });
    }
    Ok(events)
}

fn screen_event(
    pack: &Pack,
    index: usize,
    event: &HistoryEvent,
) -> Result<(Code, Option<Timestamp>, Option<f32>), AppError> {
    let refuse = |code, field: &str, what: &str| {
        Err(AppError::usage(code, format!("event {index}: `{field}` {what}")))
    };
    let known = pack.find(&event.code).and_then(|variable| pack.variables().get(variable));
    let Some(described) = known else {
        let code = Code::new(&event.code).filter(|code| names_window(pack, code.as_str()));
        return match (code, event.time) {
            (None, _) => refuse("history-code", "code", "is not a code of the pack"),
            (Some(_), None) => refuse("history-time", "time", "is missing"),
            (Some(code), time) => Ok((code, time, None)),
        };
    };
    let Some(value) = event.value else {
        return refuse("history-value", "value", "is missing");
    };
    let alias = described.aliases.iter().find(|alias| alias.name == event.code);
    let value = alias.map_or(value, |alias| value * alias.factor + alias.offset);
    if !described.range.contains(value) {
        return refuse("history-value", "value", "is outside the plausible range of the pack");
    }
    let time = match described.kind {
        VariableKind::Static => None,
        VariableKind::Series if event.time.is_none() => {
            return refuse("history-time", "time", "is missing");
        }
        VariableKind::Series => event.time,
    };
    Ok((described.code.clone(), time, Some(value)))
}

/// Returns whether a window target is about a code, or has it among what competes.
fn names_window(pack: &Pack, code: &str) -> bool {
    pack.windows().iter().any(|target| target.is_about(code) || target.competing(code).is_some())
}

/// Returns the horizons that were asked for, or every step of the pack.
pub(crate) fn check_horizons(pack: &Pack, asked: &[f32]) -> Result<Vec<f32>, AppError> {
    let plan = pack.forecast();
    if asked.is_empty() {
        return Ok(twinkeep_twin::horizons(plan));
    }
    let valid = |&hours: &f32| 0.0 < hours && hours <= plan.horizon_hours;
    if HORIZON_COUNT_MAX < asked.len() || !asked.iter().all(valid) {
        let attempt = format!(
            "`horizons_hours` takes up to {HORIZON_COUNT_MAX} numbers above 0 and up to {}",
            plan.horizon_hours
        );
        return Err(AppError::usage("horizons", attempt));
    }
    let mut horizons = asked.to_vec();
    horizons.sort_by(f32::total_cmp);
    horizons.dedup();
    Ok(horizons)
}

/// A year of days: nobody reads more, and each costs a walk through every tree.
const HORIZON_COUNT_MAX: usize = 366;
