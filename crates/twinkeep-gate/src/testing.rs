//! What the tests of this crate share: a certificate, and a client that speaks TLS and nothing else.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use twinkeep_vault::SecretBytes;

use crate::TlsMaterial;

/// Makes a certificate for `localhost`; returns what the server and what the client needs.
pub(crate) fn self_signed() -> (TlsMaterial, CertificateDer<'static>) {
    let names = vec!["localhost".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let material = TlsMaterial {
        cert_chain_pem: cert.pem(),
        key_pkcs8: SecretBytes::new(signing_key.serialize_der()),
    };
    (material, cert.der().clone())
}

/// A client of one server.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    root: CertificateDer<'static>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, root: CertificateDer<'static>) -> Self {
        Self { address, root }
    }

    /// Opens a TCP connection and says nothing.
    pub(crate) async fn connect_tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Opens a TLS connection that offers one application protocol.
    pub(crate) async fn connect(&self, protocol: &str) -> TlsStream<TcpStream> {
        self.try_connect(protocol).await.unwrap()
    }

    pub(crate) async fn try_connect(&self, protocol: &str) -> io::Result<TlsStream<TcpStream>> {
        self.try_connect_with(protocol, &[&rustls::version::TLS13]).await
    }

    /// Tries what is no longer spoken.
    pub(crate) async fn try_connect_tls12(&self) -> io::Result<TlsStream<TcpStream>> {
        self.try_connect_with("http/1.1", &[&rustls::version::TLS12]).await
    }

    async fn try_connect_with(
        &self,
        protocol: &str,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> io::Result<TlsStream<TcpStream>> {
        let config = ClientConfig::builder_with_protocol_versions(versions)
            .with_root_certificates(self.roots())
            .with_no_client_auth();
        self.try_connect_by(protocol, config).await
    }

    /// Shows a certificate, and signs with a key that may or may not belong to it.
    pub(crate) async fn connect_as(
        &self,
        chain_pem: &str,
        key: &TlsMaterial,
    ) -> io::Result<TlsStream<TcpStream>> {
        self.try_connect_by("http/1.1", self.showing(chain_pem, key)).await
    }

    /// How a client shows a certificate; whoever uses it twice may resume.
    pub(crate) fn showing(&self, chain_pem: &str, key: &TlsMaterial) -> ClientConfig {
        let chain = CertificateDer::pem_slice_iter(chain_pem.as_bytes());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.key_pkcs8.expose()));
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
        let shown = rustls::sign::CertifiedKey::new(chain.map(Result::unwrap).collect(), key);
        ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
            .with_root_certificates(self.roots())
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        roots
    }

    pub(crate) async fn try_connect_by(
        &self,
        protocol: &str,
        mut config: ClientConfig,
    ) -> io::Result<TlsStream<TcpStream>> {
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TcpStream::connect(self.address).await?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// Sends raw bytes over HTTP/1.1 and returns everything until the server closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect("http/1.1").await;
        ask(&mut stream, bytes).await
    }
}

/// Sends raw bytes and returns everything until the server closes.
pub(crate) async fn ask(stream: &mut TlsStream<TcpStream>, bytes: &[u8]) -> String {
    stream.write_all(bytes).await.unwrap();
    // What was written may still be in the TLS layer: it gives way to other futures of this task
    // before everything is out, and nobody but a flush comes back to it.
    stream.flush().await.unwrap();
    read_to_close(stream).await
}

/// Reads until the server closes, however it does so.
pub(crate) async fn read_to_close(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    _ = tokio::time::timeout(PATIENCE, read).await.expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Runs futures at the same time on this thread, and returns what they did, in order.
pub(crate) async fn all_at_once<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(|future| Some(Box::pin(future))).collect();
    let mut done: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, done) in waiting.iter_mut().zip(&mut done) {
            if let Some(running) = future
                && let Poll::Ready(output) = running.as_mut().poll(cx)
            {
                (*future, *done) = (None, Some(output));
            }
        }
        if waiting.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().map(Option::unwrap).collect()
}

/// Longer than any deadline in the tests, and than a slow machine takes: it only ends what hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
