//! Rule `keep-certificate-dates`: certificates of the gate are in date.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-certificate-dates",
    title: "Certificates of the gate are in date, and stay so for two weeks",
    severity: Severity::High,
    protects: "Clients cannot tell a gate with an expired certificate from somebody who pretends to be it; people learn to click warnings away.",
    remedy: "start `twinkeep serve` anew: it renews its own certificate when 20 days are left",
    controls: &[
        Evidence {
            control: "hipaa-164.312(d)",
            strength: Strength::Partial,
            because: "Clients know the gate by its certificate.",
        },
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Partial,
            because: "TLS protects only what goes to whom it was meant for.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "Confidentiality on the way depends on a certificate that is accepted.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

/// The gate renews its own certificate when 20 days are left: one with fewer was not served.
const DAYS_MIN: i64 = 14;

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    // Every keep has two.
    if keep.certificates.is_empty() {
        let why = "a certificate in `public/` is missing, or is none";
        return vec![Judged::new(&keep.root, Outcome::not_checked(why))];
    }
    let judged = keep.certificates.iter().map(|certificate| {
        let (name, days) = (&certificate.name, certificate.days_left);
        let outcome = match days {
            DAYS_MIN.. => Outcome::Pass,
            0.. => Outcome::fail(Place::of(name), format!("it ends in {days} days")),
            _ => Outcome::fail(Place::of(name), format!("it ended {} days ago", -days)),
        };
        Judged::new(name, outcome)
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::{Certificate, Keep};

    #[test]
    fn what_ends_soon_or_has_ended_fails() {
        let words = [14, 13, 0, -1].map(|days_left| {
            let certificates = vec![Certificate { name: "CN=gate".into(), days_left }];
            judge(&Keep { certificates, ..Keep::default() })[0].outcome.word()
        });
        assert_eq!(words, ["pass", "fail", "fail", "fail"]);
        assert_eq!(judge(&Keep::default())[0].outcome.word(), "not-checked");
    }
}
