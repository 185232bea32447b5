//! Rule `keep-api-key-lives`: no API key lives for longer than a quarter of a year.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::{ApiKey, Keep};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-api-key-lives",
    title: "No API key lives for longer than a quarter of a year",
    severity: Severity::Low,
    protects: "A key that was copied stays good until it ends.",
    remedy: "replace it with `twinkeep key rotate ID --days 90`",
    controls: &[
        Evidence {
            control: "aisvs-5.2.6",
            strength: Strength::Partial,
            because: "What a client may do ends by itself.",
        },
        Evidence {
            control: "hipaa-164.308(a)(3)(ii)(C)",
            strength: Strength::Partial,
            because: "Access that nobody ends ends by itself.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    match keep.api_keys.seen() {
        Ok(seen) => ending(keep, seen),
        Err(why) => vec![Judged::new(&keep.root, Outcome::not_checked(why))],
    }
}

/// A quarter of a year, with a week to change over.
const DAYS_MAX: i64 = 99;

fn ending(keep: &Keep, keys: &[ApiKey]) -> Vec<Judged> {
    if keys.is_empty() {
        return vec![Judged::new(&keep.root, Outcome::not_applicable("no API key is live"))];
    }
    let judged = keys.iter().map(|key| {
        let fail = |what: String| Outcome::fail(Place::of(&key.id), what);
        let outcome = match key.days {
            Some(days) if days <= DAYS_MAX => Outcome::Pass,
            Some(days) => fail(format!("it was made for {days} days")),
            None => fail("it never ends".to_owned()),
        };
        Judged::new(&key.id, outcome)
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::keep::{ApiKey, Keep};

    fn word(days: &[Option<i64>]) -> &'static str {
        let key = |&days| ApiKey { id: "0a1b2c3d".into(), days };
        let api_keys = Known::Seen(days.iter().map(key).collect());
        judge(&Keep { api_keys, ..Keep::default() })[0].outcome.word()
    }

    #[test]
    fn a_key_that_lives_long_fails() {
        assert_eq!(word(&[Some(90)]), "pass");
        assert_eq!(word(&[Some(365)]), "fail");
        assert_eq!(word(&[None]), "fail");
        assert_eq!(word(&[]), "not-applicable");
        assert_eq!(judge(&Keep::default())[0].outcome.word(), "not-checked");
    }
}
