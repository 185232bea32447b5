//! From a playbook and what is known of the keep to what is to be done: pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Action, Measure, Playbook, Step, StepState, Takes};
use crate::Target;

/// What planning has to know.
#[derive(Clone, Debug, Default)]
pub struct PlanFacts {
    /// When this is.
    pub now_us: i64,
    /// The version in service.
    pub in_service: Option<String>,
    /// The version that stands by.
    pub backup: Option<String>,
    /// What is done already, by this incident or another.
    pub in_place: BTreeSet<Measure>,
    /// When something was done last, whether it was undone since or not.
    pub recent: BTreeMap<Measure, i64>,
    /// How many things of a kind this incident has taken away already.
    pub taken: BTreeMap<Takes, usize>,
    /// Identities that are never suspended, and routes that are never closed: by them operators
    /// come in.
    pub last_ways_in: BTreeSet<String>,
}

/// How far containment may go by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanLimits {
    /// The same is not done to the same twice within this time.
    pub cool_down_us: i64,
    /// How many identities one incident suspends.
    pub identities_max: usize,
    /// How many versions one incident takes away.
    pub models_max: usize,
    /// How many routes one incident closes.
    pub routes_max: usize,
    /// How many feeds one incident holds.
    pub feeds_max: usize,
    /// How many ports one incident drops.
    pub ports_max: usize,
    /// How many services one incident stops or freezes.
    pub services_max: usize,
}

/// Whether something is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judged {
    /// It is.
    Do,
    /// It is not, for this reason.
    Skip(&'static str),
}

impl Default for PlanLimits {
    fn default() -> Self {
        Self {
            cool_down_us: 10 * 60 * 1_000_000,
            identities_max: 20,
            models_max: 2,
            routes_max: 3,
            feeds_max: 10,
            ports_max: 3,
            services_max: 3,
        }
    }
}

/// Plans what a playbook says about a target, within limits.
pub fn plan(
    playbook: &Playbook,
    target: &Target,
    facts: &PlanFacts,
    limits: &PlanLimits,
) -> Vec<Step> {
    let mut taken = facts.taken.clone();
    let mut planned: BTreeSet<Measure> = BTreeSet::new();
    let mut steps = Vec::new();
    for step in &playbook.steps {
        let on = step.on.clone().or_else(|| implied(step.action, target));
        let measure = Measure { action: step.action, on: on.clone().unwrap_or_default() };
        let judged = match on {
            None => Judged::Skip("target-other"),
            Some(_) if planned.contains(&measure) => Judged::Skip("twice"),
            Some(_) => judge(&measure, facts, &mut taken, limits),
        };
        planned.insert(measure.clone());
        let (state, code) = match judged {
            Judged::Do => (StepState::Planned, String::new()),
            Judged::Skip(code) => (StepState::Skipped, code.to_owned()),
        };
        steps.push(Step {
            measure,
            state,
            on_failure: step.on_failure,
            before: super::Before::new(),
            commands: Vec::new(),
            at_us: facts.now_us,
            code,
            says: String::new(),
            failed_us: None,
        });
    }
    steps
}

/// Returns what an action is done to, if the detection is about such a thing.
fn implied(action: Action, target: &Target) -> Option<String> {
    match (action.takes(), target) {
        (Takes::Keep, _) => Some(String::new()),
        (Takes::Model, Target::Model(name))
        | (Takes::Feed, Target::Feed(name))
        | (Takes::Identity, Target::Identity(name))
        | (Takes::Route, Target::Route(name)) => Some(name.clone()),
        _ => None,
    }
}

fn judge(
    measure: &Measure,
    facts: &PlanFacts,
    taken: &mut BTreeMap<Takes, usize>,
    limits: &PlanLimits,
) -> Judged {
    let Measure { action, on } = measure;
    if !action.contains() {
        return Judged::Do;
    }
    // The gate closes none of these, whoever names one.
    let operators = *action == Action::CloseRoute && on.starts_with("/admin");
    if operators || facts.last_ways_in.contains(on) {
        return Judged::Skip("last-way-in");
    }
    if *action == Action::ActivateBackup {
        return match (&facts.in_service, &facts.backup) {
            (Some(serving), _) if serving != on => Judged::Skip("not-in-service"),
            (_, None) => Judged::Skip("no-backup"),
            _ => cooled(measure, facts, limits),
        };
    }
    if facts.in_place.contains(measure) {
        return Judged::Skip("in-place");
    }
    let cooled = cooled(measure, facts, limits);
    let max = match action.takes() {
        Takes::Keep => return cooled,
        Takes::Model => limits.models_max,
        Takes::Route => limits.routes_max,
        Takes::Identity => limits.identities_max,
        Takes::Feed => limits.feeds_max,
        Takes::Port => limits.ports_max,
        Takes::Service => limits.services_max,
    };
    let taken = taken.entry(action.takes()).or_default();
    match cooled {
        Judged::Do if max <= *taken => Judged::Skip("blast-radius"),
        Judged::Do => {
            *taken += 1;
            Judged::Do
        }
        skip => skip,
    }
}

fn cooled(measure: &Measure, facts: &PlanFacts, limits: &PlanLimits) -> Judged {
    let since = facts.recent.get(measure).map(|at| facts.now_us.saturating_sub(*at));
    match since {
        Some(since) if since < limits.cool_down_us => Judged::Skip("cool-down"),
        _ => Judged::Do,
    }
}
