//! The stall guard's clockwork: what one connection is doing, and until when it may.
//!
//! Every way to hold a connection without working is a state with a deadline. This is the state
//! machine alone: it is told what happens and at what time, and says when the connection ends.
//! [`super::guarded_io`] and [`super::connection`] tell it; `connection` obeys it.
//!
//! # Invariants
//!
//! - In every state there is a deadline: no connection can live for ever.
//! - An answer that goes on (a stream of changes) has the deadline of its connection, and that of
//!   what is not read.
//! - A trickle of bytes moves no deadline by itself; only whole requests, and bodies and answers
//!   that come or are read at a minimum rate, do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// How long each state may last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StallLimits {
    /// From the first byte of a request's head, or of an HTTP/2 preface, to its last.
    pub(crate) head: Duration,
    /// Without any request under way.
    pub(crate) idle: Duration,
    /// From a request's head to the last byte of its answer; longer while its body arrives at
    /// `read_rate_min`.
    pub(crate) request: Duration,
    /// Bytes a second at which a body must arrive to be given longer.
    pub(crate) read_rate_min: u64,
    /// With an answer waiting that the client does not read.
    pub(crate) write: Duration,
    /// Bytes a second that a client must read once its answers wait.
    pub(crate) write_rate_min: u64,
    /// From the first byte to the last.
    pub(crate) connection: Duration,
    /// For what is under way when the connection must end.
    pub(crate) drain: Duration,
}

/// Why a connection must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stall {
    /// The TLS handshake did not finish.
    Handshake,
    /// A request's head, or the HTTP/2 preface, did not finish.
    Head,
    /// Nothing was asked.
    Idle,
    /// A request and its answer took too long.
    Request,
    /// The answer was not read.
    Write,
    /// Too many frames came that ask for nothing.
    Flood,
    /// The connection is old.
    Age,
    /// What was under way did not finish when the connection had to end.
    Drain,
}

impl Stall {
    /// All of them.
    pub(crate) const ALL: [Self; 8] = [
        Self::Handshake,
        Self::Head,
        Self::Idle,
        Self::Request,
        Self::Write,
        Self::Flood,
        Self::Age,
        Self::Drain,
    ];

    /// Returns the permanent name in audit entries.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake-stalled",
            Self::Head => "head-stalled",
            Self::Idle => "idle",
            Self::Request => "request-stalled",
            Self::Write => "answer-not-read",
            Self::Flood => "frames-flooded",
            Self::Age => "connection-old",
            Self::Drain => "drain-stalled",
        }
    }

    /// Returns whether the client did nothing wrong, so that it is told before the end.
    pub(crate) fn polite(self) -> bool {
        matches!(self, Self::Idle | Self::Age)
    }
}

/// One connection's state, shared by its reader, its requests, and its supervisor.
pub(crate) struct Watch {
    state: Mutex<State>,
    /// The connection is not HTTP any more.
    switched: AtomicBool,
    /// Every byte that came belongs to a whole request, and has been handed on.
    at_rest: AtomicBool,
}

struct State {
    limits: StallLimits,
    opened: Instant,
    /// When the head that is being read began.
    head_since: Option<Instant>,
    /// When the last request ended.
    quiet_since: Instant,
    in_flight: BTreeMap<u64, Instant>,
    /// Answers under way that go on until one side ends them.
    going_on: usize,
    /// Bytes that came since a request is under way.
    received: u64,
    next_request: u64,
    blocked: Option<Blocked>,
    ending_since: Option<Instant>,
    flooded_at: Option<Instant>,
}

/// An answer that the network does not take.
#[derive(Clone, Copy)]
struct Blocked {
    since: Instant,
    written: u64,
}

/// A request under way; dropping it says that its answer has been handed over.
pub(crate) struct InFlight {
    watch: Arc<Watch>,
    number: u64,
    goes_on: bool,
}

impl InFlight {
    /// The answer goes on until one side ends it: from now on it is not late, and the connection
    /// is not idle. That it must be read, and that connections grow old, holds for it too.
    pub(crate) fn goes_on(&mut self) {
        self.watch.with(|state| {
            if state.in_flight.remove(&self.number).is_some() {
                state.going_on += 1;
                self.goes_on = true;
            }
        });
    }
}

