//! Rule `nginx-rate-limit`: each way to an upstream has a limit of requests.
//!
//! A zone alone limits nothing: it has to be applied at the place that passes requests on, and not
//! as a dry run.

use super::locations;
use crate::facts::nginx::{Nginx, Setting};
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::nginx::repairs;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "nginx-rate-limit",
    title: "Every location that passes requests on applies a limit of their rate",
    severity: Severity::High,
    protects: "One client can ask a model as often as it likes: to wear it out, to copy it, or to try keys.",
    remedy: "define `limit_req_zone $binary_remote_addr zone=clients:10m rate=10r/s;` in `http`, and say `limit_req zone=clients burst=20 nodelay;` there too, or in each location that has a `limit_req` of its own",
    controls: &[
        Evidence {
            control: "hipaa-164.308(a)(1)(ii)(B)",
            strength: Strength::Partial,
            because: "A limit reduces the risk of guessed keys and of copied models.",
        },
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Partial,
            because: "Without a limit, access by trying is a matter of time.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "A limit keeps the service available when one client floods it.",
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
        let upstream = location.upstream.as_ref()?;
        Some(if let Some(dry) = &location.limits_dry {
            Outcome::fail(dry.clone(), "counts requests and lets all of them pass")
        } else if let Some(limit) = location.limits.first() {
            let zone = |limit: &Setting| {
                facts.zones.iter().find(|known| limit.words.first() == Some(&known.name))
            };
            let counts = |limit: &Setting| zone(limit).is_some_and(|known| !known.evaded);
            if location.limits.iter().any(counts) {
                Outcome::Pass
            } else if zone(limit).is_some() {
                Outcome::fail(
                    limit.at.clone(),
                    "counts by what clients send, and whoever sends nothing is not limited",
                )
            } else {
                let name = limit.words.first().map(String::as_str).unwrap_or_default();
                Outcome::fail(limit.at.clone(), format!("no zone `{name}` is defined"))
            }
        } else if facts.zones.is_empty() {
            Outcome::fail(
                upstream.at.clone(),
                "passes requests on without a limit; no zone is defined",
            )
        } else {
            Outcome::fail(
                upstream.at.clone(),
                "passes requests on without a limit; a zone is defined and not applied here",
            )
        })
    })
}
