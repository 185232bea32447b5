//! Whether a candidate may follow the version in service: on clean people, whole and in groups, and on
//! canaries.
//!
//! A poisoned update is seen by what it does to clean data that the poisoner did not choose (Barreno
//! et al.: The security of machine learning, 2010, call it RONI: reject on negative impact); poison
//! against few shows in their group only (Jagielski et al.: Subpopulation data poisoning attacks,
//! 2021).

use serde::Serialize;

use super::{CandidateParameters, OnWorse, Spread};

/// What a candidate is beside the version in service, for some people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CandidateFinding {
    /// What divides the people; empty for everybody.
    pub by: String,
    /// Which group; empty for everybody.
    pub group: String,
    /// How much larger its error is, in carry-forward errors: above 0 is worse.
    pub larger: Spread,
    /// Whether that is more than is allowed, and more than chance.
    pub worse: bool,
}

/// What is to be done with a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CandidateVerdict {
    /// Nothing stands against it.
    Holds,
    /// Something does, but not enough to refuse it.
    Warn,
    /// It is not to be released.
    Refuse,
}

/// Judges what was found for everybody and for groups, and how far canaries moved; says of each
/// finding whether it is worse.
pub fn judge_candidate(
    parameters: &CandidateParameters,
    findings: &mut [CandidateFinding],
    canary_shift: Option<f64>,
) -> CandidateVerdict {
    let mut verdict = CandidateVerdict::Holds;
    for finding in findings {
        let everybody = finding.by.is_empty();
        let (margin, errors) = match everybody {
            true => (parameters.worse, parameters.standard_errors),
            false => (parameters.worse_for_a_group, parameters.standard_errors_for_a_group),
        };
        let Spread { people, mean, standard_error, .. } = finding.larger;
        finding.worse = 1 < people && margin < mean && errors * standard_error < mean;
        if finding.worse {
            verdict = worse_of(verdict, parameters.on_worse);
        }
    }
    if canary_shift.is_some_and(|shift| parameters.canary_shift < shift) {
        verdict = worse_of(verdict, parameters.on_canary_shift);
    }
    verdict
}

fn worse_of(verdict: CandidateVerdict, what: OnWorse) -> CandidateVerdict {
    match (verdict, what) {
        (CandidateVerdict::Refuse, _) | (_, OnWorse::Refuse) => CandidateVerdict::Refuse,
        _ => CandidateVerdict::Warn,
    }
}
