//! What attacks found against what the pack permits: a version over a limit does not enter service.
//!
//! # Invariants
//!
//! - A limit that an attack could not measure is not held; but where there are too few people to
//!   see one false alarm in a thousand, the limit at 1 % stands for that at 0.1 %.
//! - What membership inference finds is over a limit where it is so beyond chance: where the lower
//!   end of its 95 % interval is. A small keep leaks more and shows less of it surely, so its
//!   intervals are to be looked at.
//! - A report that is missing or was changed is an error, never a version without findings.

use serde::{Deserialize, Serialize};
use twinkeep_domain::{Privacy, PrivacyLimits};
use twinkeep_registry::VersionId;

use super::{AttackReport, reports};
use crate::{App, AppError};

/// A limit of the pack that a version does not hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverLimit {
    /// The key of the limit in the pack.
    pub limit: String,
    /// What was found, of membership inference the lower end of the interval; nothing if there were too few people to measure it.
    pub found: Option<f64>,
    /// What the pack permits.
    pub most: f64,
}

impl std::fmt::Display for OverLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { limit, found, most } = self;
        match found {
            Some(found) => write!(f, "`{limit}` is {most}, and at least {found:.4} was found"),
            None => write!(f, "`{limit}` is {most}, and there are too few people to measure it"),
        }
    }
}

/// Returns the limits that a report is over.
pub(super) fn over(privacy: &Privacy, report: &AttackReport) -> Vec<OverLimit> {
    let PrivacyLimits {
        membership_auc,
        tpr_at_fpr_1_percent,
        tpr_at_fpr_0_1_percent,
        generalization_gap,
        extraction_fidelity,
        canary_exposure,
        poisoning_damage,
    } = privacy.limits;
    let mut over = Vec::new();
    let mut check = |limit: &str, most: Option<f64>, found: Option<f64>| {
        let Some(most) = most else { return };
        if found.is_none_or(|found| found.is_nan() || most < found) {
            over.push(OverLimit { limit: limit.to_owned(), found, most });
        }
    };
    if let Some(found) = &report.membership {
        check("max_membership_auc", membership_auc, Some(found.auc_certain()));
        let common = found.tpr_at_fpr_1_percent_certain();
        check("max_tpr_at_fpr_1_percent", tpr_at_fpr_1_percent, common);
        let rare = found.tpr_at_fpr_0_1_percent_certain();
        // Too few people to see one alarm in a thousand: what is found at 1 % stands for it.
        let seen_by_other = rare.is_none() && common.is_some() && tpr_at_fpr_1_percent.is_some();
        if !seen_by_other {
            check("max_tpr_at_fpr_0_1_percent", tpr_at_fpr_0_1_percent, rare);
        }
        check("max_generalization_gap", generalization_gap, Some(found.generalization_gap));
    }
    if let Some(found) = &report.extraction {
        check("max_extraction_fidelity", extraction_fidelity, found.fidelity(FIDELITY_ANSWERS));
    }
    if let Some(found) = &report.canaries {
        let once = found.planted.iter().find(|planted| planted.copies == 1);
        check("max_canary_exposure", canary_exposure, once.map(|planted| planted.exposure));
    }
    if let Some(found) = &report.poisoning {
        check("max_poisoning_damage", poisoning_damage, found.damage_max());
    }
    over
}

/// Refuses a version that is over a limit of the pack, or that lacks an attack that the pack asks
/// for.
pub(crate) fn refuse_over_limits(app: &App, id: &VersionId) -> Result<(), AppError> {
    let privacy = app.pack.privacy();
    let reports = reports(app, id)?;
    let over: Vec<OverLimit> = reports.values().flat_map(|report| over(privacy, report)).collect();
    if !over.is_empty() {
        let named: Vec<String> = over.iter().map(ToString::to_string).collect();
        let attempt = format!(
            "model version `{id}` gives away more than the pack permits: {}",
            named.join("; ")
        );
        return Err(AppError::refused("model-privacy", attempt).hint(
            "train with teachers, or with more subjects in a leaf: `twinkeep attack membership \
             --search` shows what helps",
        ));
    }
    let missing: Vec<&str> = privacy
        .required_attacks
        .iter()
        .map(|kind| kind.name())
        .filter(|kind| !reports.contains_key(*kind))
        .collect();
    if let Some(first) = missing.first() {
        let attempt = format!(
            "model version `{id}` was not attacked as the pack asks: {}",
            missing.join(", ")
        );
        return Err(AppError::refused("model-not-attacked", attempt)
            .hint(format!("run `twinkeep attack {first} --model {id}`")));
    }
    Ok(())
}

/// Fidelity is limited for students of this many answers: about what an application asks in a day.
const FIDELITY_ANSWERS: u64 = 1_000;
