//! A sketch is what one would draw who put all values in order, however it was drawn.

use proptest::prelude::*;

use super::super::GROUP_COUNT_MIN;
use super::{Dice, Sketch};

/// All in order, one after the other.
fn drawn_in_order(values: &[f64]) -> Sketch {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let parts = (sorted.len() / GROUP_COUNT_MIN).clamp(1, 50);
    let size = sorted.len().div_ceil(parts).max(GROUP_COUNT_MIN);
    let (mut sketch, mut count) = (Sketch::default(), 0);
    for (at, pair) in sorted.windows(2).enumerate() {
        count += 1;
        if size <= count && GROUP_COUNT_MIN < sorted.len() - at && pair[0] < pair[1] {
            sketch.marks.push(f64::midpoint(pair[0], pair[1]));
            sketch.counts.push(count as u64);
            count = 0;
        }
    }
    sketch.counts.push(sorted.len() as u64 - sketch.counts.iter().sum::<u64>());
    sketch
}

fn check(values: &[f64]) {
    let sketch = Sketch::of(values);
    assert_eq!(sketch, drawn_in_order(values));
    assert!(sketch.is_sound());
    // And each value is in the part that was drawn for it.
    assert_eq!(sketch.count_parts(values), sketch.counts);
    let mut counts = vec![0; sketch.counts.len()];
    for value in values.iter().flat_map(|&it| [it, it.next_up(), it * 3.0, -it]) {
        counts[sketch.part(value)] += 1;
    }
    let all: Vec<f64> = values.iter().flat_map(|&it| [it, it.next_up(), it * 3.0, -it]).collect();
    assert_eq!(sketch.count_parts(&all), counts);
}

proptest! {
    #[test]
    fn a_sketch_of_anything_is_that_of_its_order(
        values in prop::collection::vec(prop_oneof![
            -1e3..1e3_f64,
            (0..5_u8).prop_map(f64::from),
            Just(-0.0),
            (-300..300_i32).prop_map(|power| 10_f64.powi(power)),
        ], 0..2000)
    ) {
        check(&values);
    }
}

#[test]
fn a_sketch_of_many_values_is_that_of_their_order_wherever_they_lie() {
    let mut dice = Dice(17);
    let normal = dice.normals(50_000, 80.0, 12.0);
    check(&normal);
    // Rounded as devices do, with a few far away, and none of one cell's width.
    check(&normal.iter().map(|it| it.round()).collect::<Vec<_>>());
    check(&normal.iter().map(|it| (it / 3.0).exp()).collect::<Vec<_>>());
    check(&[&normal[..], &[1e300, -1e300]].concat());
    check(&[&normal[..], &[f64::MAX, f64::MIN]].concat());
    check(&vec![7.0; 50_000]);
}
