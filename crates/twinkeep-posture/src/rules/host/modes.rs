//! Rule `host-modes`: what has to be protected is open to its owner only.

use crate::facts::file::File;
use crate::facts::host::Host;
use crate::facts::{Check, FixOf};
use crate::fix::{Change, Fix};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "host-modes",
    title: "Sensitive folders, and all in them, are open to their owner only",
    severity: Severity::High,
    protects: "Any account of the computer, and whoever takes one over, reads what is open to others.",
    remedy: "run `chmod -R go= FOLDER`, and `setfacl -R -b FOLDER` where there are access-control lists",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Partial,
            because: "Modes decide which accounts of the system may reach the data.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "What other accounts cannot open, they can neither read nor alter.",
        },
        Evidence {
            control: "hipaa-164.310(c)",
            strength: Strength::Partial,
            because: "Who else works on the computer is kept out of the data.",
        },
    ],
    check: Check::Host(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix { rule: RULE.id, changes: FixOf::Host(changes) };

/// The bits of a mode that give anything to the group or to others.
const OTHERS: u32 = 0o077;

fn judge(host: &Host) -> Vec<Judged> {
    let mut judged = Vec::new();
    for sensitive in &host.sensitive {
        let tree = match sensitive.tree.seen() {
            Ok(tree) => tree,
            Err(why) => {
                judged.push(Judged::new(&sensitive.path, Outcome::not_checked(why)));
                continue;
            }
        };
        judged.extend(tree.open.iter().map(open));
        if tree.cut || tree.unread != 0 {
            let why = "not all files and access-control lists could be looked at";
            judged.push(Judged::new(&sensitive.path, Outcome::not_checked(why)));
        } else if tree.open.is_empty() {
            judged.push(Judged::new(&sensitive.path, Outcome::Pass));
        }
    }
    judged
}

fn open(file: &File) -> Judged {
    let what = if file.mode & OTHERS != 0 {
        format!("mode {:04o} lets others than its owner in", file.mode)
    } else if file.acl == Some(true) {
        "an access-control list lets others than its owner in".to_owned()
    } else {
        format!("it belongs to user {}, and the folder that it is in does not", file.uid)
    };
    Judged::new(&file.path, Outcome::fail(Place::of(&file.path), what))
}

/// Takes from the group and from others whatever they have; what the owner has stays.
fn changes(host: &Host, judged: &Judged) -> Vec<Change> {
    let trees = host.sensitive.iter().filter_map(|sensitive| sensitive.tree.seen().ok());
    let mut open = trees.flat_map(|tree| &tree.open);
    match open.find(|file| file.path == judged.resource) {
        Some(file) if file.mode & OTHERS != 0 => {
            let (path, from) = (file.path.clone(), file.mode);
            vec![Change::SetMode { path, from, to: from & !OTHERS }]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::path::Path;

    use crate::baseline::Baseline;
    use crate::collect::host::{Canary, Places, collect};
    use crate::facts::FactFile;
    use crate::fix::{apply, plan, rollback, verify};
    use crate::outcome::{Outcome, Severity};
    use crate::scan::judge;

    #[test]
    fn what_belongs_to_somebody_else_fails() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::File::create(&file).unwrap();
        for (path, mode) in [(folder.path(), 0o700), (&file, 0o600)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let word = || {
            let host = collect(&Places::default(), &[folder.path()], Canary::Leave, 0);
            super::judge(&host)[0].outcome.word()
        };
        assert_eq!(word(), "pass");
        // Only root can give a file away.
        if chown(&file, Some(65534), None).is_ok() {
            assert_eq!(word(), "fail");
        }
    }

    /// Real files are repaired, and put back as they were.
    #[test]
    fn what_is_open_is_closed_and_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::File::create(data.join("a")).unwrap();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(&data, 0o755);
        mode(&data.join("a"), 0o644);
        let facts = || {
            let host = collect(&Places::default(), &[&data], Canary::Leave, 0);
            FactFile::new(0, vec![host.into()])
        };
        let failed = || {
            let report = judge(&facts(), None, &Baseline::default());
            let of_rule = report.findings.iter().filter(|it| it.rule == "host-modes");
            of_rule.filter(|it| matches!(it.outcome, Outcome::Fail { .. })).count()
        };
        assert_eq!(failed(), 2);
        let journal = folder.path().join("journal");
        let mut planned = plan(&facts(), Severity::Informational);
        planned.steps.retain(|step| step.rule == "host-modes");
        assert_eq!(planned.steps.len(), 2);
        apply(&planned, &journal).unwrap();
        assert_eq!(failed(), 0);
        // The files are no longer named; what they lie in is.
        let verified = verify(&planned, &judge(&facts(), None, &Baseline::default()));
        assert_eq!(verified.len(), 2);
        assert!(verified.iter().all(|it| it.outcome == Outcome::Pass), "{verified:?}");
        rollback(&journal).unwrap();
        assert_eq!(failed(), 2);
        assert_eq!(fs::metadata(data.join("a")).unwrap().permissions().mode() & 0o7777, 0o644);
    }
}
