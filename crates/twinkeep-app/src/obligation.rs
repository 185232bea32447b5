//! Obligations: in what form a policy permits an answer.
//!
//! A policy states them as annotations of a `permit`: `@round("clinical")`, `@noise("0.1")`,
//! `@top("5")`, `@group("30")`, `@hide("intervals last")`. Every policy that permits a request
//! obliges, and of two obligations the stricter one holds.
//!
//! # Invariants
//!
//! - An answer that cannot be given as obliged is not given.
//! - The same answer of a model for the same caller gets the same noise: asking again tells no more.

use std::collections::BTreeSet;
use std::fmt;

use twinkeep_domain::{EventPoint, Forecast, ForecastPoint, Pack, WindowAnswer};

use crate::policy::PolicyAction;
use crate::{App, AppError, Caller};

use noise::Draw;

mod noise;
#[cfg(test)]
mod tests;

/// In what form something may be answered; by default, in any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obligations {
    /// Values in the steps of the pack, probabilities in steps of five percent.
    round: bool,
    /// The deviation of what is added to a forecast, in thousandths of half its 50 % interval.
    noise_permille: u32,
    /// The most drivers and competing events.
    top: Option<usize>,
    /// The smallest group that is told of.
    group: usize,
    /// What is left out.
    hidden: BTreeSet<Hidden>,
}

/// What an answer can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hidden {
    /// Quantiles other than the median.
    Intervals,
    /// What was observed last.
    Last,
    /// How earlier forecasts did.
    Backtest,
    /// Age and sex.
    Demographics,
    /// The values of what drives a forecast.
    DriverValues,
}

impl Hidden {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Intervals, "intervals"),
        (Self::Last, "last"),
        (Self::Backtest, "backtest"),
        (Self::Demographics, "demographics"),
        (Self::DriverValues, "driver-values"),
    ];
}

impl Obligations {
    /// Takes one annotation of a policy; others say nothing about answers, or are typing errors.
    pub(crate) fn annotate(&mut self, key: &str, value: &str) -> Result<(), String> {
        let expect = |what: &str| Err(format!("`@{key}` takes {what}"));
        match key {
            "id" | "description" => {}
            "round" if value == "clinical" => self.round = true,
            "round" => return expect("`clinical`"),
            "noise" => match value.parse::<f32>() {
                Ok(share) if (0.001..=10.0).contains(&share) => {
                    self.noise_permille = (share * 1_000.0).round() as u32;
                }
                _ => return expect("0.001 to 10, in halves of the 50 % interval"),
            },
            "top" => match value.parse() {
                Ok(count @ 1..=1_000) => self.top = Some(count),
                _ => return expect("1 to 1,000"),
            },
            "group" => match value.parse() {
                Ok(count @ 2..=1_000_000) => self.group = count,
                _ => return expect("2 to 1,000,000"),
            },
            "hide" => {
                for name in value.split_whitespace() {
                    let known = Hidden::ALL.iter().find(|(_, known)| *known == name);
                    let Some((hidden, _)) = known else {
                        let names = Hidden::ALL.map(|(_, name)| name).join("`, `");
                        return expect(&format!("some of `{names}`"));
                    };
                    self.hidden.insert(*hidden);
                }
                if self.hidden.is_empty() {
                    return expect("at least one name");
                }
            }
            _ => {
                let known = "id, description, round, noise, top, group, hide";
                return Err(format!("there is no annotation `@{key}`; there are {known}"));
            }
        }
        Ok(())
    }

    /// Adds what another policy obliges to.
    pub(crate) fn join(&mut self, other: &Self) {
        self.round |= other.round;
        self.noise_permille = self.noise_permille.max(other.noise_permille);
        self.top = [self.top, other.top].into_iter().flatten().min();
        self.group = self.group.max(other.group);
        self.hidden.extend(&other.hidden);
    }

    /// Returns whether there are none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether answers of this action have a form that obeys.
    ///
    /// Exact parts of a forecast, paths, and differences have none that is rounded or blurred: they
    /// would not add up, or would tell by their number what the noise hides. What a model server
    /// behind the gate answers has no form that is known here.
    pub(crate) fn can_be_met(&self, action: PolicyAction) -> bool {
        let exact =
            matches!(action, PolicyAction::Explain | PolicyAction::Simulate | PolicyAction::WhatIf);
        let blurred = self.round || 0 < self.noise_permille || self.hides(Hidden::Intervals);
        let unknown = action == PolicyAction::UseUpstream && *self != Self::default();
        !(unknown || exact && blurred || action == PolicyAction::Compare && 0 < self.noise_permille)
    }

