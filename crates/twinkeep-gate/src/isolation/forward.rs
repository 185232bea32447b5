//! Sends a client's request to the worker, in the edge.
//!
//! HTTP/2 over the socket pair keeps requests apart, lets each flow at its own pace, and tells
//! either side when the other has given up. What HTTP/2 has no room for travels in headers whose
//! names no client can use ([`crate::edge::head::check_name`]).

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use axum::http::uri::PathAndQuery;
use axum::http::{Request, Response, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hyper::body::Frame;
use hyper::client::conn::http2::SendRequest;

use super::reception::{BROKEN, CERTIFICATE, LENGTH, PEER, STREAMING};
use crate::edge::filter::REFUSAL_HEADER;
use crate::edge::{Peer, Protocol, Streaming};
use crate::headers;
use crate::upstream::named_by_connection;

/// The edge's end of the connection to the worker.
pub(crate) type Sender = SendRequest<Outgoing>;

/// Sends requests on.
#[derive(Clone)]
pub(super) struct Forwarder {
    sender: Sender,
}

impl Forwarder {
    pub(super) fn new(sender: Sender) -> Self {
        Self { sender }
    }

    /// Returns the worker's answer, or an empty one if it did not come.
    pub(super) async fn answer(mut self, peer: Peer, request: Request<Body>) -> Response<Body> {
        let refused = request.headers().contains_key(REFUSAL_HEADER);
        let Ok(request) = outgoing(&peer, request) else { return failed(StatusCode::BAD_REQUEST) };
        let Ok(response) = self.sender.send_request(request).await else {
            return failed(StatusCode::SERVICE_UNAVAILABLE);
        };
        let mut response = response.map(Body::new);
        if response.headers_mut().remove(STREAMING).is_some() {
            response.extensions_mut().insert(Streaming);
        }
        if refused && peer.protocol == Protocol::Http1 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// An answer for when there is none; the worker is about to be replaced, or the request was of a
/// kind that never gets here.
fn failed(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    headers::secure(&mut response);
    response
}

/// The request as the worker gets it.
fn outgoing(peer: &Peer, request: Request<Body>) -> Result<Request<Outgoing>, axum::http::Error> {
    let (mut parts, body) = request.into_parts();
    if parts.uri.authority().is_none() {
        let path = parts.uri.path_and_query().cloned();
        let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        parts.uri =
            Uri::builder().scheme("https").authority(NO_AUTHORITY).path_and_query(path).build()?;
    }
    parts.version = axum::http::Version::HTTP_2;
    clean(&mut parts.headers, peer.protocol);
    let protocol = match peer.protocol {
        Protocol::Http1 => "h1",
        Protocol::Http2 => "h2",
    };
    let from = HeaderValue::try_from(format!("{protocol} {}", peer.address))?;
    parts.headers.insert(PEER, from);
    for certificate in peer.certificates.iter().flat_map(|shown| shown.chain()) {
        let text = HeaderValue::try_from(STANDARD_NO_PAD.encode(certificate))?;
        parts.headers.append(CERTIFICATE, text);
    }
    Ok(Request::from_parts(parts, Outgoing(body)))
}

/// Takes out what is about the client's connection. A length travels under another name: a body
/// that breaks off must reach the worker as that, and not as an error of this connection.
fn clean(headers: &mut HeaderMap, protocol: Protocol) {
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
    for name in [CONNECTION, TRANSFER_ENCODING, TE, UPGRADE, EXPECT, KEEP_ALIVE, PROXY_CONNECTION] {
        headers.remove(name);
    }
    if let Some(length) = headers.remove(CONTENT_LENGTH) {
        headers.insert(LENGTH, length);
    }
    if protocol == Protocol::Http2 {
        // The authority says the same; it was checked.
        headers.remove(HOST);
    }
}

/// A client's body on its way: one that breaks off ends with a mark, so that the worker can still
/// answer.
pub(crate) struct Outgoing(Body);

impl Outgoing {
    pub(crate) fn new(body: Body) -> Self {
        Self(body)
    }
}

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            return match Pin::new(&mut self.0).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
                    // Nobody reads a client's trailers.
                    Err(_) => continue,
                },
                Poll::Ready(Some(Err(_))) => {
                    self.0 = Body::empty();
                    let mark = HeaderMap::from_iter([(BROKEN, HeaderValue::from_static("1"))]);
                    Poll::Ready(Some(Ok(Frame::trailers(mark))))
                }
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            };
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Stands where HTTP/2 must name a host and HTTP/1.1 did so in a header.
pub(super) const NO_AUTHORITY: &str = "worker";
