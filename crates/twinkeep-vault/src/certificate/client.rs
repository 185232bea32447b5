//! Certificates of clients, and the list of those that were withdrawn (RFC 5280, section 5).
//!
//! A client's certificate proves a name and nothing else: what its holder may do is not in it, so
//! that it can change without a new certificate.
//!
//! # Invariants
//!
//! - A client's certificate is none of a server: who steals it cannot pose as the keep.
//! - Of a request for a certificate (RFC 2986), the public key is taken and nothing else; its
//!   signature shows that whoever asks holds the private key.

use std::time::Duration;

use rcgen::{
    CertificateParams, CertificateRevocationListParams, CertificateSigningRequestParams,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyUsagePurpose, RevocationReason,
    RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use twinkeep_domain::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;

use super::{
    CertificateAuthority, CertificateError, generate, library, list_points, normal_pem, parameters,
};
use crate::client_chain::{is_dns_name, is_spiffe_id};
use crate::digest::{sha256, to_hex};
use crate::ecdsa::{parse_pem, pem};
use crate::{SecretBytes, random_bytes};

/// Whom a certificate is for, and how long it holds.
#[derive(Clone, Copy, Debug)]
pub struct ClientRequest<'a> {
    /// What people call the client; no name that anything is decided by.
    pub name: &'a str,
    /// The name that the certificate proves: a SPIFFE ID or a DNS name.
    pub identity: &'a str,
    /// How many days it holds.
    pub days: u32,
    /// The holder's own request (PKCS#10, PEM); without it, a key is made.
    pub csr: Option<&'a str>,
}

/// What a client shows and proves.
#[derive(Debug)]
pub struct ClientCertificate {
    /// The certificate.
    pub cert_pem: String,
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// The SHA-256 of the certificate (DER).
    pub sha256: [u8; 32],
    /// The private key, as PKCS#8, if it was made here.
    pub key: Option<SecretBytes>,
}

/// A certificate that was withdrawn.
#[derive(Clone, Debug)]
pub struct Withdrawn {
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// Since when.
    pub since: Timestamp,
    /// Because another takes its place, and not because somebody else may have its key.
    pub superseded: bool,
}

impl CertificateAuthority {
    /// Issues a certificate to a client.
    pub fn issue_client(
        &self,
        request: ClientRequest<'_>,
        now: Timestamp,
    ) -> Result<ClientCertificate, CertificateError> {
        let ClientRequest { name, identity, days, csr } = request;
        let plain = !name.chars().any(char::is_control);
        if !(1..=CLIENT_NAME_LEN_MAX).contains(&name.chars().count()) || !plain {
            return Err(CertificateError::Name);
        }
        if !(1..=CLIENT_DAYS_MAX).contains(&days) {
            return Err(CertificateError::Days);
        }
        let text = || identity.try_into().map_err(library);
        let proven = match identity {
            id if is_spiffe_id(id) => SanType::URI(text()?),
            host if is_dns_name(host) => SanType::DnsName(text()?),
            _ => return Err(CertificateError::Identity),
        };
        let mut params = parameters(name, now, u64::from(days))?;
        params.subject_alt_names = vec![proven];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.crl_distribution_points = list_points(self.list_at.as_deref());
        let serial = params.serial_number.as_ref().map(SerialNumber::to_bytes).unwrap_or_default();
        let (certificate, key) = match csr {
            Some(csr) => (self.certify(params, csr)?, None),
            None => {
                let key = generate()?;
                let secret = SecretBytes::new(key.serialize_der());
                (params.signed_by(&key, &self.issuer).map_err(library)?, Some(secret))
            }
        };
        Ok(ClientCertificate {
            sha256: sha256(certificate.der()),
            cert_pem: normal_pem(&certificate),
            serial: to_hex(&serial),
            key,
        })
    }

