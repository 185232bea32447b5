//! Use case: give new data keys to everything in the store, and destroy the old ones.
//!
//! Where to stop is remembered, so that a run that was interrupted is ended by the next one
//! instead of beginning anew.

use serde::Serialize;
use twinkeep_ledger::{Activity, Class as EventClass};

use crate::{App, AppError, Caller, Progress};

/// What was changed.
#[derive(Debug, Serialize)]
pub struct RotateDataReport {
    /// Files that have a new key.
    pub files: u64,
}

/// Writes every file of the store once more, under a new key.
pub fn rotate_data(
    app: &App,
    caller: &Caller,
    progress: &mut dyn FnMut(Progress),
) -> Result<RotateDataReport, AppError> {
    let class = EventClass::EntityManagement;
    app.record(&app.entry(caller, class, Activity::Update, "data-keys.rotating"))?;
    let entry = app.entry(caller, class, Activity::Update, "data-keys.rotated");
    let result = rotate(app, progress);
    let entry = match &result {
        Ok(report) => entry.with("files", i64::try_from(report.files).unwrap_or(i64::MAX)),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

fn rotate(app: &App, progress: &mut dyn FnMut(Progress)) -> Result<RotateDataReport, AppError> {
    let interrupted = app.store.setting(UP_TO)?.and_then(|text| text.parse().ok());
    let up_to = match interrupted {
        Some(up_to) => up_to,
        None => app.store.newest_file()?,
    };
    app.store.set_setting(UP_TO, &up_to.to_string())?;
    let done = app.store.rotate_data_keys(up_to, &mut |step| {
        progress(Progress { done: step.done, total: step.total });
    })?;
    app.store.set_setting(UP_TO, "")?;
    Ok(RotateDataReport { files: done.done })
}

/// Where the catalog keeps the number of the last file that is to get a new key.
const UP_TO: &str = "rotate-data/up-to";
