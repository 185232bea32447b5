//! Rule `keep-influence`: what each feed does to the model was looked at within a quarter of a year.

use super::{closed, recently};
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-influence",
    title: "What each feed does to the model was looked at within a quarter of a year",
    severity: Severity::Low,
    protects: "Poison with right labels passes every look at the data, and shows only in what it does to a model.",
    remedy: "run `twinkeep model influence`",
    controls: &[
        Evidence {
            control: "aisvs-1.3.5",
            strength: Strength::Partial,
            because: "The model learns without each feed and sender, and what is worse for it beyond chance is an incident.",
        },
        Evidence {
            control: "aisvs-1.3.1",
            strength: Strength::Partial,
            because: "It finds what the panel cannot see.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

/// After so many days it has to be done again.
const DAYS_MAX: i64 = 92;

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    vec![Judged::new("feed.influence", recently(keep, "feed.influence", DAYS_MAX))]
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::Keep;

    const DAY_US: i64 = 86_400_000_000;

    #[test]
    fn what_is_never_done_or_long_ago_fails() {
        let word = |last: Option<i64>| {
            let last = last.map(|at| ("feed.influence".to_owned(), at)).into_iter().collect();
            judge(&Keep { taken_us: 100 * DAY_US, last, ..Keep::default() })[0].outcome.word()
        };
        assert_eq!(word(None), "fail");
        assert_eq!(word(Some(8 * DAY_US)), "pass");
        assert_eq!(word(Some(8 * DAY_US - 1)), "fail");
    }
}
