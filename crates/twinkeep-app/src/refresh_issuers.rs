//! Use cases: fetch the keys of issuers of access tokens, again and again; list them.
//!
//! A provider changes its keys without telling. What is known of it is asked for again every few
//! minutes, and at once when a token names a key that is not known, but then not more often than
//! every ten seconds: tokens that name keys at random would make the keep attack the provider.
//! When the provider cannot be reached, what is known goes on for a day.

use std::collections::BTreeMap;

use serde::Serialize;
use twinkeep_connect::{HttpsError, Trust, discover_key_set, fetch_key_set};
use twinkeep_domain::Timestamp;
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_vault::files::read_bounded;
use twinkeep_vault::token::{KEY_SET_LEN_MAX, TokenKeys};

use crate::issuers::keys_setting;
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller, IssuerConfig};

/// An issuer, as a list shows it.
#[derive(Debug, Serialize)]
pub struct IssuerLine {
    /// What the ledger calls it.
    pub name: String,
    /// What `iss` of its tokens says.
    pub url: String,
    /// The algorithms that it is pinned to.
    pub algorithms: Vec<String>,
    /// How many keys of it are known.
    pub keys: usize,
    /// When it was last asked (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched: Option<String>,
    /// Whether tokens of it are believed now.
    pub believed: bool,
}

/// When issuers were asked, so that nobody is asked too often.
#[derive(Default)]
pub struct IssuerWatch {
    asked: BTreeMap<String, Asked>,
}

struct Asked {
    at: Timestamp,
    failed: bool,
}

/// Lists the issuers of the configuration, and what is known of them.
pub fn list_issuers(app: &App) -> Result<Vec<IssuerLine>, AppError> {
    let now = app.now();
    let known = app.known_issuers()?;
    let line = |issuer: &IssuerConfig| {
        let keys = known.keys(&issuer.name, now);
        IssuerLine {
            name: issuer.name.clone(),
            url: issuer.url.clone(),
            algorithms: issuer.algorithms.clone(),
            keys: keys.map_or(0, |keys| keys.keys.len()),
            fetched: keys.map(|keys| rfc3339(keys.fetched_at)),
            believed: keys.is_some_and(|keys| !keys.keys.is_empty()),
        }
    };
    Ok(app.settings.issuers.iter().map(line).collect())
}

/// Fetches the keys of one issuer now.
pub fn refresh_issuer(app: &App, caller: &Caller, name: &str) -> Result<(), AppError> {
    refresh(app, caller, app.issuer(name)?)
}

/// Fetches the keys of every issuer of whom it is time to. Failures are in the ledger, each series
/// of them once.
pub fn refresh_issuers(app: &App, watch: &mut IssuerWatch) {
    let wanted = app.take_wanted();
    let system = Caller::system();
    for issuer in &app.settings.issuers {
        let now = app.now();
        let asked = watch.asked.get(&issuer.name);
        let due = asked.is_none_or(|asked| {
            let pause = match (wanted.contains(&issuer.name), asked.failed) {
                (true, _) => COOLDOWN_HOURS,
                (false, true) => RETRY_HOURS,
                (false, false) => REFRESH_HOURS,
            };
            pause <= now.hours_since(asked.at)
        });
        if !due {
            if wanted.contains(&issuer.name) {
                app.want_keys(&issuer.name);
            }
            continue;
        }
        let told = asked.is_some_and(|asked| asked.failed);
        let fetched = fetch(issuer);
        let failed = match fetched {
            Ok(set) => store(app, &system, issuer, &set).is_err(),
            Err(_) if told => true,
            // The ledger says so once.
            Err(error) => conclude(app, &system, issuer, Err(error)).is_err(),
        };
        watch.asked.insert(issuer.name.clone(), Asked { at: now, failed });
    }
}

fn refresh(app: &App, caller: &Caller, issuer: &IssuerConfig) -> Result<(), AppError> {
    match fetch(issuer) {
        Ok(set) => store(app, caller, issuer, &set),
        Err(error) => conclude(app, caller, issuer, Err(error)),
    }
}

/// Gets the key set of an issuer. Touches nothing of the keep: another process may do it.
fn fetch(issuer: &IssuerConfig) -> Result<String, AppError> {
    let bytes = match (&issuer.jwks_file, &issuer.jwks_url) {
        (Some(path), _) => read_bounded(path, KEY_SET_LEN_MAX as u64).map_err(|error| {
            AppError::environment("issuer-file", format!("cannot read `{}`", path.display()))
                .because(error)
        })?,
        (None, Some(address)) => fetch_key_set(address, &trust(issuer)?).map_err(unreachable)?,
        (None, None) => discover_key_set(&issuer.url, &trust(issuer)?).map_err(unreachable)?,
    };
    let unusable = || {
        let attempt = format!("the keys of issuer `{}` cannot be used", issuer.name);
        AppError::refused("issuer-keys", attempt)
    };
    TokenKeys::parse(&bytes).map_err(|error| unusable().because(error))?;
    String::from_utf8(bytes).map_err(|error| unusable().because(error))
}

fn trust(issuer: &IssuerConfig) -> Result<Trust, AppError> {
    let Some(path) = &issuer.ca else { return Ok(Trust::System) };
    let pem = read_bounded(path, CA_LEN_MAX).map_err(|error| {
        AppError::environment("issuer-ca", format!("cannot read `{}`", path.display()))
            .because(error)
    })?;
    Ok(Trust::Authorities(pem))
}

fn unreachable(error: HttpsError) -> AppError {
    AppError::environment("issuer-unreachable", "cannot fetch the keys of an issuer").because(error)
}

/// Stores a key set if it is new, or if the catalog would forget when it was confirmed.
fn store(app: &App, caller: &Caller, issuer: &IssuerConfig, set: &str) -> Result<(), AppError> {
    let now = app.now();
    let (same, confirmed) = {
        let known = app.known_issuers()?;
        let keys = known.keys(&issuer.name, now);
        let same = keys.is_some_and(|keys| keys.set() == set);
        (same, keys.is_some_and(|keys| now.hours_since(keys.fetched_at) < CONFIRM_HOURS))
    };
    if same && confirmed {
        return Ok(());
    }
    let text = format!("{}\n{set}", now.micros());
    let result = app.store.set_setting(&keys_setting(&issuer.name), &text);
    if same && result.is_ok() {
        return Ok(());
    }
    conclude(app, caller, issuer, result.map_err(AppError::from))
}

fn conclude(
    app: &App,
    caller: &Caller,
    issuer: &IssuerConfig,
    result: Result<(), AppError>,
) -> Result<(), AppError> {
    let class = EventClass::EntityManagement;
    let entry = app.entry(caller, class, Activity::Update, "issuer.refreshed");
    let entry = entry.with("issuer", issuer.name.as_str()).severity(Severity::Low);
    app.conclude(entry, result)
}

/// Five minutes: what providers tell caches.
const REFRESH_HOURS: f64 = 5.0 / 60.0;

/// After a failure.
const RETRY_HOURS: f64 = 30.0 / 3600.0;

/// When a key is missing: ten seconds.
const COOLDOWN_HOURS: f64 = 10.0 / 3600.0;

/// How old the time may be that the catalog has for keys that did not change: an hour, of the day
/// that they may grow stale.
const CONFIRM_HOURS: f64 = 1.0;

/// A bundle of certificates.
const CA_LEN_MAX: u64 = 1 << 20;
