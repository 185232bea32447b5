//! Rules about the keep itself.

use crate::facts::keep::Keep;
use crate::outcome::{Outcome, Place};

pub(crate) mod approvals;
pub(crate) mod attacked;
pub(crate) mod backup_model;
pub(crate) mod certificates;
pub(crate) mod clients;
pub(crate) mod danger;
pub(crate) mod drift;
pub(crate) mod file_modes;
pub(crate) mod key_age;
pub(crate) mod keyring_backup;
pub(crate) mod ledger;
pub(crate) mod models;
pub(crate) mod rates;
pub(crate) mod retention;
pub(crate) mod snapshot;
pub(crate) mod witness;

/// Whether something was done within so many days, as the ledger has it.
fn recently(keep: &Keep, action: &str, days_max: i64) -> Outcome {
    const DAY_US: i64 = 86_400_000_000;
    let Some(last) = keep.last.get(action) else {
        return Outcome::fail(Place::of("ledger"), "it was never done");
    };
    let age_us = keep.taken_us.saturating_sub(*last);
    if days_max.saturating_mul(DAY_US) < age_us {
        let days = age_us / DAY_US;
        return Outcome::fail(Place::of("ledger"), format!("it was done {days} days ago"));
    }
    Outcome::Pass
}
