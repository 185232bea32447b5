//! Rule `iis-nosniff`: browsers do not guess what an answer is.

use super::{adds_header, scopes};
use crate::facts::iis::Iis;
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::iis::repairs;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "iis-nosniff",
    title: "Every place adds X-Content-Type-Options nosniff",
    severity: Severity::Low,
    protects: "A browser that guesses can run an upload or an answer as a script.",
    remedy: "say `<add name=\"X-Content-Type-Options\" value=\"nosniff\" />` in `customHeaders`",
    controls: &[Evidence {
        control: "hipaa-164.312(c)(1)",
        strength: Strength::Partial,
        because: "Scripts that were smuggled into answers could change what a clinician sees or sends.",
    }],
    check: Check::Iis(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix {
    rule: RULE.id,
    changes: FixOf::Iis(|facts, judged| repairs::changes(facts, judged, RULE.id)),
};

fn judge(facts: &Iis) -> Vec<Judged> {
    scopes(facts, |scope| {
        Some(adds_header(scope, "x-content-type-options", |value| {
            value.eq_ignore_ascii_case("nosniff")
        }))
    })
}
