//! What a pack asks of a model about the privacy of those who taught it: how leaves are protected,
//! and what attacks may find.

use super::{ForecastPlan, ObservedUntil, PackError};

/// The `[privacy]` of a pack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Privacy {
    /// Fewest subjects in a leaf of a tree.
    pub leaf_subjects_min: Option<u32>,
    /// How many teachers a model learns from, each of which saw all subjects but a part.
    pub teachers: Option<u32>,
    /// The longest step of a leaf, in spreads of its target.
    pub leaf_step_max: Option<f32>,
    /// How much of a subject may show in what is learned from the training split.
    pub noise: Option<Noise>,
    /// The attacks without which no version enters service.
    pub required_attacks: Vec<AttackKind>,
    /// What attacks may find at most.
    pub limits: PrivacyLimits,
}

/// (ε, δ) differential privacy for subjects of the training split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// ε.
    pub epsilon: f64,
    /// δ.
    pub delta: f64,
}

/// What attacks may find at most in a version that enters service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PrivacyLimits {
    /// Of membership inference: the area under the curve; 0.5 is guessing.
    pub membership_auc: Option<f64>,
    /// Of membership inference: the share of members found at 1 % false alarms.
    pub tpr_at_fpr_1_percent: Option<f64>,
    /// Of membership inference: the share of members found at 0.1 % false alarms.
    pub tpr_at_fpr_0_1_percent: Option<f64>,
    /// By what share the loss on strangers is above the loss on those who taught the model.
    pub generalization_gap: Option<f64>,
    /// How much of what the model says beyond the last value a student of 1,000 answers repeats.
    pub extraction_fidelity: Option<f64>,
    /// Mean exposure of canaries that were planted once, in bits; 1.44 is chance.
    pub canary_exposure: Option<f64>,
    /// By what share screened poison raises the error.
    pub poisoning_damage: Option<f64>,
}

/// An attack that is run on a model as a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttackKind {
    /// Who was in the training data?
    Membership,
    /// Can the model be copied by asking it?
    Extraction,
    /// What do planted subjects and planted values do?
    Poisoning,
}

impl AttackKind {
    /// All attacks.
    pub const ALL: [Self; 3] = [Self::Membership, Self::Extraction, Self::Poisoning];

    /// Returns the permanent name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Membership => "membership",
            Self::Extraction => "extraction",
            Self::Poisoning => "poisoning",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }
}

impl Privacy {
    /// Returns whether training is changed by what is asked.
    pub fn protects_training(&self) -> bool {
        self.leaf_subjects_min.is_some()
            || self.teachers.is_some()
            || self.leaf_step_max.is_some()
            || self.noise.is_some()
    }

    pub(super) fn check(&self, plan: &ForecastPlan) -> Result<(), PackError> {
        let refuse = |reason| Err(PackError::Privacy(reason));
        if let Some(Noise { epsilon, delta }) = self.noise {
            if !(EPSILONS.contains(&epsilon) && 0.0 < delta && delta <= DELTA_MAX) {
                return refuse(
                    "`noise` needs an `epsilon` of 0.01 to 1,000 and a `delta` above 0 and at most 0.001",
                );
            }
            if matches!(plan.observed_until, ObservedUntil::EndOfData) {
                return refuse(
                    "`noise` needs `observed_until = \"last-event\"`: else one subject decides what is learned of another",
                );
            }
        }
        if self.leaf_subjects_min.is_some_and(|count| !(2..=LEAF_SUBJECTS_MAX).contains(&count)) {
            return refuse("`leaf_subjects_min` must be 2 to 100,000");
        }
        if self.teachers.is_some_and(|count| !TEACHERS.contains(&count)) {
            return refuse("`teachers` must be 2 to 16");
        }
        if self.teachers.is_some() && self.noise.is_some() {
            return refuse("`teachers` and `noise` exclude each other: noise hides more");
        }
        if self.leaf_step_max.is_some_and(|step| !(0.0 < step && step <= LEAF_STEP_MAX)) {
            return refuse("`leaf_step_max` must be above 0 and at most 100");
        }
        let PrivacyLimits {
            membership_auc,
            tpr_at_fpr_1_percent,
            tpr_at_fpr_0_1_percent,
            generalization_gap,
            extraction_fidelity,
            canary_exposure,
            poisoning_damage,
        } = &self.limits;
        if membership_auc.is_some_and(|auc| !(0.5..=1.0).contains(&auc)) {
            return refuse("`max_membership_auc` must be 0.5, which is guessing, to 1");
        }
        let shares = [tpr_at_fpr_1_percent, tpr_at_fpr_0_1_percent, extraction_fidelity];
        if shares.into_iter().flatten().any(|share| !(0.0..=1.0).contains(share)) {
            return refuse("a share must be 0 to 1");
        }
        let amounts = [generalization_gap, canary_exposure, poisoning_damage];
        if amounts.into_iter().flatten().any(|amount| !(0.0 <= *amount && amount.is_finite())) {
            return refuse(
                "`max_generalization_gap`, `max_canary_exposure`, and `max_poisoning_damage` must be finite and not negative",
            );
        }
        Ok(())
    }
}

/// Less hides everything, more hides nothing.
const EPSILONS: std::ops::RangeInclusive<f64> = 0.01..=1_000.0;

/// A δ of one in a thousand gives one of a thousand subjects away.
const DELTA_MAX: f64 = 1e-3;

/// No keep has leaves of more people, and a typing error shows.
const LEAF_SUBJECTS_MAX: u32 = 100_000;

/// One teacher alone cannot leave anybody out; more than 16 take longer and know hardly more.
const TEACHERS: std::ops::RangeInclusive<u32> = 2..=16;

/// A step of a hundred spreads limits nothing.
const LEAF_STEP_MAX: f32 = 100.0;
