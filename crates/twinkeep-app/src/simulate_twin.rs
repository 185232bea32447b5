//! Use case: draw what may happen to a twin, many times, and say what the paths say together.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use twinkeep_domain::Pack;
use twinkeep_forecast::Simulator;
use twinkeep_ledger::Severity;
use twinkeep_store::{PathsFile, StoreError};
use twinkeep_twin::{
    Condition, PathExample, PathPlan, Side, Spread, TargetPaths, Trajectories, Twin, WindowPaths,
    trajectories,
};

use crate::answer::{NOTICE, PointAnswer, point_answer, tidy};
use crate::moment::{Moment, moment};
use crate::predict::check_horizons;
use crate::receipt::{Grounds, Receipt, forecast_request};
use crate::time_text::rfc3339;
use crate::twins::{Found, about_with_receipt};
use crate::{App, AppError, BudgetUnit, Caller};

/// Which paths, and what is asked of them.
#[derive(Clone, Debug, Default)]
pub struct SimulateRequest<'a> {
    /// How many; by default, [`PATH_COUNT_DEFAULT`].
    pub path_count: Option<u32>,
    /// How far ahead; by default, the pack's horizon.
    pub horizon_hours: Option<f32>,
    /// Distance between two moments; by default, the pack's step.
    pub step_hours: Option<f32>,
    /// The same seed draws the same paths; by default, 0.
    pub seed: u64,
    /// Codes of targets; by default, all.
    pub targets: Vec<String>,
    /// What may come about on a path: `MAP<65`.
    pub conditions: Vec<String>,
    /// Where to stand: nothing later is looked at.
    pub at: Moment,
    /// How many paths are told one by one; by default, none.
    pub example_count: usize,
    /// Where to write every path, as Parquet: plaintext.
    pub output: Option<&'a Path>,
    /// Whether the answer is to carry a receipt.
    pub receipt: bool,
}

/// What may happen.
#[derive(Debug, Serialize)]
pub struct SimulateAnswer {
    /// The subject's pseudonym.
    pub subject: String,
    /// The moment the paths begin at (RFC 3339): nothing later was looked at.
    pub prediction_time: String,
    /// The model version that drew them.
    pub model: String,
    /// The same seed draws the same paths.
    pub seed: u64,
    /// How many were drawn.
    pub path_count: u32,
    /// The moments of each path, in hours after the prediction time.
    pub horizons_hours: Vec<f32>,
    /// By target about a value, in the pack's order.
    pub targets: Vec<TargetPathsAnswer>,
    /// By target about a window, in the pack's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<WindowPathsAnswer>,
    /// What was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionAnswer>,
    /// Share of the paths on which all conditions come about, each at a moment of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_of_all: Option<f32>,
    /// The first paths.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathAnswer>,
    /// What paths are.
    pub meaning: &'static str,
    /// What they are not.
    pub notice: &'static str,
    /// The receipt, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// What the paths say about one target.
#[derive(Debug, Serialize)]
pub struct TargetPathsAnswer {
    /// The code.
    pub code: String,
    /// What a person reads.
    pub title: String,
    /// The unit, in UCUM.
    pub unit: String,
    /// The calibrated forecast that the paths follow, by moment.
    pub points: Vec<PointAnswer>,
    /// The lowest value of a path.
    pub lowest: SpreadAnswer,
    /// The highest value of a path.
    pub highest: SpreadAnswer,
    /// The mean over the moments of a path.
    pub mean: SpreadAnswer,
}

/// What the paths say about one window.
#[derive(Debug, Serialize)]
pub struct WindowPathsAnswer {
    /// The code.
    pub code: String,
    /// What a person reads.
    pub title: String,
    /// `sum`, `count`, or `event`.
    pub kind: &'static str,
    /// The unit, in UCUM.
    pub unit: String,
    /// How long the window is.
    pub window_hours: f32,
    /// The total of a path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<SpreadAnswer>,
    /// Share of the paths on which the event happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f32>,
}

/// Three quantiles over paths.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SpreadAnswer {
    /// Lower on one path in twenty.
    pub q05: f32,
    /// Lower on half of the paths.
    pub q50: f32,
    /// Higher on one path in twenty.
    pub q95: f32,
}

