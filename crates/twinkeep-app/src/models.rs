//! Use cases: list, show, and verify models.

use serde::Serialize;
use serde_json::Value;
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_registry::{ImportId, ImportRecord, Mark, ModelId, VersionId, VersionRecord};
use twinkeep_vault::digest::{sha256, to_hex};

use crate::time_text::rfc3339;
use crate::{App, AppError, Caller, Scope};

/// One version.
#[derive(Debug, Serialize)]
pub struct ModelLine {
    /// The version (`m-…`) or imported model (`i-…`), named after its content.
    pub version: String,
    /// `candidate`, `released`, `in-service`, `retired`, or `quarantined`; imported models are
    /// `verified` or `quarantined`.
    pub state: String,
    /// Whether it serves when the one in service fails.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub backup: bool,
    /// When the state was reached (RFC 3339).
    pub since: String,
    /// Why, if somebody said.
    pub reason: String,
    /// Which attacks were run on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attacked: Vec<String>,
    /// How many people were erased since whom it may have learned from.
    #[serde(skip_serializing_if = "is_zero")]
    pub erased_since: usize,
}

/// One version with its documents.
#[derive(Debug, Serialize)]
pub struct ModelReport {
    /// The version.
    pub version: String,
    /// Its state.
    pub state: String,
    /// What to know before serving it: people who were erased since it may have learned from them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<String>,
    /// The model card.
    pub card: Value,
    /// Errors and coverage on held-out subjects.
    pub evaluation: Value,
    /// What it was trained from.
    pub training: Value,
}

/// What was verified.
#[derive(Debug, Serialize)]
pub struct VerifyReport {
    /// The version.
    pub version: String,
    /// How many files the signature covers.
    pub files: usize,
    /// How many tensors the weights of a version have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensors: Option<usize>,
    /// SHA-256 over the digests of all files; the version is named after it.
    pub digest: String,
    /// Who signed a version: SHA-256 of the public key's PEM text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
}

/// Lists the versions, and after them what was imported.
pub fn list_models(app: &App, caller: &Caller) -> Result<Vec<ModelLine>, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Read, "models.listed");
    // Whoever decides about versions may look at them.
    let administers = caller.scopes.contains(&Scope::Administer);
    let may = if administers { Ok(()) } else { caller.require(Scope::ReadTwins) };
    let listed = may.and_then(|()| {
        let backup = app.registry.backup()?;
        let (versions, imports) = (app.registry.list()?, app.registry.list_imports()?);
        let versions = versions.iter().map(|record| line(record, backup.as_ref()));
        Ok(versions.chain(imports.iter().map(import_line)).collect())
    });
    app.conclude(entry, listed)
}

/// Describes imported material beside the versions.
pub(crate) fn import_line(record: &ImportRecord) -> ModelLine {
    let last = record.steps.last();
    ModelLine {
        version: record.id.to_string(),
        state: record.status.name().to_owned(),
        backup: false,
        since: last.map(|step| rfc3339(step.at)).unwrap_or_default(),
        reason: last.map(|step| step.reason.clone()).unwrap_or_default(),
        attacked: Vec::new(),
        erased_since: 0,
    }
}

pub(crate) fn line(record: &VersionRecord, backup: Option<&VersionId>) -> ModelLine {
    let last = record.steps.last();
    ModelLine {
        version: record.id.to_string(),
        state: record.status.name().to_owned(),
        backup: backup == Some(&record.id),
        since: last.map(|step| rfc3339(step.at)).unwrap_or_default(),
        reason: last.map(|step| step.reason.clone()).unwrap_or_default(),
        attacked: record.attacks.iter().map(|attack| attack.kind.clone()).collect(),
        erased_since: record.marks.len(),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Shows one version's card, evaluation, and training record.
pub fn show_model(app: &App, caller: &Caller, version: &str) -> Result<ModelReport, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Read, "model.read");
    let result = caller.require(Scope::ReadTwins).and_then(|()| show(app, version));
    let entry = if result.is_ok() { entry.with("model", version) } else { entry };
    app.conclude(entry, result)
}

fn show(app: &App, version: &str) -> Result<ModelReport, AppError> {
    let id = parse_version(version)?;
    let record = app.registry.show(&id)?;
    let documents = app.registry.documents(&id).map_err(|error| app.distrust(&id, error))?;
    let document = |name: &str| {
        let bytes = documents.get(name).map(Vec::as_slice).unwrap_or_default();
        serde_json::from_slice(bytes).unwrap_or(Value::Null)
    };
    Ok(ModelReport {
        version: version.to_owned(),
        state: record.status.name().to_owned(),
        marks: record.marks.iter().map(mark).collect(),
        card: document("card.json"),
        evaluation: document("evaluation.json"),
        training: document("training.json"),
    })
}

fn mark(mark: &Mark) -> String {
    format!("{}: {}", rfc3339(mark.at), mark.reason)
}

/// Verifies a version: signature, digests, tensors; or an imported model: every byte of it. One
/// that fails is quarantined.
pub fn verify_model(app: &App, caller: &Caller, version: &str) -> Result<VerifyReport, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Read, "model.verified");
    let result = match ModelId::parse(version) {
        Some(ModelId::Import(id)) => verify_import(app, &id),
        _ => parse_version(version).and_then(|id| verify(app, &id)),
    };
    let entry = if result.is_ok() { entry.with("model", version) } else { entry };
    app.conclude(entry, result)
}

pub(crate) fn verify(app: &App, id: &VersionId) -> Result<VerifyReport, AppError> {
    let report = app.registry.verify(id).map_err(|error| app.distrust(id, error))?;
    let signer = sha256(app.registry.public_pem().as_bytes());
    Ok(VerifyReport {
        version: id.to_string(),
        files: report.files.len(),
        tensors: Some(report.tensor_count),
        digest: report.digest,
        signer: Some(to_hex(&signer)),
    })
}

fn verify_import(app: &App, id: &ImportId) -> Result<VerifyReport, AppError> {
    let files = app.registry.verify_import(id).map_err(|error| app.distrust_import(id, error))?;
    let record = app.registry.show_import(id)?;
    Ok(VerifyReport {
        version: id.to_string(),
        files: files.len(),
        tensors: None,
        digest: to_hex(&record.digest),
        signer: None,
    })
}

/// Returns the version that is asked for, or the one in service.
pub(crate) fn version_to_measure(app: &App, asked: Option<&str>) -> Result<VersionId, AppError> {
    match asked {
        Some(version) => parse_version(version),
        None => app.registry.in_service()?.ok_or_else(|| {
            AppError::refused("model-none", "no model is in service")
                .hint("name a version; `twinkeep model list` shows them")
        }),
    }
}

pub(crate) fn parse_version(version: &str) -> Result<VersionId, AppError> {
    VersionId::parse(version).ok_or_else(|| {
        AppError::refused("model-unknown", "there is no such model version")
            .hint("`twinkeep model list` shows the versions")
    })
}
