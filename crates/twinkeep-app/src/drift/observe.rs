//! What a model is asked and says of people, as series: one value a person.

use std::collections::BTreeMap;

use twinkeep_domain::{Cohort, ForecastPoint, OUTER, Pack, QUANTILES, Subject, WindowAnswer};
use twinkeep_forecast::{CodeMap, EvaluationPlan, Model, Scored, SubjectState};
use twinkeep_watch::detect::{About, Measured};

/// The inputs of people, by the pack's variables.
pub(crate) struct Inputs {
    values: Vec<Vec<f64>>,
    people: u64,
}

impl Inputs {
    pub(crate) fn new(pack: &Pack) -> Self {
        Self { values: vec![Vec::new(); pack.variables().len()], people: 0 }
    }

    /// Adds the mean of each variable until the cut, of everybody who was observed until then.
    pub(crate) fn add(&mut self, pack: &Pack, plan: &EvaluationPlan<'_>, cohort: &Cohort) {
        let codes = CodeMap::new(pack, &cohort.codes);
        for timeline in &cohort.timelines {
            let Some(start) = codes.start(timeline) else { continue };
            let cut = start.plus_hours(f64::from(plan.cut_hours));
            if timeline.end().is_none_or(|end| end < cut) {
                continue;
            }
            self.people += 1;
            let mut sums = vec![(0.0, 0_u32); self.values.len()];
            let past = timeline.events().iter();
            for event in past.take_while(|event| event.time.is_none_or(|time| time < cut)) {
                let value = event.value.filter(|value| value.is_finite());
                if let (Some(variable), Some(value)) = (codes.variable(event.code), value) {
                    sums[variable].0 += f64::from(value);
                    sums[variable].1 += 1;
                }
            }
            for (values, (sum, count)) in self.values.iter_mut().zip(sums) {
                if 0 < count {
                    values.push(sum / f64::from(count));
                }
            }
        }
    }

    /// Returns the series, each with its share in the model's decisions.
    pub(crate) fn finish(self, pack: &Pack, model: &Model) -> Vec<Measured> {
        let shares = model.variable_shares();
        let series = pack.variables().iter().zip(self.values).zip(shares);
        series
            .map(|((variable, values), weight)| Measured {
                about: About::Input,
                code: variable.code.to_string(),
                people: self.people,
                values,
                inside: 0,
                weight,
            })
            .collect()
    }
}

/// What a model says of people at the cut: its medians, and the errors that its own intervals lead
/// one to expect.
pub(crate) fn outputs(
    pack: &Pack,
    plan: &EvaluationPlan<'_>,
    model: &Model,
    cohort: &Cohort,
) -> Vec<Measured> {
    let codes = CodeMap::new(pack, &cohort.codes);
    let mut series: BTreeMap<(About, String), Vec<f64>> = BTreeMap::new();
    let mut people = 0;
    for timeline in &cohort.timelines {
        let Some(start) = codes.start(timeline) else { continue };
        let cut = start.plus_hours(f64::from(plan.cut_hours));
        if timeline.end().is_none_or(|end| end < cut) {
            continue;
        }
        people += 1;
        let mut state = SubjectState::new(pack);
        let past = timeline.events().iter();
        past.take_while(|event| event.time.is_none_or(|time| time < cut))
            .for_each(|event| state.apply(&codes, event));
        let forecast = model.forecast(&state, cut, &[plan.horizon_hours / 2.0]);
        let mut say = |code: &str, median: f64, error: f64| {
            if median.is_finite() && error.is_finite() {
                series.entry((About::Forecast, code.to_owned())).or_default().push(median);
                series.entry((About::ExpectedError, code.to_owned())).or_default().push(error);
            }
        };
        for target in &forecast.targets {
            if let Some(point) = target.points.first() {
                say(target.code.as_str(), f64::from(point.median()), expected_error(point));
            }
        }
        for window in &forecast.windows {
            match &window.answer {
                WindowAnswer::None => {}
                WindowAnswer::Total(point) => {
                    say(window.code.as_str(), f64::from(point.median()), expected_error(point));
                }
                WindowAnswer::Event(points) => {
                    if let Some(last) = points.last() {
                        let p = f64::from(last.probability);
                        say(window.code.as_str(), p, 2.0 * p * (1.0 - p));
                    }
                }
            }
        }
    }
    let measured =
        |((about, code), values)| Measured { about, code, people, values, inside: 0, weight: 0.0 };
    series.into_iter().map(measured).collect()
}

/// How forecasts turned out.
#[derive(Default)]
pub(crate) struct Outcomes {
    by_code: BTreeMap<String, Vec<Outcome>>,
}

struct Outcome {
    subject: Subject,
    error: f64,
    count: u32,
    level: f64,
    inside: bool,
}

