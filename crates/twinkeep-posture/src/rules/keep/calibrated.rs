//! Rule `keep-model-calibrated`: intervals of every version that may serve are as wide as they have to be.

use super::of_serving;
use crate::facts::Check;
use crate::facts::keep::{Keep, Papers};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-model-calibrated",
    title: "Intervals of every version that may serve are as wide as they have to be",
    severity: Severity::Medium,
    protects: "An interval that is too narrow is believed more than it should be.",
    remedy: "ingest more people, and train again: intervals are calibrated on the tuning split",
    controls: &[
        Evidence {
            control: "aisvs-11.2.3",
            strength: Strength::Strong,
            because: "Intervals are calibrated by split conformal prediction, and how many values they covered was measured on people held out.",
        },
        Evidence {
            control: "gdpr-5(1)(d)",
            strength: Strength::Partial,
            because: "A forecast says how sure it is, and that was measured.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    of_serving(keep, judge_one)
}

/// Of a thousand values, so many must lie in the 90 % intervals: less is overconfident.
const COVERED_MIN: u32 = 850;

fn judge_one(version: &str, papers: &Papers) -> Outcome {
    match papers.covered_per_mille {
        None => Outcome::not_applicable("no target about a value was measured"),
        Some(covered) if covered < COVERED_MIN => {
            let percent = f64::from(covered) / 10.0;
            let what = format!("its 90 % intervals cover {percent:.1} % of the values");
            Outcome::fail(Place::of(version), what)
        }
        Some(_) => Outcome::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::Papers;
    use crate::rules::keep::testing::word_of;

    #[test]
    fn what_is_overconfident_fails() {
        let covered = |it| Papers { covered_per_mille: it, ..Papers::default() };
        assert_eq!(word_of(judge, covered(Some(850))), "pass");
        assert_eq!(word_of(judge, covered(Some(849))), "fail");
        assert_eq!(word_of(judge, covered(None)), "not-applicable");
    }
}
