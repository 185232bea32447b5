//! Rule `win-defender-cloud`: Defender asks the cloud, or does not, as was decided.
//!
//! Advice conflicts: guides for protection want advanced membership (2), the CIS benchmark wants none
//! (0). The choice is in the facts, and in the name of what was judged.

use super::{ENGINE, Policy, SPYNET, judge_policy, on};
use crate::facts::Check;
use crate::facts::windows::Cloud;
use crate::facts::windows::Windows;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "win-defender-cloud",
    title: "Cloud protection of Defender is as the organization decided",
    severity: Severity::Medium,
    protects: "Without the cloud new malware is found later; with it names and hashes of files leave the workstation.",
    remedy: "set `SpynetReporting` to 2, `DisableBlockAtFirstSeen` to 0, and `MpCloudBlockLevel` to 2; or choose `cloud = off`, and set `SpynetReporting` to 0",
    controls: &[Evidence {
        control: "hipaa-164.308(a)(5)(ii)(B)",
        strength: Strength::Partial,
        because: "Protection from the cloud finds what signatures do not know yet.",
    }],
    check: Check::Windows(Judge { judge }),
};

fn judge(facts: &Windows) -> Vec<Judged> {
    let defender = facts.defender.as_ref();
    if facts.choices.cloud == Cloud::Off {
        let effective = defender.map(|defender| defender.maps == 0);
        return vec![on(facts, "cloud, chosen off", judge_policy(facts, &OFF, effective))];
    }
    let [maps, first_seen, level] = ADVANCED;
    let asks = defender.map(|defender| defender.maps == 2);
    let holds = defender.map(|defender| defender.block_at_first_seen);
    let strict = defender
        .map(|defender| (maps.good)(defender.maps) && (level.good)(defender.cloud_block_level));
    vec![
        on(facts, "cloud, chosen advanced", judge_policy(facts, maps, asks)),
        on(facts, "cloud, first seen", judge_policy(facts, first_seen, holds)),
        on(facts, "cloud, block level", judge_policy(facts, level, strict)),
    ]
}

/// What the policy says if the cloud is not asked.
pub(crate) const OFF: Policy =
    Policy { key: SPYNET, name: "SpynetReporting", good: |number| number == 0, fix: 0 };

/// What the policies say if it is.
pub(crate) const ADVANCED: &[Policy; 3] = &[
    Policy { key: SPYNET, name: "SpynetReporting", good: |number| number == 2, fix: 2 },
    Policy { key: SPYNET, name: "DisableBlockAtFirstSeen", good: |number| number == 0, fix: 0 },
    Policy { key: ENGINE, name: "MpCloudBlockLevel", good: |number| 2 <= number, fix: 2 },
];
