//! Rule `keep-model-signature`: every version that may serve is what was signed.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::{Holds, Keep};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-model-signature",
    title: "Every model version that may serve verifies",
    severity: Severity::Critical,
    protects: "Whoever exchanges the weights decides what is forecast of every person.",
    remedy: "run `twinkeep model verify VERSION`; a version that does not verify is quarantined with `twinkeep model quarantine`, and trained again",
    controls: &[
        Evidence {
            control: "aisvs-3.1.2",
            strength: Strength::Strong,
            because: "The signature of every version over all of its files was checked with the key of the keep.",
        },
        Evidence {
            control: "aisvs-6.1.3",
            strength: Strength::Partial,
            because: "Digests of all files of a version are in what was signed.",
        },
        Evidence {
            control: "hipaa-164.312(c)(1)",
            strength: Strength::Partial,
            because: "A model that was altered alters what is recorded of people.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    // What is quarantined is known to be wrong, and nothing serves it.
    let serving = keep.models.iter().filter(|model| model.status != "quarantined");
    let judged = serving.map(|model| {
        let outcome = match &model.verified {
            Holds::Yes => Outcome::Pass,
            Holds::No(code) => {
                Outcome::fail(Place::of(&model.version), format!("it does not verify ({code})"))
            }
        };
        Judged::new(&model.version, outcome)
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::{Holds, Keep, Model};

    fn model(status: &str, verified: Holds) -> Model {
        let (version, status) = ("v1".to_owned(), status.to_owned());
        Model { version, status, backup: false, verified, attacked: [].into() }
    }

    #[test]
    fn what_may_serve_must_verify() {
        let words =
            [model("in-service", Holds::Yes), model("candidate", Holds::No("digest".into()))].map(
                |model| judge(&Keep { models: vec![model], ..Keep::default() })[0].outcome.word(),
            );
        assert_eq!(words, ["pass", "fail"]);
    }

    #[test]
    fn what_is_quarantined_does_not_count() {
        let models = vec![model("quarantined", Holds::No("digest".into()))];
        assert_eq!(judge(&Keep { models, ..Keep::default() }), []);
    }
}
