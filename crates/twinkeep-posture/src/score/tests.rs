//! Tests of how requirements stand.

use std::collections::BTreeMap;

use super::{RuleEvidence, Score, Standing, standing};
use crate::rule::Strength;

fn evidence(strength: Strength, outcomes: &[&str]) -> RuleEvidence {
    RuleEvidence {
        rule: "some-rule".into(),
        strength,
        because: String::new(),
        outcomes: outcomes.iter().map(|&word| (word.to_owned(), 1)).collect::<BTreeMap<_, _>>(),
    }
}

#[test]
fn a_thousand_passes_do_not_outweigh_a_failure() {
    let mut good = evidence(Strength::Strong, &["pass"]);
    good.outcomes.insert("pass".into(), 1000);
    let bad = evidence(Strength::Partial, &["fail"]);
    assert_eq!(standing(&[good, bad]), Standing::Failed);
}

#[test]
fn what_was_not_looked_at_is_never_met() {
    let strong = || evidence(Strength::Strong, &["pass"]);
    assert_eq!(standing(&[]), Standing::Manual);
    assert_eq!(standing(&[strong(), evidence(Strength::Strong, &[])]), Standing::NotChecked);
    assert_eq!(
        standing(&[evidence(Strength::Strong, &["pass", "not-checked"])]),
        Standing::NotChecked
    );
    assert_eq!(standing(&[evidence(Strength::Partial, &["pass"])]), Standing::Partial);
    assert_eq!(
        standing(&[evidence(Strength::Strong, &["not-applicable"])]),
        Standing::NotApplicable
    );
    assert_eq!(
        standing(&[strong(), evidence(Strength::Strong, &["not-applicable"])]),
        Standing::Met
    );
}

#[test]
fn nothing_at_all_scores_nothing() {
    assert_eq!(Score::of(&[]), Score { met: 0, of: 0, per_mille: 0 });
}
