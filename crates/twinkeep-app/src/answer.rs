//! Answers about twins, as applications and people get them: field names, units, and shapes here
//! are the API's.

use serde::Serialize;
use twinkeep_domain::{
    EventPoint, Forecast, ForecastPoint, Pack, QUANTILES, TargetForecast, WindowAnswer,
    WindowForecast, WindowKind, WindowTarget,
};

use twinkeep_twin::chart::{duration, short};
use twinkeep_watch::probe::Direction;

use crate::budget::Precision;
use crate::obligation::{Hidden, Obligations, twentieth, two_digits};
use crate::receipt::Receipt;
use crate::time_text::rfc3339;

/// A forecast of one subject.
#[derive(Debug, Serialize)]
pub struct ForecastAnswer {
    /// The subject's pseudonym; absent if the history came with the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The moment it is made for (RFC 3339): nothing later was looked at.
    pub prediction_time: String,
    /// Whether more is known by now, which was not looked at.
    #[serde(skip_serializing_if = "is_false")]
    pub looks_back: bool,
    /// Whether it has two significant digits, because the budget of the caller is used up, or because
    /// the caller probed the model; then values may be rounded up or down by less than a step.
    #[serde(skip_serializing_if = "is_false")]
    pub coarse: bool,
    /// Whether it has no numbers, because the caller probed the model.
    #[serde(skip_serializing_if = "is_false")]
    pub labels_only: bool,
    /// The model version that made it.
    pub model: String,
    /// The pack it speaks about, as `name@version`.
    pub pack: String,
    /// One entry per target, in the pack's order; those about a window come last.
    pub targets: Vec<TargetAnswer>,
    /// What it is not.
    pub notice: &'static str,
    /// The receipt, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// A forecast of one target.
#[derive(Debug, Serialize)]
pub struct TargetAnswer {
    /// The code.
    pub code: String,
    /// What a person reads.
    pub title: String,
    /// What it says: a `value` at a moment; a `sum`, a `count`, or an `event` within a window.
    pub kind: &'static str,
    /// The unit, in UCUM.
    pub unit: String,
    /// `trees`, `carry-forward`, `exponential-mean`, `base-rate`, `already-happened`, or
    /// `not-enough-history`.
    pub basis: &'static str,
    /// How long the window is that begins at the prediction time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_hours: Option<f32>,
    /// The sum or count in the window of the same length before; of an event, how often it
    /// happened in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<f32>,
    /// The last observed value, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<LastAnswer>,
    /// By increasing horizon; of a sum or a count, one at the end of the window; empty of an event
    /// and if there is not enough history.
    pub points: Vec<PointAnswer>,
    /// Of an event, by increasing horizon up to the window.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probabilities: Vec<ProbabilityAnswer>,
    /// In place of all numbers: `up`, `down`, or `same`, compared with the last value or the window
    /// before; of an event `likely`, `possible`, or `unlikely`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<&'static str>,
}

/// The probability of an event by one horizon.
#[derive(Debug, Serialize)]
pub struct ProbabilityAnswer {
    /// Hours after the prediction time.
    pub horizon_hours: f32,
    /// That it has happened by then; of an absence, that it has not.
    pub probability: f32,
    /// What may come first and rules it out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub competing: Vec<CompetingAnswer>,
}

/// The probability that something else comes first.
#[derive(Debug, Serialize)]
pub struct CompetingAnswer {
    /// The code, or the beginning of codes with `*`.
    pub code: String,
    /// That it comes first, by then.
    pub probability: f32,
}

/// The last observed value.
#[derive(Debug, Serialize)]
pub struct LastAnswer {
    /// The value, in the target's unit.
    pub value: f32,
    /// Hours before the prediction time.
    pub age_hours: f32,
}

/// A forecast at one horizon.
#[derive(Debug, Serialize)]
pub struct PointAnswer {
    /// Hours after the prediction time.
    pub horizon_hours: f32,
    /// Expected value.
    pub mean: f32,
    /// The calibrated 2.5 % quantile; with `q975` the 95 % interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q025: Option<f32>,
    /// The calibrated 5 % quantile; with `q95` the 90 % interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q05: Option<f32>,
    /// The calibrated 10 % quantile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q10: Option<f32>,
    /// The calibrated 25 % quantile; with `q75` the 50 % interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q25: Option<f32>,
    /// The median.
    pub q50: f32,
    /// The calibrated 75 % quantile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q75: Option<f32>,
    /// The calibrated 90 % quantile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q90: Option<f32>,
    /// The calibrated 95 % quantile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q95: Option<f32>,
    /// The calibrated 97.5 % quantile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q975: Option<f32>,
}

impl TargetAnswer {
    /// Leaves a label in place of all numbers: what is nearer to the last value than a quarter of
    /// the cases are to the middle is the same.
    fn leave_label(&mut self) {
        let before = self.last.as_ref().map(|last| last.value).or(self.before);
        let direction = |point: &PointAnswer| {
            let moved = point.q50 - before?;
            let width = point.q75.zip(point.q25).map_or(0.0, |(high, low)| (high - low) / 2.0);
            Some(if moved.abs() <= width {
                "same"
            } else if 0.0 < moved {
                "up"
            } else {
                "down"
            })
        };
        let likely = |point: &ProbabilityAnswer| match point.probability {
            p if p < 0.2 => "unlikely",
            p if p < 0.5 => "possible",
            _ => "likely",
        };
        let of_event = self.probabilities.last().map(likely);
        self.label = of_event.or_else(|| self.points.last().and_then(direction));
        self.points.clear();
        self.probabilities.clear();
    }

