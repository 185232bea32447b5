//! Rule `pg-anywhere`: not every address may try to log in.

use crate::facts::Check;
use crate::facts::postgres::{HbaRule, Postgres};
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::postgres::{each_hba, is_anywhere};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "pg-anywhere",
    title: "No rule of pg_hba.conf lets every address in",
    severity: Severity::High,
    protects: "A database that answers every address is tried with stolen passwords day and \
               night.",
    remedy: "name the networks that clients are in instead of `0.0.0.0/0`, `::/0`, or `all`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Partial,
            because: "Addresses that no right of access can come from are refused.",
        },
        Evidence {
            control: "gdpr-25(2)",
            strength: Strength::Partial,
            because: "By default the database is reachable from few places.",
        },
    ],
    check: Check::Postgres(Judge { judge }),
};

fn judge(facts: &Postgres) -> Vec<Judged> {
    each_hba(facts, wrong)
}

fn wrong(rule: &HbaRule) -> Option<String> {
    let lets_in = rule.kind.starts_with("host") && rule.method != "reject";
    (lets_in && is_anywhere(rule)).then(|| "it lets every address in".to_owned())
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::rules::postgres::testing::{hba, word};

    #[test]
    fn all_addresses_are_too_many() {
        for address in ["all", "0.0.0.0/0", "::/0"] {
            assert_eq!(word(judge, &hba("hostssl", address, "cert")), "fail", "{address}");
            assert_eq!(word(judge, &hba("host", address, "reject")), "pass", "{address}");
        }
        assert_eq!(word(judge, &hba("hostssl", "10.0.0.0/8", "cert")), "pass");
        assert_eq!(word(judge, &hba("local", "", "peer")), "pass");
    }
}
