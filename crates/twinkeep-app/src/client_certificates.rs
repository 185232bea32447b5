//! Recognizes a client's certificate: who issued it, whether it still holds, and what its holder may
//! do.
//!
//! # Life of a certificate
//!
//! 1. The handshake proved that the client holds the private key, and nothing else. The certificate
//!    comes here with every request.
//! 2. A chain that was verified before is found by its digest; any other leads to the keep's own
//!    authority, or to one of the configuration ([`crate::ClientCaConfig`]).
//! 3. The keep knows each certificate of its own by its serial number and digest: one that it did
//!    not record, or that it revoked, is nobody's, whoever signed it. What others issued is judged
//!    by their revocation lists and by the grants of the configuration.
//!
//! # Invariants
//!
//! - A revocation, an expiry, and a new revocation list hold from the next request on, on
//!   connections that are open, too: everything is asked for each request.
//! - Whoever asks learns that it was refused, not why; the ledger gets the reason.
//! - What is remembered is bounded, and only of chains that were verified.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use twinkeep_domain::Timestamp;
use twinkeep_vault::SecretBytes;
use twinkeep_vault::certificate::CertificateAuthority;
use twinkeep_vault::client_chain::{ClientAuthority, ClientChainError, VerifiedClient, thumbprint};
use twinkeep_vault::digest::{hmac_sha256, sha256, to_hex};
use twinkeep_watch::incident::Action;

use crate::client_ca_files::ReadAuthority;
use crate::sites::LOCAL_SITE;
use crate::{App, AppError, Caller, ClientCaConfig, Scope};

#[cfg(test)]
mod tests;

/// What the process knows of clients' certificates.
#[derive(Default)]
pub(crate) struct ClientCertificates {
    state: Mutex<Known>,
}

#[derive(Default)]
pub(crate) struct Known {
    /// The version of the settings that the records are as of.
    version: Vec<u8>,
    /// Certificates of the keep's own authority, by serial number.
    pub(crate) records: BTreeMap<String, CertificateRecord>,
    own: Option<Arc<ClientAuthority>>,
    /// Authorities of the configuration, by name, and the files that they were read from.
    pub(crate) others: BTreeMap<String, ReadAuthority>,
    seen: BTreeMap<[u8; 32], Seen>,
    /// The newest revocation list of the keep's own authority.
    pub(crate) list: Option<crate::certificates::SignedList>,
}

/// A certificate that the keep issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CertificateRecord {
    pub(crate) version: u32,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) serial: String,
    /// SHA-256 of the certificate.
    pub(crate) sha256: String,
    /// The name that it proves.
    pub(crate) identity: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) site: Option<String>,
    /// Microseconds, as all times here.
    pub(crate) issued_at: i64,
    /// What the certificate says.
    pub(crate) expires_at: i64,
    /// When the keep stops believing it, if that is sooner.
    pub(crate) ends_at: i64,
    pub(crate) revoked_at: Option<i64>,
    /// The first of the certificates of which this one is a successor.
    pub(crate) lineage: String,
    pub(crate) successor: Option<String>,
}

impl CertificateRecord {
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now.micros() < self.ends_at
    }

    fn caller(&self) -> Caller {
        Caller {
            id: format!("{CERTIFICATE_PREFIX}{}", self.id),
            name: self.name.clone(),
            scopes: self.scopes.iter().filter_map(|scope| Scope::parse(scope)).collect(),
            roles: self.roles.clone(),
            ..Caller::named("")
        }
    }
}

/// A chain that was verified.
struct Seen {
    chain: Vec<Vec<u8>>,
    /// The authority of the configuration, unless it is the keep's own.
    authority: Option<String>,
    client: VerifiedClient,
    /// Whom the configuration takes it for; the keep's own are looked up each time.
    caller: Option<Caller>,
    checked_at: Timestamp,
}

impl Known {
    /// Returns whom a chain belongs to, as far as that is known and holds.
    fn caller(&self, seen: &Seen, now: Timestamp) -> Result<Caller, &'static str> {
        if seen.client.until <= now {
            return Err(ClientChainError::Expired.code());
        }
        if let Some(caller) = &seen.caller {
            return Ok(caller.clone());
        }
        let record = self.records.get(&seen.client.serial).ok_or(UNKNOWN)?;
        let leaf = seen.chain.first().map(|leaf| to_hex(&thumbprint(leaf)));
        if leaf.as_ref() != Some(&record.sha256) || seen.client.names != [record.identity.as_str()]
        {
            return Err(UNKNOWN);
        }
        if record.revoked_at.is_some() {
            return Err(ClientChainError::Revoked.code());
        }
        match record.is_live(now) {
            true => Ok(record.caller()),
            false => Err(ClientChainError::Expired.code()),
        }
    }

    /// Returns everybody who may still be recognized by a certificate.
    pub(crate) fn callers(&self, now: Timestamp) -> impl Iterator<Item = Caller> {
        let own = self.records.values().filter(move |record| record.is_live(now));
        let others = self.seen.values().filter(move |seen| now < seen.client.until);
        own.map(CertificateRecord::caller).chain(others.filter_map(|seen| seen.caller.clone()))
    }

    fn remember(&mut self, digest: [u8; 32], seen: Seen) {
        if SEEN_COUNT_MAX <= self.seen.len() {
            // Digests are as good as random, and so is who is asked to be verified again.
            self.seen.pop_first();
        }
        self.seen.insert(digest, seen);
    }
}

