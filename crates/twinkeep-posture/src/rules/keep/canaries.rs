//! Rule `keep-model-canaries`: every version that may serve has questions whose answers were signed with it.

use super::of_serving;
use crate::facts::Check;
use crate::facts::keep::{Keep, Papers};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-model-canaries",
    title: "Every version that may serve has questions whose answers were signed with it",
    severity: Severity::Medium,
    protects: "A model that was changed where it runs answers otherwise, and nobody compares.",
    remedy: "train the version again with this program",
    controls: &[Evidence {
        control: "aisvs-12.3.4",
        strength: Strength::Partial,
        because: "The same questions are asked again while it serves: a model that was changed is told from people who changed.",
    }],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    of_serving(keep, judge_one)
}

fn judge_one(version: &str, papers: &Papers) -> Outcome {
    match papers.canaries {
        0 => Outcome::fail(Place::of(version), "it has no such questions"),
        _ => Outcome::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::Papers;
    use crate::rules::keep::testing::word_of;

    #[test]
    fn a_version_without_canaries_fails() {
        assert_eq!(word_of(judge, Papers { canaries: 40, ..Papers::default() }), "pass");
        assert_eq!(word_of(judge, Papers::default()), "fail");
    }
}
