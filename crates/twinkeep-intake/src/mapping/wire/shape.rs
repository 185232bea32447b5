//! The keys of a mapping file, as `docs/formats/mapping.md` lists them.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireMapping {
    #[serde(rename = "format")]
    pub(super) _format: u32,
    pub(super) name: Spanned<String>,
    pub(super) title: String,
    pub(super) version: u32,
    #[serde(default)]
    pub(super) dates_shifted: bool,
    pub(super) zone: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) missing: Vec<String>,
    #[serde(default)]
    pub(super) subject: Vec<String>,
    #[serde(default)]
    pub(super) ignore: Vec<String>,
    /// What the words of the data set are called here, for `{column|code}`.
    #[serde(default)]
    pub(super) codes: BTreeMap<String, String>,
    pub(super) dialect: Option<Spanned<WireDialect>>,
    #[serde(default)]
    pub(super) lookup: Vec<Spanned<WireLookup>>,
    pub(super) table: Vec<Spanned<WireTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireDialect {
    pub(super) delimiter: Option<String>,
    pub(super) quote: Option<String>,
    pub(super) escape: Option<String>,
    pub(super) encoding: Option<String>,
    pub(super) decimal: Option<String>,
    pub(super) thousands: Option<String>,
    pub(super) unfinished: Option<WireUnfinished>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WireUnfinished {
    Refuse,
    Keep,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireLookup {
    pub(super) name: String,
    pub(super) files: Vec<String>,
    pub(super) key: String,
    pub(super) columns: Vec<String>,
    pub(super) dialect: Option<Spanned<WireDialect>>,
    #[serde(default)]
    pub(super) only: Vec<WireCondition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireTable {
    pub(super) name: String,
    #[serde(default)]
    pub(super) files: Vec<String>,
    #[serde(default)]
    pub(super) columns: Vec<String>,
    #[serde(default)]
    pub(super) without: Vec<String>,
    #[serde(default)]
    pub(super) optional: Vec<String>,
    pub(super) zone: Option<Spanned<String>>,
    pub(super) missing: Option<Vec<String>>,
    pub(super) subject: Option<Vec<String>>,
    pub(super) dialect: Option<Spanned<WireDialect>>,
    #[serde(default)]
    pub(super) join: Vec<WireJoin>,
    #[serde(default)]
    pub(super) only: Vec<WireCondition>,
    pub(super) event: Vec<Spanned<WireEvent>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireJoin {
    pub(super) name: String,
    pub(super) lookup: String,
    pub(super) key: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireEvent {
    #[serde(default)]
    pub(super) code: Vec<String>,
    /// Wide form: a column for each code.
    #[serde(default)]
    pub(super) columns: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) time: Vec<WireTime>,
    pub(super) value: Option<WireValue>,
    #[serde(default)]
    pub(super) unit: Vec<String>,
    #[serde(default)]
    pub(super) text: Vec<String>,
    #[serde(default)]
    pub(super) text_with_value: bool,
    #[serde(default)]
    pub(super) optional: bool,
    #[serde(default)]
    pub(super) only: Vec<WireCondition>,
    #[serde(default)]
    pub(super) sum_over: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireTime {
    pub(super) column: Option<String>,
    #[serde(default)]
    pub(super) columns: Vec<String>,
    #[serde(default)]
    pub(super) formats: Vec<String>,
    pub(super) zone: Option<String>,
    pub(super) at: Option<String>,
    pub(super) offset: Option<WireUnit>,
    pub(super) epoch: Option<WireUnit>,
    pub(super) year_minus: Option<String>,
    #[serde(default)]
    pub(super) origin: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WireUnit {
    Microseconds,
    Milliseconds,
    Seconds,
    Minutes,
    Hours,
    Days,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireValue {
    pub(super) column: Option<String>,
    pub(super) product: Option<Vec<String>>,
    pub(super) constant: Option<f64>,
    pub(super) scale: Option<f64>,
    pub(super) map: Option<BTreeMap<String, f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireCondition {
    pub(super) column: String,
    #[serde(default)]
    pub(super) is: Vec<String>,
    #[serde(default)]
    pub(super) is_not: Vec<String>,
    #[serde(default)]
    pub(super) starts_with: Vec<String>,
    #[serde(default)]
    pub(super) starts_not_with: Vec<String>,
    pub(super) empty: Option<bool>,
    pub(super) above: Option<f64>,
    pub(super) below: Option<f64>,
}

/// Only the format, so that a newer file is refused as such and not for its keys.
#[derive(Deserialize)]
pub(super) struct WireFormat {
    pub(super) format: u32,
}

impl WireUnit {
    /// Returns how many microseconds it has.
    pub(super) fn micros(self) -> i64 {
        match self {
            Self::Microseconds => 1,
            Self::Milliseconds => 1_000,
            Self::Seconds => 1_000_000,
            Self::Minutes => 60_000_000,
            Self::Hours => 3_600_000_000,
            Self::Days => 86_400_000_000,
        }
    }
}
