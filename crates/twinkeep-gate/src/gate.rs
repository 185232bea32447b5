//! What all requests share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use twinkeep_app::App;

use crate::address::AddressKey;
use crate::edge::Peer;
use crate::edge::tally::Tally;
use crate::json::BodyLimits;
use crate::limiter::{Decision, Limiter};
use crate::lockout::Lockout;
use crate::metrics::Metrics;
use crate::serve::Showing;
use crate::sessions::Sessions;
use crate::settings::{GateSettings, LIMITED_CLIENT_COUNT_MAX};
use crate::streams::Streams;
use crate::traces::{Span, Traces};
use crate::upstream::Upstreams;

/// The gate, as its handlers see it.
pub(crate) struct Gate {
    pub(crate) app: Arc<App>,
    pub(crate) settings: GateSettings,
    pub(crate) sessions: Sessions,
    pub(crate) tally: Arc<Tally>,
    pub(crate) metrics: Metrics,
    /// Where spans go, if they go anywhere.
    pub(crate) traces: Option<Traces>,
    /// One permit for each request under way.
    pub(crate) permits: Semaphore,
    /// The right to store a pushed feed: one at a time, as the store has one writer.
    pub(crate) storing: Semaphore,
    /// Who follows changes.
    pub(crate) streams: Streams,
    /// Model servers behind the gate.
    pub(crate) upstreams: Upstreams,
    /// What shows another certificate; nothing, in tests without a listener.
    pub(crate) showing: Option<Showing>,
    /// Who showed wrong credentials too often.
    pub(crate) lockout: Lockout,
    identities: Limiter<String>,
    addresses: Limiter<AddressKey>,
    /// Everybody together, if that is limited.
    everybody: Option<Limiter<()>>,
    started: Instant,
    /// Who has a single entry about going too fast in the current interval already.
    hasty: Mutex<BTreeMap<Client, ()>>,
}

/// Whom a rate limit is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Client {
    /// A caller whose key was recognized, by its id.
    Identity(String),
    /// Everybody else, by address.
    Address(AddressKey),
}

impl Gate {
    pub(crate) fn new(app: Arc<App>, settings: GateSettings) -> Self {
        let upstreams = Upstreams::new(&app.settings().upstreams, &settings.upstreams);
        Self {
            app,
            upstreams,
            sessions: Sessions::new(settings.sessions()),
            tally: Arc::new(Tally::default()),
            metrics: Metrics::new(),
            traces: None,
            showing: None,
            permits: Semaphore::new(settings.request_count_max),
            storing: Semaphore::new(1),
            streams: Streams::new(),
            lockout: Lockout::default(),
            identities: Limiter::new(settings.identity_rate, LIMITED_CLIENT_COUNT_MAX),
            addresses: Limiter::new(settings.address_rate, LIMITED_CLIENT_COUNT_MAX),
            everybody: settings.total_rate.map(|rate| Limiter::new(rate, 1)),
            started: Instant::now(),
            hasty: Mutex::default(),
            settings,
        }
    }

    /// Lets operators who are elsewhere have the certificate read again.
    pub(crate) fn showing(self, showing: Showing) -> Self {
        Self { showing: Some(showing), ..self }
    }

    /// Keeps spans from now on.
    pub(crate) fn tracing(self, traces: Option<Traces>) -> Self {
        Self { traces, ..self }
    }

    /// Returns the time since the start: what limits and sessions count in.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Decides whether `client` may ask once more now. What their own rate refuses costs the others
    /// nothing.
    pub(crate) fn charge(&self, client: &Client) -> Decision {
        let own = match client {
            Client::Identity(id) => self.identities.check(id, self.elapsed()),
            Client::Address(address) => self.addresses.check(address, self.elapsed()),
        };
        let Some(everybody) = self.everybody.as_ref().filter(|_| own.allowed()) else { return own };
        let all = everybody.check(&(), self.elapsed());
        if all.allowed() { own } else { all }
    }

    /// Returns whether this refusal for haste gets an entry of its own: the first of each client
    /// in an interval does, the rest are counted. Otherwise a client that is refused for asking
    /// too often could fill the ledger by asking more often.
    pub(crate) fn first_haste(&self, client: &Client) -> bool {
        let mut hasty = self.hasty.lock().unwrap_or_else(PoisonError::into_inner);
        let first =
            hasty.len() < HASTY_CLIENT_COUNT_MAX && hasty.insert(client.clone(), ()).is_none();
        if !first {
            self.tally.count(HASTE_COUNTED);
        }
        first
    }

    /// Keeps a span, if they are kept at all.
    pub(crate) fn trace(&self, span: impl FnOnce() -> Span) {
        if self.traces.as_ref().is_some_and(|traces| traces.keep(span())) {
            self.tally.count(SPANS_LOST);
        }
    }

    /// Starts a new interval.
    pub(crate) fn forget_haste(&self) {
        self.hasty.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn body_limits(&self) -> BodyLimits {
        BodyLimits {
            size_max: self.settings.body_size_max,
            time: self.settings.request_arrival_time,
        }
    }
}

impl Client {
    /// The client as far as the network knows it.
    pub(crate) fn of(peer: &Peer) -> Self {
        Self::Address(AddressKey::of(peer.address.ip()))
    }
}

/// Single entries about haste in one interval; beyond that, a flood comes from everywhere.
const HASTY_CLIENT_COUNT_MAX: usize = 256;

/// Requests refused for haste that have no entry of their own.
const HASTE_COUNTED: &str = "rate-limited";

/// Spans that found no room: the disk is slower than the gate.
const SPANS_LOST: &str = "spans-lost";
