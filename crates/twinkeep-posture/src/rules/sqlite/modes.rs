//! Rule `sqlite-modes`: nobody but its owner reads a database file of people.

use crate::facts::file::File;
use crate::facts::sqlite::{Database, Sqlite};
use crate::facts::{Check, FixOf};
use crate::fix::{Change, Fix};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "sqlite-modes",
    title: "Database files of SQLite with tables of people are open to their owner only",
    severity: Severity::High,
    protects: "Every account of the machine can copy the file, and every program that runs as \
               one.",
    remedy: "run `chmod 600 FILE`, and the same on its `-wal`, `-shm`, and `-journal`",
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

pub(crate) const FIX: Fix = Fix { rule: RULE.id, changes: FixOf::Sqlite(changes) };

/// The bits of a mode that give anything to the group or to others.
const OTHERS: u32 = 0o077;

/// Takes from the group and from others whatever they have; what the owner has stays.
fn changes(facts: &Sqlite, judged: &Judged) -> Vec<Change> {
    let files = facts.databases.iter().flat_map(files);
    let found = files.filter(|file| file.path == judged.resource && file.mode & OTHERS != 0);
    let close = |file: &File| Change::SetMode {
        path: file.path.clone(),
        from: file.mode,
        to: file.mode & !OTHERS,
    };
    found.map(close).collect()
}

/// A database with what SQLite keeps beside it: pages of it are in there, too.
fn files(database: &Database) -> impl Iterator<Item = &File> {
    std::iter::once(&database.file).chain(&database.beside)
}

fn judge(facts: &Sqlite) -> Vec<Judged> {
    let judged = |database| {
        files(database).map(move |file| Judged::new(&file.path, outcome(database, file)))
    };
    facts.databases.iter().flat_map(judged).collect()
}

fn outcome(database: &Database, file: &File) -> Outcome {
    let mode = file.mode;
    match database.tables.seen() {
        Ok(tables) if tables.is_empty() && !database.has_log => {
            Outcome::not_applicable("it has no tables of people")
        }
        _ if mode & OTHERS != 0 => Outcome::fail(
            Place::of(&file.path),
            format!("mode {mode:04o} lets others than its owner in"),
        ),
        Ok(_) => Outcome::Pass,
        Err(why) => Outcome::not_checked(why),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use crate::baseline::Baseline;
    use crate::collect::sqlite::collect;
    use crate::facts::{FactFile, Facts};
    use crate::fix::{apply, plan, rollback, verify};
    use crate::outcome::Severity;
    use crate::scan::judge;

    /// Plan, apply, verify, roll back, and verify, on a database that SQLite made and that a
    /// program was killed over, so that its log and the index of that lie beside it.
    #[test]
    #[expect(clippy::print_stdout, reason = "a skipped test says so")]
    fn a_database_is_closed_with_its_log_by_a_plan_and_given_back_as_it_was() {
        let root = tempfile::tempdir().unwrap();
        let aside = tempfile::tempdir().unwrap();
        let path = root.path().join("ward.db");
        let program = "import os, sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\n\
            c.execute('CREATE TABLE visits(patient_name TEXT, ssn TEXT)')\nc.commit()\n\
            c.execute('PRAGMA journal_mode=wal')\n\
            c.execute(\"INSERT INTO visits VALUES ('a', 'b')\")\nc.commit()\nos._exit(0)";
        let made = Command::new("python3").args(["-c", program]).arg(&path).status();
        if !made.is_ok_and(|status| status.success()) {
            assert!(std::env::var_os("CI").is_none(), "python3 with sqlite3 is not installed");
            println!("skipped: python3 with sqlite3 is not installed");
            return;
        }
        let names = ["ward.db", "ward.db-shm", "ward.db-wal"];
        let modes = [0o600, 0o664, 0o644];
        for (name, mode) in names.into_iter().zip(modes) {
            fs::set_permissions(root.path().join(name), Permissions::from_mode(mode)).unwrap();
        }
        let taken = || FactFile::new(0, vec![Facts::from(collect(root.path()).unwrap())]);
        let planned = plan(&taken(), Severity::Low);
        let steps: Vec<&str> =
            planned.steps.iter().map(|step| step.resource.rsplit('/').next().unwrap()).collect();
        assert_eq!(steps, ["ward.db-wal", "ward.db-shm"], "the database itself is closed already");
        let verified = || -> Vec<&str> {
            let report = judge(&taken(), None, &Baseline::default());
            verify(&planned, &report).iter().map(|it| it.outcome.word()).collect()
        };
        let now = || {
            names.map(|name| {
                let metadata = fs::metadata(root.path().join(name)).unwrap();
                metadata.permissions().mode() & 0o7777
            })
        };
        assert_eq!(verified(), ["fail", "fail"]);
        let journal = aside.path().join("journal");
        apply(&planned, &journal).unwrap();
        assert_eq!((verified(), now()), (vec!["pass", "pass"], [0o600; 3]));
        rollback(&journal).unwrap();
        assert_eq!((verified(), now()), (vec!["fail", "fail"], modes));
    }
}
