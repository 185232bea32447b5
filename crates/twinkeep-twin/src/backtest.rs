//! How good forecasts would have been for one subject so far.
//!
//! The past is gone through from the beginning: at moments of it a forecast is made from what was
//! known then, and compared with what was observed after. It says whether this subject is one of
//! those whom the model understands.

use twinkeep_domain::{Code, Event, ForecastPlan, Pack, QUANTILES, Timeline, Timestamp};
use twinkeep_forecast::{CodeMap, Forecaster};

use crate::Twin;

#[cfg(test)]
mod tests;

/// The comparison of past forecasts of one variable with what was observed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackTest {
    /// Moments at which a forecast was made.
    pub forecast_count: u32,
    /// Observed values that were forecast; one counts for every moment that it was forecast at.
    pub value_count: u32,
    /// Mean absolute error of the median; `None` without values.
    pub mae: Option<f32>,
    /// Mean absolute error of saying that the last value stays, of the same values.
    pub carry_forward_mae: Option<f32>,
    /// Share of the values inside the 90 % interval.
    pub coverage_90: Option<f32>,
}

/// Goes through a subject's past up to `now`, for one variable of the pack.
///
/// Values before any other value of the variable are left out: nothing could be carried forward.
pub fn backtest(
    pack: &Pack,
    codes: &[Code],
    timeline: &Timeline,
    forecaster: &dyn Forecaster,
    variable: usize,
    now: Timestamp,
) -> BackTest {
    let Some(place) = pack.targets().position(|(index, _)| index == variable) else {
        return BackTest::default();
    };
    let Some(start) = timeline.start() else { return BackTest::default() };
    let seen = CodeMap::new(pack, codes);
    let observed: Vec<(Timestamp, f32)> =
        timeline.events().iter().filter_map(|event| value_of(&seen, event, variable)).collect();
    let mut twin = Twin::at(pack, codes, timeline, Timestamp::from_micros(i64::MIN));
    let mut applied = timeline.events().partition_point(|event| event.time.is_none());
    let mut sums = Sums::default();
    for cut in cuts(pack.forecast(), start, now) {
        for event in &timeline.events()[applied..] {
            if event.time.is_none_or(|time| cut < time) {
                break;
            }
            twin.apply(event);
            applied += 1;
        }
        let due: Vec<(f32, f32)> = observed
            .iter()
            .filter(|(time, _)| cut < *time && *time <= now)
            .map(|&(time, value)| (time.hours_since(cut) as f32, value))
            .take_while(|(hours, _)| *hours <= pack.forecast().horizon_hours)
            .collect();
        if due.is_empty() {
            continue;
        }
        let horizons: Vec<f32> = due.iter().map(|(hours, _)| *hours).collect();
        let forecast = forecaster.forecast(twin.state(), cut, &horizons);
        let Some(answer) = forecast.targets.get(place) else { continue };
        let Some((last, _)) = answer.last else { continue };
        sums.forecast_count += u32::from(!answer.points.is_empty());
        for (point, &(_, value)) in answer.points.iter().zip(&due) {
            sums.add(
                point.median(),
                (point.quantiles[0], point.quantiles[QUANTILES.len() - 1]),
                last,
                value,
            );
        }
    }
    sums.finish()
}

/// Returns the moments at which forecasts are made: the steps of the plan, or fewer.
fn cuts(plan: &ForecastPlan, start: Timestamp, now: Timestamp) -> Vec<Timestamp> {
    let hours = now.hours_since(start);
    let step = f64::from(plan.step_hours).max(hours / CUT_COUNT_MAX);
    let count = (hours / step) as u32;
    (1..=count).map(|at| start.plus_hours(f64::from(at) * step)).collect()
}

fn value_of(codes: &CodeMap, event: &Event, variable: usize) -> Option<(Timestamp, f32)> {
    let value = event.value.filter(|value| value.is_finite())?;
    (codes.variable(event.code) == Some(variable)).then_some((event.time?, value))
}

#[derive(Default)]
struct Sums {
    forecast_count: u32,
    count: u32,
    inside: u32,
    absolute: f64,
    carried: f64,
}

impl Sums {
    fn add(&mut self, median: f32, (low, high): (f32, f32), last: f32, value: f32) {
        self.count += 1;
        self.inside += u32::from(low <= value && value <= high);
        self.absolute += f64::from((value - median).abs());
        self.carried += f64::from((value - last).abs());
    }

    fn finish(self) -> BackTest {
        let mean = |sum: f64| (0 < self.count).then(|| (sum / f64::from(self.count)) as f32);
        BackTest {
            forecast_count: self.forecast_count,
            value_count: self.count,
            mae: mean(self.absolute),
            carry_forward_mae: mean(self.carried),
            coverage_90: mean(f64::from(self.inside)),
        }
    }
}

/// Most moments: a longer past is looked at in larger steps, so that an answer takes milliseconds.
const CUT_COUNT_MAX: f64 = 48.0;
