//! Extraction: how well does a student repeat the model, that learned from its answers alone?
//!
//! The attacker asks for forecasts of histories and trains a model of its own on the answers, by
//! the same learner (a knockoff: Tramèr et al., USENIX Security 2016; Orekondy et al., CVPR 2019).
//! It asks about stretches of real histories of people that the model never saw, or about the same
//! stretches with every value drawn anew from all values of its variable: what an attacker has who
//! knows the domain and no person.
//!
//! What is measured is fidelity to what the model *adds*: the forecast less the last value, since
//! anybody can say that nothing changes. 1 is a copy; 0 is no better than knowing the mean.
//!
//! # Invariants
//!
//! - A student sees answers and the histories that were asked about, and never what came true.
//! - Fidelity and errors are measured on people whose histories were not asked about.

use serde::{Deserialize, Serialize};
use twinkeep_domain::{
    Basis, Code, Cohort, Event, ForecastPlan, Pack, Range, Subject, Timeline, Timestamp,
    VariableKind,
};

use super::people::choose;
use super::{AttackError, AttackProgress, Counter};
use crate::features::SubjectState;
use crate::{CodeMap, Model, TrainConfig, evaluate, random};

/// What extraction is run with.
#[derive(Clone, Copy, Debug)]
pub struct ExtractionPlan<'a> {
    /// The pack.
    pub pack: &'a Pack,
    /// How the version was trained; students are trained so too.
    pub config: &'a TrainConfig,
    /// People that the version never saw: half are the attacker's, half are measured on.
    pub others: &'a Cohort,
    /// How many answers the attacker gets, increasing.
    pub answer_counts: &'a [usize],
    /// Start of the attacker's pseudo-random choices.
    pub seed: u64,
}

/// How well students repeat a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExtractionReport {
    /// People whom fidelity and errors are measured on.
    pub measured_count: u64,
    /// The model's own error on them: median MASE over targets.
    pub model_mase: Option<f64>,
    /// Targets of which the model says more than the last value; the others need no student.
    pub target_count: u64,
    /// By what was asked, what was answered, and how often.
    pub trials: Vec<ExtractionTrial>,
}

/// How well one student repeats a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExtractionTrial {
    /// What was asked about.
    pub queries: Queries,
    /// What was done to the answers.
    pub obligation: Obligation,
    /// How many answers the student learned from.
    pub answer_count: u64,
    /// Median over targets of the share of the variance of what the model adds to the last value
    /// that the student explains; below 0 it is worse than a constant.
    pub fidelity: Option<f64>,
    /// Share of the medians that are within a tenth of the width of the model's 90 % interval.
    pub agreement: Option<f64>,
    /// The student's own error: median MASE over targets.
    pub student_mase: Option<f64>,
}

/// What the attacker asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queries {
    /// Stretches of real histories.
    RealHistories,
    /// The same, with each value drawn anew from all values of its variable.
    ShuffledValues,
}

/// What is done to answers before the attacker gets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Obligation {
    /// Nothing.
    None,
    /// They are rounded to a power of ten of at most a hundredth of the plausible range.
    Rounded,
}

impl ExtractionReport {
    /// Returns the best fidelity with at most so many answers as they are.
    pub fn fidelity(&self, answer_count_max: u64) -> Option<f64> {
        let own = self.trials.iter().filter(|trial| {
            trial.answer_count <= answer_count_max && trial.obligation == Obligation::None
        });
        own.filter_map(|trial| trial.fidelity).max_by(f64::total_cmp)
    }
}

/// Trains students and measures them.
pub fn extraction(
    plan: &ExtractionPlan<'_>,
    model: &Model,
    progress: &mut dyn FnMut(AttackProgress),
) -> Result<ExtractionReport, AttackError> {
    check(plan)?;
    let student_pack = student_pack(plan.pack)?;
    let own = choose(plan.others, |person| person % 2 == 0);
    let rest = choose(plan.others, |person| person % 2 == 1);
    let measured = Measured::of(plan, model, &rest);
    let trainings = KINDS.len() * plan.answer_counts.len();
    let mut counter = Counter::new(&student_pack, trainings, progress);
    let mut trials = Vec::new();
    for (queries, obligation) in KINDS {
        let asker = Asker::new(plan, &own, queries, obligation);
        let most = plan.answer_counts.iter().copied().max().unwrap_or(0);
        let answers = asker.ask(model, most);
        for &answer_count in plan.answer_counts {
            let cohorts = split(&asker.codes, answers.iter().take(answer_count));
            let cohorts = [&cohorts[0], &cohorts[1]];
            let student = counter.train(&student_pack, &student_config(plan.config), cohorts)?;
            let (fidelity, agreement) = measured.compare(plan, &student, &rest);
            trials.push(ExtractionTrial {
                queries,
                obligation,
                answer_count: answers.len().min(answer_count) as u64,
                fidelity,
                agreement,
                student_mase: evaluate(&student_pack, &student, &rest).mase_median,
            });
        }
    }
    Ok(ExtractionReport {
        measured_count: rest.timelines.len() as u64,
        model_mase: evaluate(plan.pack, model, &rest).mase_median,
        target_count: measured.targets.iter().filter(|&&it| it).count() as u64,
        trials,
    })
}

