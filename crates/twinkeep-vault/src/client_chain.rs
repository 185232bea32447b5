//! Chains of clients' certificates (RFC 5280): whether an authority vouches for a client of TLS, and
//! for which names.
//!
//! The path is built and checked by `webpki`, as it is for servers: times, purposes, constraints on
//! names and on the length of the path, and revocation lists. What is ours is the names: which of
//! them may say who somebody is.
//!
//! # Invariants
//!
//! - Names are of one alphabet and one spelling: no wildcard, no NUL, no letter that looks like
//!   another, no upper case.
//! - Where an authority has revocation lists, one of the leaf's issuer is in date and does not name
//!   the leaf; a list that is about one above counts, too.
//! - A subject's distinguished name decides nothing.

use std::fmt;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use twinkeep_domain::Timestamp;
use webpki::aws_lc_rs as algorithms;
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList,
    RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy, anchor_from_trusted_cert,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use crate::digest::{sha256, to_hex};
use crate::ecdsa::parse_pem_all;

#[cfg(test)]
mod tests;

/// An authority, or several that are trusted alike, and what they withdrew.
pub struct ClientAuthority {
    anchors: Vec<TrustAnchor<'static>>,
    lists: Vec<CertRevocationList<'static>>,
}

impl fmt::Debug for ClientAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientAuthority({} anchors, {} lists)", self.anchors.len(), self.lists.len())
    }
}

/// Why a client's certificate is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientChainError {
    /// It is no certificate that can be read, or one with parts that are not understood.
    #[error("the client's certificate is malformed")]
    Malformed,
    /// No authority that is trusted vouches for it.
    #[error("no trusted authority vouches for the client's certificate")]
    Untrusted,
    /// It does not hold any more, or one above it does not.
    #[error("the client's certificate has expired")]
    Expired,
    /// It does not hold yet.
    #[error("the client's certificate is not valid yet")]
    Early,
    /// It was made for something else: a server, or an authority.
    #[error("the certificate was not made for a client")]
    Purpose,
    /// It, or one above it, was withdrawn.
    #[error("the client's certificate was revoked")]
    Revoked,
    /// No list that is in date says whether it was withdrawn.
    #[error("no revocation list that is in date tells about the client's certificate")]
    Unlisted,
    /// Its names do not say who it is.
    #[error("the client's certificate has names that do not say who it is")]
    Name,
    /// A file of authorities has none, or a broken one.
    #[error("there is no authority's certificate in it that can be read")]
    Authority,
    /// A file of revocation lists has none, or a broken one.
    #[error("there is no revocation list in it that can be read")]
    List,
}

impl ClientChainError {
    /// The permanent name of this error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "certificate-malformed",
            Self::Untrusted => "certificate-untrusted",
            Self::Expired => "certificate-expired",
            Self::Early => "certificate-early",
            Self::Purpose => "certificate-purpose",
            Self::Revoked => "certificate-revoked",
            Self::Unlisted => "certificate-unlisted",
            Self::Name => "certificate-name",
            Self::Authority => "client-ca-file",
            Self::List => "client-ca-crl",
        }
    }
}

/// A client's certificate that an authority vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedClient {
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// Until when it holds, and all above it.
    pub until: Timestamp,
    /// Its names: one SPIFFE ID, or DNS names.
    pub names: Vec<String>,
}

impl ClientAuthority {
    /// Reads the certificates of authorities (PEM), and their revocation lists (PEM or DER).
    pub fn parse(roots: &str, lists: &[Vec<u8>]) -> Result<Self, ClientChainError> {
        let roots = parse_pem_all("CERTIFICATE", roots).ok_or(ClientChainError::Authority)?;
        if roots.is_empty() {
            return Err(ClientChainError::Authority);
        }
        let anchor = |der: Vec<u8>| {
            let der = CertificateDer::from(der);
            anchor_from_trusted_cert(&der).map(|anchor| anchor.to_owned())
        };
        let anchors = roots.into_iter().map(anchor).collect::<Result<_, _>>();
        let mut read = Vec::new();
        for list in lists {
            let text = std::str::from_utf8(list).ok().filter(|text| text.contains(PEM_BEGIN));
            let ders = match text {
                Some(text) => parse_pem_all("X509 CRL", text).ok_or(ClientChainError::List)?,
                None => vec![list.clone()],
            };
            for der in ders {
                let list = OwnedCertRevocationList::from_der(&der);
                read.push(CertRevocationList::from(list.map_err(|_| ClientChainError::List)?));
            }
        }
        Ok(Self { anchors: anchors.map_err(|_| ClientChainError::Authority)?, lists: read })
    }

    /// Verifies a chain as TLS brings it: DER, leaf first.
    pub fn verify(
        &self,
        chain: &[&[u8]],
        now: Timestamp,
    ) -> Result<VerifiedClient, ClientChainError> {
        let (leaf, others) = chain.split_first().ok_or(ClientChainError::Malformed)?;
        if INTERMEDIATE_COUNT_MAX < others.len() {
            return Err(ClientChainError::Malformed);
        }
        let facts = Facts::read(leaf)?;
        let mut until = facts.until;
        let leaf = CertificateDer::from(*leaf);
        let leaf = EndEntityCert::try_from(&leaf).map_err(|_| ClientChainError::Malformed)?;
        let others: Vec<_> = others.iter().map(|der| CertificateDer::from(*der)).collect();
        let seconds =
            u64::try_from(now.micros() / 1_000_000).map_err(|_| ClientChainError::Early)?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let lists: Vec<_> = self.lists.iter().collect();
        // Of the leaf, a list must tell; of those above, one counts where it is.
        let passes = [
            (RevocationCheckDepth::EndEntity, UnknownStatusPolicy::Deny),
            (RevocationCheckDepth::Chain, UnknownStatusPolicy::Allow),
        ];
        for (depth, unknown) in passes {
            let options = RevocationOptionsBuilder::new(&lists).ok().map(|builder| {
                let builder = builder.with_depth(depth).with_status_policy(unknown);
                builder.with_expiration_policy(ExpirationPolicy::Enforce).build()
            });
            let path = leaf
                .verify_for_usage(
                    ALGORITHMS,
                    &self.anchors,
                    &others,
                    time,
                    KeyUsage::client_auth(),
                    options,
                    None,
                )
                .map_err(refusal)?;
            for above in path.intermediate_certificates() {
                until = until.min(Facts::read(&above.der())?.until);
            }
        }
        let serial = facts.serial.clone();
        Ok(VerifiedClient { serial, until, names: facts.names()? })
    }
}

