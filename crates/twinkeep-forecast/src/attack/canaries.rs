//! Canaries: how much better than by chance does a model know secrets that were planted?
//!
//! Exposure is that of Carlini, Liu, Erlingsson, Kos, Song ("The Secret Sharer", USENIX Security
//! 2019): a canary is a made-up person whose values after a cut are drawn at random from all that
//! is plausible; these are its secret. A model learns from the people and the canaries. Then its
//! loss on the secret is ranked among its losses on other draws: the exposure is the logarithm (to
//! base 2) of the number of draws less that of the rank. A model that memorized nothing gives 1.44
//! bits as a mean, which is what a random rank gives; the most that can be told is
//! ten bits.
//!
//! The same canaries are measured on the version, which never saw them, as a control.

use serde::{Deserialize, Serialize};
use twinkeep_domain::{Cohort, Event, ForecastPoint, Pack, Subject, Timeline, VariableKind};

use super::crps::crps;
use super::losses::Pool;
use super::{AttackError, AttackProgress, Counter};
use crate::{CodeMap, Model, TrainConfig, random};

/// What canaries are planted into.
#[derive(Clone, Copy, Debug)]
pub struct CanaryPlan<'a> {
    /// The pack.
    pub pack: &'a Pack,
    /// How the version was trained.
    pub config: &'a TrainConfig,
    /// The people that the version learned from.
    pub members: &'a Cohort,
    /// On whom choices are made.
    pub tuning: &'a Cohort,
    /// How many canaries of each kind.
    pub canary_count: usize,
    /// Start of the pseudo-random choices.
    pub seed: u64,
}

/// How well planted secrets are known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CanaryReport {
    /// Draws that a secret is ranked among, itself included.
    pub draw_count: u64,
    /// Mean exposure of a random rank, in bits.
    pub exposure_by_chance: f64,
    /// By how often a canary was planted.
    pub planted: Vec<CanaryExposure>,
}

/// How well canaries are known that were planted equally often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CanaryExposure {
    /// How many people carry the same canary.
    pub copies: u64,
    /// How many canaries there were.
    pub canary_count: u64,
    /// Mean exposure in the model that learned from them, in bits.
    pub exposure: f64,
    /// The largest.
    pub exposure_max: f64,
    /// Mean exposure in the version, which did not.
    pub control: f64,
}

/// Plants canaries, trains a model with them, and measures what it knows; `version` is the control.
pub fn canaries(
    plan: &CanaryPlan<'_>,
    version: &Model,
    progress: &mut dyn FnMut(AttackProgress),
) -> Result<CanaryReport, AttackError> {
    if !(1..=CANARY_COUNT_MAX).contains(&plan.canary_count) {
        return Err(AttackError::Plan { reason: "the number of canaries must be 1 to 1,000" });
    }
    let planted = plant(plan);
    let needed = COPIES.len() * plan.canary_count;
    if planted.len() < needed {
        let people = "people after whose shape canaries are made";
        return Err(AttackError::TooFew { people, found: planted.len(), needed });
    }
    let mut counter = Counter::new(plan.pack, 1, progress);
    let mut people = plan.members.clone();
    for canary in &planted {
        people.timelines.extend(canary.copies.iter().cloned());
    }
    people.timelines.sort_by_key(Timeline::subject);
    let model = counter.train(plan.pack, plan.config, [&people, plan.tuning])?;
    let first = |canary: &Canary| canary.copies.first().cloned();
    let cohort = Cohort {
        codes: plan.members.codes.clone(),
        timelines: planted.iter().filter_map(first).collect(),
    };
    let pool = Pool::new(plan.pack, &cohort);
    let [known, control] = [&model, version].map(|model| exposures(plan, &pool, model));
    let of = |copies: usize| {
        let own = |all: &[Option<f64>]| -> Vec<f64> {
            let own = planted.iter().zip(all).filter(|(it, _)| it.copies.len() == copies);
            own.filter_map(|(_, exposure)| *exposure).collect()
        };
        let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len().max(1) as f64;
        let (known, control) = (own(&known), own(&control));
        CanaryExposure {
            copies: copies as u64,
            canary_count: known.len() as u64,
            exposure: mean(&known),
            exposure_max: known.iter().copied().fold(0.0, f64::max),
            control: mean(&control),
        }
    };
    Ok(CanaryReport {
        draw_count: DRAW_COUNT,
        exposure_by_chance: by_chance(),
        planted: COPIES.map(of).to_vec(),
    })
}

/// A made-up person, as often as it is planted.
struct Canary {
    copies: Vec<Timeline>,
}

