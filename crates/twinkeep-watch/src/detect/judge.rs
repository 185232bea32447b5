//! From figures to a verdict: what moved, and whether that matters.
//!
//! Every series is compared with its baseline, and all are judged together. What moved is an alarm
//! only where it has consequences:
//!
//! - an input that the model decides by has changed a lot, or is missing: trees say nothing of
//!   values that they never saw, so that no estimate would tell;
//! - the error has risen, or the model's own intervals say that it must be expected to have: the
//!   estimate needs no outcomes (as NannyML's direct loss estimation), and is as good as the
//!   intervals are;
//! - 90 % intervals hold fewer values than they did.

use serde::{Deserialize, Serialize};

use super::{
    Adwin, Comparison, DriftParameters, PageHinkley, Sketch, benjamini_hochberg, fisher_exact,
    normal_quantile,
};

/// What a series is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// What comes in: the mean of a person's values until the forecast.
    Input,
    /// What goes out: the median of a forecast.
    Forecast,
    /// How large the error is to be expected, by the model's own interval.
    ExpectedError,
    /// How large the error was: the mean over a person's values.
    Error,
    /// Where in the forecast distribution the first value came to lie, from 0 to 1.
    Level,
}

/// The values of a series, one a person.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What they are about.
    pub about: About,
    /// The code of the variable or the target.
    pub code: String,
    /// How many people there are, with or without a value.
    pub people: u64,
    /// The values; of errors, in the order in which the people came. Finite.
    pub values: Vec<f64>,
    /// Of levels, how many are within the 90 % interval.
    pub inside: u64,
    /// Of inputs, their share in the model's decisions.
    pub weight: f64,
}

/// What is kept of a series when a model is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineSeries {
    /// As of [`Measured`].
    pub about: About,
    /// As of [`Measured`].
    pub code: String,
    /// As of [`Measured`].
    pub people: u64,
    /// As of [`Measured`].
    pub inside: u64,
    /// As of [`Measured`].
    pub weight: f64,
    /// The mean of the values.
    pub mean: f64,
    /// Their distribution.
    pub sketch: Sketch,
}

/// What is to be thought of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It changed, and that has consequences.
    Alarm,
    /// It changed; nothing says that this has consequences.
    Moved,
    /// Nothing says that it changed.
    Steady,
    /// There are too few people to say anything.
    TooFew,
}

/// A series beside its baseline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub about: About,
    /// The code of the variable or the target.
    pub code: String,
    /// What is to be thought of it.
    pub verdict: Verdict,
    /// How much it matters: of an input, its share in the model's decisions; of errors, by which
    /// share they rose; of levels, by how much the coverage fell; of forecasts, nothing.
    pub weight: f64,
    /// People with a value, in the baseline and now.
    pub counts: [u64; 2],
    /// The share of people without a value, in the baseline and now.
    pub missing: [f64; 2],
    /// The mean, in the baseline and now; `None` where there are too few people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub means: Option<[f64; 2]>,
    /// Of levels, the share within the 90 % interval, in the baseline and now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage_90: Option<[f64; 2]>,
    /// How the distributions differ; `None` where there are too few people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Comparison>,
    /// The probability of all that if nothing changed; `None` where there are too few people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// Of errors, after how many people a rise began, if one was noticed (Page-Hinkley).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risen_after: Option<u64>,
    /// Of errors, how many of the last people are alike (ADWIN), if not all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alike_since: Option<u64>,
}

impl BaselineSeries {
    /// Keeps what may be kept of a series.
    pub fn of(measured: &Measured) -> Self {
        Self {
            about: measured.about,
            code: measured.code.clone(),
            people: measured.people,
            inside: measured.inside,
            weight: measured.weight,
            mean: mean(&measured.values),
            sketch: Sketch::of(&measured.values),
        }
    }

    /// Returns whether the figures fit together.
    pub fn is_sound(&self) -> bool {
        let count = self.sketch.count();
        self.sketch.is_sound()
            && count <= self.people
            && self.inside <= count
            && self.mean.is_finite()
            && (0.0..=1.0).contains(&self.weight)
    }
}

/// Judges what was measured; alarms first, the weightiest first among equals.
///
/// A series without a baseline, or of which nothing was measured, is passed over.
pub fn judge(
    parameters: &DriftParameters,
    baseline: &[BaselineSeries],
    measured: &[Measured],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for now in measured {
        let same = |before: &&BaselineSeries| before.about == now.about && before.code == now.code;
        if let Some(before) = baseline.iter().find(same) {
            findings.push(finding(parameters, before, now));
        }
    }
    let tested: Vec<usize> =
        (0..findings.len()).filter(|&at| findings[at].p_value.is_some()).collect();
    let p_values: Vec<f64> = tested.iter().filter_map(|&at| findings[at].p_value).collect();
    let believed = benjamini_hochberg(&p_values, parameters.false_discovery_rate);
    for (at, believed) in tested.into_iter().zip(believed) {
        findings[at].verdict = verdict(parameters, &findings[at], believed);
    }
    findings.sort_by(|one, other| {
        let kind = one.verdict.cmp(&other.verdict).then(one.about.cmp(&other.about));
        kind.then(other.weight.total_cmp(&one.weight))
    });
    findings
}

