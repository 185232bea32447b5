//! Tests that hold for the whole table of rules.

use std::collections::BTreeSet;

use super::RULES;
use crate::baseline::Baseline;
use crate::controls;
use crate::facts::FactFile;
use crate::outcome::Severity;
use crate::scan::{Verdict, judge};

/// The words that names of rules begin with.
const PREFIXES: &[&str] = &[
    "keep-", "host-", "phi-", "s3-", "pg-", "sqlite-", "nginx-", "iis-", "cfn-", "win-", "git-",
    "model-", "tls-",
];

#[test]
fn names_occur_once_and_are_of_a_target() {
    let mut seen = BTreeSet::new();
    for rule in RULES {
        assert!(seen.insert(rule.id), "{} occurs twice", rule.id);
        assert!(PREFIXES.iter().any(|it| rule.id.starts_with(it)), "{}", rule.id);
        let kebab = |c: char| c == '-' || c.is_ascii_lowercase() || c.is_ascii_digit();
        assert!(rule.id.chars().all(kebab), "{}", rule.id);
        assert!(!rule.title.ends_with('.'), "{}", rule.id);
        assert!(rule.protects.ends_with('.'), "{}", rule.id);
        assert!(!rule.remedy.is_empty() && !rule.remedy.ends_with('.'), "{}", rule.id);
    }
}

#[test]
fn every_rule_is_evidence_for_one_to_three_requirements_that_exist() {
    for rule in RULES {
        let mut sources: Vec<&str> = Vec::new();
        for evidence in rule.controls {
            assert!(
                controls::find(evidence.control).is_some(),
                "{}: {}",
                rule.id,
                evidence.control
            );
            assert!(evidence.because.ends_with('.'), "{}: {}", rule.id, evidence.because);
            assert!(!sources.contains(&evidence.control), "{}: {}", rule.id, evidence.control);
            sources.push(evidence.control);
        }
        assert!((1..=3).contains(&rule.controls.len()), "{}", rule.id);
    }
}

#[test]
fn a_policy_for_everybody_limits_no_frames() {
    for open in ["frame-ancestors *", "frame-ancestors http: https:", "default-src 'self'"] {
        assert!(!super::limits_frames(open), "{open}");
    }
    assert!(super::limits_frames("default-src 'self'; Frame-Ancestors 'none'"));
}

#[test]
fn no_facts_are_not_clean() {
    let report = judge(&FactFile::new(0, Vec::new()), None, &Baseline::default());
    assert_eq!(report.findings, []);
    assert_eq!(report.verdict(Severity::Informational), Verdict::NotChecked);
}
