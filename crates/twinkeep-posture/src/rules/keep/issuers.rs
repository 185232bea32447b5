//! Rule `keep-token-binding`: access tokens of other issuers are of use to nobody but their holder.

use std::collections::BTreeMap;

use super::closed;
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-token-binding",
    title: "Access tokens of other issuers are of use to nobody but their holder",
    severity: Severity::Medium,
    protects: "Whoever copies a token that is not bound asks in the name of its holder.",
    remedy: "set `require_bound = true` for the `[[issuer]]`, and have it bind tokens to client certificates (RFC 8705)",
    controls: &[
        Evidence {
            control: "aisvs-5.1.2",
            strength: Strength::Partial,
            because: "Tokens are signed, have scopes and an end, and are bound to a certificate; how long they live, the issuer decides.",
        },
        Evidence {
            control: "hipaa-164.312(d)",
            strength: Strength::Partial,
            because: "Who shows a token is who it was made for.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    match keep.watch.seen() {
        Ok(seen) => bound(keep, &seen.issuers),
        Err(why) => vec![Judged::new(&keep.root, Outcome::not_checked(why))],
    }
}

fn bound(keep: &Keep, issuers: &BTreeMap<String, bool>) -> Vec<Judged> {
    if issuers.is_empty() {
        let outcome = Outcome::not_applicable("tokens of other issuers are not accepted");
        return vec![Judged::new(&keep.root, outcome)];
    }
    let judged = issuers.iter().map(|(name, bound)| {
        let fail = || Outcome::fail(Place::of(name), "its tokens may be shown by anybody");
        Judged::new(name, if *bound { Outcome::Pass } else { fail() })
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::keep::{Keep, Watch};

    #[test]
    fn a_token_for_anybody_fails() {
        let words = |watch| {
            let judged = judge(&Keep { watch: Known::Seen(watch), ..Keep::default() });
            judged.iter().map(|it| it.outcome.word()).collect::<Vec<_>>()
        };
        let issuers =
            |bound| Watch { issuers: [("clinic".to_owned(), bound)].into(), ..Watch::default() };
        assert_eq!(words(issuers(true)), ["pass"]);
        assert_eq!(words(issuers(false)), ["fail"]);
        assert_eq!(words(Watch::default()), ["not-applicable"]);
        assert_eq!(judge(&Keep::default())[0].outcome.word(), "not-checked");
    }
}
