//! Rule `iis-powered-by`: answers do not say what made them.
//!
//! The server adds `X-Powered-By` by itself: it is there unless something takes it away.

use super::{knows_headers, scopes, unsaid};
use crate::facts::iis::Iis;
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::iis::repairs;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "iis-powered-by",
    title: "No place adds X-Powered-By",
    severity: Severity::Low,
    protects: "Who knows what made an answer knows which holes to try.",
    remedy: "say `<remove name=\"X-Powered-By\" />` in `customHeaders`",
    controls: &[Evidence {
        control: "hipaa-164.308(a)(1)(ii)(B)",
        strength: Strength::Partial,
        because: "It makes the choice of an attack harder.",
    }],
    check: Check::Iis(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix {
    rule: RULE.id,
    changes: FixOf::Iis(|facts, judged| repairs::changes(facts, judged, RULE.id)),
};

fn judge(facts: &Iis) -> Vec<Judged> {
    const NAME: &str = "x-powered-by";
    scopes(facts, |scope| {
        Some(match scope.headers.iter().find(|header| header.name == NAME) {
            Some(header) => Outcome::fail(header.at.clone(), "adds `x-powered-by`"),
            None if knows_headers(scope, NAME) => Outcome::Pass,
            None => unsaid(),
        })
    })
}
