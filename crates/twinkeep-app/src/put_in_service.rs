//! Use cases: say which model version serves, which one stands by, and which one is taken away.

use std::path::{Path, PathBuf};

use serde::Serialize;
use twinkeep_ledger::{Activity, Class as EventClass, Entry, Severity};
use twinkeep_registry::{Decision, ModelId, RegistryError, Released, Status, VersionId};

use crate::approve_model::{Purpose, agreed};
use crate::attack_model::refuse_over_limits;
use crate::compare_models::ModelComparison;
use crate::models::{ModelLine, import_line, line, parse_version, verify};
use crate::reason::check_reason;
use crate::release_checks::{Checked, ReleaseCheck, check_release};
use crate::reproduce_model::reproduce;
use crate::{App, AppError, Caller, Progress};

/// What a release asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReleaseRequest<'a> {
    /// Why.
    pub reason: &'a str,
    /// Statements of approvers who agree.
    pub approvals: &'a [PathBuf],
    /// Only say that the version may serve.
    pub stand_by: bool,
    /// The file of splits that both versions were trained with, if they were trained with one.
    pub splits: Option<&'a Path>,
    /// Do not compare the version with the one in service.
    pub without_comparison: bool,
    /// Learn it anew, and see that the same weights come out.
    pub reproduce: bool,
}

/// What serves now.
#[derive(Debug, Serialize)]
pub struct ServiceReport {
    /// The version that this is about.
    #[serde(flatten)]
    pub model: ModelLine,
    /// The version that was in service before, if it is not any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired: Option<String>,
    /// The version that serves when the one in service fails; it was loaded to see that it can.
    pub backup_version: Option<String>,
    /// What was checked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<ReleaseCheck>,
    /// How it compares with the version that was in service, if it was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<ModelComparison>,
}

/// What a quarantine changed.
#[derive(Debug, Serialize)]
pub struct ModelQuarantine {
    /// The version that was taken away.
    #[serde(flatten)]
    pub model: ModelLine,
    /// The backup that serves in its place, if it was in service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
}

