//! Paths of a world whose laws are known: they are spread as forecast, and go together as taught.

use std::sync::LazyLock;

use twinkeep_domain::{
    Cohort, Event, ForecastPlan, OUTER, Pack, QUANTILES, Timeline, Timestamp, WindowAnswer,
};

use super::{PathBank, Scratch, Simulator};
use crate::features::SubjectState;
use crate::normal::score;
use crate::testing::{
    self, ECHO, LEVEL, config, event, shop_cohort, shop_event, shop_pack, uniform,
};
use crate::{CodeMap, Model, TrainConfig, train};

/// How much of `level` lasts as long as a path, and how much of `echo` is `level`.
const LASTING: f64 = 0.8;
const SHARED: f64 = 0.7;

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let config = TrainConfig { rounds_max: 20, ..config() };
    train(&pack(), &config, &world(1, 400), &world(2, 600), &mut |_| ()).unwrap()
});

/// One cut, so that every subject's past is as long.
fn pack() -> Pack {
    let base = testing::pack();
    let plan = ForecastPlan { cuts_hours: vec![24.0], ..base.forecast().clone() };
    let plan = ForecastPlan { buckets_hours: vec![24.0], step_hours: 1.0, ..plan };
    let (name, words) = ("test".to_owned(), base.words().clone());
    Pack::new(name.clone(), name, 1, words, base.variables().to_vec(), plan).unwrap()
}

/// Subjects of whose past nothing follows: after the cut, `level` is 50 + 10 (0.8 P + 0.6 N),
/// where P is drawn once and N each hour, and `echo` is as much, of 0.7 `level` and noise.
fn world(seed: u64, count: i64) -> Cohort {
    let codes = testing::cohort(seed, 1).codes;
    let timelines = (0..count).map(|number| life(seed, number)).collect();
    Cohort { codes, timelines }
}

fn life(seed: u64, number: i64) -> Timeline {
    let normal = |step: u64| score(f64::from(uniform(seed, number, step)).clamp(1e-4, 0.9999));
    let value = |score: f64| (50.0 + 10.0 * score) as f32;
    let mut events: Vec<Event> = (0..6_u32)
        .flat_map(|hour| [(hour, LEVEL), (hour, ECHO)])
        .map(|(hour, code)| event(number, Some(4.0 * f64::from(hour)), code, 50.0))
        .collect();
    let lasting = normal(1);
    for hour in 0..24_u64 {
        let level = LASTING * lasting + (1.0 - LASTING * LASTING).sqrt() * normal(10 + hour);
        let echo = SHARED * level + (1.0 - SHARED * SHARED).sqrt() * normal(100 + hour);
        let time = 24.5 + hour as f64;
        events.push(event(number, Some(time), LEVEL, value(level)));
        events.push(event(number, Some(time), ECHO, value(echo)));
    }
    Timeline::new(twinkeep_domain::Subject::from_pseudonym(number).unwrap(), events).unwrap()
}

fn hours(count: u8) -> Vec<f32> {
    (1..=count).map(f32::from).collect()
}

/// A subject at the cut.
fn state(pack: &Pack, cohort: &Cohort) -> (SubjectState, Timestamp) {
    let codes = CodeMap::new(pack, &cohort.codes);
    let cut = Timestamp::RELATIVE_ORIGIN.plus_hours(24.0);
    let mut state = SubjectState::new(pack);
    let past = cohort.timelines[0].events().iter();
    past.filter(|event| event.time.is_none_or(|time| time < cut))
        .for_each(|event| state.apply(&codes, event));
    (state, cut)
}

fn draw(simulator: &Simulator<'_>, count: u64) -> Vec<Vec<f32>> {
    let mut scratch = Scratch::default();
    let path = |number| {
        let mut values = vec![0.0; simulator.path_len()];
        simulator.path(number, &mut scratch, &mut values, &mut []);
        values
    };
    (0..count).map(path).collect()
}

