//! Use cases: create, list, rotate, and revoke API keys, and recognize one.
//!
//! A key is `tk_` and 40 characters of base 32: 200 random bits. The catalog holds its SHA-256
//! digest; a slow hash would add nothing to that many bits, and cost every request dearly.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use serde::Serialize;
use twinkeep_domain::Timestamp;
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_store::{ApiKeyRecord, NewApiKey};
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_vault::random_bytes;

use crate::access_token::TOKEN_PREFIX;
use crate::client_certificates::CERTIFICATE_PREFIX;
use crate::sites::{LOCAL_SITE, check_site};
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller, Scope};

/// An API key, as a list shows it.
#[derive(Debug, Serialize)]
pub struct ApiKeyReport {
    /// What the ledger calls it.
    pub id: String,
    /// What the operator calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// What it is to others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Whose record numbers its events speak in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The key that takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// When it was made (RFC 3339).
    pub created: String,
    /// When it stops working (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// When it was revoked (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
    /// When it was last used, to the minute (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
    /// The key itself: shown once, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What a new key is to be.
#[derive(Clone, Copy, Debug)]
pub struct NewApiKeyRequest<'a> {
    /// What the operator calls it.
    pub name: &'a str,
    /// What it may do.
    pub scopes: &'a [Scope],
    /// What it is to others, for the policy.
    pub roles: &'a [String],
    /// How many days it lives.
    pub days: u32,
    /// Whose record numbers its events speak in; those of plain feeds, if nobody is named.
    pub site: Option<&'a str>,
}