/// Checks a candidate, and puts it into service.
pub fn release_model(
    app: &App,
    caller: &Caller,
    version: &str,
    request: ReleaseRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<ServiceReport, AppError> {
    decide(app, caller, "model.released", version, |id| {
        let reason = check_reason(request.reason)?;
        verify(app, id)?;
        // Before anything is measured: what cannot be released need not be.
        let record = app.registry.show(id)?;
        if record.status == Status::Retired {
            return Err(RegistryError::Older { id: id.clone() }.into());
        }
        let approved_by = agreed(app, id, Purpose::Release, request.approvals)?;
        refuse_over_limits(app, id)?;
        let Checked { mut checks, comparison } = check_release(app, id, &request)?;
        if request.reproduce {
            reproduce(app, id, request.splits, progress)?;
            checks.push(ReleaseCheck::held("reproduced", "the same weights were learned again"));
        }
        let decision =
            Decision { by: &caller.id, reason, approved_by: &approved_by, at: app.now() };
        let released = app
            .registry
            .release(id, &decision, request.stand_by)
            .map_err(|error| app.distrust(id, error))?;
        Ok(ServiceReport { checks, comparison, ..serving(app, &released)? })
    })
}

/// Puts a version into service that was released to stand by.
pub fn promote_model(
    app: &App,
    caller: &Caller,
    version: &str,
    reason: &str,
) -> Result<ServiceReport, AppError> {
    decide(app, caller, "model.promoted", version, |id| {
        let reason = check_reason(reason)?;
        refuse_over_limits(app, id)?;
        let decision = Decision { by: &caller.id, reason, approved_by: &[], at: app.now() };
        let released =
            app.registry.promote(id, &decision).map_err(|error| app.distrust(id, error))?;
        serving(app, &released)
    })
}

/// Puts a version into service that was there before.
pub fn roll_back_model(
    app: &App,
    caller: &Caller,
    to: Option<&str>,
    reason: &str,
) -> Result<ServiceReport, AppError> {
    let entry = app
        .entry(caller, EventClass::EntityManagement, Activity::Update, "model.rolled-back")
        .severity(Severity::Medium);
    let back = || {
        let reason = check_reason(reason)?;
        let decision = Decision { by: &caller.id, reason, approved_by: &[], at: app.now() };
        let released = match to.map(parse_version).transpose()? {
            None => app.registry.roll_back(None, &decision)?,
            Some(id) => app
                .registry
                .roll_back(Some(&id), &decision)
                .map_err(|error| app.distrust(&id, error))?,
        };
        serving(app, &released)
    };
    let result = back();
    let entry = match &result {
        Ok(report) => describe(entry, report),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

/// Names the version that serves when the one in service fails, after loading it.
pub fn back_up_model(
    app: &App,
    caller: &Caller,
    version: &str,
    reason: &str,
) -> Result<ServiceReport, AppError> {
    decide(app, caller, "model.backup-named", version, |id| {
        let reason = check_reason(reason)?;
        let decision = Decision { by: &caller.id, reason, approved_by: &[], at: app.now() };
        load_once(app, id)?;
        app.registry.set_backup(id, &decision).map_err(|error| app.distrust(id, error))?;
        app.remember_registry()?;
        report(app, id, None)
    })
}

/// Takes a version away; if it was in service, the backup takes its place. Or takes an imported
/// model away, for good.
pub fn quarantine_model(
    app: &App,
    caller: &Caller,
    version: &str,
    reason: &str,
) -> Result<ModelQuarantine, AppError> {
    let entry = app
        .entry(caller, EventClass::EntityManagement, Activity::Update, "model.quarantined")
        .severity(Severity::High);
    let quarantine = || {
        let reason = check_reason(reason)?;
        if let Some(ModelId::Import(id)) = ModelId::parse(version) {
            let record = app.registry.quarantine_import(&id, &caller.id, reason, app.now())?;
            app.remember_registry()?;
            return Ok(ModelQuarantine { model: import_line(&record), replaced_by: None });
        }
        let id = parse_version(version)?;
        let found = app.registry.quarantine(&id, &caller.id, reason, app.now())?;
        app.remember_registry()?;
        let replaced_by = found.replaced_by.map(|id| id.to_string());
        let model = line(&app.registry.show(&id)?, app.registry.backup()?.as_ref());
        Ok(ModelQuarantine { model, replaced_by })
    };
    let result: Result<ModelQuarantine, AppError> = quarantine();
    let entry = match &result {
        Ok(report) => {
            let entry = entry.with("model", version);
            let entry = match ModelId::parse(version) {
                Some(ModelId::Version(id)) => app.seal_quarantined(&id, entry),
                _ => entry,
            };
            match &report.replaced_by {
                Some(backup) => entry.with("replaced_by", backup.as_str()),
                None => entry,
            }
        }
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

/// Makes a version in quarantine a candidate again, if it verifies and an approver agrees.
pub fn restore_model(
    app: &App,
    caller: &Caller,
    version: &str,
    reason: &str,
    approvals: &[PathBuf],
) -> Result<ServiceReport, AppError> {
    decide(app, caller, "model.restored", version, |id| {
        let reason = check_reason(reason)?;
        let approved_by = agreed(app, id, Purpose::Restore, approvals)?;
        let decision =
            Decision { by: &caller.id, reason, approved_by: &approved_by, at: app.now() };
        app.restore_quarantined(id, &decision)?;
        report(app, id, None)
    })
}

/// Decides about one version, and records it.
fn decide(
    app: &App,
    caller: &Caller,
    action: &'static str,
    version: &str,
    decide: impl FnOnce(&VersionId) -> Result<ServiceReport, AppError>,
) -> Result<ServiceReport, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Update, action);
    let result = parse_version(version).and_then(|id| decide(&id));
    let entry = match &result {
        Ok(report) => describe(entry, report),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

fn describe(entry: Entry, report: &ServiceReport) -> Entry {
    let entry = entry.with("model", report.model.version.as_str());
    let entry = report
        .checks
        .iter()
        .fold(entry, |entry, check| entry.with(check.check, check.found.as_str()));
    let entry = match &report.retired {
        Some(retired) => entry.with("retired", retired.as_str()),
        None => entry,
    };
    match &report.backup_version {
        Some(backup) => entry.with("backup", backup.as_str()),
        None => entry,
    }
}

/// Remembers what was decided, and loads the backup once: it must not be found broken when it is
/// needed.
fn serving(app: &App, released: &Released) -> Result<ServiceReport, AppError> {
    app.remember_registry()?;
    let mut backup = released.backup.clone();
    while let Some(id) = &backup {
        // One that does not verify is quarantined, and the next one named.
        if load_once(app, id).is_ok() {
            break;
        }
        let next = app.registry.backup()?;
        backup = next.filter(|next| next != id);
    }
    report(app, &released.id, released.retired.as_ref())
}

/// Verifies a version, and puts its model together.
pub(crate) fn load_once(app: &App, id: &VersionId) -> Result<(), AppError> {
    let loaded = app.registry.load_to_measure(id).map_err(|error| app.distrust(id, error))?;
    app.model_of(&loaded).map(drop)
}

fn report(
    app: &App,
    id: &VersionId,
    retired: Option<&VersionId>,
) -> Result<ServiceReport, AppError> {
    let backup = app.registry.backup()?;
    Ok(ServiceReport {
        model: line(&app.registry.show(id)?, backup.as_ref()),
        retired: retired.map(ToString::to_string),
        backup_version: backup.map(|id| id.to_string()),
        checks: Vec::new(),
        comparison: None,
    })
}
