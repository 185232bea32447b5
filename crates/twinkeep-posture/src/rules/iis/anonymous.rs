//! Rule `iis-anonymous`: who asks has to prove who they are.
//!
//! By default IIS lets everybody in. A certificate of the client that must be there is proof, too.

use super::{scopes, unsaid};
use crate::facts::Check;
use crate::facts::iis::Iis;
use crate::outcome::{Judged, Outcome, Severity};
use crate::parse::iis::effective::{ACCESS, ANONYMOUS};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "iis-anonymous",
    title: "No place lets in whoever shows no proof",
    severity: Severity::Medium,
    protects: "Whoever reaches the server reaches what is behind it, unless that asks for proof itself.",
    remedy: "turn `anonymousAuthentication` off, or say `<access sslFlags=\"Ssl, SslNegotiateCert, SslRequireCert\" />`; if a gate behind it checks keys or tokens, note it in the baseline",
    controls: &[
        Evidence {
            control: "hipaa-164.312(d)",
            strength: Strength::Strong,
            because: "Who is let in without proof is not authenticated here.",
        },
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Partial,
            because: "Access that everybody has is not controlled here.",
        },
    ],
    check: Check::Iis(Judge { judge }),
};

fn judge(facts: &Iis) -> Vec<Judged> {
    scopes(facts, |scope| {
        let flags = scope.says(ACCESS).unwrap_or_default();
        let certificate = flags.split(',').any(|flag| flag.trim() == "sslrequirecert");
        Some(match scope.says(ANONYMOUS).as_deref() {
            Some("false") => Outcome::Pass,
            _ if certificate => Outcome::Pass,
            Some(_) => Outcome::fail(scope.place(Some(ANONYMOUS)), "lets everybody in"),
            None if scope.complete => {
                Outcome::fail(scope.place(None), "lets everybody in, which is the default")
            }
            None => unsaid(),
        })
    })
}
