//! A forecast in the form that the client accepts: ours, or FHIR R4.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, VARY};
use axum::http::{HeaderMap, Response};
use twinkeep_app::{App, AppError, ForecastAnswer, fhir_bundle};

use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::use_case::{self, recorded_json};

/// Runs a use case that forecasts, and answers as JSON or as a Bundle of FHIR.
pub(crate) async fn or_json(
    gate: &Arc<Gate>,
    headers: &HeaderMap,
    receipt: bool,
    work: impl FnOnce(&App) -> Result<ForecastAnswer, AppError> + Send + 'static,
) -> Result<Response<Body>, Refusal> {
    let fhir = wants_fhir(headers);
    if fhir && receipt {
        let message = "a receipt is about the answer in JSON; ask for one without `receipt`";
        return Err(Refusal::unprocessable("receipt-form", message));
    }
    let given = use_case::read(gate, work).await?;
    let mut response = match fhir {
        true => recorded_json(&fhir_bundle(gate.app.pack(), &given))?,
        false => recorded_json(&given)?,
    };
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    if fhir {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON));
    }
    Ok(response)
}

/// Returns whether the client names FHIR's media type: nobody gets it by `*/*`.
fn wants_fhir(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut ranges = accepted.flat_map(|value| value.split(','));
    ranges.any(|range| {
        let essence = range.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case(FHIR_JSON)
    })
}

const FHIR_JSON: &str = "application/fhir+json";
