//! Rule `nginx-listener`: what the network reaches speaks TLS.
//!
//! A listener on a loopback address or a socket of this machine is behind something else, and a
//! server that only sends clients to `https` hands out nothing.

use super::name;
use crate::facts::Check;
use crate::facts::nginx::Nginx;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "nginx-listener",
    title: "Every listener beyond this machine speaks TLS, or only sends clients to https",
    severity: Severity::High,
    protects: "Without TLS anybody on the way reads requests and answers, and the keys sent with them.",
    remedy: "add `ssl` and a certificate to the listener, bind it to 127.0.0.1, or answer with `return 301 https://$host$request_uri;`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Strong,
            because: "A listener without TLS sends health data over the network in the clear.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Partial,
            because: "Encryption in transit is one of the measures that the article names.",
        },
    ],
    check: Check::Nginx(Judge { judge }),
};

fn judge(facts: &Nginx) -> Vec<Judged> {
    let mut judged = Vec::new();
    for server in &facts.servers {
        for listen in &server.listens {
            let outcome = if listen.tls || listen.local || server.redirects {
                Outcome::Pass
            } else {
                Outcome::fail(listen.at.clone(), "listens beyond this machine without TLS")
            };
            judged.push(Judged::new(format!("{}, {}", name(server), listen.address), outcome));
        }
    }
    judged
}
