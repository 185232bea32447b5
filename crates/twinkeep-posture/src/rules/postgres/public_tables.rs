//! Rule `pg-public-tables`: not every role may read data of people.

use crate::facts::Check;
use crate::facts::postgres::{Postgres, Table};
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::postgres::each_table;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "pg-public-tables",
    title: "Tables with data of people are not readable by every role",
    severity: Severity::High,
    protects: "Whoever logs in, as whatever role, reads these persons.",
    remedy: "run `REVOKE ALL ON … FROM PUBLIC`, and grant to the roles that need it",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Strong,
            because: "Access to a table of persons is granted to those with a right to it, not to \
                      all.",
        },
        Evidence {
            control: "hipaa-164.502(b)",
            strength: Strength::Partial,
            because: "Roles that need no persons see none.",
        },
        Evidence {
            control: "gdpr-25(2)",
            strength: Strength::Strong,
            because: "By default, personal data are not accessible to an indefinite number of \
                      roles.",
        },
    ],
    check: Check::Postgres(Judge { judge }),
};

fn judge(facts: &Postgres) -> Vec<Judged> {
    each_table(facts, wrong)
}

fn wrong(table: &Table) -> Option<String> {
    let kinds = table.kinds.join(", ");
    table.public.then(|| format!("every role may read its columns of people ({kinds})"))
}