impl App {
    /// Recognizes whoever shows this chain (DER, leaf first).
    pub(crate) fn judge_certificate(&self, chain: &[&[u8]]) -> Result<Caller, AppError> {
        let now = self.now();
        let digest = chain_digest(chain);
        let known = self.known_certificates()?;
        let fresh = |seen: &&Seen| now.hours_since(seen.checked_at) < CHECK_AGAIN_HOURS;
        if let Some(seen) = known.seen.get(&digest).filter(fresh) {
            return known.caller(seen, now).map_err(refused);
        }
        drop(known);
        let seen = self.verify_certificate(chain, now).map_err(refused)?;
        let mut known = self.known_certificates()?;
        let caller = known.caller(&seen, now).map_err(refused);
        known.remember(digest, seen);
        caller
    }

    fn verify_certificate(&self, chain: &[&[u8]], now: Timestamp) -> Result<Seen, &'static str> {
        let unreadable = |_| UNKNOWN;
        let own = self.own_authority().map_err(unreadable)?;
        let seen = |authority: Option<&ClientCaConfig>, client: VerifiedClient| {
            let caller = authority.map(|authority| self.granted(authority, &client)).transpose()?;
            Ok(Seen {
                chain: chain.iter().map(|der| der.to_vec()).collect(),
                authority: authority.map(|authority| authority.name.clone()),
                client,
                caller,
                checked_at: now,
            })
        };
        match own.verify(chain, now) {
            Err(ClientChainError::Untrusted) => {}
            result => return seen(None, result.map_err(ClientChainError::code)?),
        }
        for config in &self.settings.client_cas {
            let Some(authority) = self.other_authority(&config.name).map_err(unreadable)? else {
                continue;
            };
            match authority.verify(chain, now) {
                Err(ClientChainError::Untrusted) => {}
                result => return seen(Some(config), result.map_err(ClientChainError::code)?),
            }
        }
        Err(ClientChainError::Untrusted.code())
    }

    /// Returns whom the configuration takes a client for: exactly one of its names fits a grant.
    fn granted(
        &self,
        authority: &ClientCaConfig,
        client: &VerifiedClient,
    ) -> Result<Caller, &'static str> {
        let grant = |name: &String| authority.grant.iter().find(|grant| grant.fits(name));
        let mut fitting = client.names.iter().filter_map(|name| Some((name, grant(name)?)));
        let (name, grant) = fitting.next().ok_or(UNKNOWN)?;
        if fitting.next().is_some() {
            return Err(ClientChainError::Name.code());
        }
        // A keyed digest, because somebody may call machines by the people who have them.
        let text = format!("certificate\0{}\0{name}", authority.name);
        let mark = to_hex(&hmac_sha256(self.reference_key(), text.as_bytes())[..12]);
        Ok(Caller {
            id: format!("{CERTIFICATE_PREFIX}{}/{mark}", authority.name),
            name: authority.name.clone(),
            scopes: grant.scopes.iter().filter_map(|scope| Scope::parse(scope)).collect(),
            roles: grant.roles.clone(),
            ..Caller::named("")
        })
    }

    /// Returns whether nobody else could administer from elsewhere without this one: every other
    /// certificate that may is over or suspended.
    pub(crate) fn is_last_administrator(&self, identity: &str) -> Result<bool, AppError> {
        let suspended = self.contained_by(Action::SuspendIdentity)?;
        let (now, known) = (self.now(), self.known_certificates()?);
        let callers = known.records.values().filter(|record| record.is_live(now));
        let administers = |caller: &Caller| caller.scopes.contains(&Scope::Administer);
        let mut left: Vec<Caller> = callers.map(CertificateRecord::caller).collect();
        left.retain(|caller| administers(caller) && !suspended.contains(&caller.id));
        Ok(left.iter().any(|it| it.id == identity) && left.iter().all(|it| it.id == identity))
    }

    /// Returns what is known now.
    pub(crate) fn known_certificates(&self) -> Result<MutexGuard<'_, Known>, AppError> {
        let [version, _] = self.store.rules_version()?;
        let state = &self.client_certificates.state;
        let mut known = state.lock().unwrap_or_else(PoisonError::into_inner);
        if known.version != version {
            let records = self.certificate_records()?;
            known.records = records.into_iter().map(|one| (one.serial.clone(), one)).collect();
            known.version = version;
        }
        Ok(known)
    }

    /// Returns the keep's own authority, without what it withdrew: the records say that.
    fn own_authority(&self) -> Result<Arc<ClientAuthority>, AppError> {
        if let Some(own) = &self.known_certificates()?.own {
            return Ok(Arc::clone(own));
        }
        let authority = self.certificate_authority()?;
        let own = ClientAuthority::parse(authority.cert_pem(), &[]).map_err(|error| {
            AppError::refused(error.code(), "the keep's authority cannot be used").because(error)
        })?;
        let own = Arc::new(own);
        self.known_certificates()?.own = Some(Arc::clone(&own));
        Ok(own)
    }

    fn other_authority(&self, name: &str) -> Result<Option<Arc<ClientAuthority>>, AppError> {
        let known = self.known_certificates()?;
        Ok(known.others.get(name).map(|other| Arc::clone(&other.authority)))
    }

    /// Takes what was read of an authority, and lets go of those whom it withdrew.
    pub(crate) fn replace_authority(
        &self,
        name: &str,
        authority: ReadAuthority,
    ) -> Result<(), AppError> {
        let now = self.now();
        let mut known = self.known_certificates()?;
        known.seen.retain(|_, seen| {
            let chain: Vec<&[u8]> = seen.chain.iter().map(Vec::as_slice).collect();
            seen.authority.as_deref() != Some(name)
                || authority.authority.verify(&chain, now).is_ok()
        });
        known.others.insert(name.to_owned(), authority);
        Ok(())
    }

    /// Returns the site that the holder of a certificate speaks for.
    pub(crate) fn certificate_site(&self, certificate: &str) -> Result<String, AppError> {
        let site = match certificate.split_once('/') {
            Some((authority, _)) => {
                let cas = &self.settings.client_cas;
                cas.iter().find(|ca| ca.name == authority).map(|ca| ca.site.clone())
            }
            None => self.certificate_record(certificate)?.and_then(|record| record.site),
        };
        Ok(site.unwrap_or_else(|| LOCAL_SITE.to_owned()))
    }

    /// Returns the caller of the first of the certificates of which this caller's is a successor.
    pub(crate) fn certificate_lineage(&self, caller: &str) -> Result<Option<String>, AppError> {
        let Some(id) = caller.strip_prefix(CERTIFICATE_PREFIX).filter(|id| !id.contains('/'))
        else {
            return Ok(None);
        };
        let record = self.certificate_record(id)?;
        Ok(record.map(|record| format!("{CERTIFICATE_PREFIX}{}", record.lineage)))
    }

    /// Returns the keep's authority, whole: certificate and key belong together.
    pub(crate) fn certificate_authority(&self) -> Result<CertificateAuthority, AppError> {
        let path = self.layout().public().join(crate::keep::AUTHORITY_PUBLIC);
        let pem =
            twinkeep_vault::files::read_bounded(&path, AUTHORITY_SIZE_MAX).map_err(|error| {
                let attempt = format!("cannot read `{}`", path.display());
                AppError::environment("keep-read", attempt).because(error)
            })?;
        let key = SecretBytes::new(self.authority_key().expose().to_vec());
        let authority = CertificateAuthority::from_parts(&String::from_utf8_lossy(&pem), key);
        let authority = authority.map_err(|error| {
            let attempt = format!("`{}` is not the authority of this keep", path.display());
            AppError::refused(error.code(), attempt)
                .because(error)
                .hint("restore the file from a backup of the keep")
        })?;
        Ok(authority.with_list_at(self.revocation_list_at().as_deref()))
    }
}

fn chain_digest(chain: &[&[u8]]) -> [u8; 32] {
    sha256(&chain.iter().flat_map(|der| sha256(der)).collect::<Vec<_>>())
}

/// Says no. The message is the same whatever the reason is; the code is for the ledger.
fn refused(code: &'static str) -> AppError {
    AppError::refused(code, "the client certificate is not valid")
        .hint("`twinkeep ledger search --action request.refused` shows the reason")
}

/// Before the id of a certificate where a caller is named.
pub(crate) const CERTIFICATE_PREFIX: &str = "cert:";

/// An authority vouches for it, and yet nobody here knows whose it is.
const UNKNOWN: &str = "certificate-unknown";

/// Chains that are remembered: up to 6 KiB each, and each saves some 200 µs a request.
const SEEN_COUNT_MAX: usize = 1_024;

/// An intermediate certificate or a revocation list may go out of date meanwhile.
const CHECK_AGAIN_HOURS: f64 = 1.0 / 60.0;

/// A certificate is a kilobyte.
const AUTHORITY_SIZE_MAX: u64 = 64 * 1024;
