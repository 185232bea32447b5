//! Use case: forecast a twin as if some of its values were others.
//!
//! What is asked about is screened as a live event is: unknown codes, impossible values, and units
//! that do not fit are refused. So is what hardly any training subject that was like this one had:
//! there the model has nothing to go by.

use serde::Serialize;
use twinkeep_domain::{Forecast, Pack, WindowAnswer};
use twinkeep_forecast::Supported;
use twinkeep_intake::{LiveRow, screen_events};
use twinkeep_twin::{Change, Twin, WhatIf, what_if};

use crate::answer::{NOTICE, tidy};
use crate::moment::{Moment, moment};
use crate::predict::check_horizons;
use crate::receipt::{Grounds, Receipt, forecast_request};
use crate::record_events::live_options;
use crate::time_text::rfc3339;
use crate::twins::{Found, about_with_receipt};
use crate::{App, AppError, BudgetUnit, Caller};

/// What is to be otherwise.
#[derive(Clone, Debug, Default)]
pub struct WhatIfRequest {
    /// `CODE=VALUE`, with a unit behind the value if it is not the pack's.
    pub changes: Vec<String>,
    /// Hours ahead; by default, where the pack's buckets of horizons end.
    pub horizons_hours: Vec<f32>,
    /// Where to stand: nothing later is looked at.
    pub at: Moment,
    /// Whether the answer is to carry a receipt.
    pub receipt: bool,
}

/// The forecasts as they are and as they would be.
#[derive(Debug, Serialize)]
pub struct WhatIfAnswer {
    /// The subject's pseudonym.
    pub subject: String,
    /// The moment it is asked for (RFC 3339): nothing later was looked at.
    pub prediction_time: String,
    /// The model version that answered.
    pub model: String,
    /// What is taken to be otherwise.
    pub changes: Vec<ChangeAnswer>,
    /// By target about a value, in the pack's order; those of which there is a forecast.
    pub targets: Vec<TargetDifference>,
    /// By target about a window, in the pack's order; those of which there is a forecast.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<WindowDifference>,
    /// How to read it.
    pub label: &'static str,
    /// What it is not.
    pub notice: &'static str,
    /// The receipt, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// One value that is taken to be another.
#[derive(Debug, Serialize)]
pub struct ChangeAnswer {
    /// The code.
    pub code: String,
    /// What a person reads.
    pub title: String,
    /// The value that is taken, in `unit`.
    pub value: f32,
    /// The unit, in UCUM.
    pub unit: String,
    /// The last value that was observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<f32>,
    /// Whether the pack says that people decide about it. Other values are measured: nobody can
    /// set them.
    pub intervention: bool,
    /// How many training subjects were like this one.
    pub similar_subjects: u32,
    /// How many of them had such a value.
    pub supporting_subjects: u32,
}

/// What becomes of the forecasts of one target.
#[derive(Debug, Serialize)]
pub struct TargetDifference {
    /// The code.
    pub code: String,
    /// What a person reads.
    pub title: String,
    /// The unit, in UCUM.
    pub unit: String,
    /// By increasing horizon.
    pub points: Vec<PointDifference>,
}

/// What becomes of one forecast.
#[derive(Debug, Serialize)]
pub struct PointDifference {
    /// Hours after the prediction time.
    pub horizon_hours: f32,
    /// Median and 90 % interval as things are.
    pub as_is: MiddleAnswer,
    /// Median and 90 % interval as they would be.
    pub changed: MiddleAnswer,
    /// How much the median moves.
    pub difference: f32,
}

/// The middle of a forecast.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MiddleAnswer {
    /// The 5 % quantile.
    pub q05: f32,
    /// The median.
    pub q50: f32,
    /// The 95 % quantile.
    pub q95: f32,
}

/// What becomes of what is expected of a window.
#[derive(Debug, Serialize)]
pub struct WindowDifference {
    /// The code.
    pub code: String,
    /// What a person reads.
    pub title: String,
    /// `sum`, `count`, or `event`.
    pub kind: &'static str,
    /// The unit, in UCUM; of a probability, `1`.
    pub unit: String,
    /// How long the window is.
    pub window_hours: f32,
    /// The mean, or the probability at the end of the window, as things are.
    pub as_is: f32,
    /// The mean or the probability as they would be.
    pub changed: f32,
    /// How much it moves.
    pub difference: f32,
}

/// Forecasts one twin with some values changed.
pub fn ask_what_if(
    app: &App,
    caller: &Caller,
    subject: &str,
    request: &WhatIfRequest,
) -> Result<WhatIfAnswer, AppError> {
    let attach = |answer: &mut WhatIfAnswer, receipt| answer.receipt = Some(receipt);
    let work = |found: &Found<'_>| {
        let (answer, grounds) = answer(app, caller, found, request)?;
        let person = found.subject.reveal().to_be_bytes();
        let changes = request.changes.join(",");
        let input = [&person, answer.prediction_time.as_bytes(), changes.as_bytes()];
        let model = &answer.model;
        app.spend_or_refuse(caller, BudgetUnit::DistinctInputs, model, &input.concat())?;
        app.spend_or_refuse(caller, BudgetUnit::FullAnswers, model, &[])?;
        Ok((answer, grounds))
    };
    about_with_receipt(app, caller, "twin.what_if", subject, work, attach)
}

