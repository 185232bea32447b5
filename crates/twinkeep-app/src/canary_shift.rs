//! How far a candidate answers the canaries of the version in service otherwise.
//!
//! Canaries are histories of nobody, which no sender of data can choose. Another training on much the
//! same data answers them much alike; a candidate that does not was taught something else.

use std::collections::BTreeMap;

use serde::Serialize;
use twinkeep_domain::{Forecast, ForecastPoint, Pack, QUANTILES, WindowAnswer};
use twinkeep_forecast::Model;

use crate::canaries::{Canaries, ask};

/// How far answers to canaries moved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CanaryShift {
    /// How many canaries were asked.
    pub asked: u64,
    /// The target whose answers moved most.
    pub target: String,
    /// By how much: the mean over its answers, in errors of carry-forward, or in how far the canary's
    /// own values lie apart if that is more (sums over windows: in widths of the 90 % intervals of the
    /// version in service; probabilities: as they are).
    pub shift: f64,
}

impl CanaryShift {
    /// Says it in words.
    pub fn words(&self) -> String {
        let Self { asked, target, shift } = self;
        format!(
            "of {asked} canaries, the answers about {target} moved most: by {shift:.2} (in \
             carry-forward's errors; sums: in widths of an interval; probabilities: as they are)"
        )
    }
}

/// Asks both the canaries of the earlier one; nothing if they answer none. `carry_forward` has the
/// errors of carry-forward by target.
///
/// The unit is that error, or how far the canary's own values of the target lie apart if that is more:
/// intervals, and what hardly ever changes, are so narrow that chance moves a median across them.
pub(crate) fn canary_shift(
    pack: &Pack,
    canaries: &Canaries,
    [candidate, before]: [&Model; 2],
    carry_forward: &BTreeMap<String, f64>,
) -> Option<CanaryShift> {
    let mut shifts: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    let mut asked = 0;
    for values in canaries.questions() {
        asked += 1;
        let [new, old] = [candidate, before].map(|model| ask(pack, model, values));
        let units = units(pack, values, carry_forward);
        for (target, shift) in shifts_of(&new, &old, &units) {
            let sums = shifts.entry(target).or_default();
            *sums = (sums.0 + shift, sums.1 + 1.0);
        }
    }
    let means = shifts.into_iter().map(|(target, (sum, count))| (target, sum / count));
    let (target, shift) = means.max_by(|one, other| one.1.total_cmp(&other.1))?;
    Some(CanaryShift { asked, target, shift })
}

/// Returns the unit of each target for one canary.
fn units<'a>(
    pack: &Pack,
    values: &[(usize, f64, f32)],
    carry_forward: &'a BTreeMap<String, f64>,
) -> BTreeMap<&'a str, f64> {
    let unit = |(code, error): (&'a String, &f64)| {
        let is_it = |variable: usize| {
            pack.variables().get(variable).is_some_and(|it| it.code.as_str() == code)
        };
        let own = values.iter().filter(|it| is_it(it.0)).map(|it| f64::from(it.2));
        let (low, high) =
            own.fold((f64::MAX, f64::MIN), |(low, high), it| (low.min(it), high.max(it)));
        (code.as_str(), error.max(high - low))
    };
    carry_forward.iter().map(unit).collect()
}

/// Returns how far each answer moved, by what it is about.
fn shifts_of(new: &Forecast, old: &Forecast, units: &BTreeMap<&str, f64>) -> Vec<(String, f64)> {
    let mut shifts = Vec::new();
    for (new, old) in new.targets.iter().zip(&old.targets) {
        let unit = units.get(old.code.as_str()).copied();
        let points = new.points.iter().zip(&old.points);
        shifts.extend(points.map(|(new, was)| {
            (old.code.to_string(), moved(new, was, unit.unwrap_or_else(|| width(was))))
        }));
    }
    for (new, old) in new.windows.iter().zip(&old.windows) {
        let code = || old.code.to_string();
        match (&new.answer, &old.answer) {
            (WindowAnswer::Total(new), WindowAnswer::Total(old)) => {
                shifts.push((code(), moved(new, old, width(old))));
            }
            (WindowAnswer::Event(new), WindowAnswer::Event(old)) => {
                let points = new.iter().zip(old);
                let apart = points.map(|(new, old)| f64::from(new.probability - old.probability));
                shifts.extend(apart.map(|apart| (code(), apart.abs())));
            }
            _ => {}
        }
    }
    shifts
}

/// Returns how far a median moved.
fn moved(new: &ForecastPoint, old: &ForecastPoint, unit: f64) -> f64 {
    let apart = (f64::from(new.median()) - f64::from(old.median())).abs() / unit;
    // NaN is no answer at all.
    if apart.is_nan() { SHIFT_MAX } else { apart.min(SHIFT_MAX) }
}

/// Returns the width of an interval. Where nothing ever changes it has none.
fn width(point: &ForecastPoint) -> f64 {
    let width = f64::from(point.quantiles[QUANTILES.len() - 1]) - f64::from(point.quantiles[0]);
    width.max(WIDTH_MIN * f64::from(point.median()).abs().max(1.0))
}

/// In shares of the value.
const WIDTH_MIN: f64 = 1e-3;

/// So that one answer does not hide the others of its target.
const SHIFT_MAX: f64 = 10.0;

#[cfg(test)]
mod tests {
    use twinkeep_domain::ForecastPoint;

    use super::{SHIFT_MAX, moved, width};

    fn point(median: f32, half: f32) -> ForecastPoint {
        let steps = [-1.0, -0.7, -0.3, 0.0, 0.3, 0.7, 1.0];
        ForecastPoint {
            horizon_hours: 6.0,
            mean: median,
            quantiles: steps.map(|step| median + step * half),
            outer: [median - 2.0 * half, median + 2.0 * half],
        }
    }

    #[test]
    fn a_shift_is_measured_in_a_unit_that_is_never_nothing() {
        assert!((moved(&point(85.0, 30.0), &point(80.0, 5.0), 4.0) - 1.25).abs() < 1e-6);
        assert_eq!(width(&point(80.0, 5.0)), 10.0);
        let still = point(1.0, 0.0);
        assert_eq!(moved(&still, &still, width(&still)), 0.0);
        assert_eq!(moved(&point(2.0, 0.0), &still, width(&still)), SHIFT_MAX);
        assert_eq!(moved(&point(f32::NAN, 0.0), &point(1.0, 1.0), 1.0), SHIFT_MAX);
    }
}
