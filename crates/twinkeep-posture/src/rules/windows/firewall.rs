//! Rule `win-firewall`: the firewall is on and blocks what comes in.
//!
//! Policies are under the names of the profiles; in effect is what the active store says.

use super::{
    FIREWALL_DOMAIN, FIREWALL_PRIVATE, FIREWALL_PUBLIC, Policy, blocks_inbound, judge_policy, on,
};
use crate::facts::Check;
use crate::facts::windows::Windows;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "win-firewall",
    title: "Each profile of the firewall is on and blocks inbound connections",
    severity: Severity::High,
    protects: "Any program that listens can be reached from any network that the workstation is in.",
    remedy: "set `EnableFirewall` and `DefaultInboundAction` to 1 for the domain, private, and public profile by policy",
    controls: &[
        Evidence {
            control: "hipaa-164.310(c)",
            strength: Strength::Strong,
            because: "A firewall restricts access to a workstation to those whom it was granted.",
        },
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Partial,
            because: "What cannot be reached cannot be accessed.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "Confidentiality needs a border around systems that process.",
        },
    ],
    check: Check::Windows(Judge { judge }),
};

fn judge(facts: &Windows) -> Vec<Judged> {
    let mut judged = Vec::new();
    for (profile, wanted) in PROFILES {
        let known = facts.firewall_profiles.as_ref().and_then(|profiles| {
            profiles.iter().find(|known| known.name.eq_ignore_ascii_case(profile))
        });
        let [enabled, inbound] = wanted;
        let effective = known.map(|known| known.enabled == "True");
        let blocks = known.map(blocks_inbound);
        let part = |what: &str| format!("{profile} profile, {what}");
        judged.push(on(facts, &part("on"), judge_policy(facts, enabled, effective)));
        judged.push(on(facts, &part("inbound"), judge_policy(facts, inbound, blocks)));
    }
    judged
}

const fn is_one(number: i64) -> bool {
    number == 1
}

const fn one(key: &'static str, name: &'static str) -> Policy {
    Policy { key, name, good: is_one, fix: 1 }
}

/// The profiles, and what their policies have to say.
pub(crate) const PROFILES: &[(&str, [Policy; 2])] = &[
    (
        "Domain",
        [one(FIREWALL_DOMAIN, "EnableFirewall"), one(FIREWALL_DOMAIN, "DefaultInboundAction")],
    ),
    (
        "Private",
        [one(FIREWALL_PRIVATE, "EnableFirewall"), one(FIREWALL_PRIVATE, "DefaultInboundAction")],
    ),
    (
        "Public",
        [one(FIREWALL_PUBLIC, "EnableFirewall"), one(FIREWALL_PUBLIC, "DefaultInboundAction")],
    ),
];
