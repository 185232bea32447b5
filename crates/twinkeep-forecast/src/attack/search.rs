//! Which regularization lowers what membership inference finds, and what it costs in error.
//!
//! Regularized training is the defense that works: on tabular data it lowers what an attacker finds
//! by more than rounding or noise on answers do, and often makes the model better. So the search
//! raises the number of subjects that a leaf needs, trains a model and its shadows at each level,
//! and shows both figures side by side.

use serde::{Deserialize, Serialize};

use super::membership::{MembershipPlan, Shadows, check, generalization_gap};
use super::roc::{AttackFigures, figures};
use super::{AttackError, AttackProgress, Counter};
use crate::{TrainConfig, evaluate};

/// What the search is run with.
#[derive(Clone, Copy, Debug)]
pub struct SearchPlan<'a> {
    /// As for the attack.
    pub membership: MembershipPlan<'a>,
    /// The levels to try: the fewest subjects in a leaf.
    pub leaf_subjects_min: &'a [usize],
}

/// What one level gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchLevel {
    /// Fewest subjects in a leaf.
    pub leaf_subjects_min: u64,
    /// The likelihood ratio attack of shadows on each other.
    pub procedure: AttackFigures,
    /// By what share the loss on others is above that on members.
    pub generalization_gap: f64,
    /// The error on people that the model never saw: median MASE over targets.
    pub mase_median: Option<f64>,
    /// Mean CRPS over targets, each by the mean absolute error of carry-forward.
    pub crps_ratio: Option<f64>,
}

/// Tries all levels.
pub fn search(
    plan: &SearchPlan<'_>,
    progress: &mut dyn FnMut(AttackProgress),
) -> Result<Vec<SearchLevel>, AttackError> {
    let MembershipPlan { pack, members, others, tuning, shadow_count, .. } = plan.membership;
    check(&plan.membership)?;
    let trainings = plan.leaf_subjects_min.len() * (1 + shadow_count);
    let mut counter = Counter::new(pack, trainings, progress);
    let mut levels = Vec::new();
    for &leaf_subjects_min in plan.leaf_subjects_min {
        let config = TrainConfig { leaf_subjects_min, ..plan.membership.config.clone() };
        let model = counter.train(pack, &config, [members, tuning])?;
        let shadows = Shadows::train(&plan.membership, &config, &mut counter)?;
        let floors = shadows.floors();
        let procedure = figures(&shadows.procedure(&floors)).ok_or(AttackError::TooFew {
            people: "people with something to forecast",
            found: others.timelines.len(),
            needed: super::membership::PEOPLE_MIN,
        })?;
        let losses = shadows.pool.losses(&model, &config);
        let evaluation = evaluate(pack, &model, others);
        let ratios: Vec<f64> = evaluation
            .targets
            .iter()
            .filter_map(|it| Some((it.crps?, it.carry_forward_mae.filter(|mae| 0.0 < *mae)?)))
            .map(|(crps, mae)| crps / mae)
            .collect();
        levels.push(SearchLevel {
            leaf_subjects_min: leaf_subjects_min as u64,
            procedure,
            generalization_gap: generalization_gap(&losses, &|person| {
                person < members.timelines.len()
            }),
            mase_median: evaluation.mase_median,
            crps_ratio: (!ratios.is_empty())
                .then(|| ratios.iter().sum::<f64>() / ratios.len() as f64),
        });
    }
    Ok(levels)
}
