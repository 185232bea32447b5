//! Rule `keep-key-age`: keys are no older than two years.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-key-age",
    title: "Keys of a keep are no older than two years",
    severity: Severity::Medium,
    protects: "The longer a key is used, the more there is that falls with it, and the more copies of it lie somewhere.",
    remedy: "run `twinkeep key rotate --kek`, and `twinkeep key rotate --data`; all others are a keep's for its life: make a new keep, and ingest its feeds there",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(2)(iv)",
            strength: Strength::Partial,
            because: "Keys that are renewed bound what a lost key opens.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Partial,
            because: "Encryption protects for as long as its keys are only where they should be.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

/// NIST SP 800-57, part 1: private keys that sign and wrap are used for one to three years.
const AGE_DAYS_MAX: i64 = 730;

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    let judged = keep.keys.iter().map(|key| {
        let outcome = if AGE_DAYS_MAX < key.age_days {
            Outcome::fail(Place::of(&key.name), format!("it is {} days old", key.age_days))
        } else if key.age_days < -1 {
            // Once the clock was set back, nobody can tell how old it is.
            Outcome::not_checked("it was made later than now: the clock was wrong then, or is now")
        } else {
            Outcome::Pass
        };
        Judged::new(&key.name, outcome)
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::{Keep, Key};

    #[test]
    fn two_years_are_enough() {
        let key = |age_days| Key { name: format!("of {age_days} days"), age_days };
        let judged = judge(&Keep { keys: vec![key(730), key(731), key(-2)], ..Keep::default() });
        assert_eq!(judged[0].outcome.word(), "pass");
        assert_eq!(judged[1].outcome.word(), "fail");
        assert_eq!(judged[2].outcome.word(), "not-checked");
    }
}
