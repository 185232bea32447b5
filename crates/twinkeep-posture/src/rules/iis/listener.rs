//! Rule `iis-listener`: what the network reaches speaks TLS.
//!
//! A site that refuses what comes in the clear, or only sends it to `https`, hands out nothing.

use crate::facts::Check;
use crate::facts::iis::Iis;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "iis-listener",
    title: "Every binding beyond this machine speaks TLS, or only sends clients to https",
    severity: Severity::High,
    protects: "Without TLS anybody on the way reads requests and answers, and the keys sent with them.",
    remedy: "take the binding of `http` away, or say `<access sslFlags=\"Ssl\" />` or a redirect of all to `https`",
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
    check: Check::Iis(Judge { judge }),
};

fn judge(facts: &Iis) -> Vec<Judged> {
    if facts.server.is_none() {
        let why = "bindings are in applicationHost.config, of which there is not exactly one";
        return vec![Judged::new(&facts.root, Outcome::not_checked(why))];
    }
    let judged = facts.bindings.iter().map(|binding| {
        let outcome = if binding.tls || binding.local || binding.to_https {
            Outcome::Pass
        } else {
            Outcome::fail(binding.at.clone(), "listens beyond this machine without TLS")
        };
        Judged::new(format!("{}, {}", binding.site, binding.address), outcome)
    });
    judged.collect()
}
