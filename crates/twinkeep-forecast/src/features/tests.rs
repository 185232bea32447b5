//! Features say exactly what their names say, whatever the order of arrival.

use proptest::prelude::{prop, proptest};
use twinkeep_domain::Timestamp;

use super::{FeatureLayout, SubjectState};
use crate::testing::{ECHO, GROUP, LEVEL, pack};

fn at(hours: f64) -> Timestamp {
    Timestamp::RELATIVE_ORIGIN.plus_hours(hours)
}

/// Returns the features of `level` by name.
fn named(state: &SubjectState, cut: f64, horizon: f32) -> Vec<(String, f32)> {
    let pack = pack();
    let layout = FeatureLayout::new(&pack);
    let mut out = vec![0.0; layout.feature_count()];
    layout.features(state, at(cut), LEVEL, horizon, &mut out);
    let name = |index| layout.name(&pack, LEVEL, index).unwrap();
    out.into_iter().enumerate().map(|(index, value)| (name(index), value)).collect()
}

#[track_caller]
fn check(features: &[(String, f32)], name: &str, expected: f32) {
    let found: Vec<f32> =
        features.iter().filter(|feature| feature.0 == name).map(|feature| feature.1).collect();
    assert_eq!(found.len(), 1, "{name}");
    assert!((found[0] - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{name}: {}", found[0]);
}

#[test]
fn every_feature_has_a_name_of_its_own_and_the_value_it_says() {
    let mut state = SubjectState::new(&pack());
    state.observe(LEVEL, Some(at(1.0)), 10.0);
    state.observe(LEVEL, Some(at(3.0)), 14.0);
    state.observe(LEVEL, Some(at(4.0)), 12.0);
    state.observe(GROUP, None, 1.0);
    let features = named(&state, 5.0, 6.0);
    let names: std::collections::BTreeSet<_> = features.iter().map(|feature| &feature.0).collect();
    assert_eq!(names.len(), features.len());
    check(&features, "level, last value", 12.0);
    check(&features, "level, hours since the last value", 1.0);
    check(&features, "level, number of values", 3.0);
    check(&features, "level, mean", 12.0);
    check(&features, "level, smallest value", 10.0);
    check(&features, "level, largest value", 14.0);
    check(&features, "level, standard deviation", (8.0_f32 / 3.0).sqrt());
    // Times 1, 3, 4 and values 10, 14, 12: covariance 4, spread 14/3.
    check(&features, "level, trend an hour", 4.0 / (14.0 / 3.0));
    check(&features, "level, value before the last", 14.0);
    check(&features, "level, value before the last minus last value", 2.0);
    check(&features, "level, mean minus last value", 0.0);
    let weight = |age: f32| (-age / 6.0).exp();
    let sum = 10.0 * weight(3.0) + 14.0 * weight(1.0) + 12.0;
    check(&features, "level, recent mean", sum / (weight(3.0) + weight(1.0) + 1.0));
    check(&features, "hours since the first event", 4.0);
    check(&features, "group", 1.0);
    check(&features, "hours ahead", 6.0);
    check(&features, "echo, number of values", 0.0);
}

#[test]
fn what_was_never_seen_is_missing() {
    let state = SubjectState::new(&pack());
    for (name, value) in named(&state, 5.0, 6.0) {
        let known = name == "hours ahead" || name.ends_with("number of values");
        assert_eq!(value.is_nan(), !known, "{name}");
    }
    assert!(state.variable(LEVEL).is_none());
}

#[test]
fn what_cannot_be_used_is_passed_over() {
    let mut state = SubjectState::new(&pack());
    state.observe(LEVEL, None, 1.0);
    state.observe(LEVEL, Some(at(1.0)), f32::NAN);
    state.observe(LEVEL, Some(at(1.0)), f32::INFINITY);
    state.observe(LEVEL, Some(at(1.0)), f32::MAX);
    state.observe(usize::MAX, Some(at(1.0)), 1.0);
    state.observe(GROUP, None, f32::NAN);
    assert_eq!(state.event_count(), 0);
    assert!(state.variable(LEVEL).is_none() && state.static_value(GROUP).is_nan());
}

#[test]
fn the_ends_of_time_do_not_break_the_state() {
    let mut state = SubjectState::new(&pack());
    for micros in [i64::MIN, i64::MAX, 0, i64::MIN] {
        state.observe(LEVEL, Some(Timestamp::from_micros(micros)), 5.0);
    }
    let known = *state.variable(LEVEL).unwrap();
    assert_eq!((known.last(), known.count()), (5.0, 4));
    assert!((0..3).all(|memory| known.weighted_mean(memory).is_finite()));
}

#[test]
fn a_state_shows_nothing_about_its_subject() {
    let mut state = SubjectState::new(&pack());
    state.observe(LEVEL, Some(at(1.0)), 10.0);
    assert_eq!(format!("{state:?}"), "SubjectState(hidden)");
    assert_eq!(format!("{:?}", state.variable(LEVEL).unwrap()), "VariableState(hidden)");
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_matter(
        values in prop::collection::vec(-100.0_f32..100.0, 2..20),
        shuffle in prop::collection::vec(0_u64..1000, 20),
    ) {
        let mut order: Vec<usize> = (0..values.len()).collect();
        let mut state = SubjectState::new(&pack());
        for &index in &order {
            state.observe(ECHO, Some(at(index as f64 * 0.7)), values[index]);
        }
        order.sort_by_key(|&index| shuffle[index]);
        let mut other = SubjectState::new(&pack());
        for &index in &order {
            other.observe(ECHO, Some(at(index as f64 * 0.7)), values[index]);
        }
        for ((name, one), (_, two)) in named(&state, 20.0, 1.0).iter().zip(named(&other, 20.0, 1.0)) {
            let same = (one.is_nan() && two.is_nan()) || (one - two).abs() < 1e-3;
            assert!(same, "{name}: {one} {two}");
        }
    }
}
