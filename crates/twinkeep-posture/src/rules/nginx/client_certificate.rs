//! Rule `nginx-client-certificate`: clients of an upstream show a certificate.
//!
//! `optional` counts only with an `if` in the server that refuses who was not verified, and
//! `optional_no_ca` verifies nothing.

use super::{name, speaks_tls, start};
use crate::facts::Check;
use crate::facts::nginx::Nginx;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "nginx-client-certificate",
    title: "Every server with TLS that passes requests on verifies the certificates of clients",
    severity: Severity::Medium,
    protects: "Anybody who reaches the port can try keys and tokens; with a certificate only known machines can.",
    remedy: "say `ssl_client_certificate FILE;` and `ssl_verify_client on;`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(d)",
            strength: Strength::Strong,
            because: "A certificate that is verified proves which machine asks.",
        },
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Partial,
            because: "Access starts with machines that are known.",
        },
    ],
    check: Check::Nginx(Judge { judge }),
};

fn judge(facts: &Nginx) -> Vec<Judged> {
    let servers = facts.servers.iter().filter(|server| {
        let passes_on = server.locations.iter().any(|location| location.upstream.is_some());
        speaks_tls(server) && (passes_on || server.upstream.is_some())
    });
    servers
        .map(|server| {
            let word = server
                .client_verification
                .as_ref()
                .and_then(|setting| Some((setting.words.first()?.as_str(), &setting.at)));
            let outcome = match word {
                Some(("on", _)) => Outcome::Pass,
                Some(("optional", _)) if server.unverified_refused => Outcome::Pass,
                Some((word, at)) => Outcome::fail(
                    at.clone(),
                    format!("`ssl_verify_client {word}` lets clients without a certificate pass"),
                ),
                None => Outcome::fail(start(server), "asks clients for no certificate"),
            };
            Judged::new(name(server), outcome)
        })
        .collect()
}
