//! Use case: what the gate needs to open, and the record that it did.

use std::fs;

use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_vault::SecretBytes;

use crate::{App, AppError, Caller, keep};

/// What the server proves itself with.
#[derive(Debug)]
pub struct ServerIdentity {
    /// The certificate chain, leaf first, as PEM.
    pub chain_pem: String,
    /// The private key of the leaf, as PKCS#8.
    pub key: SecretBytes,
}

/// Returns what the server proves itself with.
pub fn server_identity(app: &App) -> Result<ServerIdentity, AppError> {
    let path = app.layout.public().join(keep::SERVER_PUBLIC);
    let chain_pem = fs::read_to_string(&path).map_err(|error| {
        AppError::environment("keep-read", format!("cannot read `{}`", path.display()))
            .because(error)
    })?;
    Ok(ServerIdentity { chain_pem, key: SecretBytes::new(app.server_key().expose().to_vec()) })
}

/// Records that the gate opens, unless nobody could be followed: a `probe.toml` that cannot be used
/// must not leave the model without a watch.
pub fn record_opened(app: &App) -> Result<(), AppError> {
    app.probe_parameters()?;
    let caller = Caller::operator();
    let entry =
        app.entry(&caller, EventClass::ApplicationLifecycle, Activity::Start, "gate.opened");
    app.record(&entry).map(drop)
}

/// Records that the gate shows another certificate, and who wanted that.
pub fn record_certified(app: &App, caller: &Caller) -> Result<(), AppError> {
    let class = EventClass::ApplicationLifecycle;
    app.record(&app.entry(caller, class, Activity::Update, "gate.certified")).map(drop)
}

/// Records that the gate closed.
pub fn record_closed(app: &App) -> Result<(), AppError> {
    let caller = Caller::operator();
    let entry = app.entry(&caller, EventClass::ApplicationLifecycle, Activity::Stop, "gate.closed");
    app.record(&entry).map(drop)
}
