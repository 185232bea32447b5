//! What an operator can choose about the gate, and every limit that nobody needs to choose.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use twinkeep_app::GateConfig;

use crate::edge::EdgeLimits;
use crate::edge::watch::StallLimits;
use crate::limiter::Rate;
use crate::sessions::SessionLimits;
use crate::tls::ClientCertificates;
use crate::upstream::UpstreamPlans;

/// How the gate behaves.
#[derive(Clone, Debug)]
pub struct GateSettings {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Address and port for metrics, in the clear; none, if they are not served.
    pub metrics_listen: Option<SocketAddr>,
    /// Address and port for operators, with certificates only; none, if they have no listener.
    pub admin_listen: Option<SocketAddr>,
    /// Where spans of requests are kept; none, if they are not.
    pub trace_file: Option<PathBuf>,
    /// Where people reach it, for links.
    pub public_url: String,
    /// How often one API key may ask.
    pub identity_rate: Rate,
    /// How often one address may ask without a valid key.
    pub address_rate: Rate,
    /// How often everybody together may ask; any number of times, if there is none.
    pub total_rate: Option<Rate>,
    /// Connections at a time, in total.
    pub connection_count_max: usize,
    /// Connections at a time, from one address.
    pub connection_count_per_address_max: usize,
    /// Requests under way at a time.
    pub request_count_max: usize,
    /// Longest time in which a request's head must arrive, and again its body.
    pub request_arrival_time: Duration,
    /// Longest time without a request on an open connection.
    pub idle_time: Duration,
    /// Longest time from a request's head to the last byte of its answer.
    pub request_time: Duration,
    /// Longest time for what is under way when the gate closes.
    pub drain_time: Duration,
    /// Largest request body, in bytes.
    pub body_size_max: usize,
    /// How long a stream is silent before it gives a sign of life.
    pub heartbeat: Duration,
    /// Whether clients are asked for a certificate.
    pub client_certificates: ClientCertificates,
    /// How often the ledger gets the counts of what was turned away.
    pub report_interval: Duration,
    /// What connects to model servers behind the gate.
    pub upstreams: UpstreamPlans,
}

impl GateSettings {
    /// Takes the operator's choices, checked by [`twinkeep_app::Config::check`].
    pub fn new(listen: SocketAddr, config: &GateConfig) -> Self {
        let public_url = match (config.public_url.as_str(), config.names.first()) {
            ("", Some(name)) if name.contains(':') => format!("https://[{name}]:{}", listen.port()),
            ("", Some(name)) => format!("https://{name}:{}", listen.port()),
            (url, _) => url.to_owned(),
        };
        let rate = Rate { per_second: config.rate_per_second, burst: config.rate_burst };
        Self {
            listen,
            metrics_listen: config.metrics_listen.parse().ok(),
            admin_listen: config.admin_listen.parse().ok(),
            trace_file: config.trace_file.clone(),
            public_url,
            identity_rate: rate,
            address_rate: rate,
            total_rate: (0 < config.total_rate_per_second).then_some(Rate {
                per_second: config.total_rate_per_second,
                burst: config.total_rate_burst,
            }),
            connection_count_max: config.connection_count_max as usize,
            connection_count_per_address_max: config.connection_count_per_address_max as usize,
            request_count_max: REQUEST_COUNT_MAX,
            request_arrival_time: Duration::from_secs(config.request_seconds_max.into()),
            idle_time: Duration::from_secs(60),
            request_time: Duration::from_secs(60),
            drain_time: Duration::from_secs(10),
            body_size_max: config.body_size_max as usize,
            heartbeat: HEARTBEAT,
            client_certificates: config.client_certificates.into(),
            report_interval: Duration::from_secs(60),
            upstreams: UpstreamPlans::default(),
        }
    }

    /// Puts model servers behind the gate; a request may take as long as they may.
    #[must_use]
    pub fn with_upstreams(mut self, upstreams: UpstreamPlans) -> Self {
        let longest = Duration::from_secs(upstreams.answer_seconds_max().into());
        self.request_time = self.request_time.max(longest + UPSTREAM_MARGIN);
        self.upstreams = upstreams;
        self
    }

    pub(crate) fn edge(&self) -> EdgeLimits {
        EdgeLimits {
            handshake: self.request_arrival_time,
            stall: StallLimits {
                head: self.request_arrival_time,
                idle: self.idle_time,
                request: self.request_time,
                read_rate_min: READ_RATE_MIN,
                write: self.request_arrival_time,
                write_rate_min: WRITE_RATE_MIN,
                connection: CONNECTION_TIME,
                drain: self.drain_time,
            },
        }
    }

    pub(crate) fn sessions(&self) -> SessionLimits {
        SESSION_LIMITS
    }
}

/// For what stands before and after an upstream's answer.
const UPSTREAM_MARGIN: Duration = Duration::from_secs(10);

/// Half of what proxies usually wait for an answer to go on.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// More than two cores answer in a second of use cases; beyond that, waiting helps nobody.
const REQUEST_COUNT_MAX: usize = 256;

/// Bytes a second: the slowest line of a clinic sends faster.
const READ_RATE_MIN: u64 = 16 * 1024;

/// Bytes a second: an old modem reads faster.
const WRITE_RATE_MIN: u64 = 4 * 1024;

/// A client that stays connects again once an hour, and meets a renewed certificate.
const CONNECTION_TIME: Duration = Duration::from_secs(3600);

/// A lunch break, and a shift; more people than look at one keep.
const SESSION_LIMITS: SessionLimits = SessionLimits {
    idle: Duration::from_secs(30 * 60),
    age: Duration::from_secs(8 * 60 * 60),
    count_max: 1024,
};

/// Addresses and keys that are told apart: 100 bytes each.
pub(crate) const LIMITED_CLIENT_COUNT_MAX: usize = 65_536;
