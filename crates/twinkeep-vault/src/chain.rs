//! Chains of certificates (RFC 5280): whether an authority vouches for a signing key at a time.
//!
//! Certificates of servers are for the TLS library to check. These are of people and programs that
//! sign files.
//!
//! # Invariants
//!
//! - Every certificate of the chain is valid at the time that is asked for, the anchor too.
//! - What a certificate says that must be understood and is not (a critical extension, such as name
//!   constraints) makes it unusable.
//! - The search ends soon: each certificate is looked at once, and a chain is short.

use std::cell::Cell;

use twinkeep_domain::Timestamp;
use x509_parser::asn1_rs::BitString;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::{
    OID_PKCS1_RSASSAPSS, OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA,
    OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384, OID_SIG_ECDSA_WITH_SHA512,
    OID_SIG_ED25519,
};
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;
use x509_parser::verify::verify_signature;
use x509_parser::x509::AlgorithmIdentifier;

use crate::ecdsa::{FreeDigest, pem, verify_der_with};

mod revocation;
#[cfg(test)]
mod tests;

use revocation::Standing;
pub use revocation::{RevocationError, Revocations};

/// Why a certificate is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// It is no certificate, or one of another version than 3.
    #[error("a certificate is malformed")]
    Malformed,
    /// There are more than anybody needs.
    #[error("there are more than {COUNT_MAX} certificates")]
    TooMany,
    /// It is not valid yet, or not any more.
    #[error("the signing certificate is not valid at this time")]
    Expired,
    /// It was made for something else.
    #[error("the signing certificate was not made for signing code")]
    Purpose,
    /// No authority that is trusted vouches for it.
    #[error("no chain of valid certificates leads to a trusted authority")]
    Untrusted,
    /// It, or one that vouches for it, was withdrawn.
    #[error("the signing certificate, or one that vouches for it, was revoked")]
    Revoked,
    /// There are lists of what was withdrawn, and none of them is about it and in date.
    #[error("no revocation list that is in date tells about the signing certificate")]
    Unlisted,
}

impl ChainError {
    /// The permanent name of this error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "certificate-malformed",
            Self::TooMany => "certificate-count",
            Self::Expired => "certificate-expired",
            Self::Purpose => "certificate-purpose",
            Self::Untrusted => "certificate-untrusted",
            Self::Revoked => "certificate-revoked",
            Self::Unlisted => "certificate-unlisted",
        }
    }
}

/// Checks that one of `anchors` vouches for `leaf`, directly or through some of `others`, at a time;
/// returns the leaf's public key as PEM. All certificates are DER.
///
/// Whose key was withdrawn vouches for nobody. Where there are revocation lists, one of the leaf's
/// issuer must be in date and not name the leaf; for those above, a list counts if there is one.
pub fn verify_chain(
    leaf: &[u8],
    others: &[Vec<u8>],
    anchors: &[Vec<u8>],
    at: Timestamp,
    revoked: &Revocations,
) -> Result<String, ChainError> {
    if COUNT_MAX < others.len() || COUNT_MAX < anchors.len() {
        return Err(ChainError::TooMany);
    }
    let leaf = parse(leaf)?;
    let others: Vec<_> = others.iter().map(|der| parse(der)).collect::<Result<_, _>>()?;
    let anchors: Vec<_> = anchors.iter().map(|der| parse(der)).collect::<Result<_, _>>()?;
    let refusal = Cell::new(ChainError::Untrusted);
    let at = moment(at)?;
    let search = Search { others: &others, anchors: &anchors, at, revoked, refusal: &refusal };
    if !leaf.validity().is_valid_at(search.at) {
        return Err(ChainError::Expired);
    }
    if !understood(&leaf) || !signs_code(&leaf) {
        return Err(ChainError::Purpose);
    }
    if revoked.has_key(&key_of(&leaf)) {
        return Err(ChainError::Revoked);
    }
    if !search.leads_to_anchor(&leaf, &mut vec![false; others.len()], 0) {
        return Err(refusal.get());
    }
    Ok(key_of(&leaf))
}

/// Returns whether a certificate's public key is this one.
pub fn certifies(certificate: &[u8], public_pem: &str) -> bool {
    parse(certificate).is_ok_and(|one| key_of(&one) == public_pem)
}

fn key_of(certificate: &X509Certificate<'_>) -> String {
    pem("PUBLIC KEY", certificate.public_key().raw)
}

struct Search<'a> {
    others: &'a [X509Certificate<'a>],
    anchors: &'a [X509Certificate<'a>],
    at: ASN1Time,
    revoked: &'a Revocations,
    /// Why no way was found, as far as somebody was withdrawn on one.
    refusal: &'a Cell<ChainError>,
}

