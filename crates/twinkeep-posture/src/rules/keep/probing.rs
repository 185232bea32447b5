//! Rule `keep-probe-profile`: whoever probes the version in service is seen.

use super::of_serving;
use crate::facts::Check;
use crate::facts::keep::{Keep, Papers};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-probe-profile",
    title: "Who probes the version in service is seen, and answered more coarsely",
    severity: Severity::Medium,
    protects: "Whoever asks enough questions copies a model, or finds out who is in it.",
    remedy: "ingest more people, and train again: a profile is made of a number of people that gives nobody away",
    controls: &[
        Evidence {
            control: "aisvs-11.3.1",
            strength: Strength::Strong,
            because: "What is asked is compared with the profile that was signed with the version, by caller and by group of callers.",
        },
        Evidence {
            control: "aisvs-11.3.4",
            strength: Strength::Strong,
            because: "Each alarm makes the answers of who probes coarser by a step, at once and on record.",
        },
        Evidence {
            control: "aisvs-12.2.2",
            strength: Strength::Partial,
            because: "Probing is among the patterns of use that are looked for, beside unusual access.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    of_serving(keep, judge_one)
}

fn judge_one(version: &str, papers: &Papers) -> Outcome {
    match papers.profile {
        true => Outcome::Pass,
        false => {
            Outcome::fail(Place::of(version), "it has no profile that questions are held against")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::Papers;
    use crate::rules::keep::testing::word_of;

    #[test]
    fn a_version_without_a_profile_fails() {
        assert_eq!(word_of(judge, Papers { profile: true, ..Papers::default() }), "pass");
        assert_eq!(word_of(judge, Papers::default()), "fail");
    }
}
