//! `/admin/v1/keys`: API keys, as `twinkeep key` has them.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, Response};
use serde::{Deserialize, Serialize};
use twinkeep_app::{
    ApiKeyReport, Caller, NewApiKeyRequest, Scope, list_api_keys, new_api_key, new_api_key_once,
    revoke_api_key, rotate_api_key,
};
use twinkeep_vault::digest::sha256;

use super::{done, read};
use crate::api::events::idempotency_key;
use crate::gate::Gate;
use crate::json;
use crate::refusal::Refusal;

/// The body of a request for a key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKeyWire {
    name: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    site: Option<String>,
    #[serde(default)]
    days: Option<f64>,
}

/// The body of a rotation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotationWire {
    #[serde(default)]
    days: Option<f64>,
    #[serde(default)]
    overlap_days: Option<f64>,
}

#[derive(Serialize)]
struct KeyList {
    keys: Vec<ApiKeyReport>,
}

#[derive(Serialize)]
struct Revoked {
    id: String,
}

/// Lists the keys.
pub(super) async fn list(State(gate): State<Arc<Gate>>) -> Result<Response<Body>, Refusal> {
    read(&gate, |app| Ok(KeyList { keys: list_api_keys(app)? })).await
}

/// Makes a key, and shows it once.
pub(super) async fn new(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    json::require_type(request.headers(), "application/json")?;
    let once = idempotency_key(request.headers())?;
    let bytes = json::read_bytes(request, gate.body_limits()).await?;
    let NewKeyWire { name, scopes, roles, site, days } = json::parse(&bytes)?;
    let scopes = scopes.iter().map(|name| scope(name)).collect::<Result<Vec<_>, _>>()?;
    let days = count_of_days(days, DAYS)?;
    done(&gate, move |app| {
        let scopes = if scopes.is_empty() { &Scope::DEFAULT[..] } else { &scopes };
        let site = site.as_deref();
        let request = NewApiKeyRequest { name: &name, scopes, roles: &roles, days, site };
        match &once {
            Some(once) => new_api_key_once(app, &caller, request, (once, sha256(&bytes))),
            None => new_api_key(app, &caller, request),
        }
    })
    .await
}

fn scope(name: &str) -> Result<Scope, Refusal> {
    let message = "there is no such scope";
    Scope::parse(name).ok_or_else(|| Refusal::unprocessable("scope-unknown", message))
}

/// Takes a whole number, however it is written: `30` and `30.0` are one to JSON.
fn count_of_days(days: Option<f64>, usual: u32) -> Result<u32, Refusal> {
    let Some(days) = days else { return Ok(usual) };
    if days.fract() == 0.0 && (0.0..=f64::from(DAYS_MAX)).contains(&days) {
        return Ok(days as u32);
    }
    Err(Refusal::unprocessable("key-days", "days are a whole number, and no more than a key lives"))
}

/// Makes the successor of a key, which no key has twice: a repeat is refused by itself.
pub(super) async fn rotate(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let RotationWire { days, overlap_days } = json::read(request, gate.body_limits()).await?;
    let days = count_of_days(days, DAYS)?;
    let overlap = count_of_days(overlap_days, OVERLAP_DAYS)?;
    done(&gate, move |app| rotate_api_key(app, &caller, &id, days, overlap)).await
}

/// Revokes a key, at once.
pub(super) async fn revoke(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response<Body>, Refusal> {
    done(&gate, move |app| revoke_api_key(app, &caller, &id).map(|()| Revoked { id })).await
}

/// More than any key lives; the use case says how long that is.
const DAYS_MAX: u32 = 100_000;

/// As at the command line.
const DAYS: u32 = 90;

/// As at the command line.
const OVERLAP_DAYS: u32 = 7;
