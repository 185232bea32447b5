//! Use cases: issue, list, renew, and revoke certificates of clients, and sign the list of those that
//! were revoked.
//!
//! A certificate says who somebody is; what they may do is in the catalog, as for an API key.

use serde::Serialize;
use twinkeep_domain::Timestamp;
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_vault::SecretBytes;
use twinkeep_vault::certificate::{
    CertificateError, ClientRequest, Withdrawn, private_key_pem, revocation_list_pem,
};
use twinkeep_vault::digest::to_hex;

use crate::client_certificates::CertificateRecord;
use crate::sites::check_site;
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller, Scope};

/// A certificate of a client, as a list shows it.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateReport {
    /// What the ledger calls it.
    pub id: String,
    /// What the operator calls it.
    pub name: String,
    /// The name that it proves.
    pub identity: String,
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// What its holder may do.
    pub scopes: Vec<String>,
    /// What its holder is to others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Whose record numbers its events speak in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// When it was issued (RFC 3339).
    pub issued: String,
    /// When it stops working (RFC 3339).
    pub expires: String,
    /// When it was revoked (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
    /// The certificate that takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// The certificate itself (PEM), when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// A new certificate.
#[derive(Debug)]
pub struct IssuedCertificate {
    /// What a list shows of it, and the certificate.
    pub report: CertificateReport,
    /// Its private key (PKCS#8, PEM), if it was made here: handed out once, and kept nowhere.
    pub key: Option<SecretBytes>,
}

/// What a new certificate is to be.
#[derive(Clone, Copy, Debug)]
pub struct NewCertificateRequest<'a> {
    /// What the operator calls it.
    pub name: &'a str,
    /// The name that it proves: a SPIFFE ID or a DNS name; without one, the keep makes one.
    pub identity: Option<&'a str>,
    /// What its holder may do.
    pub scopes: &'a [Scope],
    /// What its holder is to others, for the policy.
    pub roles: &'a [String],
    /// Whose record numbers its events speak in; those of plain feeds, if nobody is named.
    pub site: Option<&'a str>,
    /// How many days it holds.
    pub days: u32,
    /// The holder's own request (PKCS#10, PEM), so that the private key never leaves them.
    pub csr: Option<&'a str>,
}

/// The revocation list that is in date.
#[derive(Clone)]
pub(crate) struct SignedList {
    der: Vec<u8>,
    at: Timestamp,
    serials: Vec<String>,
}

