//! Rule `keep-feeds-screened`: every row of every feed was screened.

use super::of_feeds;
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-feeds-screened",
    title: "Every row of every feed was screened",
    severity: Severity::Medium,
    protects: "A row that nobody judged teaches the model whatever it says.",
    remedy: "reject the feed with `twinkeep feed reject`, and ingest it again",
    controls: &[
        Evidence {
            control: "aisvs-1.3.4",
            strength: Strength::Partial,
            because: "What the pack does not know or finds implausible is in quarantine, and no model learns from it.",
        },
        Evidence {
            control: "aisvs-11.4.1",
            strength: Strength::Partial,
            because: "What a forecast of a twin starts from went through the same screening.",
        },
        Evidence {
            control: "aisvs-11.4.2",
            strength: Strength::Partial,
            because: "Rows that are refused stay in quarantine, and a feed that departs from the others is held until somebody decides.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    of_feeds(keep, |feed| match feed.judged == feed.read {
        true => Outcome::Pass,
        false => Outcome::fail(
            Place::of(&feed.name),
            "some of its rows are neither accepted, missing, nor refused",
        ),
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
    fn a_row_that_nobody_judged_fails() {
        let name = "feed-1".to_owned();
        let good = Feed { name, signed: true, recorded: true, read: 9, judged: 9 };
        assert_eq!(word(good.clone()), "pass");
        assert_eq!(word(Feed { judged: 8, ..good }), "fail");
        assert_eq!(judge(&Keep::default())[0].outcome.word(), "not-checked");
        let feeds = Known::Seen(Vec::new());
        let judged = judge(&Keep { feeds, ..Keep::default() });
        assert_eq!(judged[0].outcome.word(), "not-applicable");
    }
}
