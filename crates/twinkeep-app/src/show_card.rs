//! Use case: say in a card what is to be expected of somebody, where their chart is opened.
//!
//! A card has a line that is read at a glance and a table below it. First comes what moves most,
//! measured by how wide the forecast is; whether that matters is the reader's to judge, so a card
//! never warns.

use twinkeep_domain::Pack;
use twinkeep_twin::chart::{duration, readable_unit, short};

use crate::answer::{ForecastAnswer, PointAnswer, TargetAnswer};
use crate::{App, AppError, Caller, Moment, TwinForecastRequest, forecast_twin};

#[cfg(test)]
mod tests;

/// Whom a card is about.
#[derive(Clone, Debug)]
pub struct CardRequest {
    /// As the record system calls them.
    pub subject: String,
}

/// What is to be expected, for somebody in a hurry.
#[derive(Debug)]
pub struct Card {
    /// The pseudonym.
    pub subject: String,
    /// One line.
    pub summary: String,
    /// More, in Markdown.
    pub detail: String,
}

/// Makes a card about one person; there is none about whom the keep does not have.
pub fn show_card(
    app: &App,
    caller: &Caller,
    request: &CardRequest,
) -> Result<Option<Card>, AppError> {
    let horizon = app.pack.forecast().horizon_hours;
    let asked = TwinForecastRequest {
        at: Moment::LastEvent,
        horizons_hours: vec![horizon],
        receipt: false,
    };
    match forecast_twin(app, caller, &request.subject, &asked) {
        Ok(answer) => Ok(Some(card(&app.pack, &answer))),
        Err(error) if error.code() == "subject-unknown" => Ok(None),
        Err(error) => Err(error),
    }
}

fn card(pack: &Pack, answer: &ForecastAnswer) -> Card {
    let values = notable(answer);
    let window = duration(pack.forecast().horizon_hours);
    let mut summary = match values.is_empty() {
        true => "Not enough history for a forecast of values".to_owned(),
        false => format!("In {window}: "),
    };
    for (index, (target, point)) in values.iter().enumerate() {
        let said = format!("{} {}", target.title, amount(point.q50, &target.unit));
        let joined = if index == 0 { said } else { format!(", {said}") };
        if SUMMARY_LEN_MAX < summary.chars().count() + joined.chars().count() {
            break;
        }
        summary.push_str(&joined);
    }
    Card {
        subject: answer.subject.clone().unwrap_or_default(),
        summary,
        detail: detail(answer, &values, &window),
    }
}

/// What is forecast of values, what moves most first.
fn notable(answer: &ForecastAnswer) -> Vec<(&TargetAnswer, &PointAnswer)> {
    let mut found: Vec<(f32, &TargetAnswer, &PointAnswer)> = answer
        .targets
        .iter()
        .filter(|target| target.kind == "value")
        .filter_map(|target| {
            let point = target.points.last()?;
            Some((movement(target, point), target, point))
        })
        .collect();
    // Those that move alike stay in the pack's order.
    found.sort_by(|(left, ..), (right, ..)| right.total_cmp(left));
    found.into_iter().map(|(_, target, point)| (target, point)).collect()
}

/// How far the median leaves the last value, in halves of the 50 % interval.
fn movement(target: &TargetAnswer, point: &PointAnswer) -> f32 {
    let (Some(last), Some(low), Some(high)) = (&target.last, point.q25, point.q75) else {
        return 0.0;
    };
    let half = (high - low) / 2.0;
    if half <= 0.0 { 0.0 } else { (point.q50 - last.value).abs() / half }
}

fn detail(
    answer: &ForecastAnswer,
    values: &[(&TargetAnswer, &PointAnswer)],
    window: &str,
) -> String {
    let mut text = String::new();
    if !values.is_empty() {
        text.push_str(&format!("| | last | in {window} | nine of ten |\n|---|---|---|---|\n"));
    }
    for (target, point) in values.iter().take(ROW_COUNT_MAX) {
        let last = target.last.as_ref();
        let last = last.map_or("–".to_owned(), |last| amount(last.value, &target.unit));
        let range = match (point.q05, point.q95) {
            (Some(low), Some(high)) => format!("{} to {}", short(low), short(high)),
            _ => "–".to_owned(),
        };
        let median = amount(point.q50, &target.unit);
        text.push_str(&format!("| {} | {last} | {median} | {range} |\n", target.title));
    }
    for target in &answer.targets {
        if let Some(words) = target.words() {
            text.push_str(&format!("\n**{}**: {words}\n", target.title));
        }
    }
    text.push_str(&format!(
        "\nAs of {}, by {} ({}). {}.\n",
        answer.prediction_time, answer.model, answer.pack, answer.notice
    ));
    text
}

fn amount(value: f32, unit: &str) -> String {
    let unit = readable_unit(unit);
    if unit.is_empty() { short(value) } else { format!("{} {unit}", short(value)) }
}

/// CDS Hooks has cards of fewer than 140 letters.
const SUMMARY_LEN_MAX: usize = 139;

/// What fits beside a chart.
const ROW_COUNT_MAX: usize = 8;
