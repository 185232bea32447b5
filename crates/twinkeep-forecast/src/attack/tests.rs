//! The attacks on models whose privacy is known: one that overfits, one that cannot, and none that
//! knows anybody.

use std::sync::LazyLock;

use twinkeep_domain::Range;

use super::extraction::rounded;
use super::*;
use crate::testing::{cohort, config, event, pack, shop_cohort, shop_pack};
use crate::{Model, TrainConfig, train};

/// Trees that follow every person.
fn greedy() -> TrainConfig {
    TrainConfig {
        rounds_max: 12,
        patience_rounds: 12,
        learning_rate: 0.5,
        rare_learning_rate: 0.5,
        leaves_max: 255,
        rare_leaves_max: 255,
        leaf_snapshots_min: 1.0,
        rare_leaf_snapshots_min: 1.0,
        leaf_shrinkage_snapshots: 0.0,
        feature_share: 1.0,
        subject_share: 1.0,
        ..config()
    }
}

/// Trees of which every leaf stands for many.
fn guarded() -> TrainConfig {
    TrainConfig { rounds_max: 12, leaf_subjects_min: 100, ..config() }
}

struct Case {
    members: twinkeep_domain::Cohort,
    others: twinkeep_domain::Cohort,
    tuning: twinkeep_domain::Cohort,
}

static CASE: LazyLock<Case> = LazyLock::new(|| Case {
    members: numbered(1, 0..300),
    others: numbered(1, 300..500),
    tuning: numbered(1, 500..620),
});

/// Subjects of one world; no number is in two cohorts.
fn numbered(seed: u64, numbers: std::ops::Range<i64>) -> twinkeep_domain::Cohort {
    let all = cohort(seed, numbers.end);
    let own = |at: usize| numbers.contains(&i64::try_from(at).unwrap());
    people::choose(&all, own)
}

fn plan<'a>(pack: &'a twinkeep_domain::Pack, config: &'a TrainConfig) -> MembershipPlan<'a> {
    let Case { members, others, tuning } = &*CASE;
    MembershipPlan { pack, config, members, others, tuning, shadow_count: 6, seed: 3 }
}

fn trained(config: &TrainConfig) -> Model {
    train(&pack(), config, &CASE.members, &CASE.tuning, &mut |_| ()).unwrap()
}

#[test]
fn a_model_that_follows_every_person_gives_its_members_away_and_a_guarded_one_does_not() {
    let pack = pack();
    let greedy = greedy();
    let found = membership(&plan(&pack, &greedy), &trained(&greedy), &mut |_| ()).unwrap();
    assert_eq!((found.version.member_count, found.version.other_count), (300, 200));
    assert!(0.75 < found.version.auc, "{found:?}");
    assert!(0.7 < found.procedure.auc_low, "{found:?}");
    assert!(0.2 < found.version.tpr_at_fpr_1_percent.unwrap().value, "{found:?}");
    assert!(0.05 < found.generalization_gap, "{found:?}");
    assert_eq!(found.procedure.tpr_at_fpr_0_1_percent, None, "500 people cannot say");
    let guarded = guarded();
    let kept = membership(&plan(&pack, &guarded), &trained(&guarded), &mut |_| ()).unwrap();
    assert!(kept.procedure.auc < 0.64, "{kept:?}");
    assert!(kept.procedure.auc + 0.15 < found.procedure.auc, "{kept:?}");
    assert!(kept.version.auc + 0.15 < found.version.auc, "{kept:?}");
    assert!(kept.generalization_gap < 0.5 * found.generalization_gap, "{kept:?}");
}

#[test]
fn who_was_taught_by_those_who_never_saw_a_person_does_not_give_the_person_away() {
    let pack = pack();
    let greedy = greedy();
    let taught = TrainConfig { teachers: 3, ..greedy.clone() };
    let found = membership(&plan(&pack, &greedy), &trained(&greedy), &mut |_| ()).unwrap();
    let kept = membership(&plan(&pack, &taught), &trained(&taught), &mut |_| ()).unwrap();
    assert!(kept.procedure.auc + 0.15 < found.procedure.auc, "{kept:?} {found:?}");
    assert!(kept.generalization_gap < 0.3 * found.generalization_gap, "{kept:?}");
    let once = found.one_answer.unwrap();
    assert!(0.55 < once.auc && once.auc <= found.version.auc + 0.02, "one answer says less");
}

