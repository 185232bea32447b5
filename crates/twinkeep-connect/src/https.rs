//! Requests to other services: verified TLS 1.2 or 1.3, no redirects, bounded answers.
//!
//! # Invariants
//!
//! - Plain HTTP goes to this machine itself only, where nobody can listen in between.
//! - No error says what was sent.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

/// Whose certificates are believed.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Those that the system trusts.
    System,
    /// These and no others (PEM).
    Authorities(Vec<u8>),
}

/// Why a service was not reached, or what it said.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// The address is not one that is asked.
    #[error("the address `{address}` must begin with https:// (http:// is for this machine only)")]
    Address {
        /// What was given.
        address: String,
    },
    /// There is no certificate to believe.
    #[error("there is no usable certificate authority")]
    Trust,
    /// The connection, the handshake, or the certificate failed.
    #[error("cannot reach `{host}`")]
    Unreachable {
        /// Who was asked.
        host: String,
        /// What failed.
        source: Box<ureq::Error>,
    },
    /// The service answered with an error.
    #[error("`{host}` answered with status {status}")]
    Status {
        /// Who was asked.
        host: String,
        /// What it answered.
        status: u16,
    },
    /// The answer is not what the service's documentation says.
    #[error("`{host}` gave an answer that is not understood")]
    Answer {
        /// Who was asked.
        host: String,
    },
}

/// One service.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    agent: Agent,
    base: String,
    host: String,
}

impl Service {
    /// Takes the address of a service, such as `https://vault.example:8200`.
    pub(crate) fn new(base: &str, trust: &Trust) -> Result<Self, HttpsError> {
        Self::with_timeout(base, trust, TIMEOUT)
    }

    /// As [`Service::new`], for answers that take up to this long.
    pub(crate) fn with_timeout(
        base: &str,
        trust: &Trust,
        timeout: Duration,
    ) -> Result<Self, HttpsError> {
        let wrong = || HttpsError::Address { address: base.to_owned() };
        let uri: Uri = base.parse().map_err(|_| wrong())?;
        let host = uri.host().ok_or_else(wrong)?.to_owned();
        let local = host == "localhost"
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if local => {}
            _ => return Err(wrong()),
        }
        if uri.query().is_some() || uri.authority().is_some_and(|all| all.as_str().contains('@')) {
            return Err(wrong());
        }
        let tls = TlsConfig::builder()
            .root_certs(roots(trust)?)
            .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(timeout))
            .max_redirects(0)
            .proxy(None)
            .http_status_as_error(false)
            .build()
            .new_agent();
        Ok(Self { agent, base: base.trim_end_matches('/').to_owned(), host })
    }

    /// Returns the whole address of a path.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Sends a request and returns the status and the answer.
    pub(crate) fn post(
        &self,
        path: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<(u16, Vec<u8>), HttpsError> {
        let unreachable =
            |source| HttpsError::Unreachable { host: self.host.clone(), source: Box::new(source) };
        let mut request = self.agent.post(self.address(path));
        for (name, value) in headers {
            request = request.header(name.as_str(), value.as_str());
        }
        let answer = request.send(body).map_err(unreachable)?;
        let status = answer.status().as_u16();
        Ok((status, read(answer.into_body()).map_err(unreachable)?))
    }

    /// Sends a request of any method and returns the whole answer.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answered, HttpsError> {
        let unreachable =
            |source| HttpsError::Unreachable { host: self.host.clone(), source: Box::new(source) };
        let mut request = ureq::http::Request::builder().method(method).uri(self.address(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).map_err(|error| unreachable(error.into()))?;
        let (parts, body) = self.agent.run(request).map_err(unreachable)?.into_parts();
        let text = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        Ok(Answered {
            status: parts.status.as_u16(),
            headers: parts.headers.iter().filter_map(text).collect(),
            body: read(body).map_err(unreachable)?,
        })
    }

    /// Says that an answer had this status.
    pub(crate) fn refused(&self, status: u16) -> HttpsError {
        HttpsError::Status { host: self.host.clone(), status }
    }

    /// Says that an answer was not understood.
    pub(crate) fn confused(&self) -> HttpsError {
        HttpsError::Answer { host: self.host.clone() }
    }
}

/// What a service answered.
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

fn read(mut body: Body) -> Result<Vec<u8>, ureq::Error> {
    body.with_config().limit(ANSWER_LEN_MAX).read_to_vec()
}

pub(crate) fn roots(trust: &Trust) -> Result<RootCerts, HttpsError> {
    let certificates: Vec<Certificate<'static>> = match trust {
        Trust::System => {
            let found = rustls_native_certs::load_native_certs().certs;
            found.iter().map(|found| Certificate::from_der(found).to_owned()).collect()
        }
        Trust::Authorities(pem) => parse_pem(pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(found)) => Some(found),
                _ => None,
            })
            .collect(),
    };
    match certificates.is_empty() {
        true => Err(HttpsError::Trust),
        false => Ok(RootCerts::Specific(Arc::new(certificates))),
    }
}

/// All authorities that a system trusts take about 250 KiB.
pub(crate) const CERTIFICATES_SIZE_MAX: u64 = 4 << 20;

/// A wrapped key takes milliseconds; a service that takes longer is down.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A wrapped key has a few hundred bytes.
const ANSWER_LEN_MAX: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use twinkeep_domain::Timestamp;
    use twinkeep_vault::certificate::CertificateAuthority;

    use super::{Service, Trust};

    #[test]
    fn only_this_machine_may_be_asked_without_tls() {
        // A self-made authority is enough: nothing is asked.
        let authority = CertificateAuthority::create("test", Timestamp::RELATIVE_ORIGIN).unwrap();
        let trust = Trust::Authorities(authority.cert_pem().as_bytes().to_vec());
        for fine in [
            "https://vault.example",
            "http://127.0.0.1:8200",
            "http://localhost:1",
            "http://[::1]:1",
        ] {
            assert!(Service::new(fine, &trust).is_ok(), "{fine}");
        }
        for wrong in [
            "http://vault.example",
            "http://10.0.0.1",
            "ftp://localhost",
            "vault.example",
            "",
            "http://127.0.0.1.evil.example",
            "https://user:pass@vault.example",
            "http://localhost@evil.example",
        ] {
            assert!(Service::new(wrong, &trust).is_err(), "{wrong}");
        }
        assert!(Service::new("https://vault.example", &Trust::Authorities(Vec::new())).is_err());
    }
}
