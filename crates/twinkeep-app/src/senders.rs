//! Use cases: choose whose feeds the keep accepts.

use std::path::Path;

use serde::Serialize;
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_store::SenderRecord;
use twinkeep_vault::identity::PublicIdentity;

use crate::identities::read_public;
use crate::sites::{check_site, sender_site_key};
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller, Dates};

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
    /// Whether its dates were shifted to protect people, so that times in the future are real ones.
    pub dates_shifted: bool,
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
/// taken: two senders share people only if the operator says so. `dates` holds for all of its
/// feeds, however they come.
pub fn add_sender(
    app: &App,
    caller: &Caller,
    file: &Path,
    site: Option<&str>,
    dates: Dates,
) -> Result<SenderReport, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Create, "sender.added");
    let result = read_public(file).and_then(|identity| {
        let (key_id, site) = (identity.key_id(), choose_site(app, &identity, site)?);
        // In one step: a sender is never there without its site and how its dates are read.
        let (site_key, dates_key) = (sender_site_key(&key_id), sender_dates_key(&key_id));
        let settings = [(&*site_key, &*site), (&*dates_key, dates_name(dates))];
        app.store.add_sender(&key_id, &identity.to_text(), &settings, app.now())?;
        app.remember_site(&site)?;
        Ok(SenderReport {
            dates_shifted: dates == Dates::Shifted,
            ..report(&identity, Some(site), None)
        })
    });
    let entry = match &result {
        Ok(report) => entry.with("sender", report.key_id.as_str()).with("dates", dates_name(dates)),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

/// Says from now on whether the dates of a sender are real. What was ingested stays.
pub fn set_sender_dates(
    app: &App,
    caller: &Caller,
    key_id: &str,
    dates: Dates,
) -> Result<(), AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Update, "sender.changed");
    let set = || {
        let unknown = || {
            AppError::refused("sender-unknown", "this keep knows no sender with that key")
                .hint("`twinkeep sender list` shows the keys")
        };
        app.store.sender(key_id)?.ok_or_else(unknown)?;
        app.write_sender_dates(key_id, dates)
    };
    let result = set();
    // Only a key of ours goes into the ledger: anything could be typed.
    let entry = if result.is_ok() { entry.with("sender", key_id) } else { entry };
    app.conclude(entry.with("dates", dates_name(dates)), result)
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
        report.dates_shifted = app.sender_dates(&record.key_id)? == Dates::Shifted;
        Ok(report)
    };
    app.store.senders()?.into_iter().map(line).collect()
}

impl App {
    /// Returns whether the dates of a sender are real.
    pub(crate) fn sender_dates(&self, key_id: &str) -> Result<Dates, AppError> {
        let said = self.store.setting(&sender_dates_key(key_id))?;
        Ok(match said.as_deref() {
            Some(SHIFTED) => Dates::Shifted,
            _ => Dates::Real,
        })
    }

    /// Returns how the dates of a feed are read: as its sender's are, unless it is asked for one
    /// feed alone to take them as shifted.
    pub(crate) fn dates_of(&self, asked: Dates, sender: Option<&str>) -> Result<Dates, AppError> {
        match (asked, sender) {
            (Dates::Real, Some(sender)) => self.sender_dates(sender),
            (asked, _) => Ok(asked),
        }
    }

    fn write_sender_dates(&self, key_id: &str, dates: Dates) -> Result<(), AppError> {
        if self.sender_dates(key_id)? == dates {
            return Ok(());
        }
        Ok(self.store.set_setting(&sender_dates_key(key_id), dates_name(dates))?)
    }

    /// Returns the identities of all senders that are accepted.
    pub(crate) fn accepted_senders(&self) -> Result<Vec<PublicIdentity>, AppError> {
        let accepted = |record: &SenderRecord| record.revoked_at.is_none();
        self.store.senders()?.iter().filter(|record| accepted(record)).map(parse).collect()
    }
}

fn sender_dates_key(key_id: &str) -> String {
    format!("sender-dates/{key_id}")
}

fn dates_name(dates: Dates) -> &'static str {
    match dates {
        Dates::Real => REAL,
        Dates::Shifted => SHIFTED,
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
        dates_shifted: false,
        last_sequence,
        revoked: None,
    }
}

const REAL: &str = "real";
const SHIFTED: &str = "shifted";
