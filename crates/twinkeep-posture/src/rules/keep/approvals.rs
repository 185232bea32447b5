//! Rule `keep-approvals`: nobody releases a model alone.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-approvals",
    title: "Two people decide which model serves",
    severity: Severity::Low,
    protects: "One person, or whoever has their secret, decides what is forecast of everybody.",
    remedy: "name approvers with `twinkeep model approver add`, and ask for one with `twinkeep model approver require 1`",
    controls: &[
        Evidence {
            control: "aisvs-5.1.1",
            strength: Strength::Partial,
            because: "A release needs somebody else's signature.",
        },
        Evidence {
            control: "hipaa-164.308(a)(3)(ii)(A)",
            strength: Strength::Partial,
            because: "What one does with a model is authorized by another.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    let outcome = match keep.settings.approvals_required {
        0 => Outcome::fail(Place::of("approvals"), "whoever opens the keep can release a version"),
        _ => Outcome::Pass,
    };
    vec![Judged::new("approvals", outcome)]
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::{Keep, Settings};

    #[test]
    fn one_approver_besides_the_operator_is_enough() {
        let word = |approvals_required| {
            let settings = Settings { approvals_required, ..Settings::default() };
            judge(&Keep { settings, ..Keep::default() })[0].outcome.word()
        };
        assert_eq!([0, 1].map(word), ["fail", "pass"]);
    }
}
