//! The courier as a process: it connects to upstreams, and can do nothing else.
//!
//! # Life of a courier
//!
//! 1. The launcher starts it and hands it one socket, whose other end the worker gets.
//! 2. The worker writes where upstreams are and whom to believe ([`hand_over`]).
//! 3. It confines itself: no file, no program, no connection but to those ports.
//! 4. It serves the worker's requests over HTTP/2, as the worker serves the edge's.

use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, HeaderMap};
use axum::http::{Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use rustls::crypto::aws_lc_rs;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::runtime::Builder;

use super::channel;
use super::forward::Sender;
use super::reception::{self, Arrived, LENGTH, REPORT};
use super::sandbox::{self, Confinement};
use crate::GateError;
use crate::upstream::UpstreamPlans;
use crate::upstream::courier::Courier;
use crate::upstream::fault::UPSTREAM;
use crate::upstream::outward::Outward;

/// Runs the courier until the worker is gone.
pub fn run_courier() -> Result<(), GateError> {
    let cannot = |source| GateError::Edge { source };
    let (socket, plans) = receive().map_err(cannot)?;
    // What the library reads once about the machine, it reads while it can.
    let _ = aws_lc_rs::default_provider().secure_random.fill(&mut [0; 32]);
    let courier = Arc::new(Courier::new(&plans)?);
    let confinement = sandbox::confine_courier(&plans.ports(), plans.has_names());
    let runtime =
        Builder::new_multi_thread().thread_name("courier").enable_all().build().map_err(cannot)?;
    runtime.block_on(serve(courier, socket, confinement)).map_err(cannot)
}

/// Takes the socket that the launcher passes, and what the worker writes first.
fn receive() -> io::Result<(OwnedFd, UpstreamPlans)> {
    let launcher = channel::from_parent()?;
    let (_, mut files) = channel::receive(launcher.as_fd(), &mut [0; 8])?;
    let socket = files.pop().ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut stream = StdStream::from(socket);
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if PLANS_SIZE_MAX < length {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok((stream.into(), serde_json::from_slice(&bytes)?))
}

/// Serves a worker; returns when it is gone.
pub(super) async fn serve(
    courier: Arc<Courier>,
    socket: OwnedFd,
    confinement: Confinement,
) -> io::Result<()> {
    let stream = StdStream::from(socket);
    stream.set_nonblocking(true)?;
    let stream = UnixStream::from_std(stream)?;
    reception::serve_with(stream, move |request| {
        let courier = Arc::clone(&courier);
        async move { receive_request(&courier, request, confinement).await }
    })
    .await;
    Ok(())
}

async fn receive_request(
    courier: &Courier,
    request: Request<Incoming>,
    confinement: Confinement,
) -> Response<Body> {
    if !request.headers().contains_key(UPSTREAM) {
        return Response::new(Body::from(serde_json::to_vec(&confinement).unwrap_or_default()));
    }
    let (mut parts, body) = request.into_parts();
    if let Some(length) = parts.headers.remove(LENGTH) {
        parts.headers.insert(CONTENT_LENGTH, length);
    }
    let body = match hyper::body::Body::is_end_stream(&body) {
        true => Body::empty(),
        false => Body::new(Arrived(body)),
    };
    courier.carry(Request::from_parts(parts, body)).await
}

/// A length travels under another name: a body that breaks off must reach the courier as that, and
/// not as an error of the connection that all requests share.
pub(crate) fn hide_length(headers: &mut HeaderMap) {
    if let Some(length) = headers.remove(CONTENT_LENGTH) {
        headers.insert(LENGTH, length);
    }
}

/// Tells a courier that has just been started what it must know; returns how far it is confined.
pub(super) async fn hand_over(
    outward: &Outward,
    plans: &UpstreamPlans,
    socket: OwnedFd,
) -> io::Result<Confinement> {
    let bytes = serde_json::to_vec(plans)?;
    let length = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    let stream = StdStream::from(socket);
    stream.set_nonblocking(true)?;
    let mut stream = UnixStream::from_std(stream)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(&bytes).await?;
    let socket = stream.into_std()?;
    ask(outward, socket.into()).await
}

async fn ask(outward: &Outward, socket: OwnedFd) -> io::Result<Confinement> {
    let mut sender: Sender = outward.attach(socket).await?;
    let request = reception::internal(REPORT, Body::empty());
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    let report = Limited::new(response.into_body(), REPORT_SIZE_MAX).collect().await;
    Ok(serde_json::from_slice(&report.map_err(io::Error::other)?.to_bytes())?)
}

/// A courier within this process: for tests, and where isolation is switched off.
pub(crate) async fn serve_within(
    outward: &Outward,
    plans: &UpstreamPlans,
) -> Result<(), GateError> {
    let cannot = |source| GateError::Edge { source };
    let courier = Arc::new(Courier::new(plans)?);
    let (near, far) = channel::stream().map_err(cannot)?;
    tokio::spawn(serve(courier, far, Confinement::NONE));
    ask(outward, near).await.map_err(cannot).map(drop)
}

/// A store of authorities for each of 64 upstreams.
const PLANS_SIZE_MAX: usize = 64 << 20;

/// Three answers of yes or no.
const REPORT_SIZE_MAX: usize = 4096;
