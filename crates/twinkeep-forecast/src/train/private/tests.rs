//! Noise hides each subject of the training split, and everything else comes from elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};

use twinkeep_domain::{Basis, Cohort, Event, Timeline};

use super::super::{Material, train};
use super::*;
use crate::features::FeatureLayout;
use crate::testing::{ECHO, LEVEL, cohort, config, pack};
use crate::{Model, TrainConfig, evaluate};

fn source() -> RandomSource {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    RandomSource(|| random::bits(77, [COUNT.fetch_add(1, Ordering::Relaxed), 0, 0]))
}

fn private(epsilon: f64) -> TrainConfig {
    let noise = Some(NoisePlan { epsilon, delta: 1e-6 });
    TrainConfig { noise, noise_source: Some(source()), ..config() }
}

fn trained(epsilon: f64, teach: &Cohort) -> Model {
    train(&pack(), &private(epsilon), teach, &cohort(2, 300), &mut |_| ()).unwrap()
}

/// The same people with other values.
fn doubled(cohort: &Cohort) -> Cohort {
    let double = |event: &Event| Event { value: event.value.map(|it| 2.0 * it), ..event.clone() };
    let twice = |timeline: &Timeline| {
        let events = timeline.events().iter().map(double).collect();
        Timeline::new(timeline.subject(), events).unwrap()
    };
    Cohort { codes: cohort.codes.clone(), timelines: cohort.timelines.iter().map(twice).collect() }
}

#[test]
fn with_little_noise_something_is_learned_and_with_much_it_is_not() {
    let (teach, ask) = (cohort(1, 500), cohort(3, 300));
    let open = evaluate(&pack(), &trained(500.0, &teach), &ask);
    let closed = evaluate(&pack(), &trained(0.02, &teach), &ask);
    let mase = |evaluation: &crate::Evaluation| evaluation.targets[ECHO].mase.unwrap();
    assert!(mase(&open) + 0.1 < mase(&closed), "{open:?} {closed:?}");
    for evaluation in [&open, &closed] {
        let coverage = evaluation.targets[LEVEL].coverage_90.unwrap();
        assert!((0.85..0.95).contains(&coverage), "{evaluation:?}");
    }
}

#[test]
fn nothing_but_leaves_depends_on_the_training_split() {
    let teach = cohort(1, 200);
    let [one, other] = [trained(1.0, &teach), trained(1.0, &doubled(&teach))];
    assert_eq!(one.support, other.support);
    assert!(one.support.groups.is_empty());
    for (one, other) in one.targets.iter().zip(&other.targets) {
        assert_eq!(one.forest.nodes, other.forest.nodes);
        assert_eq!(one.forest.roots, other.forest.roots);
        assert_ne!(one.forest.leaves, other.forest.leaves);
        assert_eq!((one.typical, one.scale, one.start), (other.typical, other.scale, other.start));
        assert_eq!(one.reference, other.reference);
        assert_eq!((one.anchor, &one.correlates), (other.anchor, &other.correlates));
        assert!(
            one.forest.is_sound(one.forest.nodes.iter().map(|it| it.feature.into()).max().unwrap())
        );
    }
    // Nothing at all would reach a model of nobody who has a value.
    assert!(one.targets.iter().all(|target| target.basis != Basis::NotEnoughHistory));
}

#[test]
fn a_subject_changes_the_sums_of_a_tree_by_what_the_account_says() {
    let (all, tuning) = (cohort(1, 60), cohort(2, 60));
    let (pack, config) = (pack(), private(1.0));
    let layout = FeatureLayout::new(&pack);
    // Who is left out has the largest values of all.
    let loud = doubled(&doubled(&doubled(&all)));
    let mut with = all.clone();
    with.timelines[7] = loud.timelines[7].clone();
    let mut without = with.clone();
    without.timelines.remove(7);
    let sums = |cohort: &Cohort| {
        let material = Material::collect(&pack, &config, &layout, cohort, &tuning).unwrap();
        let rows = &material.train.targets[LEVEL];
        let residuals: Vec<f32> = rows.value.iter().map(|value| value - 40.0).collect();
        let grower = Grower {
            material: &material,
            at: LEVEL,
            seed: 5,
            fitted: vec![0.0; residuals.len()],
            weights: weights(&material.train, rows),
            residuals,
            noise: DiscreteGaussian::new(1.0).unwrap(),
            deviation: 1.0,
            source: source(),
        };
        let nodes: Vec<Node> = (0..INNER_COUNT as u64).map(|node| grower.node(3, node)).collect();
        let leaf_of: Vec<usize> =
            (0..rows.value.len()).map(|row| leaf(&nodes, &material.train, rows, row)).collect();
        grower.sums(&leaf_of)
    };
    let (with, without) = (sums(&with), sums(&without));
    for (with, without) in with.iter().zip(&without) {
        let squares: f64 =
            with.iter().zip(without).map(|(one, other)| ((one - other) as f64).powi(2)).sum();
        assert!(0.0 < squares && squares.sqrt() <= UNIT, "{squares}");
    }
}

#[test]
fn noise_without_a_source_or_a_plan_that_makes_sense_is_refused() {
    let cohorts = || (cohort(1, 40), cohort(2, 40));
    let refused = |config: &TrainConfig| {
        let (teach, tune) = cohorts();
        train(&pack(), config, &teach, &tune, &mut |_| ()).unwrap_err().code()
    };
    assert_eq!(refused(&TrainConfig { noise_source: None, ..private(1.0) }), "train-config");
    assert_eq!(refused(&private(0.0)), "train-config");
    assert_eq!(refused(&private(f64::NAN)), "train-config");
}
