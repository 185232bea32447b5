//! Rule `iis-server-header`: answers do not say which server sent them.
//!
//! `removeServerHeader` exists since IIS 10; older ones refuse it, so that it is left to people.

use super::{scopes, unsaid};
use crate::facts::Check;
use crate::facts::iis::Iis;
use crate::outcome::{Judged, Outcome, Severity};
use crate::parse::iis::effective::NO_SERVER;
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "iis-server-header",
    title: "No place sends the header Server",
    severity: Severity::Low,
    protects: "Who knows which server answers knows which holes to try.",
    remedy: "say `<requestFiltering removeServerHeader=\"true\" />`, from IIS 10 on",
    controls: &[Evidence {
        control: "hipaa-164.308(a)(1)(ii)(B)",
        strength: Strength::Partial,
        because: "It makes the choice of an attack harder.",
    }],
    check: Check::Iis(Judge { judge }),
};

fn judge(facts: &Iis) -> Vec<Judged> {
    scopes(facts, |scope| {
        Some(match scope.says(NO_SERVER).as_deref() {
            Some("true") => Outcome::Pass,
            None if !scope.complete => unsaid(),
            _ => Outcome::fail(scope.place(Some(NO_SERVER)), "sends the header `Server`"),
        })
    })
}
