//! Rule `nginx-framing`: no other site shows these pages in a frame.
//!
//! `frame-ancestors` of a content security policy says it, and X-Frame-Options says it to older
//! browsers: one of them will do.

use super::{adds_header, locations, speaks_tls};
use crate::facts::nginx::Nginx;
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::nginx::repairs;
use crate::rules::{denies_frames, limits_frames};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "nginx-framing",
    title: "Every answer over TLS forbids frames of other sites, errors too",
    severity: Severity::Low,
    protects: "Another site can lay a page over this one and let a clinician click what they do not see.",
    remedy: "add `add_header Content-Security-Policy \"frame-ancestors 'none'\" always;` or `add_header X-Frame-Options DENY always;`",
    controls: &[Evidence {
        control: "hipaa-164.312(c)(1)",
        strength: Strength::Partial,
        because: "Clicks that were stolen change records in the name of somebody else.",
    }],
    check: Check::Nginx(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix {
    rule: RULE.id,
    changes: FixOf::Nginx(|facts, judged| repairs::changes(facts, judged, RULE.id)),
};

fn judge(facts: &Nginx) -> Vec<Judged> {
    locations(facts, |server, location| {
        speaks_tls(server).then(|| {
            let policy = adds_header(location, "content-security-policy", limits_frames);
            let old = adds_header(location, "x-frame-options", denies_frames);
            if policy == Outcome::Pass { policy } else { old }
        })
    })
}