impl Outcomes {
    /// Takes a value beside its forecast; those of one person come together, in order of time.
    pub(crate) fn add(&mut self, scored: &Scored<'_>) {
        let Some(point) = scored.point else { return };
        let error = f64::from((scored.actual - point.median()).abs());
        if !error.is_finite() {
            return;
        }
        let of_code = self.by_code.entry(scored.code.to_string()).or_default();
        match of_code.last_mut().filter(|last| last.subject == scored.subject) {
            Some(last) => {
                last.error += error;
                last.count += 1;
            }
            None => of_code.push(Outcome {
                subject: scored.subject,
                error,
                count: 1,
                level: level(point, scored.actual),
                inside: point.quantiles[0] <= scored.actual
                    && scored.actual <= point.quantiles[QUANTILES.len() - 1],
            }),
        }
    }

    /// Returns the mean error of each person, and where the first value came to lie.
    pub(crate) fn finish(self) -> Vec<Measured> {
        let mut series = Vec::new();
        for (code, outcomes) in self.by_code {
            let people = outcomes.len() as u64;
            let inside = outcomes.iter().filter(|it| it.inside).count() as u64;
            let measured = |about, inside, values| Measured {
                about,
                code: code.clone(),
                people,
                values,
                inside,
                weight: 0.0,
            };
            let errors = outcomes.iter().map(|it| it.error / f64::from(it.count)).collect();
            let levels = outcomes.iter().map(|it| it.level).collect();
            series.push(measured(About::Error, 0, errors));
            series.push(measured(About::Level, inside, levels));
        }
        series
    }
}

/// Returns the quantiles of a point with their probabilities, in order.
fn quantiles(point: &ForecastPoint) -> [(f64, f64); QUANTILES.len() + 2] {
    let inner = QUANTILES.iter().zip(point.quantiles);
    let mut all = [(0.0, 0.0); QUANTILES.len() + 2];
    for (place, (&probability, value)) in all[1..].iter_mut().zip(inner) {
        *place = (f64::from(value), f64::from(probability));
    }
    all[0] = (f64::from(point.outer[0]), f64::from(OUTER[0]));
    all[QUANTILES.len() + 1] = (f64::from(point.outer[1]), f64::from(OUTER[1]));
    all
}

/// Returns where in the forecast distribution a value lies (its probability integral transform:
/// Dawid, 1984), as straight between the quantiles; half of the tails outside of them.
fn level(point: &ForecastPoint, actual: f32) -> f64 {
    let (actual, all) = (f64::from(actual), quantiles(point));
    let after = all.partition_point(|&(value, _)| value < actual);
    match (after.checked_sub(1).map(|at| all[at]), all.get(after)) {
        (Some((low, below)), Some(&(high, above))) => {
            below + (above - below) * (actual - low) / (high - low)
        }
        (None, _) => f64::from(OUTER[0]) / 2.0,
        (_, None) => f64::midpoint(f64::from(OUTER[1]), 1.0),
    }
}

/// Returns how far the value is to be expected from the median: the mean of that over the forecast
/// distribution, as straight between the quantiles.
fn expected_error(point: &ForecastPoint) -> f64 {
    let median = f64::from(point.median());
    let all = quantiles(point);
    let tails = all[0].1 * ((all[0].0 - median).abs() + (all[all.len() - 1].0 - median).abs());
    let parts = all.windows(2).map(|pair| {
        let [one, other] = [pair[0].0, pair[1].0].map(|value| (value - median).abs());
        (pair[1].1 - pair[0].1) * f64::midpoint(one, other)
    });
    tails + parts.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use twinkeep_domain::ForecastPoint;

    use super::{expected_error, level};

    fn point() -> ForecastPoint {
        ForecastPoint {
            horizon_hours: 6.0,
            mean: 0.0,
            quantiles: [-1.645, -1.282, -0.674, 0.0, 0.674, 1.282, 1.645],
            outer: [-1.96, 1.96],
        }
    }

    #[test]
    fn the_level_of_a_value_is_its_probability() {
        let close = |one: f64, other: f64| assert!((one - other).abs() < 0.01, "{one} {other}");
        close(level(&point(), 0.0), 0.5);
        // Straight between 0.10 at -1.282 and 0.25 at -0.674; the normal distribution has 0.159.
        close(level(&point(), -1.0), 0.1696);
        close(level(&point(), 1.645), 0.95);
        close(level(&point(), -9.0), 0.0125);
        close(level(&point(), 9.0), 0.9875);
    }

    #[test]
    fn the_expected_error_of_a_normal_forecast_is_that_of_the_normal_distribution() {
        // The mean of |z| is the root of 2 / π.
        assert!((expected_error(&point()) - 0.798).abs() < 0.03);
    }
}
