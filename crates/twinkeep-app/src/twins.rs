//! Use cases: list twins, show the state of one, forecast one, draw one.

use std::cell::OnceCell;
use std::sync::Arc;

use serde::Serialize;
use twinkeep_domain::{
    Code, Event, Forecast, Subject, TargetForecast, Timeline, Timestamp, Variable, WindowForecast,
    WindowTarget,
};
use twinkeep_ledger::{Activity, Class as EventClass, Entry};
use twinkeep_twin::chart::{self, Chart, Letters, WindowChart, svg};
use twinkeep_twin::{Twin, history};

use crate::answer::ForecastAnswer;
use crate::moment::{Moment, moment};
use crate::obligation::{Hidden, unmet};
use crate::predict::check_horizons;
use crate::receipt::{Grounds, Receipt, forecast_request, input_text};
use crate::served::Served;
use crate::sites::unknown_subject;
use crate::time_text::rfc3339;
use crate::watch_queries::{Tapped, What};
use crate::{App, AppError, BudgetUnit, Caller, Scope};

/// A page of twins.
#[derive(Debug, Serialize)]
pub struct TwinList {
    /// By increasing pseudonym.
    pub twins: Vec<TwinLine>,
    /// Pass as `after` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One twin in a list.
#[derive(Debug, Serialize)]
pub struct TwinLine {
    /// The pseudonym.
    pub subject: String,
    /// How many events it has.
    pub event_count: u64,
    /// `train`, `tuning`, or `held_out`: forecasts of subjects that a model learned from look
    /// better than they are.
    pub split: &'static str,
}

/// The state of one twin.
#[derive(Debug, Serialize)]
pub struct TwinReport {
    /// The pseudonym.
    pub subject: String,
    /// Time of the first event (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Time of the last event (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// The moment that was asked for (RFC 3339): only what was known then is here. Absent where the
    /// twin is as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// How many events it has, up to then.
    pub event_count: usize,
    /// Every variable that was observed, in the pack's order.
    pub variables: Vec<TwinVariable>,
}

/// What is known of one variable of one twin.
#[derive(Debug, Serialize)]
pub struct TwinVariable {
    /// The code.
    pub code: String,
    /// What a person reads.
    pub title: String,
    /// The unit, in UCUM.
    pub unit: String,
    /// The last value.
    pub last: f32,
    /// Hours between it and the twin's last event, or the moment that was asked for; absent for what
    /// holds at all times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_hours: Option<f32>,
    /// How many values there are.
    pub count: u32,
    /// Change per hour over the whole history, where there are enough values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trend_per_hour: Option<f32>,
}

/// Which twin, when, and how far ahead.
#[derive(Clone, Debug, Default)]
pub struct TwinForecastRequest {
    /// Where to stand: nothing later is looked at.
    pub at: Moment,
    /// Hours ahead; by default, every step of the pack.
    pub horizons_hours: Vec<f32>,
    /// Whether the answer is to carry a receipt.
    pub receipt: bool,
}

/// A twin with its forecast and charts.
#[derive(Debug, Serialize)]
pub struct TwinDrawing {
    /// Its state.
    pub twin: TwinReport,
    /// Its forecast.
    pub answer: ForecastAnswer,
    /// One chart a target.
    pub charts: Vec<TwinChart>,
}

/// A chart of one target: a fan, or bars of what is about a window.
#[derive(Debug, Serialize)]
pub struct TwinChart {
    /// The code.
    pub code: String,
    /// What a person reads.
    pub title: String,
    /// What the chart shows, in words.
    pub description: String,
    /// The chart as SVG.
    #[serde(skip)]
    pub svg: String,
    /// The chart as lines of text.
    #[serde(skip)]
    pub text: String,
}

/// How large a chart is drawn in a terminal.
#[derive(Clone, Copy, Debug)]
pub struct TerminalSize {
    /// Letters in a line.
    pub width: usize,
    /// Lines of the plot.
    pub height: usize,
    /// Which letters the terminal has.
    pub letters: Letters,
}

impl Default for TerminalSize {
    fn default() -> Self {
        Self { width: 80, height: 16, letters: Letters::Unicode }
    }
}

/// Lists up to `limit` twins after `after`.
pub fn list_twins(
    app: &App,
    caller: &Caller,
    after: Option<&str>,
    limit: u32,
) -> Result<TwinList, AppError> {
    let entry = app.entry(caller, EventClass::ApiActivity, Activity::Read, "twins.listed");
    let result = list(app, caller, after, limit);
    let count = result.as_ref().map_or(0, |list| list.twins.len());
    app.conclude(entry.with("count", i64::try_from(count).unwrap_or(i64::MAX)), result)
}

fn list(app: &App, caller: &Caller, after: Option<&str>, limit: u32) -> Result<TwinList, AppError> {
    caller.require(Scope::ReadTwins)?;
    caller.require_everybody()?;
    let limit = limit.clamp(1, PAGE_SIZE_MAX);
    let after = match after {
        Some(text) => Some(app.find_subject(text)?),
        None => None,
    };
    // One more than asked for tells whether there is a next page.
    let mut found = app.store.subjects(after, limit + 1)?;
    let wanted = limit as usize;
    let more = wanted < found.len();
    found.truncate(wanted);
    let next = found.last().filter(|_| more).map(|subject| subject.subject.reveal_text());
    // Whoever must not be asked about is not offered, but to whom looks after them.
    let offer = |subject| Ok(caller.is_operator() || app.may_be_asked(subject)?);
    let asked: Result<Vec<bool>, AppError> =
        found.iter().map(|subject| offer(subject.subject)).collect();
    let mut asked = asked?.into_iter();
    found.retain(|_| asked.next() == Some(true));
    let twins = found.iter().map(|subject| TwinLine {
        subject: subject.subject.reveal_text(),
        event_count: subject.event_count,
        split: subject.split.name(),
    });
    Ok(TwinList { twins: twins.collect(), next })
}

/// Shows the state of one twin, as it is or as it was at a moment.
pub fn show_twin(
    app: &App,
    caller: &Caller,
    subject: &str,
    at: Moment,
) -> Result<TwinReport, AppError> {
    about(app, caller, "twin.read", subject, |found| report(app, caller, found, at))
}

/// Forecasts one twin.
pub fn forecast_twin(
    app: &App,
    caller: &Caller,
    subject: &str,
    request: &TwinForecastRequest,
) -> Result<ForecastAnswer, AppError> {
    let work = |found: &Found<'_>| {
        let (served, mut forecast) = forecast(app, found, request)?;
        app.oblige(caller, &served.version, &mut forecast);
        let name = Some(found.subject.reveal_text());
        let precision = app.spend(caller, BudgetUnit::FullAnswers, &served.version, &[])?;
        let answer = ForecastAnswer::new(&app.pack, &served.version, name, &forecast)
            .looking_back(found.timeline.end() > Some(forecast.prediction_time));
        let answer =
            app.with_precision(caller, &served, answer, precision)?.withhold(&caller.obligations);
        if request.at != Moment::LastEvent {
            app.questions.put(Tapped {
                caller: caller.clone(),
                at: app.now(),
                served: Arc::clone(&served),
                what: What::Moment {
                    subject: found.subject.reveal(),
                    time: forecast.prediction_time,
                },
            });
        }
        let grounds = request.receipt.then(|| {
            let horizons = check_horizons(&app.pack, &request.horizons_hours).unwrap_or_default();
            found.grounds(
                served,
                forecast_request(forecast.prediction_time, &horizons),
                forecast.prediction_time,
            )
        });
        Ok((answer, grounds))
    };
    about_with_receipt(app, caller, "twin.forecast", subject, work, ForecastAnswer::attach)
}

