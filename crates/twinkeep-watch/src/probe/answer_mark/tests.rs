//! The mark and its test, on answers that are drawn here.

use super::*;

fn uniform(seed: u64, at: u64) -> f64 {
    (MixKey::new(*b"tests of a mark.").digest(&[seed, at]) >> 11) as f64 / (1_u64 << 53) as f64
}

fn secret(number: u8) -> AnswerMark {
    AnswerMark::new([number; 16])
}

fn draws() -> MixKey {
    MixKey::new(*b"draws of a test.")
}

/// What a version answers about a target, with the stretch of the last value.
fn version(target: usize, at: u64) -> (Stretch, f32) {
    let last = 60.0 + 40.0 * uniform(target as u64, at) as f32;
    let own = last + 10.0 * uniform(100 + target as u64, at) as f32 - 5.0;
    (Stretch::of(target, last, 4.0).unwrap(), tidy(own))
}

fn tidy(value: f32) -> f32 {
    format!("{value:.4e}").parse().unwrap()
}

fn compared(suspect: &dyn Fn(usize, u64, Stretch, f32) -> f32) -> Vec<Compared> {
    let ask = |target: usize, at: u64| {
        let (stretch, own) = version(target, at);
        Compared { stretch, own, suspect: suspect(target, at, stretch, own) }
    };
    (0..6).flat_map(|target| (0..100).map(move |at| ask(target, at))).collect()
}

#[test]
fn an_answer_moves_by_less_than_a_step_in_its_direction() {
    let known = [
        (88.342, 88.0, 89.0),
        (104.2, 100.0, 110.0),
        (37.0, 37.0, 37.0),
        (99.5, 99.0, 100.0),
        (0.0123, 0.012, 0.013),
        (-88.342, -89.0, -88.0),
        (7.35, 7.3, 7.4),
        (0.0, 0.0, 0.0),
    ];
    for (value, down, up) in known {
        assert_eq!(Direction::Down.round(value), down, "{value}");
        assert_eq!(Direction::Up.round(value), up, "{value}");
    }
    let mut before = [f32::MIN; 2];
    for at in 0..2_000 {
        let value = tidy(10.0_f32.powf(at as f32 / 250.0 - 4.0));
        let rounded = [Direction::Down.round(value), Direction::Up.round(value)];
        assert!(rounded[0] <= value && value <= rounded[1], "{value}: {rounded:?}");
        // Both ends are the f32 next to what is meant.
        let most = step(value) * (1.0 + 1e-5);
        assert!(f64::from(rounded[1]) - f64::from(rounded[0]) <= most, "{value}: {rounded:?}");
        // Quantiles stay in order, and what has two digits stays as it is.
        assert!(before[0] <= rounded[0] && before[1] <= rounded[1]);
        assert_eq!(Direction::Up.round(rounded[0]), rounded[0]);
        assert_eq!(Direction::Down.round(rounded[1]), rounded[1]);
        before = rounded;
    }
    assert!(Direction::Up.round(f32::NAN).is_nan());
    assert_eq!(Direction::Up.round(f32::INFINITY), f32::INFINITY);
    assert_eq!(Direction::Down.round(f32::MAX), 3.4e38);
    assert_eq!(Direction::Up.round(f32::MAX), f32::MAX);
    assert!(Direction::Up.round(1e-45) >= 0.0);
}

#[test]
fn a_stretch_is_where_its_last_value_lies_and_nowhere_without_a_width() {
    let of = |last, width| Stretch::of(3, last, width);
    assert_eq!(of(81.9, 2.0), of(80.0, 2.0));
    assert_ne!(of(82.0, 2.0), of(81.9, 2.0));
    assert_ne!(of(-0.1, 2.0), of(0.1, 2.0));
    assert_ne!(Stretch::of(4, 80.0, 2.0), of(80.0, 2.0));
    for (last, width) in
        [(80.0, 0.0), (80.0, -1.0), (80.0, f32::NAN), (f32::NAN, 1.0), (f32::INFINITY, 1.0)]
    {
        assert_eq!(of(last, width), None, "{last} {width}");
    }
    assert_eq!(of(f32::MAX, f32::MIN_POSITIVE), None);
}

