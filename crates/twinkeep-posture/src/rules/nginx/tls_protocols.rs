//! Rule `nginx-tls-protocols`: only TLS 1.2 and 1.3 are spoken.
//!
//! The default has changed between versions of nginx, so that a file without the setting means
//! something else on another machine: it has to be said.

use super::{start, tls_servers};
use crate::facts::nginx::Nginx;
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::nginx::repairs;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "nginx-tls-protocols",
    title: "Every server with TLS says that it speaks TLS 1.2 and 1.3 only",
    severity: Severity::High,
    protects: "Who is on the way can make both sides fall back to a version of TLS that is broken.",
    remedy: "say `ssl_protocols TLSv1.2 TLSv1.3;` in the `http` block",
    controls: &[
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Strong,
            because: "TLS 1.0 and 1.1 do not protect what is sent (RFC 8996).",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Partial,
            because: "Encryption by the state of the art excludes withdrawn versions.",
        },
    ],
    check: Check::Nginx(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix {
    rule: RULE.id,
    changes: FixOf::Nginx(|facts, judged| repairs::changes(facts, judged, RULE.id)),
};

fn judge(facts: &Nginx) -> Vec<Judged> {
    tls_servers(facts, |server| {
        let Some(setting) = &server.protocols else {
            return Outcome::fail(
                start(server),
                "says no `ssl_protocols`; before nginx 1.23.4 that means TLS 1.0 too",
            );
        };
        let old = setting.words.iter().find(|word| !GOOD.contains(&word.as_str()));
        match old {
            Some(word) => Outcome::fail(setting.at.clone(), format!("speaks `{word}`")),
            None => Outcome::Pass,
        }
    })
}

/// RFC 8996 withdraws what is older.
const GOOD: &[&str] = &["TLSv1.2", "TLSv1.3"];