impl Search<'_> {
    /// Looks for who signed `child`, which has `below` authorities between it and the leaf.
    fn leads_to_anchor(&self, child: &X509Certificate<'_>, used: &mut [bool], below: u32) -> bool {
        // Whoever trusts a certificate trusts it without a signature of its own.
        if self.anchors.iter().any(|anchor| anchor.as_raw() == child.as_raw()) {
            return true;
        }
        if DEPTH_MAX < below {
            return false;
        }
        if self.anchors.iter().any(|anchor| self.signed(anchor, child, below)) {
            return true;
        }
        for (index, other) in self.others.iter().enumerate() {
            if used[index] || !self.signed(other, child, below) {
                continue;
            }
            used[index] = true;
            if self.leads_to_anchor(other, used, below + 1) {
                return true;
            }
        }
        false
    }

    /// Returns whether `issuer` is an authority that may have signed `child`, and did.
    fn signed(
        &self,
        issuer: &X509Certificate<'_>,
        child: &X509Certificate<'_>,
        below: u32,
    ) -> bool {
        issuer.subject().as_raw() == child.issuer().as_raw()
            && issuer.validity().is_valid_at(self.at)
            && understood(issuer)
            && is_authority(issuer, below)
            && signature_holds(
                issuer,
                (&child.signature_algorithm, &child.tbs_certificate.signature),
                child.tbs_certificate.as_ref(),
                &child.signature_value,
            )
            && self.stands(issuer, child, below)
    }

    /// Returns whether neither the issuer's key nor the certificate of `child` was withdrawn.
    fn stands(
        &self,
        issuer: &X509Certificate<'_>,
        child: &X509Certificate<'_>,
        below: u32,
    ) -> bool {
        if self.revoked.has_key(&key_of(issuer)) {
            self.refusal.set(ChainError::Revoked);
            return false;
        }
        match self.revoked.standing(issuer, child, self.at) {
            Standing::Good => true,
            Standing::Revoked => {
                self.refusal.set(ChainError::Revoked);
                false
            }
            Standing::Unknown if below == 0 && self.revoked.has_lists() => {
                if self.refusal.get() == ChainError::Untrusted {
                    self.refusal.set(ChainError::Unlisted);
                }
                false
            }
            Standing::Unknown => true,
        }
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, ChainError> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| ChainError::Malformed)?;
    if !rest.is_empty() || certificate.version().0 != VERSION_3 {
        return Err(ChainError::Malformed);
    }
    Ok(certificate)
}

fn moment(at: Timestamp) -> Result<ASN1Time, ChainError> {
    ASN1Time::from_timestamp(at.micros().div_euclid(1_000_000)).map_err(|_| ChainError::Expired)
}

/// Returns whether everything that must be understood is.
fn understood(certificate: &X509Certificate<'_>) -> bool {
    certificate.extensions().iter().all(|extension| {
        !extension.critical
            || matches!(
                extension.parsed_extension(),
                ParsedExtension::BasicConstraints(_)
                    | ParsedExtension::KeyUsage(_)
                    | ParsedExtension::ExtendedKeyUsage(_)
                    | ParsedExtension::SubjectAlternativeName(_)
            )
    })
}

/// Returns whether a key may sign code: what a certificate does not say is not forbidden.
fn signs_code(certificate: &X509Certificate<'_>) -> bool {
    let (Ok(usage), Ok(extended)) = (certificate.key_usage(), certificate.extended_key_usage())
    else {
        return false;
    };
    usage.is_none_or(|usage| usage.value.digital_signature())
        && extended.is_none_or(|usage| usage.value.code_signing || usage.value.any)
}

fn is_authority(certificate: &X509Certificate<'_>, below: u32) -> bool {
    let (Ok(Some(basic)), Ok(usage)) = (certificate.basic_constraints(), certificate.key_usage())
    else {
        return false;
    };
    basic.value.ca
        && basic.value.path_len_constraint.is_none_or(|most| below <= most)
        && usage.is_none_or(|usage| usage.value.key_cert_sign())
}

/// Returns whether an authority signed something: `algorithms` are those that stand outside and
/// inside of it.
fn signature_holds(
    issuer: &X509Certificate<'_>,
    (algorithm, within): (&AlgorithmIdentifier<'_>, &AlgorithmIdentifier<'_>),
    content: &[u8],
    signature: &BitString<'_>,
) -> bool {
    // Both places must name the same algorithm (RFC 5280, sections 4.1.1.2 and 5.1.1.2).
    if algorithm != within {
        return false;
    }
    let oid = &algorithm.algorithm;
    let digests = [
        (OID_SIG_ECDSA_WITH_SHA256, FreeDigest::Sha256),
        (OID_SIG_ECDSA_WITH_SHA384, FreeDigest::Sha384),
        (OID_SIG_ECDSA_WITH_SHA512, FreeDigest::Sha512),
    ];
    if let Some((_, digest)) = digests.iter().find(|(ecdsa, _)| ecdsa == oid) {
        let key = issuer.public_key().raw;
        return verify_der_with(key, *digest, content, &signature.data).is_ok();
    }
    // SHA-1 is none of them.
    let sound = [
        OID_PKCS1_SHA256WITHRSA,
        OID_PKCS1_SHA384WITHRSA,
        OID_PKCS1_SHA512WITHRSA,
        OID_PKCS1_RSASSAPSS,
        OID_SIG_ED25519,
    ];
    sound.contains(oid)
        && verify_signature(issuer.public_key(), algorithm, signature, content).is_ok()
}

/// What version 3 is called inside (RFC 5280, section 4.1).
const VERSION_3: u32 = 2;

/// Authorities between a leaf and an anchor: public ones have one or two.
const DEPTH_MAX: u32 = 6;

/// With a chain this short there is no use for more.
const COUNT_MAX: usize = 16;
