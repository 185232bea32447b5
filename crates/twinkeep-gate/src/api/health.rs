//! `GET /healthz`: whether the gate answers at all. `GET /readyz`: how its parts stand.
//!
//! Both look at nothing but memory, so that they cannot be used to load the keep.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use axum::http::header::{CONTENT_TYPE, HeaderValue};

use twinkeep_app::FeederState;

use crate::gate::Gate;

/// Answers that it does.
pub(crate) async fn healthz() -> Response<Body> {
    json("{\"status\":\"ok\"}".to_owned())
}

/// Says whether everything works that was asked for.
///
/// A drop folder or a stream that fails is no reason to send callers elsewhere: the status is
/// `degraded`, and the answer still a 200.
pub(crate) async fn readyz(State(gate): State<Arc<Gate>>) -> Response<Body> {
    let feeders = [gate.app.drop_folder(), gate.app.stream()];
    let failing = feeders.iter().any(|state| matches!(state, Some(FeederState::Failing(_))));
    let status = if failing { "degraded" } else { "ready" };
    let [folder, stream] = feeders.map(|state| state.map_or("none", FeederState::name));
    let answer = serde_json::json!({ "status": status, "drop_folder": folder, "stream": stream });
    json(answer.to_string())
}

fn json(body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
