//! Takes the edge's requests in the worker, and turns each back into what the client sent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Request, Response, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::UnixStream;

use super::forward::Outgoing;
use super::hello::Report;
use crate::edge::filter::{BrokenBody, REFUSAL_HEADER};
use crate::edge::{Peer, Protocol, ShownCertificates, Streaming};

/// What a worker does for its edge.
pub(super) trait Desk: Send + Sync + 'static {
    /// Answers a client's request.
    fn answer(&self, peer: Peer, request: Request<Body>) -> super::worker::Answering;
    /// Opens the words to this edge: a body that goes on.
    fn words(&self) -> Body;
    /// Writes the metrics.
    fn metrics(&self) -> super::worker::Answering;
    /// Takes what the edge says of itself.
    fn report(&self, report: Report);
}

/// Serves one edge until it is gone.
pub(super) async fn serve(desk: Arc<dyn Desk>, stream: UnixStream) {
    serve_with(stream, move |request| {
        let desk = Arc::clone(&desk);
        async move { receive(&*desk, request).await }
    })
    .await;
}

/// Serves whoever is at the other end of a socket pair until it is gone.
pub(super) async fn serve_with<F>(
    stream: UnixStream,
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
) where
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    // An error is the end of the edge: another is on its way.
    _ = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        // Bounded by the edge: so many connections, so many requests on each.
        .max_concurrent_streams(u32::MAX >> 1)
        .initial_stream_window_size(REQUEST_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(ANSWER_WINDOW as usize)
        .max_header_list_size(HEAD_SIZE_MAX)
        .max_pending_accept_reset_streams(RESET_COUNT_MAX)
        .max_local_error_reset_streams(None)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn receive(desk: &dyn Desk, request: Request<Incoming>) -> Response<Body> {
    if !request.headers().contains_key(PEER) {
        return receive_internal(desk, request).await;
    }
    let Some((peer, request)) = incoming(request) else { return status(StatusCode::BAD_REQUEST) };
    let mut response = desk.answer(peer, request).await;
    if response.extensions().get::<Streaming>().is_some() {
        response.headers_mut().insert(STREAMING, HeaderValue::from_static("1"));
    }
    response
}

/// Takes what the edge says of itself.
async fn receive_internal(desk: &dyn Desk, request: Request<Incoming>) -> Response<Body> {
    match request.uri().path() {
        WORDS => Response::new(desk.words()),
        METRICS => desk.metrics().await,
        REPORT => {
            let body = Limited::new(request.into_body(), REPORT_SIZE_MAX).collect().await;
            let report = body.ok().and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
            let Some(report) = report else { return status(StatusCode::BAD_REQUEST) };
            desk.report(report);
            status(StatusCode::NO_CONTENT)
        }
        _ => status(StatusCode::NOT_FOUND),
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A request of the edge's own.
pub(super) fn internal(path: &'static str, body: Body) -> Request<Outgoing> {
    let mut request = Request::new(Outgoing::new(body));
    *request.method_mut() = axum::http::Method::POST;
    let parts = Uri::builder().scheme("https").authority(super::forward::NO_AUTHORITY);
    *request.uri_mut() = parts.path_and_query(path).build().unwrap_or_default();
    request
}

/// The request as the client sent it, and who that is.
fn incoming(request: Request<Incoming>) -> Option<(Peer, Request<Body>)> {
    let (mut parts, body) = request.into_parts();
    let peer = peer(&parts.headers)?;
    let length = parts.headers.remove(LENGTH);
    let refusal = parts.headers.remove(REFUSAL_HEADER);
    parts.headers.remove(PEER);
    parts.headers.remove(CERTIFICATE);
    if let Some(length) = length {
        parts.headers.insert(CONTENT_LENGTH, length);
    }
    if let Some(refusal) = refusal {
        parts.headers.insert(REFUSAL_HEADER, refusal);
    }
    if peer.protocol == Protocol::Http1 {
        let path = parts.uri.path_and_query().cloned()?;
        parts.uri = Uri::from(path);
        parts.version = axum::http::Version::HTTP_11;
    }
    Some((peer, Request::from_parts(parts, Body::new(Arrived(body)))))
}

fn peer(headers: &HeaderMap) -> Option<Peer> {
    let (protocol, address) = headers.get(PEER)?.to_str().ok()?.split_once(' ')?;
    let protocol = match protocol {
        "h1" => Protocol::Http1,
        "h2" => Protocol::Http2,
        _ => return None,
    };
    let address: SocketAddr = address.parse().ok()?;
    let chain = headers.get_all(CERTIFICATE).into_iter();
    let chain: Vec<_> = chain
        .map(|text| STANDARD_NO_PAD.decode(text.as_bytes()).map(Into::into))
        .collect::<Result<_, _>>()
        .ok()?;
    Some(Peer { address, protocol, certificates: ShownCertificates::from_chain(chain) })
}

/// A client's body that arrived: a mark at its end says that it broke off.
pub(super) struct Arrived(pub(super) Incoming);

impl hyper::body::Body for Arrived {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx).map(|frame| match frame? {
            Ok(frame) if frame.trailers_ref().is_some_and(|marks| marks.contains_key(BROKEN)) => {
                Some(Err(axum::Error::new(BrokenBody)))
            }
            Ok(frame) => Some(Ok(frame)),
            Err(error) => Some(Err(axum::Error::new(error))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}

/// Who sent the request: protocol and address. No client can write a name that begins like this.
pub(super) const PEER: HeaderName = HeaderName::from_static("twinkeep-peer");
/// A certificate that the client showed, in base64; the leaf is the first.
pub(super) const CERTIFICATE: HeaderName = HeaderName::from_static("twinkeep-certificate");
/// The length that the client announced.
pub(super) const LENGTH: HeaderName = HeaderName::from_static("twinkeep-length");
/// On an answer: it goes on.
pub(super) const STREAMING: HeaderName = HeaderName::from_static("twinkeep-streaming");
/// At the end of a body: it broke off.
pub(super) const BROKEN: HeaderName = HeaderName::from_static("twinkeep-broken");

/// Where an edge listens to the worker.
pub(super) const WORDS: &str = "/words";
/// Where an edge asks for the metrics, for whoever scrapes them.
pub(super) const METRICS: &str = "/metrics";
/// Where an edge says something of itself.
pub(super) const REPORT: &str = "/report";

/// A dozen names and counts.
const REPORT_SIZE_MAX: usize = 64 * 1024;

/// Twice what a client may send, for the names of HTTP/2 and the certificates in base64.
pub(super) const HEAD_SIZE_MAX: u32 = 64 * 1024;

/// Bytes of one request that may wait in the worker.
const REQUEST_WINDOW: u32 = 256 * 1024;

/// Bytes of one answer that may wait in either process: a client that reads slowly holds no more.
pub(super) const ANSWER_WINDOW: u32 = 64 * 1024;

/// Bytes that may wait in all: the largest that HTTP/2 knows, so that those who read slowly take
/// nothing from the others. What bounds the memory is how many requests there may be.
pub(super) const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// Requests that clients gave up and of which the other side has not heard yet. A bound on abuse
/// is at the clients' connections; here it would hit those who did nothing.
pub(super) const RESET_COUNT_MAX: usize = 1 << 20;
