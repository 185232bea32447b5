//! The edge as a process: everything of [`crate::edge`], with the worker behind a socket.

use std::io;
use std::net::TcpListener as StdListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::crypto::aws_lc_rs;
use tokio::net::{TcpListener, UnixStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::forward::{Forwarder, Sender};
use super::hello::{Report, Word};
use super::lanes::Lanes;
use super::sandbox::{self, Confinement};
use super::signing::DistantKey;
use super::{channel, reception};
use crate::GateError;
use crate::edge::admission::Admission;
use crate::edge::tally::Tally;
use crate::edge::{self, Edge, Lane};
use crate::metrics::scrape;
use crate::tls;

/// Runs the edge until the worker says stop, or is gone.
pub fn run_edge() -> Result<(), GateError> {
    let cannot = |source| GateError::Edge { source };
    let sockets = Sockets::receive().map_err(cannot)?;
    // What the library reads once about the machine, it reads while it can.
    let _ = aws_lc_rs::default_provider().secure_random.fill(&mut [0; 32]);
    let confinement = sandbox::confine_edge();
    let runtime = Builder::new_current_thread().enable_all().build().map_err(cannot)?;
    runtime.block_on(run(sockets, confinement)).map_err(cannot)
}

/// The sockets that the launcher passes. At which door this edge stands it need not know.
struct Sockets {
    /// One for each loop.
    requests: Vec<OwnedFd>,
    signatures: OwnedFd,
    listener: StdListener,
    metrics: Option<StdListener>,
}

impl Sockets {
    fn receive() -> io::Result<Self> {
        let launcher = channel::from_parent()?;
        let mut lanes = [0];
        let (_, files) = channel::receive(launcher.as_fd(), &mut lanes)?;
        let mut files = files.into_iter();
        let mut next = || files.next().ok_or(io::Error::from(io::ErrorKind::UnexpectedEof));
        let signatures = next()?;
        let requests: io::Result<Vec<_>> = (0..lanes[0]).map(|_| next()).collect();
        let (requests, listener) = (requests?, next()?);
        let metrics = files.next().map(StdListener::from);
        Ok(Self { requests, signatures, listener: listener.into(), metrics })
    }
}

fn listen(listener: StdListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

async fn run(sockets: Sockets, confinement: Confinement) -> io::Result<()> {
    let Sockets { requests, signatures, listener, metrics } = sockets;
    let listener = listen(listener)?;
    // The thread that this runs on is the first loop.
    let others = Lanes::start("edge", requests.len().saturating_sub(1), 1)?;
    let senders = connect_all(requests, &others).await?;
    let ends: Vec<Sender> = senders.iter().map(|(_, sender)| sender.clone()).collect();
    let Some((_, mut sender)) = senders.first().cloned() else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let mut words = Words::open(&mut sender).await?;
    let Some(Word::Hello(hello)) = words.next().await? else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let key = DistantKey::new(signatures, &hello.identity.schemes)?;
    let asked = hello.client_certificates;
    let identities = tls::Identities::new(
        tls::certified(
            &hello.identity.chain_pem,
            Arc::new(key.with_schemes(&hello.identity.schemes)),
        )
        .map_err(io::Error::other)?,
    );
    let config = tls::config(Arc::clone(&identities) as Arc<_>, asked).map_err(io::Error::other)?;
    let tally = Arc::new(Tally::default());
    let admission =
        Admission::new(hello.connection_count_max, hello.connection_count_per_address_max);
    let lane = |(runtime, sender)| {
        let forwarder = Forwarder::new(sender);
        let edge = Edge {
            tls: TlsAcceptor::from(Arc::clone(&config)),
            admission: Arc::clone(&admission),
            limits: hello.limits(),
            tally: Arc::clone(&tally),
            answer: Box::new(move |peer, request| {
                let forwarder = forwarder.clone();
                Box::pin(async move { forwarder.answer(peer, request).await })
            }),
        };
        Lane { edge: Arc::new(edge), runtime }
    };
    let lanes: Vec<Lane> = senders.into_iter().map(lane).collect();
    report(&mut sender, &Report::Ready(confinement)).await?;
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(edge::run(lanes, listener, stopped));
    let counting = tokio::spawn(count(sender.clone(), Arc::clone(&tally)));
    if let Some(metrics) = metrics {
        let sender = sender.clone();
        let source = move || -> Pin<Box<dyn Future<Output = _> + Send>> {
            Box::pin(metrics_of(sender.clone()))
        };
        tokio::spawn(scrape::run(listen(metrics)?, Arc::new(source)));
    }
    loop {
        match next_word(&mut words, &ends).await? {
            Some(Word::Stop) => break,
            Some(Word::Identity(new)) => {
                let key = Arc::new(key.with_schemes(&new.schemes));
                let new = tls::certified(&new.chain_pem, key).map_err(io::Error::other)?;
                identities.replace(new);
            }
            // Without a worker there is nothing to serve.
            Some(Word::Hello(_)) | None => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
    _ = stop.send(true);
    _ = serving.await;
    counting.abort();
    turned_away(&mut sender, &tally).await
}

/// Waits for what the worker says next. A loop that has lost the worker ends the edge, as if the
/// worker were gone: another edge gets new sockets, and this loop would refuse for ever.
async fn next_word(words: &mut Words, ends: &[Sender]) -> io::Result<Option<Word>> {
    loop {
        match tokio::time::timeout(COUNT_INTERVAL, words.next()).await {
            Ok(word) => return word,
            Err(_) if ends.iter().any(Sender::is_closed) => return Ok(None),
            Err(_) => {}
        }
    }
}

/// Connects each loop to the worker, in that loop.
async fn connect_all(requests: Vec<OwnedFd>, others: &Lanes) -> io::Result<Vec<(Handle, Sender)>> {
    let mut senders = Vec::new();
    for (number, requests) in requests.into_iter().enumerate() {
        let other = number.checked_sub(1).and_then(|number| others.get(number).cloned());
        let lane = other.unwrap_or_else(Handle::current);
        let sender = lane.spawn(connect(requests)).await.map_err(io::Error::other)??;
        senders.push((lane, sender));
    }
    Ok(senders)
}

pub(crate) async fn connect(requests: OwnedFd) -> io::Result<Sender> {
    let stream = StdStream::from(requests);
    stream.set_nonblocking(true)?;
    let stream = TokioIo::new(UnixStream::from_std(stream)?);
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(reception::ANSWER_WINDOW)
        .initial_connection_window_size(reception::CONNECTION_WINDOW)
        .max_send_buf_size(reception::ANSWER_WINDOW as usize)
        .max_header_list_size(reception::HEAD_SIZE_MAX)
        // A client that gives up many requests must not cost the others their connection.
        .max_concurrent_reset_streams(reception::RESET_COUNT_MAX)
        .max_local_error_reset_streams(None)
        .handshake(stream)
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(connection);
    Ok(sender)
}

/// What the worker says, line by line.
struct Words {
    body: Incoming,
    rest: Vec<u8>,
}

impl Words {
    async fn open(sender: &mut Sender) -> io::Result<Self> {
        let request = reception::internal(reception::WORDS, Body::empty());
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        Ok(Self { body: response.into_body(), rest: Vec::new() })
    }

    async fn next(&mut self) -> io::Result<Option<Word>> {
        loop {
            if let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Ok(Some(serde_json::from_slice(&line)?));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.rest.extend(frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => return Ok(None),
            }
        }
    }
}

pub(super) async fn report(sender: &mut Sender, report: &Report) -> io::Result<()> {
    let body = Body::from(serde_json::to_vec(report)?);
    let request: Request<_> = reception::internal(reception::REPORT, body);
    sender.send_request(request).await.map_err(io::Error::other)?;
    Ok(())
}

/// Asks the worker for the metrics.
async fn metrics_of(mut sender: Sender) -> Option<String> {
    let request = reception::internal(reception::METRICS, Body::empty());
    let response = sender.send_request(request).await.ok()?;
    let body = response.into_body().collect().await.ok()?;
    String::from_utf8(body.to_bytes().into()).ok().filter(|text| !text.is_empty())
}

/// Tells the worker what was turned away: it has the ledger.
async fn count(mut sender: Sender, tally: Arc<Tally>) {
    loop {
        tokio::time::sleep(COUNT_INTERVAL).await;
        // If the worker is gone, the edge is about to end.
        _ = turned_away(&mut sender, &tally).await;
    }
}

async fn turned_away(sender: &mut Sender, tally: &Tally) -> io::Result<()> {
    let counts = tally.take();
    if counts.is_empty() {
        return Ok(());
    }
    let counts = counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
    report(sender, &Report::TurnedAway(counts)).await
}

/// What an edge that dies may forget to count.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);
