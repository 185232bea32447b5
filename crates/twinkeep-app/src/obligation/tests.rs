//! What is obliged to: read from annotations, joined, and obeyed by forecasts.

use twinkeep_domain::{
    Basis, Code, EventPoint, Forecast, ForecastPoint, TargetForecast, Timestamp, WindowAnswer,
    WindowForecast,
};
use twinkeep_intake::pack_file::shipped_pack;
use twinkeep_vault::SecretKey;

use super::noise::{Draw, add};
use super::{Hidden, Obligations, in_steps, round};
use crate::policy::PolicyAction;

fn obliged(annotations: &[(&str, &str)]) -> Obligations {
    let mut obligations = Obligations::default();
    for (key, value) in annotations {
        obligations.annotate(key, value).unwrap();
    }
    obligations
}

fn point(horizon_hours: f32, median: f32) -> ForecastPoint {
    let quantiles = [-4.0, -3.0, -1.0, 0.0, 1.0, 3.0, 4.0].map(|step| median + step * 1.234);
    let outer = [median - 7.0, median + 7.0];
    ForecastPoint { horizon_hours, mean: median + 0.1, quantiles, outer }
}

fn forecast() -> Forecast {
    let target = |code: &str, median: f32| TargetForecast {
        code: Code::new(code).unwrap(),
        basis: Basis::Trees,
        last: None,
        points: (1..=24).map(|hour| point(hour as f32, median)).collect(),
    };
    let event = |horizon_hours: f32, probability: f32| EventPoint {
        horizon_hours,
        probability,
        competing: vec![0.02, 0.05],
    };
    Forecast {
        prediction_time: Timestamp::RELATIVE_ORIGIN,
        targets: vec![target("Temp", 37.123), target("HR", 81.4)],
        windows: vec![WindowForecast {
            code: Code::new("FEVER").unwrap(),
            basis: Basis::Trees,
            before: 0.0,
            answer: WindowAnswer::Event(vec![event(6.0, 0.04), event(24.0, 0.93)]),
        }],
    }
}

fn blurred(whose: &str, change: impl FnOnce(&mut Forecast)) -> Forecast {
    let pack = shipped_pack("icu").unwrap();
    let mut forecast = forecast();
    change(&mut forecast);
    let key = SecretKey::from_slice(&[7; 32]).unwrap();
    add(&pack, &Draw { key: &key, whose, share: 0.5 }, &mut forecast);
    forecast
}

fn medians(forecast: &Forecast) -> Vec<f32> {
    forecast.targets.iter().map(|target| target.points[0].median()).collect()
}

#[test]
fn a_typing_error_in_an_obligation_is_refused_and_not_ignored() {
    for (key, value) in [
        ("round", ""),
        ("round", "statistical"),
        ("noise", "0"),
        ("noise", "-1"),
        ("noise", "nan"),
        ("noise", "11"),
        ("top", "0"),
        ("top", "many"),
        ("group", "1"),
        ("hide", ""),
        ("hide", "interval"),
        ("nose", "0.1"),
    ] {
        assert!(Obligations::default().annotate(key, value).is_err(), "{key} {value}");
    }
    assert!(obliged(&[("id", "x"), ("description", "y")]).is_none());
}

#[test]
fn of_two_obligations_the_stricter_one_holds() {
    let mut both = obliged(&[("noise", "0.2"), ("top", "3"), ("hide", "last")]);
    both.join(&obliged(&[
        ("noise", "0.1"),
        ("top", "9"),
        ("group", "30"),
        ("round", "clinical"),
        ("hide", "intervals backtest"),
    ]));
    let words = "rounded to clinical resolution, noise of 0.2 of half the 50 % interval, at most 3 \
                 drivers, groups of 30 and more, without intervals, without last, without backtest";
    assert_eq!(both.to_string(), words);
    assert_eq!([both.at_most(2), both.at_most(8)], [2, 3]);
    assert_eq!([both.group_min(20), both.group_min(50)], [30, 50]);
    assert!(both.hides(Hidden::Last) && !both.hides(Hidden::Demographics));
    both.join(&Obligations::default());
    assert_eq!(both.to_string(), words);
}

