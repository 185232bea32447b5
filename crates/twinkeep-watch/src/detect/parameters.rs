//! How drift is judged, as data.

use serde::Deserialize;

/// The parameters of [`super::judge`]; `drift.toml` explains each.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each is explained in `drift.toml`, where people change it")]
pub struct DriftParameters {
    pub false_discovery_rate: f64,
    pub people_min: u64,
    pub input_shift: f64,
    pub input_missing: f64,
    pub input_weight: f64,
    pub error_rise: f64,
    pub coverage_fall: f64,
    pub error_allowance: f64,
    pub error_window_confidence: f64,
}

/// Why parameters cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DriftParametersError {
    /// It is not TOML, or has other keys.
    #[error("the parameters of drift cannot be read")]
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

impl DriftParametersError {
    /// The name of this error. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Parse { .. } => "drift-parameters",
            Self::Range { .. } => "drift-parameters-range",
        }
    }
}

impl DriftParameters {
    /// The parameters that hold where a keep has none of its own.
    pub const SHIPPED: &'static str = include_str!("drift.toml");

    /// Reads parameters.
    pub fn parse(text: &str) -> Result<Self, DriftParametersError> {
        let read: Self =
            toml::from_str(text).map_err(|source| DriftParametersError::Parse { source })?;
        let share = |name, value: f64| match 0.0 < value && value < 1.0 {
            true => Ok(()),
            false => Err(DriftParametersError::Range { name, range: "between 0 and 1" }),
        };
        share("false_discovery_rate", read.false_discovery_rate)?;
        share("input_missing", read.input_missing)?;
        share("coverage_fall", read.coverage_fall)?;
        share("error_window_confidence", read.error_window_confidence)?;
        let positive = |name, value: f64| match 0.0 < value && value.is_finite() {
            true => Ok(()),
            false => Err(DriftParametersError::Range { name, range: "above 0" }),
        };
        positive("input_shift", read.input_shift)?;
        positive("error_rise", read.error_rise)?;
        positive("error_allowance", read.error_allowance)?;
        if !(0.0..=1.0).contains(&read.input_weight) {
            return Err(DriftParametersError::Range { name: "input_weight", range: "from 0 to 1" });
        }
        if read.people_min < 2 {
            return Err(DriftParametersError::Range { name: "people_min", range: "2 or more" });
        }
        Ok(read)
    }
}
