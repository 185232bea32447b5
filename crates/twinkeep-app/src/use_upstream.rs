//! Use cases: let a caller through to a model server behind the gate, record what came of it, and
//! look after what the gate logs in with and how the server is.
//!
//! The gate carries requests; what they say is between the client and the server. The ledger gets
//! who asked which server and how that ended, and nothing of the content.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_vault::{Purpose, SecretBytes, open, seal};

use crate::time_text::rfc3339;
use crate::{App, AppError, BudgetUnit, Caller, Scope, UpstreamConfig};

/// What the gate logs in to upstreams with, as of a version of the catalog.
#[derive(Default)]
pub(crate) struct Logins {
    state: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    version: Vec<u8>,
    logins: BTreeMap<String, Arc<SecretBytes>>,
}

/// How a request to an upstream ended.
#[derive(Clone, Debug)]
pub struct RelayedRequest {
    /// Which upstream.
    pub upstream: String,
    /// The route, as a pattern.
    pub route: String,
    /// What was done.
    pub method: String,
    /// What the upstream answered.
    pub status: u16,
    /// As in the answer.
    pub protocol: &'static str,
}

/// How an upstream is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamState {
    /// `well`, `unwell`, or `unchecked` where nothing is asked.
    pub health: String,
    /// `closed`: requests go through. `open`: none do. `half-open`: one is let through to try.
    pub breaker: String,
    /// Since when (RFC 3339); empty if no gate serves.
    #[serde(default)]
    pub since: String,
}

/// An upstream, as a list shows it.
#[derive(Debug, Serialize)]
pub struct UpstreamLine {
    /// What the ledger calls it.
    pub name: String,
    /// What stands under it.
    pub path: String,
    /// Where it is.
    pub url: String,
    /// Whether the gate logs in to it.
    pub login: bool,
    /// How the gate that serves finds it; none if no gate serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<UpstreamState>,
}

impl App {
    /// Decides whether a caller may use an upstream, and charges their budget. `body` is there
    /// where [`App::upstream_needs_body`] asks for it.
    pub fn admit_upstream(
        &self,
        caller: &Caller,
        upstream: &UpstreamConfig,
        input: Option<&[u8]>,
    ) -> Result<(), AppError> {
        let granted =
            |name: &String| Scope::parse(name).is_some_and(|it| caller.scopes.contains(&it));
        if !upstream.scopes.iter().any(granted) {
            let wanted = upstream.scopes.join("` or `");
            let attempt = format!("the key `{}` lacks the scope `{wanted}`", caller.name);
            return Err(AppError::refused("scope-missing", attempt)
                .hint("make one with `twinkeep key new NAME --scope SCOPE`"));
        }
        if !upstream.roles.is_empty() && !upstream.roles.iter().any(|it| caller.roles.contains(it))
        {
            let attempt = format!("the upstream `{}` is for other roles", upstream.name);
            return Err(AppError::refused("role-missing", attempt)
                .hint("`roles` of the upstream in twinkeep.toml names them"));
        }
        // An upstream does not know whom a token is about.
        caller.require_everybody()?;
        let model = format!("upstream:{}", upstream.name);
        if let Some(input) = input {
            self.spend_or_refuse(caller, BudgetUnit::DistinctInputs, &model, input)?;
        }
        self.spend_or_refuse(caller, BudgetUnit::FullAnswers, &model, &[])
    }

    /// Returns whether a budget counts what this caller sends: then all of it must be known before
    /// anything is passed on.
    pub fn upstream_needs_body(&self, caller: &Caller) -> bool {
        self.is_budgeted(caller, BudgetUnit::DistinctInputs)
    }

    /// Returns what the gate logs in to an upstream with.
    pub fn upstream_login(&self, name: &str) -> Result<Option<Arc<SecretBytes>>, AppError> {
        let [version, _] = self.store.rules_version()?;
        let mut known = self.upstream_logins.state.lock().unwrap_or_else(PoisonError::into_inner);
        if known.version != version {
            let mut logins = BTreeMap::new();
            for (setting, text) in self.store.settings_below(LOGIN)? {
                let name = setting.strip_prefix(LOGIN).unwrap_or_default();
                logins.insert(name.to_owned(), Arc::new(self.open_login(name, &text)?));
            }
            *known = Known { version, logins };
        }
        Ok(known.logins.get(name).cloned())
    }

    fn open_login(&self, name: &str, text: &str) -> Result<SecretBytes, AppError> {
        let damaged = || {
            let attempt = format!("what logs in to the upstream `{name}` is damaged");
            AppError::refused("upstream-login-damaged", attempt)
                .hint(format!("give it again: `twinkeep upstream login {name}`"))
        };
        if text.is_empty() {
            return Ok(SecretBytes::new(Vec::new()));
        }
        let sealed = STANDARD.decode(text).map_err(|_| damaged())?;
        let bound = format!("{LOGIN}{name}");
        open(self.access_key(), Purpose::Access, bound.as_bytes(), &sealed)
            .map_err(|error| damaged().because(error))
    }

    /// Returns an upstream of the configuration.
    pub fn upstream(&self, name: &str) -> Result<&UpstreamConfig, AppError> {
        let found = self.settings.upstreams.iter().find(|upstream| upstream.name == name);
        found.ok_or_else(|| {
            AppError::usage("upstream-unknown", format!("there is no upstream `{name}`"))
                .hint("`[[upstream]]` in twinkeep.toml names them")
        })
    }
}

