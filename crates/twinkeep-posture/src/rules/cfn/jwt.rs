//! Rule `cfn-jwt`: every service asks for tokens.
//!
//! Booleans, numbers, and quoted words count alike; a parameter counts with all that it may be. What
//! comes from a secret or a file could not be checked.

use super::services;
use crate::facts::Check;
use crate::facts::cfn::Cfn;
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "cfn-jwt",
    title: "Every service is told `VALIDATE_JWT`",
    severity: Severity::High,
    protects: "A service that does not check tokens believes whoever says who they are.",
    remedy: "set `VALIDATE_JWT` to `true` in the environment of each container and function",
    controls: &[
        Evidence {
            control: "hipaa-164.312(d)",
            strength: Strength::Partial,
            because: "A token that is validated authenticates the person or entity that asks.",
        },
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Partial,
            because: "Only persons and programs that were granted access hold a valid token.",
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
    services::must_be_on(facts, "VALIDATE_JWT")
}
