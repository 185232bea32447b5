//! By what the panel holds rows and senders, as data.

use serde::Deserialize;

/// The parameters of the panel; `panel.toml` explains each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PanelParameters {
    /// Of rows, and series of one person.
    pub rows: RowParameters,
    /// Of whole senders.
    pub senders: SenderParameters,
}

/// What one row, or one series of a person, is held by.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each is explained in `panel.toml`, where people change it")]
pub struct RowParameters {
    pub alarm_share: f64,
    pub surprise_min: f32,
    pub series_handicap: f32,
}

/// What a whole sender is held by.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each is explained in `panel.toml`, where people change it")]
pub struct SenderParameters {
    pub people_min: u64,
    pub people_with_variable_min: u64,
    pub standard_errors: f64,
    pub contradiction: f64,
    pub departure: f64,
    pub suspects: f64,
    pub influence: f64,
    pub influence_standard_errors: f64,
}

/// Why parameters cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PanelParametersError {
    /// It is not TOML, or has other keys.
    #[error("the parameters of the panel cannot be read")]
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

impl PanelParametersError {
    /// The name of this error. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Parse { .. } => "panel-parameters",
            Self::Range { .. } => "panel-parameters-range",
        }
    }
}

impl PanelParameters {
    /// The text of the parameters that hold where a keep has none of its own: those of [`Default`].
    pub const SHIPPED: &'static str = include_str!("panel.toml");

    /// Reads parameters.
    pub fn parse(text: &str) -> Result<Self, PanelParametersError> {
        let read: Self =
            toml::from_str(text).map_err(|source| PanelParametersError::Parse { source })?;
        let refuse = |name, range| Err(PanelParametersError::Range { name, range });
        let Self { rows, senders } = &read;
        if !(0.0 < rows.alarm_share && rows.alarm_share <= ALARM_SHARE_MAX) {
            return refuse("rows.alarm_share", "above 0, and at most 0.1");
        }
        if senders.people_min < PEOPLE_MIN {
            return refuse("senders.people_min", "20 or more");
        }
        if senders.people_with_variable_min < PEOPLE_MIN {
            return refuse("senders.people_with_variable_min", "20 or more");
        }
        for (name, value) in [
            ("rows.surprise_min", f64::from(rows.surprise_min)),
            ("rows.series_handicap", f64::from(rows.series_handicap)),
            ("senders.standard_errors", senders.standard_errors),
            ("senders.contradiction", senders.contradiction),
            ("senders.departure", senders.departure),
            ("senders.suspects", senders.suspects),
            ("senders.influence", senders.influence),
            ("senders.influence_standard_errors", senders.influence_standard_errors),
        ] {
            if !(0.0 <= value && value.is_finite()) {
                return refuse(name, "0 or more");
            }
        }
        Ok(read)
    }
}

impl Default for RowParameters {
    fn default() -> Self {
        Self { alarm_share: 0.000_5, surprise_min: 2.3, series_handicap: 0.3 }
    }
}

impl Default for SenderParameters {
    fn default() -> Self {
        Self {
            people_min: 100,
            people_with_variable_min: 50,
            standard_errors: 5.5,
            contradiction: 0.3,
            departure: 0.5,
            suspects: 0.003,
            influence: 0.02,
            influence_standard_errors: 4.0,
        }
    }
}

/// Who wants more of the clean rows held wants no panel.
const ALARM_SHARE_MAX: f64 = 0.1;

/// Means of fewer are not near the normal distribution that standard errors suppose.
const PEOPLE_MIN: u64 = 20;

#[cfg(test)]
mod tests {
    use super::PanelParameters;

    #[test]
    fn the_text_that_people_read_is_what_holds() {
        let read = PanelParameters::parse(PanelParameters::SHIPPED).unwrap();
        assert_eq!(read, PanelParameters::default());
    }

    #[test]
    fn parameters_without_meaning_are_refused() {
        let change = |from: &str, to: &str| {
            let text = PanelParameters::SHIPPED.replace(from, to);
            assert_ne!(text, PanelParameters::SHIPPED, "{from}");
            PanelParameters::parse(&text).unwrap_err().code()
        };
        let range = "panel-parameters-range";
        assert_eq!(change("alarm_share = 0.0005", "alarm_share = 0"), range);
        assert_eq!(change("surprise_min = 2.3", "surprise_min = nan"), range);
        assert_eq!(change("\npeople_min = 100", "\npeople_min = 19"), range);
        assert_eq!(change("with_variable_min = 50", "with_variable_min = 0"), range);
        assert_eq!(change("contradiction = 0.3", "contradiction = -1"), range);
        assert_eq!(change("\ninfluence = 0.02", "\ninfluence = inf"), range);
        assert_eq!(change("\n[senders]", "\nmore = 1\n[senders]"), "panel-parameters");
        assert_eq!(change("suspects = 0.003\n", ""), "panel-parameters");
    }
}
