//! Answers a request by asking an upstream, in the worker.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT,
};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{Method, Request, Response, StatusCode, Uri};
use axum::response::IntoResponse as _;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use twinkeep_app::{
    App, Caller, RelayedRequest, RelayedStream, record_relayed, record_relayed_end,
};
use twinkeep_vault::SecretBytes;

use super::fault::{FAULT, Fault, UPSTREAM};
use super::{Upstream, passage};
use crate::edge::switch::{SWITCHED, WEBSOCKET};
use crate::edge::{Peer, Protocol, Streaming};
use crate::gate::Gate;
use crate::isolation::Outgoing;
use crate::json;
use crate::refusal::Refusal;
use crate::streams::{Place, Streams};
use crate::use_case::{self, Recorded};

/// Answers one request; the guard has recognized who asks, and the policy permits it.
pub(crate) async fn answer(
    gate: Arc<Gate>,
    upstream: Arc<Upstream>,
    request: Request<Body>,
) -> Response<Body> {
    match relay(&gate, &upstream, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn relay(
    gate: &Arc<Gate>,
    upstream: &Arc<Upstream>,
    mut request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let extensions = request.extensions_mut();
    let (Some(caller), Some(peer)) = (extensions.remove::<Caller>(), extensions.remove::<Peer>())
    else {
        return Err(Refusal::bug());
    };
    if request.method() == Method::TRACE || request.method() == Method::CONNECT {
        return Err(Refusal::method_not_allowed());
    }
    if announced(&request).is_some_and(|length| upstream.config.body_size_max < length) {
        return Err(too_large());
    }
    let websocket = request.headers().contains_key(WEBSOCKET);
    if websocket && (!upstream.config.websockets || gate.app.upstream_needs_body(&caller)) {
        return Err(no_websockets());
    }
    let place = Arc::clone(&upstream.places).try_acquire_owned().map_err(|_| busy())?;
    if !upstream.condition.would_admit() {
        return Err(unavailable());
    }
    let (request, login) = admitted(gate, upstream, &caller, request).await?;
    if !upstream.condition.admit() {
        return Err(unavailable());
    }
    let asked = Asked::new(upstream, &peer, request, login);

    let method = asked.parts.method.clone();
    let said = Arc::clone(&asked.said);
    let answered = asked.send(gate).await;
    let response = match answered {
        Ok(response) => {
            let broken = [502, 503, 504].contains(&response.status().as_u16());
            upstream.condition.ended(!broken);
            response
        }
        Err(refusal) => return Err(refusal),
    };
    let stream = Stream::of(gate, &caller, &response)?;
    let ending = stream.0.is_some().then(|| Ending::new(gate, upstream, &caller, &said));
    let record = RelayedRequest {
        upstream: upstream.config.name.clone(),
        route: upstream.route.to_owned(),
        method: method.to_string(),
        status: match response.headers().contains_key(SWITCHED) {
            true => StatusCode::SWITCHING_PROTOCOLS.as_u16(),
            false => response.status().as_u16(),
        },
        protocol: protocol(&peer),
    };
    use_case::read(gate, move |app| record_relayed(app, &caller, &record)).await?;
    Ok(passed_on(upstream, response, place, stream, ending))
}

/// Has the use case admit the caller, and say what to log in with, if with anything. Where a budget
/// counts what is sent, all of it is read first.
async fn admitted(
    gate: &Arc<Gate>,
    upstream: &Arc<Upstream>,
    caller: &Caller,
    request: Request<Body>,
) -> Result<(Request<Body>, Option<(HeaderName, HeaderValue)>), Refusal> {
    let config = upstream.config.clone();
    if !gate.app.upstream_needs_body(caller) {
        let caller = caller.clone();
        let admit = move |app: &App| {
            app.admit_upstream(&caller, &config, None)?;
            app.upstream_login(&config.name)
        };
        let secret = use_case::unrecorded(gate, admit).await?;
        return Ok((request, login(upstream, secret)?));
    }
    let (parts, body) = request.into_parts();
    let bytes = json::read_bytes(Request::new(body), gate.body_limits()).await?;
    let target = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let input = [parts.method.as_str().as_bytes(), b" ", target.as_bytes(), b"\0", &bytes].concat();
    let caller = caller.clone();
    let admit = move |app: &App| {
        app.admit_upstream(&caller, &config, Some(&input))?;
        app.upstream_login(&config.name)
    };
    let secret = use_case::unrecorded(gate, admit).await?;
    Ok((Request::from_parts(parts, Body::from(bytes)), login(upstream, secret)?))
}

/// The header that logs in, if there is one.
fn login(
    upstream: &Upstream,
    secret: Option<Arc<SecretBytes>>,
) -> Result<Option<(HeaderName, HeaderValue)>, Refusal> {
    let Some(secret) = secret.filter(|secret| !secret.expose().is_empty()) else { return Ok(None) };
    let name = HeaderName::try_from(upstream.config.login_header.as_str());
    match (name, HeaderValue::from_bytes(secret.expose())) {
        (Ok(name), Ok(mut value)) => {
            value.set_sensitive(true);
            Ok(Some((name, value)))
        }
        _ => Err(Refusal::bug()),
    }
}

/// A request as the upstream gets it.
struct Asked<'a> {
    upstream: &'a Upstream,
    parts: Parts,
    body: Body,
    /// More came than may.
    over: Arc<AtomicBool>,
    /// How many bytes came.
    said: Arc<AtomicU64>,
}

impl<'a> Asked<'a> {
    fn new(
        upstream: &'a Upstream,
        peer: &Peer,
        request: Request<Body>,
        login: Option<(HeaderName, HeaderValue)>,
    ) -> Self {
        let (mut parts, body) = request.into_parts();
        let websocket = parts.headers.remove(WEBSOCKET);
        let host = match parts.uri.authority() {
            Some(authority) => Some(authority.as_str().to_owned()),
            None => {
                let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
                host.map(str::to_owned)
            }
        };
        passage::outbound(&mut parts.headers, peer.address, host.as_deref());
        if let Some((name, value)) = login {
            parts.headers.insert(name, value);
        }
        let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let rest = path.strip_prefix(upstream.config.path.as_str()).unwrap_or_default();
        parts.uri = inside(&format!("{}{rest}", upstream.plan.base));
        parts.extensions.clear();
        let over = Arc::new(AtomicBool::new(false));
        let said = Arc::new(AtomicU64::new(0));
        // What a WebSocket says has no end to be measured by.
        let left = if websocket.is_some() { u64::MAX } else { upstream.config.body_size_max };
        if let Some(mark) = websocket {
            parts.headers.insert(WEBSOCKET, mark);
        }
        let body = match hyper::body::Body::is_end_stream(&body) {
            true => Body::empty(),
            false => {
                Body::new(Measured { body, left, over: Arc::clone(&over), said: Arc::clone(&said) })
            }
        };
        Self { upstream, parts, body, over, said }
    }

    /// Asks, and once more where nothing can have come of it.
    async fn send(self, gate: &Gate) -> Result<Response<Incoming>, Refusal> {
        let safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&self.parts.method)
            && hyper::body::Body::is_end_stream(&self.body);
        let parts = self.parts.clone();
        let mut answered = carry(gate, self.upstream, self.parts, self.body).await;
        if safe && answered.as_ref().is_err_and(|fault| fault.is_worth_another()) {
            answered = carry(gate, self.upstream, parts, Body::empty()).await;
        }
        answered.map_err(|fault| {
            match fault.is_upstreams() {
                true => self.upstream.condition.ended(false),
                false => self.upstream.condition.withdrawn(),
            }
            if self.over.load(Ordering::Relaxed) { too_large() } else { fault.refusal() }
        })
    }
}