#[test]
fn where_members_and_others_are_strangers_alike_the_attack_guesses() {
    // The version learned from other people than those that are called its members.
    let pack = pack();
    let greedy = greedy();
    let model = train(&pack, &greedy, &numbered(9, 0..300), &CASE.tuning, &mut |_| ()).unwrap();
    let found = membership(&plan(&pack, &greedy), &model, &mut |_| ()).unwrap();
    assert!(found.version.auc_low < 0.5 && 0.5 < found.version.auc_high, "{found:?}");
    let threshold = &found.threshold;
    assert!(threshold.auc_low < 0.52 && 0.48 < threshold.auc_high, "{found:?}");
}

#[test]
fn the_same_attack_finds_the_same_on_any_number_of_threads() {
    let pack = pack();
    let one = TrainConfig { rounds_max: 4, threads: 1, ..config() };
    let many = TrainConfig { threads: 3, ..one.clone() };
    let model = trained(&one);
    let run = |config: &TrainConfig| {
        let plan = MembershipPlan { shadow_count: 4, ..plan(&pack, config) };
        membership(&plan, &model, &mut |_| ()).unwrap()
    };
    assert_eq!(run(&one), run(&many));
}

#[test]
fn windows_are_attacked_too() {
    let pack = shop_pack();
    let all = shop_cohort(5, 300);
    let part = |own: std::ops::Range<usize>| people::choose(&all, |at| own.contains(&at));
    let (members, others, tuning) = (part(0..120), part(120..220), part(220..300));
    let config = TrainConfig { rounds_max: 4, ..config() };
    let model = train(&pack, &config, &members, &tuning, &mut |_| ()).unwrap();
    let pool = losses::Pool::new(&pack, &members);
    let losses = pool.losses(&model, &config);
    assert_eq!(losses.len(), pack.targets().count() + pack.windows().len());
    let known = losses.iter().filter(|column| column.iter().any(|loss| loss.is_finite())).count();
    assert!(pack.targets().count() < known, "no window has a loss");
    let plan = MembershipPlan {
        pack: &pack,
        config: &config,
        members: &members,
        others: &others,
        tuning: &tuning,
        shadow_count: 4,
        seed: 1,
    };
    let mut steps = Vec::new();
    let found = membership(&plan, &model, &mut |step| steps.push(step)).unwrap();
    assert!((0.0..=1.0).contains(&found.procedure.auc), "{found:?}");
    let last = steps.last().unwrap();
    assert_eq!((last.done, last.total), (losses.len() * 4, losses.len() * 4));
}

#[test]
fn what_cannot_say_anything_is_refused() {
    let (pack, config) = (pack(), config());
    let model = trained(&TrainConfig { rounds_max: 2, ..config.clone() });
    let few = numbered(1, 0..19);
    let refused =
        |plan: MembershipPlan<'_>| membership(&plan, &model, &mut |_| ()).unwrap_err().code();
    assert_eq!(refused(MembershipPlan { others: &few, ..plan(&pack, &config) }), "attack-too-few");
    for shadow_count in [0, 2, 5, 2_000] {
        let wrong = MembershipPlan { shadow_count, ..plan(&pack, &config) };
        assert_eq!(refused(wrong), "attack-plan");
    }
    let plan = ExtractionPlan {
        pack: &pack,
        config: &config,
        others: &CASE.others,
        answer_counts: &[10],
        seed: 1,
    };
    assert_eq!(extraction(&plan, &model, &mut |_| ()).unwrap_err().code(), "attack-plan");
}

#[test]
fn a_search_shows_what_privacy_costs() {
    let pack = pack();
    let greedy = greedy();
    let membership = MembershipPlan { shadow_count: 4, ..plan(&pack, &greedy) };
    let plan = SearchPlan { membership, teachers: &[0], leaf_subjects_min: &[0, 60] };
    let levels = search(&plan, &mut |_| ()).unwrap();
    assert_eq!(levels.iter().map(|it| it.leaf_subjects_min).collect::<Vec<_>>(), [0, 60]);
    assert_eq!(levels.iter().map(|it| it.recommended).collect::<Vec<_>>(), [false, true]);
    assert!(levels[1].procedure.auc + 0.1 < levels[0].procedure.auc, "{levels:?}");
    assert!(levels[1].generalization_gap < levels[0].generalization_gap, "{levels:?}");
    // Here, regularization makes the model better, too.
    assert!(levels[1].mase_median.unwrap() < levels[0].mase_median.unwrap(), "{levels:?}");
}

