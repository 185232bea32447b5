//! The deployment that is attacked, and the ways to speak with it.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    StreamOwned,
};

/// A connection in TLS.
pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// What is attacked, and how long an attack waits.
#[derive(Clone, Debug)]
pub struct Target {
    /// The name in the address.
    pub host: String,
    /// Where that is.
    pub address: SocketAddr,
    /// The path that needs a credential.
    pub path: String,
    /// A credential that holds, if forgeries of it are to be tried.
    pub credential: Option<String>,
    /// The authorities that the server's certificate must lead to (PEM).
    pub roots: Option<String>,
    /// How long a connection may be held open without working.
    pub patience: Duration,
    /// The time, in seconds since 1970: what a forged token says it ends after.
    pub now_seconds: i64,
}

/// Why nothing was attacked.
#[derive(Debug, thiserror::Error)]
pub enum AttackError {
    /// The address is none.
    #[error("`{url}` is no address such as `https://localhost:8443`")]
    Url {
        /// As it was given.
        url: String,
    },
    /// Nobody is there.
    #[error("cannot connect to `{host}`")]
    Unreachable {
        /// Whose name it is.
        host: String,
        /// What the system said.
        source: io::Error,
    },
}

impl AttackError {
    /// Returns the permanent name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url { .. } => "selfattack-url",
            Self::Unreachable { .. } => "selfattack-unreachable",
        }
    }
}

/// An answer over HTTP/1.1, or as much of it as came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// 0 if there was none.
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// How many there were until the server closed.
    pub(crate) count: usize,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value)
        });
        line.map(str::trim)
    }

    pub(crate) fn said(&self) -> String {
        match (self.status, self.count) {
            (0, _) => "closed without an answer".to_owned(),
            (status, 0 | 1) => status.to_string(),
            (status, count) => format!("{status}, and {} more", count - 1),
        }
    }

    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
        Self {
            status: status.unwrap_or(0),
            head: head.to_owned(),
            body: body.to_owned(),
            count: text.split("HTTP/1.").skip(1).filter(|rest| is_status_line(rest)).count(),
        }
    }
}

