//! `[privacy]` is read as specified.

use twinkeep_domain::AttackKind;

use crate::pack_file::{parse_pack, shipped_text};

/// A shipped pack with another table of privacy.
fn with(table: &str) -> String {
    let text = shipped_text("icu").unwrap();
    let mut kept = String::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with('[') {
            inside = line == "[privacy]";
        }
        // An older format has no resolutions.
        if !inside && !line.starts_with("resolution = ") {
            let line = if line.starts_with("format = ") { "format = 4" } else { line };
            kept.push_str(&format!("{line}\n"));
        }
    }
    format!("{kept}\n[privacy]\n{table}\n")
}

#[test]
fn protections_and_limits_are_read() {
    let pack = parse_pack(&with(
        "leaf_subjects_min = 20\nteachers = 3\nleaf_step_max = 2.5\nrequired_attacks = [\"membership\"]\n\
         max_membership_auc = 0.55\nmax_tpr_at_fpr_0_1_percent = 0.01",
    ))
    .unwrap();
    let privacy = pack.privacy();
    assert_eq!(privacy.leaf_subjects_min, Some(20));
    assert_eq!(privacy.teachers, Some(3));
    assert_eq!(privacy.leaf_step_max, Some(2.5));
    assert_eq!(privacy.required_attacks, [AttackKind::Membership]);
    assert_eq!(privacy.limits.membership_auc, Some(0.55));
    assert_eq!(privacy.limits.tpr_at_fpr_0_1_percent, Some(0.01));
    assert_eq!(privacy.limits.generalization_gap, None);
    assert!(privacy.protects_training());
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let cases = [
        ("leaf_subjects_min = 1", "pack-contradiction"),
        ("leaf_subjects_min = -3", "pack-syntax"),
        ("teachers = 1", "pack-contradiction"),
        ("teachers = 17", "pack-contradiction"),
        ("teachers = 3\nnoise = { epsilon = 1, delta = 1e-6 }", "pack-contradiction"),
        ("leaf_step_max = 0", "pack-contradiction"),
        ("leaf_step_max = nan", "pack-contradiction"),
        ("noise = { epsilon = 0, delta = 1e-6 }", "pack-contradiction"),
        ("noise = { epsilon = 1, delta = 0.1 }", "pack-contradiction"),
        ("noise = { epsilon = nan, delta = 1e-6 }", "pack-contradiction"),
        ("noise = { epsilon = 1 }", "pack-syntax"),
        ("max_membership_auc = 0.4", "pack-contradiction"),
        ("max_membership_auc = nan", "pack-contradiction"),
        ("max_tpr_at_fpr_1_percent = 1.5", "pack-contradiction"),
        ("max_canary_exposure = -1", "pack-contradiction"),
        ("max_generalization_gap = inf", "pack-contradiction"),
        ("max_generalisation_gap = 0.1", "pack-syntax"),
        ("required_attacks = [\"inversion\"]", "pack-value"),
    ];
    for (table, code) in cases {
        assert_eq!(parse_pack(&with(table)).unwrap_err().code(), code, "{table}");
    }
    let older = with("leaf_subjects_min = 20").replace("format = 4", "format = 3");
    let error = parse_pack(&older).unwrap_err().to_string();
    assert!(error.contains("`privacy` needs `format = 4`"), "{error}");
}
