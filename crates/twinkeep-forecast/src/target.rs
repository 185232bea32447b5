//! What a model knows about one target, and how it makes a forecast of it.
//!
//! Two estimates are blended: the *reference* (last value or exponentially weighted mean, with the
//! spread that the training split showed around it) and the trees. The tuning split decides the
//! shares. A value that is often written down again unchanged has a median that *holds* the last
//! value where it would move by next to nothing. Then each quantile is shifted by what it was off,
//! by horizon bucket, and the outermost are stretched to the 95 % interval, which has no trees of
//! its own.

use twinkeep_domain::{Basis, ForecastPoint, QUANTILES, Range};

use crate::boost::{LANE_COUNT, Lanes, MEAN_LANE};
use crate::forest::Forest;

#[cfg(test)]
mod tests;

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
    /// Where the median comes this near to the last value, in the target's unit, it is the last
    /// value; 0 if it never is.
    pub(crate) hold: f32,
    /// Where the trees start.
    pub(crate) start: Lanes,
    /// Spread around the anchor, by horizon bucket.
    pub(crate) reference: Vec<Quantiles>,
    /// Correction of the quantiles, by horizon bucket.
    pub(crate) shift: Vec<Quantiles>,
    /// How much farther from the median the 95 % interval reaches than the outermost quantiles, in
    /// distances of these from the median, by horizon bucket.
    pub(crate) stretch: Vec<[f32; 2]>,
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
    /// Returns a model of which nothing is known.
    pub(crate) fn empty(variable: usize, bucket_count: usize) -> Self {
        Self {
            variable,
            basis: Basis::NotEnoughHistory,
            anchor: Anchor::Last,
            typical: 0.0,
            scale: 1.0,
            tree_share: 0.0,
            mean_tree_share: 0.0,
            hold: 0.0,
            start: [0.0; LANE_COUNT],
            reference: vec![[0.0; QUANTILES.len()]; bucket_count],
            shift: vec![[0.0; QUANTILES.len()]; bucket_count],
            stretch: vec![[0.0; 2]; bucket_count],
            correlates: Vec::new(),
            forest: Forest::default(),
        }
    }

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
        let point =
            |(lanes, &horizon): (&Lanes, &f32)| self.blend(lanes, anchors, horizon, buckets);
        lanes.iter().zip(horizons).map(point).collect()
    }

    /// Blends what trees say of one horizon with the reference; as [`Self::raw`], not finished.
    fn blend(
        &self,
        lanes: &Lanes,
        anchors: [f32; 2],
        horizon_hours: f32,
        buckets: &[f32],
    ) -> ForecastPoint {
        let reference = self.anchor.of(anchors, self.typical);
        let trees_from = TREE_ANCHOR.of(anchors, self.typical);
        let blend = |share: f32, trees: f32, rest: f32| share * trees + (1.0 - share) * rest;
        let spread = &self.reference[bucket(buckets, horizon_hours)];
        let value = |lane: usize| trees_from + self.scale * lanes[lane];
        let mut quantiles = std::array::from_fn(|lane| {
            blend(self.tree_share, value(lane), reference + spread[lane])
        });
        quantiles.sort_by(f32::total_cmp);
        if 0.0 < self.hold && (quantiles[MEDIAN] - anchors[0]).abs() <= self.hold {
            quantiles[MEDIAN] = anchors[0];
            around_median(&mut quantiles);
        }
        let mean = blend(self.mean_tree_share, value(MEAN_LANE), reference);
        let outer = [quantiles[0], quantiles[QUANTILES.len() - 1]];
        ForecastPoint { horizon_hours, mean, quantiles, outer }
    }

    /// Shifts, orders, stretches, and bounds a point.
    pub(crate) fn finish(&self, point: &mut ForecastPoint, buckets: &[f32], range: Range) {
        let bucket = bucket(buckets, point.horizon_hours);
        let shift = &self.shift[bucket];
        for (quantile, shift) in point.quantiles.iter_mut().zip(shift) {
            *quantile = (*quantile + shift).clamp(range.low, range.high);
        }
        around_median(&mut point.quantiles);
        let outer = stretched(&point.quantiles, self.stretch[bucket], self.reach_min());
        point.outer = outer.map(|value| value.clamp(range.low, range.high));
        point.mean = point.mean.clamp(range.low, range.high);
    }
}

/// Puts quantiles in order without moving the median, which no shift may touch.
fn around_median(quantiles: &mut Quantiles) {
    let median = quantiles[MEDIAN];
    let (below, above) = quantiles.split_at_mut(MEDIAN);
    below.iter_mut().for_each(|quantile| *quantile = quantile.min(median));
    above.iter_mut().for_each(|quantile| *quantile = quantile.max(median));
    quantiles.sort_by(f32::total_cmp);
}

impl TargetModel {
    /// Returns how near the median the outermost quantiles may come before they count as no nearer.
    pub(crate) fn reach_min(&self) -> f32 {
        self.scale * REACH_SHARE_MIN
    }
}

/// Returns how far the outermost quantiles reach from the median, downward and upward.
pub(crate) fn reaches(quantiles: &Quantiles, reach_min: f32) -> [f32; 2] {
    let median = quantiles[MEDIAN];
    [median - quantiles[0], quantiles[QUANTILES.len() - 1] - median]
        .map(|reach| reach.max(reach_min))
}

/// Returns the ends of the 95 % interval: the outermost quantiles, moved outward.
pub(crate) fn stretched(quantiles: &Quantiles, stretch: [f32; 2], reach_min: f32) -> [f32; 2] {
    let [down, up] = reaches(quantiles, reach_min);
    [quantiles[0] - stretch[0] * down, quantiles[QUANTILES.len() - 1] + stretch[1] * up]
}

/// A share of the spread that is nothing: where a value hardly ever changes, the quantiles lie on
/// the median, and what they are multiplied with would be without end.
pub(crate) const REACH_SHARE_MIN: f32 = 1e-3;

/// Returns the bucket of a horizon.
pub(crate) fn bucket(buckets: &[f32], horizon_hours: f32) -> usize {
    buckets.partition_point(|&end| end < horizon_hours).min(buckets.len() - 1)
}

/// Where the median is among the quantiles. It is learned, not shifted: it promises no coverage,
/// and a shift costs accuracy.
pub(crate) const MEDIAN: usize = QUANTILES.len() / 2;

/// The trees learn the difference from this value.
pub(crate) const TREE_ANCHOR: Anchor = Anchor::Last;
