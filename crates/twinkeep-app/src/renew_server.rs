//! Use case: renew the certificate that the gate shows, while the gate is open.
//!
//! Only what the keep's own authority issued is renewed. A certificate that an operator put in its
//! place, or a file that cannot be read as one, is theirs to see to.
//!
//! # Invariants
//!
//! - The private key stays the same, and stays where it is: the process that signs handshakes goes on
//!   with it, and no connection ends.
//! - Nothing is written that is not in the ledger first.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;

use serde::Serialize;
use twinkeep_domain::Timestamp;
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_vault::certificate::{CertificateAuthority, IssuedServer, certificate_facts};
use twinkeep_vault::files::{PUBLIC_FILE, write_atomic};

use crate::serving::{ServerIdentity, server_identity};
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller, keep};

#[cfg(test)]
mod tests;

/// Renews the server's certificate if it is time to; returns what to show from now on if it was.
///
/// It is time when a third of its life is left, when it was made for longer than is right today, when
/// `gate.names` or the place of the revocation list changed, and when there is none.
pub fn renew_server_certificate(app: &App) -> Result<Option<ServerIdentity>, AppError> {
    let path = app.layout.public().join(keep::SERVER_PUBLIC);
    let shown = match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => {
            let attempt = format!("cannot read `{}`", path.display());
            return Err(AppError::environment("keep-read", attempt).because(error));
        }
    };
    let authority = app.certificate_authority()?;
    let (names, now) = (&app.settings.gate.names, app.now());
    if shown.is_some_and(|pem| !is_due(&authority, &pem, app, now)) {
        return Ok(None);
    }
    let class = EventClass::ApplicationLifecycle;
    let entry = app.entry(&Caller::system(), class, Activity::Update, "gate.renewed");
    let made = authority.renew_server(app.server_key(), names, now).map_err(|error| {
        AppError::usage(error.code(), "cannot renew the certificate of the gate")
            .because(error)
            .hint("check `gate.names`")
    });
    let facts = made.as_ref().ok().and_then(|pem| authority.issued_server(pem));
    let until = facts.map(|facts| rfc3339(facts.not_after)).unwrap_or_default();
    let pem = app.conclude(entry.with("not_after", until.as_str()), made)?;
    if let Err(error) = write_atomic(&path, pem.as_bytes(), PUBLIC_FILE) {
        let attempt = format!("cannot write `{}`", path.display());
        let failed = AppError::environment("keep-write", attempt).because(error);
        let entry = app.entry(&Caller::system(), class, Activity::Update, "gate.renewed");
        return app.conclude(entry.severity(Severity::Medium), Err(failed));
    }
    server_identity(app).map(Some)
}

/// The certificate that the gate shows, or will when it is read again.
#[derive(Debug, Serialize)]
pub struct GateCertificate {
    /// Until when it holds (RFC 3339).
    pub not_after: String,
    /// Days until then; negative once it is over.
    pub days_left: i64,
    /// Whether the keep's authority made it, and `serve` renews it.
    pub renewed: bool,
}

/// Says until when the gate's certificate holds.
pub fn gate_certificate(app: &App) -> Result<GateCertificate, AppError> {
    let pem = server_identity(app)?.chain_pem;
    let facts = certificate_facts(&pem).ok_or_else(|| {
        AppError::refused("certificate-read", "the certificate of the gate cannot be read")
    })?;
    Ok(GateCertificate {
        not_after: rfc3339(facts.not_after),
        days_left: (facts.not_after.hours_since(app.now()) / 24.0).floor() as i64,
        renewed: app.certificate_authority()?.issued_server(&pem).is_some(),
    })
}

/// Returns whether a certificate of ours should be replaced.
fn is_due(authority: &CertificateAuthority, pem: &str, app: &App, now: Timestamp) -> bool {
    let Some(IssuedServer { not_before, not_after, names, list_at }) = authority.issued_server(pem)
    else {
        return false;
    };
    let life = not_after.hours_since(not_before);
    let old = not_after.hours_since(now) <= life / RENEWED_AT || LIFE_HOURS_MAX < life;
    let wanted = app.settings.gate.names.iter().map(|name| normal(name)).collect::<BTreeSet<_>>();
    let proven = names.iter().map(|name| normal(name)).collect::<BTreeSet<_>>();
    old || wanted != proven || list_at != app.revocation_list_at()
}

/// An address can be written in several ways.
fn normal(name: &str) -> String {
    name.parse::<IpAddr>().map_or_else(|_| name.to_owned(), |address| address.to_string())
}

impl App {
    /// Returns where others find the revocation list, if the gate's place is known.
    pub(crate) fn revocation_list_at(&self) -> Option<String> {
        revocation_list_at(&self.settings.gate.public_url)
    }
}

/// Returns where the gate serves the revocation list, by its own address.
pub(crate) fn revocation_list_at(public_url: &str) -> Option<String> {
    (!public_url.is_empty()).then(|| format!("{public_url}/ca.crl"))
}

/// When this part of its life is left.
const RENEWED_AT: f64 = 3.0;

/// 90 days: keeps of the first weeks have certificates of 397.
const LIFE_HOURS_MAX: f64 = 90.0 * 24.0;
