//! Rule `nginx-server-tokens`: answers do not tell the version.
//!
//! The default is to tell it.

use super::{name, start};
use crate::facts::nginx::Nginx;
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::nginx::repairs;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "nginx-server-tokens",
    title: "Every server keeps its version to itself",
    severity: Severity::Low,
    protects: "Who looks for servers with a known hole finds this one by its version.",
    remedy: "say `server_tokens off;` in the `http` block",
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
    let servers = facts.servers.iter().filter(|server| !server.stream);
    servers
        .map(|server| {
            let outcome = match &server.tokens {
                Some(setting) if setting.words.first().is_some_and(|word| word == "off") => {
                    Outcome::Pass
                }
                Some(setting) => Outcome::fail(setting.at.clone(), "tells its version"),
                None => Outcome::fail(start(server), "tells its version, as the default is on"),
            };
            Judged::new(name(server), outcome)
        })
        .collect()
}
