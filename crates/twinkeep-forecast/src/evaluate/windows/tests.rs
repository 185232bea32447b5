//! Measurements of windows against a forecaster whose answers, and so whose errors, are known.

use twinkeep_domain::{
    Basis, Code, Cohort, Event, EventPoint, Forecast, ForecastPoint, Subgroup, SubgroupBy,
    Timeline, Timestamp, WindowAnswer, WindowForecast, WindowKind,
};

use super::WindowEvaluation;
use crate::features::SubjectState;
use crate::testing::{
    BUY, LEAVE, LEFT, QUIET, RETURN, SPENT, VISITS, shop_cohort, shop_event, shop_pack,
};
use crate::{Forecaster, evaluate};

/// Says the same for every subject; knows nothing of who leaves.
struct Constant;

impl Forecaster for Constant {
    fn forecast(&self, _: &SubjectState, now: Timestamp, _: &[f32]) -> Forecast {
        let pack = shop_pack();
        let quantiles = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let outer = [0.0, 7.0];
        let point = ForecastPoint { horizon_hours: 192.0, mean: 4.0, quantiles, outer };
        let window = |(at, target): (usize, &twinkeep_domain::WindowTarget)| WindowForecast {
            code: target.code.clone(),
            basis: Basis::BaseRate,
            before: 0.0,
            answer: match &target.kind {
                _ if at == LEFT => WindowAnswer::None,
                WindowKind::Event(plan) => WindowAnswer::Event(
                    plan.horizons_hours
                        .iter()
                        .map(|&horizon_hours| EventPoint {
                            horizon_hours,
                            probability: 0.25,
                            competing: vec![],
                        })
                        .collect(),
                ),
                _ => WindowAnswer::Total(point),
            },
        };
        let windows = pack.windows().iter().enumerate().map(window).collect();
        Forecast { prediction_time: now, targets: vec![], windows }
    }

    fn typical(&self, _: usize) -> f32 {
        0.0
    }
}

/// Customers with what they buy, by day and amount; all are observed until day 30.
fn held_out(customers: &[&[(f64, usize, f32)]]) -> Cohort {
    let one = |(number, events): (i64, &&[(f64, usize, f32)])| {
        let of =
            |&(day, code, value): &(f64, usize, f32)| shop_event(number, day, code, Some(value));
        let events: Vec<_> = events.iter().map(of).collect();
        Timeline::new(events[0].subject, events).unwrap()
    };
    let timelines = (0..).zip(customers).map(one).collect();
    Cohort { codes: shop_cohort(1, 0).codes, timelines }
}

fn measured(cohort: &Cohort) -> Vec<WindowEvaluation> {
    evaluate(&shop_pack(), &Constant, cohort).windows
}

#[test]
fn errors_of_totals_are_what_they_are_by_hand() {
    // The cut is day 10, the window 8 days: from day 10 on until day 18.
    let cohort = held_out(&[
        &[(0.0, BUY, 1.0), (5.0, BUY, 4.0), (10.0, BUY, 2.0), (18.0, BUY, 5.0), (18.1, BUY, 9.0)],
        &[(0.0, BUY, 3.0), (30.0, BUY, 1.0)],
    ]);
    let found = measured(&cohort);
    let spent = found[SPENT].total.as_ref().unwrap();
    assert_eq!((found[SPENT].subject_count, found[SPENT].refused_count), (2, 0));
    // They spend 7 and 0; the median says 3, the mean 4, the window before 4 and 0.
    assert_eq!(spent.mae, Some((4.0 + 3.0) / 2.0));
    assert_eq!(spent.rmse, Some(((9.0_f64 + 16.0) / 2.0).sqrt()));
    assert_eq!(spent.carry_forward_mae, Some((3.0 + 0.0) / 2.0));
    assert_eq!(spent.mase, Some(3.5 / 1.5));
    // 5 and 3 in ten days are 4 and 2.4 in eight.
    assert!((spent.usual_mae.unwrap() - (3.0 + 2.4) / 2.0).abs() < 1e-6);
    assert_eq!((spent.coverage_90, spent.width_90), (Some(0.5), Some(6.0)));
    assert_eq!((spent.sum_ratio, spent.variance_ratio), (Some(8.0 / 7.0), Some(0.0)));
    assert_eq!((spent.seasonal_count, spent.seasonal_mae), (0, None));
    let visits = found[VISITS].total.as_ref().unwrap();
    assert_eq!(visits.mae, Some((1.0 + 3.0) / 2.0), "two visits and none");
}

