//! Rule `keep-witness`: somebody else has seen the ledger.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::{Holds, Keep};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-witness",
    title: "The ledger continues a checkpoint that a witness cosigned",
    severity: Severity::Medium,
    protects: "Whoever has the keep and its secret can write another past, as long as nobody else remembers the real one.",
    remedy: "have a witness cosign a checkpoint (docs/guides/audit.md), and name it with `--cosigned FILE --witness-key FILE`",
    controls: &[
        Evidence {
            control: "aisvs-12.5.3",
            strength: Strength::Partial,
            because: "Entries cannot be changed even by whoever runs the keep.",
        },
        Evidence {
            control: "gdpr-5(2)",
            strength: Strength::Partial,
            because: "What is shown can be believed by those who do not trust the operator.",
        },
        Evidence {
            control: "hipaa-164.316(b)(1)",
            strength: Strength::Partial,
            because: "The record of what was done is the one that was made then.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    let outcome = match keep.witness.seen() {
        Ok(Holds::Yes) => Outcome::Pass,
        Ok(Holds::No(code)) => Outcome::fail(
            Place::of("ledger"),
            format!("it does not continue what the witness cosigned ({code})"),
        ),
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
    fn without_a_cosigned_checkpoint_nobody_knows() {
        let word = |witness| judge(&Keep { witness, ..Keep::default() })[0].outcome.word();
        assert_eq!(word(Known::Seen(Holds::Yes)), "pass");
        assert_eq!(word(Known::Seen(Holds::No("witness-missing".into()))), "fail");
        assert_eq!(word(Known::default()), "not-checked");
    }
}