/// Issues a certificate.
pub fn issue_certificate(
    app: &App,
    caller: &Caller,
    request: NewCertificateRequest<'_>,
) -> Result<IssuedCertificate, AppError> {
    let class = EventClass::EntityManagement;
    let entry = app.entry(caller, class, Activity::Create, "certificate.issued");
    let result = issue(app, request, None);
    let entry = match &result {
        Ok(issued) => entry.with("certificate", issued.report.id.as_str()),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

fn issue(
    app: &App,
    request: NewCertificateRequest<'_>,
    lineage: Option<&str>,
) -> Result<IssuedCertificate, AppError> {
    let NewCertificateRequest { name, identity, scopes, roles, site, days, csr } = request;
    let role = |role: &String| {
        (1..=ROLE_LEN_MAX).contains(&role.len()) && !role.chars().any(char::is_control)
    };
    if ROLE_COUNT_MAX < roles.len() || !roles.iter().all(role) {
        let attempt = format!(
            "a certificate has up to {ROLE_COUNT_MAX} roles of 1 to {ROLE_LEN_MAX} characters"
        );
        return Err(AppError::usage("certificate-role", attempt));
    }
    if let Some(site) = site {
        check_site(site)?;
        app.remember_site(site)?;
    }
    let now = app.now();
    let id = to_hex(&twinkeep_vault::random_bytes::<4>());
    let own = format!("spiffe://{}/client/{id}", app.ledger_origin());
    let identity = identity.unwrap_or(&own);
    let asked = ClientRequest { name, identity, days, csr };
    let made = app.certificate_authority()?.issue_client(asked, now).map_err(unusable)?;
    let expires = now.plus_hours(24.0 * f64::from(days)).micros();
    let record = CertificateRecord {
        version: 1,
        lineage: lineage.unwrap_or(&id).to_owned(),
        id,
        name: name.to_owned(),
        serial: made.serial,
        sha256: to_hex(&made.sha256),
        identity: identity.to_owned(),
        scopes: scopes.iter().map(|scope| scope.name().to_owned()).collect(),
        roles: roles.to_vec(),
        site: site.map(str::to_owned),
        issued_at: now.micros(),
        expires_at: expires,
        ends_at: expires,
        revoked_at: None,
        successor: None,
    };
    let mut full = false;
    if app.store.settings_below(PREFIX)?.len() >= RECORD_COUNT_MAX {
        full = true;
    }
    app.store.change_setting(&setting(&record.id), &mut |known| {
        full |= known.is_some();
        (!full).then(|| serde_json::to_string(&record).unwrap_or_default())
    })?;
    if full {
        let attempt = format!("the keep knows {RECORD_COUNT_MAX} certificates, or one of this id");
        return Err(AppError::refused("certificate-count", attempt).hint("try again"));
    }
    let report = CertificateReport { certificate: Some(made.cert_pem), ..report(&record) };
    Ok(IssuedCertificate { report, key: made.key.as_ref().map(private_key_pem) })
}

/// Issues the successor of a certificate, which proves the same name and whose holder does the same;
/// the old one lives on for `overlap_days`, so that its holder can change over.
pub fn renew_certificate(
    app: &App,
    caller: &Caller,
    id: &str,
    days: u32,
    overlap_days: u32,
    csr: Option<&str>,
) -> Result<IssuedCertificate, AppError> {
    let class = EventClass::EntityManagement;
    let entry = app.entry(caller, class, Activity::Update, "certificate.renewed");
    let result = renew(app, id, days, overlap_days, csr);
    let entry = match &result {
        Ok(issued) => entry.with("certificate", id).with("successor", issued.report.id.as_str()),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

fn renew(
    app: &App,
    id: &str,
    days: u32,
    overlap_days: u32,
    csr: Option<&str>,
) -> Result<IssuedCertificate, AppError> {
    if OVERLAP_DAYS_MAX < overlap_days {
        let attempt = format!("a certificate lives on for at most {OVERLAP_DAYS_MAX} days");
        return Err(AppError::usage("certificate-overlap", attempt));
    }
    let now = app.now();
    let old = app.certificate_records()?.into_iter().find(|one| one.id == id && one.is_live(now));
    let old = old.filter(|old| old.successor.is_none()).ok_or_else(|| {
        AppError::refused("certificate-not-live", "no such certificate lives and has no successor")
            .hint("`twinkeep cert list` shows them; `twinkeep cert issue` makes another one")
    })?;
    let scopes: Vec<Scope> = old.scopes.iter().filter_map(|scope| Scope::parse(scope)).collect();
    let request = NewCertificateRequest {
        name: &old.name,
        identity: Some(&old.identity),
        scopes: &scopes,
        roles: &old.roles,
        site: old.site.as_deref(),
        days,
        csr,
    };
    let issued = issue(app, request, Some(&old.lineage))?;
    let end = now.plus_hours(24.0 * f64::from(overlap_days)).micros();
    change(app, id, &mut |record| {
        record.successor = Some(issued.report.id.clone());
        record.ends_at = record.ends_at.min(end);
    })?;
    Ok(issued)
}

/// Lists all certificates that the keep issued to clients.
pub fn list_certificates(app: &App) -> Result<Vec<CertificateReport>, AppError> {
    Ok(app.certificate_records()?.iter().map(report).collect())
}

/// Revokes a certificate, at once: on open connections from the next request on.
pub fn revoke_certificate(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<CertificateReport, AppError> {
    let class = EventClass::EntityManagement;
    let entry = app.entry(caller, class, Activity::Delete, "certificate.revoked");
    let now = app.now().micros();
    let result = change(app, id, &mut |record| {
        record.revoked_at = record.revoked_at.or(Some(now));
    });
    // Only an id of ours goes into the ledger: anything could be typed.
    let entry = if result.is_ok() { entry.with("certificate", id) } else { entry };
    app.conclude(entry.severity(Severity::Low), result.map(|record| report(&record)))
}

/// Signs the list of what was revoked (DER), or returns the one that is in date.
pub fn revocation_list(app: &App) -> Result<Vec<u8>, AppError> {
    let now = app.now();
    let mut known = app.known_certificates()?;
    let withdrawn: Vec<Withdrawn> =
        known.records.values().filter_map(|record| withdrawn(record, now)).collect();
    let serials: Vec<String> = withdrawn.iter().map(|one| one.serial.clone()).collect();
    let fresh = |list: &&SignedList| {
        list.serials == serials && now.hours_since(list.at) < LIST_SIGNED_EVERY_HOURS
    };
    if let Some(list) = known.list.as_ref().filter(fresh) {
        return Ok(list.der.clone());
    }
    let authority = app.certificate_authority()?;
    let der = authority.revocation_list(&withdrawn, now, LIST_DAYS).map_err(unusable)?;
    known.list = Some(SignedList { der: der.clone(), at: now, serials });
    Ok(der)
}

/// The same as PEM.
pub fn revocation_list_text(app: &App) -> Result<String, AppError> {
    Ok(revocation_list_pem(&revocation_list(app)?))
}

/// What the list says of a certificate that was withdrawn and would hold otherwise.
fn withdrawn(record: &CertificateRecord, now: Timestamp) -> Option<Withdrawn> {
    // RFC 5280, 3.3: it is on one list at least that was made after its end.
    let over = Timestamp::from_micros(record.expires_at).plus_hours(24.0 * f64::from(LIST_DAYS));
    let since = match record.revoked_at {
        Some(at) => at,
        None if record.ends_at <= now.micros() && record.ends_at < record.expires_at => {
            record.ends_at
        }
        None => return None,
    };
    (now < over).then(|| Withdrawn {
        serial: record.serial.clone(),
        since: Timestamp::from_micros(since),
        superseded: record.revoked_at.is_none(),
    })
}

impl App {
    /// Returns what the keep recorded of the certificates that it issued.
    pub(crate) fn certificate_records(&self) -> Result<Vec<CertificateRecord>, AppError> {
        let read = |(_, text): (String, String)| {
            serde_json::from_str(&text).map_err(|error| {
                AppError::refused("certificate-record", "the record of a certificate is damaged")
                    .because(error)
            })
        };
        self.store.settings_below(PREFIX)?.into_iter().map(read).collect()
    }

    /// Returns the record of a certificate of the keep's own authority.
    pub(crate) fn certificate_record(
        &self,
        id: &str,
    ) -> Result<Option<CertificateRecord>, AppError> {
        Ok(self.known_certificates()?.records.values().find(|one| one.id == id).cloned())
    }
}

impl App {
    /// Returns the records of certificates that ended long ago: past every revocation list that could
    /// name them, and past anybody's looking for them in a list. The ledger keeps their ids.
    pub(crate) fn certificates_long_over(&self) -> Result<Vec<(String, String)>, AppError> {
        let now = self.now();
        let mut rows = self.store.settings_below(PREFIX)?;
        rows.retain(|(_, text)| {
            let record = serde_json::from_str::<CertificateRecord>(text);
            let end = record.map(|it| Timestamp::from_micros(it.expires_at));
            end.is_ok_and(|end| f64::from(RECORD_KEPT_DAYS) * 24.0 < now.hours_since(end))
        });
        Ok(rows)
    }
}

fn change(
    app: &App,
    id: &str,
    change: &mut dyn FnMut(&mut CertificateRecord),
) -> Result<CertificateRecord, AppError> {
    let mut changed = None;
    app.store.change_setting(&setting(id), &mut |known| {
        let mut record: CertificateRecord = serde_json::from_str(&known?).ok()?;
        change(&mut record);
        let text = serde_json::to_string(&record).ok()?;
        changed = Some(record);
        Some(text)
    })?;
    changed.ok_or_else(|| {
        AppError::refused("certificate-unknown", "the keep issued no such certificate")
            .hint("`twinkeep cert list` shows the ids")
    })
}

fn report(record: &CertificateRecord) -> CertificateReport {
    let time = |micros: i64| rfc3339(Timestamp::from_micros(micros));
    CertificateReport {
        id: record.id.clone(),
        name: record.name.clone(),
        identity: record.identity.clone(),
        serial: record.serial.clone(),
        scopes: record.scopes.clone(),
        roles: record.roles.clone(),
        site: record.site.clone(),
        issued: time(record.issued_at),
        expires: time(record.ends_at),
        revoked: record.revoked_at.map(time),
        successor: record.successor.clone(),
        certificate: None,
    }
}

fn unusable(error: CertificateError) -> AppError {
    AppError::usage(error.code(), "cannot issue the certificate").because(error)
}

fn setting(id: &str) -> String {
    format!("{PREFIX}{id}")
}

/// Where the catalog has them, by id.
const PREFIX: &str = "client-certificate/";

/// Each is read again whenever a setting changes.
const RECORD_COUNT_MAX: usize = 10_000;

/// A quarter after its end: far beyond [`LIST_DAYS`].
const RECORD_KEPT_DAYS: u32 = 90;

const ROLE_COUNT_MAX: usize = 16;

const ROLE_LEN_MAX: usize = 64;

/// A month to change over: longer, and there are two for good.
const OVERLAP_DAYS_MAX: u32 = 31;

/// A week: whoever checks by the list may be cut off for a long weekend.
const LIST_DAYS: u32 = 7;

/// So that a copy that somebody fetched is never old.
const LIST_SIGNED_EVERY_HOURS: f64 = 1.0;
