//! Rule `git-tags`: every tag is an object that is signed by somebody who may.

use super::{Signed, is_unknown, objection};
use crate::facts::Check;
use crate::facts::git::{Git, Role};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "git-tags",
    title: "Every tag is signed by a key on the list",
    severity: Severity::Medium,
    protects: "Releases are built from tags; a tag that nobody signed can be moved to another \
               commit without a trace.",
    remedy: "make the tag again with `git tag -s`, or add the key to the list after asking its \
             owner",
    controls: &[Evidence {
        control: "hipaa-164.312(c)(1)",
        strength: Strength::Partial,
        because: "A release of the code that handles the records is known to a key.",
    }],
    check: Check::Git(Judge { judge }),
};

fn judge(git: &Git) -> Vec<Judged> {
    if git.list.is_none() && !git.tags.is_empty() {
        let why = "there is no list of those who may sign";
        return vec![Judged::new(&git.repository, Outcome::not_checked(why))];
    }
    git.tags
        .iter()
        .map(|tag| {
            let Some(time_s) = tag.time_s else {
                let what = "is a mere name of a commit, which cannot be signed";
                return Judged::new(&tag.name, Outcome::fail(Place::of(&tag.name), what));
            };
            let signed = Signed { role: Role::Tag, time_s, paths: &[], lines: &tag.lines };
            let outcome = match objection(git, &tag.signature, &signed) {
                None => Outcome::Pass,
                Some(why) if is_unknown(&tag.signature) => Outcome::not_checked(why),
                Some(what) => Outcome::fail(Place::of(&tag.name), what),
            };
            Judged::new(&tag.name, outcome)
        })
        .collect()
}
