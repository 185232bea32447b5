//! `/api/v1/subjects/{id}`: what is kept about a person, handed out or erased.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinkeep_app::{Caller, EraseReport, EraseRequest};

use crate::gate::Gate;
use crate::json;
use crate::refusal::Refusal;
use crate::use_case;

/// The body of an erasure.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EraseWire {
    /// The subject, exactly as in the address: an erasure cannot be undone.
    confirm: String,
    reason: String,
}

/// What was erased, with the signed statement.
#[derive(Serialize)]
struct Erased {
    report: EraseReport,
    proof: Value,
}

/// Hands out everything that is kept about a person.
pub(crate) async fn export(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response<Body>, Refusal> {
    use_case::json(&gate, move |app| twinkeep_app::read_subject(app, &caller, &id)).await
}

/// Erases a person, and answers with the proof.
pub(crate) async fn erase(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let EraseWire { confirm, reason } = json::read(request, gate.body_limits()).await?;
    let report = use_case::run(&gate, move |app| {
        let request = EraseRequest { subject: &id, confirm: &confirm, reason: &reason };
        twinkeep_app::erase_subject(app, &caller, request)
    })
    .await?;
    gate.streams.nudge();
    let proof = serde_json::from_slice(&report.proof).map_err(|_| Refusal::bug())?;
    use_case::recorded_json(&Erased { report, proof })
}
