//! Rule `sqlite-plaintext`: no database file holds people in the clear.

use crate::facts::Check;
use crate::facts::sqlite::{Database, Sqlite};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "sqlite-plaintext",
    title: "Database files of SQLite with tables of people are encrypted",
    severity: Severity::High,
    protects: "Whoever copies the file has every row: SQLite asks for no password.",
    remedy: "delete the file if nobody needs it, or keep it with SQLCipher, `age`, or in a keep",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(2)(iv)",
            strength: Strength::Strong,
            because: "The file was looked into: what it holds of people is not encrypted in it.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Strong,
            because: "Encryption of personal data was looked for in the file itself.",
        },
        Evidence {
            control: "hipaa-164.310(d)(1)",
            strength: Strength::Partial,
            because: "Copies on media that leave the house stay unreadable.",
        },
    ],
    check: Check::Sqlite(Judge { judge }),
};

fn judge(facts: &Sqlite) -> Vec<Judged> {
    let judged = |database: &Database| Judged::new(&database.file.path, outcome(database));
    let missed = facts.not_checked.iter();
    let missed = missed.map(|missed| Judged::new(&missed.path, Outcome::not_checked(&missed.why)));
    facts.databases.iter().map(judged).chain(missed).collect()
}

fn outcome(database: &Database) -> Outcome {
    let tables = match database.tables.seen() {
        Ok(tables) => tables,
        Err(why) => return Outcome::not_checked(why),
    };
    let Some(first) = tables.first() else {
        return match (database.unread_rows, database.has_log) {
            (0, false) => Outcome::Pass,
            (0, true) => {
                Outcome::not_checked("changes lie in its log; close the program that has it open")
            }
            (rows, _) => {
                let why = format!("{rows} rows of its schema could not be read; is it damaged?");
                Outcome::not_checked(why)
            }
        };
    };
    let more = match tables.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more tables"),
    };
    // A table may be called anything, so it is shown without signs that do something.
    let name: String = first.name.chars().filter(|c| !c.is_control()).take(60).collect();
    let kinds = first.kinds.join(", ");
    Outcome::fail(
        Place::of(&database.file.path),
        format!("its table `{name}` has columns of people ({kinds}){more}, in the clear"),
    )
}
