//! Training as a whole, on a small world whose laws are known.

use std::sync::LazyLock;

use twinkeep_domain::{Basis, Cohort};

use super::{TrainError, check, train};
use crate::features::SubjectState;
use crate::testing::{ECHO, GROUP, LEVEL, NOISE, cohort, config, event, pack};
use crate::{Evaluation, Model, TrainConfig, evaluate};

mod hold;
mod huber;
mod notes;
mod parts;
mod windows;

static MODEL: LazyLock<Model> = LazyLock::new(|| trained(&config()));

static EVALUATION: LazyLock<Evaluation> =
    LazyLock::new(|| evaluate(&pack(), &*MODEL, &cohort(3, 400)));

fn trained(config: &TrainConfig) -> Model {
    train(&pack(), config, &cohort(1, 500), &cohort(2, 300), &mut |_| ()).unwrap()
}

#[test]
fn what_can_be_known_is_learned() {
    // The best forecast of `level` is its mean: triangular noise then errs by 1/1.4 of the last.
    let level = &EVALUATION.targets[LEVEL];
    assert!(level.mase.unwrap() < 0.76, "{level:?}");
    // `echo` will be twice the last `level`, never what it was.
    let echo = &EVALUATION.targets[ECHO];
    assert!(echo.mase.unwrap() < 0.08, "{echo:?}");
}

#[test]
fn what_cannot_be_known_is_not_made_up() {
    // Uniform noise: the median errs by 25, the last value by 33, and no forecast by less.
    let noise = &EVALUATION.targets[NOISE];
    assert!((24.0..26.5).contains(&noise.mae.unwrap()), "{noise:?}");
    assert!(85.0 < noise.width_90.unwrap(), "{noise:?}");
}

#[test]
fn intervals_cover_what_they_promise_on_subjects_never_seen() {
    for target in &EVALUATION.targets {
        let near = |share: Option<f64>, promised: f64, slack: f64| {
            (share.unwrap() - promised).abs() < slack
        };
        // Calibration is over both cuts, measurement at one: the inner interval may be wide.
        assert!(near(target.coverage_50, 0.5, 0.1), "{target:?}");
        assert!(near(target.coverage_80, 0.8, 0.05), "{target:?}");
        assert!(near(target.coverage_90, 0.9, 0.03), "{target:?}");
        assert!(near(target.coverage_95, 0.95, 0.025), "{target:?}");
    }
    assert_eq!(EVALUATION.refused_count, 0);
    assert_eq!(EVALUATION.subject_count, 400);
}

#[test]
fn the_same_input_gives_the_same_bytes_on_any_number_of_threads() {
    let config = TrainConfig { rounds_max: 15, ..config() };
    let tensors = |threads| trained(&TrainConfig { threads, ..config.clone() }).to_tensors();
    let one = tensors(1);
    assert_eq!(one, tensors(2));
    assert_eq!(one, tensors(5));
    let other = trained(&TrainConfig { seed: 43, ..config.clone() }).to_tensors();
    assert_ne!(one, other);
}

#[test]
fn every_target_reports_its_progress_once() {
    let mut codes = Vec::new();
    let config = TrainConfig { rounds_max: 2, ..config() };
    let (teach, tune) = (cohort(1, 60), cohort(2, 60));
    train(&pack(), &config, &teach, &tune, &mut |progress| {
        codes.push(progress.code.to_string());
        assert_eq!((progress.done_count, progress.total_count), (codes.len(), 3));
        assert!(100 < progress.row_count && progress.tree_count <= 2);
    })
    .unwrap();
    codes.sort();
    assert_eq!(codes, ["echo", "level", "noise"]);
}

#[test]
fn quantiles_never_decrease_and_stay_in_the_plausible_range() {
    let horizons: Vec<f32> = (0..=48).map(|half| half as f32 / 2.0).collect();
    for timeline in &cohort(4, 50).timelines {
        let mut state = SubjectState::new(&pack());
        for event in timeline.events() {
            state.observe(event.code as usize, event.time, event.value.unwrap() * 8.0);
        }
        let forecast = MODEL.forecast(&state, timeline.end().unwrap(), &horizons);
        for point in forecast.targets.iter().flat_map(|target| &target.points) {
            assert!(point.quantiles.is_sorted());
            assert!(point.quantiles.iter().all(|value| (-500.0..=500.0).contains(value)));
            assert!((-500.0..=500.0).contains(&point.mean));
        }
    }
}

#[test]
fn many_horizons_at_once_are_the_same_as_one_by_one() {
    let cohort = cohort(5, 5);
    let horizons = [0.0, 3.0, 3.0, 7.5, 8.0, 8.1, 24.0];
    for timeline in &cohort.timelines {
        let state = state_of(&cohort, timeline);
        let now = timeline.end().unwrap();
        let all = MODEL.forecast(&state, now, &horizons);
        for (at, &horizon) in horizons.iter().enumerate() {
            let one = MODEL.forecast(&state, now, &[horizon]);
            for (all, one) in all.targets.iter().zip(&one.targets) {
                assert!(all.points[at] == one.points[0]);
            }
        }
    }
}

fn state_of(cohort: &Cohort, timeline: &twinkeep_domain::Timeline) -> SubjectState {
    SubjectState::from_timeline(&pack(), &crate::CodeMap::new(&pack(), &cohort.codes), timeline)
}

