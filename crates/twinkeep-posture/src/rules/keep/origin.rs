//! Rule `keep-model-origin`: every version that may serve says what it was made of.

use super::of_serving;
use crate::facts::Check;
use crate::facts::keep::{Keep, Papers};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-model-origin",
    title: "Every version that may serve says what it was made of",
    severity: Severity::High,
    protects: "Without it, nobody can tell which data, program, and pack a forecast goes back to.",
    remedy: "train the version again with this program; `twinkeep model show VERSION` shows what it says of itself",
    controls: &[
        Evidence {
            control: "aisvs-3.1.1",
            strength: Strength::Strong,
            because: "The registry lists every version, and each signs its provenance: program, pack, and data by digest.",
        },
        Evidence {
            control: "aisvs-12.5.1",
            strength: Strength::Partial,
            because: "The provenance names the files of events that it was made from, by digest.",
        },
        Evidence {
            control: "gdpr-5(2)",
            strength: Strength::Partial,
            because: "What a model was made of can be shown.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    of_serving(keep, judge_one)
}

fn judge_one(version: &str, papers: &Papers) -> Outcome {
    if papers.origin_missing.is_empty() {
        return Outcome::Pass;
    }
    let missing: Vec<&str> = papers.origin_missing.iter().map(String::as_str).collect();
    Outcome::fail(Place::of(version), format!("its provenance lacks {}", missing.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::Papers;
    use crate::rules::keep::testing::word_of;

    #[test]
    fn what_is_missing_is_named() {
        let missing = Papers { origin_missing: ["data".into()].into(), ..Papers::default() };
        assert_eq!(word_of(judge, Papers::default()), "pass");
        assert_eq!(word_of(judge, missing), "fail");
    }
}
