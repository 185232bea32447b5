//! Rule `keep-store-intact`: the files of events are those that the catalog knows.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::{Keep, Shards};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-store-intact",
    title: "The files of events are those that the catalog knows",
    severity: Severity::High,
    protects: "Whoever takes files of events away, or puts older ones back, decides what the next model learns.",
    remedy: "restore the store from a snapshot with `twinkeep store restore`",
    controls: &[
        Evidence {
            control: "aisvs-1.1.4",
            strength: Strength::Strong,
            because: "Every file of events was read, and its digest compared with the one in the catalog.",
        },
        Evidence {
            control: "aisvs-1.1.3",
            strength: Strength::Partial,
            because: "Files are under authenticated encryption, and their digests are known.",
        },
        Evidence {
            control: "hipaa-164.312(c)(2)",
            strength: Strength::Partial,
            because: "Health data that was altered or destroyed in the store is found.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    match keep.shards.seen() {
        Ok(seen) => vec![Judged::new("store/events", compared(seen))],
        Err(why) => vec![Judged::new(&keep.root, Outcome::not_checked(why))],
    }
}

fn compared(shards: &Shards) -> Outcome {
    match *shards {
        Shards { known: 0, .. } => Outcome::not_applicable("there are no files of events"),
        Shards { missing: 0, .. } => Outcome::Pass,
        Shards { known, missing } => {
            let what = format!("of {known} files, {missing} are missing or changed");
            Outcome::fail(Place::of("store/events"), what)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::keep::{Keep, Shards};

    #[test]
    fn a_file_that_is_missing_or_changed_fails() {
        let word = |known, missing| {
            let shards = Known::Seen(Shards { known, missing });
            judge(&Keep { shards, ..Keep::default() })[0].outcome.word()
        };
        assert_eq!([word(0, 0), word(3, 0), word(3, 1)], ["not-applicable", "pass", "fail"]);
        assert_eq!(judge(&Keep::default())[0].outcome.word(), "not-checked");
    }
}
