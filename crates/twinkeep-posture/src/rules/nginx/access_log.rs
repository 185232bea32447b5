//! Rule `nginx-access-log`: who asked is written down.
//!
//! nginx writes one unless it is told not to.

use super::locations;
use crate::facts::nginx::Nginx;
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::nginx::repairs;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "nginx-access-log",
    title: "Every location that passes requests on writes a log of access",
    severity: Severity::Medium,
    protects: "After an incident nobody can say who asked for what.",
    remedy: "take `access_log off;` away",
    controls: &[
        Evidence {
            control: "hipaa-164.312(b)",
            strength: Strength::Partial,
            because: "The log of access is one of the mechanisms that record activity.",
        },
        Evidence {
            control: "hipaa-164.308(a)(1)(ii)(D)",
            strength: Strength::Partial,
            because: "What is not written down cannot be reviewed.",
        },
    ],
    check: Check::Nginx(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix {
    rule: RULE.id,
    changes: FixOf::Nginx(|facts, judged| repairs::changes(facts, judged, RULE.id)),
};

fn judge(facts: &Nginx) -> Vec<Judged> {
    locations(facts, |_, location| {
        location.upstream.as_ref()?;
        Some(match &location.log_off {
            Some(at) => Outcome::fail(at.clone(), "access is not logged"),
            None => Outcome::Pass,
        })
    })
}
