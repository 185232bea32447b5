//! Rule `keep-snapshot`: the data is copied every week.

use super::{closed, recently};
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-snapshot",
    title: "A snapshot was taken within the last week",
    severity: Severity::High,
    protects: "What was not copied is gone with the disk.",
    remedy: "run `twinkeep store snapshot DIR`, best by a timer; a copy on another machine is what counts",
    controls: &[
        Evidence {
            control: "hipaa-164.308(a)(7)(ii)(A)",
            strength: Strength::Strong,
            because: "Retrievable exact copies are what a snapshot is, and the ledger says when one was taken.",
        },
        Evidence {
            control: "hipaa-164.310(d)(2)(iv)",
            strength: Strength::Partial,
            because: "A copy exists before equipment is moved.",
        },
        Evidence {
            control: "gdpr-32(1)(c)",
            strength: Strength::Partial,
            because: "Nothing is restored that was not copied.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

/// After so many days it has to be done again.
const DAYS_MAX: i64 = 7;

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    vec![Judged::new("keep.snapshotted", recently(keep, "keep.snapshotted", DAYS_MAX))]
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::Keep;

    const DAY_US: i64 = 86_400_000_000;

    #[test]
    fn what_is_never_done_or_long_ago_fails() {
        let word = |last: Option<i64>| {
            let last = last.map(|at| ("keep.snapshotted".to_owned(), at)).into_iter().collect();
            judge(&Keep { taken_us: 100 * DAY_US, last, ..Keep::default() })[0].outcome.word()
        };
        assert_eq!(word(None), "fail");
        assert_eq!(word(Some((100 - 7) * DAY_US)), "pass");
        assert_eq!(word(Some((100 - 7) * DAY_US - 1)), "fail");
    }
}
