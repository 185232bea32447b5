//! Rule `keep-feeds-signed`: every feed was signed by its sender.

use super::of_feeds;
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-feeds-signed",
    title: "Every feed was signed by its sender",
    severity: Severity::Low,
    protects: "What nobody signed may have been changed on its way, and comes from nobody.",
    remedy: "have the sender seal it with `twinkeep seal`, and ingest sealed feeds only",
    controls: &[
        Evidence {
            control: "aisvs-1.1.3",
            strength: Strength::Partial,
            because: "A sealed feed is encrypted and signed in each of its parts on its way, and authenticated where it is stored.",
        },
        Evidence {
            control: "hipaa-164.312(e)(2)(i)",
            strength: Strength::Partial,
            because: "A feed that was modified on its way is refused.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Partial,
            because: "Data of people is encrypted on its way.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    of_feeds(keep, |feed| match feed.signed {
        true => Outcome::Pass,
        false => Outcome::fail(Place::of(&feed.name), "no sender signed it"),
    })
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::keep::{Feed, Keep};

    fn word(feed: Feed) -> &'static str {
        let feeds = Known::Seen(vec![feed]);
        judge(&Keep { feeds, ..Keep::default() })[0].outcome.word()
    }

    #[test]
    fn a_plain_feed_fails() {
        let name = "feed-1".to_owned();
        let good = Feed { name, signed: true, recorded: true, read: 9, judged: 9 };
        assert_eq!(word(good.clone()), "pass");
        assert_eq!(word(Feed { signed: false, ..good }), "fail");
        assert_eq!(judge(&Keep::default())[0].outcome.word(), "not-checked");
        let feeds = Known::Seen(Vec::new());
        let judged = judge(&Keep { feeds, ..Keep::default() });
        assert_eq!(judged[0].outcome.word(), "not-applicable");
    }
}
