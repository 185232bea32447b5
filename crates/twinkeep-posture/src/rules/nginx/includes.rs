//! Rule `nginx-includes`: all of the configuration was read.
//!
//! What could not be read is not checked, which is never green.

use crate::facts::Check;
use crate::facts::nginx::Nginx;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "nginx-includes",
    title: "Every file that the configuration includes could be read",
    severity: Severity::High,
    protects: "What was not read may undo what the other rules found in order.",
    remedy: "scan as a user who may read all files, or on the machine itself",
    controls: &[Evidence {
        control: "hipaa-164.308(a)(8)",
        strength: Strength::Partial,
        because: "An evaluation has to say what it did not see.",
    }],
    check: Check::Nginx(Judge { judge }),
};

fn judge(facts: &Nginx) -> Vec<Judged> {
    if facts.unread.is_empty() {
        return vec![Judged::new(&facts.main, Outcome::Pass)];
    }
    let unread = facts.unread.iter();
    unread
        .map(|unread| Judged::new(unread.at.to_string(), Outcome::not_checked(unread.why.clone())))
        .collect()
}
