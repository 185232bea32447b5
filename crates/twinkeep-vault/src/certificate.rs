//! Certificates: a keep's private certificate authority, and what it issues (RFC 5280).
//!
//! A keep is its own authority, so that the first start needs no account anywhere and no name in
//! public logs. Clients trust one file, `ca.pem`. Keys are ECDSA P-256, which every TLS library
//! takes.
//!
//! # Invariants
//!
//! - An authority signs servers and clients, and no other authorities (path length 0).
//! - A private key leaves this module as [`SecretBytes`]; the caller wraps it before it is stored.
//! - The time is a parameter.

use std::fmt;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, DistinguishedName, DnType, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber, date_time_ymd,
};
use twinkeep_domain::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::SecretBytes;
use crate::ecdsa::{parse_pem, parse_pem_all};

mod client;
mod server;
#[cfg(test)]
mod tests;

pub use client::{
    CLIENT_DAYS_MAX, ClientCertificate, ClientRequest, Withdrawn, private_key_pem,
    revocation_list_pem,
};
pub use server::{IssuedServer, SERVER_DAYS, ServerCertificate};

/// The private authority of a keep.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    cert_pem: String,
    key: SecretBytes,
    list_at: Option<String>,
}

/// Why a certificate cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The name of the authority or of the client is not usable.
    #[error("a name has 1 to 64 printable characters; that of an authority, ASCII only")]
    Name,
    /// A client's certificate must end.
    #[error("a client's certificate holds for 1 to {CLIENT_DAYS_MAX} days")]
    Days,
    /// A client's certificate proves one name.
    #[error("a client's certificate proves a SPIFFE ID or the name of a host, in lower case")]
    Identity,
    /// The request for a certificate is not usable.
    #[error("this is no request for a certificate (PKCS#10, PEM) whose signature holds")]
    Request,
    /// The key in the request is not usable.
    #[error(
        "the request is for a key that is neither P-256, P-384, Ed25519, nor RSA of 2048 bits or more"
    )]
    RequestKey,
    /// A server must have names.
    #[error("a server certificate needs 1 to {} names", server::NAME_COUNT_MAX)]
    NameCount,
    /// A name is neither a host name nor an address.
    #[error("`{name}` is neither a host name nor an IP address")]
    ServerName {
        /// Which one.
        name: String,
    },
    /// The time is outside of what a certificate can say.
    #[error("the clock is outside of the years 1970 to 2200")]
    Time,
    /// The parts do not make an authority.
    #[error("the certificate and the private key of the authority do not belong together")]
    Parts,
    /// The library refused.
    #[error("the certificate could not be made")]
    Library {
        /// What it said.
        source: rcgen::Error,
    },
}

impl CertificateError {
    /// Returns the permanent name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name => "certificate-name",
            Self::Days => "certificate-days",
            Self::Identity => "certificate-identity",
            Self::Request => "certificate-request",
            Self::RequestKey => "certificate-request-key",
            Self::NameCount => "certificate-name-count",
            Self::ServerName { .. } => "certificate-server-name",
            Self::Time => "certificate-time",
            Self::Parts => "certificate-parts",
            Self::Library { .. } => "certificate-library",
        }
    }
}

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Whose it is, as a distinguished name.
    pub subject: String,
    /// From when it holds.
    pub not_before: Timestamp,
    /// Until when it holds.
    pub not_after: Timestamp,
}

/// Reads the first certificate of a PEM text; `None` unless there is one. Verifies nothing.
pub fn certificate_facts(pem: &str) -> Option<CertificateFacts> {
    let der = parse_pem_all(LABEL, pem)?.into_iter().next()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let time = |seconds: i64| seconds.checked_mul(1_000_000).map(Timestamp::from_micros);
    Some(CertificateFacts {
        subject: certificate.subject().to_string(),
        not_before: time(certificate.validity().not_before.timestamp())?,
        not_after: time(certificate.validity().not_after.timestamp())?,
    })
}

