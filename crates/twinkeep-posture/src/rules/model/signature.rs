//! Rule `model-signature`: somebody who is known signed exactly the files of a model.

use crate::facts::Check;
use crate::facts::model::{Model, ModelSignature};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "model-signature",
    title: "Somebody who is known signed exactly the files of the model",
    severity: Severity::High,
    protects: "Weights can be exchanged on any mirror on their way; a changed model answers as its \
               changer likes, and nothing about it looks wrong.",
    remedy: "ask for a signature of OpenSSF Model Signing and verify it with \
             `twinkeep model verify DIR --public-key KEY`, or sign the model yourself after review \
             with `twinkeep model sign`",
    controls: &[
        Evidence {
            control: "aisvs-6.1.2",
            strength: Strength::Strong,
            because: "The signature covers the digest of every file, and no file besides.",
        },
        Evidence {
            control: "hipaa-164.312(c)(2)",
            strength: Strength::Partial,
            because: "What computes from the records is corroborated not to have been altered.",
        },
    ],
    check: Check::Model(Judge { judge }),
};

fn judge(model: &Model) -> Vec<Judged> {
    let fail = |what: String| Outcome::fail(Place::of(&model.root), what);
    let outcome = match &model.signature {
        ModelSignature::Verified { .. } => Outcome::Pass,
        ModelSignature::Missing => fail("has no signature".to_owned()),
        ModelSignature::Refused { why } => fail(format!("has a signature that is refused: {why}")),
        ModelSignature::NotChecked { why } => Outcome::not_checked(why),
    };
    vec![Judged::new(&model.root, outcome)]
}
