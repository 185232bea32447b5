//! Rule `keep-probe-profile`: whoever probes the version in service is seen.

use super::of_serving;
use crate::facts::Check;
use crate::facts::keep::{Keep, Papers, Watch};
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
    let mut judged = of_serving(keep, judge_one);
    if keep.closed.is_none() {
        let switched = match keep.watch.seen() {
            Ok(seen) => off(seen),
            Err(why) => Some(Outcome::not_checked(why)),
        };
        judged.extend(switched.map(|outcome| Judged::new("probe.toml", outcome)));
    }
    judged
}

/// What the parameters of a keep switch off: a profile alone sees nobody, and an alarm alone stops
/// nobody.
fn off(watch: &Watch) -> Option<Outcome> {
    let fail = |what: &str| Some(Outcome::fail(Place::of("probe.toml"), what));
    match *watch {
        Watch { probing: false, .. } => fail("`enabled` is false: callers are not followed"),
        Watch { coarser_hours: 0, .. } => fail("`tier_hours` is 0: an alarm changes no answer"),
        _ => None,
    }
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
    use super::{judge, off};
    use crate::facts::keep::{Papers, Watch};
    use crate::rules::keep::testing::word_of;

    #[test]
    fn a_version_without_a_profile_fails() {
        assert_eq!(word_of(judge, Papers { profile: true, ..Papers::default() }), "pass");
        assert_eq!(word_of(judge, Papers::default()), "fail");
    }

    #[test]
    fn a_profile_that_nothing_is_held_against_fails() {
        let watch = |probing, coarser_hours| Watch { probing, coarser_hours, ..Watch::default() };
        let word = |watch| off(&watch).map(|it| it.word());
        assert_eq!(word(watch(true, 24)), None);
        assert_eq!([word(watch(false, 24)), word(watch(true, 0))], [Some("fail"); 2]);
    }
}
