//! What is drawn here is drawn from fixed seeds: nothing is left to chance.

use proptest::prelude::*;

use super::*;

mod scipy;
mod sketch;

/// SplitMix64 and the polar form of Box and Muller.
struct Dice(u64);

impl Dice {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn normals(&mut self, count: usize, mean: f64, spread: f64) -> Vec<f64> {
        (0..count).map(|_| mean + spread * self.normal()).collect()
    }
}

fn shipped() -> DriftParameters {
    DriftParameters::parse(DriftParameters::SHIPPED).unwrap()
}

fn measured(about: About, code: &str, values: Vec<f64>) -> Measured {
    let people = values.len() as u64;
    Measured { about, code: code.to_owned(), people, inside: 0, weight: 0.2, values }
}

/// Judges one series alone.
fn verdict(before: &Measured, now: &Measured) -> Verdict {
    let found = judge(&shipped(), &[BaselineSeries::of(before)], std::slice::from_ref(now));
    found[0].verdict
}

#[test]
fn the_shipped_parameters_are_read_and_nonsense_is_refused() {
    assert_eq!(shipped().people_min, 20);
    let wrong = |from: &str, to: &str| {
        let text = DriftParameters::SHIPPED.replace(from, to);
        DriftParameters::parse(&text).unwrap_err().code()
    };
    assert_eq!(wrong("people_min = 20", "people_max = 20"), "drift-parameters");
    assert_eq!(wrong("people_min = 20", "people_min = 0"), "drift-parameters-range");
    assert_eq!(wrong("error_rise = 0.1", "error_rise = nan"), "drift-parameters-range");
    assert_eq!(wrong("_rate = 0.01", "_rate = 1.0"), "drift-parameters-range");
}

#[test]
fn discoveries_are_those_of_the_published_example() {
    // Benjamini and Hochberg 1995, section 3: fifteen p-values, of which four are discoveries at 5 %.
    let p_values = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
        0.5719, 0.6528, 0.7590, 1.0,
    ];
    let found = benjamini_hochberg(&p_values, 0.05);
    assert_eq!(found.iter().filter(|&&it| it).count(), 4);
    assert!(found[..4].iter().all(|&it| it));
    assert!(benjamini_hochberg(&[], 0.05).is_empty());
}

#[test]
fn an_input_that_changed_a_lot_and_matters_is_an_alarm() {
    let mut dice = Dice(1);
    let before = measured(About::Input, "HR", dice.normals(1000, 80.0, 10.0));
    let now = |mean, weight| Measured {
        weight,
        ..measured(About::Input, "HR", Dice(2).normals(300, mean, 10.0))
    };
    let light = Measured { weight: 0.0, ..before.clone() };
    assert_eq!(verdict(&before, &now(80.0, 0.2)), Verdict::Steady);
    assert_eq!(verdict(&before, &now(83.0, 0.2)), Verdict::Moved, "it is a third of a deviation");
    assert_eq!(verdict(&before, &now(90.0, 0.2)), Verdict::Alarm);
    assert_eq!(verdict(&light, &now(90.0, 0.0)), Verdict::Moved, "the model does not decide by it");
}

#[test]
fn an_input_that_stays_away_is_an_alarm_although_its_values_are_the_same() {
    let mut dice = Dice(3);
    let before = measured(About::Input, "Lactate", dice.normals(400, 2.0, 0.5));
    let mut now = measured(About::Input, "Lactate", dice.normals(100, 2.0, 0.5));
    assert_eq!(verdict(&before, &now), Verdict::Steady);
    now.people = 200;
    assert_eq!(verdict(&before, &now), Verdict::Alarm);
    now.values.clear();
    assert_eq!(verdict(&before, &now), Verdict::Alarm);
    now.people = 5;
    assert_eq!(verdict(&before, &now), Verdict::TooFew);
}

#[test]
fn an_error_that_rises_is_an_alarm_and_one_that_falls_is_not() {
    let errors = |seed, scale: f64| {
        Dice(seed).normals(300, 0.0, scale).into_iter().map(f64::abs).collect::<Vec<_>>()
    };
    for about in [About::Error, About::ExpectedError] {
        let before = measured(about, "HR", errors(4, 1.0));
        assert_eq!(verdict(&before, &measured(about, "HR", errors(5, 1.0))), Verdict::Steady);
        assert_eq!(verdict(&before, &measured(about, "HR", errors(6, 1.6))), Verdict::Alarm);
        assert_eq!(verdict(&before, &measured(about, "HR", errors(7, 0.6))), Verdict::Moved);
    }
}

#[test]
fn a_late_rise_of_the_error_is_noticed_and_dated() {
    let abs = |values: Vec<f64>| values.into_iter().map(f64::abs).collect::<Vec<_>>();
    let mut dice = Dice(8);
    let before = measured(About::Error, "HR", abs(dice.normals(2000, 0.0, 1.0)));
    let mut errors = abs(dice.normals(1000, 0.0, 1.0));
    errors.extend(abs(dice.normals(200, 0.0, 3.0)));
    let now = measured(About::Error, "HR", errors);
    let found = judge(&shipped(), &[BaselineSeries::of(&before)], &[now]);
    let after = found[0].risen_after.unwrap();
    assert!((980..1020).contains(&after), "{after}");
    assert_eq!(found[0].verdict, Verdict::Alarm);
    let alike = found[0].alike_since.unwrap();
    assert!((100..300).contains(&alike), "{alike}");
}