fn answer(
    app: &App,
    caller: &Caller,
    found: &Found<'_>,
    request: &WhatIfRequest,
) -> Result<(WhatIfAnswer, Option<Grounds>), AppError> {
    let pack = &app.pack;
    let changes = changes(app, &request.changes)?;
    let horizons = match request.horizons_hours.as_slice() {
        [] => pack.forecast().buckets_hours.clone(),
        asked => check_horizons(pack, asked)?,
    };
    let time = moment(app, found.timeline, request.at)?;
    let served = found.served(app)?;
    let twin = Twin::at(pack, found.codes, found.timeline, time);
    let outcome = what_if(&served.model, twin.state(), time, &horizons, &changes);
    for (change, support) in changes.iter().zip(&outcome.support) {
        check_support(pack, caller, *change, *support)?;
    }
    let observed = |variable: usize| {
        let fixed = Some(twin.state().static_value(variable)).filter(|value| value.is_finite());
        twin.state().variable(variable).map(|known| known.last()).or(fixed)
    };
    let told = |(change, support): (&Change, &Supported)| {
        let variable = &pack.variables()[change.variable];
        ChangeAnswer {
            code: variable.code.to_string(),
            title: variable.title.clone(),
            value: tidy(change.value),
            unit: variable.unit.clone(),
            observed: observed(change.variable).map(tidy),
            intervention: pack.is_intervention(change.variable),
            similar_subjects: support.similar_count,
            supporting_subjects: support.supporting_count,
        }
    };
    let answer = WhatIfAnswer {
        subject: found.subject.reveal_text(),
        prediction_time: rfc3339(time),
        model: served.version.clone(),
        changes: changes.iter().zip(&outcome.support).map(told).collect(),
        targets: targets(pack, &outcome),
        windows: windows(pack, &outcome),
        label: LABEL,
        notice: NOTICE,
        receipt: None,
    };
    let grounds = request.receipt.then(|| {
        let mut asked = forecast_request(time, &horizons);
        asked.push(("set", request.changes.join(",")));
        found.grounds(served, asked, time)
    });
    Ok((answer, grounds))
}

fn check_support(
    pack: &Pack,
    caller: &Caller,
    change: Change,
    support: Supported,
) -> Result<(), AppError> {
    let Supported { similar_count, supporting_count } = support;
    let least = caller.obligations.group_min(SUPPORTING_COUNT_MIN as usize);
    if least <= supporting_count as usize {
        return Ok(());
    }
    let code = &pack.variables()[change.variable].code;
    let attempt = format!(
        "not enough similar training subjects had such a value of `{code}`: {supporting_count} of \
         {similar_count}, and at least {SUPPORTING_COUNT_MIN} are needed"
    );
    Err(AppError::refused("what-if-support", attempt)
        .hint("the model has nothing to go by there; ask about a more usual value"))
}

fn targets(pack: &Pack, outcome: &WhatIf) -> Vec<TargetDifference> {
    let variables = pack.targets().map(|(_, variable)| variable);
    let both = outcome.as_is.targets.iter().zip(&outcome.changed.targets).zip(variables);
    both.filter(|((as_is, changed), _)| !as_is.points.is_empty() && !changed.points.is_empty())
        .map(|((as_is, changed), variable)| TargetDifference {
            code: variable.code.to_string(),
            title: variable.title.clone(),
            unit: variable.unit.clone(),
            points: as_is
                .points
                .iter()
                .zip(&changed.points)
                .map(|(as_is, changed)| PointDifference {
                    horizon_hours: as_is.horizon_hours,
                    as_is: middle(as_is),
                    changed: middle(changed),
                    difference: tidy(changed.median() - as_is.median()),
                })
                .collect(),
        })
        .collect()
}

fn middle(point: &twinkeep_domain::ForecastPoint) -> MiddleAnswer {
    let [q05, _, _, q50, _, _, q95] = point.quantiles.map(tidy);
    MiddleAnswer { q05, q50, q95 }
}

