//! Use cases: choose whose feeds the keep accepts.

use std::path::Path;

use serde::Serialize;
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_store::SenderRecord;
use twinkeep_vault::identity::PublicIdentity;

use crate::identities::read_public;
use crate::{App, AppError, Caller};

/// A sender that the keep accepts.
#[derive(Debug, Serialize)]
pub struct SenderReport {
    /// What the sender calls itself.
    pub name: String,
    /// Names its signing key.
    pub key_id: String,
    /// To compare by phone.
    pub fingerprint: String,
    /// The last feed that was ingested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sequence: Option<u64>,
}

/// Accepts feeds from a sender from now on.
pub fn add_sender(app: &App, caller: &Caller, file: &Path) -> Result<SenderReport, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Create, "sender.added");
    let result = read_public(file).and_then(|identity| {
        app.store.add_sender(&identity.key_id(), &identity.to_text(), app.now())?;
        Ok(report(&identity, None))
    });
    let entry = match &result {
        Ok(report) => entry.with("sender", report.key_id.as_str()),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

/// Lists the senders.
pub fn list_senders(app: &App) -> Result<Vec<SenderReport>, AppError> {
    let line = |record: SenderRecord| {
        let identity = parse(&record)?;
        Ok(report(&identity, record.last_sequence))
    };
    app.store.senders()?.into_iter().map(line).collect()
}

impl App {
    /// Returns the identities of all senders that are accepted.
    pub(crate) fn accepted_senders(&self) -> Result<Vec<PublicIdentity>, AppError> {
        let accepted = |record: &SenderRecord| record.revoked_at.is_none();
        self.store.senders()?.iter().filter(|record| accepted(record)).map(parse).collect()
    }
}

fn parse(record: &SenderRecord) -> Result<PublicIdentity, AppError> {
    PublicIdentity::from_text(&record.identity).map_err(|error| {
        let attempt = "the catalog holds a sender that is not an identity";
        AppError::refused("sender-damaged", attempt).because(error)
    })
}

fn report(identity: &PublicIdentity, last_sequence: Option<u64>) -> SenderReport {
    SenderReport {
        name: identity.name().to_owned(),
        key_id: identity.key_id(),
        fingerprint: identity.fingerprint(),
        last_sequence,
    }
}
