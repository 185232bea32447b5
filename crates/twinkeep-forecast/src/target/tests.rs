//! One target's answer: what it holds, and in which order it is.

use twinkeep_domain::Range;

use super::TargetModel;
use crate::boost::{LANE_COUNT, Lanes};

const BUCKETS: [f32; 1] = [24.0];

/// A target whose quantiles lie at 100 and -3, -2, -1, 0.3, 1, 2, 3 of the last value.
fn target(hold: f32) -> (TargetModel, Lanes) {
    let mut lanes = [0.0; LANE_COUNT];
    lanes[..7].copy_from_slice(&[-3.0, -2.0, -1.0, 0.3, 1.0, 2.0, 3.0]);
    (TargetModel { tree_share: 1.0, hold, ..TargetModel::empty(0, 1) }, lanes)
}

#[test]
fn a_median_near_the_last_value_is_the_last_value() {
    for (hold, median) in [(0.0, 100.3), (0.2, 100.3), (0.4, 100.0)] {
        let (target, lanes) = target(hold);
        let point = target.blend(&lanes, [100.0, 90.0], 6.0, &BUCKETS);
        assert_eq!(point.median(), median, "{hold}");
        // Of somebody in whom it was never measured there is nothing to hold.
        let point = target.blend(&lanes, [f32::NAN; 2], 6.0, &BUCKETS);
        assert_eq!(point.median(), 0.3, "{hold}");
    }
}

#[test]
fn no_shift_moves_the_median_and_the_quantiles_stay_in_order() {
    let (mut target, lanes) = target(0.4);
    // Quantiles from both sides are shifted beyond the median.
    target.shift = vec![[0.0, 0.0, 5.0, 0.0, -5.0, 0.0, 0.0]];
    let mut point = target.blend(&lanes, [100.0, 90.0], 6.0, &BUCKETS);
    target.finish(&mut point, &BUCKETS, Range { low: 0.0, high: 200.0 });
    assert_eq!(point.quantiles, [97.0, 98.0, 100.0, 100.0, 100.0, 102.0, 103.0]);
}
