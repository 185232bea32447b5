//! Rule `iis-upstream-plain`: what goes to another machine goes encrypted.
//!
//! Application Request Routing sends on what a rewrite rule says; a farm stands for its servers. An
//! upstream on this machine may be plain.

use crate::facts::Check;
use crate::facts::iis::Iis;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "iis-upstream-plain",
    title: "Every upstream on another machine is reached by TLS",
    severity: Severity::High,
    protects: "Requests that arrived by TLS go on in the clear, for anybody inside the network to read and for anybody there to reach the upstream past this server.",
    remedy: "say `https://` in the `url` of the action, or run the upstream on this machine",
    controls: &[
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Strong,
            because: "Health data crosses the network behind the proxy too.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Partial,
            because: "Encryption in transit ends where the last hop is plain.",
        },
    ],
    check: Check::Iis(Judge { judge }),
};

fn judge(facts: &Iis) -> Vec<Judged> {
    let judged = facts.upstreams.iter().map(|upstream| {
        let outcome = match &upstream.host {
            _ if upstream.tls || upstream.local => Outcome::Pass,
            Some(host) => {
                Outcome::fail(upstream.at.clone(), format!("requests go to `{host}` without TLS"))
            }
            None => Outcome::not_checked("a variable says where requests go"),
        };
        Judged::new(format!("rule {} {}", upstream.rule, upstream.at), outcome)
    });
    judged.collect()
}