    pub(crate) fn hides(&self, what: Hidden) -> bool {
        self.hidden.contains(&what)
    }

    /// Returns how many of a list may be told.
    pub(crate) fn at_most(&self, wanted: usize) -> usize {
        self.top.map_or(wanted, |top| top.min(wanted))
    }

    /// Returns how many people a group must have to be told of, if that is more than `least`.
    pub(crate) fn group_min(&self, least: usize) -> usize {
        self.group.max(least)
    }

    /// Returns a value of a variable in the form that is permitted.
    pub(crate) fn value(&self, value: f32, resolution: Option<f32>) -> f32 {
        if self.round { in_steps(value, resolution) } else { value }
    }

    /// Returns whether age and sex are left out, and this is one of them.
    pub(crate) fn hides_code(&self, pack: &Pack, code: &str) -> bool {
        let subject = &pack.screening().subject;
        let known = [&subject.age, &subject.birth, &subject.sex];
        self.hides(Hidden::Demographics)
            && known.into_iter().flatten().any(|known| known.as_str() == code)
    }
}

impl fmt::Display for Obligations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.round.then(|| "rounded to clinical resolution".to_owned()));
        if 0 < self.noise_permille {
            let share = f64::from(self.noise_permille) / 1_000.0;
            parts.push(format!("noise of {share} of half the 50 % interval"));
        }
        parts.extend(self.top.map(|top| format!("at most {top} drivers")));
        if 0 < self.group {
            parts.push(format!("groups of {} and more", self.group));
        }
        let hidden = Hidden::ALL.iter().filter(|(hidden, _)| self.hides(*hidden));
        parts.extend(hidden.map(|(_, name)| format!("without {name}")));
        f.write_str(&parts.join(", "))
    }
}

impl App {
    /// Gives a forecast the form in which `caller` may have it.
    pub(crate) fn oblige(&self, caller: &Caller, model: &str, forecast: &mut Forecast) {
        let obligations = &caller.obligations;
        if 0 < obligations.noise_permille {
            let share = obligations.noise_permille as f32 / 1_000.0;
            let whose = format!("noise\0{}\0{model}\0", caller.id);
            let draw = Draw { key: self.access_key(), whose: &whose, share };
            noise::add(&self.pack, &draw, forecast);
        }
        if obligations.round {
            round(&self.pack, forecast);
        }
    }
}

/// Refuses an answer that shows what is to be left out.
pub(crate) fn unmet() -> AppError {
    AppError::refused(
        "obligation-unmet",
        "the policy permits this only in a form that this answer does not have",
    )
    .hint("`twinkeep policy test` says which policy obliges to what")
}

/// Rounds every value to what people write down.
fn round(pack: &Pack, forecast: &mut Forecast) {
    for target in &mut forecast.targets {
        let index = pack.find(target.code.as_str());
        let variable = index.and_then(|index| pack.variables().get(index));
        let resolution = variable.and_then(|variable| variable.rules.resolution);
        for point in &mut target.points {
            each_value(point, |value| in_steps(value, resolution));
        }
    }
    for window in &mut forecast.windows {
        match &mut window.answer {
            WindowAnswer::None => {}
            WindowAnswer::Total(point) => each_value(point, |value| in_steps(value, None)),
            WindowAnswer::Event(points) => {
                points.iter_mut().for_each(|point| each_probability(point, twentieth));
            }
        }
    }
}

fn each_value(point: &mut ForecastPoint, change: impl Fn(f32) -> f32) {
    let ForecastPoint { horizon_hours: _, mean, quantiles, outer } = point;
    for value in std::iter::once(mean).chain(quantiles).chain(outer) {
        *value = change(*value);
    }
}

fn each_probability(point: &mut EventPoint, change: impl Fn(f32) -> f32) {
    let EventPoint { horizon_hours: _, probability, competing } = point;
    for value in std::iter::once(probability).chain(competing) {
        *value = change(*value);
    }
}

/// Rounds to steps, or to two significant digits where there are none.
fn in_steps(value: f32, resolution: Option<f32>) -> f32 {
    match resolution {
        // The step as it is written: the f32 next to 0.1 is not 0.1.
        Some(step) => {
            let step: f64 = step.to_string().parse().unwrap_or(f64::from(step));
            ((f64::from(value) / step).round() * step) as f32
        }
        None => two_digits(value),
    }
}

/// Leaves two significant digits.
pub(crate) fn two_digits(value: f32) -> f32 {
    format!("{value:.1e}").parse().unwrap_or(value)
}

/// Steps of five percent.
pub(crate) fn twentieth(probability: f32) -> f32 {
    (probability * 20.0).round() / 20.0
}
