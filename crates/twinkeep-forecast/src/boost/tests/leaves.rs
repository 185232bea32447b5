//! What protects people in leaves: enough of them, and steps of a bounded length.

use std::collections::BTreeSet;

use super::knobs;
use crate::boost::bins::{Column, cut_points};
use crate::boost::{Boosted, Knobs, LANE_COUNT, Problem, Rows, Values, boost};
use crate::testing::uniform;

/// A few people have many rows each, and most have one: 40 people with 50 rows, 1,000 with 1.
fn subjects() -> Vec<u32> {
    let many = (0..40).flat_map(|subject| std::iter::repeat_n(subject, 50));
    many.chain(40..1_040).collect()
}

/// Values that follow a feature, which those with many rows have to themselves.
fn learn(knobs: &Knobs, check: &dyn Fn(&Problem<'_>, &Boosted)) {
    let subjects = subjects();
    let feature = |at: usize| {
        let own = f32::from(u16::try_from(subjects[at]).unwrap());
        if own < 40.0 { own } else { 40.0 + 10.0 * uniform(1, i64::from(subjects[at]), 1) }
    };
    let features: Vec<f32> = (0..subjects.len()).map(feature).collect();
    let cuts = cut_points(features.iter().copied(), 200);
    let column = Column::new(cuts, features.iter().copied());
    let horizon = Column::new(Vec::new(), features.iter().map(|_| 1.0));
    let rows = || Rows {
        snapshot: (0..u32::try_from(subjects.len()).unwrap()).collect(),
        value: features.iter().map(|it| (it * 7.0).sin() * 5.0).collect(),
    };
    let problem = Problem {
        columns: vec![&column, &horizon],
        rows: rows(),
        subjects: &subjects,
        tuning_columns: vec![&column, &horizon],
        tuning_rows: rows(),
    };
    check(&problem, &boost(&problem, &mut Values::new(0.5, 0.0), knobs));
}

/// Returns the fewest subjects that fall into any leaf of any tree.
fn fewest(problem: &Problem<'_>, boosted: &Boosted) -> usize {
    let fewest = boosted.trees.iter().map(|tree| {
        let mut of: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); tree.leaves.len()];
        for (row, &snapshot) in problem.rows.snapshot.iter().enumerate() {
            let leaf = tree.leaf_of(&problem.columns, snapshot, row);
            of[leaf].insert(problem.subjects[snapshot as usize]);
        }
        of.iter().map(BTreeSet::len).min().unwrap_or(0)
    });
    fewest.min().unwrap_or(0)
}

#[test]
fn many_rows_of_a_person_do_not_make_a_leaf() {
    // Whole subjects are drawn for each tree; with all of them, leaves can be counted from outside.
    let knobs = Knobs { rounds_max: 10, leaf_rows_min: 20, subject_share: 1.0, ..knobs() };
    learn(&knobs, &|problem, boosted| {
        assert!(fewest(problem, boosted) < 5, "rows alone make leaves of a person or two");
    });
    for leaf_subjects_min in [2, 20, 45] {
        let guarded = Knobs { leaf_subjects_min, ..knobs };
        learn(&guarded, &|problem, boosted| {
            assert!(!boosted.trees.is_empty());
            assert!(leaf_subjects_min <= fewest(problem, boosted));
        });
    }
    let too_many = Knobs { leaf_subjects_min: 600, ..knobs };
    learn(&too_many, &|_, boosted| {
        assert!(boosted.trees.is_empty(), "no two leaves have 600 of 1,040 people");
    });
}

#[test]
fn no_leaf_steps_farther_than_it_may() {
    let knobs = Knobs { rounds_max: 5, learning_rate: 1.0, leaf_step_max: 0.25, ..knobs() };
    learn(&knobs, &|_, boosted| {
        let steps: Vec<f32> =
            boosted.trees.iter().flat_map(|tree| tree.leaves.iter().flatten().copied()).collect();
        assert!(steps.iter().all(|step| step.abs() <= 0.25));
        let at_the_limit = steps.iter().filter(|step| step.abs() == 0.25).count();
        assert!(LANE_COUNT < at_the_limit, "the limit was never reached");
    });
}
