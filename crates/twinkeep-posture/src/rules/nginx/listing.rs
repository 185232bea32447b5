//! Rule `nginx-listing`: folders are not listed.
//!
//! nginx lists none unless it is told to.

use super::locations;
use crate::facts::nginx::Nginx;
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::nginx::repairs;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "nginx-listing",
    title: "No location lists the files of a folder",
    severity: Severity::Medium,
    protects: "Who does not know the name of a file finds it by looking.",
    remedy: "say `autoindex off;`",
    controls: &[Evidence {
        control: "hipaa-164.312(a)(1)",
        strength: Strength::Partial,
        because: "A list of files is access to their names, and a way to the files.",
    }],
    check: Check::Nginx(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix {
    rule: RULE.id,
    changes: FixOf::Nginx(|facts, judged| repairs::changes(facts, judged, RULE.id)),
};

fn judge(facts: &Nginx) -> Vec<Judged> {
    locations(facts, |_, location| {
        Some(match &location.listing {
            Some(at) => Outcome::fail(at.clone(), "lists the files of its folder"),
            None => Outcome::Pass,
        })
    })
}