#[test]
fn without_enough_history_there_is_no_forecast() {
    let mut state = SubjectState::new(&pack());
    let now = event(1, Some(9.0), LEVEL, 0.0).time;
    let bases = |state: &SubjectState| {
        let forecast = MODEL.forecast(state, now.unwrap(), &[1.0, 2.0]);
        for target in &forecast.targets {
            assert_eq!(target.points.is_empty(), target.basis == Basis::NotEnoughHistory);
        }
        forecast.targets.iter().map(|target| target.basis).collect::<Vec<_>>()
    };
    assert_eq!(bases(&state), [Basis::NotEnoughHistory; 3]);
    state.observe(GROUP, None, 1.0);
    state.observe(LEVEL, event(1, Some(1.0), LEVEL, 0.0).time, 60.0);
    state.observe(LEVEL, event(1, Some(2.0), LEVEL, 0.0).time, 61.0);
    // The pack asks for three events.
    assert_eq!(bases(&state), [Basis::NotEnoughHistory; 3]);
    state.observe(LEVEL, event(1, Some(3.0), LEVEL, 0.0).time, 62.0);
    // `level` stands in for `echo`, which was never seen.
    assert_eq!(bases(&state)[..2], [Basis::Trees, Basis::Trees]);
}

#[test]
fn horizons_about_which_nothing_was_learned_are_left_out() {
    let cohort = cohort(5, 1);
    let state = state_of(&cohort, &cohort.timelines[0]);
    let now = cohort.timelines[0].end().unwrap();
    let asked = [24.5, 6.0, f32::NAN, -1.0, 2.0, f32::INFINITY];
    let forecast = MODEL.forecast(&state, now, &asked);
    let found: Vec<f32> =
        forecast.targets[0].points.iter().map(|point| point.horizon_hours).collect();
    assert_eq!(found, [2.0, 6.0]);
}

#[test]
fn a_state_of_another_pack_gets_no_forecast() {
    let pack = pack();
    let mut variables = pack.variables().to_vec();
    variables.truncate(2);
    let small = twinkeep_domain::Pack::new(
        "small".into(),
        "Small".into(),
        1,
        pack.words().clone(),
        variables,
        pack.forecast().clone(),
    )
    .unwrap();
    let mut state = SubjectState::new(&small);
    for hours in 0..5 {
        state.observe(LEVEL, event(1, Some(f64::from(hours)), LEVEL, 0.0).time, 60.0);
    }
    let forecast = MODEL.forecast(&state, event(1, Some(9.0), LEVEL, 0.0).time.unwrap(), &[1.0]);
    assert!(forecast.targets.iter().all(|target| target.basis == Basis::NotEnoughHistory));
}

#[test]
fn a_target_with_too_few_examples_is_not_learned() {
    let mut rare = cohort(1, 60);
    for timeline in &mut rare.timelines {
        let events = timeline.events().iter().filter(|event| event.code as usize != NOISE);
        *timeline =
            twinkeep_domain::Timeline::new(timeline.subject(), events.cloned().collect()).unwrap();
    }
    let config = TrainConfig { rounds_max: 2, ..config() };
    let model = train(&pack(), &config, &rare, &cohort(2, 60), &mut |_| ()).unwrap();
    assert_eq!(model.describe()[NOISE].basis, "not-enough-history");
    let cohort = cohort(5, 1);
    let state = state_of(&cohort, &cohort.timelines[0]);
    let forecast = model.forecast(&state, cohort.timelines[0].end().unwrap(), &[1.0]);
    assert_eq!(forecast.targets[NOISE].basis, Basis::NotEnoughHistory);
    assert!(forecast.targets[NOISE].points.is_empty());
    assert_eq!(forecast.targets[LEVEL].points.len(), 1);
}

#[test]
fn a_gain_that_one_subject_makes_is_not_trusted() {
    let even = (0..100).map(|row| (row / 10, 1.0));
    assert_eq!(super::select::certain_gain(even, 1.0), 100.0);
    let lucky = (0..100).map(|row| (row / 10, if row < 10 { 10.0 } else { 0.0 }));
    assert!(super::select::certain_gain(lucky, 1.0) < 10.0);
    let two = [(1, 3.0), (2, 1.0)].into_iter();
    assert_eq!(super::select::certain_gain(two.clone(), 1.0), 4.0 - 2.0_f64.sqrt());
    assert_eq!(super::select::certain_gain(two, 0.0), 4.0);
}

#[test]
fn training_on_nothing_is_refused() {
    let empty = Cohort::default();
    let full = cohort(1, 60);
    let refused = |teach, tune| train(&pack(), &config(), teach, tune, &mut |_| ()).unwrap_err();
    assert_eq!(refused(&empty, &full), TrainError::NoExamples { split: "train" });
    assert_eq!(refused(&full, &empty), TrainError::NoExamples { split: "tuning" });
    assert_eq!(refused(&empty, &full).code(), "train-no-examples");
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    assert_eq!(check(&TrainConfig::default()), Ok(()));
    let broken: [fn(&mut TrainConfig); 10] = [
        |config| config.threads = 0,
        |config| config.bins_max = 256,
        |config| config.bins_max = 1,
        |config| config.leaves_max = 1,
        |config| config.learning_rate = f32::NAN,
        |config| config.rare_learning_rate = 1.5,
        |config| config.feature_share = 0.0,
        |config| config.snapshot_rows_max = 0,
        |config| config.mean_weight = -1.0,
        |config| config.leaf_snapshots_min = f32::INFINITY,
    ];
    for change in broken {
        let mut config = config();
        change(&mut config);
        assert!(matches!(check(&config), Err(TrainError::Config { .. })), "{config:?}");
    }
}
