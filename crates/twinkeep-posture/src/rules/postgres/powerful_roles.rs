//! Rule `pg-powerful-roles`: who logs in can do no more than the work needs.

use crate::facts::Check;
use crate::facts::postgres::{Postgres, Role};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::postgres::resource;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "pg-powerful-roles",
    title: "No role that logs in is a superuser, makes roles, or passes over row security, but \
            the first one",
    severity: Severity::Medium,
    protects: "Whoever takes over such a role reads every record and can hide that they did.",
    remedy: "take the right away with `ALTER ROLE … NOSUPERUSER NOCREATEROLE NOBYPASSRLS`, and \
             grant what is needed",
    controls: &[
        Evidence {
            control: "hipaa-164.308(a)(4)(ii)(B)",
            strength: Strength::Partial,
            because: "Rights beyond those of a task were not authorized for it.",
        },
        Evidence {
            control: "hipaa-164.502(b)",
            strength: Strength::Partial,
            because: "A superuser reads more than the minimum necessary.",
        },
        Evidence {
            control: "gdpr-25(2)",
            strength: Strength::Partial,
            because: "By default a role reaches only what its purpose needs.",
        },
    ],
    check: Check::Postgres(Judge { judge }),
};

fn judge(facts: &Postgres) -> Vec<Judged> {
    let outcome = |role: &Role| {
        let rights = [
            (role.superuser, "SUPERUSER"),
            (role.create_role, "CREATEROLE"),
            (role.bypass_rls, "BYPASSRLS"),
        ];
        let has: Vec<&str> = rights.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect();
        if role.first {
            Outcome::not_applicable("it is the role that the cluster was made with")
        } else if has.is_empty() {
            Outcome::Pass
        } else {
            Outcome::fail(Place::of(&role.name), format!("it has {}", has.join(", ")))
        }
    };
    let judged = |role: &Role| Judged::new(resource(facts, "role", &role.name), outcome(role));
    facts.roles.iter().map(judged).collect()
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::postgres::{Postgres, Role};
    use crate::rules::postgres::testing::word;

    #[test]
    fn one_right_too_many_fails() {
        let with = |role: Role| word(judge, &Postgres { roles: vec![role], ..Postgres::default() });
        assert_eq!(with(Role::default()), "pass");
        assert_eq!(with(Role { superuser: true, ..Role::default() }), "fail");
        assert_eq!(with(Role { create_role: true, ..Role::default() }), "fail");
        assert_eq!(with(Role { bypass_rls: true, ..Role::default() }), "fail");
        let first = Role { superuser: true, first: true, ..Role::default() };
        assert_eq!(with(first), "not-applicable");
    }
}
