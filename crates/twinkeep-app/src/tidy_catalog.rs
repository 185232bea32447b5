//! Use case: let go of what the catalog has no use for any more.
//!
//! Budgets of days and months that are over, and records of certificates that ended long ago. Nothing
//! that decides anything, and nothing that the ledger or a revocation list still needs.

use serde::Serialize;
use twinkeep_ledger::{Activity, Class as EventClass};

use crate::{App, AppError, Caller};

/// What was let go of.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct TidyReport {
    /// Budgets of days and months that are over.
    pub budgets: usize,
    /// Records of certificates that ended long ago.
    pub certificates: usize,
}

/// Tidies up; where there is nothing to do, nothing is recorded.
pub fn tidy_catalog(app: &App) -> Result<TidyReport, AppError> {
    let mut budgets = app.budgets_over()?;
    budgets.extend(app.tiers_over(app.now())?);
    let certificates = app.certificates_long_over()?;
    let report = TidyReport { budgets: budgets.len(), certificates: certificates.len() };
    if report == TidyReport::default() {
        return Ok(report);
    }
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let entry = app
        .entry(&Caller::system(), EventClass::EntityManagement, Activity::Delete, "catalog.tidied")
        .with("budgets", count(report.budgets))
        .with("certificates", count(report.certificates));
    let removed = app.store.remove_settings(&[budgets, certificates].concat());
    app.conclude(entry, removed.map(|()| report).map_err(AppError::from))
}
