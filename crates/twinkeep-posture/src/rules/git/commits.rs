//! Rule `git-commits`: every commit of a branch is signed by somebody who may.

use super::{Signed, is_unknown, objection};
use crate::facts::Check;
use crate::facts::git::{Git, Role};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "git-commits",
    title: "Every commit of the branch is signed by a key on the list",
    severity: Severity::High,
    protects: "Whoever gets write access to the repository, or to the account of a developer, can \
               change what is built and run, under any name.",
    remedy: "let the author sign the commit (`git rebase --exec 'git commit --amend --no-edit -S'`), \
             or add the key to the list after asking its owner; keep unsigned commits out with \
             a hook that runs this scan before a push is taken",
    controls: &[
        Evidence {
            control: "hipaa-164.312(c)(1)",
            strength: Strength::Partial,
            because: "A change of the code that handles the records is known to its author's key.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "The integrity of the processing system begins with its source.",
        },
    ],
    check: Check::Git(Judge { judge }),
};

fn judge(git: &Git) -> Vec<Judged> {
    let mut judged = Vec::new();
    let branch = format!("{}@{}", git.repository, git.branch);
    if git.list.is_none() {
        let why = "there is no list of those who may sign";
        return vec![Judged::new(branch, Outcome::not_checked(why))];
    }
    if git.since.as_ref().is_some_and(|since| !since.is_ancestor) {
        let what = "no longer has the commit up to which it was verified: history was written anew";
        judged.push(Judged::new(&branch, Outcome::fail(Place::of(&git.branch), what)));
    }
    for id in &git.cut_at {
        let why = "its parents are not in this copy; scan a copy that is not shallow";
        judged.push(Judged::new(id, Outcome::not_checked(why)));
    }
    let mut passed = 0;
    for commit in &git.commits {
        let role = if commit.is_merge { Role::Merge } else { Role::Commit };
        let (paths, lines) = (&commit.paths[..], &commit.lines[..]);
        let signed = Signed { role, time_s: commit.time_s, paths, lines };
        match objection(git, &commit.signature, &signed) {
            None => passed += 1,
            Some(why) if is_unknown(&commit.signature) => {
                judged.push(Judged::new(&commit.id, Outcome::not_checked(why)));
            }
            Some(what) => {
                judged.push(Judged::new(&commit.id, Outcome::fail(Place::of(&commit.id), what)));
            }
        }
    }
    // One line for all that are in order: ten thousand lines would hide the one that is not.
    let may_be_none = git.since.is_some() || git.is_pushed;
    if judged.is_empty() && (0 < passed || may_be_none) {
        judged.push(Judged::new(branch, Outcome::Pass));
    }
    judged
}
