//! Rule `sqlite-modes`: nobody but its owner reads a database file of people.

use crate::facts::Check;
use crate::facts::sqlite::{Database, Sqlite};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "sqlite-modes",
    title: "Database files of SQLite with tables of people are open to their owner only",
    severity: Severity::High,
    protects: "Every account of the machine can copy the file, and every program that runs as \
               one.",
    remedy: "run `chmod 600 FILE`, and the same on its `-wal` and `-shm`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Strong,
            because: "Access to the file is granted to one account.",
        },
        Evidence {
            control: "gdpr-25(2)",
            strength: Strength::Partial,
            because: "By default other accounts do not reach personal data.",
        },
    ],
    check: Check::Sqlite(Judge { judge }),
};

fn judge(facts: &Sqlite) -> Vec<Judged> {
    let judged = |database: &Database| Judged::new(&database.file.path, outcome(database));
    facts.databases.iter().map(judged).collect()
}

fn outcome(database: &Database) -> Outcome {
    let mode = database.file.mode;
    match database.tables.seen() {
        Ok(tables) if tables.is_empty() && !database.has_log => {
            Outcome::not_applicable("it has no tables of people")
        }
        _ if mode & 0o077 != 0 => Outcome::fail(
            Place::of(&database.file.path),
            format!("mode {mode:04o} lets others than its owner in"),
        ),
        Ok(_) => Outcome::Pass,
        Err(why) => Outcome::not_checked(why),
    }
}
