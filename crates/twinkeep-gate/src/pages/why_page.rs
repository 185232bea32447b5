//! `/twins/{id}/why`: what moves a forecast, and how such forecasts did so far.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::Response;
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;
use twinkeep_app::{BackTestAnswer, Caller, ExplainAnswer, ExplainRequest};

use super::twin_pages::{number, parse_hours, recorded, short};
use super::{command, page};
use crate::api::twins::bad_query;
use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::use_case;

/// Which forecast.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhyQuery {
    target: String,
    at_hours: Option<String>,
}

/// Says why a forecast is what it is.
pub(crate) async fn show(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    query: Result<Query<WhyQuery>, QueryRejection>,
) -> Result<Response<Body>, Refusal> {
    let Query(WhyQuery { target, at_hours }) = query.map_err(bad_query)?;
    let at_hours = parse_hours(at_hours.as_deref())?;
    let name = caller.name.clone();
    let request = ExplainRequest { target, at: at_hours.into(), ..ExplainRequest::default() };
    let answer =
        use_case::run(&gate, move |app| twinkeep_app::explain_twin(app, &caller, &id, &request))
            .await?;
    let title = format!("{} of {}", answer.title, answer.subject);
    Ok(recorded(page(&title, Some(&name), &markup(&answer, at_hours))))
}

fn markup(answer: &ExplainAnswer, at_hours: Option<f32>) -> Markup {
    let twin = format!("/twins/{}", answer.subject);
    let at = at_hours.map(|hours| format!(" --at {hours}")).unwrap_or_default();
    html! {
        p.path { a href="/twins" { "Twins" } " · " a href=(twin) { (answer.subject) } }
        h1 { "Why: " (answer.title) }
        p { (sentence(answer)) }
        figure.chart {
            // INVARIANT: the drawing escapes every text in it and has no styles or scripts.
            (PreEscaped(answer.svg()))
            figcaption { (scale(answer)) }
        }
        @if let Some(past) = &answer.backtest {
            h2 { "How such forecasts did so far" }
            (backtest(past))
        }
        (command(&format!(
            "twinkeep twin explain {} --target {}{at}", answer.subject, answer.code
        )))
    }
}

fn sentence(answer: &ExplainAnswer) -> String {
    let time = short(&answer.prediction_time);
    let hours = answer.horizon_hours;
    match (answer.median, answer.mean, answer.probability) {
        (Some(median), _, _) => {
            format!(
                "The median {hours} hours after {time} is {}, the sum of these parts.",
                number(median)
            )
        }
        (_, Some(mean), _) => format!(
            "Within {hours} hours after {time}, {} is to be expected on average.",
            number(mean)
        ),
        (_, _, Some(probability)) => format!(
            "Within {hours} hours after {time}, the probability is {} %.",
            number(100.0 * probability)
        ),
        _ => String::new(),
    }
}

fn scale(answer: &ExplainAnswer) -> String {
    match answer.scale {
        "log-mean" => "Each part multiplies the mean by the factor beside it; on the scale of the \
                       logarithm, which is drawn, they add up."
            .to_owned(),
        "log-odds" => format!(
            "Each part multiplies the odds of the event, from hour {} to hour {}, by the factor \
             beside it; on the scale of the logarithm, which is drawn, they add up.",
            answer.from_hours.unwrap_or(0.0),
            answer.horizon_hours
        ),
        _ => {
            "Exact Shapley values: what knowing a feature adds, averaged over all orders in which \
              the features could become known."
                .to_owned()
        }
    }
}

fn backtest(past: &BackTestAnswer) -> Markup {
    html! {
        @if let (Some(mae), Some(carried), Some(inside)) =
            (past.mae, past.carry_forward_mae, past.coverage_90)
        {
            dl.facts {
                div { dt { "Values forecast" } dd { (past.value_count) } }
                div { dt { "At moments" } dd { (past.forecast_count) } }
                div { dt { "Mean error" } dd { (number(mae)) } }
                div { dt { "Of the last value" } dd { (number(carried)) } }
                div { dt { "Inside the 90 % interval" } dd { (number(100.0 * inside)) " %" } }
            }
        } @else {
            p { "There is nothing to compare with yet." }
        }
    }
}