/// Sends one request through the courier.
async fn carry(
    gate: &Gate,
    upstream: &Upstream,
    mut parts: Parts,
    body: Body,
) -> Result<Response<Incoming>, Fault> {
    parts.version = axum::http::Version::HTTP_2;
    let name = HeaderValue::try_from(upstream.config.name.as_str()).map_err(|_| Fault::Courier)?;
    parts.headers.insert(UPSTREAM, name);
    crate::isolation::hide_length(&mut parts.headers);
    let request = Request::from_parts(parts, Outgoing::new(body));
    let mut response = gate.upstreams.outward.send(request).await?;
    match response.headers_mut().remove(FAULT) {
        Some(fault) => Err(Fault::parse(&fault)),
        None => Ok(response),
    }
}

/// Asks whether an upstream is well.
pub(super) async fn probe(gate: &Arc<Gate>, upstream: &Arc<Upstream>) -> bool {
    let Some(path) = &upstream.config.health_path else { return true };
    let name = upstream.config.name.clone();
    let secret = use_case::unrecorded(gate, move |app| app.upstream_login(&name)).await;
    let Ok(login) = secret.and_then(|secret| login(upstream, secret)) else { return false };
    let mut request = Request::new(());
    *request.uri_mut() = inside(path);
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static("twinkeep"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    if let Some((name, value)) = login {
        headers.insert(name, value);
    }
    let (parts, ()) = request.into_parts();
    match carry(gate, upstream, parts, Body::empty()).await {
        Ok(response) => {
            let well = response.status().is_success() || response.status().is_redirection();
            // What it says is not read; that it is said is waited for, within a bound.
            _ = tokio::time::timeout(PROBE_TIME, response.into_body().collect()).await;
            well
        }
        // That the courier is being replaced says nothing about the upstream.
        Err(fault) => !fault.is_upstreams(),
    }
}

/// A path, between the processes.
fn inside(path: &str) -> Uri {
    let parts = Uri::builder().scheme("https").authority("courier").path_and_query(path);
    parts.build().unwrap_or_default()
}

/// An answer that goes on; it ends with its caller's key and with the gate.
struct Stream(Option<Place>);

impl Stream {
    fn of(
        gate: &Arc<Gate>,
        caller: &Caller,
        response: &Response<Incoming>,
    ) -> Result<Self, Refusal> {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let goes_on = kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
            || response.headers().contains_key(SWITCHED);
        goes_on.then(|| Streams::admit(gate, &caller.id)).transpose().map(Self)
    }
}

/// The answer as the client gets it.
fn passed_on(
    upstream: &Upstream,
    response: Response<Incoming>,
    place: OwnedSemaphorePermit,
    Stream(stream): Stream,
    ending: Option<Ending>,
) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let switched = parts.headers.remove(SWITCHED);
    passage::inbound(&mut parts.headers, upstream);
    if let Some(mark) = switched {
        parts.headers.insert(SWITCHED, mark);
    }
    parts.extensions.clear();
    parts.extensions.insert(Recorded);
    // The courier bounds how long it may be silent, the edge how long it may not be read.
    parts.extensions.insert(Streaming);
    let stream = stream.map(Arc::new);
    let ends: Option<Ends> = stream
        .clone()
        .map(|stream| -> Ends { Box::pin(async move { stream.until_ended().await }) });
    let ending = ending.map(|ending| Ending { place: stream, ..ending });
    Response::from_parts(parts, Body::new(Passing { body, ends, ending, _place: place }))
}

