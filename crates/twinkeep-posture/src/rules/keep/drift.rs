//! Rule `keep-drift-checked`: drift is looked for every month.

use super::{closed, recently};
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-drift-checked",
    title: "Drift was looked for within the last month",
    severity: Severity::Medium,
    protects: "A model that learned from other people than those who come now is wrong without anybody noticing.",
    remedy: "run `twinkeep drift`, best by a timer",
    controls: &[
        Evidence {
            control: "aisvs-12.3.1",
            strength: Strength::Strong,
            because: "Inputs, forecasts, and errors are compared with the baseline by tests that are made for them.",
        },
        Evidence {
            control: "gdpr-5(1)(d)",
            strength: Strength::Partial,
            because: "A forecast that has drifted is no longer accurate.",
        },
        Evidence {
            control: "hipaa-164.308(a)(8)",
            strength: Strength::Partial,
            because: "It is a periodic evaluation in response to change.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

/// After so many days it has to be done again.
const DAYS_MAX: i64 = 31;

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    vec![Judged::new("drift.checked", recently(keep, "drift.checked", DAYS_MAX))]
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::Keep;

    const DAY_US: i64 = 86_400_000_000;

    #[test]
    fn what_is_never_done_or_long_ago_fails() {
        let word = |last: Option<i64>| {
            let last = last.map(|at| ("drift.checked".to_owned(), at)).into_iter().collect();
            judge(&Keep { taken_us: 100 * DAY_US, last, ..Keep::default() })[0].outcome.word()
        };
        assert_eq!(word(None), "fail");
        assert_eq!(word(Some((100 - 31) * DAY_US)), "pass");
        assert_eq!(word(Some((100 - 31) * DAY_US - 1)), "fail");
    }
}
