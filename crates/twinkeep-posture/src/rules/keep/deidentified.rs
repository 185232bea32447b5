//! Rule `keep-deidentified`: every feed is de-identified before it is stored.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-deidentified",
    title: "Every feed is de-identified before it is stored",
    severity: Severity::Low,
    protects: "What is not there cannot be lost: names and numbers of people are of no use to a forecast.",
    remedy: "set `deidentify = \"safe-harbor\"` in `[intake]` of `twinkeep.toml`",
    controls: &[
        Evidence {
            control: "aisvs-1.1.1",
            strength: Strength::Partial,
            because: "Only codes of the pack are taken in, and identifiers go before a row is screened; which codes are needed, people know.",
        },
        Evidence {
            control: "gdpr-25(1)",
            strength: Strength::Partial,
            because: "Data minimization is part of the intake.",
        },
        Evidence {
            control: "hipaa-164.514(b)",
            strength: Strength::Partial,
            because: "The identifiers of the safe-harbor method are taken out of every feed.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    let outcome = match keep.settings.deidentify {
        true => Outcome::Pass,
        false => Outcome::fail(Place::of("intake.deidentify"), "identifiers in feeds are kept"),
    };
    vec![Judged::new("intake.deidentify", outcome)]
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::{Keep, Settings};

    #[test]
    fn feeds_as_they_are_fail() {
        let settings = Settings { deidentify: true, ..Settings::default() };
        assert_eq!(judge(&Keep { settings, ..Keep::default() })[0].outcome.word(), "pass");
        assert_eq!(judge(&Keep::default())[0].outcome.word(), "fail");
    }
}
