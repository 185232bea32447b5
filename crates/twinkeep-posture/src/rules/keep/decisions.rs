//! Rule `keep-model-decisions`: every decision about a version that may serve is in the ledger.

use super::of_serving;
use crate::facts::Check;
use crate::facts::keep::{Keep, Papers};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-model-decisions",
    title: "Every decision about a version that may serve is in the ledger",
    severity: Severity::High,
    protects: "Whoever can put a model into service without a record can do so twice.",
    remedy: "find out who could write to `models/`, and put the version into service again, with `twinkeep model promote VERSION`",
    controls: &[
        Evidence {
            control: "aisvs-12.4.3",
            strength: Strength::Partial,
            because: "Taking a version out of service and overriding that are decisions, and each was found in the ledger.",
        },
        Evidence {
            control: "aisvs-12.4.2",
            strength: Strength::Partial,
            because: "An entry says who, when, what, and what came of it, and a release who agreed.",
        },
        Evidence {
            control: "aisvs-12.5.3",
            strength: Strength::Partial,
            because: "The registry was held against the ledger, decision by decision.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    of_serving(keep, judge_one)
}

fn judge_one(version: &str, papers: &Papers) -> Outcome {
    if papers.unrecorded.is_empty() {
        return Outcome::Pass;
    }
    let steps: Vec<&str> = papers.unrecorded.iter().map(String::as_str).collect();
    let what = format!("the ledger does not have how it became {}", steps.join(", "));
    Outcome::fail(Place::of(version), what)
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::Papers;
    use crate::rules::keep::testing::word_of;

    #[test]
    fn a_decision_that_the_ledger_does_not_have_fails() {
        let unrecorded = Papers { unrecorded: ["in-service".into()].into(), ..Papers::default() };
        assert_eq!(word_of(judge, Papers::default()), "pass");
        assert_eq!(word_of(judge, unrecorded), "fail");
    }
}