type Ends = Pin<Box<dyn Future<Output = &'static str> + Send>>;

/// What is recorded of an answer that went on, when it is over.
struct Ending {
    gate: Arc<Gate>,
    caller: Caller,
    relayed: RelayedStream,
    began: Instant,
    said: Arc<AtomicU64>,
    /// Given back once the end is on record: a gate that closes waits for that.
    place: Option<Arc<Place>>,
}

impl Ending {
    fn new(gate: &Arc<Gate>, upstream: &Upstream, caller: &Caller, said: &Arc<AtomicU64>) -> Self {
        let relayed = RelayedStream {
            upstream: upstream.config.name.clone(),
            route: upstream.route.to_owned(),
            bytes_to_client: 0,
            bytes_to_upstream: 0,
            seconds: 0,
            // Unless somebody else ended it: whoever asked is gone.
            reason: CLIENT_LEFT,
        };
        let (gate, caller, said) = (Arc::clone(gate), caller.clone(), Arc::clone(said));
        Self { gate, caller, relayed, began: Instant::now(), said, place: None }
    }

    /// Has it recorded, on a thread that may block.
    fn record(self) {
        let Self { gate, caller, mut relayed, began, said, place } = self;
        relayed.seconds = began.elapsed().as_secs();
        relayed.bytes_to_upstream = said.load(Ordering::Relaxed);
        tokio::task::spawn_blocking(move || {
            // A ledger that cannot be written says so at the next request.
            let _ = record_relayed_end(&gate.app, &caller, &relayed);
            drop(place);
        });
    }
}

