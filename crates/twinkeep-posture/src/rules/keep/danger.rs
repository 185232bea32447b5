//! Rule `keep-danger-settings`: nobody chose to go without a protection.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-danger-settings",
    title: "No setting takes a protection away",
    severity: Severity::High,
    protects: "Settings whose names begin with `danger` are for a test or an emergency, and are forgotten there.",
    remedy: "take the setting out of `twinkeep.toml`, and restart `twinkeep serve`",
    controls: &[
        Evidence {
            control: "gdpr-25(2)",
            strength: Strength::Partial,
            because: "What protects is on unless somebody chooses otherwise, and nobody did.",
        },
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Partial,
            because: "Processes without keys face the network.",
        },
        Evidence {
            control: "aisvs-5.2.5",
            strength: Strength::Partial,
            because: "The process that decides has no network, and runs apart from those that face clients.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    if keep.settings.danger.is_empty() {
        return vec![Judged::new(&keep.root, Outcome::Pass)];
    }
    let judged = keep.settings.danger.iter().map(|name| {
        Judged::new(name, Outcome::fail(Place::of(name), "it takes a protection away"))
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::{Keep, Settings};

    #[test]
    fn each_such_setting_fails() {
        let word = |names: &[&str]| {
            let danger = names.iter().map(|&name| name.to_owned()).collect();
            let settings = Settings { danger, ..Settings::default() };
            let judged = judge(&Keep { settings, ..Keep::default() });
            judged.iter().map(|it| it.outcome.word()).collect::<Vec<_>>()
        };
        assert_eq!(word(&[]), ["pass"]);
        assert_eq!(word(&["gate.isolation"]), ["fail"]);
    }
}
