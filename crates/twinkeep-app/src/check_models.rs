//! Use case: see that what serves and what stands by are still what was signed.
//!
//! Loading verifies a version once. What lies on the disk or in memory may change after that: a
//! disk rots, a hand writes. So it is looked at again, on a schedule, while the gate serves.

use serde::Serialize;
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_registry::{Status, VersionId};
use twinkeep_watch::{Detection, Detector, Severity as FoundSeverity, Target};

use crate::incidents::detected;
use crate::put_in_service::load_once;
use crate::{App, AppError, Caller, report_detection, resume_incidents};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModelsCheck {
    /// The version that serves after the check.
    pub in_service: Option<String>,
    /// The version that stands by after the check.
    pub backup: Option<String>,
    /// Whether the weights in memory had changed, and were read again.
    pub reloaded: bool,
    /// Whether the version that serves answers its canaries otherwise than when it was signed.
    pub canaries_differ: bool,
    /// Codes of what was wrong with versions that were taken away.
    pub taken_away: Vec<String>,
}

/// Verifies the version in service and the backup on the disk, and the weights in memory.
///
/// A version that does not verify is quarantined, and the backup takes its place; weights that
/// changed in memory are read again. What is wrong is in the ledger; what is right is not.
pub fn check_models(app: &App) -> Result<ModelsCheck, AppError> {
    check(app).or_else(|error| {
        let class = EventClass::DetectionFinding;
        let entry = app.entry(&Caller::system(), class, Activity::Create, "models.checked");
        app.conclude(entry, Err(error))
    })
}

fn check(app: &App) -> Result<ModelsCheck, AppError> {
    let mut found = ModelsCheck::default();
    let mut last = None;
    while let Some(id) = app.registry.in_service()?
        && last.as_ref() != Some(&id)
    {
        found.taken_away.extend(taken_away(app, &id)?);
        last = Some(id);
    }
    if let Some(served) = app.served_already()?
        && !served.is_unchanged()
    {
        app.forget_served()?;
        found.reloaded = true;
        let system = Caller::system();
        let class = EventClass::DetectionFinding;
        let entry = app.entry(&system, class, Activity::Create, "model.memory-changed");
        let entry = entry.severity(Severity::Critical).with("model", served.version.as_str());
        app.record(&entry)?;
        report_detection(app, &changed_in_memory(app, &served.version))?;
    }
    if let Some(served) = app.served_already()?
        && let Some(canaries) = &served.canaries
        && let Some(detection) = app.ask_canaries(&served.version, canaries, &served.model)?
    {
        found.canaries_differ = true;
        report_detection(app, &detection)?;
    }
    last = None;
    while let Some(id) = app.registry.backup()?
        && last.as_ref() != Some(&id)
    {
        found.taken_away.extend(taken_away(app, &id)?);
        last = Some(id);
    }
    if !found.taken_away.is_empty() {
        resume_incidents(app)?;
    }
    app.seal_what_is_quarantined()?;
    found.in_service = app.registry.in_service()?.map(|id| id.to_string());
    found.backup = app.registry.backup()?.map(|id| id.to_string());
    Ok(found)
}

/// They were read again from the disk, where they are as signed: people are told, and that is all.
fn changed_in_memory(app: &App, version: &str) -> Detection {
    let says = "the weights in memory changed, and were read again from the disk";
    detected(
        app,
        Detector::ModelIntegrity,
        Target::Model(version.to_owned()),
        FoundSeverity::Medium,
        says,
    )
}

/// Verifies a version; returns what was wrong with it, if it was taken away for that.
fn taken_away(app: &App, id: &VersionId) -> Result<Option<String>, AppError> {
    let Err(error) = load_once(app, id) else { return Ok(None) };
    let quarantined = app.registry.show(id)?.status == Status::Quarantined;
    Ok(quarantined.then(|| error.code().to_owned()))
}
