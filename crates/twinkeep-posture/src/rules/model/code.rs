//! Rule `model-code`: loading a model runs nobody's code.

use crate::facts::Check;
use crate::facts::model::{Content, Model, ModelFile, Pickled};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "model-code",
    title: "Loading the files of the model runs no code",
    severity: Severity::Critical,
    protects: "A pickle is a program: whoever made it runs what they like, as whoever loads it, \
               before a single number is read.",
    remedy: "do not load the file; ask for the weights as safetensors, or convert them on a \
             machine that has nothing to lose",
    controls: &[
        Evidence {
            control: "aisvs-6.1.1",
            strength: Strength::Strong,
            because: "Every opcode of every pickle is followed without loading it.",
        },
        Evidence {
            control: "hipaa-164.308(a)(5)(ii)(B)",
            strength: Strength::Partial,
            because: "Code in a model file is malicious software that no virus scanner sees.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "Foreign code in the process that has the data ends its confidentiality.",
        },
    ],
    check: Check::Model(Judge { judge }),
};

fn judge(model: &Model) -> Vec<Judged> {
    model.files.iter().map(|file| Judged::new(&file.path, outcome(file))).collect()
}

fn outcome(file: &ModelFile) -> Outcome {
    if let Some((pickled, what)) = file.pickles.iter().find_map(|it| Some((it, calls(it)?))) {
        let within = pickled.member.as_ref().map(|member| format!(" (in `{member}`)"));
        let what = format!("{what}{}", within.unwrap_or_default());
        return Outcome::fail(Place::of(&file.path), what);
    }
    match &file.content {
        Content::Checked { .. } => Outcome::Pass,
        Content::Unread { why } => Outcome::not_checked(why),
        // All that such a pickle does is rebuild arrays and containers.
        _ if !file.pickles.is_empty() && file.pickles.iter().all(|it| it.broken.is_none()) => {
            Outcome::Pass
        }
        _ if !file.pickles.is_empty() => {
            Outcome::not_checked("a pickle in it could not be followed to its end")
        }
        Content::Unsupported { why } | Content::Unsound { why } => {
            Outcome::not_checked(format!("it was not looked into: {why}"))
        }
    }
}

/// What a pickle would call, in words.
fn calls(pickled: &Pickled) -> Option<String> {
    let words = |names: &[String]| {
        let some: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
        let more = names.len().saturating_sub(some.len());
        let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("{}{rest}", some.join(", "))
    };
    if !pickled.calls.is_empty() {
        return Some(format!("calls {} when it is loaded", words(&pickled.calls)));
    }
    // Whatever loads the file gets these as objects, and calls them sooner or later.
    (!pickled.mentions.is_empty())
        .then(|| format!("imports {} when it is loaded", words(&pickled.mentions)))
}