/// How often something comes about.
#[derive(Debug, Serialize)]
pub struct ConditionAnswer {
    /// What was asked for.
    pub condition: String,
    /// Share of the paths on which it comes about at some moment.
    pub share: f32,
}

/// One path.
#[derive(Debug, Serialize)]
pub struct PathAnswer {
    /// Its number.
    pub number: u64,
    /// For each target, a value at each moment.
    pub values: Vec<Vec<f32>>,
    /// For each window, the total; of an event, the hours after which it has happened, or `null`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Option<f32>>,
}

/// Draws paths of one twin.
pub fn simulate_twin(
    app: &App,
    caller: &Caller,
    subject: &str,
    request: &SimulateRequest<'_>,
) -> Result<SimulateAnswer, AppError> {
    let attach = |answer: &mut SimulateAnswer, receipt| answer.receipt = Some(receipt);
    let work = |found: &Found<'_>| {
        if request.output.is_some() {
            // On record first: what is written is out of the keep's hands.
            let class = twinkeep_ledger::Class::DatastoreActivity;
            let activity = twinkeep_ledger::Activity::Read;
            let intent = app.entry(caller, class, activity, "paths.writing");
            app.record(&intent.about(&app.reference(found.subject)).severity(Severity::Medium))?;
        }
        let (answer, grounds) = simulate(app, found, request)?;
        app.spend_or_refuse(caller, BudgetUnit::FullAnswers, &answer.model, &[])?;
        Ok((answer, grounds))
    };
    about_with_receipt(app, caller, "twin.simulated", subject, work, attach)
}

fn simulate(
    app: &App,
    found: &Found<'_>,
    request: &SimulateRequest<'_>,
) -> Result<(SimulateAnswer, Option<Grounds>), AppError> {
    let pack = &app.pack;
    let horizons = horizons(pack, request)?;
    let codes = target_codes(pack, &request.targets)?;
    let conditions: Vec<Condition> = request
        .conditions
        .iter()
        .map(|text| condition(pack, &codes, text))
        .collect::<Result<_, _>>()?;
    let path_count = request.path_count.unwrap_or(PATH_COUNT_DEFAULT);
    if path_count == 0 || PATH_COUNT_MAX < path_count {
        let attempt = format!("the number of paths must be 1 to {PATH_COUNT_MAX}");
        return Err(AppError::usage("paths", attempt));
    }
    let time = moment(app, found.timeline, request.at)?;
    let served = found.served(app)?;
    let twin = Twin::at(pack, found.codes, found.timeline, time);
    let bank = served.model.path_bank(&horizons, request.seed);
    let simulator = served.model.simulator(&bank, twin.state(), time, &codes).ok_or_else(|| {
        AppError::refused("paths-unknown", "the model did not learn how its targets go together")
            .hint("train one from more subjects; at least 50 of the tuning split are needed")
    })?;
    if simulator.targets().is_empty() && simulator.windows().is_empty() {
        return Err(AppError::refused(
            "history-short",
            "there is not enough history for a forecast",
        )
        .hint("`twinkeep twin show SUBJECT` lists what is known"));
    }
    check_size(&simulator, path_count, request.example_count)?;
    let plan =
        PathPlan { path_count, example_count: request.example_count, conditions: &conditions };
    let drawn = draw(pack, &simulator, &plan, &horizons, request.output)?;
    let grounds = request.receipt.then(|| {
        let mut asked = forecast_request(time, &horizons);
        asked.push(("paths", path_count.to_string()));
        asked.push(("seed", request.seed.to_string()));
        asked.push(("target", request.targets.join(",")));
        asked.push(("when", request.conditions.join(",")));
        found.grounds(Arc::clone(&served), asked, time)
    });
    let answer = SimulateAnswer {
        subject: found.subject.reveal_text(),
        prediction_time: rfc3339(time),
        model: served.version.clone(),
        seed: request.seed,
        path_count,
        targets: drawn.targets.iter().map(|one| target(pack, &simulator, one)).collect(),
        windows: drawn.windows.iter().map(|one| window(pack, one)).collect(),
        conditions: request
            .conditions
            .iter()
            .zip(&drawn.shares)
            .map(|(condition, &share)| ConditionAnswer { condition: condition.clone(), share })
            .collect(),
        share_of_all: drawn.share_of_all,
        paths: drawn.examples.iter().map(|path| example(path, horizons.len())).collect(),
        horizons_hours: horizons,
        meaning: MEANING,
        notice: NOTICE,
        receipt: None,
    };
    Ok((answer, grounds))
}

