//! Rule `nginx-upstream-plain`: what goes to another machine goes encrypted.
//!
//! An upstream on this machine may be plain. Where a variable says the upstream, nobody can tell.
//! Nor can anybody where clients bring their own TLS, which nothing asks them for.

use super::upstreams;
use crate::facts::Check;
use crate::facts::nginx::Nginx;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "nginx-upstream-plain",
    title: "Every upstream on another machine is reached by TLS",
    severity: Severity::High,
    protects: "Requests that arrived by TLS go on in the clear, for anybody inside the network to read.",
    remedy: "say `proxy_pass https://…;` (in `stream`: `proxy_ssl on;`) with `proxy_ssl_verify on;`, or run the upstream on this machine",
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
    check: Check::Nginx(Judge { judge }),
};

fn judge(facts: &Nginx) -> Vec<Judged> {
    upstreams(facts, |upstream| {
        if upstream.is_tls() {
            return Some(Outcome::Pass);
        }
        if upstream.hosts.is_empty() {
            return Some(Outcome::not_checked("a variable says where requests go"));
        }
        let far = upstream.hosts.iter().find(|host| !host.local);
        Some(match far {
            Some(host) if upstream.scheme == "preread" => Outcome::not_checked(format!(
                "what clients send goes to `{}` as it comes; look whether it takes nothing but TLS",
                host.name
            )),
            Some(host) => Outcome::fail(
                upstream.at.clone(),
                format!("requests go to `{}` without TLS", host.name),
            ),
            None => Outcome::Pass,
        })
    })
}
