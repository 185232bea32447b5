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
    remedy: "run `chmod go= FILE` on each that is named (`chmod go-w FILE` on what a keep shows, such as its \
             public keys), and `setfacl -b FILE` where there is an access-control list",
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

/// Those that let them change something.
const CHANGE: u32 = 0o022;

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
        let open_files = tree.open.iter().map(|file| open(file, OTHERS));
        judged.extend(open_files.chain(tree.shown.iter().map(|file| open(file, CHANGE))));
        if tree.cut || tree.unread != 0 {
            let why = "not all files and access-control lists could be looked at";
            judged.push(Judged::new(&sensitive.path, Outcome::not_checked(why)));
        } else if tree.open.is_empty() && tree.shown.is_empty() {
            judged.push(Judged::new(&sensitive.path, Outcome::Pass));
        }
    }
    judged
}

fn open(file: &File, forbidden: u32) -> Judged {
    let what = if file.mode & forbidden != 0 {
        let may = if forbidden == CHANGE { "change it" } else { "in" };
        format!("mode {:04o} lets others than its owner {may}", file.mode)
    } else if file.acl == Some(true) {
        "an access-control list lets others than its owner in".to_owned()
    } else {
        format!("it belongs to user {}, and the folder that it is in does not", file.uid)
    };
    Judged::new(&file.path, Outcome::fail(Place::of(&file.path), what))
}

/// Takes from the group and from others whatever they must not have; what the owner has stays.
fn changes(host: &Host, judged: &Judged) -> Vec<Change> {
    let trees = host.sensitive.iter().filter_map(|sensitive| sensitive.tree.seen().ok());
    let mut open = trees.flat_map(|tree| {
        let shown = tree.shown.iter().map(|file| (file, CHANGE));
        tree.open.iter().map(|file| (file, OTHERS)).chain(shown)
    });
    match open.find(|(file, _)| file.path == judged.resource) {
        Some((file, forbidden)) if file.mode & forbidden != 0 => {
            let (path, from) = (file.path.clone(), file.mode);
            vec![Change::SetMode { path, from, to: from & !forbidden }]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::path::Path;

    use crate::baseline::Baseline;
    use crate::collect::host::{Canary, Places, collect};
    use crate::facts::FactFile;
    use crate::facts::host::Host;
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

    /// What a keep shows to others is no finding, unless they may change it; then it is closed for
    /// changes, and still shown.
    #[test]
    fn what_a_keep_shows_may_be_read_and_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let keep = folder.path().join("keep");
        for name in ["", "store", "ledger", "public"] {
            fs::create_dir_all(keep.join(name)).unwrap();
        }
        let descriptor = r#"{"version":1,"keep_id":"d6dbcd6f75046f5d"}"#;
        for (name, text) in [
            ("keep.json", descriptor),
            ("store/catalog.sqlite", ""),
            ("ledger/checkpoint", ""),
            ("public/ca.pem", ""),
            ("twinkeep.toml", ""),
        ] {
            fs::File::create(keep.join(name)).unwrap().write_all(text.as_bytes()).unwrap();
        }
        let mode = |name: &str, mode| {
            fs::set_permissions(keep.join(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        for (name, is) in [("", 0o700), ("store", 0o700), ("ledger", 0o700), ("public", 0o755)] {
            mode(name, is);
        }
        for name in ["keep.json", "public/ca.pem", "twinkeep.toml"] {
            mode(name, 0o644);
        }
        for name in ["store/catalog.sqlite", "ledger/checkpoint"] {
            mode(name, 0o600);
        }
        let host = |of: &Path| collect(&Places::default(), &[of], Canary::Leave, 0);
        let failed = |host: &Host| -> Vec<String> {
            let judged = super::judge(host).into_iter();
            judged.filter(|it| it.outcome != Outcome::Pass).map(|it| it.resource).collect()
        };
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        for of in [folder.path(), &keep, &keep.join("public")] {
            assert_eq!(failed(&host(of)), [""; 0], "{of:?}");
        }

        mode("public/ca.pem", 0o664);
        mode("store/catalog.sqlite", 0o640);
        let found = host(&keep);
        let judged = super::judge(&found);
        assert_eq!(judged.len(), 2, "{judged:?}");
        let changes: Vec<String> =
            judged.iter().flat_map(|it| super::changes(&found, it)).map(|it| it.says()).collect();
        assert!(
            changes[0].contains("catalog.sqlite") && changes[0].contains("0600"),
            "{changes:?}"
        );
        assert!(changes[1].contains("ca.pem") && changes[1].contains("0644"), "{changes:?}");

        // What only looks a little like a keep shows nothing.
        mode("public/ca.pem", 0o644);
        mode("store/catalog.sqlite", 0o600);
        fs::remove_file(keep.join("ledger/checkpoint")).unwrap();
        assert_eq!(failed(&host(&keep)).len(), 4);
    }
}
