//! Membership inference: was a person in the training data?
//!
//! The likelihood ratio attack (LiRA: Carlini, Chien, Nasr, Song, Terzis, Tramèr, "Membership
//! Inference Attacks From First Principles", IEEE S&P 2022). Shadow models of the same
//! configuration learn from random halves of the people; for each person, half of them knew the
//! person and half did not. How much better the former answer about the person says what the
//! answers of a model that knew it look like.
//!
//! - A person's evidence is the logarithm of the mean loss, by target: it spreads about normally,
//!   as LiRA asks of its statistic.
//! - With few shadows the spread is estimated over all people, as LiRA does, and how far knowing a
//!   person moves the loss is drawn to its mean over all people, as far as the shadows cannot
//!   tell people apart (empirical Bayes). That only helps the attacker.
//! - The evidence of the targets is added up.
//!
//! Two things are attacked. *The version*: its own members against people that it never saw. And
//! *the procedure*: each shadow in turn is the victim of the others. That judges every person many
//! times, on both sides, and so can speak of rare false alarms where the version alone cannot.
//!
//! Beside it stands the simplest attack: who has a low loss is a member (Yeom, Giacomelli,
//! Fredrikson, Jha, CSF 2018).

use serde::{Deserialize, Serialize};
use twinkeep_domain::{Cohort, Pack};

use super::losses::{Losses, Pool};
use super::people::{choose, merge};
use super::roc::{AttackFigures, Judgment, figures};
use super::{AttackError, AttackProgress, Counter};
use crate::{Model, TrainConfig, random};

/// What membership inference is run with.
#[derive(Clone, Copy, Debug)]
pub struct MembershipPlan<'a> {
    /// The pack.
    pub pack: &'a Pack,
    /// How the version was trained; shadows are trained so too.
    pub config: &'a TrainConfig,
    /// The people that the version learned from.
    pub members: &'a Cohort,
    /// People of the same kind that it never saw.
    pub others: &'a Cohort,
    /// On whom choices are made, by shadows as by the version.
    pub tuning: &'a Cohort,
    /// How many shadow models: even, and at least four.
    pub shadow_count: usize,
    /// Start of the attacker's pseudo-random choices.
    pub seed: u64,
}

/// What membership inference found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MembershipReport {
    /// How many shadow models there were.
    pub shadow_count: u64,
    /// People in the training data of a shadow, as a mean.
    pub shadow_subjects: u64,
    /// The likelihood ratio attack on the version.
    pub version: AttackFigures,
    /// The likelihood ratio attack of shadows on each other.
    pub procedure: AttackFigures,
    /// The attack by a threshold on the loss, on the version.
    pub threshold: AttackFigures,
    /// The likelihood ratio attack on the version by one forecast of everything for each person, as
    /// somebody who may ask once gets it. Not in reports of before.
    #[serde(default)]
    pub one_answer: Option<AttackFigures>,
    /// By what share the version's loss on others is above that on members.
    pub generalization_gap: f64,
}

impl MembershipReport {
    /// Returns the area that is certain: the larger of the lower ends of the two intervals.
    pub fn auc_certain(&self) -> f64 {
        self.version.auc_low.max(self.procedure.auc_low)
    }

    /// Returns the share of members that is certainly found at 1 % false alarms, if one is known.
    pub fn tpr_at_fpr_1_percent_certain(&self) -> Option<f64> {
        certain([&self.version, &self.procedure].map(|side| side.tpr_at_fpr_1_percent))
    }

    /// Returns the same at 0.1 %.
    pub fn tpr_at_fpr_0_1_percent_certain(&self) -> Option<f64> {
        certain([&self.version, &self.procedure].map(|side| side.tpr_at_fpr_0_1_percent))
    }
}

fn certain(rates: [Option<super::Rate>; 2]) -> Option<f64> {
    rates.into_iter().flatten().map(|rate| rate.low).max_by(f64::total_cmp)
}

