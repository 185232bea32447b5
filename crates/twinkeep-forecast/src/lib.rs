//! Examples to model; timeline to calibrated forecast; evaluation.
//!
//! The engine is pure: it sees no key, no file, no clock, and no random source but the seed in its
//! configuration. The same input gives the same bytes, on any number of threads.
//!
//! [`train`] learns a [`Model`] from two cohorts; [`Model::forecast`] answers for one
//! [`SubjectState`]; [`evaluate`] measures any [`Forecaster`] on a third cohort.

pub mod attack;
mod boost;
mod calibrate;
mod codes;
mod config;
mod curve;
mod dependence;
mod evaluate;
mod examples;
mod explain;
mod features;
mod forest;
mod model;
mod noise;
mod normal;
mod random;
mod simulate;
mod support;
mod target;
mod tensors;
mod train;
mod window_model;

#[cfg(test)]
mod testing;

pub use codes::CodeMap;
pub use config::TrainConfig;
pub use evaluate::{
    CalibrationBin, Differences, Errors, Evaluation, EvaluationPlan, EventEvaluation, Group,
    HorizonEvaluation, LagEvaluation, PairEvaluation, Scored, SubgroupEvaluation, SubgroupTarget,
    TargetEvaluation, TotalEvaluation, TrajectoryEvaluation, WindowEvaluation, WindowSubgroup,
    evaluate, evaluate_by, evaluate_trajectories, groups_of, training_spreads,
};
pub use explain::{Driver, Explanation, MarginScale, WindowExplanation};
pub use features::{FeatureLayout, SubjectState, VariableState};
pub use model::{Forecaster, Model, TargetDescription};
pub use noise::{NoisePlan, RandomSource};
pub use simulate::{PathBank, Scratch, Simulator};
pub use support::Supported;
pub use tensors::TensorError;
pub use train::{
    LearnedRows, Table, TrainError, TrainParts, TrainProgress, learned_rows, train, train_on,
};
