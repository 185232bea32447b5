//! Rule `pg-role-expiry`: a password that is forgotten about ends by itself.

use crate::facts::Check;
use crate::facts::postgres::{Postgres, Role, StoredPassword};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::postgres::resource;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "pg-role-expiry",
    title: "Each password of a role ends some day",
    severity: Severity::Low,
    protects: "Roles of people who left, and of programs that are gone, go on to work for whoever \
               has the password.",
    remedy: "set `ALTER ROLE … VALID UNTIL …`, and renew the password before",
    controls: &[
        Evidence {
            control: "hipaa-164.308(a)(3)(ii)(C)",
            strength: Strength::Partial,
            because: "Access ends by itself when nobody renews it after somebody left.",
        },
        Evidence {
            control: "hipaa-164.308(a)(5)(ii)(D)",
            strength: Strength::Partial,
            because: "Passwords are changed before they end.",
        },
    ],
    check: Check::Postgres(Judge { judge }),
};

fn judge(facts: &Postgres) -> Vec<Judged> {
    let outcome = |role: &Role| {
        if role.expires {
            return Outcome::Pass;
        }
        match facts.passwords.seen().map(|passwords| passwords.get(&role.name)) {
            Err(why) => Outcome::not_checked(why),
            Ok(None | Some(StoredPassword::Nothing)) => {
                Outcome::not_applicable("it has no password")
            }
            Ok(Some(_)) => Outcome::fail(Place::of(&role.name), "its password never ends"),
        }
    };
    let judged = |role: &Role| Judged::new(resource(facts, "role", &role.name), outcome(role));
    facts.roles.iter().map(judged).collect()
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::postgres::{Postgres, Role, StoredPassword};
    use crate::rules::postgres::testing::word;

    #[test]
    fn passwords_must_end_where_there_are_any() {
        let with = |expires, stored: Option<StoredPassword>| {
            let role = Role { name: "a".into(), expires, ..Role::default() };
            let passwords = stored.map_or_else(Known::default, |stored| {
                Known::Seen([("a".to_owned(), stored)].into())
            });
            word(judge, &Postgres { roles: vec![role], passwords, ..Postgres::default() })
        };
        assert_eq!(with(true, None), "pass");
        assert_eq!(with(false, None), "not-checked");
        assert_eq!(with(false, Some(StoredPassword::Nothing)), "not-applicable");
        assert_eq!(with(false, Some(StoredPassword::Scram)), "fail");
    }
}
