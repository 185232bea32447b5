//! What happened in a window: whole, censored, or ruled out; and never known before.

use twinkeep_domain::{Cohort, Event, Timeline};

use super::bits;
use crate::examples::Examples;
use crate::features::FeatureLayout;
use crate::testing::{
    BUY, LEAVE, LEFT, QUIET, RETURN, SPENT, VISITS, shop_cohort, shop_event, shop_pack,
};

fn collect(cohort: &Cohort) -> Examples {
    let pack = shop_pack();
    Examples::collect(&pack, &FeatureLayout::new(&pack), cohort, &[])
}

/// One customer, and somebody who is seen last on `end`.
fn cohort(events: &[(f64, usize, f32)], end: f64) -> Cohort {
    let own: Vec<Event> =
        events.iter().map(|&(day, code, value)| shop_event(1, day, code, Some(value))).collect();
    let other = vec![shop_event(2, end, LEAVE, None)];
    let timelines = [own, other].map(|events| Timeline::new(events[0].subject, events).unwrap());
    Cohort { codes: shop_cohort(1, 0).codes, timelines: timelines.to_vec() }
}

/// Returns horizon and value of the rows of a target at the first cut, after 8 days.
fn rows(examples: &Examples, target: usize) -> Vec<(f32, f32)> {
    let rows = &examples.windows[target];
    let of = rows.snapshot.iter().zip(rows.horizon.iter().zip(&rows.value));
    of.filter(|(snapshot, _)| **snapshot == 0).map(|(_, (&h, &v))| (h, v)).collect()
}

#[test]
fn totals_and_events_of_a_window_are_what_they_are_by_hand() {
    // On day 8 the window begins; a purchase then counts, one on day 16 does, one after does not.
    let days = [(0.0, 1.0), (8.0, 2.0), (11.0, 3.0), (11.2, 4.0), (16.0, 5.0), (16.1, 6.0)];
    let events: Vec<_> = days.iter().map(|&(day, value)| (day, BUY, value)).collect();
    let examples = collect(&cohort(&events, 16.2));
    assert_eq!(rows(&examples, SPENT), [(192.0, 14.0)]);
    assert_eq!(rows(&examples, VISITS), [(192.0, 3.0)], "two on one day are one visit");
    assert_eq!(rows(&examples, RETURN), [(48.0, 1.0)], "it happened at once");
    assert_eq!(rows(&examples, LEFT), [(48.0, 0.0), (96.0, 0.0), (144.0, 0.0), (192.0, 0.0)]);
    assert_eq!(rows(&examples, QUIET), [(48.0, 1.0)]);
}

#[test]
fn a_window_that_was_not_observed_to_its_end_is_censored() {
    let events = [(0.0, BUY, 1.0), (14.5, BUY, 2.0)];
    // Data end on day 15: three whole intervals of two days, the purchase is in the fourth.
    let examples = collect(&cohort(&events, 15.0));
    assert_eq!(rows(&examples, SPENT), []);
    let expected = [(48.0, 0.0), (96.0, 0.0), (144.0, 0.0), (192.0, 1.0)];
    assert_eq!(rows(&examples, RETURN), expected, "that it happened is known");
    assert_eq!(rows(&examples, LEFT), expected[..3], "that it did not is not");
    let unknown = collect(&cohort(&[(0.0, BUY, 1.0), (7.9, BUY, 2.0)], 8.5));
    assert!(unknown.windows.iter().all(|rows| rows.value.is_empty()));
    assert!(unknown.subjects.is_empty(), "a snapshot without examples is none");
}

#[test]
fn what_competes_ends_the_window_and_is_not_asked_again() {
    let events = [(0.0, BUY, 1.0), (11.0, LEAVE, 0.0), (12.0, BUY, 5.0)];
    let examples = collect(&cohort(&events, 40.0));
    assert_eq!(rows(&examples, RETURN), [(48.0, 0.0), (96.0, 2.0)]);
    assert_eq!(rows(&examples, LEFT), [(48.0, 0.0), (96.0, 1.0)]);
    let of = |target: usize| examples.windows[target].snapshot.iter().max().copied();
    assert_eq!(of(RETURN), Some(0), "who left is not asked at later cuts");
    assert_eq!(of(LEFT), Some(0), "nobody leaves twice");
    assert!(Some(2) <= of(SPENT), "but what is spent later is known: nothing");
}

#[test]
fn the_answer_in_the_future_or_without_a_time_is_not_seen() {
    let honest = shop_cohort(1, 30);
    let mut planted = honest.clone();
    for timeline in &mut planted.timelines {
        let mut events = timeline.events().to_vec();
        let cut = timeline.start().unwrap().plus_hours(192.0);
        for event in &mut events {
            if event.time.is_some_and(|time| cut <= time) {
                (event.code, event.value) = (BUY as u32, Some(499.0));
            }
        }
        // That somebody leaves is written beside them, without a time, as a registry would.
        let told = Event { time: None, ..shop_event(1, 0.0, LEAVE, Some(1.0)) };
        events.push(Event { subject: timeline.subject(), ..told });
        *timeline = Timeline::new(timeline.subject(), events).unwrap();
    }
    // The first cut of each customer.
    let first = |examples: &Examples, of: &[f32]| -> Vec<(u32, Vec<u32>)> {
        let width = of.len() / examples.subjects.len();
        let starts = (0..examples.subjects.len())
            .filter(|&at| at == 0 || examples.subjects[at] != examples.subjects[at - 1]);
        starts.map(|at| (examples.subjects[at], bits(&of[at * width..][..width]))).collect()
    };
    let (honest, planted) = (collect(&honest), collect(&planted));
    for target in [SPENT, VISITS, RETURN, LEFT, QUIET] {
        let own = |examples: &Examples| first(examples, &examples.windows[target].own);
        assert_eq!(own(&honest), own(&planted));
    }
    assert_eq!(first(&honest, &honest.shared), first(&planted, &planted.shared));
    assert_ne!(honest.windows[SPENT].value, planted.windows[SPENT].value);
}
