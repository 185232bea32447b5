//! `/admin/v1/probes`: who gets coarser answers because they probed, as `twinkeep probe` has it.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response};
use serde::{Deserialize, Serialize};
use twinkeep_app::{Caller, TierLine, clear_tier, list_tiers};

use super::{done, read};
use crate::gate::Gate;
use crate::json;
use crate::refusal::Refusal;

/// Who gets full answers again.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClearWire {
    caller: String,
}

#[derive(Serialize)]
struct ProbeList {
    probes: Vec<TierLine>,
}

/// Lists who gets less.
pub(super) async fn list(State(gate): State<Arc<Gate>>) -> Result<Response<Body>, Refusal> {
    read(&gate, |app| Ok(ProbeList { probes: list_tiers(app)? })).await
}

/// Gives a caller full answers again.
pub(super) async fn clear(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let whose: ClearWire = json::read(request, gate.body_limits()).await?;
    done(&gate, move |app| clear_tier(app, &caller, &whose.caller).map(|()| whose)).await
}
