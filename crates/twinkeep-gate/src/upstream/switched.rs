//! WebSockets where the upstream is: the other end of [`crate::edge::switch`].

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONNECTION, HeaderValue, UPGRADE};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf, ReadHalf, WriteHalf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::courier::Silent;
use super::fault::Fault;
use crate::edge::switch::SWITCHED;

/// Asks the upstream for what the client asked for.
pub(super) fn ask(parts: &mut Parts) {
    parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    parts.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Takes the upstream's answer that agrees, and begins to carry what the client says.
pub(super) async fn agreed(
    mut response: Response<Incoming>,
    said: Body,
    idle: Duration,
) -> Result<Response<Body>, Fault> {
    let upgrade = response.headers().get(UPGRADE).and_then(|value| value.to_str().ok());
    if !upgrade.is_some_and(|name| name.eq_ignore_ascii_case("websocket")) {
        return Err(Fault::Answer);
    }
    let connection = hyper::upgrade::on(&mut response).await.map_err(|_| Fault::Answer)?;
    let (read, write) = tokio::io::split(TokioIo::new(connection));
    let progress = Arc::new(Mutex::new(Instant::now()));
    tokio::spawn(carry(said, write, Arc::clone(&progress)));
    let timer = Box::pin(sleep_until(Instant::now() + idle));
    let (mut parts, _) = response.into_parts();
    parts.status = StatusCode::OK;
    super::passage::drop_hops(&mut parts.headers);
    parts.extensions.clear();
    parts.headers.insert(SWITCHED, HeaderValue::from_static("1"));
    Ok(Response::from_parts(parts, Body::new(Told { read, progress, idle, timer })))
}

/// Carries what the client says, until it is done or the upstream is gone.
async fn carry(
    mut said: Body,
    mut write: WriteHalf<TokioIo<Upgraded>>,
    progress: Arc<Mutex<Instant>>,
) {
    while let Some(Ok(frame)) = said.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        if write.write_all(&data).await.is_err() || write.flush().await.is_err() {
            return;
        }
        *progress.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
    _ = write.shutdown().await;
}

/// What the upstream says, as a body; it breaks off when both sides are silent for too long.
struct Told {
    read: ReadHalf<TokioIo<Upgraded>>,
    progress: Arc<Mutex<Instant>>,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
}

impl hyper::body::Body for Told {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut piece = [0; PIECE_SIZE];
        let mut piece = ReadBuf::new(&mut piece);
        loop {
            if let Poll::Ready(read) = Pin::new(&mut self.read).poll_read(cx, &mut piece) {
                *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                return Poll::Ready(match (read, piece.filled()) {
                    (Err(error), _) => Some(Err(axum::Error::new(error))),
                    (Ok(()), []) => None,
                    (Ok(()), piece) => Some(Ok(Frame::data(Bytes::copy_from_slice(piece)))),
                });
            }
            ready!(self.timer.as_mut().poll(cx));
            let due = *self.progress.lock().unwrap_or_else(PoisonError::into_inner) + self.idle;
            if due <= Instant::now() {
                return Poll::Ready(Some(Err(axum::Error::new(Silent))));
            }
            self.timer.as_mut().reset(due);
        }
    }
}

/// One read; on the stack.
const PIECE_SIZE: usize = 8 * 1024;
