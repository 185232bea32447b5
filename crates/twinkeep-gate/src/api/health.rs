//! `GET /healthz`: whether the gate answers at all. `GET /readyz`: how its parts stand.
//!
//! Both look at nothing but memory, so that they cannot be used to load the keep.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use axum::http::header::{CONTENT_TYPE, HeaderValue};

use twinkeep_app::DropFolderState;

use crate::gate::Gate;

/// Answers that it does.
pub(crate) async fn healthz() -> Response<Body> {
    json("{\"status\":\"ok\"}".to_owned())
}

/// Says whether everything works that was asked for.
///
/// A drop folder that fails is no reason to send callers elsewhere: the status is `degraded`, and
/// the answer still a 200.
pub(crate) async fn readyz(State(gate): State<Arc<Gate>>) -> Response<Body> {
    let folder = gate.app.drop_folder();
    let failing = matches!(folder, Some(DropFolderState::Failing(_)));
    let status = if failing { "degraded" } else { "ready" };
    let folder = folder.map_or("none", DropFolderState::name);
    json(serde_json::json!({ "status": status, "drop_folder": folder }).to_string())
}

fn json(body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
