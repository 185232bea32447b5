//! Rule `pg-hba-method`: proofs cannot be read along or replayed.

use crate::facts::postgres::{HbaRule, Postgres};
use crate::facts::{Check, FixOf};
use crate::fix::{Change, Fix};
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::postgres::{each_hba, fixes};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "pg-hba-method",
    title: "No rule of pg_hba.conf takes passwords in the clear, MD5, or the word of the client",
    severity: Severity::High,
    protects: "`password` sends the password itself, an MD5 hash is as good as the password, and \
               `ident` believes the machine that asks.",
    remedy: "let each role that comes this way set its password as SCRAM-SHA-256, and replace \
             `password`, `md5`, and `ident` by `scram-sha-256` or `cert`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(d)",
            strength: Strength::Strong,
            because: "Those who seek access prove who they are by a method that cannot be copied.",
        },
        Evidence {
            control: "hipaa-164.308(a)(5)(ii)(D)",
            strength: Strength::Partial,
            because: "Passwords are used by a method that keeps them secret.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "Confidentiality rests on proofs that cannot be replayed.",
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
    let why = match rule.method.as_str() {
        "password" => "sends passwords in the clear",
        "md5" => "also takes MD5 hashes, which are as good as passwords",
        "ident" if rule.kind != "local" => "believes the machine that connects",
        _ => return None,
    };
    Some(format!("`{}` {why}", rule.method))
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::rules::postgres::testing::{hba, word};

    #[test]
    fn weak_methods_fail() {
        for method in ["password", "md5", "ident"] {
            assert_eq!(word(judge, &hba("hostssl", "10.0.0.0/8", method)), "fail", "{method}");
        }
        for method in ["scram-sha-256", "cert", "reject", "gss"] {
            assert_eq!(word(judge, &hba("hostssl", "10.0.0.0/8", method)), "pass", "{method}");
        }
    }
}
