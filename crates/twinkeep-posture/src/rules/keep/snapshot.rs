//! Rule `keep-snapshot`: the data is copied every week.

use super::{closed, recently};
use crate::facts::Check;
use crate::facts::keep::{Keep, Snapshot};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-snapshot",
    title: "A snapshot was taken within the last week, and is still there",
    severity: Severity::High,
    protects: "What was not copied is gone with the disk.",
    remedy: "run `twinkeep store snapshot DIR`, best by a timer; a copy on another machine is what counts, \
             and the newest one stays where it was written",
    controls: &[
        Evidence {
            control: "hipaa-164.308(a)(7)(ii)(A)",
            strength: Strength::Strong,
            because: "Retrievable exact copies are what a snapshot is, and the ledger says when one was taken.",
        },
        Evidence {
            control: "hipaa-164.310(d)(2)(iv)",
            strength: Strength::Partial,
            because: "A copy exists before equipment is moved.",
        },
        Evidence {
            control: "gdpr-32(1)(c)",
            strength: Strength::Partial,
            because: "Nothing is restored that was not copied.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

/// After so many days it has to be done again.
const DAYS_MAX: i64 = 7;

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    let outcome = match recently(keep, "keep.snapshotted", DAYS_MAX) {
        Outcome::Pass => still_there(keep),
        other => other,
    };
    vec![Judged::new("keep.snapshotted", outcome)]
}

/// Whether the newest snapshot is where it was written.
fn still_there(keep: &Keep) -> Outcome {
    let found = match keep.snapshot.seen() {
        Ok(found) => found,
        Err(why) => return Outcome::not_checked(why),
    };
    match found {
        Snapshot::There => Outcome::Pass,
        Snapshot::Gone { folder } => {
            Outcome::fail(Place::of(folder), "it is no longer where it was written")
        }
        Snapshot::Other { folder } => {
            Outcome::fail(Place::of(folder), "what is where it was written is not the whole of it")
        }
        Snapshot::Away { folder } => Outcome::not_checked(format!(
            "what it was written in is not there: mount it; the snapshot was `{folder}`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::keep::{Keep, Snapshot};

    const DAY_US: i64 = 86_400_000_000;

    #[test]
    fn what_is_never_done_or_long_ago_fails() {
        let word = |last: Option<i64>| {
            let last = last.map(|at| ("keep.snapshotted".to_owned(), at)).into_iter().collect();
            let snapshot = Known::Seen(Snapshot::There);
            let keep = Keep { taken_us: 100 * DAY_US, last, snapshot, ..Keep::default() };
            judge(&keep)[0].outcome.word()
        };
        assert_eq!(word(None), "fail");
        assert_eq!(word(Some((100 - 7) * DAY_US)), "pass");
        assert_eq!(word(Some((100 - 7) * DAY_US - 1)), "fail");
    }

    #[test]
    fn what_is_no_longer_there_does_not_pass() {
        let word = |snapshot| {
            let last = [("keep.snapshotted".to_owned(), 0)].into();
            judge(&Keep { snapshot, last, ..Keep::default() })[0].outcome.word()
        };
        let folder = || "/backup/monday".to_owned();
        assert_eq!(word(Known::Seen(Snapshot::There)), "pass");
        assert_eq!(word(Known::Seen(Snapshot::Gone { folder: folder() })), "fail");
        assert_eq!(word(Known::Seen(Snapshot::Other { folder: folder() })), "fail");
        assert_eq!(word(Known::Seen(Snapshot::Away { folder: folder() })), "not-checked");
        // Facts that an older program took.
        assert_eq!(word(Known::default()), "not-checked");
    }
}
