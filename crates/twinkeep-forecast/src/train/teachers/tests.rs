//! Teachers say nothing of a person that they know from the person.

use super::said;
use crate::boost::{Column, Knobs, Lanes, Problem, Rows, Values, cut_points};
use crate::testing::{ECHO, LEVEL, cohort, config, pack, uniform};
use crate::{TrainConfig, evaluate, train};

const SUBJECTS: u32 = 60;
const ROWS: u32 = 4;

fn knobs() -> Knobs {
    Knobs {
        seed: 5,
        rounds_max: 30,
        patience_rounds: 30,
        learning_rate: 0.3,
        leaves_max: 31,
        leaf_rows_min: 1,
        leaf_subjects_min: 0,
        leaf_step_max: f32::INFINITY,
        feature_share: 1.0,
        subject_share: 1.0,
    }
}

/// Returns what is said of each row where one subject's values are others by `moved`.
fn lessons(teachers: usize, who: u32, moved: f32) -> Vec<Lanes> {
    let feature = |at: u32| uniform(1, i64::from(at), 0);
    let column = || (0..SUBJECTS).map(feature);
    let shared = Column::new(cut_points(column(), 100), column());
    let snapshot: Vec<u32> = (0..SUBJECTS * ROWS).map(|row| row / ROWS).collect();
    let horizons = || (0..SUBJECTS * ROWS).map(|row| (row % ROWS) as f32);
    let horizon = Column::new(cut_points(horizons(), 10), horizons());
    let value = |(row, &at): (usize, &u32)| {
        let noise = uniform(2, i64::try_from(row).unwrap(), 0);
        10.0 * feature(at) + noise + if at == who { moved } else { 0.0 }
    };
    let values: Vec<f32> = snapshot.iter().enumerate().map(value).collect();
    let subjects: Vec<u32> = (0..SUBJECTS).collect();
    let problem = Problem {
        columns: vec![&shared, &horizon],
        rows: Rows { snapshot: snapshot.clone(), value: values.clone() },
        subjects: &subjects,
        tuning_columns: vec![&shared, &horizon],
        tuning_rows: Rows { snapshot: snapshot[..80].to_vec(), value: values[..80].to_vec() },
    };
    // The subject that is moved is not among those that say when to stop.
    assert!(80 / ROWS <= who);
    said(&problem, || Values::new(0.5, 0.0), &knobs(), (7, teachers))
}

#[test]
fn what_came_true_for_a_person_is_not_in_what_is_told_of_the_person() {
    for teachers in [2, 3, 5] {
        let (before, after) = (lessons(teachers, 40, 0.0), lessons(teachers, 40, 50.0));
        let own = (40 * ROWS) as usize..(41 * ROWS) as usize;
        assert_eq!(before[own.clone()], after[own.clone()], "{teachers} teachers");
        let others = |lessons: &[Lanes]| [&lessons[..own.start], &lessons[own.end..]].concat();
        assert_ne!(others(&before), others(&after), "nobody learned from the person at all");
    }
}

#[test]
fn every_row_has_a_teacher_and_what_is_said_is_near_what_is_true() {
    for (row, lanes) in lessons(3, 40, 0.0).iter().enumerate() {
        let truth = 10.0 * uniform(1, i64::try_from(row).unwrap() / i64::from(ROWS), 0) + 0.5;
        assert!((lanes[3] - truth).abs() < 2.5, "row {row}: {lanes:?}, {truth}");
    }
}

#[test]
fn a_model_of_teachers_knows_what_can_be_known_and_has_the_same_bytes_on_any_threads() {
    let taught = |threads: usize| {
        let config = TrainConfig { teachers: 3, rounds_max: 60, threads, ..config() };
        train(&pack(), &config, &cohort(1, 500), &cohort(2, 300), &mut |_| ()).unwrap()
    };
    let model = taught(1);
    assert_eq!(model.to_tensors(), taught(3).to_tensors());
    let found = evaluate(&pack(), &model, &cohort(3, 400));
    assert!(found.targets[LEVEL].mase.unwrap() < 0.78, "{found:?}");
    assert!(found.targets[ECHO].mase.unwrap() < 0.12, "{found:?}");
}

#[test]
fn what_teachers_say_of_people_they_never_saw_calibrates_where_few_people_tune() {
    // 30 people place the ends of an interval badly; 500 of whom teachers spoke help.
    let off = |teachers: usize| -> f64 {
        let of = |seed: u64| {
            let config = TrainConfig { teachers, rounds_max: 40, ..config() };
            let tuning = cohort(100 + seed, 30);
            let model = train(&pack(), &config, &cohort(1, 500), &tuning, &mut |_| ()).unwrap();
            let found = evaluate(&pack(), &model, &cohort(3, 1_000));
            let off = |target: &crate::TargetEvaluation| (target.coverage_90.unwrap() - 0.9).abs();
            found.targets.iter().map(off).sum::<f64>()
        };
        (0..4).map(of).sum::<f64>() / (4 * 3) as f64
    };
    let (alone, taught) = (off(0), off(3));
    assert!(taught < alone && taught < 0.02, "off by {alone} alone, by {taught} with teachers");
}
