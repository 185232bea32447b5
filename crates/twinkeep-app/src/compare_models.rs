//! Use case: compare a model version with another one, on people neither was learned from, whole and
//! in groups, and on canaries.
//!
//! # Life of a comparison
//!
//! 1. Both versions forecast the same held-out people; what counts is a person's difference of errors.
//! 2. The people are looked at whole, by the subgroups of the pack, and by whether the earlier version
//!    could know the feeds that they came by: whoever brings poison brings its outcomes, too, and these
//!    people flatter a model that learned it.
//! 3. The earlier version's canaries are asked of both.
//! 4. `watch::poisoning` judges; a release refuses what it says is worse.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};
use twinkeep_domain::{Cohort, Split, Subject, Timeline};
use twinkeep_forecast::{Differences, Errors, EvaluationPlan, Group, Model, groups_of};
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_registry::LoadedModel;
use twinkeep_watch::poisoning::{CandidateFinding, CandidateVerdict, judge_candidate, resampled};

use crate::canary_shift::{CanaryShift, canary_shift};
use crate::drift::Baseline;
use crate::evaluate_model::{EvaluateOn, Record};
use crate::given_splits::{GivenSplits, cohorts};
use crate::models::{parse_version, version_to_measure};
use crate::{App, AppError, Caller};

/// What to compare.
#[derive(Clone, Copy, Debug)]
pub struct CompareModelsRequest<'a> {
    /// The version.
    pub version: &'a str,
    /// With which; by default, the one in service.
    pub with: Option<&'a str>,
    /// The file of splits that both were trained with, if they were trained with one.
    pub splits: Option<&'a Path>,
}

/// How a version compares with another one; no personal data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelComparison {
    /// The version.
    pub version: String,
    /// The other one.
    pub with: String,
    /// What is to be thought of it.
    pub verdict: CandidateVerdict,
    /// Everybody first, then groups of at least 20 people.
    pub findings: Vec<CandidateFinding>,
    /// How far answers to the other one's canaries moved; it may have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canaries: Option<CanaryShift>,
}

impl ModelComparison {
    /// Returns the finding about everybody.
    pub(crate) fn everybody(&self) -> Option<&CandidateFinding> {
        self.findings.iter().find(|it| it.by.is_empty())
    }

    /// Returns the group for which it is worst.
    pub fn worst_group(&self) -> Option<&CandidateFinding> {
        let groups = self.findings.iter().filter(|it| !it.by.is_empty());
        groups.max_by(|one, other| one.larger.mean.total_cmp(&other.larger.mean))
    }
}

/// Compares; that a version is worse is a report, not a refusal.
pub fn compare_models(
    app: &App,
    caller: &Caller,
    request: &CompareModelsRequest<'_>,
) -> Result<ModelComparison, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Read, "model.compared");
    let result = compare(app, request);
    let entry = match &result {
        Ok(found) => entry
            .with("model", found.version.as_str())
            .with("with", found.with.as_str())
            .with("verdict", verdict_name(found.verdict)),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

fn verdict_name(verdict: CandidateVerdict) -> &'static str {
    match verdict {
        CandidateVerdict::Holds => "holds",
        CandidateVerdict::Warn => "warn",
        CandidateVerdict::Refuse => "refuse",
    }
}

fn compare(app: &App, request: &CompareModelsRequest<'_>) -> Result<ModelComparison, AppError> {
    let new = parse_version(request.version)?;
    let other = version_to_measure(app, request.with)?;
    if new == other {
        let attempt = "a version cannot be compared with itself";
        return Err(AppError::usage("compare-same", attempt).hint("name another one with `--with`"));
    }
    let [new, other] =
        [&new, &other].map(|id| app.registry.load_to_measure(id).map_err(|e| app.distrust(id, e)));
    let pair = Pair { new: &new?, before: &other? };
    let models = [app.model_of(pair.new)?, app.model_of(pair.before)?];
    let held_out = people(app, &pair, request.splits, "name another version with `--with`")?;
    let candidate = Candidate { name: &pair.new.id.to_string(), model: &models[0] };
    measure(app, &candidate, (pair.before, &models[1]), &held_out)
}

/// A version, and the one that it is compared with.
pub(crate) struct Pair<'a> {
    pub(crate) new: &'a LoadedModel,
    pub(crate) before: &'a LoadedModel,
}

/// Returns the people that neither version was learned from.
pub(crate) fn people(
    app: &App,
    pair: &Pair<'_>,
    splits: Option<&Path>,
    otherwise: &str,
) -> Result<Cohort, AppError> {
    let given = splits.map(|path| GivenSplits::read(app, path)).transpose()?;
    for version in [pair.new, pair.before] {
        let on = EvaluateOn::Split(Split::HeldOut);
        Record::of(version).check_splits(given.as_ref(), on).map_err(|error| {
            error.hint(format!(
                "name the file of splits that both versions were trained with, `--splits FILE`; \
                 if they differ, {otherwise}"
            ))
        })?;
    }
    let [_, _, held_out] = cohorts(app, given.as_ref())?;
    Ok(held_out)
}

/// A model that may become or is a version.
pub(crate) struct Candidate<'a> {
    pub(crate) name: &'a str,
    pub(crate) model: &'a Model,
}

