//! Rule `pg-hba-tls`: connections over a network must be encrypted.

use crate::facts::postgres::{HbaRule, Postgres};
use crate::facts::{Check, FixOf};
use crate::fix::{Change, Fix};
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::postgres::{each_hba, fixes, is_loopback};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "pg-hba-tls",
    title: "Rules of pg_hba.conf let nobody in over a network without encryption",
    severity: Severity::High,
    protects: "As long as a `host` line matches, a client that forgets about TLS sends records in \
               the clear, and nobody notices.",
    remedy: "write `hostssl` instead of `host`, and take `hostnossl` lines out",
    controls: &[
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Strong,
            because: "Connections that a network could read along are refused.",
        },
        Evidence {
            control: "hipaa-164.312(e)(2)(ii)",
            strength: Strength::Strong,
            because: "Records cannot travel unencrypted.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Partial,
            because: "Encryption of personal data in transit is enforced, not only offered.",
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
    let open = matches!(rule.kind.as_str(), "host" | "hostnossl" | "hostnogssenc");
    let lets_in = rule.method != "reject" && !is_loopback(rule);
    (open && lets_in).then(|| format!("`{}` also lets in who comes without TLS", rule.kind))
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::rules::postgres::testing::{hba, word};

    #[test]
    fn only_this_machine_may_come_without_encryption() {
        let of = |kind, address| word(judge, &hba(kind, address, "scram-sha-256"));
        assert_eq!(of("hostssl", "10.0.0.0/8"), "pass");
        assert_eq!(of("hostgssenc", "10.0.0.0/8"), "pass");
        assert_eq!(of("host", "127.0.0.1/32"), "pass");
        assert_eq!(of("host", "::1/128"), "pass");
        assert_eq!(of("local", ""), "pass");
        assert_eq!(of("host", "10.0.0.0/8"), "fail");
        assert_eq!(of("host", "127.0.0.0/1"), "fail");
        assert_eq!(of("host", "all"), "fail");
        assert_eq!(of("hostnossl", "samenet"), "fail");
        assert_eq!(word(judge, &hba("hostnossl", "all", "reject")), "pass");
    }
}
