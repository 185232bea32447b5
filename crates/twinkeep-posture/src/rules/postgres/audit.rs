//! Rule `pg-audit`: who read which tables is written down.

use crate::facts::postgres::Postgres;
use crate::facts::{Check, FixOf};
use crate::fix::{Change, Fix, Parameter};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::postgres::{fixes, on_server, setting};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "pg-audit",
    title: "The database server records who reads and writes",
    severity: Severity::Medium,
    protects: "After a leak nobody can say whose records were read, so everybody's count as \
               disclosed.",
    remedy: "put `pgaudit` into `shared_preload_libraries`, and set `pgaudit.log = 'read, write, \
             role, ddl'`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(b)",
            strength: Strength::Strong,
            because: "Reads and writes of records in the database are recorded.",
        },
        Evidence {
            control: "hipaa-164.308(a)(1)(ii)(D)",
            strength: Strength::Partial,
            because: "There are records of activity that can be reviewed.",
        },
        Evidence {
            control: "gdpr-5(2)",
            strength: Strength::Partial,
            because: "Who processed personal data can be shown.",
        },
    ],
    check: Check::Postgres(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix { rule: RULE.id, changes: FixOf::Postgres(changes) };

/// Loading it takes a restart, and is left to people.
fn changes(facts: &Postgres, judged: &Judged) -> Vec<Change> {
    let classes = setting(facts, "pgaudit.log").ok().filter(|_| is_loaded(facts) == Ok(true));
    let Some(to) = classes.and_then(fixes::audited) else { return Vec::new() };
    fixes::set(facts, judged, Parameter::PgauditLog, &to)
}

fn judge(facts: &Postgres) -> Vec<Judged> {
    on_server(facts, outcome(facts))
}

fn outcome(facts: &Postgres) -> Outcome {
    match is_loaded(facts) {
        Ok(true) => {}
        Ok(false) => {
            return Outcome::fail(Place::of("shared_preload_libraries"), "`pgaudit` is not loaded");
        }
        Err(unknown) => return unknown,
    }
    let classes = match setting(facts, "pgaudit.log") {
        Ok(classes) => classes.to_ascii_lowercase(),
        Err(unknown) => return unknown,
    };
    let has = |class: &str| classes.split(',').any(|found| found.trim() == class);
    let lacks = |class: &str| has(&format!("-{class}"));
    let both = has("all") || has("read") && has("write");
    if both && !lacks("read") && !lacks("write") && !lacks("all") {
        Outcome::Pass
    } else {
        Outcome::fail(Place::of("pgaudit.log"), "it does not record both reads and writes")
    }
}

fn is_loaded(facts: &Postgres) -> Result<bool, Outcome> {
    let libraries = setting(facts, "shared_preload_libraries")?;
    let name = |library: &str| library.rsplit('/').next().map(str::to_owned);
    let is_it =
        |library: &str| name(library.trim().trim_matches('"')).as_deref() == Some("pgaudit");
    Ok(libraries.split(',').any(is_it))
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::rules::postgres::testing::{settings, word};

    #[test]
    fn the_extension_must_be_loaded_and_record_both() {
        let with = |libraries, classes| {
            let names = [("shared_preload_libraries", libraries), ("pgaudit.log", classes)];
            word(judge, &settings(&names))
        };
        assert_eq!(with("pg_stat_statements, pgaudit", "read, write"), "pass");
        assert_eq!(with("pgaudit", "ALL"), "pass");
        assert_eq!(with("$libdir/pgaudit", "all"), "pass");
        assert_eq!(with("pgaudit", "all, -read"), "fail");
        assert_eq!(with("pgaudit", "none"), "fail");
        assert_eq!(with("pgauditlogtofile", "all"), "fail");
        assert_eq!(with("", "all"), "fail");
        assert_eq!(word(judge, &settings(&[])), "not-checked");
    }
}
