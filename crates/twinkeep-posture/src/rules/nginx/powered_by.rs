//! Rule `nginx-powered-by`: answers do not tell what is behind.
//!
//! A level that hides one header loses what the levels above hide, as with all lists of nginx.

use super::locations;
use crate::facts::nginx::Nginx;
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::nginx::repairs;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "nginx-powered-by",
    title: "Every location that passes requests on takes X-Powered-By away",
    severity: Severity::Low,
    protects: "The name and version of the program behind tell an attacker which holes to try.",
    remedy: "say `proxy_hide_header X-Powered-By;` (`fastcgi_…`, `grpc_…` for those) at each level that hides headers",
    controls: &[Evidence {
        control: "hipaa-164.308(a)(1)(ii)(B)",
        strength: Strength::Partial,
        because: "It makes a search for known holes harder, no more.",
    }],
    check: Check::Nginx(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix {
    rule: RULE.id,
    changes: FixOf::Nginx(|facts, judged| repairs::changes(facts, judged, RULE.id)),
};

fn judge(facts: &Nginx) -> Vec<Judged> {
    locations(facts, |_, location| {
        let upstream = location.upstream.as_ref()?;
        Some(if location.hidden.iter().any(|name| name == "x-powered-by") {
            Outcome::Pass
        } else {
            Outcome::fail(upstream.at.clone(), "`X-Powered-By` of the upstream is passed on")
        })
    })
}
