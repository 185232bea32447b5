//! Rule `nginx-upstream-verify`: nginx checks to whom it passes requests on.
//!
//! `proxy_ssl_verify` is off unless it is said.

use super::upstreams;
use crate::facts::Check;
use crate::facts::nginx::Nginx;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "nginx-upstream-verify",
    title: "The certificate of every upstream with TLS is verified",
    severity: Severity::High,
    protects: "nginx does not verify upstreams by default: who answers at that address gets the requests.",
    remedy: "say `proxy_ssl_verify on;` and `proxy_ssl_trusted_certificate FILE;` (`grpc_…`, `uwsgi_…` for those)",
    controls: &[
        Evidence {
            control: "hipaa-164.312(d)",
            strength: Strength::Strong,
            because: "An upstream that is not verified is an entity that nobody authenticated.",
        },
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Partial,
            because: "Encryption to whoever answers protects against listeners only.",
        },
    ],
    check: Check::Nginx(Judge { judge }),
};

fn judge(facts: &Nginx) -> Vec<Judged> {
    upstreams(facts, |upstream| {
        if !upstream.is_tls() {
            return None;
        }
        Some(if upstream.verified {
            Outcome::Pass
        } else {
            Outcome::fail(upstream.at.clone(), "the certificate of the upstream is not verified")
        })
    })
}
