//! The values are those of the definition, and they add up to the forecast.

use proptest::prelude::*;
use twinkeep_domain::QUANTILES;

use super::MEDIAN;
use crate::boost::LANE_COUNT;
use crate::forest::{Forest, Node};
use crate::random::bits;
use crate::testing::{ECHO, GROUP, LEVEL, cohort, config, pack};
use crate::{CodeMap, SubjectState, train};

mod windows;

/// Makes a forest of full trees of depth 3 over four features.
fn forest(seed: u64) -> Forest {
    let mut forest = Forest::default();
    let draw = |at: u64, bound: u64| bits(seed, [at, bound, 0]) % bound;
    for tree in 0..3_u64 {
        let (nodes, leaves) = (forest.nodes.len() as i32, forest.leaves.len() as i32);
        forest.roots.push(nodes);
        for at in 0..7_i32 {
            let child = |side: i32| {
                let child = 2 * at + 1 + side;
                if child < 7 { nodes + child } else { !(leaves + child - 7) }
            };
            let number = tree * 100 + at as u64;
            forest.nodes.push(Node {
                feature: draw(number, 4) as u16,
                missing_left: draw(number, 2) == 0,
                threshold: draw(number, 5) as f32,
                children: [child(0), child(1)],
            });
        }
        for at in 0..8_u64 {
            let mut leaf = [0.0; LANE_COUNT];
            leaf[MEDIAN] = draw(tree * 100 + at + 50, 21) as f32 - 10.0;
            forest.leaves.push(leaf);
            forest.rows.push(1 + draw(tree * 100 + at + 80, 30) as u32);
        }
    }
    forest
}

/// The expected step if only the features in `known` are known, by the definition.
fn expected(forest: &Forest, at: i32, features: &[f32], known: u32) -> (f64, f64) {
    let Ok(node) = usize::try_from(at) else {
        let leaf = (!at) as usize;
        return (f64::from(forest.leaves[leaf][MEDIAN]), f64::from(forest.rows[leaf]));
    };
    let node = forest.nodes[node];
    let [left, right] = node.children.map(|child| expected(forest, child, features, known));
    let rows = left.1 + right.1;
    if known & 1 << node.feature == 0 {
        return ((left.0 * left.1 + right.0 * right.1) / rows, rows);
    }
    (if node.goes_left(features[usize::from(node.feature)]) { left.0 } else { right.0 }, rows)
}

fn worth(forest: &Forest, features: &[f32], known: u32) -> f64 {
    forest.roots.iter().map(|&root| expected(forest, root, features, known).0).sum()
}

proptest! {
    #[test]
    fn the_values_are_those_of_the_definition(
        seed: u64,
        features in prop::collection::vec(prop_oneof![4 => 0.0_f32..6.0, 1 => Just(f32::NAN)], 4),
    ) {
        let forest = forest(seed);
        let mut found = vec![0.0; 4];
        let mean = forest.shapley(&features, MEDIAN, &mut found);
        prop_assert!((mean - worth(&forest, &features, 0)).abs() < 1e-9);
        // |S|! (n - |S| - 1)! / n! for n = 4.
        let weight = [1.0 / 4.0, 1.0 / 12.0, 1.0 / 12.0, 1.0 / 4.0];
        for (feature, found) in found.into_iter().enumerate() {
            let with = 1_u32 << feature;
            let sum: f64 = (0..16_u32)
                .filter(|known| known & with == 0)
                .map(|known| {
                    let gain = worth(&forest, &features, known | with)
                        - worth(&forest, &features, known);
                    weight[known.count_ones() as usize] * gain
                })
                .sum();
            prop_assert!((found - sum).abs() < 1e-9, "feature {feature}: {found} is not {sum}");
        }
    }
}

#[test]
fn the_parts_add_up_to_the_median_and_the_cause_comes_first() {
    let pack = pack();
    let model = train(&pack, &config(), &cohort(1, 600), &cohort(2, 200), &mut |_| {}).unwrap();
    let held_out = cohort(3, 40);
    let codes = CodeMap::new(&pack, &held_out.codes);
    let mut firsts = Vec::new();
    for timeline in &held_out.timelines {
        let mut state = SubjectState::new(&pack);
        let start = codes.start(timeline).unwrap();
        let cut = start.plus_hours(24.0);
        for event in timeline.events() {
            if event.time.is_none_or(|time| time < cut) {
                state.observe(
                    codes.variable(event.code).unwrap(),
                    event.time,
                    event.value.unwrap(),
                );
            }
        }
        let code = pack.variables()[ECHO].code.as_str();
        let Some(why) = model.explain(&state, cut, code, 6.0) else { continue };
        let point = model.forecast(&state, cut, &[6.0]).targets[1].points[0];
        assert_eq!(why.median, point.quantiles[QUANTILES.len() / 2]);
        let sum: f32 = why.drivers.iter().map(|driver| driver.contribution).sum();
        let told = why.carried + why.usual_change + sum + why.adjusted;
        assert!((told - why.median).abs() < 1e-3, "{told} is not {}", why.median);
        // Nothing was put in order or bounded here: what is left over is rounding.
        assert!(why.adjusted.abs() < 0.5, "{}", why.adjusted);
        firsts.push(why.drivers[0].clone());
    }
    // `echo` follows `level`: where it has to move, that is why.
    let level = pack.variables()[LEVEL].title.as_str();
    let due = firsts.iter().filter(|driver| driver.feature.starts_with(level)).count();
    assert!(firsts.len() / 3 < due, "{due} of {}", firsts.len());
    assert!(firsts.iter().all(|driver| driver.age_hours.is_none_or(|age| 0.0 <= age)));
    let shares = model.variable_shares();
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{shares:?}");
    assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "{shares:?}");
    assert!(shares[GROUP] < shares[LEVEL], "the echo follows the level: {shares:?}");
}

#[test]
fn what_is_not_forecast_is_not_explained() {
    let pack = pack();
    let model = train(&pack, &config(), &cohort(1, 200), &cohort(2, 100), &mut |_| {}).unwrap();
    let state = SubjectState::new(&pack);
    let now = cohort(1, 1).timelines[0].events().iter().find_map(|event| event.time).unwrap();
    assert_eq!(model.explain(&state, now, "echo", 6.0), None);
    assert_eq!(model.explain(&state, now, "no such code", 6.0), None);
}