#[test]
fn exact_answers_cannot_be_blurred_and_are_refused() {
    let noise = obliged(&[("noise", "0.1")]);
    for action in [PolicyAction::Explain, PolicyAction::Simulate, PolicyAction::WhatIf] {
        assert!(!noise.can_be_met(action));
        assert!(!obliged(&[("round", "clinical")]).can_be_met(action));
        assert!(!obliged(&[("hide", "intervals")]).can_be_met(action));
        assert!(obliged(&[("top", "3"), ("hide", "driver-values")]).can_be_met(action));
    }
    assert!(noise.can_be_met(PolicyAction::Forecast) && noise.can_be_met(PolicyAction::ReadTwin));
    assert!(!noise.can_be_met(PolicyAction::Compare));
}

#[test]
fn values_are_rounded_to_what_people_write_down() {
    assert_eq!(in_steps(37.123, Some(0.1)).to_string(), "37.1");
    assert_eq!(in_steps(7.3949, Some(0.01)).to_string(), "7.39");
    assert_eq!(in_steps(-0.04, Some(0.1)).abs().to_string(), "0");
    assert_eq!(in_steps(137.0, Some(5.0)).to_string(), "135");
    assert_eq!(in_steps(1_234.5, None).to_string(), "1200");
    let mut forecast = forecast();
    round(&shipped_pack("icu").unwrap(), &mut forecast);
    assert_eq!(medians(&forecast), [37.1, 81.0]);
    assert_eq!(forecast.targets[1].points[0].quantiles[0], 76.0);
    let WindowAnswer::Event(points) = &forecast.windows[0].answer else { panic!("an event") };
    assert_eq!([points[0].probability, points[1].probability], [0.05, 0.95]);
}

#[test]
fn the_same_answer_gets_the_same_noise_and_another_caller_another() {
    let first = blurred("noise\0key:a\0m\0", |_| {});
    assert_eq!(medians(&first), medians(&blurred("noise\0key:a\0m\0", |_| {})));
    assert_ne!(medians(&first), medians(&blurred("noise\0key:b\0m\0", |_| {})));
    assert_ne!(medians(&first), medians(&forecast()));
    // One draw a target: the mean over horizons takes nothing away.
    let plain = forecast();
    for (blurred, plain) in first.targets.iter().zip(&plain.targets) {
        let by: Vec<f32> = blurred
            .points
            .iter()
            .zip(&plain.points)
            .map(|(blurred, plain)| blurred.median() - plain.median())
            .collect();
        assert!(by.iter().all(|one| (one - by[0]).abs() < 1e-3), "{by:?}");
    }
    let moved = |forecast: &Forecast| forecast.targets[0].points[0].median() - 37.123;
    // A history that is a little different gets a draw of its own.
    let other = blurred("noise\0key:a\0m\0", |forecast| forecast.targets[0].points[3].mean += 1e-3);
    assert!((moved(&first) - moved(&other)).abs() > 1e-6);
}

#[test]
fn noise_is_normal_and_leaves_intervals_and_probabilities_what_they_are() {
    let mut drawn = Vec::new();
    for number in 0..2_000 {
        let forecast = blurred(&format!("noise\0key:{number}\0m\0"), |_| {});
        drawn.push(f64::from(forecast.targets[1].points[0].median() - 81.4) / (0.5 * 1.234));
        let point = &forecast.targets[0].points[0];
        assert!(point.quantiles.is_sorted() && point.outer[0] <= point.quantiles[0]);
        let WindowAnswer::Event(points) = &forecast.windows[0].answer else { panic!("an event") };
        assert!(points[0].probability <= points[1].probability);
        for point in points {
            let sum: f32 = point.probability + point.competing.iter().sum::<f32>();
            assert!((0.0..=1.0).contains(&point.probability) && sum <= 1.0 + 1e-5);
        }
    }
    // Keys are fixed, and so are the draws.
    let mean = drawn.iter().sum::<f64>() / 2_000.0;
    let deviation = (drawn.iter().map(|it| it * it).sum::<f64>() / 2_000.0).sqrt();
    assert!(mean.abs() < 0.08 && (deviation - 1.0).abs() < 0.06, "{mean} {deviation}");
}
