//! What was withdrawn: keys that are not believed any more, and the revocation lists of authorities
//! (CRL, RFC 5280, section 5).
//!
//! # Invariants
//!
//! - A list counts only with the signature of the authority whose certificates it is about, and
//!   between its two dates.
//! - A list with a critical extension (one that tells changes only, or speaks for others) does not
//!   count.

use std::collections::BTreeSet;

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::time::ASN1Time;

use super::signature_holds;
use crate::digest::{from_hex, sha256};
use crate::ecdsa::parse_pem_all;

/// What a verifier knows to be withdrawn.
#[derive(Debug, Default)]
pub struct Revocations {
    /// SHA-256 of public keys as PEM text.
    keys: BTreeSet<[u8; 32]>,
    /// Revocation lists as DER.
    lists: Vec<Vec<u8>>,
}

/// Why a text does not tell what was withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// A PEM block is broken, or is no revocation list.
    #[error("a revocation list in it is malformed")]
    List,
    /// A line is not the SHA-256 of a key.
    #[error("line {line} is not the SHA-256 of a public key in hexadecimal")]
    Line {
        /// Which one, from 1.
        line: usize,
    },
    /// It names nothing.
    #[error("it has neither a revocation list nor a key")]
    Empty,
}

/// What a list says of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// No list that counts is about it.
    Unknown,
    Good,
    Revoked,
}

impl Revocations {
    /// Nothing was withdrawn.
    pub const NONE: Self = Self { keys: BTreeSet::new(), lists: Vec::new() };

    /// Adds what a file says: revocation lists as PEM, or one key a line, as the SHA-256 of its PEM
    /// text (`sha256sum key.pub`); what follows a `#` is a remark.
    pub fn add(&mut self, text: &str) -> Result<(), RevocationError> {
        if text.contains(PEM_BEGIN) {
            let lists = parse_pem_all("X509 CRL", text).ok_or(RevocationError::List)?;
            if lists.is_empty() || lists.iter().any(|der| parse(der).is_none()) {
                return Err(RevocationError::List);
            }
            self.lists.extend(lists);
            return Ok(());
        }
        let before = self.keys.len();
        for (index, line) in text.lines().enumerate() {
            let id = line.split('#').next().unwrap_or_default().trim();
            if id.is_empty() {
                continue;
            }
            let id = from_hex(&id.to_ascii_lowercase()).and_then(|id| id.try_into().ok());
            self.keys.insert(id.ok_or(RevocationError::Line { line: index + 1 })?);
        }
        if self.keys.len() == before { Err(RevocationError::Empty) } else { Ok(()) }
    }

    /// Returns whether a public key was withdrawn; its PEM text has LF and a final newline.
    pub fn has_key(&self, public_pem: &str) -> bool {
        self.keys.contains(&sha256(public_pem.as_bytes()))
    }

    /// Returns whether there are lists, so that a signer must be on none of them.
    pub(super) fn has_lists(&self) -> bool {
        !self.lists.is_empty()
    }

    /// Returns what the lists of an authority say of a certificate that it issued.
    pub(super) fn standing(
        &self,
        issuer: &X509Certificate<'_>,
        child: &X509Certificate<'_>,
        at: ASN1Time,
    ) -> Standing {
        let mut standing = Standing::Unknown;
        for list in self.lists.iter().filter_map(|der| parse(der)) {
            if !counts(&list, issuer, at) {
                continue;
            }
            let serial = &child.tbs_certificate.serial;
            if list.iter_revoked_certificates().any(|revoked| revoked.serial() == serial) {
                return Standing::Revoked;
            }
            standing = Standing::Good;
        }
        standing
    }
}

fn parse(der: &[u8]) -> Option<CertificateRevocationList<'_>> {
    let (rest, list) = CertificateRevocationList::from_der(der).ok()?;
    rest.is_empty().then_some(list)
}

fn counts(
    list: &CertificateRevocationList<'_>,
    issuer: &X509Certificate<'_>,
    at: ASN1Time,
) -> bool {
    let may_sign =
        issuer.key_usage().is_ok_and(|usage| usage.is_none_or(|usage| usage.value.crl_sign()));
    let understood = list.extensions().iter().all(|extension| !extension.critical)
        && list
            .iter_revoked_certificates()
            .all(|entry| entry.extensions().iter().all(|extension| !extension.critical));
    list.issuer().as_raw() == issuer.subject().as_raw()
        && may_sign
        && understood
        && list.last_update() <= at
        && list.next_update().is_some_and(|next| at <= next)
        && signature_holds(
            issuer,
            (&list.signature_algorithm, &list.tbs_cert_list.signature),
            list.tbs_cert_list.as_ref(),
            &list.signature_value,
        )
}

const PEM_BEGIN: &str = "-----BEGIN ";
