//! `GET /healthz`: whether the gate answers at all. `GET /readyz`: how its parts stand.
//!
//! Both look at nothing but memory, so that they cannot be used to load the keep.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use serde_json::json;

use twinkeep_app::FeederState;

use crate::gate::Gate;

/// Answers that it does.
pub(crate) async fn healthz() -> Response<Body> {
    super::plain_json(&json!({ "status": "ok" }))
}

/// Says whether everything works that was asked for.
///
/// A drop folder, a stream, or a watch of the files that fails is no reason to send callers elsewhere: the status is
/// `degraded`, and the answer still a 200.
pub(crate) async fn readyz(State(gate): State<Arc<Gate>>) -> Response<Body> {
    let parts = [gate.app.drop_folder(), gate.app.stream(), gate.app.file_watch()];
    let failing = parts.iter().any(|state| matches!(state, Some(FeederState::Failing(_))));
    let status = if failing { "degraded" } else { "ready" };
    let [folder, stream, files] = parts.map(|state| state.map_or("none", FeederState::name));
    let answer =
        json!({ "status": status, "drop_folder": folder, "stream": stream, "files": files });
    super::plain_json(&answer)
}
