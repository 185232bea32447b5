//! Training: the whole loop, from timelines to a model.
//!
//! # Life of a model
//!
//! 1. [`Examples`] takes a snapshot of every subject at every cut of the pack, for both splits.
//! 2. The features that all targets share are binned once, by the training split.
//! 3. Each target is learned on its own, by one of the threads; what happens within a window by
//!    `windows`, a value by two: `learn` grows the trees, from what `teachers` say where people
//!    are to be protected, then
//!    `select` chooses on the tuning split how much they count against the reference, and
//!    [`calibrate`] shifts the quantiles.
//! 4. `dependence` learns how the errors of all targets hang together, on the tuning split;
//!    `support` pictures whom the model has seen.
//!
//! # Invariants
//!
//! - The same data, pack, and configuration give the same bytes on any number of threads.
//! - Nothing here reads a clock, a file, or a random source.
//! - A training that goes on from the parts of an interrupted one gives the bytes of one that was
//!   not interrupted.

mod dependence;
mod learn;
mod parts;
mod private;
mod rows;
mod select;
mod support;
mod teachers;
mod windows;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use twinkeep_domain::{Basis, Code, Cohort, Pack};

use crate::boost::{Column, cut_points};
use crate::examples::Examples;
use crate::features::FeatureLayout;
use crate::support::Support;
use crate::target::TargetModel;
use crate::window_model::WindowModel;
use crate::{Model, NoisePlan, RandomSource, TrainConfig};

pub(crate) use learn::CORRELATE_COUNT_MAX;
pub use parts::TrainParts;
pub use rows::{LearnedRows, Table, learned_rows};

/// One target is done.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainProgress {
    /// How many targets are done, this one included.
    pub done_count: usize,
    /// How many there are.
    pub total_count: usize,
    /// Which target it is.
    pub code: Code,
    /// What the tuning split chose.
    pub basis: Basis,
    /// How many training rows it was learned from.
    pub row_count: usize,
    /// How many trees it got.
    pub tree_count: usize,
    /// Whether it was learned before, and not now.
    pub restored: bool,
    /// How much of the work is done, in snapshots of subjects; targets differ a lot in it.
    pub done_work: usize,
    /// How much work there is.
    pub total_work: usize,
}

/// Why training was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrainError {
    /// A knob stands where training cannot work.
    #[error("the training configuration is wrong: {reason}")]
    Config {
        /// Which knob and what it must be.
        reason: &'static str,
    },
    /// A split has nothing to learn from.
    #[error("no subject of the {split} split has both a history and a later value to forecast")]
    NoExamples {
        /// `train` or `tuning`.
        split: &'static str,
    },
}

impl TrainError {
    /// The name of this error in reports and in the docs. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config { .. } => "train-config",
            Self::NoExamples { .. } => "train-no-examples",
        }
    }
}

/// What every target is learned from.
struct Material<'a> {
    pack: &'a Pack,
    config: &'a TrainConfig,
    train: Examples,
    tuning: Examples,
    train_columns: Vec<Column>,
    tuning_columns: Vec<Column>,
}

