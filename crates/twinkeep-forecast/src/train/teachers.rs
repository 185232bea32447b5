//! Learning from teachers, so that nobody is learned by heart.
//!
//! People are dealt into as many parts as there are teachers, and each teacher sees all parts but
//! one. Of each person the trees are told what the teacher says that never saw the person, and never
//! what came true: what came true for a person reaches them through what teachers say of
//! *others*, as something that holds for many; and the calibration, as a quantile over everybody
//! (after SELENA: Tang, Mahloujifar, Song, Shejwalkar,
//! Nasr, Houmansadr, Mittal, "Mitigating Membership Inference Attacks by Self-Distillation Through
//! a Novel Ensemble Architecture", USENIX Security 2022).

use crate::boost::{
    Boosted, Choosing, Column, Knobs, LANE_COUNT, Lanes, Objective, Problem, Repeat, Rows, boost,
};
use crate::{TrainConfig, random};

/// Learns a problem: by itself, or from teachers if the configuration asks for some.
pub(super) fn learn<O: Objective>(
    problem: &Problem<'_>,
    objective: impl Fn() -> O,
    choosing: Choosing,
    (knobs, shrinkage_rows): (&Knobs, f32),
    config: &TrainConfig,
) -> Boosted {
    if config.teachers == 0 {
        return boost(problem, &mut objective(), knobs);
    }
    let faster = |knobs: &Knobs, times: f32| Knobs {
        learning_rate: (times * knobs.learning_rate).min(1.0),
        ..*knobs
    };
    let parts = (config.seed, config.teachers);
    let said = said(problem, &objective, &faster(knobs, TEACHER_HASTE), parts);
    let mut repeat = Repeat::new(said, objective(), choosing, shrinkage_rows);
    boost(problem, &mut repeat, &faster(knobs, PUPIL_HASTE))
}

/// Returns of each training row what the teacher says that never saw its subject.
fn said<O: Objective>(
    problem: &Problem<'_>,
    objective: impl Fn() -> O,
    knobs: &Knobs,
    (seed, teachers): (u64, usize),
) -> Vec<Lanes> {
    let part = |row: usize| {
        let subject = problem.subjects[problem.rows.snapshot[row] as usize];
        random::bits(seed, [PART_DRAW, u64::from(subject), 0]) % teachers.max(1) as u64
    };
    let parts: Vec<u64> = (0..problem.rows.value.len()).map(part).collect();
    let mut said = vec![[0.0; LANE_COUNT]; parts.len()];
    for teacher in 0..teachers as u64 {
        let boosted = teach(problem, objective(), knobs, (teacher, &parts));
        for row in (0..parts.len()).filter(|&row| parts[row] == teacher) {
            said[row] = answer(problem, &boosted, row);
        }
    }
    said
}

/// Lets a teacher learn from all rows that are not of its part.
fn teach<O: Objective>(
    problem: &Problem<'_>,
    mut objective: O,
    knobs: &Knobs,
    (teacher, parts): (u64, &[u64]),
) -> Boosted {
    let seen: Vec<usize> = (0..parts.len()).filter(|&row| parts[row] != teacher).collect();
    let rows = Rows {
        snapshot: seen.iter().map(|&row| problem.rows.snapshot[row]).collect(),
        value: seen.iter().map(|&row| problem.rows.value[row]).collect(),
    };
    let Some((horizon, shared)) = problem.columns.split_last() else {
        return Boosted { start: objective.start(&rows.value), trees: Vec::new() };
    };
    let horizon = Column {
        cuts: horizon.cuts.clone(),
        bins: seen.iter().map(|&row| horizon.bins[row]).collect(),
    };
    let tuning_rows = Rows {
        snapshot: problem.tuning_rows.snapshot.clone(),
        value: problem.tuning_rows.value.clone(),
    };
    let own = Problem {
        columns: shared.iter().copied().chain([&horizon]).collect(),
        rows,
        subjects: problem.subjects,
        tuning_columns: problem.tuning_columns.clone(),
        tuning_rows,
    };
    let knobs = Knobs { seed: random::bits(knobs.seed, [TEACHER_DRAW, teacher, 0]), ..*knobs };
    boost(&own, &mut objective, &knobs)
}

/// Returns what trees say of a training row.
fn answer(problem: &Problem<'_>, boosted: &Boosted, row: usize) -> Lanes {
    let mut lanes = boosted.start;
    let snapshot = problem.rows.snapshot[row];
    for tree in &boosted.trees {
        let leaf = &tree.leaves[tree.leaf_of(&problem.columns, snapshot, row)];
        lanes.iter_mut().zip(leaf).for_each(|(lane, step)| *lane += step);
    }
    lanes
}

/// Several teachers are slower than one, and what each has in haste is averaged out by the others.
const TEACHER_HASTE: f32 = 1.5;

/// What teachers say has no chance in it, so it is learned in larger steps.
const PUPIL_HASTE: f32 = 2.0;

#[cfg(test)]
mod tests;

/// What a pseudo-random choice is about.
const PART_DRAW: u64 = 51;
const TEACHER_DRAW: u64 = 52;