fn finding(parameters: &DriftParameters, before: &BaselineSeries, now: &Measured) -> Finding {
    let counts = [before.sketch.count(), now.values.len() as u64];
    let people = [before.people, now.people];
    let share = |some: u64, all: u64| if all == 0 { 0.0 } else { some as f64 / all as f64 };
    let missing = [0, 1].map(|at| share(people[at].saturating_sub(counts[at]), people[at]));
    let enough = |counts: [u64; 2]| counts.iter().all(|&it| parameters.people_min <= it);
    let told = enough(counts);
    let means = [before.mean, mean(&now.values)];
    let coverage = [share(before.inside, counts[0]), share(now.inside, counts[1])];
    let mut found = Finding {
        about: now.about,
        code: now.code.clone(),
        verdict: Verdict::TooFew,
        weight: match now.about {
            About::Input => before.weight,
            About::Forecast => 0.0,
            About::Error | About::ExpectedError if told && 0.0 < means[0] => {
                means[1] / means[0] - 1.0
            }
            About::Level if told => coverage[0] - coverage[1],
            About::Error | About::ExpectedError | About::Level => 0.0,
        },
        counts,
        missing,
        means: told.then_some(means),
        coverage_90: (told && now.about == About::Level).then_some(coverage),
        distribution: None,
        p_value: None,
        risen_after: None,
        alike_since: None,
    };
    let mut p_values = Vec::new();
    if told {
        let comparison = before.sketch.compare(&now.values);
        p_values.push(comparison.p_value);
        found.distribution = Some(comparison);
        match now.about {
            About::Level => p_values.push(fisher_exact(
                [before.inside, counts[0] - before.inside.min(counts[0])],
                [now.inside, counts[1] - now.inside.min(counts[1])],
            )),
            About::Error => {
                p_values.push(follow(parameters, &before.sketch, &now.values, &mut found));
            }
            _ => {}
        }
    }
    if now.about == About::Input && enough(people) {
        let known = |at: usize| [counts[at], people[at].saturating_sub(counts[at])];
        p_values.push(fisher_exact(known(0), known(1)));
    }
    let least = p_values.iter().copied().reduce(f64::min);
    // Bonferroni: several tests of one series are one.
    found.p_value = least.map(|least| (least * p_values.len() as f64).min(1.0));
    found
}

/// Follows errors, one person after the other. A rank among the baseline's errors becomes the
/// normal score of that rank, so that whatever errors look like, they were standard normal.
///
/// Returns the probability of such a rise if nothing changed.
fn follow(
    parameters: &DriftParameters,
    sketch: &Sketch,
    errors: &[f64],
    found: &mut Finding,
) -> f64 {
    // How the errors of the baseline were is known as well only as there were people.
    let unsure = BASELINE_DEVIATIONS / (sketch.count().max(1) as f64).sqrt();
    let mut risen = PageHinkley::new(parameters.error_allowance + unsure);
    let mut window = Adwin::new(parameters.error_window_confidence);
    let mut changed = false;
    for &error in errors {
        let rank = sketch.rank(error);
        changed |= window.add(rank);
        risen.add(normal_quantile(rank));
    }
    let p_value = risen.p_value();
    if p_value * ERROR_TESTS <= parameters.false_discovery_rate {
        found.risen_after = Some(risen.risen_after());
    }
    found.alike_since = changed.then(|| window.width());
    p_value
}

fn verdict(parameters: &DriftParameters, found: &Finding, believed: bool) -> Verdict {
    if !believed {
        return Verdict::Steady;
    }
    let shift =
        found.distribution.is_some_and(|it| parameters.input_shift <= it.psi - it.psi_by_chance);
    let missing = parameters.input_missing <= (found.missing[1] - found.missing[0]).abs();
    let matters = match found.about {
        About::Input => parameters.input_weight <= found.weight && (shift || missing),
        About::Forecast => false,
        About::ExpectedError => parameters.error_rise <= found.weight,
        About::Error => found.risen_after.is_some() || parameters.error_rise <= found.weight,
        About::Level => parameters.coverage_fall <= found.weight,
    };
    if matters { Verdict::Alarm } else { Verdict::Moved }
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Two standard errors.
const BASELINE_DEVIATIONS: f64 = 2.0;

/// The tests of a series of errors: of their distribution, and of their order.
const ERROR_TESTS: f64 = 2.0;