/// Runs the attack on `victim`.
pub fn membership(
    plan: &MembershipPlan<'_>,
    victim: &Model,
    progress: &mut dyn FnMut(AttackProgress),
) -> Result<MembershipReport, AttackError> {
    check(plan)?;
    let mut counter = Counter::new(plan.pack, plan.shadow_count, progress);
    let shadows = Shadows::train(plan, plan.config, &mut counter)?;
    let own = shadows.all.pool.losses(victim, plan.config);
    let member = |person: usize| person < plan.members.timelines.len();
    let floors = floors(&own);
    let version = shadows.judge(&shadows.all, &own, &member);
    let once = shadows.one_answer.pool.losses(victim, plan.config);
    let one_answer = shadows.judge(&shadows.one_answer, &once, &member);
    let threshold = by_threshold(&own, &member);
    let empty = |side: &Option<AttackFigures>| side.is_none();
    let (version, threshold) = (figures(&version), figures(&threshold));
    let procedure = figures(&shadows.procedure(&floors));
    if [&version, &threshold, &procedure].into_iter().any(empty) {
        return Err(too_few(plan));
    }
    let (Some(version), Some(threshold), Some(procedure)) = (version, threshold, procedure) else {
        return Err(too_few(plan));
    };
    Ok(MembershipReport {
        shadow_count: plan.shadow_count as u64,
        shadow_subjects: shadows.subject_count(),
        version,
        procedure,
        threshold,
        one_answer: figures(&one_answer),
        generalization_gap: generalization_gap(&own, &member),
    })
}

fn too_few(plan: &MembershipPlan<'_>) -> AttackError {
    let found = plan.others.timelines.len();
    AttackError::TooFew { people: "people with something to forecast", found, needed: PEOPLE_MIN }
}

pub(super) fn check(plan: &MembershipPlan<'_>) -> Result<(), AttackError> {
    let sides = [
        ("people that the version learned from", plan.members),
        ("people that it never saw", plan.others),
    ];
    for (people, cohort) in sides {
        let found = cohort.timelines.len();
        if found < PEOPLE_MIN {
            return Err(AttackError::TooFew { people, found, needed: PEOPLE_MIN });
        }
    }
    if plan.shadow_count < 4 || SHADOW_COUNT_MAX < plan.shadow_count || plan.shadow_count % 2 == 1 {
        return Err(AttackError::Plan { reason: "the number of shadows must be even, 4 to 1,024" });
    }
    Ok(())
}

/// What shadows answer about everybody.
pub(super) struct Asked<'a> {
    pub(super) pool: Pool<'a>,
    /// By shadow.
    losses: Vec<Losses>,
}

impl<'a> Asked<'a> {
    fn new(pool: Pool<'a>) -> Self {
        Self { pool, losses: Vec::new() }
    }
}

/// Shadow models, as what they cost on everybody.
pub(super) struct Shadows<'a> {
    /// Asked at every cut that training takes, ...
    pub(super) all: Asked<'a>,
    /// ... and once about each person, at the cut at which models are measured.
    one_answer: Asked<'a>,
    /// By shadow and person: whether the shadow learned from the person.
    knew: Vec<Vec<bool>>,
}

impl<'a> Shadows<'a> {
    /// Trains shadows with a configuration; each person is in exactly half of them.
    pub(super) fn train(
        plan: &MembershipPlan<'a>,
        config: &TrainConfig,
        counter: &mut Counter<'_>,
    ) -> Result<Self, AttackError> {
        let people = merge(&[plan.members, plan.others]);
        let knew = halves(plan.seed, plan.shadow_count, people.timelines.len());
        let mut all = Asked::new(Pool::new(plan.pack, &people));
        let mut one_answer = Asked::new(Pool::once(plan.pack, &people));
        for (shadow, knew) in (0_u64..).zip(&knew) {
            let own = choose(&people, |person| knew[person]);
            // Another seed each, as the attacker does not know that of the version.
            let seed = random::bits(plan.seed, [SHADOW_SEED, shadow, 0]);
            let config = TrainConfig { seed, ..config.clone() };
            let model = counter.train(plan.pack, &config, [&own, plan.tuning])?;
            for asked in [&mut all, &mut one_answer] {
                let losses = asked.pool.losses(&model, &config);
                asked.losses.push(losses);
            }
        }
        Ok(Self { all, one_answer, knew })
    }

    /// Judges everybody by what a victim's answers cost.
    fn judge(
        &self,
        asked: &Asked<'_>,
        own: &Losses,
        member: &dyn Fn(usize) -> bool,
    ) -> Vec<Judgment> {
        let floors = floors(own);
        Knowledge::of(asked, &self.knew, &floors, None).judge(&evidence(own, &floors), member)
    }

    fn subject_count(&self) -> u64 {
        let all: usize = self.knew.iter().map(|knew| knew.iter().filter(|&&it| it).count()).sum();
        (all / self.knew.len().max(1)) as u64
    }

    /// Lets the shadows attack each other.
    pub(super) fn procedure(&self, floors: &[f32]) -> Vec<Judgment> {
        let mut judgments = Vec::new();
        for (victim, losses) in self.all.losses.iter().enumerate() {
            let known = Knowledge::of(&self.all, &self.knew, floors, Some(victim));
            let member = |person: usize| self.knew[victim][person];
            judgments.extend(known.judge(&evidence(losses, floors), &member));
        }
        judgments
    }

