//! What a model knows about one target, and how it makes a forecast of it.
//!
//! Two estimates are blended: the *reference* (last value or exponentially weighted mean, with the
//! spread that the training split showed around it) and the trees. The tuning split decides the
//! shares. Then each quantile is shifted by what the tuning split was off, by horizon bucket.

use twinkeep_domain::{Basis, ForecastPoint, QUANTILES, Range};

use crate::boost::{Lanes, MEAN_LANE};
use crate::forest::Forest;

/// A number for each quantile.
pub(crate) type Quantiles = [f32; QUANTILES.len()];

/// The engine of one target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TargetModel {
    /// Index into the pack's variables.
    pub(crate) variable: usize,
    /// Which method the tuning split chose; [`Basis::NotEnoughHistory`] if nothing was learned.
    pub(crate) basis: Basis,
    /// Which value stands for "stays as it is".
    pub(crate) anchor: Anchor,
    /// The mean of the training split: where a subject of whom nothing is known starts.
    pub(crate) typical: f32,
    /// One unit of the trees, in the target's unit.
    pub(crate) scale: f32,
    /// Share of the trees in the quantiles.
    pub(crate) tree_share: f32,
    /// Share of the trees in the mean.
    pub(crate) mean_tree_share: f32,
    /// Where the trees start.
    pub(crate) start: Lanes,
    /// Spread around the anchor, by horizon bucket.
    pub(crate) reference: Vec<Quantiles>,
    /// Correction of the quantiles, by horizon bucket.
    pub(crate) shift: Vec<Quantiles>,
    /// Variables that stand in for the target where it was never seen, best first.
    pub(crate) correlates: Vec<usize>,
    /// The trees.
    pub(crate) forest: Forest,
}

/// Which value stands for "stays as it is".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// The last value.
    Last,
    /// The exponentially weighted mean of the middle memory.
    Middle,
}

impl Anchor {
    /// Picks the anchor of a snapshot: `[last, middle]`, NaN where the target was never seen.
    pub(crate) fn of(self, anchors: [f32; 2], typical: f32) -> f32 {
        let value = match self {
            Self::Last => anchors[0],
            Self::Middle => anchors[1],
        };
        if value.is_nan() { typical } else { value }
    }
}

impl TargetModel {
    /// Makes the points of a forecast, not yet shifted, ordered, or bounded.
    ///
    /// `features` lacks the horizon; `horizons` must not decrease.
    pub(crate) fn raw(
        &self,
        features: &[f32],
        anchors: [f32; 2],
        horizons: &[f32],
        buckets: &[f32],
    ) -> Vec<ForecastPoint> {
        let mut lanes = vec![self.start; horizons.len()];
        if 0.0 < self.tree_share.max(self.mean_tree_share) {
            self.forest.add(features, horizons, &mut lanes);
        }
        let reference = self.anchor.of(anchors, self.typical);
        let trees_from = TREE_ANCHOR.of(anchors, self.typical);
        let blend = |share: f32, trees: f32, rest: f32| share * trees + (1.0 - share) * rest;
        let point = |(lanes, &horizon_hours): (&Lanes, &f32)| {
            let spread = &self.reference[bucket(buckets, horizon_hours)];
            let value = |lane: usize| trees_from + self.scale * lanes[lane];
            let mut quantiles = std::array::from_fn(|lane| {
                blend(self.tree_share, value(lane), reference + spread[lane])
            });
            quantiles.sort_by(f32::total_cmp);
            let mean = blend(self.mean_tree_share, value(MEAN_LANE), reference);
            ForecastPoint { horizon_hours, mean, quantiles }
        };
        lanes.iter().zip(horizons).map(point).collect()
    }

    /// Shifts, orders, and bounds a point.
    pub(crate) fn finish(&self, point: &mut ForecastPoint, buckets: &[f32], range: Range) {
        let shift = &self.shift[bucket(buckets, point.horizon_hours)];
        for (quantile, shift) in point.quantiles.iter_mut().zip(shift) {
            *quantile = (*quantile + shift).clamp(range.low, range.high);
        }
        point.quantiles.sort_by(f32::total_cmp);
        point.mean = point.mean.clamp(range.low, range.high);
    }
}

/// Returns the bucket of a horizon.
pub(crate) fn bucket(buckets: &[f32], horizon_hours: f32) -> usize {
    buckets.partition_point(|&end| end < horizon_hours).min(buckets.len() - 1)
}

/// The trees learn the difference from this value.
pub(crate) const TREE_ANCHOR: Anchor = Anchor::Last;
