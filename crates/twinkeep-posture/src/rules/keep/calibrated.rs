//! Rule `keep-model-calibrated`: intervals of every version that may serve are as wide as they have
//! to be, for each target.

use super::of_serving;
use crate::facts::Check;
use crate::facts::keep::{Keep, Papers};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-model-calibrated",
    title: "Intervals of every version that may serve are as wide as they have to be, for each target",
    severity: Severity::Medium,
    protects: "An interval that is too narrow is believed more than it should be.",
    remedy: "ingest more people, and train again: intervals are calibrated on the tuning split",
    controls: &[
        Evidence {
            control: "aisvs-11.2.3",
            strength: Strength::Strong,
            because: "Intervals are calibrated by split conformal prediction, and how many values they covered was measured on people held out.",
        },
        Evidence {
            control: "gdpr-5(1)(d)",
            strength: Strength::Partial,
            because: "A forecast says how sure it is, and that was measured.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    of_serving(keep, judge_one)
}

/// Of a thousand values, so many must lie in the 90 % intervals: less is overconfident.
const COVERED_MIN: u32 = 850;

/// Of fewer values, chance decides.
const VALUES_MIN: u64 = 30;

fn judge_one(version: &str, papers: &Papers) -> Outcome {
    let Some(mean) = papers.covered_per_mille else {
        return Outcome::not_applicable("no target about a value was measured");
    };
    let judged = || papers.covered.iter().filter(|(_, covered)| VALUES_MIN <= covered.values);
    let narrow: Vec<String> = judged()
        .filter(|(_, covered)| f64::from(covered.per_mille) < least(covered.values))
        .map(|(target, it)| {
            format!("{} % of {} values of {target}", percent(it.per_mille), it.values)
        })
        .collect();
    if !narrow.is_empty() {
        let more = match narrow.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(", and too few of {more} more"),
        };
        let named = narrow.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>();
        let what = format!("its 90 % intervals cover {}{more}", named.join(", "));
        return Outcome::fail(Place::of(version), what);
    }
    if mean < COVERED_MIN {
        let what = format!("its 90 % intervals cover {} % of the values", percent(mean));
        return Outcome::fail(Place::of(version), what);
    }
    if papers.covered.is_empty() {
        return Outcome::not_checked(
            "only the mean over all targets is known; take the facts anew",
        );
    }
    if judged().next().is_none() {
        let why = format!("no target has {VALUES_MIN} values that tell how much is covered");
        return Outcome::not_checked(why);
    }
    Outcome::Pass
}

/// How many of a thousand values have to be covered of so many: fewer, by three standard errors of
/// a share, are no chance even for one of many targets.
fn least(values: u64) -> f64 {
    const STANDARD_ERRORS: f64 = 3.0;
    let share = f64::from(COVERED_MIN) / 1000.0;
    let error = (share * (1.0 - share) / values as f64).sqrt();
    1000.0 * (share - STANDARD_ERRORS * error)
}

fn percent(per_mille: u32) -> String {
    format!("{:.1}", f64::from(per_mille) / 10.0)
}

/// As many targets are named.
const NAMED_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use super::{judge, judge_one};
    use crate::facts::keep::{Covered, Papers};
    use crate::rules::keep::testing::word_of;

    fn papers(mean: u32, targets: &[(&str, u64, u32)]) -> Papers {
        let covered = targets.iter().map(|(target, values, per_mille)| {
            ((*target).to_owned(), Covered { values: *values, per_mille: *per_mille })
        });
        Papers { covered_per_mille: Some(mean), covered: covered.collect(), ..Papers::default() }
    }

    #[test]
    fn what_is_overconfident_fails() {
        let of = |mean, targets: &[_]| word_of(judge, papers(mean, targets));
        let good = ("HR", 1000, 905);
        assert_eq!(of(905, &[good]), "pass");
        assert_eq!(of(850, &[good]), "pass");
        assert_eq!(of(849, &[good]), "fail");
        // Another target does not make up for one.
        assert_eq!(of(880, &[good, ("Lactate", 1000, 700)]), "fail");
        assert_eq!(word_of(judge, Papers::default()), "not-applicable");
    }

    #[test]
    fn chance_is_allowed_for_by_the_number_of_values() {
        let of = |values, per_mille| word_of(judge, papers(900, &[("HR", values, per_mille)]));
        assert_eq!([of(100, 743), of(100, 742)], ["pass", "fail"]);
        assert_eq!([of(10_000, 840), of(10_000, 839)], ["pass", "fail"]);
        assert_eq!([of(30, 660), of(30, 650)], ["pass", "fail"]);
        assert_eq!(of(29, 0), "not-checked");
        // Facts that an older program took have the mean only.
        assert_eq!(word_of(judge, papers(900, &[])), "not-checked");
    }

    #[test]
    fn targets_are_named_and_not_all_of_hundreds() {
        let names: Vec<String> = (0..300).map(|number| format!("T{number:03}")).collect();
        let targets: Vec<_> = names.iter().map(|name| (name.as_str(), 412, 710)).collect();
        let outcome = judge_one("v1", &papers(900, &targets));
        let says = outcome.says();
        assert!(
            says.starts_with("its 90 % intervals cover 71.0 % of 412 values of T000, "),
            "{says}"
        );
        assert!(says.ends_with(", and too few of 295 more"), "{says}");
    }
}
