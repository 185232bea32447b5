//! Rule `keep-model-groups`: every version that may serve was measured for groups of people.

use super::of_serving;
use crate::facts::Check;
use crate::facts::keep::{Keep, Papers};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-model-groups",
    title: "Every version that may serve was measured for groups of people",
    severity: Severity::Low,
    protects: "A model that is right on average can be wrong for one group of people.",
    remedy: "name groups as `[[subgroup]]` in the pack, and train again",
    controls: &[Evidence {
        control: "aisvs-1.3.3",
        strength: Strength::Partial,
        because: "The error is measured for each group, and a version that is worse for one is not released; whether groups are the right ones, people know.",
    }],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    of_serving(keep, judge_one)
}

fn judge_one(version: &str, papers: &Papers) -> Outcome {
    match papers.groups {
        0 => Outcome::fail(Place::of(version), "its error is known for everybody together only"),
        _ => Outcome::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::Papers;
    use crate::rules::keep::testing::word_of;

    #[test]
    fn an_error_for_everybody_together_is_not_enough() {
        assert_eq!(word_of(judge, Papers { groups: 2, ..Papers::default() }), "pass");
        assert_eq!(word_of(judge, Papers::default()), "fail");
    }
}
