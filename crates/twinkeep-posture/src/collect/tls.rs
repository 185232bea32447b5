//! Asks an address over TLS: one handshake with all that is good, one request, and a few attempts
//! with what should be refused.
//!
//! # Invariants
//!
//! - Nothing is sent but one `GET`, with no credential, and heads of handshakes.
//! - The certificate is judged after the handshake, so that a bad one is a fact and no failure.
//! - Every wait ends, however slowly the other side says something, and every answer is read up to
//!   a bound.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use self::timed::Timed;
use super::CollectError;
use crate::facts::tls::{Answer, Attempt, Handshake, Header, NoHandshake, Offer, Tls};

mod certificate;
mod hello;
mod timed;
mod watcher;

#[cfg(test)]
pub(crate) mod tests;

/// Whom to ask, and for what.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The name or address; also the name that the certificate must have.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// The path of the request.
    pub path: &'a str,
    /// When it is asked, in seconds since 1970.
    pub now_s: i64,
}

/// Whom to believe.
#[derive(Clone, Copy, Debug)]
pub enum Trust<'a> {
    /// The authorities that the system believes.
    System,
    /// These authorities, as DER.
    Authorities(&'a [Vec<u8>]),
}

/// How long is waited.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// For the connection and the handshake together, and then for the answer.
    handshake: Duration,
    /// For each attempt with something old.
    attempt: Duration,
}

/// Whoever needs longer is not asked.
const LIMITS: Limits =
    Limits { handshake: Duration::from_secs(10), attempt: Duration::from_secs(3) };

/// Asks an address.
pub fn collect(question: Question<'_>, trust: Trust<'_>) -> Result<Tls, CollectError> {
    collect_within(question, trust, LIMITS)
}

fn collect_within(
    question: Question<'_>,
    trust: Trust<'_>,
    limits: Limits,
) -> Result<Tls, CollectError> {
    let address = format!("{}:{}", question.host, question.port);
    let unreachable =
        |why: &str| CollectError::Unreachable { target: address.clone(), why: why.to_owned() };
    let name = ServerName::try_from(question.host.to_owned())
        .map_err(|_| unreachable("this is no name and no address; give HOST:PORT"))?;
    let fits = |char: char| char.is_ascii_graphic();
    if !question.path.starts_with('/') || !question.path.chars().all(fits) {
        return Err(unreachable("the path must begin with `/` and have no spaces"));
    }
    let stream = Timed::connect(question, limits.handshake);
    let stream = stream.ok_or_else(|| unreachable("nobody answers there; is the port right?"))?;
    let mut facts = Tls {
        address: address.clone(),
        asked_s: question.now_s,
        handshake: None,
        no_handshake: None,
        attempts: Vec::new(),
        answer: None,
    };
    match ask(question, stream, &name, trust, limits)? {
        Ok((handshake, answer)) => {
            facts.handshake = Some(handshake);
            facts.answer = answer;
        }
        Err(why) => facts.no_handshake = Some(why),
    }
    // Whoever says nothing at all says nothing to what is old either.
    if facts.no_handshake != Some(NoHandshake::Silent) {
        for offer in Offer::ALL {
            let taken = attempt(question, *offer, limits.attempt);
            facts.attempts.push(Attempt { offer: *offer, taken });
        }
    }
    Ok(facts)
}

/// What a handshake came to, and the answer to one request; why none came about, otherwise.
type Asked = Result<(Handshake, Option<Answer>), NoHandshake>;

/// Makes the handshake, and one request.
fn ask(
    question: Question<'_>,
    stream: Timed,
    name: &ServerName<'static>,
    trust: Trust<'_>,
    limits: Limits,
) -> Result<Asked, CollectError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let unusable = || CollectError::Unexpected {
        what: "the library of TLS".to_owned(),
        why: "it has no version in common with itself; this is a bug".to_owned(),
    };
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|_| unusable())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(watcher::Watcher::new(provider.clone())))
        .with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), name.clone());
    let mut connection = StreamOwned::new(connection.map_err(|_| unusable())?, stream);
    while connection.conn.is_handshaking() {
        if let Err(error) = connection.conn.complete_io(&mut connection.sock) {
            return Ok(Err(no_handshake(&error)));
        }
    }
    let chain: Vec<CertificateDer<'static>> =
        connection.conn.peer_certificates().unwrap_or_default().to_vec();
    let version = connection.conn.protocol_version();
    let group = connection.conn.negotiated_key_exchange_group();
    let handshake = Handshake {
        version: version.and_then(|it| it.as_str()).unwrap_or("unknown").replace("_", "."),
        group: group.and_then(|it| it.name().as_str()).map(str::to_owned),
        distrust: distrust(&chain, name, trust, question.now_s, provider),
        certificate: chain.first().and_then(|first| certificate::read(first)),
    };
    connection.sock.extend(limits.handshake);
    Ok(Ok((handshake, answer(&mut connection, question))))
}

