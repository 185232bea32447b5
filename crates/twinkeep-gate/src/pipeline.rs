//! The order in which every request is treated, whatever its route.
//!
//! # Life of a request
//!
//! 1. What the edge refused is refused here, in its turn; so are paths that have two readings.
//! 2. [`crate::routes`] finds the route; [`crate::guard`] recognizes the caller, charges the rate
//!    limit, and lets the handler run. The handler calls one use case.
//! 3. The use case has written its audit entry; for everything else it is written here, before
//!    the answer leaves.
//! 4. The answer gets its security headers.
//!
//! # Invariants
//!
//! - No answer leaves before its entry is durable. If the ledger cannot be written, the caller
//!   gets a 503 and no data.
//! - Steps 1 to 4 finish even if the client leaves: what was done is recorded.
//! - A panic is a 500 with an entry; the server lives.
//! - What gives away nothing of the keep (style sheet, health, API description) and what is
//!   refused for haste is counted, not recorded singly: a flood cannot fill the ledger.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::header::{
    ALLOW, CONNECTION, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{Method, Request, Response, StatusCode};
use axum::response::IntoResponse as _;
use futures_util::FutureExt as _;
use tower::ServiceExt as _;

use crate::audit::{self, RequestAction, RequestRecord};
use crate::edge::Peer;
use crate::edge::filter::REFUSAL_HEADER;
use crate::edge::head::HeadRefusal;
use crate::gate::{Client, Gate};
use crate::guard::Note;
use crate::limiter::Decision;
use crate::metrics::{Answered, Verb};
use crate::refusal::{LOCKED_OUT, RATE_LIMITED, Refusal};
use crate::request_id::RequestId;
use crate::traces::{Parent, Span};
use crate::upstream::path_forwardable;
use crate::use_case::{self, Counted, Recorded};
use crate::{headers, pages};

/// Answers one request.
pub(crate) async fn answer(
    gate: Arc<Gate>,
    router: Router,
    peer: Peer,
    request: Request<Body>,
) -> Response<Body> {
    let id = RequestId::random();
    let shape = Shape::of(&request);
    let (started, method) = (Instant::now(), Verb::of(request.method()));
    let (began_micros, parent) = (gate.app.now().micros(), Parent::of(request.headers()));
    let counting = Arc::clone(&gate);
    // A task of its own: a client that leaves does not cut it off halfway.
    let work = tokio::spawn(async move {
        let handled = handle(Arc::clone(&gate), router, peer.clone(), request);
        // What a panic may have left halfway is dropped with the request.
        let handled = AssertUnwindSafe(handled).catch_unwind().await;
        let response = handled.unwrap_or_else(|_| Refusal::bug().into_response());
        let answered = started.elapsed();
        (record(&gate, &peer, id, response).await, answered)
    });
    let bug = |_| (Refusal::bug().into_response(), Duration::ZERO);
    let (response, answered) = work.await.unwrap_or_else(bug);
    let (extensions, recorded) = (response.extensions(), started.elapsed());
    let route = extensions.get::<Note>().map_or("", |note| note.route);
    let code = extensions.get::<Refusal>().map(|refusal| refusal.code);
    let status = response.status().as_u16();
    counting.metrics.answered(&Answered { route, method, status, code, took: recorded });
    counting.trace(|| Span {
        parent,
        method: method.name(),
        route,
        status,
        code,
        request_id: id,
        began_micros,
        answered,
        recorded,
    });
    render(shape, id, response)
}

/// What the answer depends on besides the handler.
#[derive(Clone, Copy)]
struct Shape {
    /// The client shows pages to a person.
    page: bool,
    /// The connection ends after this answer.
    close: bool,
    /// Only the head of the answer is wanted. HTTP/2 does not see to that by itself, and a client
    /// takes a body for a broken stream.
    head: bool,
    /// The client speaks the Open Inference Protocol.
    inference: bool,
}

impl Shape {
    fn of(request: &Request<Body>) -> Self {
        let accept = request.headers().get("accept").and_then(|value| value.to_str().ok());
        let inference = request.uri().path().starts_with("/v2");
        let program = ["/api/", "/admin/"].iter().any(|it| request.uri().path().starts_with(it));
        let program = inference || program;
        let page = !program && accept.is_some_and(|accept| accept.contains("text/html"));
        let close = request.headers().contains_key(REFUSAL_HEADER);
        Self { page, close, head: request.method() == Method::HEAD, inference }
    }
}