fn check(plan: &ExtractionPlan<'_>) -> Result<(), AttackError> {
    let found = plan.others.timelines.len();
    if found < 2 * PEOPLE_MIN {
        let people = "people that the version never saw";
        return Err(AttackError::TooFew { people, found, needed: 2 * PEOPLE_MIN });
    }
    let fits = |count: &usize| (ANSWER_COUNT_MIN..=ANSWER_COUNT_MAX).contains(count);
    if plan.answer_counts.is_empty() || !plan.answer_counts.iter().all(fits) {
        return Err(AttackError::Plan { reason: "the number of answers must be 50 to 100,000" });
    }
    Ok(())
}

/// Returns the pack of students: values alone, from the one cut at which all queries stand.
fn student_pack(pack: &Pack) -> Result<Pack, AttackError> {
    let own = pack.forecast();
    let plan = ForecastPlan {
        cuts_hours: vec![own.evaluation_cut_hours],
        cuts_every_hours: None,
        ..own.clone()
    };
    let (name, title) = (pack.name().to_owned(), pack.title().to_owned());
    let (words, variables) = (pack.words().clone(), pack.variables().to_vec());
    Pack::new(name, title, pack.version(), words, variables, plan)
        .map_err(|_| AttackError::Plan { reason: "the pack has no value to forecast" })
}

/// Asks the model.
struct Asker<'a> {
    plan: &'a ExtractionPlan<'a>,
    own: &'a Cohort,
    queries: Queries,
    obligation: Obligation,
    map: CodeMap,
    /// The codes of queries: those of the histories, and those of all targets.
    codes: Vec<Code>,
    /// Of each target: its variable, and its place among `codes`.
    targets: Vec<(usize, u32)>,
    /// By variable: all values that the attacker knows.
    values: Vec<Vec<f32>>,
}

impl<'a> Asker<'a> {
    fn new(
        plan: &'a ExtractionPlan<'a>,
        own: &'a Cohort,
        queries: Queries,
        obligation: Obligation,
    ) -> Self {
        let mut codes = own.codes.clone();
        let mut targets = Vec::new();
        for (variable, target) in plan.pack.targets() {
            let place = codes.iter().position(|code| *code == target.code).unwrap_or_else(|| {
                codes.push(target.code.clone());
                codes.len() - 1
            });
            targets.push((variable, u32::try_from(place).unwrap_or(u32::MAX)));
        }
        let map = CodeMap::new(plan.pack, &codes);
        let mut values = vec![Vec::new(); plan.pack.variables().len()];
        for event in own.timelines.iter().flat_map(|timeline| timeline.events()) {
            if let (Some(variable), Some(value)) = (map.variable(event.code), event.value) {
                values[variable].push(value);
            }
        }
        Self { plan, own, queries, obligation, map, codes, targets, values }
    }

    /// Returns histories with the answers after them; fewer if histories are too short.
    fn ask(&self, model: &Model, count: usize) -> Vec<Timeline> {
        let tries = count.saturating_mul(TRIES_PER_ANSWER);
        (0..tries).filter_map(|at| self.ask_once(model, at as u64)).take(count).collect()
    }

    fn ask_once(&self, model: &Model, at: u64) -> Option<Timeline> {
        let draw = |what: u64, below: usize| {
            (random::bits(self.plan.seed, [what, at, 0]) % below.max(1) as u64) as usize
        };
        let donor = self.own.timelines.get(draw(PERSON_DRAW, self.own.timelines.len()))?;
        let usable = |event: &&Event| {
            event.time.is_some() && event.value.is_some() && self.map.variable(event.code).is_some()
        };
        let starts: Vec<&Event> = donor.events().iter().filter(usable).collect();
        let start = starts.get(draw(START_DRAW, starts.len()))?.time?;
        let plan = self.plan.pack.forecast();
        let cut = start.plus_hours(f64::from(plan.evaluation_cut_hours));
        let subject = Subject::from_pseudonym(i64::try_from(at).ok()?)?;
        let mut events = self.history(donor, subject, at, start, cut);
        let mut state = SubjectState::new(self.plan.pack);
        for event in &events {
            state.apply(&self.map, event);
        }
        // Whoever was not there any more at the cut is no query that anybody would ask.
        if donor.end()? < cut || state.event_count() < plan.history_event_count_min {
            return None;
        }
        events.extend(self.answers(model, &state, subject, at, cut));
        Timeline::new(subject, events)
    }

