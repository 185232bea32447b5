//! Rule `keep-model-bill`: every version that may serve has a whole and signed bill of materials.

use super::of_serving;
use crate::facts::Check;
use crate::facts::keep::{Keep, Papers};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-model-bill",
    title: "Every version that may serve has a whole and signed bill of materials",
    severity: Severity::Medium,
    protects: "What is in a model cannot be looked for when a part of it turns out to be bad.",
    remedy: "train the version again with this program; `twinkeep model show VERSION` shows what it says of itself",
    controls: &[
        Evidence {
            control: "aisvs-6.2.1",
            strength: Strength::Partial,
            because: "Each version has a CycloneDX bill with data, program, and pack; the licenses of data are not in it.",
        },
        Evidence {
            control: "aisvs-6.2.2",
            strength: Strength::Strong,
            because: "The bill is one of the files that the signature of the version covers, and that was verified.",
        },
        Evidence {
            control: "aisvs-6.2.3",
            strength: Strength::Partial,
            because: "A part without a name or a digest fails here, before the version is released.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    of_serving(keep, judge_one)
}

fn judge_one(version: &str, papers: &Papers) -> Outcome {
    if papers.bill_missing.is_empty() {
        return Outcome::Pass;
    }
    let missing: Vec<&str> = papers.bill_missing.iter().map(String::as_str).collect();
    Outcome::fail(Place::of(version), format!("its bill of materials lacks {}", missing.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::Papers;
    use crate::rules::keep::testing::word_of;

    #[test]
    fn a_part_without_a_digest_fails() {
        let missing = Papers { bill_missing: ["hash of data".into()].into(), ..Papers::default() };
        assert_eq!(word_of(judge, Papers::default()), "pass");
        assert_eq!(word_of(judge, missing), "fail");
    }
}
