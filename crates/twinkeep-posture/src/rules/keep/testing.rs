//! A keep with one version in service, for tests.

use crate::facts::Known;
use crate::facts::keep::{Holds, Keep, Model, Papers};
use crate::outcome::Judged;

/// What a rule says of a version with these papers. A keep of which nobody read the papers, and one
/// without a version, have to be something else than right or wrong.
#[track_caller]
pub(crate) fn word_of(judge: fn(&Keep) -> Vec<Judged>, papers: Papers) -> &'static str {
    let model = Model {
        version: "v1".into(),
        status: "in-service".into(),
        backup: false,
        verified: Holds::Yes,
        attacked: [].into(),
    };
    let mut keep = Keep { models: vec![model], ..Keep::default() };
    assert_eq!(judge(&keep)[0].outcome.word(), "not-checked");
    keep.papers = Known::Seen([("v1".to_owned(), papers)].into());
    let word = judge(&keep)[0].outcome.word();
    keep.models.clear();
    assert_eq!(judge(&keep)[0].outcome.word(), "not-applicable");
    word
}