/// Forecasts one twin and draws it: one target, or all that have a forecast.
pub fn draw_twin(
    app: &App,
    caller: &Caller,
    subject: &str,
    request: &TwinForecastRequest,
    target: Option<&str>,
    terminal: TerminalSize,
) -> Result<TwinDrawing, AppError> {
    about(app, caller, "twin.drawn", subject, |found| {
        if let Some(code) = target {
            let known = app.pack.find(code).and_then(|index| app.pack.variables().get(index));
            let mut windows = app.pack.windows().iter();
            if !known.is_some_and(|variable| variable.target)
                && !windows.any(|window| window.code.as_str() == code)
            {
                return Err(AppError::usage("target-unknown", "the pack has no such target")
                    .hint("`twinkeep twin forecast SUBJECT` lists the targets"));
            }
        }
        // A chart is drawn of the past and of intervals.
        if caller.obligations.hides(Hidden::Intervals) || caller.obligations.hides(Hidden::Last) {
            return Err(unmet());
        }
        let (served, mut forecast) = forecast(app, found, request)?;
        app.spend_or_refuse(caller, BudgetUnit::FullAnswers, &served.version, &[])?;
        app.oblige(caller, &served.version, &mut forecast);
        let mut charts = Vec::new();
        for drawn in &forecast.targets {
            let wanted = match target {
                Some(code) => app.pack.find(code) == app.pack.find(drawn.code.as_str()),
                None => !drawn.points.is_empty(),
            };
            if wanted {
                charts.extend(draw(app, found, drawn, forecast.prediction_time, terminal));
            }
        }
        for (drawn, window) in forecast.windows.iter().zip(app.pack.windows()) {
            if target.is_none_or(|code| window.code.as_str() == code) {
                charts.extend(draw_window(app, window, drawn, terminal));
            }
        }
        let name = Some(found.subject.reveal_text());
        let answer = ForecastAnswer::new(&app.pack, &served.version, name, &forecast)
            .looking_back(found.timeline.end() > Some(forecast.prediction_time))
            .withhold(&caller.obligations);
        Ok(TwinDrawing { twin: report(app, caller, found, request.at)?, answer, charts })
    })
}

