//! Rule `keep-model-noise`: every version that may serve learned with differential privacy.

use super::of_serving;
use crate::facts::Check;
use crate::facts::keep::{Keep, Papers};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-model-noise",
    title: "Every version that may serve learned with differential privacy",
    severity: Severity::Low,
    protects: "A model can give away whether one person is among those it learned from.",
    remedy: "set `noise` in `[privacy]` of the pack, and train again; `twinkeep train --privacy-cost` says what that costs in error",
    controls: &[
        Evidence {
            control: "aisvs-11.2.4",
            strength: Strength::Strong,
            because: "The version learned with noise of a stated epsilon and delta, which its signed card has.",
        },
        Evidence {
            control: "gdpr-25(1)",
            strength: Strength::Partial,
            because: "Protection is part of how the model is made.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    of_serving(keep, judge_one)
}

fn judge_one(version: &str, papers: &Papers) -> Outcome {
    match papers.noise {
        true => Outcome::Pass,
        false => Outcome::fail(Place::of(version), "it learned without noise"),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::Papers;
    use crate::rules::keep::testing::word_of;

    #[test]
    fn learning_without_noise_fails() {
        assert_eq!(word_of(judge, Papers { noise: true, ..Papers::default() }), "pass");
        assert_eq!(word_of(judge, Papers::default()), "fail");
    }
}