fn no_handshake(error: &io::Error) -> NoHandshake {
    let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (error.kind(), of_tls) {
        // A socket whose time is up says one or the other.
        (io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock, _) => NoHandshake::Silent,
        (_, Some(rustls::Error::AlertReceived(alert))) => NoHandshake::Alert(u8::from(*alert)),
        _ => NoHandshake::Other,
    }
}

/// Why a chain is not believed, in words that name nobody.
fn distrust(
    chain: &[CertificateDer<'static>],
    name: &ServerName<'static>,
    trust: Trust<'_>,
    now_s: i64,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Option<String> {
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::System => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Trust::Authorities(authorities) => {
            roots.add_parsable_certificates(
                authorities.iter().map(|der| CertificateDer::from(der.clone())),
            );
        }
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let Ok(verifier) = verifier else {
        return Some("there is no authority to believe".to_owned());
    };
    let Some((first, others)) = chain.split_first() else {
        return Some("there is none".to_owned());
    };
    let now = Duration::from_secs(u64::try_from(now_s).unwrap_or(0));
    let judged =
        verifier.verify_server_cert(first, others, name, &[], UnixTime::since_unix_epoch(now));
    let why = match judged.err()? {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "it does not hold yet"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "it is for other names"
            }
            CertificateError::UnknownIssuer => "nobody who is believed issued it",
            CertificateError::BadSignature => "its signature is wrong",
            CertificateError::Revoked => "it was revoked",
            _ => "it is not in order",
        },
        _ => "it is not in order",
    };
    Some(why.to_owned())
}

/// Sends one request and reads the head of the answer.
fn answer(
    connection: &mut StreamOwned<ClientConnection, Timed>,
    question: Question<'_>,
) -> Option<Answer> {
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: twinkeep-scan\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        question.path, question.host
    );
    connection.write_all(request.as_bytes()).ok()?;
    connection.flush().ok()?;
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while head.len() < HEAD_LEN_MAX && !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match connection.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(length) => head.extend_from_slice(&buffer[..length]),
        }
    }
    parse_head(&head)
}

/// The status and the headers that rules ask about.
fn parse_head(head: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ');
    first.next().filter(|version| version.starts_with("HTTP/"))?;
    let status = first.next()?.parse().ok()?;
    let headers = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            let name = name.trim().to_ascii_lowercase();
            let value = match name.as_str() {
                // The value of a cookie is a secret; what follows it is not.
                "set-cookie" => value.split_once(';').map_or("", |(_, after)| after),
                _ if ASKED.contains(&name.as_str()) => value,
                _ => return None,
            };
            let value = value.trim().chars().filter(|char| !char.is_control());
            Some(Header { name, value: value.take(VALUE_LEN_MAX).collect() })
        })
        .take(HEADER_COUNT_MAX)
        .collect();
    Some(Answer { status, headers })
}

/// Offers something old. `None` if the answer says neither yes nor no.
fn attempt(question: Question<'_>, offer: Offer, limit: Duration) -> Option<bool> {
    let mut stream = Timed::connect(question, limit)?;
    let hello = hello::hello(offer, question.host);
    if stream.write_all(&hello).is_err() {
        return Some(false);
    }
    let mut head = [0; 11];
    let mut filled = 0;
    while filled < head.len() {
        match stream.read(&mut head[filled..]) {
            // Whoever hangs up has refused.
            Ok(0) if filled == 0 => return Some(false),
            Ok(0) => break,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Some(false);
            }
            Err(_) => return None,
            Ok(length) => filled += length,
        }
    }
    hello::taken(offer, &head[..filled])
}

/// Headers that rules ask about.
const ASKED: &[&str] = &[
    "cache-control",
    "content-security-policy",
    "content-type",
    "referrer-policy",
    "server",
    "strict-transport-security",
    "x-aspnet-version",
    "x-content-type-options",
    "x-frame-options",
    "x-powered-by",
];

/// Heads of answers are shorter.
const HEAD_LEN_MAX: usize = 64 << 10;

/// As much of a header is kept.
const VALUE_LEN_MAX: usize = 2000;

/// As many are kept.
const HEADER_COUNT_MAX: usize = 100;
