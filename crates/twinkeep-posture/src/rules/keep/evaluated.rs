//! Rule `keep-model-evaluated`: every version that may serve was measured on people it had not learned from.

use super::of_serving;
use crate::facts::Check;
use crate::facts::keep::{Keep, Papers};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-model-evaluated",
    title: "Every version that may serve was measured on people it had not learned from",
    severity: Severity::High,
    protects: "A model that nobody measured may be worse than no model.",
    remedy: "train the version with more people: those of the held-out split measure it",
    controls: &[
        Evidence {
            control: "aisvs-3.2.1",
            strength: Strength::Partial,
            because: "Each version is measured on people held out, and compared with the one in service, before it is released.",
        },
        Evidence {
            control: "aisvs-6.1.4",
            strength: Strength::Partial,
            because: "A version that is worse than the one in service, or not calibrated, is not released.",
        },
        Evidence {
            control: "gdpr-5(1)(d)",
            strength: Strength::Partial,
            because: "How accurate forecasts are was measured.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    of_serving(keep, judge_one)
}

fn judge_one(version: &str, papers: &Papers) -> Outcome {
    match papers.held_out {
        0 => Outcome::fail(Place::of(version), "nobody measured it on people held out"),
        _ => Outcome::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::Papers;
    use crate::rules::keep::testing::word_of;

    #[test]
    fn a_version_that_nobody_measured_fails() {
        assert_eq!(word_of(judge, Papers { held_out: 7, ..Papers::default() }), "pass");
        assert_eq!(word_of(judge, Papers::default()), "fail");
    }
}