    /// Returns floors from the first shadow, where there is no version to take them from.
    pub(super) fn floors(&self) -> Vec<f32> {
        self.all.losses.first().map(floors).unwrap_or_default()
    }
}

/// Puts each person into a random half of the shadows.
fn halves(seed: u64, shadow_count: usize, person_count: usize) -> Vec<Vec<bool>> {
    let mut knew = vec![Vec::with_capacity(person_count); shadow_count];
    for person in 0..person_count {
        let draw = |shadow: usize| random::bits(seed, [HALF_DRAW, person as u64, shadow as u64]);
        let mut order: Vec<usize> = (0..shadow_count).collect();
        order.sort_by_key(|&shadow| (draw(shadow), shadow));
        let chosen = &order[..shadow_count / 2];
        for (shadow, knew) in knew.iter_mut().enumerate() {
            knew.push(chosen.contains(&shadow));
        }
    }
    knew
}

/// What shadows teach about one target.
#[derive(Clone)]
struct Lesson {
    /// How far knowing a person moves the evidence, ...
    moved: Vec<f64>,
    /// ... and the middle between knowing and not knowing it; NaN where too little is known.
    middle: Vec<f64>,
    /// The variance of the evidence of one person over models.
    variance: f64,
}

/// What shadows teach about all targets.
struct Knowledge {
    lessons: Vec<Option<Lesson>>,
}

impl Knowledge {
    /// Learns from all shadows but one.
    fn of(asked: &Asked<'_>, knew: &[Vec<bool>], floors: &[f32], left_out: Option<usize>) -> Self {
        let of = |shadow: &(usize, &Losses)| Some(shadow.0) != left_out;
        let used: Vec<(usize, &Losses)> = asked.losses.iter().enumerate().filter(of).collect();
        let lesson = |(target, &floor): (usize, &f32)| {
            let columns: Vec<(&[bool], &[f32])> =
                used.iter().map(|(shadow, losses)| (&*knew[*shadow], &*losses[target])).collect();
            learn(&columns, floor)
        };
        Self { lessons: floors.iter().enumerate().map(lesson).collect() }
    }

    /// Adds up the likelihood ratios of each person.
    fn judge(&self, evidence: &[Vec<f64>], member: &dyn Fn(usize) -> bool) -> Vec<Judgment> {
        let people = evidence.first().map_or(0, Vec::len);
        let mut sums = vec![(0.0, false); people];
        for (lesson, evidence) in self.lessons.iter().zip(evidence) {
            let Some(lesson) = lesson else { continue };
            // The victim may have learned from more people than the shadows: what moves everybody
            // says nothing about one.
            let shift = median(
                evidence.iter().zip(&lesson.middle).map(|(it, middle)| it - middle).collect(),
            );
            for (person, sum) in sums.iter_mut().enumerate() {
                let apart = evidence[person] - lesson.middle[person] - shift;
                if apart.is_finite() {
                    *sum = (sum.0 + lesson.moved[person] * apart / lesson.variance, true);
                }
            }
        }
        let judgment = |(person, (score, judged)): (usize, (f64, bool))| {
            judged.then(|| Judgment { person, member: member(person), score })
        };
        sums.into_iter().enumerate().filter_map(judgment).collect()
    }
}

/// Learns from the shadows' losses of one target how knowing a person shows.
fn learn(columns: &[(&[bool], &[f32])], floor: f32) -> Option<Lesson> {
    let people = columns.first()?.1.len();
    let (mut moved, mut middle) = (vec![f64::NAN; people], vec![f64::NAN; people]);
    let mut noise = vec![f64::NAN; people];
    let (mut squares, mut freedom) = (0.0, 0.0);
    for person in 0..people {
        let side = |knew: bool| -> Vec<f64> {
            let own = columns.iter().filter(|(of, _)| of[person] == knew);
            own.map(|(_, losses)| log_loss_of(losses[person], floor))
                .filter(|it| it.is_finite())
                .collect()
        };
        let mut sides = [side(true), side(false)];
        for own in &sides {
            let mean = own.iter().sum::<f64>() / own.len().max(1) as f64;
            squares += own.iter().map(|it| (it - mean).powi(2)).sum::<f64>();
            freedom += own.len().saturating_sub(1) as f64;
        }
        // Where a shadow is left out, one side has one more. As many on both, or the errors of the
        // two means would not cancel out, and speak against whoever is left out.
        let count = sides[0].len().min(sides[1].len());
        sides.iter_mut().for_each(|own| own.truncate(count));
        if count == 0 {
            continue;
        }
        let means = sides.each_ref().map(|own| own.iter().sum::<f64>() / count as f64);
        moved[person] = means[0] - means[1];
        middle[person] = (means[0] + means[1]) / 2.0;
        noise[person] = 2.0 / count as f64;
    }
    let variance = squares / freedom;
    if !(0.0 < variance && variance.is_finite()) {
        return None;
    }
    shrink(&mut moved, &noise, variance);
    Some(Lesson { moved, middle, variance })
}

