//! A connection of HTTP/1.1 that holds next to nothing while nobody asks anything.
//!
//! The HTTP library has 16 KiB of buffers for each connection, used or not. So it gets a connection
//! when the first bytes of a request have arrived, and is let go of when nothing has been asked for
//! a moment: thousands of clients that keep their connections open cost a few kilobytes each.
//!
//! # Invariants
//!
//! - The library is let go of only between requests: while nothing is under way, nothing waits to be
//!   written, and every byte that came belongs to a request that was answered. What would be left of
//!   a body is never taken for a head.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::server::conn::http1::{Parts, UpgradeableConnection};
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWrite as _;
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

use super::connection::{Connection, WatchedBody};
use super::guarded_io::GuardedIo;
use super::watch::Watch;

/// A connection as the HTTP library gets it.
type Io = GuardedIo<TlsStream<TcpStream>>;

/// A connection, with the HTTP library or without.
pub(super) struct Parking<F, S: HttpService<Incoming>> {
    serve: F,
    watch: Arc<Watch>,
    state: State<S>,
    /// When to look whether the library can be let go of.
    look: Option<Pin<Box<Sleep>>>,
    /// It ends with what is under way.
    ending: bool,
}

enum State<S: HttpService<Incoming>> {
    /// Nobody asks anything.
    Parked(Io),
    /// The HTTP library has it.
    Serving(Box<UpgradeableConnection<TokioIo<Io>, S>>),
    /// It is being closed.
    Closing(Io),
    Ended,
}

impl<F, S> Parking<F, S>
where
    F: Fn(TokioIo<Io>) -> UpgradeableConnection<TokioIo<Io>, S> + Unpin,
    S: HttpService<Incoming, ResBody = WatchedBody>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Begins with a connection that has just been secured.
    pub(super) fn new(serve: F, io: Io, watch: Arc<Watch>) -> Self {
        Self { serve, watch, state: State::Parked(io), look: None, ending: false }
    }

    fn poll_run(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.state {
                State::Parked(io) => {
                    let more = ready!(io.poll_arrival(cx));
                    let State::Parked(io) = std::mem::replace(&mut self.state, State::Ended) else {
                        return Poll::Ready(());
                    };
                    self.state = match more {
                        true => State::Serving(Box::new((self.serve)(TokioIo::new(io)))),
                        false => State::Closing(io),
                    };
                }
                State::Serving(connection) => {
                    // An error here is the client's: it left, or broke off.
                    if Pin::new(connection.as_mut()).poll(cx).is_ready() {
                        self.state = State::Ended;
                        return Poll::Ready(());
                    }
                    ready!(self.poll_quiet(cx));
                    self.park();
                }
                State::Closing(io) => {
                    _ = ready!(Pin::new(io).poll_shutdown(cx));
                    self.state = State::Ended;
                }
                State::Ended => return Poll::Ready(()),
            }
        }
    }

    /// Waits until nothing has been asked for a moment. Whatever changes that wakes the task too.
    fn poll_quiet(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(since) = self.watch.quiet_since().filter(|_| !self.ending) else {
            self.look = None;
            return Poll::Pending;
        };
        loop {
            let due = since + QUIET;
            if due <= Instant::now() {
                self.look = None;
                return Poll::Ready(());
            }
            let sleep = || Box::pin(tokio::time::sleep_until(due.into()));
            let look = self.look.get_or_insert_with(sleep);
            if look.deadline() < due.into() {
                look.as_mut().reset(due.into());
            }
            ready!(look.as_mut().poll(cx));
        }
    }

    /// Takes the connection back from the HTTP library.
    fn park(&mut self) {
        let State::Serving(connection) = std::mem::replace(&mut self.state, State::Ended) else {
            return;
        };
        if let Some(Parts { io, read_buf, .. }) = connection.into_parts() {
            let io = io.into_inner();
            // What the library read and did not use is the rest of a body that nobody wanted.
            self.state = if read_buf.is_empty() { State::Parked(io) } else { State::Closing(io) };
        }
    }
}

impl<F, S> Connection for Parking<F, S>
where
    F: Fn(TokioIo<Io>) -> UpgradeableConnection<TokioIo<Io>, S> + Unpin,
    S: HttpService<Incoming, ResBody = WatchedBody>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    async fn run(mut self: Pin<&mut Self>) {
        poll_fn(|cx| self.as_mut().get_mut().poll_run(cx)).await;
    }

    fn graceful_shutdown(mut self: Pin<&mut Self>) {
        let this = self.as_mut().get_mut();
        this.ending = true;
        match std::mem::replace(&mut this.state, State::Ended) {
            State::Parked(io) | State::Closing(io) => this.state = State::Closing(io),
            State::Serving(mut connection) => {
                Pin::new(connection.as_mut()).graceful_shutdown();
                this.state = State::Serving(connection);
            }
            State::Ended => {}
        }
    }
}

impl<F, S: HttpService<Incoming>> Unpin for Parking<F, S> {}

/// Long enough that a client that is busy never meets it.
const QUIET: Duration = Duration::from_millis(500);
