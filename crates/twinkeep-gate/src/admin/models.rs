//! `/admin/v1/models`: which version serves, as `twinkeep model` has it.
//!
//! A version that never served is released at the command line, where its approvers' signatures are.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, Response};
use serde::{Deserialize, Serialize};
use twinkeep_app::{
    Caller, ModelLine, list_models, promote_model, quarantine_model, roll_back_model,
};

use super::{ReasonWire, done};
use crate::gate::Gate;
use crate::json;
use crate::refusal::Refusal;

/// The body of a rollback.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RollbackWire {
    reason: String,
    #[serde(default)]
    to: Option<String>,
}

#[derive(Serialize)]
struct ModelList {
    /// The newest last.
    models: Vec<ModelLine>,
}

/// Lists the versions.
pub(super) async fn list(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response<Body>, Refusal> {
    done(&gate, move |app| Ok(ModelList { models: list_models(app, &caller)? })).await
}

/// Puts the backup, or another version that may serve, into service.
pub(super) async fn promote(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(version): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let ReasonWire { reason } = json::read(request, gate.body_limits()).await?;
    done(&gate, move |app| promote_model(app, &caller, &version, &reason)).await
}

/// Puts a version into service that was there before.
pub(super) async fn roll_back(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let RollbackWire { reason, to } = json::read(request, gate.body_limits()).await?;
    done(&gate, move |app| roll_back_model(app, &caller, to.as_deref(), &reason)).await
}

/// Takes a version away; the backup serves in its place.
pub(super) async fn quarantine(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(version): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let ReasonWire { reason } = json::read(request, gate.body_limits()).await?;
    done(&gate, move |app| quarantine_model(app, &caller, &version, &reason)).await
}
