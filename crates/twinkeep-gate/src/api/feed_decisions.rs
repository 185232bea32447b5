//! `/api/v1/feeds` and `/api/v1/feeds/{id}`: what was delivered, and what becomes of a held feed.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, Response};
use serde::{Deserialize, Serialize};
use twinkeep_app::{Caller, FeedLine};

use crate::gate::Gate;
use crate::json;
use crate::refusal::Refusal;
use crate::use_case;

/// The body of a decision.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionWire {
    reason: String,
}

#[derive(Serialize)]
struct FeedList {
    /// The newest last.
    feeds: Vec<FeedLine>,
}

/// Lists the feeds.
pub(crate) async fn list(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response<Body>, Refusal> {
    let feeds = move |app: &twinkeep_app::App| {
        twinkeep_app::list_feeds(app, &caller).map(|feeds| FeedList { feeds })
    };
    use_case::json(&gate, feeds).await
}

/// Shows one feed in numbers, beside what its sender has sent before.
pub(crate) async fn show(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response<Body>, Refusal> {
    use_case::json(&gate, move |app| twinkeep_app::show_feed(app, &caller, &id, None)).await
}

/// Makes the events of a held feed count.
pub(crate) async fn release(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let DecisionWire { reason } = json::read(request, gate.body_limits()).await?;
    let answer =
        use_case::json(&gate, move |app| twinkeep_app::release_feed(app, &caller, &id, &reason));
    let answer = answer.await;
    gate.streams.nudge();
    answer
}

/// Makes the events of a held feed refused rows, for good.
pub(crate) async fn reject(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let DecisionWire { reason } = json::read(request, gate.body_limits()).await?;
    use_case::json(&gate, move |app| twinkeep_app::reject_feed(app, &caller, &id, &reason)).await
}
