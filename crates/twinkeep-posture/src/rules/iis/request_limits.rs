//! Rule `iis-request-limits`: requests are filtered as IIS does by default, or more.
//!
//! By default a request has 30 MB at most, and what is escaped twice is refused.

use super::{is_off, scopes, unsaid};
use crate::facts::Check;
use crate::facts::iis::Iis;
use crate::outcome::{Judged, Outcome, Severity};
use crate::parse::iis::effective::{CONTENT_LENGTH, DOUBLE_ESCAPING};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "iis-request-limits",
    title: "Every place bounds the length of requests, and refuses what is escaped twice",
    severity: Severity::Medium,
    protects: "A request of any length fills memory, and one that is escaped twice passes filters that see one layer.",
    remedy: "take `allowDoubleEscaping=\"true\"` away, and say `<requestLimits maxAllowedContentLength=\"30000000\" />`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Partial,
            because: "Filters of paths are a part of who may reach what.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "A bound of length keeps the service available.",
        },
    ],
    check: Check::Iis(Judge { judge }),
};

fn judge(facts: &Iis) -> Vec<Judged> {
    scopes(facts, |scope| {
        let escaping =
            is_off(scope, DOUBLE_ESCAPING, &["true"], "lets requests pass that are escaped twice");
        let length = scope.says(CONTENT_LENGTH).and_then(|value| value.parse::<u64>().ok());
        Some(match (escaping, length) {
            (failed @ Outcome::Fail { .. }, _) => failed,
            (_, Some(length)) if length > LENGTH_MAX => {
                let what = format!("lets requests of {length} bytes pass");
                Outcome::fail(scope.place(Some(CONTENT_LENGTH)), what)
            }
            (Outcome::Pass, _) if scope.complete => Outcome::Pass,
            (escaping @ Outcome::Pass, Some(_)) => escaping,
            _ => unsaid(),
        })
    })
}

/// What takes longer requests is better a program that reads them as a stream.
const LENGTH_MAX: u64 = 100 << 20;