#[test]
fn each_secret_rounds_about_half_of_all_stretches_up() {
    for number in 0..20 {
        let ups = (0..400).filter(|&at| {
            let stretch = Stretch::of(at % 10, at as f32, 1.0).unwrap();
            secret(number).direction(stretch) == Direction::Up
        });
        assert!((150..250).contains(&ups.count()), "secret {number}");
    }
}

#[test]
fn a_table_of_copied_answers_is_shown_for_its_secret_only() {
    let mark = secret(1);
    let copied = compared(&|_, _, stretch, own| mark.direction(stretch).round(own));
    let departures = Departures::of(&copied);
    assert_eq!(departures.answers(), 600);
    let itself = Departures::of(&compared(&|_, _, _, own| own));
    assert_eq!((itself.same(), itself.stretches()), (600, 0));
    assert_eq!(itself.test(&mark, &draws()).p_value, 1.0);
    assert!(60 <= departures.stretches());
    let found = departures.test(&mark, &draws());
    assert!(found.p_value < 1e-4 && 6.0 < found.statistic, "{found:?}");
    for number in 2..10 {
        let other = departures.test_beside(&secret(number), &draws(), 999);
        assert!(0.001 < other.p_value, "secret {number}: {other:?}");
    }
}

#[test]
fn a_student_that_learned_the_directions_badly_is_shown() {
    let mark = secret(1);
    let learned = compared(&|target, at, stretch, own| {
        let part = match mark.direction(stretch) {
            Direction::Up => 0.2,
            Direction::Down => -0.2,
        };
        own + 3.0 + part + uniform(200 + target as u64, at) as f32
    });
    let found = Departures::of(&learned).test(&mark, &draws());
    assert!(found.p_value < 0.001, "{found:?}");
}

#[test]
fn under_other_secrets_p_values_are_uniform_whatever_the_suspect() {
    type Suspect = fn(usize, u64, Stretch, f32) -> f32;
    let suspects: [Suspect; 4] = [
        // Full answers with noise, what is nearest, something of its own, and the mark of another.
        |target, at, _, own| own + uniform(300 + target as u64, at) as f32,
        |_, _, _, own| own.round(),
        |target, at, _, own| 0.5 * own + 100.0 * uniform(400 + target as u64, at).powi(9) as f32,
        |_, _, stretch, own| secret(255).direction(stretch).round(own),
    ];
    for (number, suspect) in suspects.iter().enumerate() {
        let departures = Departures::of(&compared(suspect));
        let p_value = |of: u8| departures.test_beside(&secret(of), &draws(), 199).p_value;
        let p_values: Vec<f64> = (0..250).map(p_value).collect();
        for limit in [0.05, 0.25, 0.5, 0.75] {
            let below = p_values.iter().filter(|&&p| p <= limit).count() as f64;
            let deviation = (250.0_f64 * limit * (1.0 - limit)).sqrt();
            let far = (below - 250.0 * limit).abs() / deviation;
            assert!(far < 4.0, "suspect {number}: {below} of 250 are below {limit}");
        }
    }
}

#[test]
fn the_version_itself_and_what_is_no_number_show_nothing() {
    let itself = Departures::of(&compared(&|_, _, _, own| own));
    assert_eq!(itself.stretches(), 0);
    assert_eq!(itself.test(&secret(1), &draws()).p_value, 1.0);
    let none = Departures::of(&compared(&|_, _, _, _| f32::NAN));
    assert_eq!((none.answers(), none.stretches()), (0, 0));
    assert_eq!(Departures::of(&[]).test(&secret(1), &draws()).statistic, 0.0);
    // Numbers that are far beyond anything move no more than others that are far.
    let huge = compared(&|_, at, _, own| if at == 0 { f32::MAX } else { own });
    let found = Departures::of(&huge).test(&secret(1), &draws());
    assert!(found.statistic.is_finite() && 0.01 < found.p_value, "{found:?}");
}

#[test]
fn p_values_are_corrected_for_how_many_there_are() {
    let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
    let expected = [0.03, 0.06, 0.06, 0.02];
    for (adjusted, expected) in adjusted.iter().zip(expected) {
        assert!((adjusted - expected).abs() < 1e-12, "{adjusted} {expected}");
    }
    assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
    assert!(holm(&[]).is_empty());
}
