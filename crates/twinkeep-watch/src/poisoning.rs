//! Detectors of poisoning that look at models: what one feed does to errors, and whether a candidate
//! may follow the version in service.
//!
//! What is learned, and on whom errors are measured, is decided elsewhere; here come only the
//! differences of errors, one value a person, so that the values are independent. As many things are
//! tested at once, they are judged together ([`crate::detect::benjamini_hochberg`]).
//!
//! # Invariants
//!
//! - Everything here is a pure function: it reads no clock, no file, and no random source.
//! - Of few people nothing is said.

mod candidate;
mod influence;
mod parameters;
mod spread;

#[cfg(test)]
mod tests;

pub use candidate::{CandidateFinding, CandidateVerdict, judge_candidate};
pub use influence::{Influence, InfluenceVerdict, LeftOut, dispersion, judge_influence};
pub use parameters::{
    CandidateParameters, InfluenceParameters, OnWorse, PoisoningParameters,
    PoisoningParametersError,
};
pub use spread::{Spread, resampled};
