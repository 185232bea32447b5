//! Rule `model-format`: the files of a model are in formats that hold data only.

use crate::facts::Check;
use crate::facts::model::{Content, Model};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "model-format",
    title: "The files of the model are in formats that hold data only",
    severity: Severity::High,
    protects: "In another format, what is harmless today becomes code with the next release of a \
               loader; and a header that lies makes a loader read what is not its own.",
    remedy: "ask for the weights as safetensors and the settings as JSON; `twinkeep model import` \
             takes nothing else",
    controls: &[
        Evidence {
            control: "aisvs-6.1.1",
            strength: Strength::Strong,
            because: "Each file is read to its last byte, and must be of a format on the list.",
        },
        Evidence {
            control: "hipaa-164.308(a)(5)(ii)(B)",
            strength: Strength::Partial,
            because: "A format without code carries no malicious software.",
        },
    ],
    check: Check::Model(Judge { judge }),
};

fn judge(model: &Model) -> Vec<Judged> {
    model
        .files
        .iter()
        .map(|file| {
            let fail = |what: String| Outcome::fail(Place::of(&file.path), what);
            let outcome = match &file.content {
                Content::Checked { .. } => Outcome::Pass,
                Content::Unsupported { .. } if !file.pickles.is_empty() => {
                    fail("is a pickle, which is a program".to_owned())
                }
                Content::Unsupported { why } => fail(format!("is not supported: {why}")),
                Content::Unsound { why } => fail(format!("is not in order: {why}")),
                Content::Unread { why } => Outcome::not_checked(why),
            };
            Judged::new(&file.path, outcome)
        })
        .collect()
}
