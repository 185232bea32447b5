//! What training has learned so far, target by target, and how it goes on from there.
//!
//! Every target is learned on its own, so a training that was interrupted loses no more than the
//! targets that it was at. A part is a model in which one target is learned and all others are
//! empty: it is written and read, and checked when it is read, as every model is.
//!
//! The engine does not know where parts are kept, nor what they must be bound to: whoever keeps
//! them gives back only those of the same data, pack, configuration, and program.

use twinkeep_domain::{Code, Tensor};

use super::{Job, Learned, Material};
use crate::Model;
use crate::dependence::Dependence;
use crate::features::FeatureLayout;
use crate::support::Support;
use crate::target::TargetModel;
use crate::window_model::WindowModel;

/// Keeps the parts of a training that may be interrupted.
pub trait TrainParts {
    /// Returns what [`TrainParts::put`] took for this target in an earlier run of the same
    /// training.
    fn get(&mut self, code: &Code) -> Option<Vec<Tensor>>;

    /// Keeps a target that is learned.
    fn put(&mut self, code: &Code, part: &[Tensor]);
}

/// Keeps nothing: every training begins anew.
pub(super) struct NoParts;

impl TrainParts for NoParts {
    fn get(&mut self, _code: &Code) -> Option<Vec<Tensor>> {
        None
    }

    fn put(&mut self, _code: &Code, _part: &[Tensor]) {}
}

impl Material<'_> {
    /// Returns what a job gave in an earlier run; what is not a sound part of this pack's model is
    /// passed over, and learned anew.
    pub(super) fn restore(&self, job: Job, parts: &mut dyn TrainParts) -> Option<Learned> {
        let part = parts.get(&self.code(job))?;
        let mut model = Model::from_tensors(self.pack, &part).ok()?;
        Some(match job {
            Job::Target(at, _) => Learned::Target(model.targets.swap_remove(at)),
            Job::Window(at) => Learned::Window(model.windows.swap_remove(at)),
        })
    }

    /// Returns what a job gave as tensors.
    pub(super) fn part(&self, job: Job, learned: &Learned) -> Vec<Tensor> {
        let bucket_count = self.pack.forecast().buckets_hours.len();
        let mut model = Model {
            pack: self.pack.clone(),
            layout: FeatureLayout::new(self.pack),
            targets: self
                .pack
                .targets()
                .map(|(variable, _)| TargetModel::empty(variable, bucket_count))
                .collect(),
            windows: self.pack.windows().iter().map(WindowModel::empty).collect(),
            // Both are learned from all targets, at the end.
            dependence: Dependence::none(self.jobs().len()),
            support: Support::default(),
        };
        match (job, learned) {
            (Job::Target(at, _), Learned::Target(target)) => model.targets[at] = target.clone(),
            (Job::Window(at), Learned::Window(window)) => model.windows[at] = window.clone(),
            // A job gives what it is about.
            _ => {}
        }
        model.to_tensors()
    }
}
