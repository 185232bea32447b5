//! Rule `keep-retention`: there is room for six years of records.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-retention",
    title: "There is room to keep what is recorded for six years",
    severity: Severity::Medium,
    protects: "When the disk is full, nothing can be done any more, because nothing can be recorded.",
    remedy: "give `ledger/` more room; `twinkeep watch retention` says how much a day adds",
    controls: &[
        Evidence {
            control: "hipaa-164.316(b)(2)(i)",
            strength: Strength::Strong,
            because: "The ledger loses nothing, and the room was held against what a day adds.",
        },
        Evidence {
            control: "hipaa-164.530(j)",
            strength: Strength::Partial,
            because: "Disclosures and decisions are kept for six years in the ledger.",
        },
        Evidence {
            control: "gdpr-5(2)",
            strength: Strength::Partial,
            because: "What was done can be shown for as long as it is asked.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

/// 45 CFR 164.316(b)(2)(i): six years, two of them leap years.
const DAYS_MIN: u64 = 2192;

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    let outcome = match keep.retention_days.seen() {
        Ok(Some(days)) if *days < DAYS_MIN => {
            Outcome::fail(Place::of("ledger"), format!("there is room for {days} days"))
        }
        Ok(_) => Outcome::Pass,
        Err(why) => Outcome::not_checked(why),
    };
    vec![Judged::new("ledger", outcome)]
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::keep::Keep;

    #[test]
    fn six_years_are_needed() {
        let word =
            |retention_days| judge(&Keep { retention_days, ..Keep::default() })[0].outcome.word();
        assert_eq!(word(Known::Seen(Some(2191))), "fail");
        assert_eq!(word(Known::Seen(Some(2192))), "pass");
        assert_eq!(word(Known::Seen(None)), "pass");
        assert_eq!(word(Known::default()), "not-checked");
    }
}
