//! Carries requests to upstreams: what runs in the courier.
//!
//! It knows where upstreams are and whom to believe about them, and nothing of callers, policies,
//! or the keep. A pool of connections, one for each upstream, belongs to the HTTP library.
//!
//! # Invariants
//!
//! - Every wait for an upstream ends: for its connection, for the beginning of its answer since the
//!   last byte it was sent, and for each piece after that.
//! - The size of a head is bounded, and nobody holds a body.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{HeaderMap, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Request, Response, StatusCode, Uri, Version};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, Sleep, sleep_until};
use twinkeep_app::UpstreamProtocol;

use super::dial::{DialError, Dialer};
use super::fault::{FAULT, Fault, UPSTREAM};
use super::passage;
use super::plan::{Plan, UpstreamPlans};
use super::switched;
use crate::GateError;
use crate::edge::switch::WEBSOCKET;

/// Reaches all upstreams.
pub(crate) struct Courier(BTreeMap<String, Reach>);

/// Reaches one of them.
struct Reach {
    plan: Plan,
    client: Client<Dialer, Body>,
    /// The same over HTTP/1.1, which alone can become a WebSocket here.
    plain: Client<Dialer, Body>,
}

impl Courier {
    pub(crate) fn new(plans: &UpstreamPlans) -> Result<Self, GateError> {
        let reach = |plan: &Plan| {
            let http1 = Plan { protocol: UpstreamProtocol::Http1, ..plan.clone() };
            let plain = client(&http1, plans)?;
            let reach = Reach { plan: plan.clone(), client: client(plan, plans)?, plain };
            Ok((plan.name.clone(), reach))
        };
        plans.each().iter().map(reach).collect::<Result<_, GateError>>().map(Self)
    }

    /// Carries a request to the upstream that it names, and the answer back.
    pub(crate) async fn carry(&self, mut request: Request<Body>) -> Response<Body> {
        let name = request.headers_mut().remove(UPSTREAM);
        let name = name.as_ref().and_then(|name| name.to_str().ok());
        let Some(reach) = name.and_then(|name| self.0.get(name)) else {
            return failed(Fault::Unreachable);
        };
        match reach.carry(request).await {
            Ok(response) => response,
            Err(fault) => failed(fault),
        }
    }
}

fn client(plan: &Plan, plans: &UpstreamPlans) -> Result<Client<Dialer, Body>, GateError> {
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE_TIME)
        .pool_max_idle_per_host(POOL_IDLE_COUNT_MAX)
        .http1_max_buf_size(HEAD_SIZE_MAX as usize)
        .http1_max_headers(HEADER_COUNT_MAX)
        .http2_only(plan.protocol == UpstreamProtocol::Http2)
        .http2_max_header_list_size(HEAD_SIZE_MAX)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_send_buf_size(STREAM_WINDOW as usize)
        .http2_keep_alive_interval(Some(KEEP_ALIVE))
        .http2_keep_alive_timeout(KEEP_ALIVE)
        // Only what has not been sent at all is sent again, on another connection.
        .retry_canceled_requests(true)
        .set_host(true)
        .build(Dialer::new(plan, plans)?))
}

impl Reach {
    async fn carry(&self, request: Request<Body>) -> Result<Response<Body>, Fault> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = Uri::builder()
            .scheme(self.plan.scheme())
            .authority(self.plan.authority.as_str())
            .path_and_query(path)
            .build()
            .map_err(|_| Fault::Unreachable)?;
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        if parts.headers.remove(WEBSOCKET).is_some() {
            return self.switch(parts, body).await;
        }
        let progress = Arc::new(Mutex::new(Progress { at: Instant::now(), wanted: false }));
        let body = Body::new(Noted { body, progress: Arc::clone(&progress) });
        let sent = self.client.request(Request::from_parts(parts, body));
        let wait = Duration::from_secs(self.plan.answer_seconds.into());
        let response = tokio::select! {
            response = sent => response.map_err(|error| fault_of(&error))?,
            fault = silence(&progress, wait) => return Err(fault),
        };
        if response.status().is_informational() {
            // Nobody asked to speak another protocol.
            return Err(Fault::Answer);
        }
        Ok(self.whole(response))
    }

    fn whole(&self, response: Response<Incoming>) -> Response<Body> {
        let (mut parts, body) = response.into_parts();
        passage::drop_hops(&mut parts.headers);
        drop_reserved(&mut parts.headers);
        parts.extensions.clear();
        Response::from_parts(parts, Body::new(Answer::new(body, self.idle())))
    }

    fn idle(&self) -> Duration {
        Duration::from_secs(self.plan.idle_seconds.into())
    }

    /// Asks for a WebSocket; `said` is what the client will say.
    async fn switch(&self, mut parts: Parts, said: Body) -> Result<Response<Body>, Fault> {
        switched::ask(&mut parts);
        let wait = Duration::from_secs(self.plan.answer_seconds.into());
        let sent = self.plain.request(Request::from_parts(parts, Body::empty()));
        let response = tokio::time::timeout(wait, sent).await.map_err(|_| Fault::Slow)?;
        let mut response = response.map_err(|error| fault_of(&error))?;
        drop_reserved(response.headers_mut());
        match response.status() {
            StatusCode::SWITCHING_PROTOCOLS => switched::agreed(response, said, self.idle()).await,
            status if status.is_informational() => Err(Fault::Answer),
            _ => Ok(self.whole(response)),
        }
    }
}

