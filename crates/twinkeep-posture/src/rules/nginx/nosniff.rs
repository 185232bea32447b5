//! Rule `nginx-nosniff`: browsers do not guess what an answer is.
//!
//! It is judged per location, as it is sent.

use super::{adds_header, locations, speaks_tls};
use crate::facts::nginx::Nginx;
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::nginx::repairs;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "nginx-nosniff",
    title: "Every answer over TLS has X-Content-Type-Options nosniff, errors too",
    severity: Severity::Low,
    protects: "A browser that guesses can run an upload or an answer as a script.",
    remedy: "add `add_header X-Content-Type-Options nosniff always;`, also in each location that adds headers of its own",
    controls: &[Evidence {
        control: "hipaa-164.312(c)(1)",
        strength: Strength::Partial,
        because: "Scripts that were smuggled into answers could change what a clinician sees or sends.",
    }],
    check: Check::Nginx(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix {
    rule: RULE.id,
    changes: FixOf::Nginx(|facts, judged| repairs::changes(facts, judged, RULE.id)),
};

fn judge(facts: &Nginx) -> Vec<Judged> {
    locations(facts, |server, location| {
        speaks_tls(server).then(|| {
            adds_header(location, "x-content-type-options", |value| {
                value.eq_ignore_ascii_case("nosniff")
            })
        })
    })
}
