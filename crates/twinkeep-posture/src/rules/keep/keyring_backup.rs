//! Rule `keep-keyring-backup`: the keys of the data are copied every week.

use super::{closed, recently};
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-keyring-backup",
    title: "The keyring was backed up within the last week",
    severity: Severity::High,
    protects: "A snapshot opens with a keyring only; without one, all of it is noise.",
    remedy: "run `twinkeep keyring backup FILE`, and keep it apart from the snapshots",
    controls: &[
        Evidence {
            control: "hipaa-164.308(a)(7)(ii)(B)",
            strength: Strength::Partial,
            because: "Lost data is restored with a snapshot and a keyring.",
        },
        Evidence {
            control: "gdpr-32(1)(c)",
            strength: Strength::Partial,
            because: "Availability is restored with a snapshot and a keyring.",
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
    vec![Judged::new("keyring.backed-up", recently(keep, "keyring.backed-up", DAYS_MAX))]
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::Keep;

    const DAY_US: i64 = 86_400_000_000;

    #[test]
    fn what_is_never_done_or_long_ago_fails() {
        let word = |last: Option<i64>| {
            let last = last.map(|at| ("keyring.backed-up".to_owned(), at)).into_iter().collect();
            judge(&Keep { taken_us: 100 * DAY_US, last, ..Keep::default() })[0].outcome.word()
        };
        assert_eq!(word(None), "fail");
        assert_eq!(word(Some((100 - 7) * DAY_US)), "pass");
        assert_eq!(word(Some((100 - 7) * DAY_US - 1)), "fail");
    }
}
