//! Rule `pg-tls-version`: no version of TLS is accepted that is broken.

use crate::facts::postgres::Postgres;
use crate::facts::{Check, FixOf};
use crate::fix::{Change, Fix, Parameter};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::postgres::{fixes, on_server, setting};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "pg-tls-version",
    title: "The database server accepts TLS 1.2 and newer only",
    severity: Severity::Medium,
    protects: "Connections over TLS 1.0 and 1.1 can be weakened by whoever sits in between.",
    remedy: "set `ssl_min_protocol_version = TLSv1.2` or `TLSv1.3`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Partial,
            because: "Transmissions are guarded by versions of TLS that are not broken.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Partial,
            because: "Encryption in transit is of the state of the art.",
        },
    ],
    check: Check::Postgres(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix { rule: RULE.id, changes: FixOf::Postgres(changes) };

fn changes(facts: &Postgres, judged: &Judged) -> Vec<Change> {
    fixes::set(facts, judged, Parameter::SslMinProtocolVersion, "TLSv1.2")
}

fn judge(facts: &Postgres) -> Vec<Judged> {
    let at = || Place::of("ssl_min_protocol_version");
    on_server(
        facts,
        match (setting(facts, "ssl"), setting(facts, "ssl_min_protocol_version")) {
            (Ok(ssl), _) if ssl != "on" => Outcome::not_applicable("the server offers no TLS"),
            (Err(unknown), _) | (_, Err(unknown)) => unknown,
            (_, Ok("TLSv1.2" | "TLSv1.3")) => Outcome::Pass,
            (_, Ok(_)) => Outcome::fail(at(), "it allows TLS 1.0 or 1.1"),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::rules::postgres::testing::{settings, word};

    #[test]
    fn old_versions_fail_where_there_is_tls_at_all() {
        let with = |ssl, least| {
            word(judge, &settings(&[("ssl", ssl), ("ssl_min_protocol_version", least)]))
        };
        assert_eq!(with("on", "TLSv1.3"), "pass");
        assert_eq!(with("on", "TLSv1.1"), "fail");
        assert_eq!(with("on", ""), "fail");
        assert_eq!(with("off", "TLSv1"), "not-applicable");
        assert_eq!(word(judge, &settings(&[("ssl", "on")])), "not-checked");
    }
}
