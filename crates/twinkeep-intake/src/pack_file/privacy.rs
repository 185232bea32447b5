//! `[privacy]` of a pack file: how training protects people, and what attacks may find.

use serde::Deserialize;
use toml::Spanned;
use twinkeep_domain::{AttackKind, Noise, Privacy, PrivacyLimits};

use super::PackFileError;
use super::wire::line_of;

#[cfg(test)]
mod tests;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WirePrivacy {
    leaf_subjects_min: Option<u32>,
    teachers: Option<u32>,
    leaf_step_max: Option<f32>,
    noise: Option<WireNoise>,
    #[serde(default)]
    required_attacks: Vec<String>,
    max_membership_auc: Option<f64>,
    max_tpr_at_fpr_1_percent: Option<f64>,
    max_tpr_at_fpr_0_1_percent: Option<f64>,
    max_generalization_gap: Option<f64>,
    max_extraction_fidelity: Option<f64>,
    max_canary_exposure: Option<f64>,
    max_poisoning_damage: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireNoise {
    epsilon: f64,
    delta: f64,
}

/// Reads the table. `format` is that of the file: it came with format 4.
pub(super) fn privacy(
    text: &str,
    format: u32,
    wire: Option<Spanned<WirePrivacy>>,
) -> Result<Privacy, PackFileError> {
    let Some(wire) = wire else { return Ok(Privacy::default()) };
    let line = line_of(text, wire.span().start);
    let refuse = |key, reason| Err(PackFileError::Value { line, key, reason });
    if format < 4 {
        return refuse("privacy", "needs `format = 4`");
    }
    let wire = wire.into_inner();
    let kinds = wire.required_attacks.iter().map(|name| AttackKind::parse(name));
    let Some(required_attacks) = kinds.collect() else {
        return refuse("required_attacks", "must be of `membership`, `extraction`, `poisoning`");
    };
    Ok(Privacy {
        leaf_subjects_min: wire.leaf_subjects_min,
        teachers: wire.teachers,
        leaf_step_max: wire.leaf_step_max,
        noise: wire.noise.map(|WireNoise { epsilon, delta }| Noise { epsilon, delta }),
        required_attacks,
        limits: PrivacyLimits {
            membership_auc: wire.max_membership_auc,
            tpr_at_fpr_1_percent: wire.max_tpr_at_fpr_1_percent,
            tpr_at_fpr_0_1_percent: wire.max_tpr_at_fpr_0_1_percent,
            generalization_gap: wire.max_generalization_gap,
            extraction_fidelity: wire.max_extraction_fidelity,
            canary_exposure: wire.max_canary_exposure,
            poisoning_damage: wire.max_poisoning_damage,
        },
    })
}