fn draw(
    app: &App,
    found: &Found<'_>,
    target: &TargetForecast,
    now: Timestamp,
    terminal: TerminalSize,
) -> Option<TwinChart> {
    let index = app.pack.find(target.code.as_str())?;
    let variable = app.pack.variables().get(index)?;
    let history = history(&app.pack, found.codes, found.timeline, index, now);
    let chart = Chart::new(variable, &history, target);
    Some(TwinChart {
        code: variable.code.to_string(),
        title: variable.title.clone(),
        description: chart.describe(),
        svg: svg(&chart, variable.code.as_str()),
        text: chart::terminal(&chart, terminal.width, terminal.height, terminal.letters),
    })
}

fn draw_window(
    app: &App,
    target: &WindowTarget,
    forecast: &WindowForecast,
    terminal: TerminalSize,
) -> Option<TwinChart> {
    let chart = WindowChart::new(target, target.unit(&app.pack), forecast)?;
    Some(TwinChart {
        code: target.code.to_string(),
        title: target.title.clone(),
        description: chart.describe(),
        svg: chart.svg(target.code.as_str()),
        text: chart.terminal(terminal.width, terminal.letters),
    })
}

/// Stands at the wanted moment, and forecasts from what was known then.
fn forecast(
    app: &App,
    found: &Found<'_>,
    request: &TwinForecastRequest,
) -> Result<(Arc<Served>, Forecast), AppError> {
    let horizons = check_horizons(&app.pack, &request.horizons_hours)?;
    let time = moment(app, found.timeline, request.at)?;
    let served = found.served(app)?;
    let twin = Twin::at(&app.pack, found.codes, found.timeline, time);
    let forecast = served.model.forecast(twin.state(), time, &horizons);
    Ok((served, forecast))
}

/// A twin that was found.
pub(crate) struct Found<'a> {
    pub(crate) subject: Subject,
    pub(crate) codes: &'a [Code],
    pub(crate) timeline: &'a Timeline,
    /// The version that was asked for an answer; it goes on record.
    model: OnceCell<String>,
}

impl Found<'_> {
    /// Returns the model in service, and lets the audit entry name it.
    pub(crate) fn served(&self, app: &App) -> Result<Arc<Served>, AppError> {
        let served = app.served()?;
        self.model.get_or_init(|| served.version.clone());
        Ok(served)
    }

    /// Says what an answer rests on: the model, what was asked, and what was known by `time`.
    pub(crate) fn grounds(
        &self,
        served: Arc<Served>,
        asked: Vec<(&str, String)>,
        time: Timestamp,
    ) -> Grounds {
        let known = |event: &&Event| event.time.is_none_or(|at| at <= time);
        let events = self.timeline.events().iter().filter(known);
        let input = input_text(&asked, self.codes, events);
        Grounds { served, scope: Scope::ReadTwins, input }
    }
}

