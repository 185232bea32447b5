//! Sums, counts, and events, learned on a shop whose laws are known.

use std::sync::LazyLock;

use twinkeep_domain::{Basis, Cohort, Event, Timeline, WindowAnswer, WindowForecast};

use crate::features::SubjectState;
use crate::testing::{
    LEAVE, LEFT, QUIET, RETURN, SPENT, VISITS, WINDOW_DAYS, config, is_eager, shop_cohort,
    shop_event, shop_pack,
};
use crate::{CodeMap, Model, TrainConfig, train};

static MODEL: LazyLock<Model> =
    LazyLock::new(|| trained(&config(), &shop_cohort(1, 1_500), &shop_cohort(2, 800)));

fn trained(config: &TrainConfig, teach: &Cohort, tune: &Cohort) -> Model {
    train(&shop_pack(), config, teach, tune, &mut |_| ()).unwrap()
}

/// Forecasts every customer who is still there on day 20, from what was known then.
fn forecasts(cohort: &Cohort) -> Vec<(i64, Vec<WindowForecast>)> {
    let pack = shop_pack();
    let codes = CodeMap::new(&pack, &cohort.codes);
    let mut found = Vec::new();
    for (number, timeline) in (0..).zip(&cohort.timelines) {
        let now = timeline.start().unwrap().plus_hours(480.0);
        let mut state = SubjectState::new(&pack);
        for event in timeline.events().iter().filter(|event| event.time.unwrap() <= now) {
            state.apply(&codes, event);
        }
        if state.is_at_risk(&pack, LEFT) {
            found.push((number, MODEL.forecast(&state, now, &[192.0]).windows));
        }
    }
    found
}

/// Returns the mean over the eager or the other customers.
fn mean(eager: bool, of: impl Fn(&[WindowForecast]) -> f64) -> f64 {
    let all = forecasts(&shop_cohort(3, 300));
    let values: Vec<f64> = all
        .iter()
        .filter(|(at, _)| is_eager(*at) == eager)
        .map(|(_, windows)| of(windows))
        .collect();
    values.iter().sum::<f64>() / values.len() as f64
}

fn probability(window: &WindowForecast, at: usize) -> f64 {
    let WindowAnswer::Event(points) = &window.answer else { panic!("no event") };
    f64::from(points[at].probability)
}

/// The probability that one buys within some days, before one leaves.
fn incidence(often: f64, days: usize) -> f64 {
    let (buy, leave) = (0.99 * often, 0.01);
    (0..days).map(|day| (1.0 - buy - leave).powi(day as i32) * buy).sum()
}

#[test]
fn the_incidence_of_an_event_is_that_of_its_law() {
    for (eager, often) in [(true, 0.5), (false, 0.05)] {
        for (at, days) in [(0, 2), (1, 4), (2, 6), (3, 8)] {
            let found = mean(eager, |windows| probability(&windows[RETURN], at));
            let expected = incidence(often, days);
            assert!((found - expected).abs() < 0.06, "{eager} {days}: {found} {expected}");
        }
        let left = mean(eager, |windows| probability(&windows[LEFT], 3));
        assert!((left - (1.0 - 0.99_f64.powi(8))).abs() < 0.04, "{left}");
    }
}

#[test]
fn an_absence_is_what_is_left_and_falls_with_the_horizon() {
    let quiet = mean(false, |windows| probability(&windows[QUIET], 3));
    // Nobody buys in eight days: neither those who stay nor those who leave.
    let expected = 1.0 - incidence(0.05, 8);
    assert!((quiet - expected).abs() < 0.06, "{quiet} {expected}");
    for (_, windows) in forecasts(&shop_cohort(4, 40)) {
        let points: Vec<f64> = (0..4).map(|at| probability(&windows[QUIET], at)).collect();
        assert!(points.is_sorted_by(|one, next| next <= one), "{points:?}");
    }
}

#[test]
fn probabilities_rise_with_the_horizon_and_never_exceed_one_together() {
    for (_, windows) in forecasts(&shop_cohort(4, 100)) {
        let WindowAnswer::Event(points) = &windows[RETURN].answer else { panic!("no event") };
        assert_eq!(points.len(), 4);
        for pair in points.windows(2) {
            assert!(pair[0].probability <= pair[1].probability);
            assert!(pair[0].competing[0] <= pair[1].competing[0]);
        }
        assert!(points.iter().all(|point| point.probability + point.competing[0] <= 1.0));
    }
}

#[test]
fn totals_are_those_of_their_law() {
    for (eager, often, amount) in [(true, 0.5, 10.0), (false, 0.05, 100.0)] {
        let total = |at: usize| {
            mean(eager, |windows| match &windows[at].answer {
                WindowAnswer::Total(point) => f64::from(point.mean),
                _ => panic!("no total"),
            })
        };
        let visits: f64 = (1..=WINDOW_DAYS).map(|day| 0.99_f64.powi(day as i32) * often).sum();
        assert!((total(VISITS) - visits).abs() < 0.12 * visits, "{} {visits}", total(VISITS));
        let spent = visits * amount;
        assert!((total(SPENT) - spent).abs() < 0.2 * spent, "{} {spent}", total(SPENT));
    }
}