#[test]
fn a_student_of_more_answers_repeats_the_model_better() {
    let (pack, config) = (pack(), config());
    let model = trained(&config);
    let plan = ExtractionPlan {
        pack: &pack,
        config: &config,
        others: &CASE.others,
        answer_counts: &[60, 1_000],
        seed: 1,
    };
    let found = extraction(&plan, &model, &mut |_| ()).unwrap();
    assert_eq!(found.trials.len(), 8);
    assert_eq!(found.measured_count, 100);
    let of = |count: u64| {
        let trial = found.trials.iter().find(|trial| trial.answer_count == count).unwrap();
        trial.fidelity.unwrap()
    };
    assert!(0.8 < of(1_000), "{found:?}");
    assert!(of(60) + 0.02 < of(1_000), "{found:?}");
    assert_eq!(
        found.fidelity(1_000),
        found
            .trials
            .iter()
            .filter(|trial| { trial.obligation == Obligation::None })
            .filter_map(|trial| trial.fidelity)
            .max_by(f64::total_cmp)
    );
    assert!(found.trials.iter().all(|trial| trial.fidelity.unwrap() <= 1.0));
}

#[test]
fn answers_are_rounded_as_clinics_write_them() {
    let range = |low, high| Range { low, high };
    assert_eq!(rounded(82.37, range(0.0, 300.0)), 82.0);
    assert_eq!(rounded(37.26, range(25.0, 45.0)), 37.3);
    assert_eq!(rounded(7.384, range(6.5, 8.0)), 7.38);
    assert_eq!(rounded(299.9, range(0.0, 299.5)), 299.5);
}

#[test]
fn a_canary_is_known_to_who_follows_every_person_and_to_nobody_else() {
    let pack = pack();
    let plan = |config| CanaryPlan {
        pack: &pack,
        config,
        members: &CASE.members,
        tuning: &CASE.tuning,
        canary_count: 12,
        seed: 5,
    };
    let greedy = greedy();
    let known = canaries(&plan(&greedy), &trained(&greedy), &mut |_| ()).unwrap();
    assert!((known.exposure_by_chance - 1.44).abs() < 0.02, "{known:?}");
    let [once, often] = known.planted.as_slice() else { panic!("{known:?}") };
    assert_eq!((once.copies, often.copies), (1, 4));
    assert_eq!((once.canary_count, often.canary_count), (12, 12));
    assert!(once.control + 1.0 < once.exposure, "{known:?}");
    assert!(once.control + 1.0 < often.exposure, "{known:?}");
    assert!(once.exposure_max <= 10.0);
    let guarded = guarded();
    let kept = canaries(&plan(&guarded), &trained(&guarded), &mut |_| ()).unwrap();
    assert!(kept.planted[0].exposure + 1.0 < once.exposure, "{kept:?}");
    let none = CanaryPlan { canary_count: 0, ..plan(&greedy) };
    assert!(canaries(&none, &trained(&guarded), &mut |_| ()).is_err());
}

#[test]
fn people_of_cohorts_with_other_codes_are_put_together() {
    let mut second = numbered(2, 0..2);
    second.codes.reverse();
    let count = second.codes.len();
    for timeline in &mut second.timelines {
        let moved = timeline.events().iter().map(|event| {
            let mut event = event.clone();
            event.code = u32::try_from(count).unwrap() - 1 - event.code;
            event
        });
        *timeline = twinkeep_domain::Timeline::new(timeline.subject(), moved.collect()).unwrap();
    }
    let both = people::merge(&[&numbered(2, 0..2), &second]);
    let codes = |at: usize| -> Vec<&str> {
        let events = both.timelines[at].events().iter();
        events.map(|event| both.codes[event.code as usize].as_str()).collect()
    };
    assert_eq!((codes(0), codes(1)), (codes(2), codes(3)));
    assert!(event(0, None, 0, 1.0).value.is_some());
}
