//! `/v2`: forecasts as the Open Inference Protocol (KServe, version 2) asks for them.
//!
//! The model of the keep is called by its pack. One request is one history, as in
//! [`crate::api::predict`]: its events are columns, one tensor each.
//!
//! Source: <https://github.com/kserve/open-inference-protocol>, `inference_rest.md`. Of its
//! extensions (binary data, sequences, shared memory) there is none, and the metadata says so.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use twinkeep_app::{App, AppError, Caller, ForecastAnswer, Scope};

use crate::gate::Gate;
use crate::json;
use crate::refusal::Refusal;
use crate::use_case::{self, Counted, recorded_json};

mod tensors;
#[cfg(test)]
mod tests;

use tensors::{InferWire, Kind, outputs};

/// `GET /v2`: what this server is.
pub(crate) async fn server() -> Response<Body> {
    super::plain_json(&json!({
        "name": "twinkeep", "version": env!("CARGO_PKG_VERSION"), "extensions": [],
    }))
}

/// `GET /v2/health/live`.
pub(crate) async fn live() -> Response<Body> {
    super::plain_json(&json!({ "live": true }))
}

/// `GET /v2/health/ready`: whether a model is in service.
pub(crate) async fn ready(State(gate): State<Arc<Gate>>) -> Response<Body> {
    let ready = use_case::blocking(&gate, |app| app.served_version().is_ok()).await;
    let ready = ready.unwrap_or(false);
    let mut response = super::plain_json(&json!({ "ready": ready }));
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// `GET /v2/models/{name}[/versions/{version}]`: its inputs and outputs.
pub(crate) async fn model(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(asked): Path<Asked>,
) -> Result<Response<Body>, Refusal> {
    let described = use_case::unrecorded(&gate, move |app| {
        let version = asked.find(app, &caller)?;
        Ok(metadata(app.pack().name(), &version))
    });
    Ok(counted(super::plain_json(&described.await?)))
}

/// `GET /v2/models/{name}[/versions/{version}]/ready`.
pub(crate) async fn model_ready(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(asked): Path<Asked>,
) -> Result<Response<Body>, Refusal> {
    let found = use_case::unrecorded(&gate, move |app| {
        asked.find(app, &caller)?;
        Ok(app.pack().name().to_owned())
    });
    Ok(counted(super::plain_json(&json!({ "name": found.await?, "ready": true }))))
}

/// `POST /v2/models/{name}[/versions/{version}]/infer`.
pub(crate) async fn infer(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(asked): Path<Asked>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    // Clients of the protocol say so or say nothing.
    if request.headers().contains_key(CONTENT_TYPE) {
        json::require_type(request.headers(), "application/json")?;
    }
    let bytes = json::read_bytes(request, gate.body_limits()).await?;
    let wire: InferWire = json::parse(&bytes)?;
    let (id, wanted) = (wire.id.clone(), wire.wanted());
    let request = wire.into_request()?;
    let finder = caller.clone();
    let found = use_case::unrecorded(&gate, move |app| {
        asked.find(app, &finder)?;
        Ok(app.pack().name().to_owned())
    });
    let name = found.await?;
    check_wanted(&wanted)?;
    let given = use_case::run(&gate, move |app| twinkeep_app::predict(app, &caller, &request));
    recorded_json(&inferred(&name, id, &given.await?, &wanted))
}

fn check_wanted(wanted: &[String]) -> Result<(), Refusal> {
    let known = |name: &String| tensors::OUTPUTS.iter().any(|(known, ..)| known == name);
    if wanted.iter().all(known) {
        return Ok(());
    }
    let message = "`outputs` asks for a tensor that the model does not have";
    Err(Refusal::unprocessable("tensor-unknown", message))
}

fn inferred(name: &str, id: Option<String>, given: &ForecastAnswer, wanted: &[String]) -> Value {
    let mut told = outputs(given);
    if !wanted.is_empty() {
        told.retain(|tensor| wanted.iter().any(|name| tensor["name"] == name.as_str()));
    }
    let mut answer = json!({
        "model_name": name,
        "model_version": given.model,
        "parameters": {
            "prediction_time": given.prediction_time,
            "coarse": given.coarse,
            "notice": given.notice,
        },
        "outputs": told,
    });
    if let Some(id) = id {
        answer["id"] = id.into();
    }
    answer
}

/// Which model is asked for, by the path.
#[derive(serde::Deserialize)]
pub(crate) struct Asked {
    name: String,
    version: Option<String>,
}

impl Asked {
    /// Returns the version in service, if it is the one that is asked for.
    fn find(&self, app: &App, caller: &Caller) -> Result<String, AppError> {
        caller.require(Scope::Predict)?;
        let serving = app.served_version()?;
        let right = self.version.as_ref().is_none_or(|version| *version == serving);
        if self.name == app.pack().name() && right {
            return Ok(serving);
        }
        Err(AppError::refused("model-unknown", "no such model is in service"))
    }
}

fn metadata(name: &str, version: &str) -> Value {
    let tensor = |&(name, kind, shape): &(&str, Kind, &[i64])| json!({ "name": name, "datatype": kind.name(), "shape": shape });
    json!({
        "name": name,
        "versions": [version],
        "platform": "twinkeep",
        "inputs": tensors::INPUTS.iter().map(tensor).collect::<Vec<_>>(),
        "outputs": tensors::OUTPUTS.iter().map(tensor).collect::<Vec<_>>(),
    })
}

fn counted(mut response: Response<Body>) -> Response<Body> {
    response.extensions_mut().insert(Counted("models-described"));
    response
}
