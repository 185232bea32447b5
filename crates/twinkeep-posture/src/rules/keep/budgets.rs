//! Rule `keep-budgets`: what one caller may learn is counted, and bounded.

use super::closed;
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-budgets",
    title: "What one caller may learn is counted, and bounded",
    severity: Severity::Medium,
    protects: "Rates bound how fast a model is copied or a person is looked into; only a budget bounds how far.",
    remedy: "set a `[[budget]]` in `twinkeep.toml`",
    controls: &[
        Evidence {
            control: "aisvs-12.2.5",
            strength: Strength::Partial,
            because: "Use is counted for each caller and period, by the unit of the budget; a model of tables has no tokens.",
        },
        Evidence {
            control: "aisvs-11.3.2",
            strength: Strength::Partial,
            because: "Weights and raw outputs stay behind the gate, and a budget that is used up makes answers coarser or ends them.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    let outcome = match 0 < keep.settings.budgets {
        true => Outcome::Pass,
        false => Outcome::fail(Place::of("budget"), "nothing bounds what one caller may learn"),
    };
    vec![Judged::new("budget", outcome)]
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::{Keep, Settings};

    #[test]
    fn no_budget_fails() {
        let settings = Settings { budgets: 1, ..Settings::default() };
        assert_eq!(judge(&Keep { settings, ..Keep::default() })[0].outcome.word(), "pass");
        assert_eq!(judge(&Keep::default())[0].outcome.word(), "fail");
    }
}
