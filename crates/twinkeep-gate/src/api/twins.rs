//! `/api/v1/twins`: who is in the keep, what is known of them, and what is to be expected.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Response};
use serde::Deserialize;
use twinkeep_app::{App, Caller, ExplainRequest, HistoryRequest, Moment, TwinForecastRequest};
use twinkeep_domain::Timestamp;

use crate::api::fhir;
use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::use_case;

/// Which page of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    after: Option<String>,
    limit: Option<u32>,
}

/// When to look at a twin.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShowQuery {
    at: Option<String>,
    at_hours: Option<f32>,
}

/// Which events.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryQuery {
    from: Option<String>,
    to: Option<String>,
    code: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// Which forecast.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForecastQuery {
    at: Option<String>,
    at_hours: Option<f32>,
    /// Numbers with commas between them.
    horizons_hours: Option<String>,
    #[serde(default)]
    receipt: bool,
}

/// Which forecast is to be explained.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DriversQuery {
    target: String,
    ahead_hours: Option<f32>,
    at: Option<String>,
    at_hours: Option<f32>,
    /// How many drivers are told one by one.
    limit: Option<usize>,
    #[serde(default)]
    receipt: bool,
}

/// Lists twins, a page at a time.
pub(crate) async fn list(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response<Body>, Refusal> {
    let Query(ListQuery { after, limit }) = query.map_err(bad_query)?;
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    use_case::read_json(&gate, move |app| {
        twinkeep_app::list_twins(app, &caller, after.as_deref(), limit)
    })
    .await
}

/// Shows the state of one twin.
pub(crate) async fn show(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    query: Result<Query<ShowQuery>, QueryRejection>,
) -> Result<Response<Body>, Refusal> {
    let Query(ShowQuery { at, at_hours }) = query.map_err(bad_query)?;
    let at = moment(at.as_deref(), at_hours)?;
    use_case::read_json(&gate, move |app| twinkeep_app::show_twin(app, &caller, &id, at)).await
}

/// Reads the events of one twin, a page at a time.
pub(crate) async fn history(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Response<Body>, Refusal> {
    let Query(HistoryQuery { from, to, code, after, limit }) = query.map_err(bad_query)?;
    let time = |text: Option<String>| text.map(|text| parse_time(&text)).transpose();
    let request = HistoryRequest { from: time(from)?, until: time(to)?, code, after, limit };
    use_case::read_json(&gate, move |app| twinkeep_app::show_history(app, &caller, &id, &request))
        .await
}

/// Forecasts one twin.
pub(crate) async fn forecast(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    query: Result<Query<ForecastQuery>, QueryRejection>,
) -> Result<Response<Body>, Refusal> {
    let Query(ForecastQuery { at, at_hours, horizons_hours, receipt }) =
        query.map_err(bad_query)?;
    let horizons_hours = match horizons_hours {
        Some(text) => parse_hours(&text)?,
        None => Vec::new(),
    };
    let at = moment(at.as_deref(), at_hours)?;
    let request = TwinForecastRequest { at, horizons_hours, receipt };
    let work = move |app: &App| twinkeep_app::forecast_twin(app, &caller, &id, &request);
    fhir::or_json(&gate, &headers, receipt, work).await
}

/// Says why a forecast of one twin is what it is.
pub(crate) async fn drivers(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    query: Result<Query<DriversQuery>, QueryRejection>,
) -> Result<Response<Body>, Refusal> {
    let Query(DriversQuery { target, ahead_hours, at, at_hours, limit, receipt }) =
        query.map_err(bad_query)?;
    let at = moment(at.as_deref(), at_hours)?;
    let request = ExplainRequest { target, ahead_hours, at, drivers_max: limit, receipt };
    use_case::read_json(&gate, move |app| twinkeep_app::explain_twin(app, &caller, &id, &request))
        .await
}

pub(crate) fn parse_hours(text: &str) -> Result<Vec<f32>, Refusal> {
    let hours: Result<Vec<f32>, _> = text.split(',').map(str::parse).collect();
    hours.map_err(|_| {
        let message = "`horizons_hours` takes numbers with commas between them";
        Refusal::unprocessable("query-shape", message)
    })
}

/// Reads where to stand: a time, or hours after the first event, and not both.
pub(crate) fn moment(at: Option<&str>, at_hours: Option<f32>) -> Result<Moment, Refusal> {
    match (at, at_hours) {
        (Some(_), Some(_)) => {
            let message = "`at` and `at_hours` say the same; send one of them";
            Err(Refusal::unprocessable("query-shape", message))
        }
        (Some(text), None) => parse_time(text).map(Moment::Time),
        (None, hours) => Ok(hours.into()),
    }
}

fn parse_time(text: &str) -> Result<Timestamp, Refusal> {
    let message = "a time is written as in RFC 3339, with `+` as `%2B`";
    twinkeep_app::parse_rfc3339(text).ok_or_else(|| Refusal::unprocessable("time-shape", message))
}

/// The library's own message repeats the query.
pub(crate) fn bad_query(_: QueryRejection) -> Refusal {
    let message = "the query has a field that this route does not take, or one of the wrong kind";
    Refusal::unprocessable("query-shape", message)
}

/// Half a screen of a program, two of a person.
const LIMIT_DEFAULT: u32 = 100;
