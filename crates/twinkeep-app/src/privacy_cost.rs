//! How a pack protects the privacy of those who teach a model, and what that costs in error.

use serde::Serialize;
use serde_json::{Value, json};
use twinkeep_domain::{Cohort, Noise, Pack};
use twinkeep_forecast::{Evaluation, NoisePlan, RandomSource, TrainConfig, evaluate, train};
use twinkeep_vault::random_bytes;

use crate::AppError;

/// How those who taught a model are protected, and what that costs: the same model with and without
/// it, on the same people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PrivacyCost {
    /// Fewest subjects in a leaf.
    pub leaf_subjects_min: usize,
    /// How many teachers it learned from; 0 without.
    pub teachers: usize,
    /// The longest step of a leaf, in spreads of its target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaf_step_max: Option<f32>,
    /// The differential privacy of the subjects of the training split, and of no others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<NoisePlan>,
    /// Median MASE over targets, with the protection.
    pub mase_median: Option<f64>,
    /// The same without it, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mase_median_without: Option<f64>,
}

/// Returns how a model of a pack is trained: by the pack's protection, or a stronger one.
pub(crate) fn protected(
    pack: &Pack,
    config: TrainConfig,
    leaf_subjects: Option<u32>,
) -> Result<TrainConfig, AppError> {
    let privacy = pack.privacy();
    let of_pack = privacy.leaf_subjects_min.unwrap_or(0);
    if leaf_subjects.is_some_and(|asked| asked < of_pack) {
        let attempt = format!("the pack asks for at least {of_pack} subjects in a leaf");
        return Err(AppError::usage("train-leaf-subjects", attempt));
    }
    Ok(TrainConfig {
        leaf_subjects_min: leaf_subjects.unwrap_or(of_pack) as usize,
        teachers: privacy.teachers.unwrap_or(0) as usize,
        leaf_step_max: privacy.leaf_step_max,
        noise: privacy.noise.map(|Noise { epsilon, delta }| NoisePlan { epsilon, delta }),
        noise_source: Some(NOISE_SOURCE),
        ..config
    })
}

/// Says on the model card how those who taught a model are protected.
pub(crate) fn privacy_statement(config: &TrainConfig) -> Value {
    let noise = config.noise.map(|NoisePlan { epsilon, delta }| {
        json!({
            "epsilon": epsilon,
            "delta": delta,
            "holds_for": "the addition or removal of one subject of the train split",
            "does_not_hold_for": "subjects of the tuning split, the number of subjects, and \
                                  reports of attacks",
        })
    });
    json!({
        "leaf_subjects_min": config.leaf_subjects_min,
        "teachers": config.teachers,
        "leaf_step_max": config.leaf_step_max,
        "noise": noise,
        "attacks": "what attacks found is beside the version: `twinkeep attack show`",
    })
}

/// Says how a model is protected, if it is; with `compare`, trains the same without protection.
pub(crate) fn cost(
    pack: &Pack,
    config: &TrainConfig,
    evaluation: &Evaluation,
    compare: bool,
    [training, tuning, held_out]: [&Cohort; 3],
) -> Result<Option<PrivacyCost>, AppError> {
    let plain = unprotected(config);
    if plain == *config {
        return Ok(None);
    }
    let mase_median_without = if compare {
        let model = train(pack, &plain, training, tuning, &mut |_| ())
            .map_err(|error| AppError::refused(error.code(), "cannot train").because(error))?;
        evaluate(pack, &model, held_out).mase_median
    } else {
        None
    };
    Ok(Some(PrivacyCost {
        leaf_subjects_min: config.leaf_subjects_min,
        teachers: config.teachers,
        leaf_step_max: config.leaf_step_max,
        noise: config.noise,
        mase_median: evaluation.mase_median,
        mase_median_without,
    }))
}

/// Returns the same training without protection.
fn unprotected(config: &TrainConfig) -> TrainConfig {
    TrainConfig {
        leaf_subjects_min: 0,
        teachers: 0,
        leaf_step_max: None,
        noise: None,
        ..config.clone()
    }
}

/// Noise comes from the system: a seed that is on record would take it away again.
pub(crate) const NOISE_SOURCE: RandomSource = RandomSource(|| u64::from_le_bytes(random_bytes()));
