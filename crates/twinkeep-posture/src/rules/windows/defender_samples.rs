//! Rule `win-defender-samples`: no files with health data leave by Defender.
//!
//! Advice conflicts: guides for protection want samples sent. On a workstation with health data the
//! default is that none are; the choice is in the facts.

use super::{Policy, SPYNET, judge_policy, on};
use crate::facts::Check;
use crate::facts::windows::Samples;
use crate::facts::windows::Windows;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "win-defender-samples",
    title: "Defender sends no files to Microsoft that nobody was asked about",
    severity: Severity::High,
    protects: "A file that looks suspicious is uploaded with all the health data that is in it.",
    remedy: "set `SubmitSamplesConsent` to 2 by policy (never), or choose `samples = prompt` and set it to 0",
    controls: &[
        Evidence {
            control: "hipaa-164.502(b)",
            strength: Strength::Partial,
            because: "A file that is sent whole is more than the minimum necessary.",
        },
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Partial,
            because: "It is a transmission of health data that nobody decided on.",
        },
        Evidence {
            control: "gdpr-44",
            strength: Strength::Partial,
            because: "What is sent may leave the Union.",
        },
    ],
    check: Check::Windows(Judge { judge }),
};

fn judge(facts: &Windows) -> Vec<Judged> {
    let (policy, part) = match facts.choices.samples {
        Samples::Never => (&NEVER, "samples, chosen never"),
        Samples::Prompt => (&PROMPT, "samples, chosen prompt"),
    };
    let effective = facts.defender.as_ref().map(|defender| (policy.good)(defender.samples));
    vec![on(facts, part, judge_policy(facts, policy, effective))]
}

/// Never.
pub(crate) const NEVER: Policy =
    Policy { key: SPYNET, name: "SubmitSamplesConsent", good: |number| number == 2, fix: 2 };

/// Never, or after somebody was asked.
pub(crate) const PROMPT: Policy = Policy {
    key: SPYNET,
    name: "SubmitSamplesConsent",
    good: |number| number == 2 || number == 0,
    fix: 0,
};