/// Finds the twin, runs `work` on its timeline, and records that it was asked.
pub(crate) fn about<T>(
    app: &App,
    caller: &Caller,
    action: &str,
    subject: &str,
    work: impl FnOnce(&Found<'_>) -> Result<T, AppError>,
) -> Result<T, AppError> {
    let (entry, result) = look(app, caller, action, subject, work);
    app.conclude(entry, result)
}

/// Does as [`about`] does; if the work says what its answer rests on, `attach` gets a receipt.
pub(crate) fn about_with_receipt<T: Serialize>(
    app: &App,
    caller: &Caller,
    action: &str,
    subject: &str,
    work: impl FnOnce(&Found<'_>) -> Result<(T, Option<Grounds>), AppError>,
    attach: impl FnOnce(&mut T, Receipt),
) -> Result<T, AppError> {
    let (entry, result) = look(app, caller, action, subject, work);
    app.conclude_with_receipt(caller, entry, result, attach)
}

fn look<T>(
    app: &App,
    caller: &Caller,
    action: &str,
    subject: &str,
    work: impl FnOnce(&Found<'_>) -> Result<T, AppError>,
) -> (Entry, Result<T, AppError>) {
    let entry = app.entry(caller, EventClass::DatastoreActivity, Activity::Read, action);
    let wanted = caller.require(Scope::ReadTwins).and_then(|()| app.find_for(caller, subject));
    let entry = match &wanted {
        Ok(subject) => entry.about(&app.reference(*subject)),
        Err(_) => entry,
    };
    let mut asked = None;
    let result = wanted.and_then(|subject| {
        app.require_consent(caller, subject)?;
        let person = subject.reveal().to_be_bytes();
        app.spend_or_refuse(caller, BudgetUnit::NewSubjects, "", &person)?;
        let cohort = app.store.timeline(subject)?.ok_or_else(unknown_subject)?;
        let timeline = cohort.timelines.first().ok_or_else(unknown_subject)?;
        let model = OnceCell::new();
        let found = Found { subject, codes: &cohort.codes, timeline, model };
        let result = work(&found);
        asked = found.model.into_inner();
        result
    });
    let entry = match asked {
        Some(model) => entry.with("model", model.as_str()),
        None => entry,
    };
    (entry, result)
}

fn report(
    app: &App,
    caller: &Caller,
    found: &Found<'_>,
    at: Moment,
) -> Result<TwinReport, AppError> {
    let Found { codes, timeline, .. } = *found;
    let (now, asked) = match at {
        Moment::LastEvent => (timeline.end(), None),
        at => {
            let time = moment(app, timeline, at)?;
            (Some(time), Some(time))
        }
    };
    let known = |time: Option<Timestamp>| asked.is_none_or(|at| time.is_none_or(|time| time <= at));
    let events = timeline.events().iter().filter(|event| known(event.time));
    let end = events.clone().filter_map(|event| event.time).max();
    let twin = match asked {
        Some(time) => Twin::at(&app.pack, codes, timeline, time),
        None => Twin::from_timeline(&app.pack, codes, timeline),
    };
    let seen = now.map(|now| twin.summarize(now)).unwrap_or_default();
    let hidden =
        |variable: &Variable| caller.obligations.hides_code(&app.pack, variable.code.as_str());
    let describe = |(index, variable): (usize, &Variable)| {
        if hidden(variable) {
            return None;
        }
        let summary = seen.iter().find(|summary| summary.variable == index);
        let fixed = Some(twin.state().static_value(index)).filter(|value| value.is_finite());
        Some(TwinVariable {
            code: variable.code.to_string(),
            title: variable.title.clone(),
            unit: variable.unit.clone(),
            last: summary.map(|summary| summary.last).or(fixed)?,
            age_hours: summary.map(|summary| summary.age_hours),
            count: summary.map_or(1, |summary| summary.count),
            trend_per_hour: summary.and_then(|summary| summary.trend_per_hour),
        })
    };
    Ok(TwinReport {
        subject: found.subject.reveal_text(),
        start: timeline.start().map(rfc3339),
        end: end.map(rfc3339),
        at: asked.map(rfc3339),
        event_count: events.count(),
        variables: app.pack.variables().iter().enumerate().filter_map(describe).collect(),
    })
}

/// A page that a person can read and a program can hold.
const PAGE_SIZE_MAX: u32 = 500;