/// Returns for the card of a model that was just trained how it compares with the version in service,
/// or why it was not compared. That is no reason not to train.
pub(crate) fn beside_serving(
    app: &App,
    given: Option<&GivenSplits>,
    model: &Model,
    held_out: &Cohort,
) -> Value {
    let compare = || -> Result<ModelComparison, &'static str> {
        let serving =
            app.registry.in_service().ok().flatten().ok_or("no version was in service")?;
        let unreadable = "the version in service could not be read";
        let before = app.registry.load_to_measure(&serving).map_err(|_| unreadable)?;
        let other =
            app.model_of(&before).map_err(|_| "the version in service is of another pack")?;
        let on = EvaluateOn::Split(Split::HeldOut);
        let same = Record::of(&before).check_splits(given, on);
        same.map_err(|_| "the version in service was trained with other splits")?;
        let candidate = Candidate { name: "this version", model };
        measure(app, &candidate, (&before, &other), held_out).map_err(|_| unreadable)
    };
    match compare() {
        Ok(found) => json!(found),
        Err(why) => json!({ "not_compared": why }),
    }
}

/// Measures both on the same people, and judges.
pub(crate) fn measure(
    app: &App,
    candidate: &Candidate<'_>,
    (before, other): (&LoadedModel, &Model),
    held_out: &Cohort,
) -> Result<ModelComparison, AppError> {
    let models = [candidate.model, other];
    let parameters = app.poisoning_parameters()?.candidate;
    let plan = EvaluationPlan::of(&app.pack);
    let [own, others] = models.map(|model| Errors::of(&app.pack, &plan, model, held_out));
    let ages = by_age_of_feeds(app, before, held_out)?;
    let units = units(&own, &ages);
    let differences = own.beyond_in(&units, &others, &|_| true);
    let mut groups = groups_of(&app.pack, &plan, held_out);
    groups.extend(ages);
    let mut findings = findings(&differences, &groups);
    let canaries = app.canaries_of(before);
    let canaries = canaries.and_then(|canaries| canary_shift(&app.pack, &canaries, models, &units));
    let shift = canaries.as_ref().map(|it| it.shift);
    let verdict = judge_candidate(&parameters, &mut findings, shift);
    Ok(ModelComparison {
        version: candidate.name.to_owned(),
        with: before.id.to_string(),
        verdict,
        findings,
        canaries,
    })
}

/// Returns what errors are measured in: by how much values of people move whom the earlier version could
/// know. Whoever brings poison brings people whose values leap, and would make every harm look small.
fn units(own: &Errors, ages: &BTreeMap<Group, Vec<Subject>>) -> BTreeMap<String, f64> {
    let mut units = own.carry_forward(&|_| true);
    let known = ages.iter().find(|(group, _)| group.group == BEFORE).map(|(_, people)| people);
    if let Some(known) = known.filter(|known| GROUP_PEOPLE_MIN <= known.len()) {
        let known: BTreeSet<Subject> = known.iter().copied().collect();
        units.extend(own.carry_forward(&|subject| known.contains(&subject)));
    }
    units
}

fn findings(
    differences: &Differences,
    groups: &BTreeMap<Group, Vec<Subject>>,
) -> Vec<CandidateFinding> {
    let finding = |by: &str, group: &str, values: &[f64]| CandidateFinding {
        by: by.to_owned(),
        group: group.to_owned(),
        larger: resampled(values),
        worse: false,
    };
    let all: Vec<f64> = differences.all.values().copied().collect();
    let mut found = vec![finding("", "", &all)];
    for (Group { by, group }, members) in groups {
        let own: Vec<f64> =
            members.iter().filter_map(|it| differences.all.get(it).copied()).collect();
        if GROUP_PEOPLE_MIN <= own.len() {
            found.push(finding(by, group, &own));
        }
    }
    found
}

/// Divides people by whether the earlier version could know all feeds that they came by.
fn by_age_of_feeds(
    app: &App,
    before: &LoadedModel,
    people: &Cohort,
) -> Result<BTreeMap<Group, Vec<Subject>>, AppError> {
    let mut groups: BTreeMap<Group, Vec<Subject>> = BTreeMap::new();
    // Versions of older programs have no baseline, and are not divided.
    let Ok(baseline) = Baseline::of(before) else { return Ok(groups) };
    let known: &BTreeSet<i64> = baseline.feeds();
    let subjects: Vec<Subject> = people.timelines.iter().map(Timeline::subject).collect();
    let feeds = app.store.feeds_of_each(&subjects)?;
    for (subject, feeds) in subjects.into_iter().zip(feeds) {
        let old = feeds.iter().all(|feed| known.contains(&feed.0));
        let group = if old { BEFORE } else { "since" };
        let group = Group { by: "Came".to_owned(), group: group.to_owned() };
        groups.entry(group).or_default().push(subject);
    }
    // With nobody new, it says what is said of everybody.
    let both = groups.len() == 2;
    Ok(if both { groups } else { BTreeMap::new() })
}

/// Who came by feeds that the other version could know.
const BEFORE: &str = "before the other version";

/// What is said of fewer is chance.
const GROUP_PEOPLE_MIN: usize = 20;
