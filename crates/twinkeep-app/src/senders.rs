//! Use cases: choose whose feeds the keep accepts.

use std::path::Path;

use serde::Serialize;
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_store::SenderRecord;
use twinkeep_vault::identity::PublicIdentity;

use crate::identities::read_public;
use crate::sites::check_site;
use crate::time_text::rfc3339;
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
    /// Whose record numbers it speaks in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The last feed that was ingested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sequence: Option<u64>,
    /// When it was revoked (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
}

/// Accepts feeds from a sender from now on.
///
/// `site` says whose record numbers the sender speaks in; by default, its own name, unless that is
/// taken: two senders share people only if the operator says so.
pub fn add_sender(
    app: &App,
    caller: &Caller,
    file: &Path,
    site: Option<&str>,
) -> Result<SenderReport, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Create, "sender.added");
    let result = read_public(file).and_then(|identity| {
        let site = choose_site(app, &identity, site)?;
        app.store.add_sender(&identity.key_id(), &identity.to_text(), app.now())?;
        app.set_sender_site(&identity.key_id(), &site)?;
        Ok(report(&identity, Some(site), None))
    });
    let entry = match &result {
        Ok(report) => entry.with("sender", report.key_id.as_str()),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

fn choose_site(
    app: &App,
    identity: &PublicIdentity,
    site: Option<&str>,
) -> Result<String, AppError> {
    if let Some(site) = site {
        check_site(site)?;
        return Ok(site.to_owned());
    }
    let site = identity.name();
    check_site(site).map_err(|error| error.hint("pass `--site NAME`"))?;
    if app.sites()?.iter().any(|known| known == site) {
        let attempt = format!("the site `{site}` is there already");
        return Err(AppError::refused("site-taken", attempt).hint(
            "pass `--site NAME`: the same one if both mean the same people by the same identifiers",
        ));
    }
    Ok(site.to_owned())
}

/// Accepts no more feeds from a sender. What was ingested stays.
pub fn revoke_sender(app: &App, caller: &Caller, key_id: &str) -> Result<(), AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Delete, "sender.revoked");
    let result = app
        .store
        .revoke_sender(key_id, app.now())
        .map_err(|error| AppError::from(error).hint("`twinkeep sender list` shows the keys"));
    // Only a key of ours goes into the ledger: anything could be typed.
    let entry = if result.is_ok() { entry.with("sender", key_id) } else { entry };
    app.conclude(entry, result)
}

/// Lists the senders.
pub fn list_senders(app: &App) -> Result<Vec<SenderReport>, AppError> {
    let line = |record: SenderRecord| {
        let identity = parse(&record)?;
        let site = app.sender_site(&record.key_id)?;
        let mut report = report(&identity, site, record.last_sequence);
        report.revoked = record.revoked_at.map(rfc3339);
        Ok(report)
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

fn report(
    identity: &PublicIdentity,
    site: Option<String>,
    last_sequence: Option<u64>,
) -> SenderReport {
    SenderReport {
        name: identity.name().to_owned(),
        key_id: identity.key_id(),
        fingerprint: identity.fingerprint(),
        site,
        last_sequence,
        revoked: None,
    }
}