/// Creates a key.
pub fn new_api_key(
    app: &App,
    caller: &Caller,
    request: NewApiKeyRequest<'_>,
) -> Result<ApiKeyReport, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Create, "key.created");
    let result = create(app, request, &new_id());
    let entry = match &result {
        Ok(report) => entry.with("key", report.id.as_str()),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

/// Creates a key once: who sends the same request again, because the answer was lost, gets the key's
/// record, and not the key itself, which was shown once and is kept nowhere.
///
/// `once` is the name that the caller gave to the request, and the digest of the request.
pub fn new_api_key_once(
    app: &App,
    caller: &Caller,
    request: NewApiKeyRequest<'_>,
    once: (&str, [u8; 32]),
) -> Result<ApiKeyReport, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Create, "key.created");
    let mut repeated = false;
    let mut make = || {
        let id = app.once(caller, once.0, once.1, &new_id())?;
        match list_api_keys(app)?.into_iter().find(|key| key.id == id) {
            Some(known) => {
                repeated = true;
                Ok(known)
            }
            None => create(app, request, &id),
        }
    };
    let result = make();
    let entry = match &result {
        Ok(report) => entry.with("key", report.id.as_str()).with("repeated", i64::from(repeated)),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

fn new_id() -> String {
    to_hex(&random_bytes::<4>())
}

fn create(app: &App, request: NewApiKeyRequest<'_>, id: &str) -> Result<ApiKeyReport, AppError> {
    let NewApiKeyRequest { name, scopes, roles, days, site } = request;
    if name.is_empty() || NAME_LEN_MAX < name.len() || name.chars().any(char::is_control) {
        let attempt = format!(
            "a key's name has 1 to {NAME_LEN_MAX} bytes of UTF-8, and no control characters"
        );
        return Err(AppError::usage("key-name", attempt));
    }
    if scopes.contains(&Scope::Administer) {
        let attempt = "the scope `admin` goes with a client certificate, and with no key";
        return Err(AppError::usage("key-scope", attempt)
            .hint("`twinkeep cert issue NAME --scope admin` makes one"));
    }
    if !(1..=DAYS_MAX).contains(&days) {
        let attempt = format!("a key lives 1 to {DAYS_MAX} days");
        return Err(AppError::usage("key-days", attempt).hint("make a new one before it expires"));
    }
    let role = |role: &String| {
        (1..=NAME_LEN_MAX).contains(&role.len()) && !role.chars().any(char::is_control)
    };
    if ROLE_COUNT_MAX < roles.len() || !roles.iter().all(role) {
        let attempt =
            format!("a key has up to {ROLE_COUNT_MAX} roles of 1 to {NAME_LEN_MAX} characters");
        return Err(AppError::usage("key-role", attempt));
    }
    let key = format!("{PREFIX}{}", base32(&random_bytes::<25>()));
    let now = app.now();
    let names: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
    let expires = now.plus_hours(24.0 * f64::from(days));
    if !roles.is_empty() {
        app.store.set_setting(&key_roles_key(id), &roles.join("\n"))?;
    }
    // The site first: a key without one would speak for the site of plain feeds.
    if let Some(site) = site {
        check_site(site)?;
        app.remember_site(site)?;
        app.store.set_setting(&key_site_key(id), site)?;
    }
    app.store.add_api_key(&NewApiKey {
        id,
        name,
        digest: sha256(key.as_bytes()),
        scopes: &names,
        created_at: now,
        expires_at: Some(expires),
    })?;
    Ok(ApiKeyReport {
        id: id.to_owned(),
        name: name.to_owned(),
        site: site.map(str::to_owned),
        scopes: names.into_iter().map(str::to_owned).collect(),
        roles: roles.to_vec(),
        created: rfc3339(now),
        expires: Some(rfc3339(expires)),
        revoked: None,
        last_used: None,
        successor: None,
        key: Some(key),
    })
}

/// Makes the successor of a key, which does what the old one does; the old one lives on for
/// `overlap_days`, so that whoever uses it can change over. No key has two successors.
pub fn rotate_api_key(
    app: &App,
    caller: &Caller,
    id: &str,
    days: u32,
    overlap_days: u32,
) -> Result<ApiKeyReport, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Update, "key.rotated");
    let result = succeed(app, id, days, overlap_days);
    let entry = match &result {
        Ok(report) => entry.with("key", id).with("successor", report.id.as_str()),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

fn succeed(app: &App, id: &str, days: u32, overlap_days: u32) -> Result<ApiKeyReport, AppError> {
    if OVERLAP_DAYS_MAX < overlap_days {
        let attempt = format!("a key lives on for at most {OVERLAP_DAYS_MAX} days");
        return Err(AppError::usage("key-overlap", attempt));
    }
    let refuse = |attempt: &str| {
        AppError::refused("key-not-live", attempt.to_owned())
            .hint("`twinkeep key list` shows the keys; `twinkeep key new` makes another one")
    };
    let now = app.now();
    let old = app.store.api_keys()?.into_iter().find(|key| key.id == id);
    let old = old.filter(|key| key.is_live(now)).ok_or_else(|| refuse("no such key lives"))?;
    if app.store.setting(&key_successor_key(id))?.is_some() {
        return Err(refuse("the key has a successor already: two live, and not three"));
    }
    let site = app.store.setting(&key_site_key(id))?;
    let scopes: Vec<Scope> = old.scopes.iter().filter_map(|scope| Scope::parse(scope)).collect();
    let roles = app.key_roles(id)?;
    let request = NewApiKeyRequest {
        name: &old.name,
        scopes: &scopes,
        roles: &roles,
        days,
        site: site.as_deref(),
    };
    let report = create(app, request, &new_id())?;
    // Budgets and policies go on with whoever it is.
    app.store.set_setting(&key_lineage_key(&report.id), &app.key_lineage(id)?)?;
    app.store.set_setting(&key_successor_key(id), &report.id)?;
    let end = now.plus_hours(24.0 * f64::from(overlap_days));
    if old.expires_at.is_none_or(|expires| end < expires) {
        app.store.expire_api_key(id, end)?;
    }
    Ok(report)
}

/// Lists all keys, revoked and expired ones too.
pub fn list_api_keys(app: &App) -> Result<Vec<ApiKeyReport>, AppError> {
    let line = |key: ApiKeyRecord| {
        let site = app.store.setting(&key_site_key(&key.id))?;
        let successor = app.store.setting(&key_successor_key(&key.id))?;
        let roles = app.key_roles(&key.id)?;
        Ok(ApiKeyReport { site, successor, roles, ..report(key) })
    };
    app.store.api_keys()?.into_iter().map(line).collect()
}

/// Revokes a key, at once.
pub fn revoke_api_key(app: &App, caller: &Caller, id: &str) -> Result<(), AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Delete, "key.revoked");
    let result = app
        .store
        .revoke_api_key(id, app.now())
        .map_err(|error| AppError::from(error).hint("`twinkeep key list` shows the ids"));
    // Only an id of ours goes into the ledger: anything could be typed.
    let entry = if result.is_ok() { entry.with("key", id) } else { entry };
    app.conclude(entry.severity(Severity::Low), result)
}

