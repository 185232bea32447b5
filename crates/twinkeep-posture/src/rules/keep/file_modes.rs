//! Rule `keep-file-modes`: nobody but the owner of a keep may read or change its files.

use crate::facts::file::{File, FileKind};
use crate::facts::keep::Keep;
use crate::facts::{Check, FixOf};
use crate::fix::{Change, Fix};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-file-modes",
    title: "Files of a keep are open to its owner only",
    severity: Severity::High,
    protects: "Whoever may write the files of a keep can roll it back or destroy it; whoever may \
               read them can copy it and try passphrases at leisure.",
    remedy: "run `chmod go= FILE` on each that is named (`chmod go-w FILE` on public keys, the \
             configuration, and the pack, which others may read); folders are 0700 and files 0600",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Partial,
            because: "Modes decide which accounts of the system may reach the stored records.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "What other accounts cannot open, they can neither read nor alter.",
        },
        Evidence {
            control: "aisvs-5.2.1",
            strength: Strength::Partial,
            because: "The files of models and data sets deny everybody but one account.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

/// The bits of a mode that give anything to the group or to others.
const OTHERS: u32 = 0o077;

pub(crate) const FIX: Fix = Fix { rule: RULE.id, changes: FixOf::Keep(changes) };

/// The bits of a mode that let the group or others change something.
const CHANGE: u32 = 0o022;

/// Takes from the group and from others whatever they have; what the owner has stays.
fn changes(keep: &Keep, judged: &Judged) -> Vec<Change> {
    let of = |file: &&File| file.path == judged.resource;
    let private = keep.files.iter().find(of).map(|file| (file, OTHERS));
    let shown = || keep.shown_files.iter().find(of).map(|file| (file, CHANGE));
    let Some((file, forbidden)) = private.or_else(shown) else { return Vec::new() };
    let mut changes = Vec::new();
    if file.uid != keep.owner_uid {
        let path = file.path.clone();
        changes.push(Change::SetOwner { path, from: file.uid, to: keep.owner_uid });
    }
    if file.mode & forbidden != 0 {
        let path = file.path.clone();
        changes.push(Change::SetMode { path, from: file.mode, to: file.mode & !forbidden });
    }
    changes
}

fn judge(keep: &Keep) -> Vec<Judged> {
    let private = keep.files.iter().map(|file| (file, OTHERS, "lets others than its owner in"));
    let shown = keep.shown_files.iter().map(|file| (file, CHANGE, "lets others change it"));
    private
        .chain(shown)
        .filter(|(file, ..)| file.kind != FileKind::Link)
        .map(|(file, forbidden, what)| {
            let at = || Place::of(&file.path);
            let outcome = if file.mode & forbidden != 0 {
                Outcome::fail(at(), format!("mode {:04o} {what}", file.mode))
            } else if file.uid != keep.owner_uid {
                let (uid, owner) = (file.uid, keep.owner_uid);
                Outcome::fail(at(), format!("user {uid} owns it, and user {owner} the keep"))
            } else if file.acl == Some(true) {
                Outcome::fail(at(), "an access-control list lets others than its owner in")
            } else if file.acl.is_none() {
                Outcome::not_checked("its access-control list could not be read")
            } else {
                Outcome::Pass
            };
            Judged::new(&file.path, outcome)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::file::{File, FileKind};
    use crate::facts::keep::Keep;

    #[track_caller]
    fn check(mode: u32, uid: u32, acl: Option<bool>, word: &str) {
        let path = "keep.json".to_owned();
        let file = File { path, kind: FileKind::File, mode, uid, gid: 0, acl };
        let keep = Keep { owner_uid: 1000, files: vec![file], ..Keep::default() };
        let judged = judge(&keep);
        assert_eq!(judged[0].outcome.word(), word, "{judged:?}");
    }

    #[test]
    fn only_the_owner_may_have_anything() {
        check(0o600, 1000, Some(false), "pass");
        check(0o400, 1000, Some(false), "pass");
        check(0o640, 1000, Some(false), "fail");
        check(0o601, 1000, Some(false), "fail");
        check(0o600, 0, Some(false), "fail");
        check(0o600, 1000, Some(true), "fail");
    }

    #[test]
    fn what_is_shown_may_be_read_but_not_changed() {
        let path = "keep.json".to_owned();
        for (mode, word) in [(0o644, "pass"), (0o664, "fail")] {
            let (kind, acl, path) = (FileKind::File, Some(false), path.clone());
            let shown_files = vec![File { path, kind, mode, uid: 0, gid: 0, acl }];
            let keep = Keep { shown_files, ..Keep::default() };
            assert_eq!(judge(&keep)[0].outcome.word(), word);
        }
    }

    #[test]
    fn a_list_that_nobody_could_read_is_not_passed() {
        check(0o600, 1000, None, "not-checked");
    }
}
