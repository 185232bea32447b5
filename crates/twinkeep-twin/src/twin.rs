//! A subject's live state: what is known now, and what is to be expected.

use std::fmt;

use twinkeep_domain::{Code, Event, Forecast, ForecastPlan, Pack, Timeline, Timestamp, limits};
use twinkeep_forecast::{CodeMap, Forecaster, SubjectState};

#[cfg(test)]
mod tests;

/// One subject's state, in constant space: it remembers sums, not events.
#[derive(Clone)]
pub struct Twin {
    codes: CodeMap,
    state: SubjectState,
    latest: Option<Timestamp>,
}

/// What is known about one variable of a subject.
#[derive(Clone, PartialEq)]
pub struct VariableSummary {
    /// Which variable: an index into the pack's variables.
    pub variable: usize,
    /// The last value.
    pub last: f32,
    /// Hours from the last value to the moment asked about.
    pub age_hours: f32,
    /// How many values there were.
    pub count: u32,
    /// Least-squares trend over all values, in units an hour; `None` for fewer than two moments.
    pub trend_per_hour: Option<f32>,
}

impl Twin {
    /// Returns the twin of a subject with everything that its timeline holds.
    ///
    /// `codes` is what [`Event::code`] points into, here and in later [`Twin::apply`].
    pub fn from_timeline(pack: &Pack, codes: &[Code], timeline: &Timeline) -> Self {
        let mut twin = Self::new(pack, codes);
        for event in timeline.events() {
            twin.apply(event);
        }
        twin
    }

    /// Returns the twin as it was at a past moment: events after `time` are not looked at.
    pub fn at(pack: &Pack, codes: &[Code], timeline: &Timeline, time: Timestamp) -> Self {
        let mut twin = Self::new(pack, codes);
        for event in timeline.events() {
            if event.time.is_none_or(|event| event <= time) {
                twin.apply(event);
            }
        }
        twin
    }

    fn new(pack: &Pack, codes: &[Code]) -> Self {
        let codes = CodeMap::new(pack, codes);
        Self { codes, state: SubjectState::new(pack), latest: None }
    }

    /// Takes in one event; it may be late. Returns whether the pack uses its code.
    pub fn apply(&mut self, event: &Event) -> bool {
        if !self.codes.uses(event.code) {
            return false;
        }
        self.state.apply(&self.codes, event);
        self.latest = self.latest.max(event.time);
        true
    }

    /// Returns what the engine remembers.
    pub fn state(&self) -> &SubjectState {
        &self.state
    }

    /// Returns the time of the latest event.
    pub fn latest(&self) -> Option<Timestamp> {
        self.latest
    }

    /// Summarizes every variable that was observed, in the pack's order.
    pub fn summarize(&self, now: Timestamp) -> Vec<VariableSummary> {
        let of = |variable| {
            let known = self.state.variable(variable)?;
            Some(VariableSummary {
                variable,
                last: known.last(),
                age_hours: now.hours_since(known.last_time()) as f32,
                count: known.count(),
                trend_per_hour: Some(known.slope()).filter(|slope| slope.is_finite()),
            })
        };
        (0..self.state.variable_count()).filter_map(of).collect()
    }

    /// Forecasts all targets at every step of the plan, up to its horizon.
    ///
    /// The forecast is made for `now`, or for the latest event if that is later.
    pub fn forecast(
        &self,
        forecaster: &dyn Forecaster,
        plan: &ForecastPlan,
        now: Timestamp,
    ) -> Forecast {
        let now = self.latest.map_or(now, |latest| now.max(latest));
        forecaster.forecast(&self.state, now, &horizons(plan))
    }
}

impl fmt::Debug for Twin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Twin(hidden)")
    }
}

impl fmt::Debug for VariableSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VariableSummary(hidden)")
    }
}

/// Returns every step of the plan, up to its horizon; the horizon is always the last.
pub fn horizons(plan: &ForecastPlan) -> Vec<f32> {
    let step = plan.step_hours.max(plan.horizon_hours / STEP_COUNT_MAX);
    let mut horizons: Vec<f32> = (1_u16..)
        .map(|count| f32::from(count) * step)
        .take_while(|&hours| hours < plan.horizon_hours * (1.0 - f32::EPSILON))
        .collect();
    horizons.push(plan.horizon_hours.min(limits::HORIZON_HOURS_MAX));
    horizons
}

/// Returns the values of one variable up to `now`, as hours (0 is now, before is negative) and
/// values, in time order.
pub fn history(
    pack: &Pack,
    codes: &[Code],
    timeline: &Timeline,
    variable: usize,
    now: Timestamp,
) -> Vec<(f32, f32)> {
    let codes = CodeMap::new(pack, codes);
    let of = |event: &Event| {
        let time = event.time.filter(|&time| time <= now)?;
        let value = event.value.filter(|value| value.is_finite())?;
        let hours = time.hours_since(now) as f32;
        (codes.variable(event.code) == Some(variable)).then_some((hours, value))
    };
    timeline.events().iter().filter_map(of).collect()
}

/// More steps than this cannot be told apart on a screen.
const STEP_COUNT_MAX: f32 = 1_000.0;
