//! How probing is judged, as data.

use serde::Deserialize;

/// The parameters of the detectors; `probe.toml` explains each.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each is explained in `probe.toml`, where people change it")]
pub struct ProbeParameters {
    pub enabled: bool,
    pub questions_between_false_alarms: f64,
    pub distance_allowance: f64,
    pub repeats_usual: f64,
    pub repeats_high: f64,
    #[serde(default = "late")]
    pub late_hours: f64,
    pub members_usual: f64,
    pub members_high: f64,
    pub moments_max: u32,
    pub inputs_a_day: u64,
    pub copy_fidelity: f64,
    pub copy_share: f64,
    pub tier_hours: f64,
    #[serde(default = "marked")]
    pub mark: bool,
    pub refused_in_ten_minutes: u64,
    pub access_chance: f64,
    pub access_days_min: u32,
}

/// A keep's own parameters may be older than the mark.
fn marked() -> bool {
    true
}

/// A keep's own parameters may be older than this one.
fn late() -> f64 {
    6.0
}

/// Why parameters cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProbeParametersError {
    /// It is not TOML, or has other keys.
    #[error("the parameters of probing cannot be read")]
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

impl ProbeParametersError {
    /// The name of this error. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Parse { .. } => "probe-parameters",
            Self::Range { .. } => "probe-parameters-range",
        }
    }
}

impl ProbeParameters {
    /// The parameters that hold where a keep has none of its own.
    pub const SHIPPED: &'static str = include_str!("probe.toml");

    /// Reads parameters.
    pub fn parse(text: &str) -> Result<Self, ProbeParametersError> {
        let read: Self =
            toml::from_str(text).map_err(|source| ProbeParametersError::Parse { source })?;
        let within =
            |name, value: f64, low: f64, high: f64, range| match (low..=high).contains(&value) {
                true => Ok(()),
                false => Err(ProbeParametersError::Range { name, range }),
            };
        let between = read.questions_between_false_alarms;
        within("questions_between_false_alarms", between, 100.0, 1e15, "100 to 1e15")?;
        within("distance_allowance", read.distance_allowance, 0.1, 3.0, "0.1 to 3")?;
        let shares = [
            ("repeats_usual", read.repeats_usual, read.repeats_high),
            ("members_usual", read.members_usual, read.members_high),
        ];
        for (name, usual, high) in shares {
            let sound = 0.0 < usual && usual < high && high < 1.0;
            let range = "above 0, and below the share that is to be noticed, which is below 1";
            if !sound {
                return Err(ProbeParametersError::Range { name, range });
            }
        }
        within("copy_fidelity", read.copy_fidelity, 0.01, 1.0, "0.01 to 1")?;
        within("copy_share", read.copy_share, 0.01, 10.0, "0.01 to 10")?;
        within("late_hours", read.late_hours, 0.0, 8760.0, "0 to 8760")?;
        within("tier_hours", read.tier_hours, 0.0, 8760.0, "0 to 8760")?;
        within("access_chance", read.access_chance, 0.0001, 0.5, "0.0001 to 0.5")?;
        if read.moments_max == 0 {
            return Err(ProbeParametersError::Range { name: "moments_max", range: "1 or more" });
        }
        if read.refused_in_ten_minutes == 0 {
            let name = "refused_in_ten_minutes";
            return Err(ProbeParametersError::Range { name, range: "1 or more" });
        }
        Ok(read)
    }
}
