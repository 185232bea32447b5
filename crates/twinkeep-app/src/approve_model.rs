//! Use cases: name approvers, and agree to a release with a key that never comes near the keep.
//!
//! # Life of an approval
//!
//! 1. Whoever runs the keep writes a request: which version, by its digest, for what, and how good
//!    it is. It holds no secret.
//! 2. An approver reads it wherever they are, and signs an approval with their own identity.
//! 3. The release takes the approvals. Each counts once, for one digest, one purpose, and as long
//!    as nothing else was decided about the version.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_registry::VersionId;
use twinkeep_vault::KekSource;
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_vault::files::{PUBLIC_FILE, read_bounded, write_atomic};
use twinkeep_vault::sign::VerifyingKey;

use crate::envelope;
use crate::identities::{open_identity, read_public};
use crate::models::parse_version;
use crate::reason::check_reason;
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller};

/// What somebody agrees to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// That a version serves.
    Release,
    /// That a version leaves quarantine.
    Restore,
}

/// What an approver is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRequest {
    /// Of what keep: names the key that signs its models.
    pub keep: String,
    /// Which version.
    pub version: String,
    /// SHA-256 over the digests of all its files; empty for a version in quarantine, which is
    /// verified when it leaves.
    pub digest: String,
    /// What for.
    pub purpose: Purpose,
    /// How many decisions were made about the version before.
    pub decisions: u64,
    /// How good it is on people that nothing was learned from.
    pub figures: Value,
}

/// A signed agreement.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Approval {
    request: ApprovalRequest,
    reason: String,
}

/// What was signed.
#[derive(Debug, Serialize)]
pub struct ApprovalReport {
    /// To what.
    pub request: ApprovalRequest,
    /// Names the key that signed.
    pub key_id: String,
    /// Where the approval is.
    pub approval: PathBuf,
}

/// Somebody whose agreement counts.
#[derive(Debug, Serialize)]
pub struct ApproverLine {
    /// The name.
    pub name: String,
    /// Names the key that signs the agreement.
    pub key_id: String,
    /// Since when (RFC 3339).
    pub since: String,
}

/// Everybody whose agreement counts.
#[derive(Debug, Serialize)]
pub struct ApproverList {
    /// By name.
    pub approvers: Vec<ApproverLine>,
    /// How many of them must agree before a version is released.
    pub required: u32,
}

/// Writes what an approver is asked to agree to.
pub fn request_approval(
    app: &App,
    caller: &Caller,
    version: &str,
    purpose: Purpose,
) -> Result<ApprovalRequest, AppError> {
    let entry =
        app.entry(caller, EventClass::EntityManagement, Activity::Read, "model.approval-asked");
    let result = parse_version(version).and_then(|id| ask(app, &id, purpose));
    let entry = if result.is_ok() { entry.with("model", version) } else { entry };
    app.conclude(entry, result)
}

fn ask(app: &App, id: &VersionId, purpose: Purpose) -> Result<ApprovalRequest, AppError> {
    let decisions = app.registry.show(id)?.steps.len() as u64;
    let (digest, figures) = match purpose {
        Purpose::Restore => (String::new(), Value::Null),
        Purpose::Release => {
            let report = app.registry.verify(id).map_err(|error| app.distrust(id, error))?;
            let documents = app.registry.documents(id)?;
            let bytes = documents.get("evaluation.json").map(Vec::as_slice).unwrap_or_default();
            let evaluation: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
            let figure = |name: &str| (name.to_owned(), evaluation[name].clone());
            let figures = ["subject_count", "mase_median", "coverage_90_mean"].map(figure);
            (report.digest, Value::Object(figures.into_iter().collect()))
        }
    };
    let signer = sha256(app.registry.public_pem().as_bytes());
    let (keep, version) = (to_hex(&signer[..16]), id.to_string());
    Ok(ApprovalRequest { keep, version, digest, purpose, decisions, figures })
}

/// Signs an agreement with an approver's identity; needs no keep.
pub fn approve(
    request: &Path,
    identity: &Path,
    secret: &KekSource,
    reason: &str,
    out: &Path,
) -> Result<ApprovalReport, AppError> {
    let reason = check_reason(reason)?;
    let unreadable = || {
        AppError::usage("approval-request", format!("cannot read `{}`", request.display()))
            .hint("`twinkeep model request VERSION --out FILE` writes one")
    };
    let bytes = read_bounded(request, STATEMENT_SIZE_MAX).map_err(|e| unreadable().because(e))?;
    let asked: ApprovalRequest =
        serde_json::from_slice(&bytes).map_err(|error| unreadable().because(error))?;
    let identity = open_identity(identity, secret)?;
    let approval = Approval { request: asked, reason: reason.to_owned() };
    let unwritable = |error| {
        let attempt = format!("cannot write `{}`", out.display());
        AppError::environment("approval-write", attempt).because(error)
    };
    let payload = serde_json::to_vec(&approval).map_err(|e| unwritable(e.into()))?;
    let signed = envelope::sign(identity.signing(), PAYLOAD_TYPE, &payload);
    write_atomic(out, &signed, PUBLIC_FILE).map_err(unwritable)?;
    Ok(ApprovalReport {
        request: approval.request,
        key_id: identity.public().key_id(),
        approval: out.to_path_buf(),
    })
}