    /// Issues a certificate for the key of a request.
    fn certify(
        &self,
        params: CertificateParams,
        csr: &str,
    ) -> Result<rcgen::Certificate, CertificateError> {
        let der = LABELS.iter().find_map(|label| parse_pem(label, csr));
        let der = der.ok_or(CertificateError::Request)?;
        let refused = |_| CertificateError::Request;
        let (rest, asked) =
            X509CertificationRequest::from_der(&der).map_err(|_| CertificateError::Request)?;
        if !rest.is_empty() {
            return Err(CertificateError::Request);
        }
        let info = &asked.certification_request_info;
        let strong = match info.subject_pki.parsed() {
            Ok(PublicKey::RSA(key)) => RSA_BITS.contains(&key.key_size()),
            Ok(PublicKey::EC(point)) => EC_BITS.contains(&point.key_size()),
            // Ed25519 has one size.
            Ok(PublicKey::Unknown(key)) => key.len() == 32,
            _ => false,
        };
        if !strong {
            return Err(CertificateError::RequestKey);
        }
        let mut request =
            CertificateSigningRequestParams::from_der(&der.as_slice().into()).map_err(refused)?;
        request.params = params;
        let certificate = request.signed_by(&self.issuer).map_err(library)?;
        // The library tells the kind of key by the signature: the certificate must have the key.
        let (_, made) = X509Certificate::from_der(certificate.der())
            .map_err(|_| CertificateError::RequestKey)?;
        match made.public_key().raw == info.subject_pki.raw {
            true => Ok(certificate),
            false => Err(CertificateError::RequestKey),
        }
    }

    /// Signs the list of what was withdrawn, as DER; it is in date for `days` days.
    pub fn revocation_list(
        &self,
        withdrawn: &[Withdrawn],
        now: Timestamp,
        days: u32,
    ) -> Result<Vec<u8>, CertificateError> {
        let at = |time: Timestamp| {
            let seconds = u64::try_from(time.micros() / 1_000_000);
            Ok(date_time_ymd(1970, 1, 1)
                + Duration::from_secs(seconds.map_err(|_| CertificateError::Time)?))
        };
        let line = |one: &Withdrawn| {
            let serial = crate::digest::from_hex(&one.serial).ok_or(CertificateError::Parts)?;
            let reason = match one.superseded {
                true => RevocationReason::Superseded,
                false => RevocationReason::Unspecified,
            };
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from_slice(&serial),
                revocation_time: at(one.since)?,
                // RFC 5280, 5.3.1: an unspecified reason is left out.
                reason_code: one.superseded.then_some(reason),
                invalidity_date: None,
            })
        };
        // Lists are numbered by the microsecond: a later one has the larger number.
        let number = now.micros().to_be_bytes();
        let params = CertificateRevocationListParams {
            this_update: at(now)?,
            next_update: at(now.plus_hours(24.0 * f64::from(days)))?,
            crl_number: SerialNumber::from_slice(&number),
            issuing_distribution_point: None,
            revoked_certs: withdrawn.iter().map(line).collect::<Result<_, _>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(params.signed_by(&self.issuer).map_err(library)?.der().to_vec())
    }
}

/// Writes a revocation list as PEM.
pub fn revocation_list_pem(der: &[u8]) -> String {
    pem("X509 CRL", der)
}

/// Writes a private key (PKCS#8) as PEM.
pub fn private_key_pem(key: &SecretBytes) -> SecretBytes {
    SecretBytes::new(pem("PRIVATE KEY", key.expose()).into_bytes())
}

/// Returns 16 random bytes as a serial number: positive, and of one length.
pub(super) fn random_serial() -> [u8; 16] {
    let mut serial: [u8; 16] = random_bytes();
    serial[0] = serial[0] & 0x7f | 0x40;
    serial
}

/// A request as OpenSSL writes it, and as others do.
const LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];

/// What TLS libraries take; below, a key can be broken.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// P-256 and P-384; P-521 is rare, and rustls signs by it nowhere.
const EC_BITS: [usize; 2] = [256, 384];

/// RFC 5280, upper bound of a common name, in characters.
const CLIENT_NAME_LEN_MAX: usize = 64;

/// What lives longer is forgotten by the one who has it.
pub const CLIENT_DAYS_MAX: u32 = 397;
