//! Rule `keep-model-rechecked`: models are verified again while they serve, at least every hour.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-model-rechecked",
    title: "Models are verified again while they serve, at least every hour",
    severity: Severity::Medium,
    protects: "A version is verified when it is loaded; a disk or a hand may change it after that.",
    remedy: "set `verify_every_seconds` in `[models]` to 3600 or less",
    controls: &[
        Evidence {
            control: "aisvs-3.1.3",
            strength: Strength::Strong,
            because: "A version is verified when it is released, on each load, and again while it serves; there is no other way to serve one.",
        },
        Evidence {
            control: "aisvs-3.3.1",
            strength: Strength::Partial,
            because: "A version that does not verify any more is taken away, and the backup serves in the same step.",
        },
        Evidence {
            control: "hipaa-164.312(c)(1)",
            strength: Strength::Partial,
            because: "A model that is altered while it serves is found.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    match keep.watch.seen() {
        Ok(seen) => {
            vec![Judged::new("models.verify_every_seconds", often(seen.verify_every_seconds))]
        }
        Err(why) => vec![Judged::new(&keep.root, Outcome::not_checked(why))],
    }
}

/// What is wrong for longer has been told to many.
const SECONDS_MAX: u32 = 3600;

fn often(seconds: u32) -> Outcome {
    match seconds {
        0..=SECONDS_MAX => Outcome::Pass,
        _ => {
            let place = Place::of("models.verify_every_seconds");
            Outcome::fail(place, format!("they are verified every {seconds} seconds only"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::keep::{Keep, Watch};

    #[test]
    fn less_than_every_hour_fails() {
        let words = |watch| {
            let judged = judge(&Keep { watch: Known::Seen(watch), ..Keep::default() });
            judged.iter().map(|it| it.outcome.word()).collect::<Vec<_>>()
        };
        let every = |verify_every_seconds| Watch { verify_every_seconds, ..Watch::default() };
        assert_eq!(words(every(3600)), ["pass"]);
        assert_eq!(words(every(3601)), ["fail"]);
        assert_eq!(judge(&Keep::default())[0].outcome.word(), "not-checked");
    }
}