#[test]
fn intervals_of_a_count_cover_what_they_promise() {
    let cohort = shop_cohort(5, 600);
    let (mut inside, mut count) = (0, 0);
    for (number, windows) in forecasts(&cohort) {
        let timeline = &cohort.timelines[usize::try_from(number).unwrap()];
        let now = timeline.start().unwrap().plus_hours(480.0);
        let within = timeline.events().iter().filter(|event| {
            let hours = event.time.unwrap().hours_since(now);
            event.code == 0 && 0.0 < hours && hours <= 192.0
        });
        let days = within.count() as f32;
        let WindowAnswer::Total(point) = &windows[VISITS].answer else { panic!("no total") };
        assert!(point.quantiles.iter().all(|value| value.fract() == 0.0), "visits are whole");
        inside += usize::from((point.quantiles[0]..=point.quantiles[6]).contains(&days));
        count += 1;
    }
    let covered = inside as f64 / f64::from(count);
    // Whole numbers cover more than they promise.
    assert!((0.87..=1.0).contains(&covered), "{covered}");
}

#[test]
fn who_has_left_is_not_asked() {
    let pack = shop_pack();
    let cohort = shop_cohort(1, 1);
    let codes = CodeMap::new(&pack, &cohort.codes);
    let mut state = SubjectState::new(&pack);
    for (day, code) in [(0.0, 0), (1.0, 0), (2.0, LEAVE)] {
        state.apply(&codes, &shop_event(1, day, code, Some(1.0)));
    }
    let now = shop_event(1, 3.0, 0, None).time.unwrap();
    let windows = MODEL.forecast(&state, now, &[]).windows;
    let bases: Vec<Basis> = windows.iter().map(|window| window.basis).collect();
    assert_eq!([bases[RETURN], bases[LEFT]], [Basis::AlreadyHappened; 2]);
    assert!(windows[LEFT].answer == WindowAnswer::None);
    assert_eq!(windows[SPENT].before, 2.0);
    let empty = MODEL.forecast(&SubjectState::new(&pack), now, &[]);
    assert!(empty.windows.iter().all(|window| window.basis == Basis::NotEnoughHistory));
}

#[test]
fn windows_have_the_same_bytes_on_any_number_of_threads() {
    let config = TrainConfig { rounds_max: 10, ..config() };
    let (teach, tune) = (shop_cohort(1, 300), shop_cohort(2, 200));
    let tensors =
        |threads| trained(&TrainConfig { threads, ..config.clone() }, &teach, &tune).to_tensors();
    assert_eq!(tensors(1), tensors(3));
}

#[test]
fn an_answer_that_is_written_beside_the_subject_does_not_help() {
    let config = TrainConfig { rounds_max: 10, ..config() };
    let plant = |cohort: Cohort| {
        let mut planted = cohort;
        for timeline in &mut planted.timelines {
            let leaves = timeline.events().iter().any(|event| event.code == LEAVE as u32);
            let mut events = timeline.events().to_vec();
            let told = Event { time: None, ..shop_event(1, 0.0, LEAVE, Some(f32::from(leaves))) };
            events.push(Event { subject: timeline.subject(), ..told });
            *timeline = Timeline::new(timeline.subject(), events).unwrap();
        }
        planted
    };
    let cohorts = || (shop_cohort(1, 300), shop_cohort(2, 200));
    let (teach, tune) = cohorts();
    let honest = trained(&config, &teach, &tune).to_tensors();
    let planted = trained(&config, &plant(teach), &plant(tune)).to_tensors();
    assert_eq!(honest, planted);
}

#[test]
fn an_event_that_hardly_ever_happened_is_not_learned() {
    let mut teach = shop_cohort(1, 200);
    for timeline in &mut teach.timelines {
        let events = timeline.events().iter().filter(|event| event.code != LEAVE as u32);
        *timeline = Timeline::new(timeline.subject(), events.cloned().collect()).unwrap();
    }
    let config = TrainConfig { rounds_max: 3, ..config() };
    let model = trained(&config, &teach, &shop_cohort(2, 200));
    let described = model.describe();
    assert_eq!(described[1 + LEFT].basis, "not-enough-history");
    assert_eq!((described[1 + LEFT].kind, described[0].kind), ("event", "value"));
}

#[test]
fn timid_odds_are_stretched_and_sound_ones_are_left() {
    let rows = |stretch: f64| -> Vec<(f64, bool)> {
        let row = |at: u32| {
            let odds = f64::from(at % 41) / 10.0 - 2.0;
            let probability = 1.0 / (1.0 + (-odds).exp());
            (odds / stretch, f64::from(at / 41) / 500.0 < probability)
        };
        (0..41 * 500).map(row).collect()
    };
    let [slope, intercept] = super::super::windows::platt(&rows(1.0));
    assert!((slope - 1.0).abs() < 0.02 && intercept.abs() < 0.02, "{slope} {intercept}");
    let [slope, _] = super::super::windows::platt(&rows(2.0));
    assert!((slope - 2.0).abs() < 0.04, "{slope}");
    // Nothing but yes, or no row at all, stays within bounds.
    let [slope, intercept] = super::super::windows::platt(&[(0.0, true); 50]);
    assert!(slope.is_finite() && intercept <= 10.0);
    assert_eq!(super::super::windows::platt(&[]), [1.0, 0.0]);
}
