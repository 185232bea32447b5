//! Rule `cfn-mtls`: every service asks for certificates of both sides.
//!
//! Booleans, numbers, and quoted words count alike; a parameter counts with all that it may be. What
//! comes from a secret or a file could not be checked.

use super::services;
use crate::facts::Check;
use crate::facts::cfn::Cfn;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-mtls",
    title: "Every service is told `REQUIRE_MTLS`",
    severity: Severity::High,
    protects: "A service that does not ask for a certificate answers to anybody who reaches it.",
    remedy: "set `REQUIRE_MTLS` to `true` in the environment of each container and function",
    controls: &[
        Evidence {
            control: "hipaa-164.312(d)",
            strength: Strength::Partial,
            because: "A certificate that is required authenticates the entity that connects.",
        },
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Partial,
            because: "Mutual TLS guards what is sent between services.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "Confidentiality inside of the network needs proof of who asks.",
        },
    ],
    check: Check::Cfn(Judge { judge }),
};

fn judge(facts: &Cfn) -> Vec<Judged> {
    services::must_be_on(facts, "REQUIRE_MTLS")
}
