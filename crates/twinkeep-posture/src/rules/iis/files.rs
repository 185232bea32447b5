//! Rule `iis-files`: all of the configuration was read.
//!
//! What could not be read is not checked, which is never green.

use crate::facts::Check;
use crate::facts::iis::Iis;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "iis-files",
    title: "Every file of the configuration could be read",
    severity: Severity::High,
    protects: "What was not read may undo what the other rules found in order.",
    remedy: "scan a folder with applicationHost.config and each web.config, as a user who may read them",
    controls: &[Evidence {
        control: "hipaa-164.308(a)(8)",
        strength: Strength::Partial,
        because: "An evaluation has to say what it did not see.",
    }],
    check: Check::Iis(Judge { judge }),
};

fn judge(facts: &Iis) -> Vec<Judged> {
    if facts.unread.is_empty() {
        return vec![Judged::new(&facts.root, Outcome::Pass)];
    }
    let unread = facts.unread.iter();
    unread
        .map(|unread| Judged::new(unread.at.to_string(), Outcome::not_checked(unread.why.clone())))
        .collect()
}
