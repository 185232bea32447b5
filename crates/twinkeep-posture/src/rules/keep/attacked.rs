//! Rule `keep-model-attacked`: the version in service was attacked before others do it.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-model-attacked",
    title: "The version in service was attacked: membership and extraction",
    severity: Severity::Medium,
    protects: "Nobody knows what a model gives away of the people that it learned from until somebody tries.",
    remedy: "run `twinkeep attack membership` and `twinkeep attack extraction` for the version",
    controls: &[
        Evidence {
            control: "aisvs-11.2.5",
            strength: Strength::Partial,
            because: "The attack was run, and a version of which it found more than the pack permits is not released.",
        },
        Evidence {
            control: "aisvs-11.1.3",
            strength: Strength::Partial,
            because: "Two known attacks on models of tables were run.",
        },
        Evidence {
            control: "gdpr-32(1)(d)",
            strength: Strength::Partial,
            because: "Testing how well protection works is what article 32 asks for.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

/// The attacks that are asked for.
const ATTACKS: [&str; 2] = ["membership", "extraction"];

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    let serving = keep.models.iter().filter(|model| model.status == "in-service");
    let judged = serving.map(|model| {
        let missing: Vec<&str> =
            ATTACKS.into_iter().filter(|kind| !model.attacked.contains(*kind)).collect();
        let outcome = if missing.is_empty() {
            Outcome::Pass
        } else {
            let what = format!("nobody has tried {}", missing.join(" or "));
            Outcome::fail(Place::of(&model.version), what)
        };
        Judged::new(&model.version, outcome)
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::{Holds, Keep, Model};

    fn word(attacked: &[&str]) -> &'static str {
        let model = Model {
            version: "v1".into(),
            status: "in-service".into(),
            backup: false,
            verified: Holds::Yes,
            attacked: attacked.iter().map(|&kind| kind.to_owned()).collect(),
        };
        judge(&Keep { models: vec![model], ..Keep::default() })[0].outcome.word()
    }

    #[test]
    fn both_attacks_are_asked_for() {
        assert_eq!(word(&[]), "fail");
        assert_eq!(word(&["membership"]), "fail");
        assert_eq!(word(&["extraction", "membership"]), "pass");
    }
}
