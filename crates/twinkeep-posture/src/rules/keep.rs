//! Rules about the keep itself.

use crate::facts::keep::Keep;
use crate::outcome::{Judged, Outcome, Place};

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

/// What every rule about the inside of a keep says of one that was not opened.
fn closed(keep: &Keep) -> Option<Vec<Judged>> {
    let why = keep.closed.as_ref()?;
    let outcome = Outcome::not_checked(format!("the keep was not opened ({why})"));
    Some(vec![Judged::new(&keep.root, outcome)])
}

#[cfg(test)]
mod tests {
    use crate::facts::keep::Keep;
    use crate::facts::{FactFile, Target};
    use crate::rules::RULES;
    use crate::scan::judge;

    #[test]
    fn nothing_inside_a_closed_keep_passes_or_does_not_apply() {
        let keep = Keep { closed: Some("secret-wrong".into()), ..Keep::default() };
        let facts = FactFile::new(0, vec![keep.into()]);
        let report = judge(&facts, None, &crate::baseline::Baseline::default());
        let inside = report.findings.iter().filter(|it| it.rule != "keep-file-modes");
        let rules = RULES.iter().filter(|rule| rule.check.target() == Target::Keep).count();
        assert_eq!(inside.clone().count(), rules - 1);
        assert!(inside.clone().all(|it| it.outcome.word() == "not-checked"), "{report:?}");
    }
}