/// What a certificate says of itself.
struct Facts {
    serial: String,
    until: Timestamp,
    uris: Vec<String>,
    hosts: Vec<String>,
}

impl Facts {
    fn read(der: &[u8]) -> Result<Self, ClientChainError> {
        let malformed = ClientChainError::Malformed;
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| malformed)?;
        if !rest.is_empty() {
            return Err(malformed);
        }
        let seconds = certificate.validity().not_after.timestamp();
        let until = seconds.checked_mul(1_000_000).ok_or(malformed)?;
        let alternative = certificate.subject_alternative_name().map_err(|_| malformed)?;
        let names = alternative.map_or(&[][..], |names| &names.value.general_names);
        let (mut uris, mut hosts) = (Vec::new(), Vec::new());
        for name in names {
            match name {
                GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                GeneralName::DNSName(host) => hosts.push((*host).to_owned()),
                GeneralName::Invalid(..) => return Err(ClientChainError::Name),
                _ => {}
            }
        }
        let serial = to_hex(certificate.raw_serial());
        Ok(Self { serial, until: Timestamp::from_micros(until), uris, hosts })
    }

    /// Returns the names by which somebody may be known.
    ///
    /// A SPIFFE certificate has one URI (X509-SVID, section 2), and then that is the name. Of DNS
    /// names there may be several, and each must be one.
    fn names(self) -> Result<Vec<String>, ClientChainError> {
        let begins = |uri: &String| {
            uri.get(..SPIFFE.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(SPIFFE))
        };
        if self.uris.iter().any(begins) {
            return match &self.uris[..] {
                [id] if is_spiffe_id(id) => Ok(self.uris),
                _ => Err(ClientChainError::Name),
            };
        }
        let many = NAME_COUNT_MAX < self.hosts.len();
        if self.hosts.is_empty() || many || !self.hosts.iter().all(|host| is_dns_name(host)) {
            return Err(ClientChainError::Name);
        }
        Ok(self.hosts)
    }
}

/// Returns the SHA-256 of a certificate (DER), as RFC 8705 names it.
pub fn thumbprint(certificate: &[u8]) -> [u8; 32] {
    sha256(certificate)
}

/// Returns whether a text is a SPIFFE ID: `spiffe://TRUST-DOMAIN/PATH`, spelled in its one way.
pub fn is_spiffe_id(text: &str) -> bool {
    let Some((domain, path)) = text.strip_prefix(SPIFFE).and_then(|rest| rest.split_once('/'))
    else {
        return false;
    };
    let in_domain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    let in_path = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let segment = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(in_path);
    text.len() <= SPIFFE_LEN_MAX
        && (1..=255).contains(&domain.len())
        && domain.bytes().all(in_domain)
        && path.split('/').all(segment)
}

/// Returns whether a text is a host's name in lower case: letters, digits, `-`, and dots between.
pub fn is_dns_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
            // What a browser shows in another alphabet is not what is compared.
            && !label.starts_with("xn--")
    };
    // A name of digits and dots only is an address.
    let letters = text.bytes().any(|byte| byte.is_ascii_lowercase());
    text.len() <= 253 && letters && text.split('.').all(label)
}

fn refusal(error: webpki::Error) -> ClientChainError {
    use webpki::Error;
    match error {
        Error::CertExpired { .. } | Error::InvalidCertValidity => ClientChainError::Expired,
        Error::CertNotValidYet { .. } => ClientChainError::Early,
        Error::CertRevoked => ClientChainError::Revoked,
        Error::CaUsedAsEndEntity
        | Error::EndEntityUsedAsCa
        | Error::RequiredEkuNotFoundContext(_) => ClientChainError::Purpose,
        Error::UnknownRevocationStatus
        | Error::CrlExpired { .. }
        | Error::IssuerNotCrlSigner
        | Error::InvalidCrlSignatureForPublicKey
        | Error::UnsupportedCrlSignatureAlgorithmContext(_)
        | Error::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => {
            ClientChainError::Unlisted
        }
        Error::BadDer | Error::BadDerTime | Error::ExtensionValueInvalid => {
            ClientChainError::Malformed
        }
        _ => ClientChainError::Untrusted,
    }
}

/// What authorities sign by: ECDSA and RSA with SHA-2, and Ed25519; no SHA-1, no RSA below 2048.
static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ED25519,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
    algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];

const SPIFFE: &str = "spiffe://";

const PEM_BEGIN: &str = "-----BEGIN ";

/// SPIFFE-ID, section 2.3.
const SPIFFE_LEN_MAX: usize = 2048;

/// Hospitals have two; paths of more are made to keep somebody busy.
const INTERMEDIATE_COUNT_MAX: usize = 6;

/// A client is one machine: more names are somebody else's.
const NAME_COUNT_MAX: usize = 100;
