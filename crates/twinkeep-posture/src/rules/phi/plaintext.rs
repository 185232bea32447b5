//! Rule `phi-plaintext`: files that hold data of people are encrypted.

use super::kinds;
use crate::facts::Check;
use crate::facts::phi::{Content, Phi};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "phi-plaintext",
    title: "Files that hold data of people are encrypted",
    severity: Severity::High,
    protects: "Whoever gets a copy of the disk, a backup, or the file itself reads who is ill with \
               what; and a breach of what was encrypted need not be notified.",
    remedy: "ingest the file and delete it, or seal it with `twinkeep seal FILE`; then delete the \
             readable copy",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(2)(iv)",
            strength: Strength::Strong,
            because: "Each file was opened and its content looked at, whatever its name says.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Strong,
            because: "A file that holds no readable data of people is pseudonymized or encrypted.",
        },
        Evidence {
            control: "hipaa-164.514(b)",
            strength: Strength::Partial,
            because: "The identifiers of the Safe Harbor method are what is looked for.",
        },
    ],
    check: Check::Phi(Judge { judge }),
};

fn judge(phi: &Phi) -> Vec<Judged> {
    let mut judged: Vec<Judged> = Vec::new();
    for file in &phi.files {
        let path = &file.file.path;
        let outcome = match &file.content {
            Content::Personal => {
                let what = format!("can be read and has {}", kinds(file));
                Outcome::fail(Place::of(path), what)
            }
            Content::Encrypted { .. } => Outcome::Pass,
            // Another rule has these.
            Content::Combined => continue,
        };
        judged.push(Judged::new(path, outcome));
    }
    for left_out in &phi.not_checked {
        judged.push(Judged::new(&left_out.path, Outcome::not_checked(&left_out.why)));
    }
    if judged.is_empty() && 0 < phi.file_count {
        judged.push(Judged::new(&phi.root, Outcome::Pass));
    }
    judged
}
