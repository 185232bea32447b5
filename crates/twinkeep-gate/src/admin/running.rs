//! What the running gate knows and nobody else: its state, who is locked out, who is signed in, and
//! the certificate that it shows.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use twinkeep_app::{
    AppError, Caller, GateCertificate, ServerIdentity, gate_certificate, record_certified,
    renew_server_certificate, server_identity,
};

use super::{done, noted, read};
use crate::TlsMaterial;
use crate::address::AddressKey;
use crate::audit::RequestAction;
use crate::gate::Gate;
use crate::json;
use crate::refusal::Refusal;
use crate::sessions::SessionLine;

/// How the gate is.
#[derive(Serialize)]
struct Status {
    /// Of the program.
    version: &'static str,
    pack: String,
    uptime_seconds: u64,
    /// The size of the ledger.
    ledger_entries: u64,
    /// The version that forecasts, if one does.
    model_in_service: Option<String>,
    requests_under_way: usize,
    streams: usize,
    keys_locked: bool,
    certificate: GateCertificate,
    /// What was turned away since the start, by reason.
    turned_away: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct LockoutList {
    lockouts: Vec<LockoutLine>,
}

#[derive(Serialize)]
struct LockoutLine {
    address: String,
    seconds_left: u64,
    times: u32,
}

/// Which address is listened to again.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AddressWire {
    address: String,
}

#[derive(Serialize)]
struct SessionList {
    sessions: Vec<SessionLine>,
}

#[derive(Serialize)]
struct Ended {
    id: String,
}

/// Says how the gate is.
pub(super) async fn status(State(gate): State<Arc<Gate>>) -> Result<Response<Body>, Refusal> {
    let asked = Arc::clone(&gate);
    read(&gate, move |app| {
        Ok(Status {
            version: env!("CARGO_PKG_VERSION"),
            pack: app.pack().name().to_owned(),
            uptime_seconds: asked.elapsed().as_secs(),
            ledger_entries: app.ledger_entries()?,
            model_in_service: app.served_version().ok(),
            requests_under_way: asked.settings.request_count_max
                - asked.permits.available_permits(),
            streams: asked.streams.count(),
            keys_locked: app.keys_locked(),
            certificate: gate_certificate(app)?,
            turned_away: asked.tally.totals(),
        })
    })
    .await
}

/// Reads the certificate of the gate again, as SIGHUP does, and renews it first if it is time.
pub(super) async fn reload(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response<Body>, Refusal> {
    let showing = gate.showing.clone();
    done(&gate, move |app| {
        renew_server_certificate(app)?;
        let ServerIdentity { chain_pem, key } = server_identity(app)?;
        let material = TlsMaterial { cert_chain_pem: chain_pem, key_pkcs8: key };
        if let Some(showing) = showing {
            showing.certify(&material).map_err(|error| {
                AppError::refused(error.code(), "the certificate stays as it was").because(error)
            })?;
        }
        record_certified(app, &caller)?;
        gate_certificate(app)
    })
    .await
}

/// Lists the addresses that are not listened to.
pub(super) async fn lockouts(State(gate): State<Arc<Gate>>) -> Result<Response<Body>, Refusal> {
    let locked = gate.lockout.locked(gate.elapsed());
    let lockouts = locked.into_iter().map(|(address, wait, times)| LockoutLine {
        address: address.reveal(),
        seconds_left: wait.as_secs(),
        times,
    });
    noted(&LockoutList { lockouts: lockouts.collect() }, RequestAction::AdminRead)
}

/// Listens to an address again.
pub(super) async fn lift(
    State(gate): State<Arc<Gate>>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let wire: AddressWire = json::read(request, gate.body_limits()).await?;
    let text = wire.address.strip_suffix("/64").unwrap_or(&wire.address);
    let address: IpAddr = text.parse().map_err(|_| {
        Refusal::unprocessable("address-form", "`address` is an address as the list shows it")
    })?;
    if gate.lockout.lift(AddressKey::of(address), gate.elapsed()) {
        return noted(&wire, RequestAction::LockoutLifted);
    }
    let message = "this address is not locked out";
    Err(Refusal::new(StatusCode::NOT_FOUND, "lockout-unknown", message))
}

/// Lists who is signed in with a browser.
pub(super) async fn sessions(State(gate): State<Arc<Gate>>) -> Result<Response<Body>, Refusal> {
    let sessions = gate.sessions.list(gate.elapsed());
    noted(&SessionList { sessions }, RequestAction::AdminRead)
}

/// Ends somebody's session.
pub(super) async fn end(
    State(gate): State<Arc<Gate>>,
    Path(id): Path<String>,
) -> Result<Response<Body>, Refusal> {
    if gate.sessions.end(&id) {
        return noted(&Ended { id }, RequestAction::SessionEnded);
    }
    let message = "there is no such session";
    Err(Refusal::new(StatusCode::NOT_FOUND, "session-unknown", message))
}

/// The description of this API.
pub(super) async fn document() -> Result<Response<Body>, Refusal> {
    let document: serde_json::Value = serde_json::from_str(DOCUMENT).map_err(|_| Refusal::bug())?;
    noted(&document, RequestAction::AdminRead)
}

/// OpenAPI 3.1.
pub(crate) const DOCUMENT: &str = include_str!("../../admin-openapi.json");