fn correlation(paths: &[Vec<f32>], one: usize, other: usize) -> f64 {
    let mean =
        |at: usize| paths.iter().map(|path| f64::from(path[at])).sum::<f64>() / paths.len() as f64;
    let means = [mean(one), mean(other)];
    let sum = |a: usize, b: usize| -> f64 {
        let of = |path: &Vec<f32>, at: usize| {
            f64::from(path[at]) - if at == one { means[0] } else { means[1] }
        };
        paths.iter().map(|path| of(path, a) * of(path, b)).sum()
    };
    sum(one, other) / (sum(one, one) * sum(other, other)).sqrt()
}

fn with_paths<T>(bank: &PathBank, wanted: &[&str], work: impl FnOnce(&Simulator<'_>) -> T) -> T {
    let (state, cut) = state(&pack(), &world(3, 1));
    work(&MODEL.simulator(bank, &state, cut, wanted).unwrap())
}

#[test]
fn over_all_paths_values_are_spread_as_forecast() {
    let bank = MODEL.path_bank(&hours(24), 7);
    with_paths(&bank, &[], |simulator| {
        let paths = draw(simulator, 8_000);
        let answers = &simulator.forecast().targets;
        for (row, target) in simulator.targets().into_iter().enumerate() {
            for (at, point) in answers[target].points.iter().enumerate() {
                let outer = point.outer.iter().zip(OUTER);
                for (quantile, promised) in point.quantiles.iter().zip(QUANTILES).chain(outer) {
                    let below =
                        paths.iter().filter(|path| path[row * 24 + at] <= *quantile).count();
                    let share = below as f32 / paths.len() as f32;
                    assert!((share - promised).abs() < 0.02, "{target} {at} {promised}: {share}");
                }
            }
        }
    });
}

#[test]
fn values_go_together_as_they_do_in_the_world() {
    let bank = MODEL.path_bank(&hours(24), 7);
    with_paths(&bank, &["level", "echo"], |simulator| {
        let paths = draw(simulator, 8_000);
        let near = |one: usize, other: usize, expected: f64| {
            let found = correlation(&paths, one, other);
            assert!((found - expected).abs() < 0.06, "{one} {other}: {found}, not {expected}");
        };
        let own = LASTING * LASTING;
        near(0, 1, own);
        near(3, 20, own);
        near(5, 24 + 5, SHARED);
        near(23, 24 + 23, SHARED);
        near(5, 24 + 12, SHARED * own);
        near(24 + 5, 24 + 12, SHARED * SHARED * own);
    });
}

#[test]
fn a_path_is_the_same_however_it_is_drawn() {
    let bank = MODEL.path_bank(&hours(10), 7);
    let all = with_paths(&bank, &[], |simulator| draw(simulator, 20));
    let again = with_paths(&bank, &[], |simulator| {
        let mut values = vec![0.0; simulator.path_len()];
        simulator.path(13, &mut Scratch::default(), &mut values, &mut []);
        values
    });
    assert_eq!(again, all[13]);
    let echo = with_paths(&bank, &["echo"], |simulator| draw(simulator, 20));
    assert_eq!(echo[13], all[13][10..20]);
    let other = MODEL.path_bank(&hours(10), 8);
    assert_ne!(with_paths(&other, &[], |simulator| draw(simulator, 20)), all);
    assert_ne!(all[1], all[2]);
}

#[test]
fn paths_stay_within_what_is_possible_and_at_the_values_there_are() {
    let mut variables = pack().variables().to_vec();
    variables[LEVEL].range = twinkeep_domain::Range { low: 45.0, high: 60.0 };
    variables[LEVEL].rules.values = vec![45.0, 50.0, 60.0];
    let (name, words) = ("test".to_owned(), pack().words().clone());
    let pack = Pack::new(name.clone(), name, 1, words, variables, pack().forecast().clone());
    let model = Model { pack: pack.unwrap(), ..MODEL.clone() };
    let (state, cut) = state(&model.pack, &world(3, 1));
    let bank = model.path_bank(&hours(24), 1);
    let simulator = model.simulator(&bank, &state, cut, &["level"]).unwrap();
    for value in draw(&simulator, 200).concat() {
        assert!([45.0, 50.0, 60.0].contains(&value), "{value}");
    }
}

#[test]
fn a_model_of_few_subjects_draws_no_paths() {
    let config = TrainConfig { rounds_max: 2, ..config() };
    let model = train(&pack(), &config, &world(1, 100), &world(2, 40), &mut |_| ()).unwrap();
    let (state, cut) = state(&pack(), &world(3, 1));
    let bank = model.path_bank(&hours(3), 1);
    assert!(model.simulator(&bank, &state, cut, &[]).is_none());
    let again = Model::from_tensors(&pack(), &model.to_tensors()).unwrap();
    assert!(again.simulator(&bank, &state, cut, &[]).is_none());
}

#[test]
fn nothing_is_drawn_at_no_moment_or_of_no_target() {
    let bank = MODEL.path_bank(&[], 1);
    with_paths(&bank, &[], |simulator| assert_eq!(simulator.path_len(), 0));
    let bank = MODEL.path_bank(&hours(2), 1);
    with_paths(&bank, &["nothing"], |simulator| {
        assert_eq!(simulator.path_len(), 0);
        simulator.path(0, &mut Scratch::default(), &mut [], &mut []);
    });
}

#[test]
fn windows_are_drawn_as_likely_as_they_are_forecast() {
    let pack = shop_pack();
    let config = TrainConfig { rounds_max: 30, ..config() };
    let (teach, tune) = (shop_cohort(1, 400), shop_cohort(2, 300));
    let model = train(&pack, &config, &teach, &tune, &mut |_| ()).unwrap();
    let mut state = SubjectState::new(&pack);
    let codes = CodeMap::new(&pack, &teach.codes);
    for day in 0..10 {
        state.apply(&codes, &shop_event(1, f64::from(day), testing::BUY, Some(10.0)));
    }
    let now = Timestamp::RELATIVE_ORIGIN.plus_hours(240.0);
    let bank = model.path_bank(&[96.0, 192.0], 3);
    let simulator = model.simulator(&bank, &state, now, &[]).unwrap();
    let mut outcomes = vec![Vec::new(); simulator.windows().len()];
    let (mut scratch, mut values) = (Scratch::default(), vec![0.0; simulator.path_len()]);
    for number in 0..8_000 {
        let mut row = vec![0.0; outcomes.len()];
        simulator.path(number, &mut scratch, &mut values, &mut row);
        outcomes.iter_mut().zip(row).for_each(|(all, one)| all.push(one));
    }
    assert_eq!(outcomes.len(), 5);
    for (place, outcomes) in simulator.windows().into_iter().zip(&outcomes) {
        let share = |holds: &dyn Fn(f32) -> bool| {
            outcomes.iter().filter(|&&one| holds(one)).count() as f32 / outcomes.len() as f32
        };
        match &simulator.forecast().windows[place].answer {
            WindowAnswer::None => panic!("{place} is not forecast"),
            WindowAnswer::Total(point) => {
                // Counts are rounded, so a quantile is a step: at least as many lie up to it.
                let [low, high] = [point.quantiles[1], point.quantiles[5]];
                assert!(0.08 <= share(&|one| one <= low + 0.5), "{place}");
                assert!(0.88 <= share(&|one| one <= high + 0.5), "{place}");
                assert!(share(&|one| one < low - 0.5) <= 0.12, "{place}");
            }
            WindowAnswer::Event(points) => {
                for point in points {
                    let absent = place == testing::QUIET;
                    let happened = share(&|one| one <= point.horizon_hours);
                    let said = if absent { 1.0 - point.probability } else { point.probability };
                    assert!((happened - said).abs() < 0.02, "{place}: {happened} {said}");
                }
            }
        }
    }
    // Who spends much comes often.
    let pairs: Vec<Vec<f32>> = outcomes[testing::SPENT]
        .iter()
        .zip(&outcomes[testing::VISITS])
        .map(|(&spent, &visits)| vec![spent, visits])
        .collect();
    assert!(0.5 < correlation(&pairs, 0, 1), "{}", correlation(&pairs, 0, 1));
}
