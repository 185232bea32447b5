//! Rule `keep-model-noise`: every version that may serve learned with differential privacy.
//!
//! With an epsilon, what anybody can conclude about whether one person is in the data changes by a
//! factor of at most e^epsilon (Dwork and Roth, "The Algorithmic Foundations of Differential
//! Privacy", definition 2.4). At 10 that is 22,026: more promises nothing. NIST SP 800-226 tells how
//! a guarantee is weighed by its epsilon; the bound is ours.

use super::of_serving;
use crate::facts::Check;
use crate::facts::keep::{Keep, Papers};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-model-noise",
    title: "Every version that may serve learned with differential privacy of an epsilon of 10 at most",
    severity: Severity::Low,
    protects: "A model can give away whether one person is among those it learned from. Noise of an \
               epsilon bounds how much by the factor e^epsilon (Dwork and Roth, definition 2.4; NIST \
               SP 800-226): at 10 that is 22,026, and more promises nothing.",
    remedy: "set `noise` in `[privacy]` of the pack, with an `epsilon` of 10 or less, and train again; `twinkeep train --privacy-cost` says what that costs in error",
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

/// A larger epsilon promises nothing.
const EPSILON_PER_MILLE_MAX: u64 = 10_000;

fn judge_one(version: &str, papers: &Papers) -> Outcome {
    match papers.epsilon_per_mille {
        _ if !papers.noise => Outcome::fail(Place::of(version), "it learned without noise"),
        None => Outcome::not_checked("it learned with noise, and nothing says of which epsilon"),
        Some(epsilon) if EPSILON_PER_MILLE_MAX < epsilon => {
            let epsilon = epsilon as f64 / 1000.0;
            let what =
                format!("it learned with noise of an epsilon of {epsilon}, which hides nobody");
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
    fn learning_without_noise_or_with_too_little_fails() {
        let of = |noise, epsilon_per_mille| {
            word_of(judge, Papers { noise, epsilon_per_mille, ..Papers::default() })
        };
        assert_eq!(of(true, Some(1)), "pass");
        assert_eq!(of(true, Some(10_000)), "pass");
        assert_eq!(of(true, Some(10_001)), "fail");
        assert_eq!(of(true, Some(u64::MAX)), "fail");
        assert_eq!(of(false, None), "fail");
        // Facts that an older program took do not say.
        assert_eq!(of(true, None), "not-checked");
    }
}
