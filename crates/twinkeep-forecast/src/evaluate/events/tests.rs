//! Measurements of probabilities, against what they are by hand.

use super::{Followed, measure};

fn near(found: Option<f64>, expected: f64) -> bool {
    (found.unwrap() - expected).abs() < 1e-6
}

/// Subjects who were observed for ten hours.
fn followed(probability: f32, happened: Option<(f32, bool)>) -> Followed {
    let guesses = vec![(true, None)];
    Followed { probabilities: vec![probability], happened, observed_hours: 10.0, guesses }
}

#[test]
fn every_measure_is_what_it_is_by_hand() {
    let all = [
        followed(0.9, Some((2.0, true))),
        followed(0.6, None),
        followed(0.4, Some((9.0, true))),
        followed(0.1, Some((3.0, false))),
        followed(0.4, Some((9.5, true))),
    ];
    let found = measure(&all, 0, 9.2, false);
    // At 9.2 hours the last event has not happened yet; a competing cause is none.
    assert_eq!((found.known_count, found.event_count), (5, 2));
    assert!(near(found.base_rate, 0.4) && near(found.probability_mean, 0.48));
    // Six pairs: (.9 over .6, .4, .1) and (.4 below .6, with .4, over .1).
    assert!(near(found.auc, (3.0 + 1.5) / 6.0), "{found:?}");
    let squares = 0.1 * 0.1 + 0.6 * 0.6 + 0.6 * 0.6 + 0.1 * 0.1 + 0.4 * 0.4;
    assert!(near(found.brier, squares / 5.0) && near(found.base_brier, 0.24));
    let surprise = 2.0 * 0.9_f64.ln() + 2.0 * 0.4_f64.ln() + 0.6_f64.ln();
    assert!(near(found.log_loss, -surprise / 5.0), "{found:?}");
    assert!(near(found.base_log_loss, -(0.4 * 0.4_f64.ln() + 0.6 * 0.6_f64.ln())));
    assert!(found.calibration.is_empty(), "five subjects say nothing");
    // Wrong about .6 and .4; whoever says that it always comes is right about two.
    assert!(near(found.accuracy, 0.6) && near(found.base_accuracy, 0.6), "{found:?}");
    assert!(near(found.carry_forward_accuracy, 0.4) && found.seasonal_accuracy.is_none());
    let guesses = vec![(false, Some(true))];
    let seasons = [Followed { guesses, ..all[0].clone() }, all[1].clone()];
    let seasons = measure(&seasons, 0, 9.2, false);
    assert!(near(seasons.seasonal_accuracy, 1.0) && near(seasons.carry_forward_accuracy, 0.0));
    let absent = measure(&all, 0, 9.2, true);
    assert!(near(absent.carry_forward_accuracy, 0.4), "{absent:?}");
    assert!(near(absent.auc, 0.25) && near(absent.base_rate, 0.6));
}

#[test]
fn who_is_lost_is_stood_for_by_those_who_are_not() {
    // Half of those without an event are lost at hour 1; the rate is still one in five.
    let mut all: Vec<Followed> = (0..200).map(|_| followed(0.2, Some((0.5, true)))).collect();
    all.extend((0..400).map(|_| followed(0.2, None)));
    all.extend((0..400).map(|_| Followed { observed_hours: 1.0, ..followed(0.2, None) }));
    let found = measure(&all, 0, 5.0, false);
    assert_eq!(found.known_count, 600);
    assert!(near(found.base_rate, 0.2), "{found:?}");
    assert_eq!(found.calibration.len(), 5);
}

#[test]
fn said_and_came_true_are_by_fifths() {
    let all: Vec<Followed> = (0..500)
        .map(|at| {
            let fifth = at / 100;
            let happened = (at % 100 < 20 * fifth).then_some((1.0, true));
            followed(0.2 * fifth as f32, happened)
        })
        .collect();
    let bins = measure(&all, 0, 5.0, false).calibration;
    for (fifth, bin) in bins.iter().enumerate() {
        let expected = 0.2 * fifth as f64;
        assert!((bin.said - expected).abs() < 1e-6 && (bin.came_true - expected).abs() < 1e-6);
    }
    assert_eq!(bins.len(), 5);
}

#[test]
fn nobody_and_certainty_break_nothing() {
    let found = measure(&[], 0, 5.0, false);
    assert_eq!((found.known_count, found.auc, found.brier), (0, None, None));
    let lost = [Followed { observed_hours: -1.0, ..followed(0.5, None) }];
    assert_eq!(measure(&lost, 0, 5.0, false).known_count, 0);
    let wrong = measure(&[followed(0.0, Some((1.0, true)))], 0, 5.0, false);
    assert!(wrong.log_loss.unwrap().is_finite() && wrong.auc.is_none());
}
