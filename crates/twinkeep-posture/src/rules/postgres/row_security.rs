//! Rule `pg-row-security`: a role sees the rows that concern it.

use crate::facts::Check;
use crate::facts::postgres::{Postgres, Table};
use crate::outcome::{Judged, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::postgres::each_table;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "pg-row-security",
    title: "Tables with data of people have row-level security",
    severity: Severity::Medium,
    protects: "Whoever may read such a table reads all persons in it.",
    remedy: "run `ALTER TABLE … ENABLE ROW LEVEL SECURITY`, with policies that say which rows a \
             role sees",
    controls: &[
        Evidence {
            control: "hipaa-164.502(b)",
            strength: Strength::Partial,
            because: "Roles see the rows that they need, not all.",
        },
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Partial,
            because: "Access is granted row by row.",
        },
        Evidence {
            control: "gdpr-25(1)",
            strength: Strength::Partial,
            because: "Minimisation is built into the table.",
        },
    ],
    check: Check::Postgres(Judge { judge }),
};

fn judge(facts: &Postgres) -> Vec<Judged> {
    each_table(facts, wrong)
}

fn wrong(table: &Table) -> Option<String> {
    let kinds = table.kinds.join(", ");
    (!table.row_security).then(|| format!("it has columns of people ({kinds}) and no row security"))
}