/// What the catalog's settings say of keys.
#[derive(Default)]
pub(crate) struct KeyFacts {
    /// The version of the settings that this is as of.
    version: Vec<u8>,
    known: BTreeMap<String, String>,
}

/// When keys were used, as this process saw it.
#[derive(Default)]
pub(crate) struct NotedUses {
    at: BTreeMap<String, Timestamp>,
    /// Whose use is not in the catalog yet.
    unwritten: Vec<String>,
    /// How many uses could not be written.
    lost: u64,
    /// Whether that was told since it last went well.
    told: bool,
}

impl NotedUses {
    /// Counts what was written and what could not be; returns whether that is to be told: once,
    /// until it goes well again, for each minute of a full disk would say the same.
    fn count(&mut self, written: u64, lost: u64) -> bool {
        self.lost += lost;
        let first = 0 < lost && !self.told;
        self.told = 0 < lost || (self.told && written == 0);
        first
    }
}

impl App {
    /// Recognizes an API key. Every failure looks the same to the caller.
    pub fn authenticate(&self, key: &str) -> Result<Caller, AppError> {
        let refused = || AppError::refused("key-invalid", "the API key is not valid");
        if !key.starts_with(PREFIX) || key.len() != KEY_LEN {
            return Err(refused());
        }
        let now = self.now();
        let found = self.store.api_key_by_digest(&sha256(key.as_bytes()))?;
        let found = found.filter(|found| found.is_live(now)).ok_or_else(refused)?;
        // Once a minute is enough to tell a key that is used from one that is not.
        let stale = |last: Timestamp| USE_NOTED_EVERY_HOURS < now.hours_since(last);
        if found.last_used_at.is_none_or(stale) {
            self.note_use(&found.id, now, stale);
        }
        Ok(Caller {
            id: caller_id(&found.id),
            name: found.name,
            scopes: found.scopes.iter().filter_map(|scope| Scope::parse(scope)).collect(),
            roles: self.key_roles(&found.id)?,
            ..Caller::named("")
        })
    }
}

impl App {
    /// Remembers that a key was used, unless that is known: [`App::write_uses`] writes it.
    fn note_use(&self, id: &str, now: Timestamp, stale: impl Fn(Timestamp) -> bool) {
        let mut noted = self.noted_uses.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.at.get(id).is_none_or(|last| stale(*last)) {
            noted.at.insert(id.to_owned(), now);
            noted.unwritten.push(id.to_owned());
        }
    }

    /// Returns whether a key was used of which nothing is written yet.
    pub fn has_unwritten_uses(&self) -> bool {
        let noted = self.noted_uses.lock().unwrap_or_else(PoisonError::into_inner);
        !noted.unwritten.is_empty()
    }

    /// Writes when keys were used: apart from the request, which need not wait for a disk. What a
    /// crash takes is the last minute of it.
    pub fn write_uses(&self) -> Result<(), AppError> {
        let uses: Vec<_> = {
            let mut noted = self.noted_uses.lock().unwrap_or_else(PoisonError::into_inner);
            let ids = std::mem::take(&mut noted.unwritten);
            ids.into_iter().filter_map(|id| noted.at.get(&id).map(|at| (id.clone(), *at))).collect()
        };
        let mut failure = None;
        let mut lost = 0;
        for (id, at) in &uses {
            if let Err(error) = self.store.touch_api_key(id, *at) {
                lost += 1;
                failure.get_or_insert(error);
            }
        }
        let first = {
            let mut noted = self.noted_uses.lock().unwrap_or_else(PoisonError::into_inner);
            noted.count(uses.len() as u64 - lost, lost)
        };
        let Some(failure) = failure else { return Ok(()) };
        if first {
            let class = EventClass::EntityManagement;
            let entry = self.entry(&Caller::system(), class, Activity::Update, "key.use-unwritten");
            let entry = entry.severity(Severity::Medium).with("code", failure.code());
            self.record(&entry)?;
        }
        Err(failure.into())
    }

    /// Returns how many times since the start it could not be written when a key was used.
    pub fn unwritten_uses(&self) -> u64 {
        self.noted_uses.lock().unwrap_or_else(PoisonError::into_inner).lost
    }