/// One path, with as many values a target as there are moments.
fn example(path: &PathExample, moments: usize) -> PathAnswer {
    let row = |row: &[f32]| row.iter().copied().map(tidy).collect();
    PathAnswer {
        number: path.number,
        values: path.values.chunks_exact(moments).map(row).collect(),
        windows: path.windows.iter().map(|&outcome| finite(outcome)).collect(),
    }
}

/// Bounds the work, and the answer.
fn check_size(simulator: &Simulator<'_>, paths: u32, examples: usize) -> Result<(), AppError> {
    let of = |count: usize| count.saturating_mul(simulator.path_len());
    if DRAWN_VALUE_COUNT_MAX < of(paths as usize) {
        let attempt = format!("the paths have more than {DRAWN_VALUE_COUNT_MAX} values together");
        return Err(AppError::usage("paths", attempt).hint("ask for fewer paths or moments"));
    }
    if SHOWN_VALUE_COUNT_MAX < of(examples) {
        let attempt = format!("the shown paths have more than {SHOWN_VALUE_COUNT_MAX} values");
        return Err(AppError::usage("paths", attempt).hint("show fewer paths, or write them all"));
    }
    Ok(())
}

/// Draws the paths, and writes each if that is asked for.
fn draw(
    pack: &Pack,
    simulator: &Simulator<'_>,
    plan: &PathPlan<'_>,
    horizons: &[f32],
    output: Option<&Path>,
) -> Result<Trajectories, AppError> {
    let Some(path) = output else {
        let drawn = trajectories(simulator, plan, &mut |_| Ok::<(), StoreError>(()));
        return Ok(drawn?);
    };
    let codes: Vec<&str> = pack.targets().map(|(_, variable)| variable.code.as_str()).collect();
    let codes: Vec<&str> = simulator.targets().into_iter().map(|place| codes[place]).collect();
    let windows: Vec<(&str, f32)> = simulator
        .windows()
        .into_iter()
        .map(|place| (pack.windows()[place].code.as_str(), pack.windows()[place].window_hours))
        .collect();
    let mut file = PathsFile::create(path)?;
    let drawn = trajectories(simulator, plan, &mut |path| {
        let number = path.number;
        for (code, row) in codes.iter().zip(path.values.chunks_exact(horizons.len())) {
            for (&hours, &value) in horizons.iter().zip(row) {
                file.add(number, code, hours, Some(value))?;
            }
        }
        for (&(code, hours), &outcome) in windows.iter().zip(path.windows) {
            file.add(number, code, hours, Some(outcome).filter(|it| it.is_finite()))?;
        }
        Ok::<(), StoreError>(())
    })?;
    file.finish()?;
    Ok(drawn)
}

fn target(pack: &Pack, simulator: &Simulator<'_>, paths: &TargetPaths) -> TargetPathsAnswer {
    let answer = &simulator.forecast().targets[paths.place];
    let variable = pack.find(answer.code.as_str()).and_then(|at| pack.variables().get(at));
    TargetPathsAnswer {
        code: answer.code.to_string(),
        title: variable.map(|variable| variable.title.clone()).unwrap_or_default(),
        unit: variable.map(|variable| variable.unit.clone()).unwrap_or_default(),
        points: answer.points.iter().map(point_answer).collect(),
        lowest: spread(paths.lowest),
        highest: spread(paths.highest),
        mean: spread(paths.mean),
    }
}

fn window(pack: &Pack, paths: &WindowPaths) -> WindowPathsAnswer {
    let target = &pack.windows()[paths.place];
    let event = target.kind_name() == "event";
    WindowPathsAnswer {
        code: target.code.to_string(),
        title: target.title.clone(),
        kind: target.kind_name(),
        unit: target.unit(pack).to_owned(),
        window_hours: target.window_hours,
        total: (!event).then(|| spread(paths.total)),
        share: event.then_some(paths.share),
    }
}