    /// Says in words what is to be expected of a window; nothing of a value, which has a chart.
    pub fn words(&self) -> Option<String> {
        let window = duration(self.window_hours?);
        let text = match (self.basis, self.points.first(), self.probabilities.last()) {
            ("already-happened", ..) => {
                "It has happened already, or something that rules it out.".to_owned()
            }
            _ if self.label.is_some() => {
                format!("Within {window}: {}.", self.label.unwrap_or_default())
            }
            (_, Some(point), _) => self.total_words(point, &window),
            (_, _, Some(last)) => self.probability_words(last),
            _ => "Not enough history for a forecast.".to_owned(),
        };
        Some(text)
    }

    fn total_words(&self, point: &PointAnswer, window: &str) -> String {
        let mut text =
            format!("Within {window}: {} to be expected", amount(point.mean, &self.unit));
        if let PointAnswer {
            q05: Some(q05), q25: Some(q25), q75: Some(q75), q95: Some(q95), ..
        } = *point
        {
            let (q05, q25, q75) = (short(q05), short(q25), short(q75));
            let q95 = amount(q95, &self.unit);
            text.push_str(&format!(
                ", half of all cases {q25} to {q75}, nine of ten {q05} to {q95}"
            ));
        }
        text.push('.');
        if let Some(before) = self.before {
            let before = amount(before, &self.unit);
            text.push_str(&format!(" In the {window} before: {before}."));
        }
        text
    }

    fn probability_words(&self, last: &ProbabilityAnswer) -> String {
        let percent = |probability: f32| format!("{:.1} %", 100.0 * probability);
        let mut text =
            format!("{} within {}", percent(last.probability), duration(last.horizon_hours));
        let earlier = self.probabilities.iter().take(self.probabilities.len().saturating_sub(1));
        let earlier: Vec<String> = earlier
            .map(|point| {
                format!("{} within {}", percent(point.probability), duration(point.horizon_hours))
            })
            .collect();
        if !earlier.is_empty() {
            text.push_str(&format!(" ({})", earlier.join(", ")));
        }
        for other in &last.competing {
            text.push_str(&format!("; {} comes first: {}", other.code, percent(other.probability)));
        }
        text.push('.');
        text
    }
}

impl ForecastAnswer {
    pub(crate) fn new(
        pack: &Pack,
        model: &str,
        subject: Option<String>,
        forecast: &Forecast,
    ) -> Self {
        Self {
            subject,
            prediction_time: rfc3339(forecast.prediction_time),
            looks_back: false,
            coarse: false,
            labels_only: false,
            model: model.to_owned(),
            pack: format!("{}@{}", pack.name(), pack.version()),
            targets: forecast
                .targets
                .iter()
                .map(|target| target_answer(pack, target))
                .chain(
                    pack.windows()
                        .iter()
                        .zip(&forecast.windows)
                        .map(|(target, window)| window_answer(pack, target, window)),
                )
                .collect(),
            notice: NOTICE,
            receipt: None,
        }
    }
}

impl ForecastAnswer {
    /// Puts the receipt into the answer that it is about.
    pub(crate) fn attach(&mut self, receipt: Receipt) {
        self.receipt = Some(receipt);
    }

