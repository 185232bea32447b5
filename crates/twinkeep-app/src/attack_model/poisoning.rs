//! What planted poison does to a model: it is planted into the training data, screened as a feed
//! would be, and learned from.
//!
//! The panel knows clean data from the people that the version was tuned on, which nobody poisons.

use serde::{Deserialize, Serialize};
use twinkeep_domain::{Cohort, Events, Timeline};
use twinkeep_forecast::{TrainError, evaluate, train};
use twinkeep_intake::panel::{Course, Panel, PanelParameters, Reference, SenderStats};
use twinkeep_intake::poison::{ATTACKS, Attack as Poison, Planting};

use super::Target;
use crate::{AppError, Progress};

/// What poison does to the error on people that the version never saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoisoningReport {
    /// The error of the version: median MASE over targets.
    pub clean_mase: Option<f64>,
    /// By kind and rate.
    pub trials: Vec<PoisoningTrial>,
}

/// What one kind of poison does at one rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoisoningTrial {
    /// Which poison.
    pub kind: String,
    /// The share of the rows or people that it changes.
    pub rate: f64,
    /// The share of the rows of the training data that were planted or changed.
    pub poisoned_share: f64,
    /// The share of those that screening holds; nothing with too few people to screen by.
    pub held_share: Option<f64>,
    /// The error of a model that learned from all of it.
    pub poisoned_mase: Option<f64>,
    /// The error of a model that learned from what screening leaves.
    pub screened_mase: Option<f64>,
}

impl PoisoningReport {
    /// Returns the largest share by which screened poison raises the error; unscreened where there
    /// is no screening.
    pub fn damage_max(&self) -> Option<f64> {
        let clean = self.clean_mase.filter(|clean| 0.0 < *clean)?;
        let damage = |trial: &PoisoningTrial| {
            trial.screened_mase.or(trial.poisoned_mase).map(|mase| mase / clean - 1.0)
        };
        self.trials.iter().filter_map(damage).max_by(f64::total_cmp)
    }
}

