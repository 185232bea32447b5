//! A subject's live state and its charts.
//!
//! A [`Twin`] is what the keep knows about one subject at one moment, kept up to date event by
//! event, and able to forecast. [`chart`] draws what it says, for a page and for a terminal.
//!
//! # Invariants
//!
//! - Pure, like the engine below it: no key, no file, no clock, no random source.
//! - A twin never forecasts from before the latest event it has seen: that would be hindsight.

mod backtest;
pub mod chart;
mod twin;

pub use backtest::{BackTest, backtest};
pub use twin::{Twin, VariableSummary, history, horizons};
