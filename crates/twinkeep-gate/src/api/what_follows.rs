//! `/api/v1/twins/{id}/…`: what may happen to a twin, what if, and how it went on with others.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::Response;
use serde::Deserialize;
use twinkeep_app::{Caller, CompareRequest, PATH_COUNT_DEFAULT, SimulateRequest, WhatIfRequest};

use crate::api::twins::{bad_query, moment, parse_hours};
use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::use_case;

/// Which paths.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PathsQuery {
    paths: Option<u32>,
    horizon_hours: Option<f32>,
    step_hours: Option<f32>,
    #[serde(default)]
    seed: u64,
    /// Codes with commas between them.
    target: Option<String>,
    /// Conditions with commas between them.
    when: Option<String>,
    at: Option<String>,
    at_hours: Option<f32>,
    /// How many paths are told one by one.
    #[serde(default)]
    show: usize,
    #[serde(default)]
    receipt: bool,
}

/// Draws paths of one twin.
pub(crate) async fn trajectories(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    query: Result<Query<PathsQuery>, QueryRejection>,
) -> Result<Response<Body>, Refusal> {
    let Query(query) = query.map_err(bad_query)?;
    if PATHS_MAX < query.paths.unwrap_or(PATH_COUNT_DEFAULT) || SHOW_MAX < query.show {
        let message = "an answer has up to 10,000 paths, and shows up to 100 of them";
        return Err(Refusal::unprocessable("paths", message));
    }
    let at = moment(query.at.as_deref(), query.at_hours)?;
    use_case::json(&gate, move |app| {
        let request = SimulateRequest {
            path_count: query.paths,
            horizon_hours: query.horizon_hours,
            step_hours: query.step_hours,
            seed: query.seed,
            targets: listed(query.target.as_deref()),
            conditions: listed(query.when.as_deref()),
            at,
            example_count: query.show,
            output: None,
            receipt: query.receipt,
        };
        twinkeep_app::simulate_twin(app, &caller, &id, &request)
    })
    .await
}

/// What is to be otherwise.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhatIfQuery {
    /// Changes with commas between them.
    set: String,
    /// Numbers with commas between them.
    horizons_hours: Option<String>,
    at: Option<String>,
    at_hours: Option<f32>,
    #[serde(default)]
    receipt: bool,
}

/// Forecasts one twin as if some of its values were others.
pub(crate) async fn what_if(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    query: Result<Query<WhatIfQuery>, QueryRejection>,
) -> Result<Response<Body>, Refusal> {
    let Query(WhatIfQuery { set, horizons_hours, at, at_hours, receipt }) =
        query.map_err(bad_query)?;
    let at = moment(at.as_deref(), at_hours)?;
    let horizons_hours = match horizons_hours {
        Some(text) => parse_hours(&text)?,
        None => Vec::new(),
    };
    let request = WhatIfRequest { changes: listed(Some(&set)), horizons_hours, at, receipt };
    use_case::json(&gate, move |app| twinkeep_app::ask_what_if(app, &caller, &id, &request)).await
}

/// With whom a twin is compared.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SimilarQuery {
    count: Option<usize>,
    at: Option<String>,
    at_hours: Option<f32>,
}

/// Says how it went on with others who were like a twin.
pub(crate) async fn similar(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    query: Result<Query<SimilarQuery>, QueryRejection>,
) -> Result<Response<Body>, Refusal> {
    let Query(SimilarQuery { count, at, at_hours }) = query.map_err(bad_query)?;
    let request = CompareRequest { count, at: moment(at.as_deref(), at_hours)? };
    use_case::json(&gate, move |app| twinkeep_app::compare_twin(app, &caller, &id, &request)).await
}

fn listed(text: Option<&str>) -> Vec<String> {
    let parts = text.into_iter().flat_map(|text| text.split(','));
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// A tenth of a second of work.
const PATHS_MAX: u32 = 10_000;

/// A megabyte or two, of a pack with forty targets.
const SHOW_MAX: usize = 100;
