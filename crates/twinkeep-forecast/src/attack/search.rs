//! Which regularization lowers what membership inference finds, and what it costs in error.
//!
//! Regularized training is the defense that works: on tabular data it lowers what an attacker finds
//! by more than rounding or noise on answers do, and often makes the model better. So the search
//! tries teachers, who never saw whom they speak of, and leaves of more subjects; trains a model and
//! its shadows with each; shows both figures side by side; and recommends one.
//!
//! # Invariants
//!
//! - The error is that on the tuning split, so that the split that is held out can still say how
//!   good the model is that was chosen.

use serde::{Deserialize, Serialize};

use super::membership::{MembershipPlan, PEOPLE_MIN, Shadows, check, generalization_gap};
use super::roc::{AttackFigures, figures};
use super::{AttackError, AttackProgress, Counter};
use crate::{Evaluation, TrainConfig, evaluate};

/// What the search is run with.
#[derive(Clone, Copy, Debug)]
pub struct SearchPlan<'a> {
    /// As for the attack.
    pub membership: MembershipPlan<'a>,
    /// How many teachers to try; 0 is none.
    pub teachers: &'a [usize],
    /// The fewest subjects in a leaf to try, with each number of teachers.
    pub leaf_subjects_min: &'a [usize],
}

impl SearchPlan<'_> {
    /// Returns how many trainings the search takes.
    pub fn training_count(&self) -> usize {
        self.teachers.len() * self.leaf_subjects_min.len() * (1 + self.membership.shadow_count)
    }
}

/// What one level gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchLevel {
    /// How many teachers; 0 is none.
    #[serde(default)]
    pub teachers: u64,
    /// Fewest subjects in a leaf.
    pub leaf_subjects_min: u64,
    /// The likelihood ratio attack of shadows on each other.
    pub procedure: AttackFigures,
    /// By what share the loss on others is above that on members.
    pub generalization_gap: f64,
    /// The error on the tuning split: median MASE over targets.
    pub mase_median: Option<f64>,
    /// Mean CRPS over targets, each by the mean absolute error of carry-forward.
    pub crps_ratio: Option<f64>,
    /// Whether it gives away least of those whose error is within 1 % of the least.
    #[serde(default)]
    pub recommended: bool,
}

/// Tries all levels.
pub fn search(
    plan: &SearchPlan<'_>,
    progress: &mut dyn FnMut(AttackProgress),
) -> Result<Vec<SearchLevel>, AttackError> {
    check(&plan.membership)?;
    let mut counter = Counter::new(plan.membership.pack, plan.training_count(), progress);
    let mut levels = Vec::new();
    for &teachers in plan.teachers {
        for &leaf_subjects_min in plan.leaf_subjects_min {
            let config = plan.membership.config.clone();
            let config = TrainConfig { teachers, leaf_subjects_min, ..config };
            levels.push(level(&plan.membership, &config, &mut counter)?);
        }
    }
    if let Some(best) = recommended(&levels) {
        levels[best].recommended = true;
    }
    Ok(levels)
}

/// Trains a model and its shadows, and measures them.
fn level(
    plan: &MembershipPlan<'_>,
    config: &TrainConfig,
    counter: &mut Counter<'_>,
) -> Result<SearchLevel, AttackError> {
    let MembershipPlan { pack, members, others, tuning, .. } = *plan;
    let model = counter.train(pack, config, [members, tuning])?;
    let shadows = Shadows::train(plan, config, counter)?;
    let procedure = shadows.procedure(&shadows.floors());
    let procedure = figures(&procedure).ok_or(AttackError::TooFew {
        people: "people with something to forecast",
        found: others.timelines.len(),
        needed: PEOPLE_MIN,
    })?;
    let losses = shadows.all.pool.losses(&model, config);
    let member = |person: usize| person < members.timelines.len();
    let evaluation = evaluate(pack, &model, tuning);
    Ok(SearchLevel {
        teachers: config.teachers as u64,
        leaf_subjects_min: config.leaf_subjects_min as u64,
        procedure,
        generalization_gap: generalization_gap(&losses, &member),
        mase_median: evaluation.mase_median,
        crps_ratio: crps_ratio(&evaluation),
        recommended: false,
    })
}

/// Returns the mean over all targets of the loss against that of who says the simplest thing.
fn crps_ratio(evaluation: &Evaluation) -> Option<f64> {
    let values = evaluation
        .targets
        .iter()
        .filter_map(|it| Some((it.crps?, it.carry_forward_mae.filter(|mae| 0.0 < *mae)?)));
    let ratios: Vec<f64> = values.map(|(crps, mae)| crps / mae).collect();
    (!ratios.is_empty()).then(|| ratios.iter().sum::<f64>() / ratios.len() as f64)
}

/// Returns the level that gives away least, of those whose error is hardly above the least.
fn recommended(levels: &[SearchLevel]) -> Option<usize> {
    let error = |level: &SearchLevel| level.crps_ratio.unwrap_or(f64::INFINITY);
    let least = levels.iter().map(error).min_by(f64::total_cmp)?;
    let good = |&at: &usize| error(&levels[at]) <= least * (1.0 + ERROR_SHARE);
    (0..levels.len())
        .filter(good)
        .min_by(|&one, &other| levels[one].procedure.auc.total_cmp(&levels[other].procedure.auc))
}

/// So much more error is worth the privacy: a hundredth of it is less than what one split differs
/// from the next.
const ERROR_SHARE: f64 = 0.01;