#[test]
fn events_are_measured_by_horizon_and_those_at_no_risk_are_not() {
    let cohort = held_out(&[
        &[(0.0, BUY, 1.0), (13.0, BUY, 2.0)],
        &[(0.0, BUY, 1.0), (11.0, LEAVE, 0.0), (13.0, BUY, 1.0)],
        &[(0.0, BUY, 1.0), (30.0, BUY, 1.0)],
        &[(0.0, BUY, 1.0), (5.0, LEAVE, 0.0)],
    ]);
    let found = measured(&cohort);
    let counts = |target: usize| -> Vec<(u64, u64)> {
        found[target].events.iter().map(|at| (at.known_count, at.event_count)).collect()
    };
    assert_eq!(found[RETURN].subject_count, 3, "who had left before is not asked");
    assert_eq!(counts(RETURN), [(3, 0), (3, 1), (3, 1), (3, 1)]);
    assert_eq!(counts(QUIET), [(4, 4), (4, 2), (4, 2), (4, 2)], "an absence counts who did not");
    assert_eq!((found[LEFT].subject_count, found[LEFT].refused_count), (0, 3));
    let last = found[RETURN].events.last().unwrap();
    assert_eq!((last.horizon_hours, last.probability_mean), (192.0, Some(0.25)));
    assert!(found.iter().all(|window| window.total.is_some() == window.events.is_empty()));
}

#[test]
fn a_subject_that_was_not_observed_at_the_cut_says_nothing() {
    let cohort = held_out(&[&[(0.0, BUY, 1.0), (9.0, BUY, 1.0)]]);
    let found = measured(&cohort);
    assert!(found.iter().all(|window| window.subject_count + window.refused_count == 0));
}

#[test]
fn groups_are_measured_apart_and_small_ones_not_at_all() {
    let by_mode = Subgroup {
        title: "Mode".to_owned(),
        by: SubgroupBy::Variable(1),
        cuts: vec![0.5],
        names: vec!["shop".to_owned(), "mail".to_owned()],
    };
    let pack = shop_pack().with_subgroups(vec![by_mode]).unwrap();
    let mut codes = shop_cohort(1, 0).codes;
    codes.push(Code::new("mode").unwrap());
    // 25 buy in the shop for 2 in the window, 20 by mail for nothing; of 19 it is not known.
    let one = |number: i64| {
        let mut events = vec![shop_event(number, 0.0, BUY, Some(1.0))];
        let mode = match number {
            0..25 => Some(0.0),
            25..45 => Some(1.0),
            _ => None,
        };
        if mode == Some(0.0) {
            events.push(shop_event(number, 12.0, BUY, Some(2.0)));
        }
        events.push(shop_event(number, 30.0, BUY, Some(1.0)));
        let fixed = |value| Event { time: None, ..shop_event(number, 0.0, 2, Some(value)) };
        events.extend(mode.map(fixed));
        Timeline::new(events[0].subject, events).unwrap()
    };
    let cohort = Cohort { codes, timelines: (0..64).map(one).collect() };
    let found = evaluate(&pack, &Constant, &cohort).windows;
    let named = |target: usize| -> Vec<(&str, u64)> {
        let groups = found[target].subgroups.iter();
        groups.map(|one| (one.group.as_str(), one.subject_count)).collect()
    };
    for target in [SPENT, RETURN] {
        assert_eq!(found[target].subject_count, 64);
        assert_eq!(named(target), [("shop", 25), ("mail", 20)], "19 are too few to be told");
    }
    assert_eq!(named(LEFT), [], "nothing was said about it");
    // The median says 3.
    let errors = found[SPENT].subgroups.iter().map(|one| one.total.as_ref().unwrap().mae.unwrap());
    assert_eq!(errors.collect::<Vec<_>>(), [1.0, 3.0]);
    let counts = found[RETURN].subgroups.iter().map(|one| one.event.as_ref().unwrap());
    let counts: Vec<_> = counts.map(|at| (at.horizon_hours, at.event_count)).collect();
    assert_eq!(counts, [(192.0, 25), (192.0, 0)]);
}
