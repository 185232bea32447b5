//! `/admin/v1/budgets`: how much callers may still learn, as `twinkeep budget` has it.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response};
use serde::{Deserialize, Serialize};
use twinkeep_app::{BudgetLine, Caller, list_budgets, reset_budgets};

use super::{done, read};
use crate::gate::Gate;
use crate::json;
use crate::refusal::Refusal;

/// Whose budgets begin anew.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResetWire {
    caller: String,
}

#[derive(Serialize)]
struct BudgetList {
    budgets: Vec<BudgetLine>,
}

/// Lists what is used up.
pub(super) async fn list(State(gate): State<Arc<Gate>>) -> Result<Response<Body>, Refusal> {
    read(&gate, |app| Ok(BudgetList { budgets: list_budgets(app)? })).await
}

/// Begins a caller's budgets anew.
pub(super) async fn reset(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let whose: ResetWire = json::read(request, gate.body_limits()).await?;
    done(&gate, move |app| reset_budgets(app, &caller, &whose.caller).map(|()| whose)).await
}
