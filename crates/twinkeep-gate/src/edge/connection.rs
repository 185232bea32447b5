//! One connection: the handshake, the choice of protocol, and the supervision until its end.
//!
//! The protocol is what ALPN agreed on. hyper-util's `auto` builder, which guesses it from the
//! first bytes, waits for those bytes for ever; it is not used.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch::Receiver;
use tokio_rustls::server::TlsStream;

use super::filter::HEAD_SIZE_MAX;
use super::guarded_io::GuardedIo;
use super::parked::Parking;
use super::strict;
use super::switch::{self, Slot};
use super::tally::TLS_FAILED;
use super::watch::{InFlight, Stall, Watch};
use super::{Edge, Peer, Protocol, ShownCertificates, Streaming, told_to_stop};

/// Serves one connection from its handshake to its end.
pub(super) async fn serve(
    edge: Arc<Edge>,
    stream: TcpStream,
    address: SocketAddr,
    mut stop: Receiver<bool>,
) {
    // Answers are written whole; waiting for more would only delay them.
    _ = stream.set_nodelay(true);
    let handshake = tokio::time::timeout(edge.limits.handshake, edge.tls.accept(stream));
    let stream = tokio::select! {
        result = handshake => match result {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) => return edge.tally.count(TLS_FAILED),
            Err(_) => return edge.tally.stalled(Stall::Handshake),
        },
        () = told_to_stop(&mut stop) => return,
    };
    let watch = Watch::new(edge.limits.stall, Instant::now());
    let session = stream.get_ref().1;
    let protocol = match session.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        _ => Protocol::Http1,
    };
    let peer = Peer { address, protocol, certificates: ShownCertificates::of(session) };
    // Boxed, so that an idle connection does not hold room for the other protocol.
    let ended = match protocol {
        Protocol::Http2 => Box::pin(serve_http2(&edge, stream, peer, &watch, stop)).await,
        Protocol::Http1 => Box::pin(serve_http1(&edge, stream, peer, &watch, stop)).await,
    };
    if let Some(stall) = ended {
        edge.tally.stalled(stall);
    }
}

async fn serve_http1(
    edge: &Arc<Edge>,
    stream: TlsStream<TcpStream>,
    peer: Peer,
    watch: &Arc<Watch>,
    stop: Receiver<bool>,
) -> Option<Stall> {
    let slot = Slot::default();
    let shared = (Arc::clone(edge), peer, Arc::clone(watch), slot.clone());
    let serve = move |io| {
        let shared = shared.clone();
        let service = service_fn(move |request| {
            let (edge, peer, watch, slot) = shared.clone();
            async move { answer_http1(&edge, peer, &watch, &slot, request).await }
        });
        http1::Builder::new()
            .timer(TokioTimer::new())
            // The watch has the deadlines; a second clock would only blur which one fired.
            .header_read_timeout(None)
            // A client may end its side once it has asked, and still gets its answer.
            .half_close(true)
            .max_buf_size(HEAD_SIZE_MAX * 2)
            .serve_connection(io, service)
            .with_upgrades()
    };
    let io = GuardedIo::http1(stream, watch.clone());
    let connection = Parking::new(serve, io, Arc::clone(watch));
    let ended = supervise(connection, watch, stop.clone()).await;
    match slot.take() {
        // What it has become is supervised on.
        Some(tunnel) => supervise(tunnel, watch, stop).await,
        None => ended,
    }
}

