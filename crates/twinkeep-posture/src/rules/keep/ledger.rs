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
    let fail = |code: &str| {
        let what = format!("it does not hold ({code})");
        vec![Judged::new("ledger", Outcome::fail(Place::of("ledger"), what))]
    };
    // A keep does not open on a ledger whose end was changed: that is what is asked here.
    if let Some(code) = keep.closed.as_deref().filter(|code| code.starts_with("ledger-")) {
        return fail(code);
    }
    if let Some(judged) = closed(keep) {
        return judged;
    }
    match keep.ledger.seen() {
        Ok(Holds::Yes) => vec![Judged::new("ledger", Outcome::Pass)],
        Ok(Holds::No(code)) => fail(code),
        Err(why) => vec![Judged::new("ledger", Outcome::not_checked(why))],
    }
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

    #[test]
    fn a_keep_that_does_not_open_for_its_ledger_fails() {
        let word = |why: &str| {
            let keep = Keep { closed: Some(why.to_owned()), ..Keep::default() };
            judge(&keep)[0].outcome.word()
        };
        assert_eq!(word("ledger-rolled-back"), "fail");
        assert_eq!(word("secret-wrong"), "not-checked");
    }
}
