//! How a model is trained: every knob, its unit, and why it stands where it stands.

use serde::{Deserialize, Serialize};

use crate::{NoisePlan, RandomSource};

/// The knobs of training; written into the training record.
///
/// The defaults were chosen on 2,400 stays of PhysioNet 2012, over several random splits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainConfig {
    /// Start of every pseudo-random choice; the same seed gives the same bytes.
    pub seed: u64,
    /// Worker threads. Changes the time, never the result: a target is trained by one thread.
    pub threads: usize,
    /// Most boosting rounds of a target; early stopping usually ends before.
    pub rounds_max: usize,
    /// Rounds without a better tuning loss in any head after which boosting stops.
    pub patience_rounds: usize,
    /// Share of each leaf's step that is taken. Smaller is slightly better and slower.
    pub learning_rate: f32,
    /// Most leaves of a tree.
    pub leaves_max: usize,
    /// Fewest snapshots in a leaf, as a mean: a leaf needs this many times the rows that a
    /// snapshot has on average. Counting rows alone would let two subjects make a leaf; with
    /// 20, body weight was worse than carry-forward on two of six splits.
    pub leaf_snapshots_min: f32,
    /// Fewest subjects in a leaf, counted one by one: many rows of one person do not make a leaf.
    /// A protection of privacy, 0 without it: see [`twinkeep_domain::Privacy`].
    pub leaf_subjects_min: usize,
    /// The longest step that a leaf may ask for, before the learning rate, in spreads of the
    /// target; without a limit if there is none. A protection of privacy, too.
    pub leaf_step_max: Option<f32>,
    /// How many teachers a value is learned from, 0 without them. Each sees all subjects but a part,
    /// and the model repeats of each subject what the teacher says that never saw it. A protection
    /// of privacy, too. Versions of before do not name it, and had none.
    #[serde(default = "no_teachers")]
    pub teachers: usize,
    /// How much of a subject of the training split may show; whatever the tuning split chooses
    /// shows without a limit. With it, only values are learned, by few trees of random splits.
    pub noise: Option<NoisePlan>,
    /// Where the noise comes from, without which no noise is added and training is refused.
    #[serde(skip)]
    pub noise_source: Option<RandomSource>,
    /// Added to a leaf's row count when its step is computed, in snapshots: shrinks small leaves.
    pub leaf_shrinkage_snapshots: f32,
    /// Share of the features that each tree may use.
    pub feature_share: f32,
    /// Share of the subjects that each tree learns from. Whole subjects, for their rows are alike.
    pub subject_share: f32,
    /// Most bins of a feature; at most 255, and one more is kept for missing values.
    pub bins_max: usize,
    /// Most rows of one target in one snapshot; neighbors in time teach little.
    pub snapshot_rows_max: usize,
    /// Below this many snapshots a target is rare, and its trees are small and slow to learn.
    pub rare_snapshots: usize,
    /// Most leaves of a tree of a rare target.
    pub rare_leaves_max: usize,
    /// As `leaf_snapshots_min`, of a rare target: with 60, a few hundred snapshots never part.
    pub rare_leaf_snapshots_min: f32,
    /// Learning rate of a rare target.
    pub rare_learning_rate: f32,
    /// Most leaves of a tree of an event, which says less than a value does: with 31, trees learn
    /// chance before they learn who comes back. This and the next two were chosen on six splits
    /// of Online Retail.
    pub event_leaves_max: usize,
    /// Learning rate of an event.
    pub event_learning_rate: f32,
    /// Share of the features that each tree of an event may use.
    pub event_feature_share: f32,
    /// Weight of the mean in the choice of splits; the seven quantiles together weigh 1.
    pub mean_weight: f32,
    /// How many standard errors of its gain on the tuning split a share of the trees must make up
    /// for: more is more careful.
    pub gain_errors: f32,
    /// Fewest tuning values in a horizon bucket that is calibrated on its own.
    pub bucket_values_min: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 42,
            threads: 2,
            rounds_max: 400,
            patience_rounds: 20,
            learning_rate: 0.08,
            leaves_max: 31,
            leaf_snapshots_min: 60.0,
            leaf_subjects_min: 0,
            leaf_step_max: None,
            teachers: 0,
            noise: None,
            noise_source: None,
            leaf_shrinkage_snapshots: 5.0,
            feature_share: 0.5,
            subject_share: 0.8,
            bins_max: 127,
            snapshot_rows_max: 8,
            rare_snapshots: 1_500,
            rare_leaves_max: 7,
            rare_leaf_snapshots_min: 20.0,
            rare_learning_rate: 0.04,
            event_leaves_max: 7,
            event_learning_rate: 0.04,
            event_feature_share: 0.3,
            mean_weight: 0.5,
            gain_errors: 1.0,
            bucket_values_min: 200,
        }
    }
}

fn no_teachers() -> usize {
    0
}