    fn history(
        &self,
        donor: &Timeline,
        subject: Subject,
        at: u64,
        start: Timestamp,
        cut: Timestamp,
    ) -> Vec<Event> {
        let within = |event: &&Event| event.time.is_none_or(|time| start <= time && time < cut);
        let own = (0_u64..).zip(donor.events()).filter(|(_, event)| within(event));
        let copy = |(place, event): (u64, &Event)| {
            let pool = self
                .map
                .variable(event.code)
                .filter(|&it| self.plan.pack.variables()[it].kind == VariableKind::Series)
                .map(|variable| &self.values[variable]);
            let value = match (self.queries, pool, event.value) {
                (Queries::ShuffledValues, Some(pool), Some(_)) => {
                    let drawn = random::bits(self.plan.seed, [VALUE_DRAW, at, place]);
                    pool.get((drawn % pool.len().max(1) as u64) as usize).copied()
                }
                (_, _, value) => value,
            };
            Event { subject, value, ..event.clone() }
        };
        own.map(copy).collect()
    }

    /// Asks at some moments up to the horizon, and takes the medians for what comes.
    fn answers(
        &self,
        model: &Model,
        state: &SubjectState,
        subject: Subject,
        at: u64,
        cut: Timestamp,
    ) -> Vec<Event> {
        let horizon = self.plan.pack.forecast().horizon_hours;
        let horizons = moments(self.plan.seed, at, horizon);
        let forecast = model.forecast(state, cut, &horizons);
        let mut events = Vec::new();
        for (answer, &(variable, code)) in forecast.targets.iter().zip(&self.targets) {
            let range = self.plan.pack.variables()[variable].range;
            for point in &answer.points {
                let value = match self.obligation {
                    Obligation::None => point.median(),
                    Obligation::Rounded => rounded(point.median(), range),
                };
                let time = Some(cut.plus_hours(f64::from(point.horizon_hours)));
                events.push(Event { subject, time, code, value: Some(value), text: None });
            }
        }
        events
    }
}

/// Returns moments that are spread over the horizon.
fn moments(seed: u64, at: u64, horizon_hours: f32) -> [f32; MOMENT_COUNT] {
    std::array::from_fn(|moment| {
        let share = (random::bits(seed, [MOMENT_DRAW, at, moment as u64]) >> 40) as f32
            / (1_u32 << 24) as f32;
        // Whole minutes, and never the horizon itself: a sum of times must not go beyond it.
        let hours = horizon_hours * (moment as f32 + share) / MOMENT_COUNT as f32;
        ((hours * 60.0).floor() / 60.0).max(1.0 / 60.0).min(horizon_hours)
    })
}

/// Returns how a student is trained: as the version was, but for what protects people, for whom an
/// attacker does not care.
fn student_config(config: &TrainConfig) -> TrainConfig {
    TrainConfig {
        teachers: 0,
        leaf_subjects_min: 0,
        leaf_step_max: None,
        noise: None,
        ..config.clone()
    }
}

/// Rounds to a power of ten of at most a hundredth of the plausible range: heart rates to 1,
/// temperatures to 0.1, pH to 0.01.
pub(super) fn rounded(value: f32, range: Range) -> f32 {
    let step = 10.0_f64.powf((f64::from(range.high - range.low) / 100.0).log10().floor());
    let rounded = ((f64::from(value) / step).round() * step) as f32;
    rounded.clamp(range.low, range.high)
}

/// One query in five tunes the student, as in any training.
fn split<'a>(codes: &[Code], answers: impl Iterator<Item = &'a Timeline>) -> [Cohort; 2] {
    let mut parts = [(); 2].map(|()| Cohort { codes: codes.to_vec(), timelines: Vec::new() });
    for (at, timeline) in answers.enumerate() {
        parts[usize::from(at % 5 == 4)].timelines.push(timeline.clone());
    }
    parts
}

/// What the model says of people that no student asked about.
struct Measured {
    /// By person, target, and moment: the last value, the model's median, and the width of its
    /// 90 % interval.
    said: Vec<Option<Vec<Vec<[f32; 3]>>>>,
    /// Whether the model says more of a target than the last value.
    targets: Vec<bool>,
}

