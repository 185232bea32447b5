//! Rule `pg-tls`: the server offers TLS.

use crate::facts::postgres::Postgres;
use crate::facts::{Check, FixOf};
use crate::fix::{Change, Fix, Parameter};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::postgres::{fixes, on_server, setting};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "pg-tls",
    title: "The database server offers TLS",
    severity: Severity::High,
    protects: "Without TLS, records and passwords cross the network for everybody on the way to \
               read.",
    remedy: "give the server a certificate and a key, set `ssl = on`, and reload",
    controls: &[
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Partial,
            because: "Records can travel between the database and its clients unread.",
        },
        Evidence {
            control: "hipaa-164.312(e)(2)(ii)",
            strength: Strength::Partial,
            because: "Encryption is there to be used; rules about connections then demand it.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Partial,
            because: "Encryption of personal data in transit is possible.",
        },
    ],
    check: Check::Postgres(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix { rule: RULE.id, changes: FixOf::Postgres(changes) };

fn changes(facts: &Postgres, judged: &Judged) -> Vec<Change> {
    fixes::set(facts, judged, Parameter::Ssl, "on")
}

fn judge(facts: &Postgres) -> Vec<Judged> {
    on_server(
        facts,
        match setting(facts, "ssl") {
            // A server that was told so without a certificate takes it over, and offers nothing.
            Ok("on") => match facts.offers_tls.seen() {
                Ok(true) => Outcome::Pass,
                Ok(false) => Outcome::fail(
                    Place::of("ssl"),
                    "`ssl` is on, and the server offers no TLS: it has no certificate and key that \
                     it can read",
                ),
                Err(why) => Outcome::not_checked(format!("`ssl` is on; {why}")),
            },
            Ok(_) => Outcome::fail(Place::of("ssl"), "`ssl` is off"),
            Err(unknown) => unknown,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::postgres::Postgres;
    use crate::rules::postgres::testing::{settings, word};

    #[test]
    fn what_is_on_has_to_be_offered() {
        let word =
            |ssl, offers_tls| word(judge, &Postgres { offers_tls, ..settings(&[("ssl", ssl)]) });
        assert_eq!(word("on", Known::Seen(true)), "pass");
        assert_eq!(word("on", Known::Seen(false)), "fail");
        assert_eq!(word("on", Known::default()), "not-checked");
        assert_eq!(word("off", Known::default()), "fail");
    }
}
