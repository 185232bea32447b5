//! What the forecasts of a twin would be if some of its values were others.
//!
//! The changed values are taken in as if they had been observed now, and everything is forecast
//! once more. The difference is what the model has seen to go together with such values: it does
//! not say what giving a treatment would do. Where hardly any training subject that was like this
//! one had such a value, the model can only guess, and whoever asks is to be refused.

use std::fmt;

use twinkeep_domain::{Forecast, Timestamp, VariableKind};
use twinkeep_forecast::{Model, SubjectState, Supported};

#[cfg(test)]
mod tests;

/// A value that is to be another.
#[derive(Clone, Copy, PartialEq)]
pub struct Change {
    /// Which variable: an index into the pack's variables.
    pub variable: usize,
    /// What it is to be, in the keep's unit.
    pub value: f32,
}

/// The forecasts without and with some changes.
#[derive(Clone, PartialEq)]
pub struct WhatIf {
    /// How many training subjects speak for each change, in the order of the changes.
    pub support: Vec<Supported>,
    /// As things are.
    pub as_is: Forecast,
    /// As they would be.
    pub changed: Forecast,
}

/// Forecasts a subject as it is, and with some values changed.
pub fn what_if(
    model: &Model,
    state: &SubjectState,
    now: Timestamp,
    horizons_hours: &[f32],
    changes: &[Change],
) -> WhatIf {
    let mut other = state.clone();
    for change in changes {
        let kind = model.pack().variables().get(change.variable).map(|variable| variable.kind);
        let time = (kind == Some(VariableKind::Series)).then_some(now);
        other.observe(change.variable, time, change.value);
    }
    let variables: Vec<usize> = changes.iter().map(|change| change.variable).collect();
    let support = |change: &Change| model.support(state, &variables, change.variable, change.value);
    WhatIf {
        support: changes.iter().map(support).collect(),
        as_is: model.forecast(state, now, horizons_hours),
        changed: model.forecast(&other, now, horizons_hours),
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Change(hidden)")
    }
}

impl fmt::Debug for WhatIf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WhatIf(hidden)")
    }
}