    /// Marks whether there are events after the prediction time.
    pub(crate) fn looking_back(self, looks_back: bool) -> Self {
        Self { looks_back, ..self }
    }
}

impl ForecastAnswer {
    /// Leaves two significant digits of each value, rounded in the direction of its target, or to what
    /// is nearest where it has none. One direction for all of a target keeps its quantiles in order.
    pub(crate) fn marked(mut self, direction: &dyn Fn(&TargetAnswer) -> Option<Direction>) -> Self {
        for target in &mut self.targets {
            if let Some(direction) = direction(target) {
                let points = target.points.iter_mut();
                points.for_each(|point| point.each(&|value| direction.round(value)));
            }
        }
        // What has two digits already stays.
        self.with_precision(Precision::Coarse)
    }

    /// Leaves two significant digits, if no more are paid for, or labels.
    pub(crate) fn with_precision(mut self, precision: Precision) -> Self {
        match precision {
            Precision::Full => return self,
            Precision::Coarse => self.coarse = true,
            Precision::Labels => {
                self.labels_only = true;
                self.targets.iter_mut().for_each(TargetAnswer::leave_label);
                return self;
            }
        }
        for target in &mut self.targets {
            target.points.iter_mut().for_each(|point| point.each(&two_digits));
            for point in &mut target.probabilities {
                point.probability = twentieth(point.probability);
                for other in &mut point.competing {
                    other.probability = twentieth(other.probability);
                }
            }
        }
        self
    }
}

impl ForecastAnswer {
    /// Leaves out what the caller may not have.
    pub(crate) fn withhold(mut self, obligations: &Obligations) -> Self {
        for target in &mut self.targets {
            if obligations.hides(Hidden::Last) {
                target.last = None;
                target.before = None;
            }
            if obligations.hides(Hidden::Intervals) {
                let points = target.points.iter_mut();
                points.flat_map(PointAnswer::intervals).for_each(|value| *value = None);
            }
            for point in &mut target.probabilities {
                point.competing.truncate(obligations.at_most(point.competing.len()));
            }
        }
        self
    }
}

impl PointAnswer {
    fn each(&mut self, change: &dyn Fn(f32) -> f32) {
        self.mean = change(self.mean);
        self.q50 = change(self.q50);
        self.intervals().into_iter().flatten().for_each(|value| *value = change(*value));
    }

    /// Says between what values nine of ten cases lie, if that may be told.
    pub fn range_90(&self) -> Option<String> {
        Some(format!("{} to {}", self.q05?, self.q95?))
    }

