//! The edge: the listener, TLS, and everything between a socket and an HTTP request.
//!
//! # Life of a connection
//!
//! 1. [`run`] accepts it, if [`admission`] has room for its address.
//! 2. [`connection`] finishes the handshake and lets ALPN choose the protocol.
//! 3. [`guarded_io`] passes on requests that [`head`] finds unambiguous, and tells [`watch`] what
//!    the client does.
//! 4. `watch` says until when; `connection` ends what takes longer, and [`tally`] counts it.
//!
//! # Invariants
//!
//! - Nothing here knows a route, a caller, or a use case.
//! - Every connection has a deadline at every moment.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub(crate) mod admission;
mod connection;
pub(crate) mod filter;
mod frames;
mod guarded_io;
pub(crate) mod head;
mod parked;
mod strict;
pub(crate) mod switch;
pub(crate) mod tally;
#[cfg(test)]
mod tests;
pub(crate) mod watch;

use admission::Admission;
use tally::Tally;
use watch::StallLimits;

/// Who sent a request, as far as the network knows: an extension of every request that reaches
/// the pipeline, and nothing that a client can write.
#[derive(Clone)]
pub(crate) struct Peer {
    /// The other end of the connection.
    pub(crate) address: SocketAddr,
    /// What is spoken.
    pub(crate) protocol: Protocol,
    /// What the client showed in the handshake, if it was asked to and did.
    pub(crate) certificates: Option<ShownCertificates>,
}

/// The certificates that a client showed, leaf first. The handshake proved that it holds the
/// leaf's private key, and nothing else: who issued them, for whom, and until when is for whoever
/// reads them to judge.
#[derive(Clone)]
pub(crate) struct ShownCertificates(Arc<[CertificateDer<'static>]>);

impl ShownCertificates {
    /// Takes what the TLS library has verified the client's signature by.
    pub(crate) fn of(session: &rustls::ServerConnection) -> Option<Self> {
        session
            .peer_certificates()
            .filter(|chain| !chain.is_empty())
            .map(|chain| Self(chain.into()))
    }

    /// Takes them from the process that made the handshake.
    pub(crate) fn from_chain(chain: Vec<CertificateDer<'static>>) -> Option<Self> {
        (!chain.is_empty()).then(|| Self(chain.into()))
    }

    /// Returns them, leaf first; at least one.
    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.0
    }
}

/// The version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1, behind the strict filter.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Marks an answer that goes on until one side ends it: it is not late.
#[derive(Clone, Copy)]
pub(crate) struct Streaming;

/// Turns a request into its answer.
pub(crate) type Answerer = Box<
    dyn Fn(Peer, Request<Body>) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>>
        + Send
        + Sync,
>;

/// What all connections share.
pub(crate) struct Edge {
    /// Makes connections secure.
    pub(crate) tls: TlsAcceptor,
    /// Who may connect.
    pub(crate) admission: Arc<Admission>,
    /// How long each state of a connection may last.
    pub(crate) limits: EdgeLimits,
    /// What was turned away.
    pub(crate) tally: Arc<Tally>,
    /// What answers requests.
    pub(crate) answer: Answerer,
}

/// How long each state of a connection may last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EdgeLimits {
    /// From the TCP connection to the end of the TLS handshake.
    pub(crate) handshake: Duration,
    /// After the handshake.
    pub(crate) stall: StallLimits,
}

/// An event loop, and how it answers requests.
pub(crate) struct Lane {
    /// Shares everything but the answerer with those of other loops.
    pub(crate) edge: Arc<Edge>,
    /// The loop.
    pub(crate) runtime: Handle,
}

impl Lane {
    /// Serves in the loop that calls this.
    pub(crate) fn here(edge: Edge) -> Vec<Self> {
        vec![Self { edge: Arc::new(edge), runtime: Handle::current() }]
    }
}

/// Accepts connections until told to stop, then lets what is under way finish, within bounds. The
/// connections go round the loops; there is at least one.
pub(crate) async fn run(lanes: Vec<Lane>, listener: TcpListener, stop: Receiver<bool>) {
    let Some(Lane { edge, .. }) = lanes.first() else { return };
    let mut turns = lanes.iter().cycle();
    let mut tasks = JoinSet::new();
    let mut stopped = stop.clone();
    loop {
        tokio::select! {
            biased;
            () = told_to_stop(&mut stopped) => break,
            _ = tasks.join_next(), if !tasks.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    let lane = turns.next().filter(|_| 1 < lanes.len());
                    admit((edge, lane), stream, address, &stop, &mut tasks);
                }
                Err(_) => {
                    edge.tally.count(tally::ACCEPT_FAILED);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let all = async { while tasks.join_next().await.is_some() {} };
    _ = tokio::time::timeout(edge.limits.stall.drain + DRAIN_MARGIN, all).await;
}

/// Serves a connection, in another loop if there is one whose turn it is.
fn admit(
    (edge, lane): (&Arc<Edge>, Option<&Lane>),
    stream: TcpStream,
    address: SocketAddr,
    stop: &Receiver<bool>,
    tasks: &mut JoinSet<()>,
) {
    match edge.admission.admit(address.ip()) {
        Ok(ticket) => {
            let stop = stop.clone();
            match lane {
                None => {
                    let serving = connection::serve(Arc::clone(edge), stream, address, stop);
                    tasks.spawn(async move {
                        serving.await;
                        drop(ticket);
                    });
                }
                Some(Lane { edge, runtime }) => {
                    let edge = Arc::clone(edge);
                    // A socket that no loop takes is closed, as one that fails later.
                    let Ok(stream) = stream.into_std() else { return };
                    let serving = async move {
                        if let Ok(stream) = TcpStream::from_std(stream) {
                            connection::serve(edge, stream, address, stop).await;
                        }
                        drop(ticket);
                    };
                    tasks.spawn_on(serving, runtime);
                }
            }
        }
        // Dropping the stream is the whole answer: anything more would be work for the attacker.
        Err(full) => edge.tally.full(full),
    }
}

/// Waits until the gate is told to stop, or whoever could tell it is gone.
async fn told_to_stop(stop: &mut Receiver<bool>) {
    _ = stop.wait_for(|stop| *stop).await;
}

/// When files or memory are short, trying again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// For tasks to notice that their own deadline has passed.
const DRAIN_MARGIN: Duration = Duration::from_millis(500);
