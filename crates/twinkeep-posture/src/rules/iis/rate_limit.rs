//! Rule `iis-rate-limit`: nobody asks as often as they like.
//!
//! `dynamicIpSecurity` counts requests per address, or requests at once; it denies nobody while it
//! only writes down. Behind a proxy it counts the proxy unless `enableProxyMode` is on.

use super::{scopes, unsaid};
use crate::facts::Check;
use crate::facts::iis::Iis;
use crate::outcome::{Judged, Outcome, Severity};
use crate::parse::iis::effective::{CONCURRENT, LIMITS_DRY, RATE};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "iis-rate-limit",
    title: "Every place limits how often an address may ask",
    severity: Severity::High,
    protects: "One client can ask a model as often as it likes: to wear it out, to copy it, or to try keys.",
    remedy: "install the feature IP and Domain Restrictions, and say `<dynamicIpSecurity><denyByRequestRate enabled=\"true\" maxRequests=\"20\" requestIntervalInMilliseconds=\"1000\" /></dynamicIpSecurity>`",
    controls: &[
        Evidence {
            control: "hipaa-164.308(a)(1)(ii)(B)",
            strength: Strength::Partial,
            because: "A limit reduces the risk of guessed keys and of copied models.",
        },
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Partial,
            because: "Without a limit, access by trying is a matter of time.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "A limit keeps the service available when one client floods it.",
        },
    ],
    check: Check::Iis(Judge { judge }),
};

fn judge(facts: &Iis) -> Vec<Judged> {
    scopes(facts, |scope| {
        let on = |setting| scope.says(setting).as_deref() == Some("true");
        let limited = on(RATE) || on(CONCURRENT);
        Some(if limited && on(LIMITS_DRY) {
            Outcome::fail(
                scope.place(Some(LIMITS_DRY)),
                "counts requests and lets all of them pass",
            )
        } else if limited {
            Outcome::Pass
        } else if scope.complete || scope.says(RATE).is_some() && scope.says(CONCURRENT).is_some() {
            Outcome::fail(
                scope.place(Some(RATE)),
                "limits neither the rate nor the number of requests",
            )
        } else {
            unsaid()
        })
    })
}
