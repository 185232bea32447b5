//! Compares what one sender's rows add up to with what others' do, and says what follows.

use super::super::SenderParameters;
use super::super::reference::Reference;
use super::super::ridge::Sums;
use super::{FOLDS, INPUTS, Measure, Moments, SenderStats, VariableStats};

/// What follows from a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Too few people to say anything.
    TooFew,
    /// Like the others, as far as can be seen.
    Alike,
    /// Another population or another practice: told, and nothing follows.
    Departs,
    /// Its rows contradict their own contexts or courses, or make forecasts of others worse: its
    /// feed is held until somebody has looked.
    Contradicts,
}

impl Verdict {
    /// Returns the permanent name of this verdict.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooFew => "too-few",
            Self::Alike => "alike",
            Self::Departs => "departs",
            Self::Contradicts => "contradicts",
        }
    }
}

/// One thing in which a sender is not like the others.
#[derive(Clone, Debug, PartialEq)]
pub struct SenderFinding {
    /// The code of the variable; `None` if it is about all rows.
    pub variable: Option<String>,
    /// `rate`, `level`, `bias`, `disagreement`, `outcome`, `surprise`, `influence`, or `suspects`.
    pub measure: &'static str,
    /// The difference, in standard deviations between people (of `influence`: how much worse the
    /// forecast of others becomes, as a share).
    pub effect: f64,
    /// The difference in standard errors.
    pub significance: f64,
    /// Whether it is of the kind that has a feed held.
    pub contradicts: bool,
}

/// What a comparison found.
#[derive(Clone, Debug, PartialEq)]
pub struct SenderJudgement {
    /// What follows.
    pub verdict: Verdict,
    /// Why, the most significant first.
    pub findings: Vec<SenderFinding>,
    /// How much worse a forecast of other people becomes by this sender's rows, as a share: the
    /// largest over the variables.
    pub influence: f64,
}

/// Compares a sender with others. Both must be measured by `reference`.
pub(in crate::panel) fn judge(
    own: &SenderStats,
    others: &SenderStats,
    reference: &Reference,
    limits: &SenderParameters,
) -> SenderJudgement {
    let mut judgement =
        SenderJudgement { verdict: Verdict::TooFew, findings: Vec::new(), influence: 0.0 };
    let comparable = own.is_of(reference) && others.is_of(reference);
    if !comparable || own.subjects.min(others.subjects) < limits.people_min {
        return judgement;
    }
    let mut findings = Vec::new();
    if limits.suspects < own.suspicion.mean() - others.suspicion.mean() {
        findings.extend(compare(
            None,
            ("suspects", true),
            [&own.suspicion, &others.suspicion],
            limits,
        ));
    }
    for (at, code) in reference.codes.iter().enumerate() {
        let (own, others) = (&own.variables[at], &others.variables[at]);
        for measure in Measure::ALL {
            let moments = |stats: &VariableStats| stats.moments[measure as usize];
            let contradicts = !matches!(measure, Measure::Rate | Measure::Level);
            let (own, others) = (moments(own), moments(others));
            findings.extend(compare(
                Some(code),
                (measure.name(), contradicts),
                [&own, &others],
                limits,
            ));
        }
        if let Some((effect, significance)) = influence(&own.courses, &others.courses, limits) {
            judgement.influence = judgement.influence.max(effect);
            if limits.influence < effect && limits.influence_standard_errors < significance {
                findings.push(SenderFinding {
                    variable: Some(code.clone()),
                    measure: "influence",
                    effect,
                    significance,
                    contradicts: true,
                });
            }
        }
    }
    findings.sort_by(|a, b| b.significance.abs().total_cmp(&a.significance.abs()));
    judgement.verdict = if findings.iter().any(|finding| finding.contradicts) {
        Verdict::Contradicts
    } else if findings.is_empty() {
        Verdict::Alike
    } else {
        Verdict::Departs
    };
    judgement.findings = findings;
    judgement
}

/// Welch's test over people, and the difference in standard deviations.
fn compare(
    variable: Option<&String>,
    (measure, contradicts): (&'static str, bool),
    [own, others]: [&Moments; 2],
    limits: &SenderParameters,
) -> Option<SenderFinding> {
    if own.count.min(others.count) < limits.people_with_variable_min as f64 {
        return None;
    }
    let difference = own.mean() - others.mean();
    let error = (own.variance() / own.count + others.variance() / others.count).sqrt();
    let effect = difference / others.variance().sqrt().max(SPREAD_MIN);
    let significance = difference / error.max(ERROR_MIN);
    let limit = if contradicts { limits.contradiction } else { limits.departure };
    (limit < effect.abs() && limits.standard_errors < significance.abs()).then(|| SenderFinding {
        variable: variable.cloned(),
        measure,
        effect,
        significance,
        contradicts,
    })
}

/// How much worse a forecast of other people becomes by these rows: share, and in standard errors
/// over the parts of the people.
fn influence(
    own: &[Sums<INPUTS>; FOLDS],
    others: &[Sums<INPUTS>; FOLDS],
    limits: &SenderParameters,
) -> Option<(f64, f64)> {
    let count_min = limits.people_with_variable_min as f64;
    let all = |parts: &[Sums<INPUTS>; FOLDS], but: Option<usize>| {
        let parts = parts.iter().enumerate().filter(|(at, _)| Some(*at) != but);
        parts.fold(Sums::default(), |all, (_, part)| all.plus(part))
    };
    let own = all(own, None);
    if (own.count as f64) < count_min {
        return None;
    }
    let mut worse = Moments::default();
    for (fold, test) in others.iter().enumerate() {
        let without = all(others, Some(fold));
        if (test.count as f64) < count_min || without.count < 2 * own.count.min(test.count) {
            return None;
        }
        let base = test.error(&without.solve());
        let with = test.error(&without.plus(&own).solve());
        worse.add(((with - base) / base.max(SPREAD_MIN)) as f32);
    }
    let error = (worse.variance() / (FOLDS - 1) as f64).sqrt();
    Some((worse.mean(), worse.mean() / error.max(ERROR_MIN)))
}

/// Keeps quotients finite.
const SPREAD_MIN: f64 = 1e-3;
const ERROR_MIN: f64 = 1e-6;
