//! Rule `iis-access-log`: who asked is written down.
//!
//! IIS writes a log unless it is told not to.

use super::{is_off, scopes};
use crate::facts::iis::Iis;
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Severity};
use crate::parse::iis::effective::NO_LOG;
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::iis::repairs;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "iis-access-log",
    title: "Every place writes a log of access",
    severity: Severity::Medium,
    protects: "After an incident nobody can say who asked for what.",
    remedy: "say `<httpLogging dontLog=\"false\" />`",
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
    check: Check::Iis(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix {
    rule: RULE.id,
    changes: FixOf::Iis(|facts, judged| repairs::changes(facts, judged, RULE.id)),
};

fn judge(facts: &Iis) -> Vec<Judged> {
    scopes(facts, |scope| Some(is_off(scope, NO_LOG, &["true"], "access is not logged")))
}