/// Records what an upstream answered; when this returns, the entry is durable.
pub fn record_relayed(
    app: &App,
    caller: &Caller,
    request: &RelayedRequest,
) -> Result<(), AppError> {
    let entry = app
        .entry(caller, EventClass::ApiActivity, Activity::Other, "upstream.relayed")
        .with("upstream", request.upstream.as_str())
        .with("route", request.route.as_str())
        .with("method", request.method.as_str())
        .with("protocol", request.protocol)
        .with("status", i64::from(request.status));
    app.record(&entry).map(drop)
}

/// An answer that went on, once it is over.
#[derive(Clone, Debug)]
pub struct RelayedStream {
    /// Which upstream.
    pub upstream: String,
    /// The route's pattern.
    pub route: String,
    /// What the client got.
    pub bytes_to_client: u64,
    /// What the client said.
    pub bytes_to_upstream: u64,
    /// How long it went on.
    pub seconds: u64,
    /// Why it is over: `client-left`, `upstream-ended`, `upstream-broken`, or why the gate ended it.
    pub reason: &'static str,
}

/// Records that an answer that went on is over.
pub fn record_relayed_end(
    app: &App,
    caller: &Caller,
    stream: &RelayedStream,
) -> Result<(), AppError> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let entry = app
        .entry(caller, EventClass::ApiActivity, Activity::Other, "upstream.ended")
        .with("upstream", stream.upstream.as_str())
        .with("route", stream.route.as_str())
        .with("bytes_to_client", number(stream.bytes_to_client))
        .with("bytes_to_upstream", number(stream.bytes_to_upstream))
        .with("seconds", number(stream.seconds))
        .with("reason", stream.reason);
    app.record(&entry).map(drop)
}

/// Sets what the gate logs in to an upstream with: the value of its `login_header`.
pub fn set_upstream_login(
    app: &App,
    caller: &Caller,
    name: &str,
    secret: &SecretBytes,
) -> Result<(), AppError> {
    let entry = app
        .entry(caller, EventClass::EntityManagement, Activity::Update, "upstream.login-set")
        .severity(Severity::Medium)
        .with("upstream", name);
    let visible = |byte: &u8| (b' '..=b'~').contains(byte);
    let text = secret.expose();
    let set = app.upstream(name).and_then(|_| {
        if !(1..=LOGIN_LEN_MAX).contains(&text.len()) || !text.iter().all(visible) {
            let attempt = "what logs in is one line of 1 to 4,096 visible characters";
            return Err(AppError::usage("upstream-login", attempt));
        }
        let setting = format!("{LOGIN}{name}");
        let sealed = seal(app.access_key(), Purpose::Access, setting.as_bytes(), text);
        Ok(app.store.set_setting(&setting, &STANDARD.encode(sealed))?)
    });
    app.conclude(entry, set)
}

/// Forgets what the gate logs in to an upstream with.
pub fn forget_upstream_login(app: &App, caller: &Caller, name: &str) -> Result<(), AppError> {
    let entry = app
        .entry(caller, EventClass::EntityManagement, Activity::Delete, "upstream.login-forgotten")
        .severity(Severity::Medium)
        .with("upstream", name);
    let setting = format!("{LOGIN}{name}");
    app.conclude(entry, app.store.set_setting(&setting, "").map_err(AppError::from))
}

/// Notes how an upstream is now, for `upstream list`, and records it.
pub fn note_upstream(app: &App, name: &str, state: &UpstreamState) -> Result<(), AppError> {
    let well = state.health != "unwell" && state.breaker != "open";
    let severity = if well { Severity::Informational } else { Severity::Medium };
    let entry = app
        .entry(
            &Caller::system(),
            EventClass::ApplicationLifecycle,
            Activity::Update,
            "upstream.state",
        )
        .severity(severity)
        .with("upstream", name)
        .with("health", state.health.as_str())
        .with("breaker", state.breaker.as_str());
    let state = UpstreamState { since: rfc3339(app.now()), ..state.clone() };
    let text = serde_json::to_string(&state).unwrap_or_default();
    let noted = app.store.set_setting(&format!("{STATE}{name}"), &text);
    app.conclude(entry, noted.map_err(AppError::from))
}

/// Forgets how upstreams are: no gate looks after them any more.
pub fn forget_upstreams(app: &App) -> Result<(), AppError> {
    for (setting, text) in app.store.settings_below(STATE)? {
        if !text.is_empty() {
            app.store.set_setting(&setting, "")?;
        }
    }
    Ok(())
}

/// Lists the upstreams of the configuration, and how the gate that serves finds them.
pub fn list_upstreams(app: &App) -> Result<Vec<UpstreamLine>, AppError> {
    let states: BTreeMap<_, _> = app.store.settings_below(STATE)?.into_iter().collect();
    let line = |upstream: &UpstreamConfig| {
        let state = states.get(&format!("{STATE}{}", upstream.name));
        let login = app.upstream_login(&upstream.name)?;
        Ok(UpstreamLine {
            name: upstream.name.clone(),
            path: upstream.path.clone(),
            url: upstream.url.clone(),
            login: login.is_some_and(|login| !login.expose().is_empty()),
            state: state.and_then(|text| serde_json::from_str(text).ok()),
        })
    };
    app.settings.upstreams.iter().map(line).collect()
}

/// Where the catalog has what logs in, sealed.
const LOGIN: &str = "upstream-login/";

/// Where the catalog has how upstreams are.
const STATE: &str = "upstream-state/";

/// A token with many claims.
const LOGIN_LEN_MAX: usize = 4096;