/// Draws how far people move to the mean of all, as far as noise explains the differences.
fn shrink(moved: &mut [f64], noise: &[f64], variance: f64) {
    let known: Vec<(f64, f64)> =
        moved.iter().zip(noise).filter(|(it, _)| it.is_finite()).map(|(&a, &b)| (a, b)).collect();
    let count = known.len().max(1) as f64;
    let mean = known.iter().map(|(it, _)| it).sum::<f64>() / count;
    let spread = known.iter().map(|(it, _)| (it - mean).powi(2)).sum::<f64>() / count;
    let by_noise = variance * known.iter().map(|(_, noise)| noise).sum::<f64>() / count;
    let real = (spread - by_noise).max(0.0);
    for (own, noise) in moved.iter_mut().zip(noise) {
        let trust = real / (real + variance * noise);
        *own = mean + trust * (*own - mean);
    }
}

/// Judges people by how low the victim's loss is, each target in units of its mean.
fn by_threshold(losses: &Losses, member: &dyn Fn(usize) -> bool) -> Vec<Judgment> {
    let judgment = |(person, loss): (usize, Option<f64>)| {
        Some(Judgment { person, member: member(person), score: -loss? })
    };
    scaled(losses).into_iter().enumerate().filter_map(judgment).collect()
}

/// Returns by what share the mean loss of others is above that of members.
pub(super) fn generalization_gap(losses: &Losses, member: &dyn Fn(usize) -> bool) -> f64 {
    let scaled = scaled(losses);
    let mean = |side: bool| {
        let own = scaled.iter().enumerate().filter(|(person, _)| member(*person) == side);
        let own: Vec<f64> = own.filter_map(|(_, loss)| *loss).collect();
        own.iter().sum::<f64>() / own.len().max(1) as f64
    };
    let (members, others) = (mean(true), mean(false));
    if 0.0 < members { others / members - 1.0 } else { 0.0 }
}

/// Returns each person's loss as a mean over targets, each in units of its mean over people.
fn scaled(losses: &Losses) -> Vec<Option<f64>> {
    let people = losses.first().map_or(0, Vec::len);
    let mut sums = vec![(0.0, 0_u32); people];
    for column in losses {
        let known: Vec<f64> =
            column.iter().filter(|it| it.is_finite()).map(|&it| f64::from(it)).collect();
        let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
        if mean <= 0.0 || mean.is_nan() {
            continue;
        }
        for (sum, &loss) in sums.iter_mut().zip(column) {
            if loss.is_finite() {
                *sum = (sum.0 + f64::from(loss) / mean, sum.1 + 1);
            }
        }
    }
    sums.into_iter().map(|(sum, count)| (0 < count).then(|| sum / f64::from(count))).collect()
}

fn evidence(losses: &Losses, floors: &[f32]) -> Vec<Vec<f64>> {
    let column = |(column, &floor): (&Vec<f32>, &f32)| {
        column.iter().map(|&loss| log_loss_of(loss, floor)).collect()
    };
    losses.iter().zip(floors).map(column).collect()
}

fn log_loss_of(loss: f32, floor: f32) -> f64 {
    f64::from(loss + floor).ln()
}

/// Returns what is added to the losses of each target, so that one that is exact by chance does
/// not outweigh all others.
fn floors(losses: &Losses) -> Vec<f32> {
    let floor = |column: &Vec<f32>| {
        let middle = median(column.iter().map(|&loss| f64::from(loss)).collect());
        if middle.is_finite() {
            (FLOOR_SHARE * middle).max(f64::from(f32::MIN_POSITIVE)) as f32
        } else {
            f32::NAN
        }
    };
    losses.iter().map(floor).collect()
}

/// Returns the median of the finite values; NaN of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// With fewer people on a side no rate means anything.
pub(super) const PEOPLE_MIN: usize = 20;

/// More shadows than any paper trains.
const SHADOW_COUNT_MAX: usize = 1_024;

/// What is added to a loss, as a share of the median loss of its target.
const FLOOR_SHARE: f64 = 0.05;

/// What a pseudo-random choice is about.
const HALF_DRAW: u64 = 41;
const SHADOW_SEED: u64 = 42;
