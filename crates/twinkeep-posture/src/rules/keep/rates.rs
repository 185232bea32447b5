//! Rule `keep-rate-limits`: what one caller and all callers may ask is bounded.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-rate-limits",
    title: "Requests are bounded for each caller and for all together",
    severity: Severity::Medium,
    protects: "Whoever may ask without end can copy the model, or keep others from asking.",
    remedy: "set `total_rate_per_second` in `[gate]`, and a `[[budget]]`, in `twinkeep.toml`",
    controls: &[
        Evidence {
            control: "aisvs-11.2.2",
            strength: Strength::Strong,
            because: "There are limits for each caller, for all callers, and for what one caller may learn.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "A gate that cannot be flooded stays available.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    let settings = &keep.settings;
    let limits = [
        ("gate.rate_per_second", settings.rate_per_second != 0, "one caller may ask without end"),
        (
            "gate.total_rate_per_second",
            settings.total_rate_per_second != 0,
            "all callers together may ask without end",
        ),
        ("budget", settings.budgets != 0, "nothing bounds what one caller may learn"),
    ];
    let judged = limits.map(|(name, bounded, what)| {
        let fail = || Outcome::fail(Place::of(name), what);
        Judged::new(name, if bounded { Outcome::Pass } else { fail() })
    });
    judged.into()
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::{Keep, Settings};

    #[test]
    fn each_limit_that_is_missing_fails() {
        let words = |rate_per_second, total_rate_per_second, budgets| {
            let mut settings = Settings { rate_per_second, ..Settings::default() };
            (settings.total_rate_per_second, settings.budgets) = (total_rate_per_second, budgets);
            let judged = judge(&Keep { settings, ..Keep::default() });
            judged.iter().map(|it| it.outcome.word()).collect::<Vec<_>>()
        };
        assert_eq!(words(5, 100, 1), ["pass", "pass", "pass"]);
        assert_eq!(words(5, 0, 0), ["pass", "fail", "fail"]);
    }
}
