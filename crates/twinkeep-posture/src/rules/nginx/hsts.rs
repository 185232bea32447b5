//! Rule `nginx-hsts`: browsers are told to come back by TLS only.
//!
//! It is judged per location, as it is sent: a location that adds a header of its own loses this
//! one if only a level above adds it.

use super::{adds_header, locations, speaks_tls};
use crate::facts::nginx::Nginx;
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::nginx::repairs;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "nginx-hsts",
    title: "Every answer over TLS has Strict-Transport-Security for at least half a year, errors too",
    severity: Severity::Medium,
    protects: "A browser that types the name without https can be led to somebody else's server.",
    remedy: "add `add_header Strict-Transport-Security \"max-age=31536000\" always;`, also in each location that adds headers of its own",
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
    check: Check::Nginx(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix {
    rule: RULE.id,
    changes: FixOf::Nginx(|facts, judged| repairs::changes(facts, judged, RULE.id)),
};

fn judge(facts: &Nginx) -> Vec<Judged> {
    locations(facts, |server, location| {
        speaks_tls(server).then(|| adds_header(location, "strict-transport-security", long_enough))
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
