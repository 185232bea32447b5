//! Attacks on a model, as measurements: what it gives away about those who taught it.
//!
//! - [`membership`]: who was in the training data? Shadow models and likelihood ratios (LiRA).
//! - [`extraction`]: how well does a student repeat the model, that learned from its answers alone?
//! - [`canaries`]: how much better than by chance does a model know planted secrets?
//! - [`search`]: which regularization lowers what membership inference finds, and at what price?
//!
//! An attack gets everything that an attacker may be granted: the training configuration, people of
//! the same kind, and as many answers as it likes. What it finds is an upper bound of what somebody
//! finds from outside, and no bound of what a better attack would find.
//!
//! # Invariants
//!
//! - Pure, as all of this crate: the same cohorts, configuration, and seed give the same report.
//! - A report has counts and rates; nothing in it is about a person.

mod canaries;
mod crps;
mod extraction;
mod losses;
mod membership;
mod people;
mod roc;
mod search;

#[cfg(test)]
mod tests;

pub use canaries::{CanaryExposure, CanaryPlan, CanaryReport, canaries};
pub use extraction::{
    ExtractionPlan, ExtractionReport, ExtractionTrial, Obligation, Queries, extraction,
};
pub use membership::{MembershipPlan, MembershipReport, membership};
pub use roc::{AttackFigures, Rate};
pub use search::{SearchLevel, SearchPlan, search};

use crate::TrainError;

/// How far an attack has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttackProgress {
    /// Targets of models that were learned.
    pub done: usize,
    /// How many there will be.
    pub total: usize,
}

/// Why an attack could not be run.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttackError {
    /// There are too few people to say anything.
    #[error("there are {found} {people}; this attack needs at least {needed}")]
    TooFew {
        /// Which people.
        people: &'static str,
        /// How many there are.
        found: usize,
        /// How many it needs.
        needed: usize,
    },
    /// A knob of the attack stands where it cannot work.
    #[error("the attack cannot be run so: {reason}")]
    Plan {
        /// Which knob and what it must be.
        reason: &'static str,
    },
    /// A shadow, a student, or another model could not be trained.
    #[error("a model of the attacker cannot be trained")]
    Train {
        /// Why.
        source: TrainError,
    },
}

impl AttackError {
    /// The name of this error in reports and in the docs. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooFew { .. } => "attack-too-few",
            Self::Plan { .. } => "attack-plan",
            Self::Train { source } => source.code(),
        }
    }
}

/// Counts the targets of several trainings, one after the other.
struct Counter<'a> {
    each: usize,
    total: usize,
    before: usize,
    progress: &'a mut dyn FnMut(AttackProgress),
}

impl<'a> Counter<'a> {
    fn new(
        pack: &twinkeep_domain::Pack,
        trainings: usize,
        progress: &'a mut dyn FnMut(AttackProgress),
    ) -> Self {
        let each = pack.targets().count() + pack.windows().len();
        Self { each, total: each * trainings, before: 0, progress }
    }

    /// Trains a model, and counts its targets.
    fn train(
        &mut self,
        pack: &twinkeep_domain::Pack,
        config: &crate::TrainConfig,
        [train, tuning]: [&twinkeep_domain::Cohort; 2],
    ) -> Result<crate::Model, AttackError> {
        let (before, total) = (self.before, self.total);
        let progress = &mut *self.progress;
        let model = crate::train(pack, config, train, tuning, &mut |step| {
            progress(AttackProgress { done: (before + step.done_count).min(total), total });
        });
        self.before += self.each;
        model.map_err(|source| AttackError::Train { source })
    }
}
