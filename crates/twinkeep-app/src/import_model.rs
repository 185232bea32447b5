//! Use case: take a model in from elsewhere.
//!
//! What another keep exported becomes a candidate here, if whoever is believed signed it and it was
//! made for this keep's pack. Everything else is kept encrypted and never served: verified, if
//! somebody who is believed signed it and every byte of it is data, and quarantined if not.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_registry::contents::Content;
use twinkeep_registry::{Exported, Import, Imported, ImportedFile, is_export, read_export};
use twinkeep_vault::chain::Revocations;
use twinkeep_vault::digest::to_hex;
use twinkeep_vault::files::read_bounded;

use crate::sign_model::{BUNDLE_SIZE_MAX, Believed, ModelTrust, relative};
use crate::{App, AppError, Caller, Progress};

/// What is to be imported, and whom to believe.
#[derive(Debug)]
pub struct ImportModelRequest<'a> {
    /// A folder, or one file.
    pub model: &'a Path,
    /// The signature; by default, the one beside the model, if there is one.
    pub signature: Option<&'a Path>,
    /// Whom to believe, if anybody.
    pub trust: Option<ModelTrust<'a>>,
    /// Files that tell who was revoked.
    pub revoked: &'a [PathBuf],
}

/// What became of an import.
#[derive(Debug, Serialize)]
pub struct ImportReport {
    /// Its name here: a version (`m-…`), or imported material (`i-…`).
    pub model: String,
    /// `candidate`, `verified`, or `quarantined`.
    pub state: String,
    /// Why, in words that never change: `unsupported`, `unsigned`, `model-signature-wrong`.
    pub code: String,
    /// Why.
    pub reason: String,
    /// SHA-256 over what it is.
    pub digest: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Its files, and what each of them is.
    pub files: Vec<ImportFile>,
}

/// A file of a model that was imported.
#[derive(Debug, Serialize)]
pub struct ImportFile {
    /// Its path in the model.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: String,
    /// The format that every byte of it belongs to, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<&'static str>,
    /// Why it is not known to be data only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Imports a folder or a file.
pub fn import_model(
    app: &App,
    caller: &Caller,
    request: &ImportModelRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<ImportReport, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Create, "model.imported");
    let result = import(app, caller, request, progress);
    let entry = match &result {
        Ok(report) => {
            let entry = match report.state.as_str() {
                "quarantined" => entry.severity(Severity::Medium),
                _ => entry,
            };
            entry
                .with("model", report.model.as_str())
                .with("state", report.state.as_str())
                .with("code", report.code.as_str())
                .with("sha256", report.digest.as_str())
        }
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

fn import(
    app: &App,
    caller: &Caller,
    request: &ImportModelRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<ImportReport, AppError> {
    let signature = Signature::find(request)?;
    let believed = request.trust.map(|trust| Believed::read(trust, request.revoked)).transpose()?;
    let trust = believed.as_ref().map(|believed| believed.trust(app.now()));
    let nobody = Revocations::NONE;
    let import = Import {
        path: request.model,
        bundle: signature.bundle.as_deref(),
        signature_file: signature.name.as_deref(),
        trust,
        revoked: believed.as_ref().map_or(&nobody, |believed| &believed.revoked),
    };
    if is_export(request.model)
        && let Ok(exported) = read_export(&import)
    {
        return adopt(app, caller, exported, signature.bundle.as_deref().unwrap_or_default());
    }
    let mut told = |done| progress(Progress { done, total: 0 });
    let imported = app.registry.import(import, &caller.id, app.now(), &mut told)?;
    app.remember_registry()?;
    Ok(report(&imported))
}

/// Makes a candidate of what another keep exported; nothing of it is kept if it does not fit.
fn adopt(
    app: &App,
    caller: &Caller,
    exported: Exported,
    bundle: &[u8],
) -> Result<ImportReport, AppError> {
    let Exported { tensors, mut documents, digest } = exported;
    // As it would be loaded: for this pack, and with every tensor in order.
    app.model_from(&digest[..12], &tensors, &documents)?;
    let bundle: Value = serde_json::from_slice(bundle).unwrap_or_default();
    let origin = json!({ "version": 1, "exported_sha256": digest, "signature": bundle });
    let origin = serde_json::to_vec_pretty(&origin)
        .map_err(|error| AppError::environment("json", "cannot write the record").because(error))?;
    let bytes = documents.values().map(Vec::len).sum::<usize>() as u64;
    documents.insert(ORIGIN_DOCUMENT.to_owned(), origin);
    let version = app.registry.submit(&tensors, &documents, &caller.id, app.now())?;
    app.remember_registry()?;
    Ok(ImportReport {
        model: version.to_string(),
        state: "candidate".to_owned(),
        code: "exported".to_owned(),
        reason: "exported by another keep, and signed by somebody who is trusted".to_owned(),
        digest,
        bytes,
        files: Vec::new(),
    })
}

/// The signature of a model, and where in it that is.
struct Signature {
    bundle: Option<Vec<u8>>,
    name: Option<String>,
}

impl Signature {
    /// Reads the signature that is named, or the one that lies where signers put it.
    fn find(request: &ImportModelRequest<'_>) -> Result<Self, AppError> {
        let usual = usual_signature(request.model);
        let path = match request.signature {
            Some(path) => path,
            None if usual.is_file() => &usual,
            None => return Ok(Self { bundle: None, name: None }),
        };
        let bundle = read_bounded(path, BUNDLE_SIZE_MAX).map_err(|error| {
            let attempt = format!("cannot read `{}`", path.display());
            AppError::usage("model-signature-file", attempt).because(error)
        })?;
        Ok(Self { bundle: Some(bundle), name: relative(request.model, path) })
    }
}

/// Where the signature of a model is if nobody says: `model.sig` in the folder, or `FILE.sig`.
pub fn usual_signature(model: &Path) -> PathBuf {
    if model.is_dir() {
        return model.join("model.sig");
    }
    let mut name = model.as_os_str().to_os_string();
    name.push(".sig");
    PathBuf::from(name)
}

fn report(imported: &Imported) -> ImportReport {
    ImportReport {
        model: imported.record.id.to_string(),
        state: imported.status.name().to_owned(),
        code: imported.code.to_owned(),
        reason: imported.reason.clone(),
        digest: to_hex(&imported.record.digest),
        bytes: imported.record.size,
        files: imported.files.iter().map(file).collect(),
    }
}

fn file(file: &ImportedFile) -> ImportFile {
    let (format, problem) = match file.content {
        Content::Checked(format) => (Some(format.name()), None),
        content => (None, Some(content.to_string())),
    };
    ImportFile {
        name: file.name.clone(),
        bytes: file.size,
        sha256: to_hex(&file.sha256),
        format,
        problem,
    }
}

/// What is known of where a version came from: the signature over what was exported.
const ORIGIN_DOCUMENT: &str = "origin.json";