fn spread([q05, q50, q95]: Spread) -> SpreadAnswer {
    SpreadAnswer { q05: tidy(q05), q50: tidy(q50), q95: tidy(q95) }
}

fn finite(outcome: f32) -> Option<f32> {
    outcome.is_finite().then(|| tidy(outcome))
}

/// Returns the moments of a path.
fn horizons(pack: &Pack, request: &SimulateRequest<'_>) -> Result<Vec<f32>, AppError> {
    let plan = pack.forecast();
    let asked = (request.horizon_hours, request.step_hours);
    if asked == (None, None) {
        return Ok(twinkeep_twin::horizons(plan));
    }
    let horizon = request.horizon_hours.unwrap_or(plan.horizon_hours);
    let step = request.step_hours.unwrap_or(plan.step_hours).min(horizon);
    if !(0.0 < step && (horizon / step) <= STEP_COUNT_MAX) {
        let attempt = format!("a path has 1 to {STEP_COUNT_MAX} steps, each above 0 hours");
        return Err(AppError::usage("path-steps", attempt));
    }
    // A part of a step at the end counts as one, if it is more than rounding.
    let count = (horizon / step - 0.01).ceil().max(1.0) as u16;
    let horizons: Vec<f32> = (1..=count).map(|at| (f32::from(at) * step).min(horizon)).collect();
    check_horizons(pack, &horizons)
}

/// Returns the codes of the targets that are asked for, as the pack writes them.
fn target_codes<'a>(pack: &'a Pack, wanted: &[String]) -> Result<Vec<&'a str>, AppError> {
    let of = |name: &String| {
        let window = pack.windows().iter().find(|window| window.code.as_str() == name);
        let value = pack.find(name).and_then(|at| pack.variables().get(at));
        let value = value.filter(|variable| variable.target).map(|variable| variable.code.as_str());
        window.map(|window| window.code.as_str()).or(value).ok_or_else(|| {
            AppError::usage("target-unknown", "the pack has no such target")
                .hint("`twinkeep twin forecast SUBJECT` lists the targets")
        })
    };
    wanted.iter().map(of).collect()
}

/// Reads `CODE<VALUE` or `CODE>VALUE`.
fn condition(pack: &Pack, codes: &[&str], text: &str) -> Result<Condition, AppError> {
    let wrong = || {
        AppError::usage("condition", "a condition is a target, `<` or `>`, and a number")
            .hint("for example `MAP<65`, about a target of the kind `value` that is drawn")
    };
    let at = text.find(['<', '>']).ok_or_else(wrong)?;
    let side = if text[at..].starts_with('<') { Side::Below } else { Side::Above };
    let value: f32 = text[at + 1..].trim().parse().map_err(|_| wrong())?;
    let variable = pack.find(text[..at].trim()).ok_or_else(wrong)?;
    let target = pack.targets().position(|(index, _)| index == variable).ok_or_else(wrong)?;
    let code = pack.variables()[variable].code.as_str();
    if !value.is_finite() || !(codes.is_empty() || codes.contains(&code)) {
        return Err(wrong());
    }
    Ok(Condition { target, side, value })
}

/// Enough for a share of one in a hundred to be known to a third of itself.
pub const PATH_COUNT_DEFAULT: u32 = 1_000;

/// A second of work, and as many as any share needs.
pub const PATH_COUNT_MAX: u32 = 100_000;

/// All paths of forty targets at a day's hours; a second of work.
const DRAWN_VALUE_COUNT_MAX: usize = 100_000_000;

/// One or two megabytes of an answer.
const SHOWN_VALUE_COUNT_MAX: usize = 100_000;

/// As many moments as a forecast has.
const STEP_COUNT_MAX: f32 = 366.0;

const MEANING: &str = "each path is one way on which everything may go together: over all paths, \
    each value is spread as its calibrated forecast, and values go together as in past errors of \
    such forecasts; none of them is what will happen";