async fn handle(
    gate: Arc<Gate>,
    router: Router,
    peer: Peer,
    mut request: Request<Body>,
) -> Response<Body> {
    let Ok(_permit) = gate.permits.try_acquire() else {
        return Refusal::busy().into_response();
    };
    if let Err(refusal) = check(&gate, &request) {
        return crate::guard::refuse(&gate, &peer, refusal);
    }
    request.extensions_mut().insert(peer);
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Refuses what the edge refused, and what could be read in two ways.
fn check(gate: &Gate, request: &Request<Body>) -> Result<(), Refusal> {
    check_marker(request)?;
    let path = request.uri().path();
    let passes = |path| gate.upstreams.find(path).is_some() && path_forwardable(path);
    if path_canonical(path) || passes(path) { Ok(()) } else { Err(Refusal::path()) }
}

/// A head that the edge refused arrives as a marker; nobody else can send one.
fn check_marker(request: &Request<Body>) -> Result<(), Refusal> {
    let Some(marker) = request.headers().get(REFUSAL_HEADER) else { return Ok(()) };
    let named = |refusal: &HeadRefusal| marker.as_bytes() == refusal.code().as_bytes();
    let refusal = HeadRefusal::ALL.into_iter().find(named).unwrap_or(HeadRefusal::HeaderLine);
    Err(Refusal::head(refusal))
}

/// Returns whether every parser reads this path alike: no escapes, no empty or dotted segments.
fn path_canonical(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let mut segments = path.strip_prefix('/').unwrap_or("//").split('/');
    path == "/"
        || path.bytes().all(plain) && segments.all(|segment| !matches!(segment, "" | "." | ".."))
}

/// Makes sure that the answer's audit entry is durable.
async fn record(
    gate: &Arc<Gate>,
    peer: &Peer,
    id: RequestId,
    response: Response<Body>,
) -> Response<Body> {
    let note = response.extensions().get::<Note>().cloned().unwrap_or_default();
    let response = match need(gate, peer, &note, &response) {
        Need::Nothing => return response,
        Need::Entry => response,
        Need::Bug => Refusal::bug().into_response(),
    };
    let failure = response.extensions().get::<Refusal>().map(|refusal| refusal.code);
    let status = response.status().as_u16();
    let written = use_case::blocking(gate, move |app| {
        audit::record_request(
            app,
            &RequestRecord {
                action: note.action.unwrap_or(RequestAction::Refused),
                caller: note.caller.as_deref(),
                route: note.route,
                request_id: &id.to_string(),
                status,
                failure,
                reason: note.reason,
            },
        )
    });
    match written.await {
        Ok(Ok(())) => response,
        _ => Refusal::unrecorded().into_response(),
    }
}

/// What must be written before an answer may leave.
enum Need {
    Nothing,
    Entry,
    /// A handler answered out of the keep without a use case: an entry, and no answer.
    Bug,
}

fn need(gate: &Gate, peer: &Peer, note: &Note, response: &Response<Body>) -> Need {
    let extensions = response.extensions();
    let refused = extensions.get::<Refusal>().is_some();
    if let Some(&Counted(name)) = extensions.get::<Counted>().filter(|_| !refused) {
        gate.tally.count(name);
        return Need::Nothing;
    }
    match extensions.get::<Refusal>() {
        Some(refusal) if refusal.recorded => Need::Nothing,
        Some(refusal) if [RATE_LIMITED, LOCKED_OUT].contains(&refusal.code) => {
            let client = note.caller.clone().map_or(Client::of(peer), Client::Identity);
            if gate.first_haste(&client) { Need::Entry } else { Need::Nothing }
        }
        Some(_) => Need::Entry,
        None if extensions.get::<Recorded>().is_some() => Need::Nothing,
        None if note.action.is_some() => Need::Entry,
        None if note.open => {
            gate.tally.count(ASSETS_ANSWERED);
            Need::Nothing
        }
        None => Need::Bug,
    }
}

/// Headers that say what the client may do instead of what was refused.
const KEPT_WITH_REFUSAL: [HeaderName; 3] =
    [ALLOW, HeaderName::from_static("upload-offset"), HeaderName::from_static("upload-complete")];

/// Gives the answer its final form.
fn render(shape: Shape, id: RequestId, response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let decision = parts.extensions.remove::<Decision>();
    let mut response = match parts.extensions.remove::<Refusal>() {
        None => Response::from_parts(parts, body),
        Some(refusal) => {
            let mut response = render_refusal(shape, id, &refusal);
            for name in KEPT_WITH_REFUSAL {
                if let Some(value) = parts.headers.remove(&name) {
                    response.headers_mut().insert(name, value);
                }
            }
            response
        }
    };
    let headers = response.headers_mut();
    if let Some(decision) = decision {
        let mut insert = |name: HeaderName, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        insert(HeaderName::from_static("ratelimit-policy"), decision.policy_header());
        insert(HeaderName::from_static("ratelimit"), decision.state_header());
        if let Some(seconds) = decision.retry_after_seconds() {
            insert(RETRY_AFTER, seconds.to_string());
        }
    }
    if shape.close {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    headers::secure(&mut response);
    if shape.head {
        *response.body_mut() = Body::empty();
    }
    response
}

fn render_refusal(shape: Shape, id: RequestId, refusal: &Refusal) -> Response<Body> {
    let mut response =
        if shape.page { pages::refused(refusal, id) } else { refusal.to_json(id, shape.inference) };
    let headers = response.headers_mut();
    match refusal.status {
        StatusCode::UNAUTHORIZED => {
            let challenge = HeaderValue::from_static("Bearer realm=\"twinkeep\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        StatusCode::SEE_OTHER => _ = headers.insert(LOCATION, HeaderValue::from_static("/")),
        StatusCode::SERVICE_UNAVAILABLE => {
            _ = headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    if let Some(seconds) = refusal.wait_seconds {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Answers that give away nothing of the keep.
const ASSETS_ANSWERED: &str = "assets-answered";

#[cfg(test)]
mod tests {
    use super::path_canonical;

    #[test]
    fn a_path_with_two_readings_is_not_canonical() {
        for path in ["/", "/predict", "/api/v1/twins/sub-0123456789abcdef/forecast", "/style.css"] {
            assert!(path_canonical(path), "{path}");
        }
        for path in [
            "",
            "*",
            "//",
            "/a//b",
            "/a/",
            "/./a",
            "/a/..",
            "/a/../b",
            "/%2e%2e/a",
            "/a%2fb",
            "/a;b",
            "/a%00",
            "/a\\b",
            "/\u{e9}",
            "/a b",
        ] {
            assert!(!path_canonical(path), "{path}");
        }
    }
}
