//! `/twins` and `/twins/{id}`: the list, and one twin with its fan charts.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::Response;
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;
use twinkeep_app::{
    Caller, ForecastAnswer, TerminalSize, TwinChart, TwinDrawing, TwinForecastRequest, TwinList,
    TwinReport, readable_unit,
};

use super::{command, page};
use crate::api::twins::bad_query;
use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::use_case::{self, Recorded};

/// Which page of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    after: Option<String>,
}

/// When to look at a twin.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShowQuery {
    at_hours: Option<String>,
}

/// Shows a page of twins.
pub(crate) async fn list(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response<Body>, Refusal> {
    let Query(ListQuery { after }) = query.map_err(bad_query)?;
    let name = caller.name.clone();
    let first = after.is_none();
    let twins = use_case::run(&gate, move |app| {
        twinkeep_app::list_twins(app, &caller, after.as_deref(), TWINS_PER_PAGE)
    })
    .await?;
    Ok(recorded(page("Twins", Some(&name), &list_markup(&twins, first))))
}

/// Shows one twin: what is known, and what is to be expected.
pub(crate) async fn show(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    query: Result<Query<ShowQuery>, QueryRejection>,
) -> Result<Response<Body>, Refusal> {
    let Query(ShowQuery { at_hours }) = query.map_err(bad_query)?;
    let at_hours = parse_hours(at_hours.as_deref())?;
    let name = caller.name.clone();
    let request = TwinForecastRequest { at: at_hours.into(), ..TwinForecastRequest::default() };
    let drawing = use_case::run(&gate, move |app| {
        twinkeep_app::draw_twin(app, &caller, &id, &request, None, TerminalSize::default())
    })
    .await?;
    Ok(recorded(page(&drawing.twin.subject, Some(&name), &twin_markup(&drawing, at_hours))))
}

/// A form sends an empty field for "at the last event".
pub(super) fn parse_hours(text: Option<&str>) -> Result<Option<f32>, Refusal> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let refuse = |_| Refusal::unprocessable("query-shape", "`at_hours` takes a number of hours");
    text.parse().map(Some).map_err(refuse)
}

fn list_markup(twins: &TwinList, first: bool) -> Markup {
    html! {
        h1 { "Twins" }
        @if twins.twins.is_empty() {
            p { "There is no twin here. Ingest a feed first." }
        } @else {
            div.table tabindex="0" role="region" aria-label="Twins" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Subject" }
                            th.number scope="col" { "Events" }
                            th scope="col" { "Split" }
                        }
                    }
                    tbody {
                        @for twin in &twins.twins {
                            tr {
                                td { a href={ "/twins/" (twin.subject) } { (twin.subject) } }
                                td.number { (twin.event_count) }
                                td { (twin.split.replace('_', " ")) }
                            }
                        }
                    }
                }
            }
            p.quiet {
                "A model has seen the subjects of the train and tuning splits; "
                "judge it by held-out ones."
            }
        }
        nav.pages aria-label="Pages" {
            @if !first { a href="/twins" { "First page" } }
            @if let Some(next) = &twins.next {
                a href={ "/twins?after=" (next) } rel="next" { "Next page" }
            }
        }
        (command("twinkeep twin list"))
    }
}

fn twin_markup(drawing: &TwinDrawing, at_hours: Option<f32>) -> Markup {
    let TwinDrawing { twin, answer, charts } = drawing;
    let at = at_hours.map(|hours| format!(" --at {hours}")).unwrap_or_default();
    html! {
        p.path { a href="/twins" { "Twins" } }
        h1 { (twin.subject) }
        (facts(twin, answer))
        form.at method="get" action={ "/twins/" (twin.subject) } {
            label for="at_hours" { "Stand at hour" }
            input #at_hours name="at_hours" type="number" min="0" step="any"
                value=[at_hours] placeholder="the last event";
            button type="submit" { "Look ahead from there" }
        }
        h2 { "What is to be expected" }
        @if charts.is_empty() {
            p { "The history does not support a forecast of any value." }
        }
        (windows(answer, charts))
        div.charts { @for chart in charts { (chart_markup(twin, chart, at_hours)) } }
        (command(&format!("twinkeep twin forecast {}{at}", twin.subject)))
        h2 { "What is known" }
        (variables(twin))
        (command(&format!("twinkeep twin show {}{at}", twin.subject)))
    }
}