fn windows(pack: &Pack, outcome: &WhatIf) -> Vec<WindowDifference> {
    let expected = |forecast: &Forecast, at: usize| match &forecast.windows.get(at)?.answer {
        WindowAnswer::None => None,
        WindowAnswer::Total(point) => Some(point.mean),
        WindowAnswer::Event(points) => points.last().map(|point| point.probability),
    };
    let difference = |(at, target): (usize, &twinkeep_domain::WindowTarget)| {
        let as_is = expected(&outcome.as_is, at)?;
        let changed = expected(&outcome.changed, at)?;
        Some(WindowDifference {
            code: target.code.to_string(),
            title: target.title.clone(),
            kind: target.kind_name(),
            unit: target.unit(pack).to_owned(),
            window_hours: target.window_hours,
            as_is: tidy(as_is),
            changed: tidy(changed),
            difference: tidy(changed - as_is),
        })
    };
    pack.windows().iter().enumerate().filter_map(difference).collect()
}

/// Screens what is asked about, by the rules for live events.
fn changes(app: &App, asked: &[String]) -> Result<Vec<Change>, AppError> {
    if asked.is_empty() || CHANGE_COUNT_MAX < asked.len() {
        let attempt = format!("1 to {CHANGE_COUNT_MAX} values can be changed at once");
        return Err(AppError::usage("what-if-change", attempt));
    }
    let mut changes: Vec<Change> = Vec::with_capacity(asked.len());
    for (number, text) in asked.iter().enumerate() {
        let change = change(app, number + 1, text)?;
        if changes.iter().any(|known| known.variable == change.variable) {
            let attempt = format!("change {}: the code is changed twice", number + 1);
            return Err(AppError::usage("what-if-change", attempt));
        }
        changes.push(change);
    }
    Ok(changes)
}

fn change(app: &App, number: usize, text: &str) -> Result<Change, AppError> {
    let refuse = |what: &str| {
        AppError::usage("what-if-change", format!("change {number}: {what}"))
            .hint("a change is a code of the pack, `=`, a value, and its unit if it has another")
    };
    let (name, rest) = text.split_once('=').ok_or_else(|| refuse("there is no `=`"))?;
    let (name, rest) = (name.trim(), rest.trim());
    let (value, unit) = split_number(rest).ok_or_else(|| refuse("the value is no number"))?;
    let variable = app.pack.find(name).ok_or_else(|| refuse("the pack has no such variable"))?;
    let pseudonyms = app.site_pseudonyms(SITE);
    let spool = app.layout.store();
    let options = live_options(app, &pseudonyms, &spool);
    let row = LiveRow {
        subject: SITE,
        time: Some(app.now()),
        name,
        value: Some(value),
        unit: Some(unit).filter(|unit| !unit.is_empty()),
        text: None,
        raw: &[],
    };
    let (portions, _) = screen_events(&[row], &options)
        .map_err(|error| AppError::refused(error.code(), "cannot screen the change"))?;
    let portion = portions.first().ok_or_else(|| refuse("it cannot be screened"))?;
    if let Some(row) = portion.quarantined.first() {
        return Err(refuse(&format!("refused as `{}`", row.reason.code())));
    }
    let event = portion.screened.events().rows.first();
    let value = event.and_then(|event| event.value);
    value.map(|value| Change { variable, value }).ok_or_else(|| refuse("it says nothing"))
}

/// Takes a number from the beginning of a text; what follows is the unit.
fn split_number(text: &str) -> Option<(f32, &str)> {
    let digits = |letter: char| letter.is_ascii_digit() || ".+-".contains(letter);
    let mut end = text.find(|letter| !digits(letter)).unwrap_or(text.len());
    // An exponent is one only with digits behind it: `1e3`, but not the `e` of a unit.
    let rest = &text[end..];
    if let Some(power) = rest.strip_prefix(['e', 'E']) {
        let sign = usize::from(power.starts_with(['+', '-']));
        let count = power[sign..].bytes().take_while(u8::is_ascii_digit).count();
        if 0 < count {
            end += 1 + sign + count;
        }
    }
    let value: f32 = text[..end].parse().ok()?;
    value.is_finite().then(|| (value, text[end..].trim()))
}

/// Nobody is behind the values that are asked about.
const SITE: &str = "what-if";

/// Each costs a forecast's time and must be supported by itself; more are another person.
const CHANGE_COUNT_MAX: usize = 16;

/// With fewer, a difference is more luck than law.
const SUPPORTING_COUNT_MIN: u32 = 20;

const LABEL: &str = "associational, not causal: it says what goes together with such values in \
                     others, not what a treatment would do";

#[cfg(test)]
mod tests {
    use super::split_number;

    #[test]
    fn a_number_ends_where_its_unit_begins() {
        assert_eq!(split_number("0.6"), Some((0.6, "")));
        assert_eq!(split_number("-3 mmol/L"), Some((-3.0, "mmol/L")));
        assert_eq!(split_number("60%"), Some((60.0, "%")));
        assert_eq!(split_number("1e3mg"), Some((1_000.0, "mg")));
        assert_eq!(split_number("5eV"), Some((5.0, "eV")));
        for wrong in ["", "high", "1e99", "nan", "inf", "--1", "1.2.3"] {
            assert_eq!(split_number(wrong), None, "{wrong}");
        }
    }
}
