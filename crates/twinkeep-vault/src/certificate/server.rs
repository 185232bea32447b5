//! Certificates of the gate itself: short-lived, and made anew for the same key while it serves.
//!
//! # Invariants
//!
//! - A server's certificate is none of a client: what the gate shows opens nothing.
//! - A renewal takes a key that is there and makes none: whoever has that key goes on with it.

use std::net::IpAddr;

use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use twinkeep_domain::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

use super::{
    CertificateAuthority, CertificateError, LABEL, certificate_facts, generate, library,
    list_points, normal_pem, parameters,
};
use crate::SecretBytes;
use crate::ecdsa::{parse_pem, parse_pem_all};

/// What a server shows and proves.
#[derive(Debug)]
pub struct ServerCertificate {
    /// The certificate. The authority's own is not in it: clients have that.
    pub cert_pem: String,
    /// The private key, as PKCS#8 (RFC 5958).
    pub key: SecretBytes,
}

/// A server's certificate that this authority issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedServer {
    /// From when it holds.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
    /// The host names and addresses that it proves.
    pub names: Vec<String>,
    /// Where it says that the revocation list is.
    pub list_at: Option<String>,
}

impl CertificateAuthority {
    /// Makes a key and a certificate for a server, valid for [`SERVER_DAYS`] from `now`.
    ///
    /// `names` are host names and IP addresses; clients check the one they connect to.
    pub fn issue_server(
        &self,
        names: &[String],
        now: Timestamp,
    ) -> Result<ServerCertificate, CertificateError> {
        let pair = generate()?;
        let key = SecretBytes::new(pair.serialize_der());
        Ok(ServerCertificate { cert_pem: self.certify_pair(&pair, names, now)?, key })
    }

    /// Makes another certificate (PEM) for a server's key, valid for as long.
    pub fn renew_server(
        &self,
        key: &SecretBytes,
        names: &[String],
        now: Timestamp,
    ) -> Result<String, CertificateError> {
        let algorithm = &PKCS_ECDSA_P256_SHA256;
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key.expose().into(), algorithm)
            .map_err(|_| CertificateError::Parts)?;
        self.certify_pair(&pair, names, now)
    }

    fn certify_pair(
        &self,
        pair: &KeyPair,
        names: &[String],
        now: Timestamp,
    ) -> Result<String, CertificateError> {
        if !(1..=NAME_COUNT_MAX).contains(&names.len()) {
            return Err(CertificateError::NameCount);
        }
        if let Some(name) = names.iter().find(|name| !is_server_name(name)) {
            return Err(CertificateError::ServerName { name: name.clone() });
        }
        let mut params = parameters("Twinkeep server", now, SERVER_DAYS)?;
        params.subject_alt_names =
            CertificateParams::new(names.to_vec()).map_err(library)?.subject_alt_names;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.crl_distribution_points = list_points(self.list_at.as_deref());
        Ok(normal_pem(&params.signed_by(pair, &self.issuer).map_err(library)?))
    }

    /// Reads the first certificate of a PEM text, if this authority issued it; `None` if somebody
    /// else did, or if there is none.
    pub fn issued_server(&self, pem: &str) -> Option<IssuedServer> {
        let own = parse_pem(LABEL, &self.cert_pem)?;
        let (_, own) = X509Certificate::from_der(&own).ok()?;
        let der = parse_pem_all(LABEL, pem)?.into_iter().next()?;
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        certificate.verify_signature(Some(own.public_key())).ok()?;
        let facts = certificate_facts(pem)?;
        let alternatives = certificate.subject_alternative_name().ok().flatten();
        let names = alternatives.iter().flat_map(|names| &names.value.general_names);
        Some(IssuedServer {
            not_before: facts.not_before,
            not_after: facts.not_after,
            names: names.filter_map(name_text).collect(),
            list_at: list_at(&certificate),
        })
    }
}

fn name_text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(host) => Some((*host).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn list_at(certificate: &X509Certificate<'_>) -> Option<String> {
    let points = certificate.extensions().iter().find_map(|one| match one.parsed_extension() {
        ParsedExtension::CRLDistributionPoints(points) => Some(points),
        _ => None,
    })?;
    match points.points.first()?.distribution_point.as_ref()? {
        DistributionPointName::FullName(names) => names.iter().find_map(|name| match name {
            GeneralName::URI(uri) => Some((*uri).to_owned()),
            _ => None,
        }),
        DistributionPointName::NameRelativeToCRLIssuer(_) => None,
    }
}

/// Host names as in RFC 1123, a wildcard as the first label, or an address.
fn is_server_name(name: &str) -> bool {
    if name.parse::<IpAddr>().is_ok() {
        return true;
    }
    let host = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (1..=63).contains(&label.len()) && plain && !label.starts_with('-') && !label.ends_with('-')
    };
    // A name of digits and dots only is a mistyped address.
    let has_letter = host.bytes().any(|byte| byte.is_ascii_alphabetic());
    name.len() <= 253 && has_letter && host.split('.').all(is_label)
}

/// Two months: what is stolen is worth little, and a renewal that fails is noticed for weeks. Mozilla
/// asks for 90 days at most, and browsers will for less.
pub const SERVER_DAYS: u64 = 60;

/// Most names in a certificate: handshakes stay small.
pub(super) const NAME_COUNT_MAX: usize = 100;
