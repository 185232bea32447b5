//! How poisoning is judged, as data.

use serde::{Deserialize, Serialize};

/// The parameters of this module; `poisoning.toml` explains each.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoisoningParameters {
    /// Of what feeds do to errors.
    pub influence: InfluenceParameters,
    /// Of a candidate beside the version in service.
    pub candidate: CandidateParameters,
}

/// What feeds do to errors.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each is explained in `poisoning.toml`, where people change it")]
pub struct InfluenceParameters {
    pub false_discovery_rate: f64,
    pub harm_min: f64,
    pub people_min: u64,
    pub share_max: f64,
    pub controls_min: u64,
}

/// A candidate beside the version in service.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each is explained in `poisoning.toml`, where people change it")]
pub struct CandidateParameters {
    pub worse: f64,
    pub worse_for_a_group: f64,
    pub standard_errors: f64,
    pub standard_errors_for_a_group: f64,
    pub canary_shift: f64,
    pub on_worse: OnWorse,
    pub on_canary_shift: OnWorse,
}

/// What to do with a candidate that is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnWorse {
    /// Do not release it.
    Refuse,
    /// Say so, and release it.
    Warn,
}

/// Why parameters cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PoisoningParametersError {
    /// It is not TOML, or has other keys.
    #[error("the parameters of poisoning cannot be read")]
    Parse {
        /// Where.
        #[source]
        source: toml::de::Error,
    },
    /// A number has no meaning.
    #[error("`{name}` must be {range}")]
    Range {
        /// Which.
        name: &'static str,
        /// What it may be.
        range: &'static str,
    },
}

impl PoisoningParametersError {
    /// The name of this error. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Parse { .. } => "poisoning-parameters",
            Self::Range { .. } => "poisoning-parameters-range",
        }
    }
}

impl PoisoningParameters {
    /// The parameters that hold where a keep has none of its own.
    pub const SHIPPED: &'static str = include_str!("poisoning.toml");

    /// Reads parameters.
    pub fn parse(text: &str) -> Result<Self, PoisoningParametersError> {
        let read: Self =
            toml::from_str(text).map_err(|source| PoisoningParametersError::Parse { source })?;
        let refuse = |name, range| Err(PoisoningParametersError::Range { name, range });
        let Self { influence, candidate } = &read;
        for (name, value) in [
            ("influence.false_discovery_rate", influence.false_discovery_rate),
            ("influence.share_max", influence.share_max),
        ] {
            if !(0.0 < value && value < 1.0) {
                return refuse(name, "between 0 and 1");
            }
        }
        for (name, value) in [
            ("influence.harm_min", influence.harm_min),
            ("candidate.worse", candidate.worse),
            ("candidate.worse_for_a_group", candidate.worse_for_a_group),
            ("candidate.standard_errors", candidate.standard_errors),
            ("candidate.standard_errors_for_a_group", candidate.standard_errors_for_a_group),
        ] {
            if !(0.0 <= value && value.is_finite()) {
                return refuse(name, "0 or more");
            }
        }
        if !(0.0 < candidate.canary_shift && candidate.canary_shift.is_finite()) {
            return refuse("candidate.canary_shift", "above 0");
        }
        if influence.people_min < 2 {
            return refuse("influence.people_min", "2 or more");
        }
        if !(1..=CONTROLS_MAX).contains(&influence.controls_min) {
            return refuse("influence.controls_min", "1 to 100");
        }
        Ok(read)
    }
}

/// Each costs a training.
const CONTROLS_MAX: u64 = 100;
