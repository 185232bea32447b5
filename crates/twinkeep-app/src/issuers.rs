//! What is known of the issuers of access tokens: their keys, and what was revoked of what they
//! issued. The catalog has it; here it is in memory, as of the version of its settings.
//!
//! Keys are fetched elsewhere ([`crate::refresh_issuers`]) and come in through the catalog, so that
//! the process that judges tokens needs no network.
//!
//! # Invariants
//!
//! - Keys belong to one issuer: one issuer's key never verifies another's token.
//! - Whatever changes in the catalog (keys, revocations) holds from the next request on, in every
//!   process: the version is asked each time.
//! - What is remembered of tokens is bounded, and only of such that were verified.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use twinkeep_domain::Timestamp;
use twinkeep_vault::digest::{hmac_sha256, to_hex};
use twinkeep_vault::token::TokenKeys;

use crate::{App, AppError, Caller, IssuerConfig};

/// What the process knows of issuers.
#[derive(Default)]
pub(crate) struct Issuers {
    known: Mutex<Known>,
    /// Issuers of which a key was missing, by name.
    wanted: Mutex<BTreeSet<String>>,
}

#[derive(Default)]
pub(crate) struct Known {
    /// The version of the settings that this is as of.
    version: Vec<u8>,
    keys: BTreeMap<String, IssuerKeys>,
    revoked: BTreeSet<String>,
    verified: BTreeMap<[u8; 32], Verified>,
}

/// The keys of one issuer.
#[derive(Clone)]
pub(crate) struct IssuerKeys {
    /// As it was stored.
    text: String,
    /// When the issuer was last asked.
    pub(crate) fetched_at: Timestamp,
    pub(crate) keys: Arc<TokenKeys>,
}

impl IssuerKeys {
    /// Returns the key set as it came.
    pub(crate) fn set(&self) -> &str {
        self.text.split_once('\n').map_or("", |(_, set)| set)
    }

    fn parse(text: String) -> Option<Self> {
        let (micros, set) = text.split_once('\n')?;
        let fetched_at = Timestamp::from_micros(micros.parse().ok()?);
        let keys = Arc::new(TokenKeys::parse(set.as_bytes()).ok()?);
        Some(Self { text, fetched_at, keys })
    }
}

/// A token that was verified.
#[derive(Clone)]
pub(crate) struct Verified {
    pub(crate) caller: Caller,
    /// When it stops to hold.
    pub(crate) until: Timestamp,
    /// SHA-256 of the certificate that must be shown with it (RFC 8705).
    pub(crate) bound: Option<[u8; 32]>,
    /// By what it could be revoked.
    pub(crate) marks: Vec<String>,
}

impl Known {
    /// Returns a token that was verified before, if it still holds.
    pub(crate) fn remembered(&self, digest: &[u8; 32], now: Timestamp) -> Option<&Verified> {
        self.verified.get(digest).filter(|token| self.holds(token, now))
    }

    /// Returns whether a token neither expired nor was revoked.
    pub(crate) fn holds(&self, token: &Verified, now: Timestamp) -> bool {
        now < token.until && !token.marks.iter().any(|mark| self.revoked.contains(mark))
    }

    /// Remembers a token until it expires.
    pub(crate) fn remember(&mut self, digest: [u8; 32], token: Verified, now: Timestamp) {
        if TOKEN_COUNT_MAX <= self.verified.len() {
            self.verified.retain(|_, known| now < known.until);
        }
        if TOKEN_COUNT_MAX <= self.verified.len() {
            // Digests are as good as random, and so is who is asked to be verified again.
            self.verified.pop_first();
        }
        self.verified.insert(digest, token);
    }

    /// Returns every caller whose token was verified and still holds.
    pub(crate) fn callers(&self, now: Timestamp) -> impl Iterator<Item = &Caller> {
        let held = self.verified.values().filter(move |token| self.holds(token, now));
        held.map(|token| &token.caller)
    }

    /// Returns the keys of an issuer, unless nothing was heard of it for too long.
    pub(crate) fn keys(&self, issuer: &str, now: Timestamp) -> Option<&IssuerKeys> {
        let fresh = |keys: &&IssuerKeys| now.hours_since(keys.fetched_at) < STALE_HOURS_MAX;
        self.keys.get(issuer).filter(fresh)
    }
}

impl App {
    /// Returns what is known now.
    pub(crate) fn known_issuers(&self) -> Result<MutexGuard<'_, Known>, AppError> {
        let [version, _] = self.store.rules_version()?;
        let mut known = self.issuers.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.version != version {
            self.read_issuers(&mut known)?;
            known.version = version;
        }
        Ok(known)
    }

    fn read_issuers(&self, known: &mut Known) -> Result<(), AppError> {
        known.revoked = self.revoked_tokens()?.into_iter().map(|line| line.mark).collect();
        for issuer in &self.settings.issuers {
            let text = self.store.setting(&keys_setting(&issuer.name))?;
            let same = known.keys.get(&issuer.name).map(|keys| &keys.text) == text.as_ref();
            if same {
                continue;
            }
            let new = text.and_then(IssuerKeys::parse);
            let changed = match (&new, known.keys.get(&issuer.name)) {
                (Some(new), Some(old)) => new.set() != old.set(),
                _ => true,
            };
            if changed {
                // What a key that is gone has verified is to be verified again.
                known.verified.clear();
            }
            match new {
                Some(new) => known.keys.insert(issuer.name.clone(), new),
                None => known.keys.remove(&issuer.name),
            };
        }
        Ok(())
    }

    /// Remembers that a key of an issuer was missing.
    pub(crate) fn want_keys(&self, issuer: &str) {
        let mut wanted = self.issuers.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.insert(issuer.to_owned());
    }

    /// Returns of whom keys were missing, and forgets it.
    pub(crate) fn take_wanted(&self) -> BTreeSet<String> {
        let mut wanted = self.issuers.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *wanted)
    }

    /// Returns the issuer of this name.
    pub(crate) fn issuer(&self, name: &str) -> Result<&IssuerConfig, AppError> {
        self.settings.issuers.iter().find(|issuer| issuer.name == name).ok_or_else(|| {
            AppError::usage("issuer-unknown", "there is no such issuer in twinkeep.toml")
                .hint("`twinkeep issuer list` shows them")
        })
    }

    /// Returns how somebody's token is called here: a keyed digest, because an issuer may name a
    /// person by an address.
    pub(crate) fn token_mark(&self, issuer: &str, kind: TokenMark, value: &str) -> String {
        let text = format!("token\0{issuer}\0{}\0{value}", kind.name());
        to_hex(&hmac_sha256(self.reference_key(), text.as_bytes())[..12])
    }
}

/// By what a token is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenMark {
    /// Its own id, `jti`.
    Id,
    /// Whom it is about, `sub`.
    Subject,
}

impl TokenMark {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Id => "jti",
            Self::Subject => "sub",
        }
    }
}

/// Where the catalog has the keys of an issuer.
pub(crate) fn keys_setting(issuer: &str) -> String {
    format!("issuer-keys/{issuer}")
}

/// Tokens that are remembered: a few hundred bytes each, and each saves tens of microseconds.
const TOKEN_COUNT_MAX: usize = 10_000;

/// A provider that is down for a night is no reason to lock everybody out; one that is cut off for
/// good must not keep a stolen key alive.
pub(crate) const STALE_HOURS_MAX: f64 = 24.0;