#[test]
fn intervals_that_became_too_narrow_are_an_alarm() {
    let narrow = Measured { inside: 300, ..measured(About::Level, "HR", vec![0.5; 300]) };
    let mut dice = Dice(9);
    let uniform: Vec<f64> = (0..300).map(|_| dice.uniform()).collect();
    let before = Measured { inside: 270, ..measured(About::Level, "HR", uniform.clone()) };
    let same = Measured { inside: 265, ..before.clone() };
    assert_eq!(verdict(&before, &same), Verdict::Steady);
    assert_eq!(verdict(&before, &Measured { inside: 210, ..before.clone() }), Verdict::Alarm);
    assert_eq!(verdict(&before, &narrow), Verdict::Moved, "too wide is no harm");
}

/// A thousand reports of twenty series each in which nothing changed: Benjamini-Hochberg promises
/// one report in a hundred with a false discovery, whatever the shape of the values.
#[test]
fn a_report_has_a_false_alarm_at_most_as_often_as_is_promised() {
    let mut dice = Dice(11);
    let draw = |dice: &mut Dice, kind: usize, count: usize| -> Vec<f64> {
        let one = |dice: &mut Dice| match kind % 4 {
            0 => dice.normal(),
            1 => dice.normal().exp(),
            2 => (dice.uniform() * 4.0).floor(),
            _ => -dice.uniform().ln(),
        };
        (0..count).map(|_| one(dice)).collect()
    };
    let mut alarms = 0;
    for report in 0..REPORTS {
        let (mut before, mut now) = (Vec::new(), Vec::new());
        for kind in 0..20 {
            let code = kind.to_string();
            let size = 60 + 40 * (report % 5);
            let one = measured(About::Input, &code, draw(&mut dice, kind, 3 * size));
            let about = if kind < 10 { About::Input } else { About::Error };
            let one = Measured { about, ..one };
            before.push(BaselineSeries::of(&one));
            now.push(measured(about, &code, draw(&mut dice, kind, size)));
        }
        let found = judge(&shipped(), &before, &now);
        alarms += usize::from(found.iter().any(|it| it.verdict != Verdict::Steady));
    }
    assert!(alarms <= REPORTS / 50, "{alarms} of {REPORTS}");
}

#[test]
fn page_hinkley_is_wrong_as_rarely_as_it_says() {
    let mut dice = Dice(12);
    for (allowance, length) in [(0.5, 300), (0.8, 60)] {
        let mut rare = [0_u32; 2];
        for _ in 0..2000 {
            let mut looking = PageHinkley::new(allowance);
            (0..length).for_each(|_| looking.add(dice.normal()));
            rare[0] += u32::from(looking.p_value() < 0.05);
            rare[1] += u32::from(looking.p_value() < 0.005);
        }
        assert!((60..130).contains(&rare[0]), "{rare:?} of 2000 at {allowance}");
        assert!((3..=20).contains(&rare[1]), "{rare:?} of 2000 at {allowance}");
    }
}

#[test]
fn adwin_has_no_false_alarm_and_sees_a_change() {
    let mut dice = Dice(13);
    let value = |dice: &mut Dice, mean: f64| (mean + 0.1 * dice.normal()).clamp(0.0, 1.0);
    let mut window = Adwin::new(0.002);
    assert!((0..20_000).all(|_| !window.add(value(&mut dice, 0.4))));
    assert_eq!(window.width(), 20_000);
    let delay = (0..1000).position(|_| window.add(value(&mut dice, 0.5))).unwrap();
    assert!(delay < 200, "{delay}");
}

#[test]
fn a_damaged_sketch_is_not_sound() {
    let sketch = Sketch::of(&(0..100).map(f64::from).collect::<Vec<_>>());
    assert!(sketch.is_sound());
    let mut other = sketch.clone();
    other.marks.reverse();
    assert!(!other.is_sound());
    let mut other = sketch.clone();
    other.counts[0] = u64::MAX;
    assert!(!other.is_sound());
    let mut other = sketch;
    other.counts.pop();
    assert!(!other.is_sound());
    assert!(!Sketch::default().is_sound());
}

#[test]
fn marks_lie_in_the_order_of_numbers() {
    let values: Vec<f64> =
        (-300..300_i32).map(|at| 1.5_f64.powi(at.abs()) * f64::from(at)).collect();
    let mixed: Vec<f64> = (0..600).map(|at| values[at * 7 % 600]).collect();
    let sketch = Sketch::of(&mixed);
    assert!(sketch.is_sound() && 40 < sketch.marks.len(), "{sketch:?}");
    assert_eq!(sketch, Sketch::of(&values));
}

proptest! {
    #[test]
    fn no_part_of_a_sketch_is_about_few_people(
        values in prop::collection::vec(prop_oneof![0_i32..5, -1000_i32..1000], 0..400),
    ) {
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let sketch = Sketch::of(&values);
        prop_assert!(sketch.is_sound());
        prop_assert_eq!(sketch.count(), values.len() as u64);
        if 1 < sketch.counts.len() {
            prop_assert!(sketch.counts.iter().all(|&count| GROUP_COUNT_MIN as u64 <= count));
        }
        // The sample that it was made from is not different from it.
        let comparison = sketch.compare(&values);
        prop_assert!(comparison.ks < 1e-12 && comparison.psi < 1e-12);
    }

    #[test]
    fn whatever_is_measured_gives_finite_figures(
        before in prop::collection::vec(-1e30_f64..1e30, 0..60),
        now in prop::collection::vec(-1e30_f64..1e30, 0..60),
    ) {
        let before = measured(About::Input, "A", before);
        let found = judge(&shipped(), &[BaselineSeries::of(&before)], &[measured(About::Input, "A", now)]);
        if let Some(p_value) = found[0].p_value {
            prop_assert!((0.0..=1.0).contains(&p_value));
        }
    }
}

const REPORTS: usize = 1000;
