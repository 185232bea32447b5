//! NATS with JetStream: sealed feeds as messages of a stream, taken and given one at a time.
//!
//! # Life of a message
//!
//! 1. [`NatsPublisher::publish`] returns when the stream has it. The id that goes with it lets the
//!    server tell a second try from a second message.
//! 2. [`NatsConsumer::open`] finds the durable consumer, or makes it: the server remembers in it
//!    what is done.
//! 3. [`NatsConsumer::next`] gives a message. Nothing is fetched ahead, so that no message grows
//!    old while another one is worked on.
//! 4. While a [`Holding`] lives, the server hears that the work goes on.
//! 5. [`NatsConsumer::settle`] says what became of it, and waits until the server knows.
//!
//! # Invariants
//!
//! - Every function waits; the library under it is asynchronous, and one thread of ours turns it,
//!   so that the connection stays alive while a message is worked on.
//! - Without TLS the connection stays on this machine, unless whoever calls says otherwise.
//! - A server may name others of its cluster; they are believed over TLS only.

mod consumer;
mod error;
mod publisher;
mod pull;
mod url;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use twinkeep_vault::SecretBytes;

use crate::tls::{ClientCertificate, TlsError, client_config, config_that_trusts_nobody};

pub use consumer::{Holding, NatsConsumer, NatsMessage, Settlement, StreamRequest};
pub use error::NatsError;
pub use publisher::{NatsPublisher, Published};
pub use url::NatsUrl;

/// Which server, and how to reach and trust it.
#[derive(Clone, Copy, Debug)]
pub struct NatsRequest<'a> {
    /// Where it is.
    pub url: &'a NatsUrl,
    /// The authorities to trust; without it, those of the system.
    pub ca: Option<&'a Path>,
    /// What proves to the server who we are.
    pub client: Option<&'a ClientCertificate>,
    /// How to log in.
    pub login: NatsLogin<'a>,
    /// Speak without TLS to another machine too: whoever listens learns the login.
    pub danger_no_tls: bool,
}

/// How to log in.
#[derive(Clone, Copy, Debug)]
pub enum NatsLogin<'a> {
    /// As nobody, or as whom the certificate says.
    Anonymous,
    /// With a name and a password.
    Password {
        /// The name.
        user: &'a str,
        /// The password.
        password: &'a SecretBytes,
    },
    /// With the content of a credentials file: a token of an operator, and the seed of a key.
    Credentials(&'a SecretBytes),
}

/// A connection that comes back by itself when it is lost.
struct Connection {
    // Dropped in this order: the client says good-bye while its runtime still turns.
    client: Client,
    runtime: Runtime,
    place: String,
    news: News,
}

/// What comes beside the answers.
#[derive(Clone, Default)]
struct News {
    /// What the server complained of last.
    complaint: Arc<Mutex<Option<String>>>,
    /// How often the connection was lost.
    cuts: Arc<AtomicU64>,
}

impl News {
    fn hear(&self, event: Event) {
        let complain = |text| {
            *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = text;
        };
        match event {
            Event::Connected => complain(None),
            Event::ServerError(error) => complain(Some(error.to_string())),
            Event::Disconnected => {
                self.cuts.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    fn complaint(&self) -> Option<String> {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Connection {
    /// Connects and logs in; the first time, a server that does not answer is an error.
    fn open(request: NatsRequest<'_>) -> Result<Self, NatsError> {
        let place = request.url.to_string();
        let news = News::default();
        let options = options(&request, &place, &news)?;
        let unreachable = |source| NatsError::Unreachable { place: place.clone(), source };
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("nats")
            .enable_all()
            .build()
            .map_err(|error| unreachable(Some(Box::new(error))))?;
        let connecting = async { timeout(LOGIN_TIME_MAX, options.connect(&place)).await };
        let client = runtime
            .block_on(connecting)
            .map_err(|_| unreachable(None))?
            .map_err(|error| refuse_connection(&place, error))?;
        Ok(Self { client, runtime, place, news })
    }

    fn is_up(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Returns how often the connection was lost: what was asked before that is not answered.
    fn cuts(&self) -> u64 {
        self.news.cuts.load(Ordering::Relaxed)
    }

    /// Returns the way to the streams.
    fn jetstream(&self) -> Context {
        // It starts a task of its own.
        let _inside = self.runtime.enter();
        ContextBuilder::new()
            .timeout(ANSWER_TIME_MAX)
            .ack_timeout(ANSWER_TIME_MAX)
            .build(self.client.clone())
    }

    /// Says that an answer did not come, or not the one that was hoped for.
    fn silent(&self) -> NatsError {
        NatsError::Silent { place: self.place.clone(), complaint: self.news.complaint() }
    }

    fn answered(&self, said: String) -> NatsError {
        NatsError::Answer { place: self.place.clone(), said }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({})", self.place)
    }
}

fn options(
    request: &NatsRequest<'_>,
    place: &str,
    news: &News,
) -> Result<ConnectOptions, NatsError> {
    let refuse = |source| NatsError::Tls { place: place.to_owned(), source };
    let options = ConnectOptions::new()
        .name("twinkeep")
        .connection_timeout(CONNECT_TIME_MAX)
        .ping_interval(PING_TIME);
    let options = if request.url.is_tls() {
        let config = client_config(request.ca, request.client).map_err(refuse)?;
        options.require_tls(true).tls_client_config(config)
    } else {
        if request.ca.is_some() || request.client.is_some() {
            return Err(NatsError::Url { problem: "begins with `nats://`, and TLS with `tls://`" });
        }
        if !request.url.is_loopback() && !request.danger_no_tls {
            return Err(NatsError::Plaintext { place: place.to_owned() });
        }
        // A server that wants TLS gets no further than to show its certificate.
        let config = config_that_trusts_nobody().map_err(refuse)?;
        options.ignore_discovered_servers().tls_client_config(config)
    };
    let heard = news.clone();
    let options = options.event_callback(move |event| {
        heard.hear(event);
        std::future::ready(())
    });
    log_in(options, request.login)
}

fn log_in(options: ConnectOptions, login: NatsLogin<'_>) -> Result<ConnectOptions, NatsError> {
    let text = |secret: &SecretBytes| {
        let text = std::str::from_utf8(secret.expose()).map(str::to_owned);
        text.map_err(|_| NatsError::Credentials { problem: "is not text" })
    };
    match login {
        NatsLogin::Anonymous => Ok(options),
        NatsLogin::Password { user, password } => {
            Ok(options.user_and_password(user.to_owned(), text(password)?))
        }
        NatsLogin::Credentials(file) => options.credentials(&text(file)?).map_err(|_| {
            NatsError::Credentials { problem: "does not hold a user's token and the seed of a key" }
        }),
    }
}

fn refuse_connection(place: &str, error: ConnectError) -> NatsError {
    let place = place.to_owned();
    if let Some(source) = TlsError::from_handshake(&error) {
        return NatsError::Tls { place, source };
    }
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            NatsError::Login { place }
        }
        _ => NatsError::Unreachable { place, source: Some(Box::new(error)) },
    }
}

/// The largest message there is: no server of NATS takes one that is larger.
pub const MESSAGE_LEN_MAX: usize = 64 << 20;

/// How long one address may take to answer at all.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// How long the way to the login may take, over all addresses of a name.
const LOGIN_TIME_MAX: Duration = Duration::from_secs(45);

/// How long an answer of the server may take: 64 MiB on a slow line, and a busy disk.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// How often the server is asked whether it is there: after two silent times the connection is
/// lost, and made again.
const PING_TIME: Duration = Duration::from_secs(15);
