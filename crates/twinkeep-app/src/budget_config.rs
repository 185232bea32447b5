//! `[[budget]]` of `twinkeep.toml`: how much one caller may learn in a day or a month.

use serde::{Deserialize, Serialize};
use twinkeep_domain::Timestamp;

use crate::budget::period_of;
use crate::{Caller, ConfigError};

/// A budget of each caller that it is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetConfig {
    /// Whom it is for: a caller as the ledger calls it, or the beginning of such names with `*`.
    #[serde(default = "everybody")]
    pub callers: String,
    /// In what it is counted.
    pub unit: BudgetUnit,
    /// How much there is.
    pub limit: u64,
    /// When it is whole again.
    pub per: Period,
    /// What happens when it is used up.
    #[serde(default)]
    pub exhausted: Exhausted,
}

/// In what a budget is counted: what an answer gives away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BudgetUnit {
    /// People who are asked about, each once.
    NewSubjects,
    /// Inputs of a model, each once.
    DistinctInputs,
    /// Answers of a model at full precision.
    FullAnswers,
}

impl BudgetUnit {
    /// Returns the name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::NewSubjects => "new-subjects",
            Self::DistinctInputs => "distinct-inputs",
            Self::FullAnswers => "full-answers",
        }
    }

    /// Returns whether it is the same whatever model answers.
    pub(crate) fn is_of_people(self) -> bool {
        self == Self::NewSubjects
    }

    /// Returns whether the same again costs nothing.
    pub(crate) fn is_counted_once(self) -> bool {
        self != Self::FullAnswers
    }
}

/// By what calendar a budget is whole again, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Period {
    /// At midnight.
    Day,
    /// On the first of the month.
    Month,
}

impl Period {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// Returns the day or the month of a time.
    pub(crate) fn of(self, now: Timestamp) -> String {
        period_of(self, now)
    }
}

/// What happens when a budget is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exhausted {
    /// Nothing is answered.
    #[default]
    Refuse,
    /// Forecasts have two significant digits.
    Coarse,
}

impl BudgetConfig {
    /// Returns whether this budget is for a caller. Whoever holds the keep's key has none.
    pub(crate) fn is_of(&self, caller: &Caller, unit: BudgetUnit) -> bool {
        let named = match self.callers.strip_suffix('*') {
            Some(begin) => caller.id.starts_with(begin),
            None => caller.id == self.callers,
        };
        named && self.unit == unit && !caller.is_operator()
    }
}

/// Checks all of them.
pub(crate) fn check_budgets(budgets: &[BudgetConfig]) -> Result<(), ConfigError> {
    let refuse = |key, expected| Err(ConfigError::Value { key, expected });
    for budget in budgets {
        let most = if budget.unit.is_counted_once() { DISTINCT_MAX } else { ANSWERS_MAX };
        if !(1..=most).contains(&budget.limit) {
            return refuse(
                "budget.limit",
                "1 to 10,000 of `new-subjects` and `distinct-inputs`, to 1,000,000,000 of \
                 `full-answers`",
            );
        }
        if budget.unit.is_of_people() && budget.exhausted == Exhausted::Coarse {
            return refuse("budget.exhausted", "`refuse` for `new-subjects`");
        }
        if budget.callers.is_empty() {
            return refuse("budget.callers", "a caller, or the beginning of names with `*`");
        }
    }
    Ok(())
}

fn everybody() -> String {
    "*".to_owned()
}

/// Each is eight bytes in a row of the catalog that is written once for a portion.
const DISTINCT_MAX: u64 = 10_000;

const ANSWERS_MAX: u64 = 1_000_000_000;
