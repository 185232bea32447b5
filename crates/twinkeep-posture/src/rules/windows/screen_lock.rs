//! Rule `win-screen-lock`: nobody finds an open session.
//!
//! Zero and absent both mean never.

use super::{Policy, SYSTEM, Says, on, policy};
use crate::facts::Check;
use crate::facts::windows::Windows;
use crate::outcome::Place;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "win-screen-lock",
    title: "The screen locks after fifteen minutes at most",
    severity: Severity::Medium,
    protects: "Whoever passes an open workstation acts in the name of its user.",
    remedy: "set `InactivityTimeoutSecs` to 900 or less",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(2)(iii)",
            strength: Strength::Strong,
            because: "It is the automatic end of a session that nobody uses.",
        },
        Evidence {
            control: "hipaa-164.310(c)",
            strength: Strength::Partial,
            because: "It restricts access to a workstation to who logged on.",
        },
    ],
    check: Check::Windows(Judge { judge }),
};

fn judge(facts: &Windows) -> Vec<Judged> {
    let at = || Place::of(format!("{}\\{}", LOCK.key, LOCK.name));
    let outcome = match policy(facts, &LOCK) {
        Says::Right => Outcome::Pass,
        Says::Wrong(0) => Outcome::fail(at(), "the screen never locks by itself"),
        Says::Wrong(seconds) => Outcome::fail(at(), format!("the screen locks after {seconds} s")),
        Says::Nothing => Outcome::fail(at(), "nothing says when the screen locks"),
        Says::Unknown(why) => Outcome::not_checked(why),
    };
    vec![on(facts, "screen", outcome)]
}

/// A value of the machine itself, so that it is policy and effect in one.
pub(crate) const LOCK: Policy = Policy {
    key: SYSTEM,
    name: "InactivityTimeoutSecs",
    good: |seconds| (1..=900).contains(&seconds),
    fix: 900,
};