    /// Returns what is not in the middle.
    fn intervals(&mut self) -> [&mut Option<f32>; 8] {
        let Self { horizon_hours: _, mean: _, q50: _, q025, q05, q10, q25, q75, q90, q95, q975 } =
            self;
        [q025, q05, q10, q25, q75, q90, q95, q975]
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

fn target_answer(pack: &Pack, target: &TargetForecast) -> TargetAnswer {
    let variable = pack.find(target.code.as_str()).and_then(|index| pack.variables().get(index));
    TargetAnswer {
        code: target.code.to_string(),
        title: variable.map(|variable| variable.title.clone()).unwrap_or_default(),
        kind: "value",
        unit: variable.map(|variable| variable.unit.clone()).unwrap_or_default(),
        basis: target.basis.name(),
        window_hours: None,
        before: None,
        last: target
            .last
            .map(|(value, age)| LastAnswer { value: tidy(value), age_hours: tidy(age) }),
        points: target.points.iter().map(point_answer).collect(),
        probabilities: Vec::new(),
        label: None,
    }
}

fn window_answer(pack: &Pack, target: &WindowTarget, window: &WindowForecast) -> TargetAnswer {
    let (points, probabilities) = match &window.answer {
        WindowAnswer::None => (Vec::new(), Vec::new()),
        WindowAnswer::Total(point) => (vec![point_answer(point)], Vec::new()),
        WindowAnswer::Event(points) => {
            (Vec::new(), points.iter().map(|point| probability_answer(target, point)).collect())
        }
    };
    TargetAnswer {
        code: target.code.to_string(),
        title: target.title.clone(),
        kind: target.kind_name(),
        unit: target.unit(pack).to_owned(),
        basis: window.basis.name(),
        window_hours: Some(target.window_hours),
        before: Some(tidy(window.before)),
        last: None,
        points,
        probabilities,
        label: None,
    }
}

fn probability_answer(target: &WindowTarget, point: &EventPoint) -> ProbabilityAnswer {
    let patterns = match &target.kind {
        WindowKind::Event(plan) => plan.competing.as_slice(),
        _ => &[],
    };
    let competing = patterns.iter().zip(&point.competing);
    ProbabilityAnswer {
        horizon_hours: point.horizon_hours,
        probability: rounded(point.probability),
        competing: competing
            .map(|(pattern, &probability)| CompetingAnswer {
                code: pattern.to_string(),
                probability: rounded(probability),
            })
            .collect(),
    }
}

pub(crate) fn point_answer(point: &ForecastPoint) -> PointAnswer {
    // The order of the fields is the order of QUANTILES.
    const { assert!(QUANTILES.len() == 7) };
    let [q05, q10, q25, q50, q75, q90, q95] = point.quantiles.map(tidy);
    let [q025, q975] = point.outer.map(|value| Some(tidy(value)));
    PointAnswer {
        horizon_hours: point.horizon_hours,
        mean: tidy(point.mean),
        q025,
        q05: Some(q05),
        q10: Some(q10),
        q25: Some(q25),
        q50,
        q75: Some(q75),
        q90: Some(q90),
        q95: Some(q95),
        q975,
    }
}

/// Five significant digits: more would only look exact, and would tell more about the model.
pub(crate) fn tidy(value: f32) -> f32 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

fn amount(value: f32, unit: &str) -> String {
    let unit = twinkeep_twin::chart::readable_unit(unit);
    if unit.is_empty() { short(value) } else { format!("{} {unit}", short(value)) }
}

/// A tenth of a percent: no calibration is finer.
pub(crate) fn rounded(probability: f32) -> f32 {
    (probability * 1_000.0).round() / 1_000.0
}

/// Every answer says what it is not.
pub(crate) const NOTICE: &str =
    "statistical forecast; not a medical device, not clinically validated";

#[cfg(test)]
mod tests {
    use super::{CompetingAnswer, PointAnswer, ProbabilityAnswer, TargetAnswer, tidy};

    fn window(kind: &'static str, basis: &'static str) -> TargetAnswer {
        TargetAnswer {
            code: "X".into(),
            title: "X".into(),
            kind,
            unit: "EUR".into(),
            basis,
            window_hours: Some(672.0),
            before: Some(80.0),
            last: None,
            points: vec![],
            probabilities: vec![],
            label: None,
        }
    }

    #[test]
    fn windows_are_said_in_words() {
        let point = PointAnswer {
            horizon_hours: 672.0,
            mean: 123.456,
            q025: Some(0.0),
            q05: Some(0.0),
            q10: Some(1.0),
            q25: Some(20.5),
            q50: 90.0,
            q75: Some(200.0),
            q90: Some(400.0),
            q95: Some(512.0),
            q975: Some(640.0),
        };
        let total = TargetAnswer { points: vec![point], ..window("sum", "trees") };
        let words = "Within 28 days: 123.46 EUR to be expected, half of all cases 20.5 to 200, \
                     nine of ten 0 to 512 EUR. In the 28 days before: 80 EUR.";
        assert_eq!(total.words().unwrap(), words);
        let at = |horizon_hours, probability| ProbabilityAnswer {
            horizon_hours,
            probability,
            competing: vec![CompetingAnswer { code: "DEATH".into(), probability: 0.01 }],
        };
        let probabilities = vec![at(36.0, 0.125), at(672.0, 0.4)];
        let event = TargetAnswer { probabilities, ..window("event", "trees") };
        let words = "40.0 % within 28 days (12.5 % within 36 hours); DEATH comes first: 1.0 %.";
        assert_eq!(event.words().unwrap(), words);
        let said = |basis| window("event", basis).words().unwrap();
        assert!(said("already-happened").starts_with("It has happened already"));
        assert!(said("not-enough-history").starts_with("Not enough history"));
        let value = TargetAnswer { window_hours: None, ..window("value", "trees") };
        assert_eq!(value.words(), None);
    }

    #[test]
    fn five_significant_digits_are_kept() {
        assert_eq!(tidy(123.456_79), 123.46);
        assert_eq!(tidy(0.001_234_567), 0.001_234_6);
        assert_eq!(tidy(-0.0), 0.0);
    }
}