/// How far the sending of a body has come.
#[derive(Clone, Copy)]
struct Progress {
    /// When the last piece came.
    at: Instant,
    /// The upstream would take more, and the client has not said more.
    wanted: bool,
}

/// Waits until nothing has been sent for so long; returns whose fault that is.
async fn silence(progress: &Mutex<Progress>, wait: Duration) -> Fault {
    loop {
        let Progress { at, wanted } = *progress.lock().unwrap_or_else(PoisonError::into_inner);
        let due = at + wait;
        if due <= Instant::now() {
            return if wanted { Fault::BodySlow } else { Fault::Slow };
        }
        sleep_until(due).await;
    }
}

/// Takes out what only our own processes may say.
fn drop_reserved(headers: &mut HeaderMap) {
    let reserved = |name: &&HeaderName| name.as_str().starts_with("twinkeep-");
    let names: Vec<HeaderName> = headers.keys().filter(reserved).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// What an error of the library is an instance of.
fn fault_of(error: &hyper_util::client::legacy::Error) -> Fault {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(DialError(fault)) = error.downcast_ref() {
            return *fault;
        }
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_user) {
            return Fault::Body;
        }
        cause = error.source();
    }
    if error.is_connect() { Fault::Unreachable } else { Fault::Answer }
}

fn failed(fault: Fault) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response.headers_mut().insert(FAULT, HeaderValue::from_static(fault.code()));
    response
}

/// A request's body that notes when it was last asked for a piece.
struct Noted {
    body: Body,
    progress: Arc<Mutex<Progress>>,
}

impl hyper::body::Body for Noted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.wanted = polled.is_pending();
        if polled.is_ready() {
            progress.at = Instant::now();
        }
        drop(progress);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An upstream's body: it breaks off if nothing comes for too long, and has no trailers.
struct Answer {
    body: Incoming,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
}

/// The upstream said nothing for too long.
#[derive(Debug, thiserror::Error)]
#[error("the upstream fell silent")]
pub(super) struct Silent;

impl Answer {
    fn new(body: Incoming, idle: Duration) -> Self {
        Self { body, idle, timer: Box::pin(sleep_until(Instant::now() + idle)) }
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let due = Instant::now() + self.idle;
                    self.timer.as_mut().reset(due);
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(axum::Error::new(error))));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    let silent = self.timer.as_mut().poll(cx).is_ready();
                    return match silent {
                        true => Poll::Ready(Some(Err(axum::Error::new(Silent)))),
                        false => Poll::Pending,
                    };
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Largest head of an answer, in bytes: twice what nginx takes by default.
const HEAD_SIZE_MAX: u32 = 16 * 1024;

/// Lines of it.
const HEADER_COUNT_MAX: usize = 100;

/// Bytes of one answer that may wait here.
const STREAM_WINDOW: u32 = 256 * 1024;

/// Bytes of all answers on one connection that may wait here.
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// Shorter than servers usually wait, so that they seldom close what is about to be used.
const POOL_IDLE_TIME: Duration = Duration::from_secs(4);

/// Connections that wait for the next request.
const POOL_IDLE_COUNT_MAX: usize = 64;

/// A connection whose other end is gone without a word is found within twice this.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