/// Names an approver by their public identity.
pub fn add_approver(app: &App, caller: &Caller, file: &Path) -> Result<ApproverList, AppError> {
    change_approvers(app, caller, "approver.added", || {
        let identity = read_public(file)?;
        let key = *identity.signing().as_bytes();
        app.registry.add_approver(identity.name(), key, &caller.id, app.now())?;
        Ok(identity.key_id())
    })
}

/// Takes an approver away.
pub fn remove_approver(app: &App, caller: &Caller, name: &str) -> Result<ApproverList, AppError> {
    change_approvers(app, caller, "approver.removed", || {
        let (approvers, _) = app.registry.approvers()?;
        app.registry.remove_approver(name)?;
        let key = approvers.get(name).map(|known| VerifyingKey::from_bytes(known.key).key_id());
        Ok(key.unwrap_or_default())
    })
}

/// Says how many approvers must agree before a version is released.
pub fn require_approvals(app: &App, caller: &Caller, count: u32) -> Result<ApproverList, AppError> {
    change_approvers(app, caller, "approvals.required", || {
        app.registry.require_approvals(count)?;
        Ok(count.to_string())
    })
}

/// Lists the approvers.
pub fn list_approvers(app: &App, caller: &Caller) -> Result<ApproverList, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Read, "approvers.listed");
    app.conclude(entry, list(app))
}

fn change_approvers(
    app: &App,
    caller: &Caller,
    action: &'static str,
    change: impl FnOnce() -> Result<String, AppError>,
) -> Result<ApproverList, AppError> {
    // Whose agreement counts decides what serves.
    let entry = app
        .entry(caller, EventClass::EntityManagement, Activity::Update, action)
        .severity(Severity::High);
    let result = change().and_then(|what| {
        app.remember_registry()?;
        Ok((what, list(app)?))
    });
    let entry = match &result {
        Ok((what, _)) => entry.with("approver", what.as_str()),
        Err(_) => entry,
    };
    app.conclude(entry, result.map(|(_, list)| list))
}

fn list(app: &App) -> Result<ApproverList, AppError> {
    let (approvers, required) = app.registry.approvers()?;
    let approvers = approvers.into_iter().map(|(name, known)| ApproverLine {
        name,
        key_id: VerifyingKey::from_bytes(known.key).key_id(),
        since: rfc3339(known.since),
    });
    Ok(ApproverList { approvers: approvers.collect(), required })
}

/// Returns the names of the approvers who agreed to this version, for this purpose, now.
pub(crate) fn agreed(
    app: &App,
    id: &VersionId,
    purpose: Purpose,
    files: &[PathBuf],
) -> Result<Vec<String>, AppError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let again = "ask anew: `twinkeep model request VERSION --out FILE`";
    agreed_to(app, &ask(app, id, purpose)?, files, again)
}

/// Returns the names of the approvers who agreed to exactly what was asked. `again` says how to ask
/// anew.
pub(crate) fn agreed_to(
    app: &App,
    asked: &ApprovalRequest,
    files: &[PathBuf],
    again: &str,
) -> Result<Vec<String>, AppError> {
    let (approvers, _) = app.registry.approvers()?;
    let mut names = BTreeSet::new();
    for file in files {
        let refuse = |problem: &str| {
            let attempt = format!("the approval `{}` does not count: {problem}", file.display());
            AppError::refused("approval", attempt).hint(again)
        };
        let bytes = read_bounded(file, STATEMENT_SIZE_MAX).map_err(|error| {
            let attempt = format!("cannot read the approval `{}`", file.display());
            AppError::usage("approval-read", attempt).because(error)
        })?;
        let signed = approvers.iter().find_map(|(name, known)| {
            let key = VerifyingKey::from_bytes(known.key);
            Some((name, envelope::verify(&key, PAYLOAD_TYPE, &bytes)?))
        });
        let (name, payload) = signed.ok_or_else(|| refuse("no approver of this keep signed it"))?;
        let approval: Approval =
            serde_json::from_slice(&payload).map_err(|_| refuse("it says something else"))?;
        if approval.request != *asked {
            return Err(refuse(
                "it is for another version, keep, or purpose, or something was decided since",
            ));
        }
        names.insert(name.clone());
    }
    Ok(names.into_iter().collect())
}

/// Apart from all other things that an identity signs.
const PAYLOAD_TYPE: &str = "application/vnd.twinkeep.model-approval.v1+json";

/// Largest request or approval, in bytes: a page of text.
const STATEMENT_SIZE_MAX: u64 = 64 << 10;