impl Watch {
    /// Starts with a connection that has just been secured.
    pub(crate) fn new(limits: StallLimits, now: Instant) -> Arc<Self> {
        let state = State {
            limits,
            opened: now,
            head_since: None,
            quiet_since: now,
            in_flight: BTreeMap::new(),
            going_on: 0,
            received: 0,
            next_request: 0,
            blocked: None,
            ending_since: None,
            flooded_at: None,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            switched: AtomicBool::new(false),
            at_rest: AtomicBool::new(true),
        })
    }

    /// A head, or a preface, is incomplete.
    pub(crate) fn head_began(&self, now: Instant) {
        self.with(|state| _ = state.head_since.get_or_insert(now));
    }

    /// No head is incomplete.
    pub(crate) fn head_ended(&self) {
        self.with(|state| state.head_since = None);
    }

    /// A whole head arrived.
    pub(crate) fn request_began(self: &Arc<Self>, now: Instant) -> InFlight {
        let number = self.with(|state| {
            let number = state.next_request;
            state.next_request += 1;
            state.in_flight.insert(number, now);
            number
        });
        InFlight { watch: Arc::clone(self), number, goes_on: false }
    }

    /// The client sent `count` bytes.
    pub(crate) fn received(&self, count: usize) {
        self.with(|state| {
            if !state.in_flight.is_empty() {
                state.received = state.received.saturating_add(count as u64);
            }
        });
    }

    /// The network took `count` bytes; `all` of what waited, or only a part.
    pub(crate) fn wrote(&self, count: usize) {
        self.with(|state| {
            if let Some(blocked) = &mut state.blocked {
                blocked.written = blocked.written.saturating_add(count as u64);
            }
        });
    }

    /// The network takes no more.
    pub(crate) fn write_blocked(&self, now: Instant) {
        self.with(|state| _ = state.blocked.get_or_insert(Blocked { since: now, written: 0 }));
    }

    /// Nothing waits to be written.
    pub(crate) fn flushed(&self) {
        self.with(|state| state.blocked = None);
    }

    /// Too many frames came that ask for nothing: the connection ends at once.
    pub(crate) fn flooded(&self, now: Instant) {
        self.with(|state| _ = state.flooded_at.get_or_insert(now));
    }

    /// The connection must end; what is under way may finish.
    pub(crate) fn ending(&self, now: Instant) {
        self.with(|state| _ = state.ending_since.get_or_insert(now));
    }

    /// Returns since when nobody has asked anything, if nothing is under way and nothing waits.
    pub(crate) fn quiet_since(&self) -> Option<Instant> {
        self.with(|state| {
            let busy = !state.in_flight.is_empty()
                || 0 < state.going_on
                || state.head_since.is_some()
                || state.blocked.is_some();
            let at_rest = self.at_rest.load(Ordering::Acquire);
            (at_rest && !busy).then_some(state.quiet_since)
        })
    }

    /// Says whether every byte that came belongs to a whole request, and has been handed on.
    pub(crate) fn rests(&self, at_rest: bool) {
        self.at_rest.store(at_rest, Ordering::Release);
    }

    /// Both sides agree that what follows is not HTTP.
    pub(crate) fn switched(&self) {
        self.switched.store(true, Ordering::Release);
    }

    /// Returns whether they do.
    pub(crate) fn is_switched(&self) -> bool {
        self.switched.load(Ordering::Acquire)
    }

    /// Returns when the connection ends if nothing changes, and why.
    pub(crate) fn deadline(&self) -> (Instant, Stall) {
        self.with(|state| state.deadline())
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn deadline(&self) -> (Instant, Stall) {
        let limits = &self.limits;
        let mut first = match self.ending_since {
            Some(since) => (since + limits.drain, Stall::Drain),
            None => (self.opened + limits.connection, Stall::Age),
        };
        if let Some(at) = self.flooded_at {
            return (at, Stall::Flood);
        }
        let mut consider = |at: Instant, stall: Stall| {
            if at < first.0 {
                first = (at, stall);
            }
        };
        if let Some(&oldest) = self.in_flight.values().min() {
            let earned = Duration::from_secs(self.received / limits.read_rate_min.max(1));
            consider(oldest + limits.request + earned.min(limits.connection), Stall::Request);
        } else if 0 < self.going_on {
            // What waits behind an answer that goes on waits as long as that does.
        } else if let Some(since) = self.head_since {
            // A head that waits behind the request before it is not late yet.
            consider(since.max(self.quiet_since) + limits.head, Stall::Head);
        } else if self.ending_since.is_none() {
            consider(self.quiet_since + limits.idle, Stall::Idle);
        }
        if let Some(blocked) = self.blocked {
            let earned = blocked.written / limits.write_rate_min.max(1);
            let earned = Duration::from_secs(earned).min(limits.request);
            consider(blocked.since + limits.write + earned, Stall::Write);
        }
        first
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let now = Instant::now();
        self.watch.with(|state| {
            state.in_flight.remove(&self.number);
            state.going_on -= usize::from(self.goes_on);
            if state.in_flight.is_empty() {
                state.received = 0;
            }
            state.quiet_since = now;
        });
    }
}
