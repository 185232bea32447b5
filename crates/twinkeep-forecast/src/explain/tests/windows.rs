//! The parts of a window's forecast add up on the scale that they are told on, and the cause that
//! was built in is found.

use std::sync::LazyLock;

use twinkeep_domain::{Basis, WindowAnswer};

use crate::features::SubjectState;
use crate::testing::{config, is_eager, shop_cohort, shop_pack};
use crate::{CodeMap, MarginScale, Model, WindowExplanation, train};

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    train(&shop_pack(), &config(), &shop_cohort(1, 900), &shop_cohort(2, 500), &mut |_| ()).unwrap()
});

/// Every customer who has been there for 20 days, with what can still be asked about them.
fn visit(mut each: impl FnMut(i64, &SubjectState, twinkeep_domain::Timestamp)) {
    let (pack, cohort) = (shop_pack(), shop_cohort(3, 60));
    let codes = CodeMap::new(&pack, &cohort.codes);
    for (number, timeline) in (0..).zip(&cohort.timelines) {
        let now = timeline.start().unwrap().plus_hours(480.0);
        let mut state = SubjectState::new(&pack);
        for event in timeline.events().iter().filter(|event| event.time.unwrap() <= now) {
            state.apply(&codes, event);
        }
        each(number, &state, now);
    }
}

fn told(why: &WindowExplanation) -> f32 {
    let drivers: f32 = why.drivers.iter().map(|driver| driver.contribution).sum();
    why.usual + drivers + why.adjusted
}

fn sigmoid(margin: f32) -> f32 {
    1.0 / (1.0 + (-margin).exp())
}

#[test]
fn parts_add_up_to_the_margin_and_the_margin_is_the_forecast() {
    let mut seen = [0; 3];
    visit(|_, state, now| {
        let windows = MODEL.forecast(state, now, &[]).windows;
        for window in &windows {
            let code = window.code.as_str();
            let ahead = (code != "return").then_some(48.0);
            let why = MODEL.explain_window(state, now, code, ahead);
            assert_eq!(why.is_some(), window.answer != WindowAnswer::None, "{code}");
            let Some(why) = why else { continue };
            assert!(
                (told(&why) - why.margin).abs() < 1e-3,
                "{code}: {} {}",
                told(&why),
                why.margin
            );
            match &window.answer {
                WindowAnswer::Total(point) => {
                    assert_eq!((why.scale, why.answer), (MarginScale::LogMean, point.mean));
                    assert!((why.margin.exp() - point.mean).abs() <= 1e-3 * point.mean.max(1e-3));
                    if window.basis == Basis::Trees {
                        seen[0] += usize::from(!why.drivers.is_empty());
                    }
                }
                WindowAnswer::Event(points) if code == "return" => {
                    // Something competes, and several intervals make it: odds of the last one.
                    assert_eq!((why.from_hours, why.horizon_hours), (144.0, 192.0));
                    assert_eq!(why.answer, points[3].probability);
                    seen[1] += 1;
                }
                WindowAnswer::Event(points) => {
                    // With one cause, the odds of the first interval are the probability by then.
                    assert_eq!((why.from_hours, why.horizon_hours), (0.0, 48.0));
                    let happens = sigmoid(why.margin);
                    let said = if code == "quiet" { 1.0 - happens } else { happens };
                    assert!((said - points[0].probability).abs() < 1e-4, "{code}: {said}");
                    seen[2] += 1;
                }
                WindowAnswer::None => {}
            }
        }
    });
    assert!(seen.iter().all(|&count| 20 < count), "{seen:?}");
}

#[test]
fn who_buys_often_is_told_to_come_because_of_that() {
    let mut sums = [0.0_f32; 2];
    let mut counts = [0.0_f32; 2];
    visit(|number, state, now| {
        // Soon: of whoever has not come for a while, even the eager may have left for good.
        let Some(why) = MODEL.explain_window(state, now, "quiet", Some(48.0)) else { return };
        let group = usize::from(is_eager(number));
        sums[group] += why.drivers.iter().map(|driver| driver.contribution).sum::<f32>();
        counts[group] += 1.0;
        assert!(why.drivers.iter().all(|driver| !driver.feature.is_empty()));
    });
    // One in two days against one in twenty: the odds are more than ten times as high.
    let [others, eager] = [sums[0] / counts[0], sums[1] / counts[1]];
    assert!(others + 1.0 < eager, "{others} {eager}");
}

#[test]
fn what_is_not_asked_about_windows_is_not_explained() {
    visit(|_, state, now| {
        assert_eq!(MODEL.explain_window(state, now, "no such code", None), None);
        assert_eq!(MODEL.explain_window(state, now, "buy", None), None);
    });
    let nobody = SubjectState::new(&shop_pack());
    assert_eq!(
        MODEL.explain_window(&nobody, twinkeep_domain::Timestamp::RELATIVE_ORIGIN, "spent", None),
        None
    );
}
