//! Rule `keep-model-backup`: a version stands by that would take over.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::{Holds, Keep, Model};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-model-backup",
    title: "A version stands by that takes over if the one in service fails",
    severity: Severity::Medium,
    protects: "Without it, forecasts stop with the first version that does not verify any more.",
    remedy: "release a second version with `twinkeep model release VERSION`, and name it with `twinkeep model backup VERSION`",
    controls: &[
        Evidence {
            control: "aisvs-3.3.2",
            strength: Strength::Strong,
            because: "The backup was verified and its weights were loaded, so that it can be gone back to as a whole.",
        },
        Evidence {
            control: "hipaa-164.308(a)(7)(ii)(C)",
            strength: Strength::Partial,
            because: "It keeps forecasts available while the version in service is looked at.",
        },
        Evidence {
            control: "gdpr-32(1)(c)",
            strength: Strength::Partial,
            because: "It restores the availability of forecasts in one step.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    if !keep.models.iter().any(|model| model.status == "in-service") {
        return vec![Judged::new(&keep.root, Outcome::not_applicable("no version is in service"))];
    }
    let outcome = match keep.models.iter().find(|model| model.backup) {
        None => Outcome::fail(Place::of(&keep.root), "no version stands by"),
        Some(Model { version, verified: Holds::No(code), .. }) => {
            Outcome::fail(Place::of(version), format!("the backup does not load ({code})"))
        }
        Some(_) => Outcome::Pass,
    };
    vec![Judged::new(&keep.root, outcome)]
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::{Holds, Keep, Model};

    fn word(models: &[(&str, bool, Holds)]) -> &'static str {
        let model = |(status, backup, verified): &(&str, bool, Holds)| Model {
            version: format!("v-{status}"),
            status: (*status).to_owned(),
            backup: *backup,
            verified: verified.clone(),
            attacked: [].into(),
        };
        let models = models.iter().map(model).collect();
        judge(&Keep { models, ..Keep::default() })[0].outcome.word()
    }

    #[test]
    fn a_backup_has_to_load() {
        let serving = ("in-service", false, Holds::Yes);
        assert_eq!(word(&[]), "not-applicable");
        assert_eq!(word(std::slice::from_ref(&serving)), "fail");
        assert_eq!(word(&[serving.clone(), ("released", true, Holds::Yes)]), "pass");
        assert_eq!(word(&[serving, ("released", true, Holds::No("digest".into()))]), "fail");
    }
}
