//! Rule `keep-alerts`: people are told of grave incidents, and what is told arrives.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::{Alert, Keep};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-alerts",
    title: "People are told of grave incidents, and what is told arrives",
    severity: Severity::Medium,
    protects: "An incident that nobody hears of goes on.",
    remedy: "set an `[[alert]]` in `twinkeep.toml` that tells from `high` or less on, try it with `twinkeep alert test`, and `twinkeep alert list` says what was put aside",
    controls: &[
        Evidence {
            control: "aisvs-12.2.1",
            strength: Strength::Partial,
            because: "Poisoned feeds, changed models, and probing are detected, and people are told.",
        },
        Evidence {
            control: "aisvs-12.2.4",
            strength: Strength::Partial,
            because: "What was asked in an attempt at extraction is kept as evidence, whose digest the alarm has.",
        },
        Evidence {
            control: "hipaa-164.308(a)(6)(ii)",
            strength: Strength::Partial,
            because: "Whoever has to respond is told.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    match keep.alerts.seen() {
        Ok(seen) => arriving(keep, seen),
        Err(why) => vec![Judged::new(&keep.root, Outcome::not_checked(why))],
    }
}

fn arriving(keep: &Keep, alerts: &[Alert]) -> Vec<Judged> {
    let mut judged = Vec::new();
    for alert in alerts {
        let outcome = match alert.dead {
            0 => Outcome::Pass,
            dead => {
                let what = format!("{dead} alerts were put aside: they could not be delivered");
                Outcome::fail(Place::of(&alert.name), what)
            }
        };
        judged.push(Judged::new(&alert.name, outcome));
    }
    if !alerts.iter().any(|alert| alert.severity != "critical") {
        let fail =
            Outcome::fail(Place::of("alert"), "nobody is told of incidents of severity high");
        judged.push(Judged::new(&keep.root, fail));
    }
    judged
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::keep::{Alert, Keep};

    #[test]
    fn nobody_who_is_told_and_what_does_not_arrive_fail() {
        let words = |alerts: &[(&str, usize)]| {
            let alert = |&(severity, dead): &(&str, usize)| Alert {
                name: "duty".into(),
                severity: severity.into(),
                dead,
            };
            let alerts = Known::Seen(alerts.iter().map(alert).collect());
            let judged = judge(&Keep { alerts, ..Keep::default() });
            judged.iter().map(|it| it.outcome.word()).collect::<Vec<_>>()
        };
        assert_eq!(words(&[]), ["fail"]);
        assert_eq!(words(&[("high", 0)]), ["pass"]);
        assert_eq!(words(&[("critical", 0)]), ["pass", "fail"]);
        assert_eq!(words(&[("low", 2)]), ["fail"]);
        assert_eq!(judge(&Keep::default())[0].outcome.word(), "not-checked");
    }
}