impl Target {
    /// Reads an address; the path, if it has one, is the one that needs a credential.
    pub fn parse(url: &str, patience: Duration) -> Result<Self, AttackError> {
        let bad = || AttackError::Url { url: url.to_owned() };
        let rest = url.strip_prefix("https://").ok_or_else(bad)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| bad())?),
            _ => (authority, 443_u16),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.contains(['@', '?', '#']) {
            return Err(bad());
        }
        let unreachable = |source| AttackError::Unreachable { host: host.to_owned(), source };
        let mut found = (host, port).to_socket_addrs().map_err(unreachable)?;
        let address = found.next().ok_or_else(bad)?;
        let path = if path.is_empty() { "/api/v1/twins".to_owned() } else { format!("/{path}") };
        let host = host.to_owned();
        Ok(Self { host, address, path, credential: None, roots: None, patience, now_seconds: 0 })
    }

    /// Sees whether anybody is there.
    pub(crate) fn check(&self) -> Result<(), AttackError> {
        let connected = self.tls(b"http/1.1").map(drop);
        connected.map_err(|source| AttackError::Unreachable { host: self.host.clone(), source })
    }

    /// Opens a TCP connection.
    pub(crate) fn tcp(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address, HANDSHAKE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(STEP))?;
        stream.set_write_timeout(Some(STEP))?;
        Ok(stream)
    }

    /// Opens a TLS connection with whoever is there: whose certificate it is, is another question.
    pub(crate) fn tls(&self, protocol: &[u8]) -> io::Result<Stream> {
        self.tls_with(protocol, &[&rustls::version::TLS13, &rustls::version::TLS12])
    }

    fn tls_with(
        &self,
        protocol: &[u8],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> io::Result<Stream> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        self.connect(config, protocol)
    }

    fn connect(&self, mut config: ClientConfig, protocol: &[u8]) -> io::Result<Stream> {
        config.alpn_protocols = vec![protocol.to_vec()];
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        let session = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, self.tcp()?);
        let begin = Instant::now();
        while stream.conn.is_handshaking() {
            match stream.conn.complete_io(&mut stream.sock) {
                Ok(_) => {}
                Err(error) if is_pause(&error) && begin.elapsed() < HANDSHAKE => {}
                Err(error) => return Err(error),
            }
        }
        Ok(stream)
    }

    /// Returns whether the server's certificate leads to the given authorities and has its name.
    pub(crate) fn certificate_holds(&self, roots: &str) -> io::Result<()> {
        let mut store = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(roots.as_bytes()) {
            store.add(root.map_err(io::Error::other)?).map_err(io::Error::other)?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(io::Error::other)?
            .with_root_certificates(store)
            .with_no_client_auth();
        self.connect(config, b"http/1.1").map(drop)
    }

    /// Sends bytes on a new connection, and reads until the server closes or falls silent.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Answer {
        let Ok(mut stream) = self.tls(b"http/1.1") else { return Answer::default() };
        _ = stream.write_all(bytes).and_then(|()| stream.flush());
        Answer::parse(&read_until(&mut stream, SILENCE))
    }

    /// The same; who is told to come back later does.
    pub(crate) fn ask(&self, bytes: &[u8]) -> Answer {
        let mut answer = self.raw(bytes);
        for _ in 0..RETRIES {
            if answer.status != 429 {
                break;
            }
            let wait = answer.header("retry-after").and_then(|text| text.parse().ok());
            thread::sleep(Duration::from_secs(wait.unwrap_or(1).clamp(1, 70)));
            answer = self.raw(bytes);
        }
        answer
    }

    /// Asks for the same again and again on one connection, faster than one after the other; returns
    /// the statuses.
    pub(crate) fn in_a_row(&self, path: &str, count: usize) -> Vec<u16> {
        let Ok(mut stream) = self.tls(b"http/1.1") else { return Vec::new() };
        let one = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        let (mut statuses, mut tail) = (Vec::new(), String::new());
        while statuses.len() < count {
            // No more than both sides hold without waiting for each other.
            let batch = one.repeat(IN_A_ROW);
            if stream.write_all(batch.as_bytes()).and_then(|()| stream.flush()).is_err() {
                break;
            }
            let (begin, before) = (Instant::now(), statuses.len());
            while statuses.len() < before + IN_A_ROW && begin.elapsed() < HANDSHAKE {
                let mut buffer = [0; 16 * 1024];
                match stream.read(&mut buffer) {
                    Ok(0) => return statuses,
                    Ok(count) => tail.push_str(&String::from_utf8_lossy(&buffer[..count])),
                    Err(error) if is_pause(&error) => continue,
                    Err(_) => return statuses,
                }
                // A status line that is not whole yet stays.
                while let Some(at) = tail.find("HTTP/1.") {
                    let Some(line) = tail.get(at + 7..at + 12) else { break };
                    let status = is_status_line(line).then(|| line[2..].parse().unwrap_or(0));
                    statuses.extend(status);
                    tail.drain(..at + 7);
                }
            }
        }
        statuses
    }

    /// A request as a good client sends it.
    pub(crate) fn request(&self, method: &str, path: &str, lines: &str) -> Vec<u8> {
        let host = &self.host;
        format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n")
            .into_bytes()
    }
}

/// Returns whether `1 200 ...` follows; a sentence may speak of the version, too.
fn is_status_line(rest: &str) -> bool {
    let code = rest.strip_prefix(['0', '1']).and_then(|rest| rest.strip_prefix(' '));
    code.and_then(|code| code.get(..3)).is_some_and(|code| code.bytes().all(|b| b.is_ascii_digit()))
}

/// Reads until the other side closes, or is silent for so long once it has begun.
pub(crate) fn read_until(stream: &mut Stream, silence: Duration) -> Vec<u8> {
    let (mut found, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    let mut last = Instant::now();
    let patience = |begun: bool| if begun { silence } else { HANDSHAKE };
    while found.len() < ANSWER_SIZE_MAX && last.elapsed() < patience(!found.is_empty()) {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                found.extend_from_slice(&buffer[..count]);
                last = Instant::now();
            }
            Err(error) if is_pause(&error) => {}
            Err(_) => break,
        }
    }
    found
}

/// Nothing came, or nothing could go, in the time of a step.
pub(crate) fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Takes every certificate: an attacker does not ask who is there.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// How long one call waits; a deadline is looked at after each.
const STEP: Duration = Duration::from_millis(500);

/// The slowest honest handshake, and the first byte of an answer.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// An answer that has begun goes on, or is over.
const SILENCE: Duration = Duration::from_secs(5);

/// Requests before the first answer is read.
const IN_A_ROW: usize = 20;

/// A server that shuts somebody out does so for minutes; twice is enough.
const RETRIES: usize = 3;

/// More than any answer that is looked at.
const ANSWER_SIZE_MAX: usize = 4 << 20;