impl Target<'_> {
    /// Plants each kind at each rate, and learns from it with and without screening.
    pub(super) fn poison(
        &self,
        kinds: &[String],
        rates: &[f64],
        seed: u64,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<PoisoningReport, AppError> {
        let kinds = self.kinds(kinds)?;
        if rates.iter().any(|rate| !(0.0 < *rate && *rate <= 1.0)) {
            return Err(AppError::usage("attack-rate", "a rate must be above 0 and at most 1"));
        }
        let [members, tuning, others] = &self.people;
        let plan = self.pack.forecast();
        let course =
            Course { cut_hours: plan.evaluation_cut_hours, horizon_hours: plan.horizon_hours };
        let parameters = PanelParameters::default();
        let reference = Reference::learn(&events(tuning), course, seed, &parameters.rows);
        let panel = reference.map(|reference| Panel::new(reference, parameters));
        let mut trials = Vec::new();
        let total = (kinds.len() * rates.len() * 2) as u64;
        let error = |cohort: &Cohort, done: u64, progress: &mut dyn FnMut(Progress)| {
            let each = (self.pack.targets().count() + self.pack.windows().len()).max(1) as u64;
            let model = train(self.pack, &self.config, cohort, tuning, &mut |step| {
                progress(Progress {
                    done: done * each + step.done_count as u64,
                    total: total * each,
                });
            })?;
            Ok(evaluate(self.pack, &model, others).mase_median)
        };
        for kind in kinds {
            for &rate in rates {
                let mut planted = events(members);
                let sender = sender(members);
                let planting = Planting { pack: self.pack, rate, seed, sender };
                let poisoned = kind.plant(&planting, &mut planted);
                let held = panel.as_ref().map(|panel| held(panel, &planted));
                let count = poisoned.iter().filter(|&&it| it).count();
                let found = |held: &Vec<bool>| {
                    let both = poisoned.iter().zip(held).filter(|(is, held)| **is && **held);
                    both.count() as f64 / count.max(1) as f64
                };
                let done = 2 * trials.len() as u64;
                let all = cohort(&planted, &|row| !self.is_plausible(&planted, row));
                let poisoned_mase = error(&all, done, progress).map_err(untrained)?;
                let screened_mase = match &held {
                    None => None,
                    Some(held) => {
                        let left_out = |row: usize| held[row] || !self.is_plausible(&planted, row);
                        let rest = cohort(&planted, &left_out);
                        error(&rest, done + 1, progress).map_err(untrained)?
                    }
                };
                trials.push(PoisoningTrial {
                    kind: kind.name.to_owned(),
                    rate,
                    poisoned_share: count as f64 / poisoned.len().max(1) as f64,
                    held_share: held.as_ref().map(found),
                    poisoned_mase,
                    screened_mase,
                });
            }
        }
        let clean_mase = evaluate(self.pack, &self.model, others).mase_median;
        Ok(PoisoningReport { clean_mase, trials })
    }

    /// Returns the poison that is asked for, or the usual that fits the pack.
    fn kinds(&self, names: &[String]) -> Result<Vec<&'static Poison>, AppError> {
        let fitting = || ATTACKS.iter().filter(|attack| attack.fits(self.pack));
        if names.is_empty() {
            let usual = |attack: &&Poison| USUAL.contains(&attack.name);
            return Ok(fitting().filter(usual).collect());
        }
        let find = |name: &String| {
            fitting().find(|attack| attack.name == name).ok_or_else(|| {
                let known: Vec<&str> = fitting().map(|attack| attack.name).collect();
                AppError::usage("attack-kind", format!("there is no poison `{name}` for this pack"))
                    .hint(format!("there are: {}", known.join("; ")))
            })
        };
        names.iter().map(find).collect()
    }

    /// Returns whether a row passes the check of ranges that every feed passes.
    fn is_plausible(&self, events: &Events, row: usize) -> bool {
        let event = &events.rows[row];
        let code = events.codes().get(event.code as usize);
        let variable = code.and_then(|code| self.pack.find(code.as_str()));
        let range = variable.map(|at| self.pack.variables()[at].range);
        match (range, event.value) {
            (Some(range), Some(value)) => range.contains(value),
            _ => true,
        }
    }
}

fn untrained(error: TrainError) -> AppError {
    AppError::refused(error.code(), "cannot learn from the poisoned data").because(error)
}

fn held(panel: &Panel, events: &Events) -> Vec<bool> {
    let mut held = vec![false; events.rows.len()];
    let suspects = panel.screen(events, &mut SenderStats::new(panel.reference()));
    suspects.iter().for_each(|suspect| held[suspect.row] = true);
    held
}

fn events(cohort: &Cohort) -> Events {
    let mut events = Events::new();
    let places: Vec<u32> = cohort.codes.iter().map(|code| events.intern(code)).collect();
    for event in cohort.timelines.iter().flat_map(Timeline::events) {
        let mut event = event.clone();
        event.code = places.get(event.code as usize).copied().unwrap_or(u32::MAX);
        events.rows.push(event);
    }
    events
}

fn cohort(events: &Events, left_out: &dyn Fn(usize) -> bool) -> Cohort {
    let mut timelines = Vec::new();
    let mut start = 0;
    for rows in events.rows.chunk_by(|one, other| one.subject == other.subject) {
        let own = rows.iter().zip(start..).filter(|(_, row)| !left_out(*row));
        let own: Vec<_> = own.map(|(event, _)| event.clone()).collect();
        start += rows.len();
        timelines.extend(Timeline::new(rows[0].subject, own));
    }
    Cohort { codes: events.codes().to_vec(), timelines }
}

/// Returns one person in five: those of a sender who lies.
fn sender(cohort: &Cohort) -> Vec<twinkeep_domain::Subject> {
    let all = cohort.timelines.iter().map(Timeline::subject).enumerate();
    all.filter(|(at, _)| at % 5 == 0).map(|(_, subject)| subject).collect()
}

/// What is planted unless another kind is asked for: noise, extremes, and a trigger.
const USUAL: [&str; 3] = ["value flip", "outliers", "backdoor"];