/// Makes canaries after the shape of people: who they are and when they are measured is theirs,
/// every value that changes is drawn from all that is plausible.
fn plant(plan: &CanaryPlan<'_>) -> Vec<Canary> {
    let codes = CodeMap::new(plan.pack, &plan.members.codes);
    let cut = plan.pack.forecast().cuts_hours.iter().copied().fold(f32::INFINITY, f32::min);
    // Whoever is not observed after the first cut has no secret.
    let usable = |timeline: &&Timeline| {
        let start = codes.start(timeline);
        let end = timeline.end();
        start.zip(end).is_some_and(|(start, end)| f64::from(cut) < end.hours_since(start))
    };
    let mut shapes: Vec<&Timeline> = plan.members.timelines.iter().filter(usable).collect();
    shapes.sort_by_key(|timeline| {
        random::bits(plan.seed, [SHAPE_DRAW, timeline.subject().reveal().unsigned_abs(), 0])
    });
    let mut number = 0_u64;
    let mut canaries = Vec::new();
    for (at, shape) in shapes.into_iter().take(COPIES.len() * plan.canary_count).enumerate() {
        let copies = (0..COPIES[at % COPIES.len()]).filter_map(|_| {
            number += 1;
            // A pseudonym is random, so that nobody else has this one but by a chance of 2^-63 each.
            let own = random::bits(plan.seed, [NAME_DRAW, number, 0]) >> 1;
            let subject = Subject::from_pseudonym(i64::try_from(own).ok()?)?;
            made_up(plan, &codes, shape, at as u64, subject)
        });
        let copies: Vec<Timeline> = copies.collect();
        canaries.push(Canary { copies });
    }
    canaries
}

fn made_up(
    plan: &CanaryPlan<'_>,
    codes: &CodeMap,
    shape: &Timeline,
    canary: u64,
    subject: Subject,
) -> Option<Timeline> {
    let events = shape.events().iter().zip(0_u64..).map(|(event, at)| {
        let variable = codes.variable(event.code).map(|at| &plan.pack.variables()[at]);
        let series = variable.filter(|it| it.kind == VariableKind::Series && event.time.is_some());
        let value = match series {
            Some(variable) => {
                let share = uniform(plan.seed, [VALUE_DRAW, canary, at]);
                Some(variable.range.low + share * (variable.range.high - variable.range.low))
            }
            None => event.value,
        };
        Event { subject, value, text: None, ..event.clone() }
    });
    Timeline::new(subject, events.collect())
}

/// Returns the exposure of each canary, where it has a secret.
///
/// The secret is what is observed up to the horizon after the first cut: later cuts see it as
/// history.
fn exposures(plan: &CanaryPlan<'_>, pool: &Pool<'_>, model: &Model) -> Vec<Option<f64>> {
    let subjects = &pool.examples.subjects;
    let mut said: Vec<Vec<(usize, ForecastPoint, f32)>> = Vec::new();
    let count = subjects.last().map_or(0, |&last| last as usize + 1);
    said.resize_with(count, Vec::new);
    let is_first = |snapshot: usize| snapshot == 0 || subjects[snapshot - 1] != subjects[snapshot];
    for (at, (variable, _)) in plan.pack.targets().enumerate() {
        let rows = &pool.examples.targets[at];
        pool.points(model, at, &mut |row, point| {
            let snapshot = rows.snapshot[row] as usize;
            if is_first(snapshot) {
                said[subjects[snapshot] as usize].push((variable, *point, rows.value[row]));
            }
        });
    }
    (0_u64..).zip(&said).map(|(canary, said)| exposure(plan, canary, said)).collect()
}

fn exposure(
    plan: &CanaryPlan<'_>,
    canary: u64,
    said: &[(usize, ForecastPoint, f32)],
) -> Option<f64> {
    if said.is_empty() {
        return None;
    }
    let range = |variable: usize| plan.pack.variables()[variable].range;
    let loss = |value: &dyn Fn(usize) -> f32| -> f64 {
        let cost = |(at, (variable, point, _)): (usize, &(usize, ForecastPoint, f32))| {
            let width = range(*variable).high - range(*variable).low;
            crps(point, value(at)) / f64::from(width)
        };
        said.iter().enumerate().map(cost).sum()
    };
    let own = loss(&|at| said[at].2);
    let better = (1..DRAW_COUNT).filter(|&draw| {
        let other = |at: usize| {
            let range = range(said[at].0);
            let share = uniform(plan.seed, [OTHER_DRAW, canary * DRAW_COUNT + draw, at as u64]);
            range.low + share * (range.high - range.low)
        };
        loss(&other) < own
    });
    let rank = 1 + better.count();
    Some((DRAW_COUNT as f64).log2() - (rank as f64).log2())
}

fn uniform(seed: u64, coordinates: [u64; 3]) -> f32 {
    // 24 bits are what an `f32` holds exactly.
    (random::bits(seed, coordinates) >> 40) as f32 / (1_u32 << 24) as f32
}

/// Returns the mean exposure of a random rank.
fn by_chance() -> f64 {
    let ranks = 1..=DRAW_COUNT;
    let mean = ranks.map(|rank| (rank as f64).log2()).sum::<f64>() / DRAW_COUNT as f64;
    (DRAW_COUNT as f64).log2() - mean
}

/// How often canaries are planted: once, as a person would be; and often, as the upper end of what
/// repetition does.
const COPIES: [usize; 2] = [1, 4];

/// Draws that a secret is ranked among: exposures up to ten bits.
const DRAW_COUNT: u64 = 1_024;

/// More canaries than people would be another data set.
const CANARY_COUNT_MAX: usize = 1_000;

/// What a pseudo-random choice is about.
const SHAPE_DRAW: u64 = 51;
const NAME_DRAW: u64 = 52;
const VALUE_DRAW: u64 = 53;
const OTHER_DRAW: u64 = 54;
