//! Rule `pg-log-connections`: who connected, and until when, is written down.

use crate::facts::postgres::Postgres;
use crate::facts::{Check, FixOf};
use crate::fix::{Change, Fix, Parameter};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::postgres::{fixes, on_server, setting};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "pg-log-connections",
    title: "The database server logs connections and their ends",
    severity: Severity::Medium,
    protects: "Attempts to guess a password, and logins at odd hours, leave no trace.",
    remedy: "set `log_connections = on` (`all` from version 18) and `log_disconnections = on`",
    controls: &[
        Evidence {
            control: "hipaa-164.308(a)(5)(ii)(C)",
            strength: Strength::Strong,
            because: "Log-in attempts are recorded, so that they can be watched.",
        },
        Evidence {
            control: "hipaa-164.312(b)",
            strength: Strength::Partial,
            because: "Sessions that reach records are recorded with their beginning and end.",
        },
    ],
    check: Check::Postgres(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix { rule: RULE.id, changes: FixOf::Postgres(changes) };

fn changes(facts: &Postgres, judged: &Judged) -> Vec<Change> {
    let parameters = [Parameter::LogConnections, Parameter::LogDisconnections];
    // A list of what is logged is as good, from version 18 on.
    let is_off = |it: &Parameter| matches!(setting(facts, it.name()), Ok("off" | ""));
    let off = parameters.into_iter().filter(is_off);
    off.flat_map(|parameter| fixes::set(facts, judged, parameter, "on")).collect()
}

fn judge(facts: &Postgres) -> Vec<Judged> {
    on_server(facts, outcome(facts))
}

fn outcome(facts: &Postgres) -> Outcome {
    for name in ["log_connections", "log_disconnections"] {
        match setting(facts, name) {
            // From version 18 on, a list of what is logged.
            Ok("off" | "") => return Outcome::fail(Place::of(name), format!("`{name}` is off")),
            Ok(_) => {}
            Err(unknown) => return unknown,
        }
    }
    Outcome::Pass
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::rules::postgres::testing::{settings, word};

    #[test]
    fn both_ends_must_be_logged() {
        let with = |begin, end| {
            word(judge, &settings(&[("log_connections", begin), ("log_disconnections", end)]))
        };
        assert_eq!(with("on", "on"), "pass");
        assert_eq!(with("receipt,authentication", "on"), "pass");
        assert_eq!(with("on", "off"), "fail");
        assert_eq!(with("", "on"), "fail");
        assert_eq!(word(judge, &settings(&[])), "not-checked");
    }
}
