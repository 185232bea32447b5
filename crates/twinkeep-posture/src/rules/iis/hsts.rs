//! Rule `iis-hsts`: browsers come back by TLS only.
//!
//! The header is taken from `customHeaders`, or from the `hsts` of the site.

use super::{adds_header, scopes};
use crate::facts::iis::Iis;
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::iis::repairs;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "iis-hsts",
    title: "Every place adds Strict-Transport-Security for at least half a year",
    severity: Severity::Medium,
    protects: "A browser that types the name without https can be led to somebody else's server.",
    remedy: "say `<add name=\"Strict-Transport-Security\" value=\"max-age=31536000\" />` in `customHeaders`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Partial,
            because: "Browsers otherwise make their first request in the clear.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Partial,
            because: "It keeps encryption in transit from being stripped.",
        },
    ],
    check: Check::Iis(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix {
    rule: RULE.id,
    changes: FixOf::Iis(|facts, judged| repairs::changes(facts, judged, RULE.id)),
};

fn judge(facts: &Iis) -> Vec<Judged> {
    scopes(facts, |scope| {
        // A site without TLS fails elsewhere; there the header would mean nothing.
        (scope.tls != Some(false))
            .then(|| adds_header(scope, "strict-transport-security", long_enough))
    })
}

fn long_enough(value: &str) -> bool {
    value.split(';').any(|part| {
        let age = part.trim().to_ascii_lowercase();
        let seconds = age.strip_prefix("max-age=").map(|seconds| seconds.trim_matches('"'));
        seconds.and_then(|seconds| seconds.parse().ok()).is_some_and(|age: u64| AGE_S_MIN <= age)
    })
}

/// Half a year, as Mozilla's guidance has it.
const AGE_S_MIN: u64 = 15_768_000;
