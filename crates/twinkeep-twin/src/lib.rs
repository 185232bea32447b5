//! A subject's live state and its charts.
//!
//! A [`Twin`] is what the keep knows about one subject at one moment, kept up to date event by
//! event, and able to forecast. [`chart`] draws what it says, for a page and for a terminal.
//! [`trajectories`] says what many of its paths say together, [`what_if`] what would be expected
//! if some values were others, and [`Others`] how it went on with those who were alike.
//!
//! # Invariants
//!
//! - Pure, like the engine below it: no key, no file, no clock, no random source.
//! - A twin never forecasts from before the latest event it has seen: that would be hindsight.

mod backtest;
pub mod chart;
mod similar;
mod trajectories;
mod twin;
mod what_if;

pub use backtest::{BackTest, backtest};
pub use similar::{GROUP_COUNT_MIN as SIMILAR_COUNT_MIN, GroupOutcome, Others, Similar};
pub use trajectories::{
    Condition, DrawnPath, PathExample, PathPlan, Side, Spread, TargetPaths, Trajectories,
    WindowPaths, trajectories,
};
pub use twin::{Twin, VariableSummary, history, horizons};
pub use what_if::{Change, WhatIf, what_if};
