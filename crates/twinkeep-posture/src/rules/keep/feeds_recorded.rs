//! Rule `keep-feeds-recorded`: the ledger says of every feed who brought it, when, and from where.

use super::of_feeds;
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-feeds-recorded",
    title: "The ledger says of every feed who brought it, when, and from where",
    severity: Severity::Medium,
    protects: "Training data that nobody can trace cannot be trusted, corrected, or taken out.",
    remedy: "find out how it came into the store; `twinkeep feed reject` takes out what nobody answers for",
    controls: &[
        Evidence {
            control: "aisvs-12.5.4",
            strength: Strength::Strong,
            because: "Each feed has its source, its sender, and the time in the catalog, and an entry with who brought it.",
        },
        Evidence {
            control: "aisvs-1.1.2",
            strength: Strength::Partial,
            because: "The feeds are an inventory of sources with origin, responsible party, and what became of their rows; licenses, people know.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    of_feeds(keep, |feed| match feed.recorded {
        true => Outcome::Pass,
        false => Outcome::fail(Place::of(&feed.name), "the ledger does not have how it came"),
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
    fn a_feed_without_an_entry_fails() {
        let name = "feed-1".to_owned();
        let good = Feed { name, signed: true, recorded: true, read: 9, judged: 9 };
        assert_eq!(word(good.clone()), "pass");
        assert_eq!(word(Feed { recorded: false, ..good }), "fail");
        assert_eq!(judge(&Keep::default())[0].outcome.word(), "not-checked");
        let feeds = Known::Seen(Vec::new());
        let judged = judge(&Keep { feeds, ..Keep::default() });
        assert_eq!(judged[0].outcome.word(), "not-applicable");
    }
}
