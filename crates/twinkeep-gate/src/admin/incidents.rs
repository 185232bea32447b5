//! `/admin/v1/incidents`: what was found and what was done about it, as `twinkeep incident` has it.
//!
//! What was contained is put back at the command line, where approvers' signatures are.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Response;
use serde::Serialize;
use twinkeep_app::{Caller, IncidentReport, acknowledge_incident, list_incidents, show_incident};

use super::done;
use crate::gate::Gate;
use crate::refusal::Refusal;

#[derive(Serialize)]
struct IncidentList {
    /// The newest last.
    incidents: Vec<IncidentReport>,
}

/// Lists incidents that are not closed.
pub(super) async fn list(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response<Body>, Refusal> {
    done(&gate, move |app| Ok(IncidentList { incidents: list_incidents(app, &caller, false)? }))
        .await
}

/// Shows one.
pub(super) async fn show(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response<Body>, Refusal> {
    done(&gate, move |app| show_incident(app, &caller, &id)).await
}

/// Says that the operator looks after one.
pub(super) async fn acknowledge(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response<Body>, Refusal> {
    done(&gate, move |app| acknowledge_incident(app, &caller, &id)).await
}
