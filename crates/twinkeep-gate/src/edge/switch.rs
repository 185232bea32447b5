//! WebSockets at the edge: a connection that stops being HTTP once both sides agree.
//!
//! Inwards a WebSocket is a request whose body is what the client says and whose answer's body is
//! what it is told: so everything that holds for bodies holds for it, in every process. Only here
//! and where the upstream is (`crate::upstream::switched`) is it a connection that was upgraded.
//!
//! # Invariants
//!
//! - The connection is supervised to its end, like any other.
//! - The strict reader lets bytes through unread only after the answer that agrees (101).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::header::{CONNECTION, HeaderName, HeaderValue, UPGRADE};
use axum::http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::connection::Connection;
use super::watch::{InFlight, Watch};

/// On a request: it asks for a WebSocket, and its body is what the client will say.
pub(crate) const WEBSOCKET: HeaderName = HeaderName::from_static("twinkeep-websocket");

/// On an answer: the WebSocket is agreed on, and its body is what the client is told.
pub(crate) const SWITCHED: HeaderName = HeaderName::from_static("twinkeep-switched");

/// Where a connection leaves what becomes of it.
#[derive(Clone, Default)]
pub(super) struct Slot(Arc<Mutex<Option<Tunnel>>>);

impl Slot {
    pub(super) fn take(&self) -> Option<Tunnel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A client that asked for a WebSocket.
pub(super) struct Asked {
    upgrade: OnUpgrade,
    said: mpsc::Sender<Bytes>,
}

/// Takes a request for a WebSocket, if it is one.
pub(super) fn asked(request: &mut Request<Body>) -> Option<Asked> {
    let names = |name: HeaderName, word: &str| {
        let values = request.headers().get_all(name).into_iter();
        let mut words = values.filter_map(|value| value.to_str().ok()).flat_map(|it| it.split(','));
        words.any(|known| known.trim().eq_ignore_ascii_case(word))
    };
    let empty = hyper::body::Body::is_end_stream(request.body());
    let wanted = names(UPGRADE, "websocket") && names(CONNECTION, "upgrade");
    if request.method() != Method::GET || !empty || !wanted {
        return None;
    }
    let upgrade = hyper::upgrade::on(&mut *request);
    let (said, receiver) = mpsc::channel(PIECES_WAITING_MAX);
    *request.body_mut() = Body::new(Pieces(receiver));
    request.headers_mut().insert(WEBSOCKET, HeaderValue::from_static("1"));
    Some(Asked { upgrade, said })
}

/// Returns whether an answer agrees.
pub(super) fn is_agreed(response: &Response<Body>) -> bool {
    response.headers().contains_key(SWITCHED)
}

/// Turns the answer that agrees into the one that the client waits for, and leaves the rest in the
/// slot.
pub(super) fn agreed(
    asked: Asked,
    response: Response<Body>,
    watch: &Watch,
    mut in_flight: InFlight,
    slot: &Slot,
) -> Response<Body> {
    in_flight.goes_on();
    watch.switched();
    let (mut parts, told) = response.into_parts();
    parts.status = StatusCode::SWITCHING_PROTOCOLS;
    parts.headers.remove(SWITCHED);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    parts.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    let Asked { upgrade, said } = asked;
    let work = Box::pin(async move {
        carry(upgrade, said, told).await;
        drop(in_flight);
    });
    *slot.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Tunnel(Some(work)));
    Response::from_parts(parts, Body::empty())
}

/// What a connection has become.
pub(super) struct Tunnel(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Connection for Tunnel {
    async fn run(mut self: Pin<&mut Self>) {
        if let Some(work) = &mut self.0 {
            work.await;
        }
    }

    fn graceful_shutdown(mut self: Pin<&mut Self>) {
        self.0 = None;
    }
}

/// Carries what both sides say, until the server's side is done.
async fn carry(upgrade: OnUpgrade, said: mpsc::Sender<Bytes>, mut told: Body) {
    let Ok(connection) = upgrade.await else { return };
    let (mut read, mut write) = tokio::io::split(TokioIo::new(connection));
    let inwards = async move {
        loop {
            let mut piece = Vec::with_capacity(PIECE_SIZE);
            match read.read_buf(&mut piece).await {
                Ok(1..) if said.send(piece.into()).await.is_ok() => {}
                _ => break,
            }
        }
        // That the client is done is said by the end of the body; what it is still told comes.
        drop(said);
        std::future::pending::<()>().await;
    };
    let outwards = async {
        while let Some(Ok(frame)) = told.frame().await {
            let Ok(data) = frame.into_data() else { continue };
            if write.write_all(&data).await.is_err() || write.flush().await.is_err() {
                return;
            }
        }
        _ = write.shutdown().await;
    };
    tokio::select! {
        () = inwards => {}
        () = outwards => {}
    }
}

/// Pieces as a body.
pub(crate) struct Pieces(pub(crate) mpsc::Receiver<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// A client that says more than the server reads waits.
const PIECES_WAITING_MAX: usize = 2;

/// One read.
const PIECE_SIZE: usize = 8 * 1024;
