//! Detectors: whether what comes in, what goes out, and how it turns out still is as it was.
//!
//! A baseline is computed when a model is made ([`Sketch`], [`BaselineSeries`]); later,
//! [`judge`] compares what was [`Measured`] since with it. One person gives one value of each
//! series, so that the values are independent, as every test here supposes; values of one person
//! that were counted one by one would make a drift of any long stay.
//!
//! False alarms are what such detectors are left switched off for. So all series are judged
//! together, with a bound on the share of false discoveries ([`benjamini_hochberg`]), and what
//! moved is an alarm only if it has consequences: a forecast that is, or must be expected to be,
//! worse ([`judge`] has the rules).
//!
//! # Invariants
//!
//! - Everything here is a pure function: it reads no clock, no file, and no random source.
//! - A sketch tells nothing of fewer than [`GROUP_COUNT_MIN`] people.

mod cells;
mod discovery;
mod distance;
mod judge;
mod normal;
mod parameters;
mod probability;
mod sequence;
mod sketch;

#[cfg(test)]
mod tests;

pub use discovery::benjamini_hochberg;
pub use distance::{jensen_shannon, kolmogorov_smirnov, population_stability, wasserstein};
pub use judge::{About, BaselineSeries, Finding, Measured, Verdict, judge};
pub use normal::normal_quantile;
pub use parameters::{DriftParameters, DriftParametersError};
pub use probability::{chi_squared_tail, fisher_exact, kolmogorov_tail, kolmogorov_tail_exact};
pub use sequence::{Adwin, PageHinkley, page_hinkley_run_length};
pub use sketch::{Comparison, GROUP_COUNT_MIN, Sketch};
