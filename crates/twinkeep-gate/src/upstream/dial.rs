//! Opens connections to one upstream, in the courier.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use twinkeep_app::UpstreamProtocol;
use twinkeep_vault::digest::{equal_in_constant_time, sha256};

use super::fault::Fault;
use super::plan::{Plan, UpstreamPlans};
use crate::GateError;

/// Connects to one upstream, whatever address it is asked for.
#[derive(Clone)]
pub(super) struct Dialer(Arc<Target>);

struct Target {
    host: String,
    port: u16,
    time: Duration,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[error("no connection to an upstream")]
pub(super) struct DialError(pub(super) Fault);

impl Dialer {
    pub(super) fn new(plan: &Plan, plans: &UpstreamPlans) -> Result<Self, GateError> {
        let tls = plan.secured.then(|| tls(plan, plans)).transpose()?;
        let time = Duration::from_secs(plan.connect_seconds.into());
        Ok(Self(Arc::new(Target { host: plan.host.clone(), port: plan.port, time, tls })))
    }
}

impl Target {
    async fn dial(&self) -> Result<TokioIo<Line>, DialError> {
        let connected = tokio::time::timeout(self.time, self.connect()).await;
        connected.unwrap_or(Err(DialError(Fault::Slow))).map(TokioIo::new)
    }

    async fn connect(&self) -> Result<Line, DialError> {
        let mut tried = TcpStream::connect((self.host.as_str(), self.port)).await;
        if tried.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            // It may just be starting anew, and has not been told anything.
            tokio::time::sleep(AGAIN).await;
            tried = TcpStream::connect((self.host.as_str(), self.port)).await;
        }
        let stream = tried.map_err(|_| DialError(Fault::Unreachable))?;
        _ = stream.set_nodelay(true);
        match &self.tls {
            None => Ok(Line::Plain(stream)),
            Some((connector, name)) => {
                let secured = connector.connect(name.clone(), stream).await;
                Ok(Line::Secured(Box::new(secured.map_err(|_| DialError(Fault::Tls))?)))
            }
        }
    }
}

impl tower::Service<Uri> for Dialer {
    type Response = TokioIo<Line>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Line>, DialError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _address: Uri) -> Self::Future {
        let target = Arc::clone(&self.0);
        Box::pin(async move { target.dial().await })
    }
}

/// A connection.
pub(super) enum Line {
    Plain(TcpStream),
    Secured(Box<TlsStream<TcpStream>>),
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        let connected = Connected::new();
        match self {
            Self::Secured(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                connected.negotiated_h2()
            }
            _ => connected,
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Secured(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Secured(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Secured(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secured(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Secured(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

fn tls(
    plan: &Plan,
    plans: &UpstreamPlans,
) -> Result<(TlsConnector, ServerName<'static>), GateError> {
    let cannot = |what| GateError::Upstream { name: plan.name.clone(), what };
    let name = ServerName::try_from(plan.host.clone()).map_err(|_| cannot("its host"))?;
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(plans.roots_of(plan));
    if usable == 0 {
        return Err(cannot("its authorities"));
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|_| cannot("its authorities"))?;
    let verifier = Pinned { usual, pin: plan.pin.clone() };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| GateError::Tls { source })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = match plan.protocol {
        UpstreamProtocol::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        UpstreamProtocol::Http1 => vec![b"http/1.1".to_vec()],
        UpstreamProtocol::Http2 => vec![b"h2".to_vec()],
    };
    Ok((TlsConnector::from(Arc::new(config)), name))
}

/// The usual checks of a certificate, and then its public key must be the one that is known.
#[derive(Debug)]
struct Pinned {
    usual: Arc<WebPkiServerVerifier>,
    pin: Option<Vec<u8>>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.usual.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        let Some(pin) = &self.pin else { return Ok(verified) };
        let key = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
        match equal_in_constant_time(&sha256(&key), pin) {
            true => Ok(verified),
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// A server that is started anew listens again by then.
const AGAIN: Duration = Duration::from_millis(100);
