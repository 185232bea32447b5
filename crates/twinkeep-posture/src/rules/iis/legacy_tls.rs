//! Rule `iis-legacy-tls`: old versions of TLS are off.
//!
//! A flag of the binding says it since Windows Server 2022; before, only the registry does.

use crate::facts::Check;
use crate::facts::iis::Iis;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "iis-legacy-tls",
    title: "Every binding of https refuses TLS 1.0 and 1.1, and has TLS 1.3",
    severity: Severity::High,
    protects: "Who sits on the way makes both sides speak a version that can be broken.",
    remedy: "set the flag `DisableLegacyTLS` (64) in `sslFlags` of the binding, and not `DisableTLS13` (32)",
    controls: &[
        Evidence {
            control: "hipaa-164.312(e)(2)(ii)",
            strength: Strength::Partial,
            because: "Old versions of TLS encrypt with what can be broken.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Partial,
            because: "Encryption in transit has to be the state of the art.",
        },
    ],
    check: Check::Iis(Judge { judge }),
};

fn judge(facts: &Iis) -> Vec<Judged> {
    let spoken = facts.bindings.iter().filter(|binding| binding.tls);
    let judged = spoken.map(|binding| {
        let outcome = if binding.flags & DISABLE_TLS13 != 0 {
            Outcome::fail(binding.at.clone(), "TLS 1.3 is turned off")
        } else if binding.flags & DISABLE_LEGACY_TLS != 0 {
            Outcome::Pass
        } else {
            Outcome::not_checked(
                "whether old versions are off is in the registry (SCHANNEL) of that computer; \
                 scan its address as `tls:`",
            )
        };
        Judged::new(format!("{}, {}", binding.site, binding.address), outcome)
    });
    judged.collect()
}

/// Flags of a binding.
const DISABLE_TLS13: u64 = 0x20;
const DISABLE_LEGACY_TLS: u64 = 0x40;