/// An upstream's body on its way to the client.
struct Passing {
    body: Incoming,
    ends: Option<Ends>,
    ending: Option<Ending>,
    _place: OwnedSemaphorePermit,
}

impl Passing {
    fn ended(&mut self, reason: &'static str) {
        if let Some(ending) = &mut self.ending {
            ending.relayed.reason = reason;
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.ends = None;
        // The last frame can say that it is the last.
        let over = hyper::body::Body::is_end_stream(&self.body);
        if over && self.ending.as_ref().is_some_and(|it| it.relayed.reason == CLIENT_LEFT) {
            self.ended(UPSTREAM_ENDED);
        }
        if let Some(ending) = self.ending.take() {
            ending.record();
        }
    }
}

impl hyper::body::Body for Passing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(ends) = &mut self.ends
            && let Poll::Ready(reason) = ends.as_mut().poll(cx)
        {
            self.ends = None;
            self.ended(reason);
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx).map_err(axum::Error::new);
        match &polled {
            Poll::Ready(None) => self.ended(UPSTREAM_ENDED),
            Poll::Ready(Some(Err(_))) => self.ended("upstream-broken"),
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(data), Some(ending)) = (frame.data_ref(), &mut self.ending) {
                    ending.relayed.bytes_to_client += data.len() as u64;
                }
            }
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A client's body on its way to the upstream: it breaks off where it gets too large.
struct Measured {
    body: Body,
    left: u64,
    over: Arc<AtomicBool>,
    said: Arc<AtomicU64>,
}

/// More came than may.
#[derive(Debug, thiserror::Error)]
#[error("the body is larger than this upstream takes")]
struct TooLarge;

impl hyper::body::Body for Measured {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let count = frame.data_ref().map_or(0, |data| data.len() as u64);
            self.said.fetch_add(count, Ordering::Relaxed);
            match self.left.checked_sub(count) {
                Some(left) => self.left = left,
                None => {
                    self.over.store(true, Ordering::Relaxed);
                    return Poll::Ready(Some(Err(axum::Error::new(TooLarge))));
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

fn announced(request: &Request<Body>) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn protocol(peer: &Peer) -> &'static str {
    match peer.protocol {
        Protocol::Http1 => "h1",
        Protocol::Http2 => "h2",
    }
}

fn too_large() -> Refusal {
    let message = "the body is larger than this upstream takes";
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body-size", message)
}

fn no_websockets() -> Refusal {
    let message = "this upstream takes no WebSockets, or a budget counts what you send";
    Refusal::new(StatusCode::NOT_IMPLEMENTED, "upstream-websocket", message)
}

fn busy() -> Refusal {
    let message = "the model server has as many requests as it is given at a time; try again";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "upstream-busy", message)
}

fn unavailable() -> Refusal {
    let message = "the model server fails, and is left alone for a while; try again later";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "upstream-unavailable", message)
}

/// Why an answer that went on is over.
const CLIENT_LEFT: &str = "client-left";
const UPSTREAM_ENDED: &str = "upstream-ended";

/// For the rest of an answer that nobody reads.
const PROBE_TIME: Duration = Duration::from_secs(5);
