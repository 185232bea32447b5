//! Rule `keep-policy`: the policy that people read is the one in force.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-policy",
    title: "The policy that people read is the one in force",
    severity: Severity::Medium,
    protects: "A policy that was edited and not applied, or applied and not written down, is not what people think.",
    remedy: "apply the file with `twinkeep policy apply policy.cedar`, or write down what `twinkeep policy show` prints",
    controls: &[
        Evidence {
            control: "aisvs-5.2.4",
            strength: Strength::Partial,
            because: "The policy obliges answers to a form by role and purpose: fewer digits, or only up or down; and what is not permitted is refused.",
        },
        Evidence {
            control: "aisvs-5.2.1",
            strength: Strength::Partial,
            because: "What no policy permits is denied.",
        },
        Evidence {
            control: "hipaa-164.308(a)(4)(ii)(C)",
            strength: Strength::Partial,
            because: "What is in force was reviewed where it is written down.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    match keep.watch.seen() {
        Ok(seen) => vec![Judged::new("policy.cedar", same(seen.policy_as_read))],
        Err(why) => vec![Judged::new(&keep.root, Outcome::not_checked(why))],
    }
}

fn same(as_read: bool) -> Outcome {
    match as_read {
        true => Outcome::Pass,
        false => Outcome::fail(Place::of("policy.cedar"), "the policy in force is another one"),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::keep::{Keep, Watch};

    #[test]
    fn another_policy_in_force_fails() {
        let words = |watch| {
            let judged = judge(&Keep { watch: Known::Seen(watch), ..Keep::default() });
            judged.iter().map(|it| it.outcome.word()).collect::<Vec<_>>()
        };
        assert_eq!(words(Watch { policy_as_read: true, ..Watch::default() }), ["pass"]);
        assert_eq!(words(Watch::default()), ["fail"]);
        assert_eq!(judge(&Keep::default())[0].outcome.word(), "not-checked");
    }
}
