//! Rule `keep-ledger`: the ledger holds, all of it.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::{Holds, Keep};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-ledger",
    title: "The ledger holds, from the first entry to the last",
    severity: Severity::Critical,
    protects: "A ledger with a gap hides what was done in it.",
    remedy: "run `twinkeep ledger verify`, which says what is wrong; restore `ledger/` from the newest snapshot",
    controls: &[
        Evidence {
            control: "hipaa-164.312(b)",
            strength: Strength::Strong,
            because: "Every use case of the keep writes to it, and all of it was recomputed.",
        },
        Evidence {
            control: "aisvs-12.5.3",
            strength: Strength::Strong,
            because: "What changes a model is an entry, and no entry can be changed without being seen.",
        },
        Evidence {
            control: "gdpr-5(2)",
            strength: Strength::Partial,
            because: "It shows what was done with the data of people.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    let outcome = match keep.ledger.seen() {
        Ok(Holds::Yes) => Outcome::Pass,
        Ok(Holds::No(code)) => {
            Outcome::fail(Place::of("ledger"), format!("it does not hold ({code})"))
        }
        Err(why) => Outcome::not_checked(why),
    };
    vec![Judged::new("ledger", outcome)]
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::keep::{Holds, Keep};

    #[test]
    fn only_a_ledger_that_was_recomputed_passes() {
        let word = |ledger| judge(&Keep { ledger, ..Keep::default() })[0].outcome.word();
        assert_eq!(word(Known::Seen(Holds::Yes)), "pass");
        assert_eq!(word(Known::Seen(Holds::No("ledger-damaged".into()))), "fail");
        assert_eq!(word(Known::default()), "not-checked");
    }
}