impl Measured {
    fn of(plan: &ExtractionPlan<'_>, model: &Model, rest: &Cohort) -> Self {
        let told = |forecast: &twinkeep_domain::Forecast| {
            let target = |answer: &twinkeep_domain::TargetForecast| {
                let Some((last, _)) = answer.last else { return Vec::new() };
                let point = |point: &twinkeep_domain::ForecastPoint| {
                    [last, point.median(), point.quantiles[6] - point.quantiles[0]]
                };
                answer.points.iter().map(point).collect()
            };
            forecast.targets.iter().map(target).collect()
        };
        let said = at_the_cut(plan, model, rest).iter().map(|it| it.as_ref().map(told)).collect();
        let targets = model
            .targets
            .iter()
            .map(|target| target.basis == Basis::Trees && 0.0 < target.tree_share)
            .collect();
        Self { said, targets }
    }

    /// Returns the fidelity and the agreement of a student.
    fn compare(
        &self,
        plan: &ExtractionPlan<'_>,
        student: &Model,
        rest: &Cohort,
    ) -> (Option<f64>, Option<f64>) {
        let answers = at_the_cut(plan, student, rest);
        let (mut close, mut all) = (0_u64, 0_u64);
        let mut fidelities = Vec::new();
        for (target, _) in self.targets.iter().enumerate().filter(|(_, it)| **it) {
            let mut pairs = Vec::new();
            for (said, answer) in self.said.iter().zip(&answers) {
                let (Some(said), Some(answer)) = (said, answer) else { continue };
                let own = answer.targets[target].points.iter();
                for (&[last, median, width], point) in said[target].iter().zip(own) {
                    all += 1;
                    close += u64::from((median - point.median()).abs() <= CLOSE_SHARE * width);
                    pairs.push([f64::from(median - last), f64::from(point.median() - last)]);
                }
            }
            fidelities.extend(explained(&pairs));
        }
        fidelities.sort_by(f64::total_cmp);
        let fidelity = fidelities.get(fidelities.len() / 2).copied();
        (fidelity, (0 < all).then(|| close as f64 / all as f64))
    }
}

/// Returns which share of the variance of the first numbers the second ones explain.
fn explained(pairs: &[[f64; 2]]) -> Option<f64> {
    let count = pairs.len() as f64;
    let mean = pairs.iter().map(|pair| pair[0]).sum::<f64>() / count;
    let total: f64 = pairs.iter().map(|pair| (pair[0] - mean).powi(2)).sum();
    let rest: f64 = pairs.iter().map(|pair| (pair[0] - pair[1]).powi(2)).sum();
    (PAIR_COUNT_MIN <= pairs.len() && 0.0 < total).then(|| 1.0 - rest / total)
}

/// Returns what a model says of people at the evaluation cut, where it is asked.
fn at_the_cut(
    plan: &ExtractionPlan<'_>,
    model: &Model,
    people: &Cohort,
) -> Vec<Option<twinkeep_domain::Forecast>> {
    let codes = CodeMap::new(model.pack(), &people.codes);
    let forecast = plan.pack.forecast();
    let horizons = moments(plan.seed, MEASURED_AT, forecast.horizon_hours);
    let answer = |timeline: &Timeline| {
        let cut = codes.start(timeline)?.plus_hours(f64::from(forecast.evaluation_cut_hours));
        let mut state = SubjectState::new(model.pack());
        for event in timeline.events() {
            if event.time.is_none_or(|time| time < cut) {
                state.apply(&codes, event);
            }
        }
        (cut <= timeline.end()?).then(|| model.forecast(&state, cut, &horizons))
    };
    people.timelines.iter().map(answer).collect()
}

/// Fewer people on a side say nothing.
const PEOPLE_MIN: usize = 20;

/// With fewer answers no student learns anything.
const ANSWER_COUNT_MIN: usize = 50;

/// More answers than a year of a budget gives.
const ANSWER_COUNT_MAX: usize = 100_000;

/// Histories that were drawn and are too short are drawn again, so often at most.
const TRIES_PER_ANSWER: usize = 20;

/// Moments of each target that an answer is asked for: more of one history teach little more.
const MOMENT_COUNT: usize = 4;

/// Medians this near, in widths of the model's 90 % interval, are the same to who acts on them.
const CLOSE_SHARE: f32 = 0.1;

/// Fewer points of a target do not tell its variance.
const PAIR_COUNT_MIN: usize = 20;

const KINDS: [(Queries, Obligation); 4] = [
    (Queries::RealHistories, Obligation::None),
    (Queries::RealHistories, Obligation::Rounded),
    (Queries::ShuffledValues, Obligation::None),
    (Queries::ShuffledValues, Obligation::Rounded),
];

/// What a pseudo-random choice is about.
const PERSON_DRAW: u64 = 61;
const START_DRAW: u64 = 62;
const VALUE_DRAW: u64 = 63;
const MOMENT_DRAW: u64 = 64;

/// The draw of the moments at which students are measured.
const MEASURED_AT: u64 = u64::MAX;
