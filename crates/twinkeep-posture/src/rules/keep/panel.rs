//! Rule `keep-poisoning-panel`: feeds are compared with what is known to be clean.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-poisoning-panel",
    title: "Feeds are compared with what is known to be clean",
    severity: Severity::Medium,
    protects: "Poisoned data passes every check of single rows.",
    remedy: "ingest more people: the panel learns its reference by itself once there are enough",
    controls: &[
        Evidence {
            control: "aisvs-1.3.1",
            strength: Strength::Strong,
            because: "A panel of detectors looks at every feed as a whole before it is admitted, and holds what departs.",
        },
        Evidence {
            control: "gdpr-5(1)(d)",
            strength: Strength::Partial,
            because: "What would make forecasts wrong is held before anything learns from it.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    match keep.watch.seen() {
        Ok(seen) => vec![Judged::new("screening/reference", compared(seen.panel))],
        Err(why) => vec![Judged::new(&keep.root, Outcome::not_checked(why))],
    }
}

fn compared(panel: bool) -> Outcome {
    match panel {
        true => Outcome::Pass,
        false => Outcome::fail(Place::of("screening/reference"), "the panel has no reference yet"),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::Known;
    use crate::facts::keep::{Keep, Watch};

    #[test]
    fn a_panel_without_a_reference_fails() {
        let words = |watch| {
            let judged = judge(&Keep { watch: Known::Seen(watch), ..Keep::default() });
            judged.iter().map(|it| it.outcome.word()).collect::<Vec<_>>()
        };
        assert_eq!(words(Watch { panel: true, ..Watch::default() }), ["pass"]);
        assert_eq!(words(Watch::default()), ["fail"]);
        assert_eq!(judge(&Keep::default())[0].outcome.word(), "not-checked");
    }
}
