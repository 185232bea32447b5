//! Rule `phi-combination`: files without names are not open to being put together.

use super::kinds;
use crate::facts::Check;
use crate::facts::phi::{Content, Phi};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "phi-combination",
    title: "Files without names have no birth dates beside what narrows people down",
    severity: Severity::Medium,
    protects: "Date of birth, postal code, and sex are the same for one person only in most cases: \
               such a file is de-identified in name alone.",
    remedy: "shift or coarsen dates and postal codes (`twinkeep ingest --deidentify`), or treat \
             the file as personal and encrypt it",
    controls: &[
        Evidence {
            control: "hipaa-164.514(b)",
            strength: Strength::Partial,
            because: "Dates but for the year and small places are identifiers of Safe Harbor.",
        },
        Evidence {
            control: "gdpr-5(1)(c)",
            strength: Strength::Partial,
            because: "Full dates are rarely necessary where ages would do.",
        },
    ],
    check: Check::Phi(Judge { judge }),
};

fn judge(phi: &Phi) -> Vec<Judged> {
    let combined = phi.files.iter().filter(|file| file.content == Content::Combined);
    let judged: Vec<Judged> = combined
        .map(|file| {
            let path = &file.file.path;
            let what = format!("has no names, and has {}", kinds(file));
            Judged::new(path, Outcome::fail(Place::of(path), what))
        })
        .collect();
    if judged.is_empty() && 0 < phi.file_count {
        return vec![Judged::new(&phi.root, Outcome::Pass)];
    }
    judged
}
