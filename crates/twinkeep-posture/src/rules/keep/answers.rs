//! Rule `keep-answers-recorded`: the ledger says of every answer who asked and which model answered.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::{Answers, Keep};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-answers-recorded",
    title: "The ledger says of every answer who asked and which model answered",
    severity: Severity::High,
    protects: "Without it, nobody can tell who was told what about a person.",
    remedy: "find out since when (`twinkeep ledger search --action twin.forecast`), and which program wrote these entries",
    controls: &[
        Evidence {
            control: "aisvs-12.1.1",
            strength: Strength::Strong,
            because: "An answer that is not recorded is not given; the newest entries were read.",
        },
        Evidence {
            control: "aisvs-12.1.3",
            strength: Strength::Partial,
            because: "Entries have one form with operation, model, caller, and outcome, and are exported as OCSF; there are no tokens to count.",
        },
        Evidence {
            control: "aisvs-12.1.2",
            strength: Strength::Partial,
            because: "A question that the policy refuses is an entry with the code of the refusal.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    match keep.answers.seen() {
        Ok(seen) => vec![Judged::new("ledger", told(seen))],
        Err(why) => vec![Judged::new(&keep.root, Outcome::not_checked(why))],
    }
}

fn told(answers: &Answers) -> Outcome {
    let fail = |what: String| Outcome::fail(Place::of("ledger"), what);
    match *answers {
        Answers { looked_at: 0, .. } => Outcome::not_applicable("nobody has asked yet"),
        Answers { without_caller: 0, without_model: 0, .. } => Outcome::Pass,
        Answers { looked_at, without_caller, without_model } => fail(format!(
            "of the newest {looked_at} entries, {without_caller} do not say who asked, and \
             {without_model} not which model answered"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::keep::{Answers, Keep};

    #[test]
    fn an_answer_of_no_model_or_to_nobody_fails() {
        let word = |looked_at, without_caller, without_model| {
            let answers = Known::Seen(Answers { looked_at, without_caller, without_model });
            judge(&Keep { answers, ..Keep::default() })[0].outcome.word()
        };
        assert_eq!([word(0, 0, 0), word(5, 0, 0)], ["not-applicable", "pass"]);
        assert_eq!([word(5, 1, 0), word(5, 0, 1)], ["fail", "fail"]);
        assert_eq!(judge(&Keep::default())[0].outcome.word(), "not-checked");
    }
}
