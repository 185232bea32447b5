//! Rule `iis-framing`: no other site shows these pages in a frame.
//!
//! `frame-ancestors` of a content security policy says it, and X-Frame-Options says it to older
//! browsers: one of them will do.

use super::{adds_header, scopes};
use crate::facts::iis::Iis;
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::iis::repairs;
use crate::rules::{denies_frames, limits_frames};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "iis-framing",
    title: "Every place forbids frames of other sites",
    severity: Severity::Low,
    protects: "Another site can lay a page over this one and let a clinician click what they do not see.",
    remedy: "say `<add name=\"X-Frame-Options\" value=\"SAMEORIGIN\" />` in `customHeaders`",
    controls: &[Evidence {
        control: "hipaa-164.312(c)(1)",
        strength: Strength::Partial,
        because: "Clicks that were stolen change records in the name of somebody else.",
    }],
    check: Check::Iis(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix {
    rule: RULE.id,
    changes: FixOf::Iis(|facts, judged| repairs::changes(facts, judged, RULE.id)),
};

fn judge(facts: &Iis) -> Vec<Judged> {
    scopes(facts, |scope| {
        let policy = adds_header(scope, "content-security-policy", limits_frames);
        let old = adds_header(scope, "x-frame-options", denies_frames);
        Some(if policy == Outcome::Pass { policy } else { old })
    })
}
