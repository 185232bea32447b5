//! Rule `pg-passwords`: passwords are stored so that who reads them cannot use them.

use crate::facts::postgres::{Postgres, StoredPassword};
use crate::facts::{Check, FixOf};
use crate::fix::{Change, Fix, Parameter};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::postgres::{fixes, on_server, resource, setting};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "pg-passwords",
    title: "Passwords of the database are stored as SCRAM-SHA-256",
    severity: Severity::High,
    protects: "Who gets hold of a backup logs in with its MD5 hashes, without ever knowing a \
               password.",
    remedy: "set `password_encryption = scram-sha-256`, and let each role of the report set its \
             password again",
    controls: &[
        Evidence {
            control: "hipaa-164.308(a)(5)(ii)(D)",
            strength: Strength::Strong,
            because: "Passwords are stored in a form that is of no use to who reads it.",
        },
        Evidence {
            control: "hipaa-164.312(d)",
            strength: Strength::Partial,
            because: "A copy of the catalog proves nobody's identity.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "A leak of hashes does not become a leak of records.",
        },
    ],
    check: Check::Postgres(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix { rule: RULE.id, changes: FixOf::Postgres(changes) };

/// New passwords; those that are stored have to be set again by their owners.
fn changes(facts: &Postgres, judged: &Judged) -> Vec<Change> {
    fixes::set(facts, judged, Parameter::PasswordEncryption, "scram-sha-256")
}

fn judge(facts: &Postgres) -> Vec<Judged> {
    let mut judged = on_server(
        facts,
        match setting(facts, "password_encryption") {
            Ok("scram-sha-256") => Outcome::Pass,
            Ok(_) => {
                Outcome::fail(Place::of("password_encryption"), "new passwords become MD5 hashes")
            }
            Err(unknown) => unknown,
        },
    );
    let passwords = match facts.passwords.seen() {
        Ok(passwords) => passwords,
        Err(why) => {
            judged.extend(on_server(facts, Outcome::not_checked(why)));
            return judged;
        }
    };
    judged.extend(passwords.iter().map(|(role, stored)| {
        let outcome = match stored {
            StoredPassword::Scram => Outcome::Pass,
            StoredPassword::Nothing => Outcome::not_applicable("it has no password"),
            StoredPassword::Md5 => Outcome::fail(Place::of(role), "its password is an MD5 hash"),
            StoredPassword::Other => Outcome::not_checked("its password is stored in another way"),
        };
        Judged::new(resource(facts, "role", role), outcome)
    }));
    judged
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::judge;
    use crate::facts::Known;
    use crate::facts::postgres::StoredPassword;
    use crate::rules::postgres::testing::settings;

    #[test]
    fn the_setting_and_each_stored_password_count() {
        let mut facts = settings(&[("password_encryption", "scram-sha-256")]);
        let words = |facts: &_| -> Vec<&str> {
            judge(facts).iter().map(|judged| judged.outcome.word()).collect()
        };
        assert_eq!(words(&facts), ["pass", "not-checked"]);
        let kinds = [StoredPassword::Md5, StoredPassword::Nothing, StoredPassword::Scram];
        let names = ["a", "b", "c"].map(str::to_owned);
        facts.passwords = Known::Seen(names.into_iter().zip(kinds).collect::<BTreeMap<_, _>>());
        assert_eq!(words(&facts), ["pass", "fail", "not-applicable", "pass"]);
    }
}
