//! Gradient boosted trees for several numbers at once, of our own making.
//!
//! One tree serves eight *lanes*, and what they are is the matter of an [`Objective`]: `values`
//! and `totals` learn seven quantiles and a mean, `hazard` the odds of an event and of what
//! competes with it.
//!
//! Of a value the lanes are the quantiles of [`QUANTILES`] and, last, the mean. A lane's
//! gradient needs little: for a quantile it is whether the value lies below the current estimate
//! (a bit), for the mean the residual (a fixed-point integer). So a histogram bin is eight
//! counters and one integer sum, one pass over the data finds the split that helps all lanes most,
//! and the sums are exact: no order of work can change a single bit of the model.
//!
//! Rows of one snapshot differ only in their horizon. Their gradients are added up before the
//! features are touched, so a histogram costs a visit a *snapshot*, not a visit a row.
//!
//! # Life of a tree
//!
//! 1. `rounds` draws the subjects and features of the round and computes every row's gradient.
//! 2. `grow` splits leaf by leaf, best gain first, with histograms from `histogram`.
//! 3. The objective gives each leaf its steps: a Newton step or a closed form for means and odds,
//!    the exact quantile of the residuals for each quantile.
//! 4. The tuning rows say for each lane how many trees are enough; later steps are set to zero.

mod bins;
mod grow;
mod hazard;
mod histogram;
mod leaf;
mod repeat;
mod rounds;
mod totals;
mod values;

#[cfg(test)]
mod tests;

use twinkeep_domain::QUANTILES;

pub(crate) use bins::{Column, cut_points};
pub(crate) use hazard::{CAUSE_COUNT_MAX, Hazards, hazards, log_loss, log_odds};
pub(crate) use leaf::{at_place, quantile};
pub(crate) use repeat::{CHOOSING_CAUSES, CHOOSING_ESTIMATES, Choosing, Repeat};
pub(crate) use rounds::{Boosted, Knobs, Objective, Problem, Rows, boost};
pub(crate) use totals::{TotalScale, Totals};
pub(crate) use values::{Values, huber, pinball};

/// Seven quantiles and the mean.
pub(crate) const LANE_COUNT: usize = QUANTILES.len() + 1;

/// The lane of the mean.
pub(crate) const MEAN_LANE: usize = QUANTILES.len();

/// A number for each lane.
pub(crate) type Lanes = [f32; LANE_COUNT];
