//! `GET /api/v1/changes` and `GET /api/v1/twins/{id}/changes`: what changes, as it happens, as
//! server-sent events (WHATWG HTML, "Server-sent events").

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, HeaderName, Response};
use serde::Deserialize;
use twinkeep_app::{Caller, FollowRequest};

use crate::api::twins::bad_query;
use crate::edge::Streaming;
use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::streams::{self, Streams};
use crate::use_case::{self, Recorded};

/// Where to go on, and what to tell.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangesQuery {
    after: Option<String>,
    #[serde(default)]
    forecast: bool,
}

type Asked = Result<Query<ChangesQuery>, QueryRejection>;

/// Follows all twins.
pub(crate) async fn all(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    query: Asked,
) -> Result<Response<Body>, Refusal> {
    follow(gate, caller, None, &headers, query).await
}

/// Follows one twin.
pub(crate) async fn one(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    query: Asked,
) -> Result<Response<Body>, Refusal> {
    follow(gate, caller, Some(id), &headers, query).await
}

async fn follow(
    gate: Arc<Gate>,
    caller: Caller,
    subject: Option<String>,
    headers: &HeaderMap,
    query: Asked,
) -> Result<Response<Body>, Refusal> {
    let Query(ChangesQuery { after, forecast }) = query.map_err(bad_query)?;
    // A browser that connects again keeps the address, and says in the header what came since.
    let after = last_event_id(headers)?.or(after);
    let place = Streams::admit(&gate, &caller.id)?;
    let request = FollowRequest { subject, after, forecast };
    let follower =
        use_case::run(&gate, move |app| twinkeep_app::follow_changes(app, &caller, &request))
            .await?;
    let mut response = Response::new(streams::start(place, follower));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // What nginx takes as the wish not to wait for more before it passes this on.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response.extensions_mut().insert(Recorded);
    response.extensions_mut().insert(Streaming);
    Ok(response)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut values = headers.get_all("last-event-id").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let message = "`Last-Event-ID` takes an id as it was given, and comes once";
    let text = text.ok_or_else(|| Refusal::unprocessable("change-id", message))?;
    Ok(Some(text.to_owned()))
}