impl CertificateAuthority {
    /// Makes a new authority, valid for ten years from `now`.
    pub fn create(name: &str, now: Timestamp) -> Result<Self, CertificateError> {
        let printable = name.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !(1..=AUTHORITY_NAME_LEN_MAX).contains(&name.len()) || !printable {
            return Err(CertificateError::Name);
        }
        let mut params = parameters(name, now, AUTHORITY_DAYS)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = generate()?;
        let certificate = params.self_signed(&key).map_err(library)?;
        let secret = SecretBytes::new(key.serialize_der());
        Ok(Self {
            issuer: Issuer::new(params, key),
            cert_pem: normal_pem(&certificate),
            key: secret,
            list_at: None,
        })
    }

    /// Puts together an authority that was stored: the certificate, and the unwrapped key.
    pub fn from_parts(cert_pem: &str, key: SecretBytes) -> Result<Self, CertificateError> {
        let der = parse_pem(LABEL, cert_pem).ok_or(CertificateError::Parts)?;
        let pair =
            KeyPair::from_pkcs8_der_and_sign_algo(&key.expose().into(), &PKCS_ECDSA_P256_SHA256)
                .map_err(|_| CertificateError::Parts)?;
        // A certificate holds its public key byte for byte.
        let public = pair.public_key_raw();
        if !der.windows(public.len()).any(|window| window == public) {
            return Err(CertificateError::Parts);
        }
        let issuer =
            Issuer::from_ca_cert_der(&der.into(), pair).map_err(|_| CertificateError::Parts)?;
        Ok(Self { issuer, cert_pem: cert_pem.to_owned(), key, list_at: None })
    }

    /// Returns the certificate that clients trust.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// Returns the private key as PKCS#8, for wrapping it.
    pub fn expose_key(&self) -> &[u8] {
        self.key.expose()
    }

    /// Writes into what it issues from now on where its revocation list is; nowhere, if there is
    /// none.
    #[must_use]
    pub fn with_list_at(mut self, url: Option<&str>) -> Self {
        self.list_at = url.map(str::to_owned);
        self
    }
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CertificateAuthority(key hidden)")
    }
}

fn parameters(
    name: &str,
    now: Timestamp,
    days: u64,
) -> Result<CertificateParams, CertificateError> {
    let seconds = u64::try_from(now.micros() / 1_000_000).map_err(|_| CertificateError::Time)?;
    if seconds > TIME_SECONDS_MAX {
        return Err(CertificateError::Time);
    }
    let mut params = CertificateParams::default();
    let start = seconds.saturating_sub(CLOCK_SKEW_SECONDS);
    params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(start);
    params.not_after =
        date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds + days * DAY_SECONDS);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    // RFC 5280, 4.1.2.2: positive, at most 20 bytes. CA/Browser Forum, 7.1: 64 random bits.
    params.serial_number = Some(SerialNumber::from_slice(&client::random_serial()));
    Ok(params)
}

/// Where the list of what was withdrawn is (RFC 5280, 4.2.1.13).
fn list_points(url: Option<&str>) -> Vec<CrlDistributionPoint> {
    url.map(|url| CrlDistributionPoint { uris: vec![url.to_owned()] }).into_iter().collect()
}

fn generate() -> Result<KeyPair, CertificateError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(library)
}

/// The library writes CRLF; files of a keep have LF.
fn normal_pem(certificate: &rcgen::Certificate) -> String {
    crate::ecdsa::pem(LABEL, certificate.der())
}

fn library(source: rcgen::Error) -> CertificateError {
    CertificateError::Library { source }
}

const LABEL: &str = "CERTIFICATE";

/// Ten years: replacing the authority means visiting every client.
const AUTHORITY_DAYS: u64 = 3_650;

/// A client whose clock is a little slow must not see a certificate from the future.
const CLOCK_SKEW_SECONDS: u64 = 3_600;

const DAY_SECONDS: u64 = 86_400;

/// The year 2200: a clock beyond is wrong, and ten years more still fit every date type.
const TIME_SECONDS_MAX: u64 = 7_258_118_400;

/// RFC 5280, upper bound of a common name.
const AUTHORITY_NAME_LEN_MAX: usize = 64;