    /// Returns the roles of a key.
    fn key_roles(&self, id: &str) -> Result<Vec<String>, AppError> {
        let text = self.key_fact(&key_roles_key(id))?.unwrap_or_default();
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Returns the first of the keys of which this one is a successor.
    pub(crate) fn key_lineage(&self, id: &str) -> Result<String, AppError> {
        Ok(self.key_fact(&key_lineage_key(id))?.unwrap_or_else(|| id.to_owned()))
    }

    /// Returns a setting about a key, from memory: every request asks.
    fn key_fact(&self, name: &str) -> Result<Option<String>, AppError> {
        let [version, _] = self.store.rules_version()?;
        let mut facts = self.key_facts.lock().unwrap_or_else(PoisonError::into_inner);
        if facts.version != version {
            facts.known = self.store.settings_below("key-")?.into_iter().collect();
            facts.version = version;
        }
        Ok(facts.known.get(name).cloned())
    }

    /// Returns the site that a caller's events speak for; `None` if they may name any.
    pub(crate) fn caller_site(&self, caller: &Caller) -> Result<Option<String>, AppError> {
        if let Some(token) = caller.id.strip_prefix(TOKEN_PREFIX) {
            let (issuer, _) = token.split_once('/').unwrap_or((token, ""));
            return Ok(Some(self.issuer(issuer)?.site.clone()));
        }
        if let Some(certificate) = caller.id.strip_prefix(CERTIFICATE_PREFIX) {
            return self.certificate_site(certificate).map(Some);
        }
        let Some(id) = caller.id.strip_prefix(CALLER_PREFIX) else { return Ok(None) };
        let site = self.store.setting(&key_site_key(id))?;
        Ok(Some(site.unwrap_or_else(|| LOCAL_SITE.to_owned())))
    }
}

/// Returns how the ledger names who shows a key.
pub(crate) fn caller_id(key: &str) -> String {
    format!("{CALLER_PREFIX}{key}")
}

fn key_successor_key(id: &str) -> String {
    format!("key-successor/{id}")
}

fn key_lineage_key(id: &str) -> String {
    format!("key-lineage/{id}")
}

fn key_roles_key(id: &str) -> String {
    format!("key-roles/{id}")
}

fn key_site_key(id: &str) -> String {
    format!("key-site/{id}")
}

fn report(key: ApiKeyRecord) -> ApiKeyReport {
    ApiKeyReport {
        id: key.id,
        name: key.name,
        site: None,
        scopes: key.scopes,
        roles: Vec::new(),
        successor: None,
        created: rfc3339(key.created_at),
        expires: key.expires_at.map(rfc3339),
        revoked: key.revoked_at.map(rfc3339),
        last_used: key.last_used_at.map(rfc3339),
        key: None,
    }
}

/// RFC 4648 base 32 in lower case, without padding; 5 bytes become 8 characters.
fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let number = chunk.iter().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
        for digit in (0..8).rev() {
            let index = (number >> (5 * digit)) & 31;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Lets people and secret scanners recognize a key of ours.
const PREFIX: &str = "tk_";

/// Before the id of a key where a caller is named.
pub(crate) const CALLER_PREFIX: &str = "key:";

const KEY_LEN: usize = PREFIX.len() + 40;

const NAME_LEN_MAX: usize = 64;

/// A write for each request would cost more than the answer.
const USE_NOTED_EVERY_HOURS: f64 = 1.0 / 60.0;

const ROLE_COUNT_MAX: usize = 16;

/// A month to change over: longer, and there are two keys for good.
const OVERLAP_DAYS_MAX: u32 = 31;

/// A key that never changes is a key that somebody has.
const DAYS_MAX: u32 = 397;

#[cfg(test)]
mod tests {
    use super::{NotedUses, base32};

    #[test]
    fn what_cannot_be_written_is_told_once_until_it_goes_well_again() {
        let mut noted = NotedUses::default();
        assert!(!noted.count(3, 0));
        let said = [(0, 2), (1, 1), (0, 0), (0, 1)];
        let told = said.map(|(written, lost)| noted.count(written, lost));
        assert_eq!((told, noted.lost), ([true, false, false, false], 4));
        assert!(!noted.count(1, 0));
        assert!(noted.count(0, 1));
    }

    #[test]
    fn base32_matches_rfc_4648() {
        assert_eq!(base32(b"fooba"), "mzxw6ytb");
        assert_eq!(base32(&[0xff; 25]), "7".repeat(40));
    }
}
