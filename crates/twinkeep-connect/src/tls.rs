//! TLS as a client: whom to trust, and how to prove who we are.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use twinkeep_vault::files::{open_to_others, read_bounded, read_secret_bounded};

use crate::https::CERTIFICATES_SIZE_MAX;

/// What proves to a server who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate and those that lead to its root, leaf first, as PEM.
    pub chain: PathBuf,
    /// The private key of the leaf, as PEM, readable by its owner only.
    pub key: PathBuf,
}

/// Why there is no TLS, or why a server is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("`{}` {problem}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The system trusts nobody.
    #[error("the system has no certificates to trust")]
    NoRoots,
    /// The library refuses the configuration.
    #[error("cannot prepare TLS")]
    Configuration {
        /// What it said.
        source: rustls::Error,
    },
    /// The server is not who it should be, or cannot show that it is.
    #[error("the server's certificate is not trusted: {}", reason(.0))]
    Certificate(CertificateError),
    /// The two sides did not agree.
    #[error("the TLS handshake failed")]
    Handshake {
        /// What went wrong.
        source: rustls::Error,
    },
}

impl TlsError {
    /// The permanent name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } | Self::Content { .. } => "tls-file",
            Self::NoRoots => "tls-roots",
            Self::Configuration { .. } => "tls-configuration",
            Self::Certificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => "tls-host-name",
            Self::Certificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            ) => "tls-expired",
            Self::Certificate(_) => "tls-untrusted",
            Self::Handshake { .. } => "tls-handshake",
        }
    }

    /// The next step, where it is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self.code() {
            "tls-host-name" => Some(
                "name the server as its certificate does (subject alternative names; the common name does not count)",
            ),
            "tls-untrusted" => {
                Some("pass the certificate of the authority that issued it: `--ca FILE`")
            }
            "tls-roots" => Some("install `ca-certificates`, or pass `--ca FILE`"),
            _ => None,
        }
    }

    /// Takes the reason out of what the TLS library said through `io`.
    pub(crate) fn from_handshake(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            let rustls = inner
                .and_then(|inner| inner.downcast_ref::<rustls::Error>())
                .or_else(|| error.downcast_ref::<rustls::Error>());
            match rustls {
                Some(rustls::Error::InvalidCertificate(reason)) => {
                    return Some(Self::Certificate(reason.clone()));
                }
                Some(other) => return Some(Self::Handshake { source: other.clone() }),
                None => cause = error.source(),
            }
        }
        None
    }
}

/// Makes the configuration of a client that verifies the certificate and the name of a server.
///
/// It trusts the authorities in `ca` and nobody else; without it, those that the system trusts.
pub fn client_config(
    ca: Option<&Path>,
    client: Option<&ClientCertificate>,
) -> Result<ClientConfig, TlsError> {
    let roots = match ca {
        Some(path) => roots_of(path)?,
        None => system_roots()?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Configuration { source })?
        .with_root_certificates(roots);
    let Some(ClientCertificate { chain, key }) = client else {
        return Ok(builder.with_no_client_auth());
    };
    let certificates = certificates(chain)?;
    let key = private_key(key)?;
    builder
        .with_client_auth_cert(certificates, key)
        .map_err(|source| TlsError::Configuration { source })
}

/// Makes a configuration that accepts no server: where no TLS was meant, none is trusted.
pub(crate) fn config_that_trusts_nobody() -> Result<ClientConfig, TlsError> {
    Ok(ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Configuration { source })?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

fn roots_of(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|_| TlsError::Content {
            path: path.to_path_buf(),
            problem: "holds something that is not a certificate of an authority",
        })?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // A certificate of the system that cannot be read is one authority less to trust.
    let (added, _) = roots.add_parsable_certificates(system_certificates());
    if added == 0 { Err(TlsError::NoRoots) } else { Ok(roots) }
}

/// Returns what the system trusts.
pub(crate) fn system_certificates() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

/// Reads the certificates of a PEM file.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let problem = |problem| TlsError::Content { path: path.to_path_buf(), problem };
    let bytes = read_bounded(path, CERTIFICATES_SIZE_MAX)
        .map_err(|source| TlsError::File { path: path.to_path_buf(), source })?;
    let found = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| problem("is not PEM"))?;
    if found.is_empty() { Err(problem("holds no certificate")) } else { Ok(found) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let file = |source| TlsError::File { path: path.to_path_buf(), source };
    let problem = |problem| TlsError::Content { path: path.to_path_buf(), problem };
    if open_to_others(path).map_err(file)? != 0 {
        return Err(problem("can be read by others: run `chmod 600` on it"));
    }
    let bytes = read_secret_bounded(path, KEY_SIZE_MAX).map_err(file)?;
    PrivateKeyDer::from_pem_slice(bytes.expose()).map_err(|_| problem("holds no private key"))
}

/// Says in our words why a certificate is refused; the library's own words list what it holds.
fn reason(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet"
        }
        CertificateError::UnknownIssuer => "it is from an unknown authority",
        CertificateError::Revoked => "it was revoked",
        CertificateError::BadSignature => "its signature does not hold",
        CertificateError::BadEncoding => "it cannot be read",
        CertificateError::Other(_) => "it may not be used for a server",
        _ => "it breaks a rule",
    }
}

/// An RSA key of 16,384 bits takes 13 KiB.
const KEY_SIZE_MAX: u64 = 64 << 10;
