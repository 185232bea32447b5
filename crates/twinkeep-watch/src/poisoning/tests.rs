//! Poison that is known beforehand, and what is said of it.

use super::{
    CandidateFinding, CandidateVerdict, InfluenceVerdict, LeftOut, OnWorse, PoisoningParameters,
    dispersion, judge_candidate, judge_influence, resampled,
};

fn shipped() -> PoisoningParameters {
    PoisoningParameters::parse(PoisoningParameters::SHIPPED).unwrap()
}

/// Differences of people around a mean, with a spread of 0.1, that look random.
fn around(mean: f64, count: usize, salt: u64) -> Vec<f64> {
    let value = |at: usize| {
        let mut bits = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9 ^ salt.rotate_left(17));
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let uniform = ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
        mean + (uniform - 0.5) * 0.1 * 12.0_f64.sqrt()
    };
    (0..count).map(value).collect()
}

fn trial(mean: f64, salt: u64) -> LeftOut {
    LeftOut { added: around(mean, 200, salt) }
}

#[test]
fn the_interval_of_resamples_is_that_of_the_normal_distribution_for_many_people() {
    let found = resampled(&around(0.3, 400, 9));
    assert!((found.mean - 0.3).abs() < 0.02, "{found:?}");
    assert!((found.standard_error - 0.005).abs() < 0.0005, "{found:?}");
    assert!((found.high - found.low - 3.92 * found.standard_error).abs() < 0.003, "{found:?}");
    assert!(found.low < found.mean && found.mean < found.high);
    assert_eq!(found, resampled(&around(0.3, 400, 9)), "a report can be repeated");
    let nobody = resampled(&[]);
    assert_eq!((nobody.people, nobody.mean, nobody.high), (0, 0.0, 0.0));
}

#[test]
fn a_feed_that_harms_is_found_among_many_that_do_not() {
    let parameters = shipped().influence;
    let mut trials: Vec<LeftOut> = (0..40).map(|salt| trial(0.0, 100 + salt)).collect();
    trials[7] = trial(0.06, 5);
    trials[8] = trial(-0.06, 6);
    trials[9] = LeftOut { added: around(0.9, 5, 7) };
    let found = judge_influence(&parameters, 1.0, &trials);
    let of = |verdict| {
        (0..found.len()).filter(|&at| found[at].verdict == verdict).collect::<Vec<usize>>()
    };
    assert_eq!(of(InfluenceVerdict::Harms), [7]);
    assert_eq!(of(InfluenceVerdict::Helps), [8]);
    assert_eq!(of(InfluenceVerdict::TooFew), [9]);
    assert!(found[9].p_value.is_none() && found[7].p_value.unwrap() < 1e-6);
}

#[test]
fn what_is_beyond_chance_but_small_is_no_alarm() {
    let added = around(0.01, 20_000, 3);
    let found = judge_influence(&shipped().influence, 1.0, &[LeftOut { added }]);
    assert!(found[0].p_value.unwrap() < 1e-6);
    assert_eq!(found[0].verdict, InfluenceVerdict::Neither);
}

#[test]
fn chance_between_models_makes_alarms_rarer() {
    let parameters = shipped().influence;
    let calm: Vec<LeftOut> = (0..60).map(|salt| trial(0.0, 300 + salt)).collect();
    let calm = dispersion(&parameters, &calm);
    assert!(calm < 1.6, "{calm}");
    // Models that were learned without other people differ by 0.03 one way or the other.
    let way = |salt: u64| if salt.is_multiple_of(2) { 0.03 } else { -0.03 };
    let wild: Vec<LeftOut> = (0..60).map(|salt| trial(way(salt), 300 + salt)).collect();
    let wild = dispersion(&parameters, &wild);
    assert!(20.0 < wild, "{wild}");
    let harm = [trial(0.06, 5)];
    let verdict = |dispersion| judge_influence(&parameters, dispersion, &harm)[0].verdict;
    assert_eq!(
        (verdict(calm), verdict(wild)),
        (InfluenceVerdict::Harms, InfluenceVerdict::Neither)
    );
    assert_eq!(dispersion(&parameters, &[]), 1.0);
}

#[test]
fn nothing_that_differs_is_nothing() {
    let same = LeftOut { added: vec![0.0; 50] };
    let found = judge_influence(&shipped().influence, 1.0, std::slice::from_ref(&same));
    assert_eq!((found[0].verdict, found[0].p_value), (InfluenceVerdict::Neither, Some(1.0)));
    assert_eq!(dispersion(&shipped().influence, &[same]), 1.0);
}

fn finding(by: &str, mean: f64) -> CandidateFinding {
    let larger = resampled(&around(mean, 200, 11));
    CandidateFinding { by: by.to_owned(), group: by.to_owned(), larger, worse: false }
}

#[test]
fn a_candidate_is_refused_for_everybody_and_for_a_group_and_warned_of_where_so_set() {
    let parameters = shipped().candidate;
    let judge =
        |findings: &mut [CandidateFinding], shift| judge_candidate(&parameters, findings, shift);
    assert_eq!(
        judge(&mut [finding("", 0.0), finding("age", 0.03)], Some(0.2)),
        CandidateVerdict::Holds
    );
    let mut worse = [finding("", 0.0), finding("age", 0.2)];
    assert_eq!(judge(&mut worse, None), CandidateVerdict::Refuse);
    assert_eq!((worse[0].worse, worse[1].worse), (false, true));
    assert_eq!(judge(&mut [finding("", 0.04)], None), CandidateVerdict::Refuse);
    assert_eq!(judge(&mut [finding("", 0.0)], Some(3.6)), CandidateVerdict::Warn);
    let lenient = super::CandidateParameters { on_worse: OnWorse::Warn, ..parameters };
    assert_eq!(judge_candidate(&lenient, &mut [finding("", 0.2)], None), CandidateVerdict::Warn);
}

#[test]
fn parameters_without_meaning_are_refused() {
    let change = |from: &str, to: &str| {
        let text = PoisoningParameters::SHIPPED.replace(from, to);
        assert_ne!(text, PoisoningParameters::SHIPPED, "{from}");
        PoisoningParameters::parse(&text).unwrap_err().code()
    };
    let range = "poisoning-parameters-range";
    assert_eq!(change("false_discovery_rate = 0.01", "false_discovery_rate = 2"), range);
    assert_eq!(change("harm_min = 0.02", "harm_min = nan"), range);
    assert_eq!(change("people_min = 20", "people_min = 1"), range);
    assert_eq!(change("share_max = 0.5", "share_max = 1"), range);
    assert_eq!(change("controls_min = 4", "controls_min = 0"), range);
    assert_eq!(change("canary_shift = 2.0", "canary_shift = 0"), range);
    assert_eq!(change("on_worse = \"refuse\"", "on_worse = \"ask\""), "poisoning-parameters");
    assert_eq!(change("share_max = 0.5\n", "share_max = 0.5\nmore = 1\n"), "poisoning-parameters");
}
