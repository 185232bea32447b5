//! Rule `pg-trust`: nobody is believed without a proof.

use crate::facts::postgres::{HbaRule, Postgres};
use crate::facts::{Check, FixOf};
use crate::fix::{Change, Fix};
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::postgres::{each_hba, fixes};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "pg-trust",
    title: "No rule of pg_hba.conf trusts whoever connects",
    severity: Severity::Critical,
    protects: "With `trust`, whoever reaches the server is whoever they say they are, the \
               administrator included.",
    remedy: "give each role that comes this way a SCRAM password, and replace `trust` by \
             `scram-sha-256`, `cert`, or, for sockets, `peer`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(d)",
            strength: Strength::Strong,
            because: "A rule that trusts verifies nobody who seeks access.",
        },
        Evidence {
            control: "hipaa-164.312(a)(2)(i)",
            strength: Strength::Partial,
            because: "Whoever connects is the user that was proven.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "Confidentiality ends where no proof of identity is asked for.",
        },
    ],
    check: Check::Postgres(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix { rule: RULE.id, changes: FixOf::Postgres(changes) };

fn changes(facts: &Postgres, judged: &Judged) -> Vec<Change> {
    fixes::line(facts, judged, wrong)
}

fn judge(facts: &Postgres) -> Vec<Judged> {
    each_hba(facts, wrong)
}

fn wrong(rule: &HbaRule) -> Option<String> {
    (rule.method == "trust")
        .then(|| format!("`{}` lets in whoever connects, as anybody", rule.kind))
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::rules::postgres::testing::{hba, word};

    #[test]
    fn trust_is_never_right() {
        assert_eq!(word(judge, &hba("host", "127.0.0.1/32", "trust")), "fail");
        assert_eq!(word(judge, &hba("local", "", "trust")), "fail");
        assert_eq!(word(judge, &hba("local", "", "peer")), "pass");
    }
}