/// Trains a model of every target of the pack.
///
/// `train` teaches the trees; `tuning` stops them, chooses among methods, and calibrates. No
/// subject may be in both. `progress` is called once a target, in the order in which they finish.
pub fn train(
    pack: &Pack,
    config: &TrainConfig,
    train: &Cohort,
    tuning: &Cohort,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<Model, TrainError> {
    train_on(pack, config, train, tuning, &mut parts::NoParts, progress)
}

/// As [`train`], with a place for what is learned so far: targets that `parts` has are taken from
/// there, and reported first.
pub fn train_on(
    pack: &Pack,
    config: &TrainConfig,
    train: &Cohort,
    tuning: &Cohort,
    parts: &mut dyn TrainParts,
    progress: &mut dyn FnMut(TrainProgress),
) -> Result<Model, TrainError> {
    check(config)?;
    let layout = FeatureLayout::new(pack);
    let material = Material::collect(pack, config, &layout, train, tuning)?;
    let jobs = material.jobs();
    let mut done = Done::new(&material, &jobs, progress);
    for (at, &job) in jobs.iter().enumerate() {
        if let Some(learned) = material.restore(job, parts) {
            done.put(at, learned, true);
        }
    }
    // The largest first, so that no thread is left with one at the end.
    let mut order: Vec<usize> = (0..jobs.len()).filter(|&at| done.learned[at].is_none()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(material.work(jobs[at])));
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (sender, results) = mpsc::channel();
        for _ in 0..config.threads.min(order.len()) {
            let (sender, material, next) = (sender.clone(), &material, &next);
            let (jobs, order) = (&jobs, &order);
            scope.spawn(move || {
                while let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if sender.send((at, material.learn(jobs[at]))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (at, learned) in results {
            parts.put(&material.code(jobs[at]), &material.part(jobs[at], &learned));
            done.put(at, learned, false);
        }
    });
    let (mut targets, mut windows) = (Vec::new(), Vec::new());
    for learned in done.learned.into_iter().flatten() {
        match learned {
            Learned::Target(target) => targets.push(target),
            Learned::Window(window) => windows.push(window),
        }
    }
    let dependence = dependence::learn(&material, &targets, &windows);
    // Counts of people are exact, so under noise there are none, and "what if" finds no support.
    let support = match material.noise() {
        None => support::learn(&material, &layout),
        Some(_) => Support::default(),
    };
    Ok(Model { pack: pack.clone(), layout, targets, windows, dependence, support })
}

/// What has come of the jobs, in their order.
struct Done<'a> {
    material: &'a Material<'a>,
    jobs: &'a [Job],
    learned: Vec<Option<Learned>>,
    work: usize,
    total_work: usize,
    progress: &'a mut dyn FnMut(TrainProgress),
}

impl<'a> Done<'a> {
    fn new(
        material: &'a Material<'a>,
        jobs: &'a [Job],
        progress: &'a mut dyn FnMut(TrainProgress),
    ) -> Self {
        let total_work = jobs.iter().map(|&job| material.work(job)).sum();
        let learned = jobs.iter().map(|_| None).collect();
        Self { material, jobs, learned, work: 0, total_work, progress }
    }

    fn put(&mut self, at: usize, learned: Learned, restored: bool) {
        let job = self.jobs[at];
        let (basis, tree_count) = match &learned {
            Learned::Target(target) => (target.basis, target.forest.roots.len()),
            Learned::Window(window) => (window.basis, window.forest.roots.len()),
        };
        self.learned[at] = Some(learned);
        self.work += self.material.work(job);
        (self.progress)(TrainProgress {
            done_count: self.learned.iter().flatten().count(),
            total_count: self.jobs.len(),
            code: self.material.code(job),
            basis,
            row_count: self.material.row_count(job),
            tree_count,
            restored,
            done_work: self.work,
            total_work: self.total_work,
        });
    }
}

/// What is learned on its own.
#[derive(Clone, Copy)]
enum Job {
    /// A value: its place among the targets, and its variable.
    Target(usize, usize),
    /// What happens within a window: its place among the window targets.
    Window(usize),
}

/// What came of a job.
enum Learned {
    Target(TargetModel),
    Window(WindowModel),
}

impl Material<'_> {
    fn jobs(&self) -> Vec<Job> {
        let targets =
            self.pack.targets().enumerate().map(|(at, (variable, _))| Job::Target(at, variable));
        targets.chain((0..self.pack.windows().len()).map(Job::Window)).collect()
    }

    /// Returns how much noise hides the subjects of the training split, and where it comes from.
    fn noise(&self) -> Option<(&NoisePlan, RandomSource)> {
        self.config.noise.as_ref().zip(self.config.noise_source)
    }

    fn learn(&self, job: Job) -> Learned {
        match job {
            Job::Target(at, variable) => Learned::Target(learn::target(self, at, variable)),
            Job::Window(at) => Learned::Window(windows::target(self, at)),
        }
    }

    fn row_count(&self, job: Job) -> usize {
        match job {
            Job::Target(at, _) => self.train.targets[at].value.len(),
            Job::Window(at) => self.train.windows[at].value.len(),
        }
    }

    /// Returns about how much work a job is: its snapshots, each of which every round visits.
    fn work(&self, job: Job) -> usize {
        let snapshots = match job {
            Job::Target(at, _) => &self.train.targets[at].snapshot,
            Job::Window(at) => &self.train.windows[at].snapshot,
        };
        1 + snapshots.chunk_by(|one, other| one == other).count()
    }

    fn code(&self, job: Job) -> Code {
        match job {
            Job::Target(_, variable) => self.pack.variables()[variable].code.clone(),
            Job::Window(at) => self.pack.windows()[at].code.clone(),
        }
    }
}

impl<'a> Material<'a> {
    /// Returns the splits whose outcomes the trees do not know by heart: the tuning split, and what
    /// teachers stood between.
    fn judges(&self) -> Vec<&Examples> {
        let taught = (0 < self.config.teachers && self.noise().is_none()).then_some(&self.train);
        std::iter::once(&self.tuning).chain(taught).collect()
    }

    fn collect(
        pack: &'a Pack,
        config: &'a TrainConfig,
        layout: &FeatureLayout,
        train: &Cohort,
        tuning: &Cohort,
    ) -> Result<Self, TrainError> {
        let cuts = &pack.forecast().cuts_hours;
        let train = Examples::collect(pack, layout, train, cuts);
        let tuning = Examples::collect(pack, layout, tuning, cuts);
        for (split, examples) in [("train", &train), ("tuning", &tuning)] {
            if examples.subjects.is_empty() {
                return Err(TrainError::NoExamples { split });
            }
        }
        let count = layout.shared_count();
        let (mut train_columns, mut tuning_columns) = (Vec::new(), Vec::new());
        for at in 0..count {
            let cuts = cut_points(strided(&train.shared, at, count), config.bins_max);
            train_columns.push(Column::new(cuts.clone(), strided(&train.shared, at, count)));
            tuning_columns.push(Column::new(cuts, strided(&tuning.shared, at, count)));
        }
        Ok(Self { pack, config, train, tuning, train_columns, tuning_columns })
    }
}

/// Returns one column of a row-major matrix.
fn strided(matrix: &[f32], column: usize, columns: usize) -> impl Iterator<Item = f32> {
    matrix.iter().skip(column).step_by(columns).copied()
}

fn check(config: &TrainConfig) -> Result<(), TrainError> {
    let refuse = |reason| Err(TrainError::Config { reason });
    let share = |value: f32| 0.0 < value && value <= 1.0;
    if config.threads == 0 {
        return refuse("`threads` must be at least 1");
    }
    if !(2..=255).contains(&config.bins_max) {
        return refuse("`bins_max` must be 2 to 255");
    }
    if [config.leaves_max, config.rare_leaves_max, config.event_leaves_max].iter().any(|&it| it < 2)
    {
        return refuse("`leaves_max`, of rare targets and events too, must be at least 2");
    }
    let rates = [config.learning_rate, config.rare_learning_rate, config.event_learning_rate];
    if !rates.into_iter().all(share) {
        return refuse(
            "`learning_rate`, of rare targets and events too, must be above 0, at most 1",
        );
    }
    let shares = [config.feature_share, config.event_feature_share, config.subject_share];
    if !shares.into_iter().all(share) {
        return refuse(
            "`feature_share`, of events too, and `subject_share` must be above 0, at most 1",
        );
    }
    if config.snapshot_rows_max == 0 {
        return refuse("`snapshot_rows_max` must be at least 1");
    }
    if config.teachers == 1 || TEACHERS_MAX < config.teachers {
        return refuse("`teachers` must be 0 or 2 to 16");
    }
    if config.leaf_step_max.is_some_and(|step| !(0.0 < step && step.is_finite())) {
        return refuse("`leaf_step_max` must be finite and above 0");
    }
    if let Some(plan) = &config.noise {
        if !(0.0 < plan.epsilon && plan.epsilon.is_finite() && 0.0 < plan.delta && plan.delta < 1.0)
        {
            return refuse("`noise` needs an ε above 0 and a δ between 0 and 1");
        }
        if config.noise_source.is_none() {
            return refuse("`noise` needs a source of random bits");
        }
    }
    let not_negative = |value: f32| 0.0 <= value && value.is_finite();
    let floats = [
        config.leaf_snapshots_min,
        config.rare_leaf_snapshots_min,
        config.leaf_shrinkage_snapshots,
        config.mean_weight,
        config.gain_errors,
    ];
    if !floats.into_iter().all(not_negative) {
        return refuse("minimum, shrinkage, weight, and errors must be finite and not negative");
    }
    Ok(())
}

/// More teachers would take longer and know hardly more.
const TEACHERS_MAX: usize = 16;