fn facts(twin: &TwinReport, answer: &ForecastAnswer) -> Markup {
    html! {
        dl.facts {
            div { dt { "Events" } dd { (twin.event_count) } }
            @if let (Some(start), Some(end)) = (&twin.start, &twin.end) {
                div { dt { "First event" } dd { (short(start)) } }
                div { dt { "Last event" } dd { (short(end)) } }
            }
            div { dt { "Forecast from" } dd { (short(&answer.prediction_time)) } }
            div { dt { "Model" } dd { a href={ "/models/" (answer.model) } { code { (answer.model) } } } }
        }
    }
}

/// RFC 3339 as a person reads it.
pub(super) fn short(time: &str) -> String {
    time.replace('T', " ").replace('Z', " UTC")
}

/// What is to be said of sums, counts, and events within a window that have no chart.
fn windows(answer: &ForecastAnswer, charts: &[TwinChart]) -> Markup {
    let drawn = |code: &str| charts.iter().any(|chart| chart.code == code);
    let said: Vec<_> = answer
        .targets
        .iter()
        .filter(|target| !drawn(&target.code))
        .filter_map(|target| Some((target, target.words()?)))
        .collect();
    html! {
        @if !said.is_empty() {
            dl.windows {
                @for (target, words) in &said {
                    div {
                        dt { (target.title) " " code { (target.code) } }
                        dd { (words) }
                    }
                }
            }
        }
    }
}

fn chart_markup(twin: &TwinReport, chart: &TwinChart, at_hours: Option<f32>) -> Markup {
    let why = format!("/twins/{}/why?target={}", twin.subject, escaped(&chart.code));
    let why = at_hours.map_or_else(|| why.clone(), |hours| format!("{why}&at_hours={hours}"));
    html! {
        figure.chart {
            // INVARIANT: the drawing escapes every text in it and has no styles or scripts.
            (PreEscaped(&chart.svg))
            figcaption { (chart.description) " " a href=(why) { "Why?" } }
        }
    }
}

fn variables(twin: &TwinReport) -> Markup {
    html! {
        div.table tabindex="0" role="region" aria-label="Variables" {
            table {
                thead {
                    tr {
                        th scope="col" { "Variable" }
                        th.number scope="col" { "Last" }
                        th scope="col" { "Unit" }
                        th.number scope="col" { "Hours ago" }
                        th.number scope="col" { "Values" }
                        th.number scope="col" { "Per hour" }
                    }
                }
                tbody {
                    @for variable in &twin.variables {
                        tr {
                            th scope="row" { (variable.title) " " code { (variable.code) } }
                            td.number { (number(variable.last)) }
                            td { (readable_unit(&variable.unit)) }
                            td.number { (optional(variable.age_hours)) }
                            td.number { (variable.count) }
                            td.number { (optional(variable.trend_per_hour)) }
                        }
                    }
                }
            }
        }
    }
}

fn optional(value: Option<f32>) -> String {
    value.map_or_else(|| "·".to_owned(), number)
}

/// At most three decimals, and none that say nothing.
pub(super) fn number(value: f32) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').replace('-', "\u{2212}")
}

/// Writes a code as a part of a query: codes have slashes and more.
fn escaped(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    for &byte in code.as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

pub(super) fn recorded(mut response: Response<Body>) -> Response<Body> {
    response.extensions_mut().insert(Recorded);
    response
}

/// A person scrolls this far.
const TWINS_PER_PAGE: u32 = 50;

#[cfg(test)]
mod tests {
    use super::{escaped, number, parse_hours};

    #[test]
    fn a_code_is_one_part_of_a_query() {
        assert_eq!(escaped("LOINC//8867-4 &é"), "LOINC%2F%2F8867-4%20%26%C3%A9");
    }

    #[test]
    fn numbers_have_no_idle_digits() {
        assert_eq!(number(80.0), "80");
        assert_eq!(number(-0.05), "\u{2212}0.05");
        assert_eq!(number(7.123_456), "7.123");
        assert_eq!(number(100.0), "100");
    }

    #[test]
    fn an_empty_hour_is_the_last_event() {
        assert_eq!(parse_hours(None).unwrap(), None);
        assert_eq!(parse_hours(Some(" ")).unwrap(), None);
        assert_eq!(parse_hours(Some("24.5")).unwrap(), Some(24.5));
        assert!(parse_hours(Some("noon")).is_err());
    }
}
