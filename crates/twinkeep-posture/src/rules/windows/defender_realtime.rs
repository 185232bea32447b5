//! Rule `win-defender-realtime`: malware is looked for all the time.
//!
//! The key is `Real-Time Protection`, with a space: a check of a key that does not exist would
//! always pass.

use super::{Policy, REAL_TIME, judge_policy, on};
use crate::facts::Check;
use crate::facts::windows::Defender;
use crate::facts::windows::Windows;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "win-defender-realtime",
    title: "Defender checks files, behavior, downloads, and scripts as they come",
    severity: Severity::High,
    protects: "A model or a package from outside that carries malware runs unseen.",
    remedy: "set the four `Disable…` values of `Real-Time Protection` to 0 by policy, or take the policy away",
    controls: &[
        Evidence {
            control: "hipaa-164.308(a)(5)(ii)(B)",
            strength: Strength::Strong,
            because: "It is the procedure that guards against malicious software.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "Malware is the usual end of confidentiality.",
        },
    ],
    check: Check::Windows(Judge { judge }),
};

fn judge(facts: &Windows) -> Vec<Judged> {
    let parts = PARTS.iter();
    parts
        .map(|(policy, effective)| {
            let effective = facts.defender.as_ref().map(effective);
            on(facts, policy.name, judge_policy(facts, policy, effective))
        })
        .collect()
}

const fn is_zero(number: i64) -> bool {
    number == 0
}

const fn enabled(name: &'static str) -> Policy {
    Policy { key: REAL_TIME, name, good: is_zero, fix: 0 }
}

/// A policy, and how to see what is in effect.
type Part = (Policy, fn(&Defender) -> bool);

/// The policies, and what is in effect of each.
pub(crate) const PARTS: &[Part] = &[
    (enabled("DisableRealtimeMonitoring"), |defender| defender.real_time),
    (enabled("DisableBehaviorMonitoring"), |defender| defender.behavior),
    (enabled("DisableIOAVProtection"), |defender| defender.downloads),
    (enabled("DisableScriptScanning"), |defender| defender.scripts),
];
