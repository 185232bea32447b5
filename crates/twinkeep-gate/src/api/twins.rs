//! `/api/v1/twins`: who is in the keep, what is known of them, and what is to be expected.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::Response;
use serde::Deserialize;
use twinkeep_app::{Caller, ExplainRequest, TwinForecastRequest};

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

/// Which forecast.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForecastQuery {
    at_hours: Option<f32>,
    /// Numbers with commas between them.
    horizons_hours: Option<String>,
}

/// Which forecast is to be explained.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DriversQuery {
    target: String,
    ahead_hours: Option<f32>,
    at_hours: Option<f32>,
    /// How many drivers are told one by one.
    limit: Option<usize>,
}

/// Lists twins, a page at a time.
pub(crate) async fn list(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response<Body>, Refusal> {
    let Query(ListQuery { after, limit }) = query.map_err(bad_query)?;
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    use_case::json(&gate, move |app| {
        twinkeep_app::list_twins(app, &caller, after.as_deref(), limit)
    })
    .await
}

/// Shows the state of one twin.
pub(crate) async fn show(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response<Body>, Refusal> {
    use_case::json(&gate, move |app| twinkeep_app::show_twin(app, &caller, &id)).await
}

/// Forecasts one twin.
pub(crate) async fn forecast(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    query: Result<Query<ForecastQuery>, QueryRejection>,
) -> Result<Response<Body>, Refusal> {
    let Query(ForecastQuery { at_hours, horizons_hours }) = query.map_err(bad_query)?;
    let horizons_hours = match horizons_hours {
        Some(text) => parse_hours(&text)?,
        None => Vec::new(),
    };
    let request = TwinForecastRequest { at_hours, horizons_hours };
    use_case::json(&gate, move |app| twinkeep_app::forecast_twin(app, &caller, &id, &request)).await
}

/// Says why a forecast of one twin is what it is.
pub(crate) async fn drivers(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    query: Result<Query<DriversQuery>, QueryRejection>,
) -> Result<Response<Body>, Refusal> {
    let Query(DriversQuery { target, ahead_hours, at_hours, limit }) = query.map_err(bad_query)?;
    let request = ExplainRequest { target, ahead_hours, at_hours, drivers_max: limit };
    use_case::json(&gate, move |app| twinkeep_app::explain_twin(app, &caller, &id, &request)).await
}

pub(crate) fn parse_hours(text: &str) -> Result<Vec<f32>, Refusal> {
    let hours: Result<Vec<f32>, _> = text.split(',').map(str::parse).collect();
    hours.map_err(|_| {
        let message = "`horizons_hours` takes numbers with commas between them";
        Refusal::unprocessable("query-shape", message)
    })
}

/// The library's own message repeats the query.
pub(crate) fn bad_query(_: QueryRejection) -> Refusal {
    let message = "the query has a field that this route does not take, or one of the wrong kind";
    Refusal::unprocessable("query-shape", message)
}

/// Half a screen of a program, two of a person.
const LIMIT_DEFAULT: u32 = 100;