async fn serve_http2(
    edge: &Arc<Edge>,
    stream: TlsStream<TcpStream>,
    peer: Peer,
    watch: &Arc<Watch>,
    stop: Receiver<bool>,
) -> Option<Stall> {
    let io = TokioIo::new(GuardedIo::http2(stream, watch.clone()));
    let (edge, shared) = (Arc::clone(edge), Arc::clone(watch));
    let service = service_fn(move |request| {
        let (edge, peer, watch) = (Arc::clone(&edge), peer.clone(), Arc::clone(&shared));
        async move { answer(&edge, peer, &watch, request).await }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAM_COUNT_MAX)
        .max_header_list_size(HEAD_SIZE_MAX as u32)
        .max_pending_accept_reset_streams(STREAM_COUNT_MAX as usize)
        .max_local_error_reset_streams(Some(STREAM_RESET_COUNT_MAX))
        .max_send_buf_size(SEND_BUFFER_SIZE_MAX)
        .serve_connection(io, service);
    supervise(connection, watch, stop).await
}

/// The same over HTTP/1.1, where a client may ask for a WebSocket.
async fn answer_http1(
    edge: &Edge,
    peer: Peer,
    watch: &Arc<Watch>,
    slot: &Slot,
    request: Request<Incoming>,
) -> Result<Response<WatchedBody>, Infallible> {
    let mut request = request.map(Body::new);
    let Some(asked) = switch::asked(&mut request) else {
        return answer_whole(edge, peer, watch, request).await;
    };
    let in_flight = watch.request_began(Instant::now());
    let response = (edge.answer)(peer, request).await;
    if !switch::is_agreed(&response) {
        return Ok(watched(response, in_flight));
    }
    let response = switch::agreed(asked, response, watch, in_flight, slot);
    Ok(response.map(|body| WatchedBody { body, _in_flight: None }))
}

/// Answers one request and keeps it under way until its answer has been handed over.
async fn answer(
    edge: &Edge,
    peer: Peer,
    watch: &Arc<Watch>,
    request: Request<Incoming>,
) -> Result<Response<WatchedBody>, Infallible> {
    answer_whole(edge, peer, watch, strict::checked(request.map(Body::new))).await
}

async fn answer_whole(
    edge: &Edge,
    peer: Peer,
    watch: &Arc<Watch>,
    request: Request<Body>,
) -> Result<Response<WatchedBody>, Infallible> {
    let in_flight = watch.request_began(Instant::now());
    let response = (edge.answer)(peer, request).await;
    Ok(watched(response, in_flight))
}

fn watched(response: Response<Body>, mut in_flight: InFlight) -> Response<WatchedBody> {
    if response.extensions().get::<Streaming>().is_some() {
        in_flight.goes_on();
    }
    response.map(|body| WatchedBody { body, _in_flight: Some(in_flight) })
}

/// Runs a connection to its end; returns why, if it was the gate that ended it.
async fn supervise<C: Connection>(
    connection: C,
    watch: &Watch,
    mut stop: Receiver<bool>,
) -> Option<Stall> {
    let mut connection = pin!(connection);
    let (mut armed, _) = watch.deadline();
    let mut timer = pin!(tokio::time::sleep_until(armed.into()));
    let mut reason = None;
    let mut ending = false;
    loop {
        let due = poll_fn(|cx| {
            let (at, stall) = watch.deadline();
            if at != armed {
                timer.as_mut().reset(at.into());
                armed = at;
            }
            timer.as_mut().poll(cx).map(|()| stall)
        });
        tokio::select! {
            biased;
            () = connection.as_mut().run() => return reason,
            stall = due => {
                if ending || !stall.polite() {
                    return reason.or(Some(stall));
                }
                reason = Some(stall);
            }
            () = told_to_stop(&mut stop), if !ending => {}
        }
        ending = true;
        watch.ending(Instant::now());
        connection.as_mut().graceful_shutdown();
    }
}

/// What hyper's two kinds of connection have in common.
pub(super) trait Connection {
    /// Runs until both sides are done. May be dropped and called again.
    fn run(self: Pin<&mut Self>) -> impl Future<Output = ()>;
    /// Finishes what is under way and takes nothing new.
    fn graceful_shutdown(self: Pin<&mut Self>);
}

impl<S> Connection for http2::Connection<TokioIo<GuardedIo<TlsStream<TcpStream>>>, S, TokioExecutor>
where
    S: hyper::service::HttpService<Incoming, ResBody = WatchedBody>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static,
{
    async fn run(mut self: Pin<&mut Self>) {
        _ = poll_fn(|cx| Future::poll(self.as_mut(), cx)).await;
    }

    fn graceful_shutdown(self: Pin<&mut Self>) {
        http2::Connection::graceful_shutdown(self);
    }
}

/// An answer's body; while it exists, its request is under way.
pub(super) struct WatchedBody {
    body: Body,
    /// None where something else keeps it under way.
    _in_flight: Option<InFlight>,
}

impl hyper::body::Body for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Requests at a time on one HTTP/2 connection; browsers use fewer than 20.
const STREAM_COUNT_MAX: u32 = 64;

/// Resets that the gate sends before it gives the connection up (CVE-2025-8671, "made you reset").
const STREAM_RESET_COUNT_MAX: usize = 256;

/// Answer bytes that one HTTP/2 stream may hold in memory.
const SEND_BUFFER_SIZE_MAX: usize = 64 * 1024;
