//! Rule `phi-modes`: readable data of people is open to its owner only.

use super::readable;
use crate::facts::phi::Phi;
use crate::facts::{Check, FixOf};
use crate::fix::{Change, Fix};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "phi-modes",
    title: "Readable files with data of people are open to their owner only",
    severity: Severity::High,
    protects: "Every account of the system, every service that was broken into, and every backup \
               program reads what the mode lets others read.",
    remedy: "run `chmod go= FILE`, and remove its access-control list with `setfacl -b FILE`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Strong,
            because: "The mode decides which accounts may read the file.",
        },
        Evidence {
            control: "hipaa-164.514(d)",
            strength: Strength::Partial,
            because: "Who has no need of the data cannot open it.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "What other accounts cannot open stays confidential from them.",
        },
    ],
    check: Check::Phi(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix { rule: RULE.id, changes: FixOf::Phi(changes) };

/// The bits of a mode that give anything to the group or to others.
const OTHERS: u32 = 0o077;

fn judge(phi: &Phi) -> Vec<Judged> {
    readable(phi)
        .map(|found| {
            let file = &found.file;
            let at = Place::of(&file.path);
            let outcome = if file.mode & OTHERS != 0 {
                let mode = file.mode;
                Outcome::fail(at, format!("mode {mode:04o} lets others than its owner in"))
            } else {
                match file.acl {
                    Some(true) => Outcome::fail(at, "an access-control list lets others in"),
                    Some(false) => Outcome::Pass,
                    None => Outcome::not_checked("its access-control list could not be read"),
                }
            };
            Judged::new(&file.path, outcome)
        })
        .collect()
}

/// Takes from the group and from others whatever they have; what the owner has stays.
fn changes(phi: &Phi, judged: &Judged) -> Vec<Change> {
    let found = readable(phi).map(|found| &found.file).find(|file| file.path == judged.resource);
    let open = found.filter(|file| file.mode & OTHERS != 0);
    let change = open.map(|file| {
        let path = file.path.clone();
        Change::SetMode { path, from: file.mode, to: file.mode & !OTHERS }
    });
    change.into_iter().collect()
}
