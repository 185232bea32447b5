//! Use case: compare what came in since a model was made with what it was made from.
//!
//! # Life of a comparison
//!
//! 1. When a version is trained, its *baseline* is computed: how inputs, forecasts, and errors were
//!    distributed over people ([`baseline`]). It is a document of the version, signed with it.
//! 2. Later, the people who came by other feeds since are looked at in the same way: at the same
//!    moment after their first event, one value a person and series.
//! 3. `watch::detect` compares and judges; what to say of it in words is decided here.
//!
//! # Invariants
//!
//! - Nobody is compared of whom the version knows anything: a person with older feeds is counted,
//!   and left out.
//! - What is said is about groups: a baseline has no part with few people, and of few people
//!   nothing is said.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use twinkeep_domain::{Cohort, Split, Subject, Timestamp};
use twinkeep_forecast::{EvaluationPlan, Model, evaluate_by};
use twinkeep_ledger::{Activity, Class as EventClass, Entry, Severity};
use twinkeep_registry::LoadedModel;
use twinkeep_store::{FeedId, FeedState};
use twinkeep_watch::detect::{
    About, BaselineSeries, DriftParameters, DriftParametersError, Finding, Measured, Verdict, judge,
};
use twinkeep_watch::{Detection, Detector, Severity as FoundSeverity, Target};

use crate::feeds::{feed_name, parse_feed};
use crate::given_splits::{cohorts, regroup};
use crate::incidents::detected;
use crate::models::version_to_measure;
use crate::parameter_file::Parameters;
use crate::train_model::subjects;
use crate::{App, AppError, Caller, report_detection};

mod observe;

pub(crate) use observe::{Inputs, Outcomes, outputs};

/// What to compare.
#[derive(Clone, Copy, Debug, Default)]
pub struct DriftRequest<'a> {
    /// With which version; by default, the one in service.
    pub model: Option<&'a str>,
    /// Only feeds that came at this time or later.
    pub since: Option<Timestamp>,
    /// Only this feed.
    pub feed: Option<&'a str>,
}

/// How what came in compares with what the version was made from.
#[derive(Debug, Serialize)]
pub struct DriftReport {
    /// The version.
    pub model: String,
    /// The worst verdict of all.
    pub verdict: Verdict,
    /// How many series are alarms.
    pub alarms: u64,
    /// How many moved, without consequence.
    pub moved: u64,
    /// The feeds that were looked at.
    pub feeds: Vec<String>,
    /// People who came by them.
    pub people: u64,
    /// People of these feeds who were left out, because older feeds have events of them.
    pub known_before: u64,
    /// The series, alarms first.
    pub series: Vec<DriftLine>,
}

/// One series.
#[derive(Debug, Serialize)]
pub struct DriftLine {
    /// What people call the variable or the target.
    pub title: String,
    /// What is to be thought of it, in words.
    pub says: String,
    /// The figures.
    pub finding: Finding,
}

/// What a version remembers of the people it was made from.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    version: u32,
    cut_hours: f32,
    horizon_hours: f32,
    /// The feeds that there were, by their numbers.
    feeds: BTreeSet<i64>,
    series: Vec<BaselineSeries>,
}

/// Computes the baseline of a version that was just trained: inputs of `people`, forecasts and
/// their outcomes of `held_out`.
pub(crate) fn baseline(
    app: &App,
    plan: &EvaluationPlan<'_>,
    model: &Model,
    people: &[&Cohort],
    (held_out, outcomes): (&Cohort, Outcomes),
) -> Result<Baseline, AppError> {
    let mut inputs = Inputs::new(&app.pack);
    people.iter().for_each(|cohort| inputs.add(&app.pack, plan, cohort));
    let mut measured = inputs.finish(&app.pack, model);
    measured.extend(outputs(&app.pack, plan, model, held_out));
    measured.extend(outcomes.finish());
    Ok(Baseline {
        version: BASELINE_VERSION,
        cut_hours: plan.cut_hours,
        horizon_hours: plan.horizon_hours,
        feeds: app.store.feeds()?.iter().map(|feed| feed.id.0).collect(),
        series: measured.iter().map(BaselineSeries::of).collect(),
    })
}

/// Compares; that something drifted is a report, not a refusal.
pub fn check_drift(
    app: &App,
    caller: &Caller,
    request: &DriftRequest<'_>,
) -> Result<DriftReport, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Read, "drift.checked");
    let result = check(app, request);
    let entry = match &result {
        Ok(report) => describe(entry, report),
        Err(_) => entry,
    };
    let report = app.conclude(entry, result)?;
    if report.verdict == Verdict::Alarm {
        report_detection(app, &drifted(app, &report))?;
    }
    Ok(report)
}

/// What comes in is not what the version was made from: a person has to look.
fn drifted(app: &App, report: &DriftReport) -> Detection {
    let target = Target::Model(report.model.clone());
    let says = format!("{} alarms of drift among {} people", report.alarms, report.people);
    let mut found = detected(app, Detector::Drift, target, FoundSeverity::Medium, &says);
    let figures = [("alarms", report.alarms), ("moved", report.moved), ("people", report.people)];
    found.figures = figures.map(|(name, count)| (name.to_owned(), count as f64)).into();
    found
}

fn describe(entry: Entry, report: &DriftReport) -> Entry {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let alarms: Vec<String> = report
        .series
        .iter()
        .filter(|line| line.finding.verdict == Verdict::Alarm)
        .take(ALARMS_TOLD)
        .map(|line| format!("{} of {}", about(line.finding.about), line.finding.code))
        .collect();
    let severity =
        if report.verdict == Verdict::Alarm { Severity::High } else { Severity::Informational };
    entry
        .severity(severity)
        .with("model", report.model.as_str())
        .with("people", number(report.people))
        .with("alarms", number(report.alarms))
        .with("moved", number(report.moved))
        .with("alarms_about", alarms.join(", ").as_str())
}

fn check(app: &App, request: &DriftRequest<'_>) -> Result<DriftReport, AppError> {
    let parameters = parameters(app)?;
    let id = version_to_measure(app, request.model)?;
    let loaded = app.registry.load_to_measure(&id).map_err(|error| app.distrust(&id, error))?;
    let model = app.model_of(&loaded)?;
    let baseline = Baseline::of(&loaded)?;
    let (people, feeds, known_before) = newcomers(app, &baseline, request)?;
    let measured = measure(app, &baseline, &model, &people);
    let findings = judge(&parameters, &baseline.series, &measured);
    let count = |verdict| findings.iter().filter(|it| it.verdict == verdict).count() as u64;
    let of = [Verdict::Alarm, Verdict::Moved, Verdict::Steady];
    let worst = of.into_iter().find(|&verdict| 0 < count(verdict)).unwrap_or(Verdict::TooFew);
    Ok(DriftReport {
        model: id.to_string(),
        verdict: worst,
        alarms: count(Verdict::Alarm),
        moved: count(Verdict::Moved),
        feeds: feeds.into_iter().map(|feed| feed_name(FeedId(feed))).collect(),
        people: people.timelines.len() as u64,
        known_before,
        series: findings.into_iter().map(|found| line(app, &parameters, found)).collect(),
    })
}

fn measure(app: &App, baseline: &Baseline, model: &Model, people: &Cohort) -> Vec<Measured> {
    let plan = EvaluationPlan {
        cut_hours: baseline.cut_hours,
        horizon_hours: baseline.horizon_hours,
        spreads: &[],
    };
    let mut inputs = Inputs::new(&app.pack);
    inputs.add(&app.pack, &plan, people);
    let mut measured = inputs.finish(&app.pack, model);
    measured.extend(outputs(&app.pack, &plan, model, people));
    let mut outcomes = Outcomes::default();
    evaluate_by(&app.pack, &plan, model, people, &mut |scored| outcomes.add(&scored));
    measured.extend(outcomes.finish());
    measured
}

/// Returns who came since, in the order in which they came, by which feeds, and how many others
/// these feeds are about.
fn newcomers(
    app: &App,
    baseline: &Baseline,
    request: &DriftRequest<'_>,
) -> Result<(Cohort, BTreeSet<i64>, u64), AppError> {
    let asked = request.feed.map(|feed| parse_feed(app, feed)).transpose()?;
    if let Some(feed) = &asked
        && (baseline.feeds.contains(&feed.id.0) || feed.state != FeedState::Admitted)
    {
        let attempt = format!("{} is not a feed that came since", feed_name(feed.id));
        return Err(AppError::refused("drift-feed", attempt)
            .hint("its events were there when the version was made, or do not count"));
    }
    let admitted: Vec<_> =
        app.store.feeds()?.into_iter().filter(|feed| feed.state == FeedState::Admitted).collect();
    let new: BTreeSet<i64> = admitted
        .iter()
        .filter(|feed| !baseline.feeds.contains(&feed.id.0))
        .filter(|feed| request.since.is_none_or(|since| since <= feed.ingested_at))
        .filter(|feed| asked.as_ref().is_none_or(|asked| asked.id == feed.id))
        .map(|feed| feed.id.0)
        .collect();
    let admitted: BTreeSet<i64> = admitted.iter().map(|feed| feed.id.0).collect();
    let everything = request.since.is_none() && asked.is_none();
    let own = cohorts(app, None)?;
    let (mut came, mut known_before) = (BTreeSet::new(), 0);
    let everybody: Vec<Subject> = subjects(&own).collect();
    let feeds = app.store.feeds_of_each(&everybody)?;
    for (subject, of) in everybody.into_iter().zip(feeds) {
        let of: BTreeSet<i64> = of.into_iter().map(|feed| feed.0).collect();
        let of: BTreeSet<i64> = of.intersection(&admitted).copied().collect();
        // Who is in no feed has live events only.
        let all_new = if of.is_empty() { everything } else { of.is_subset(&new) };
        if all_new {
            came.insert(subject);
        } else {
            known_before += u64::from(!of.is_disjoint(&new));
        }
    }
    Ok((in_order(&own, &came), new, known_before))
}

fn in_order(own: &[Cohort; 3], came: &BTreeSet<Subject>) -> Cohort {
    let [_, _, mut cohort] =
        regroup(own, &|subject| came.contains(&subject).then_some(Split::HeldOut));
    cohort.timelines.sort_by_key(|timeline| (timeline.start(), timeline.subject()));
    cohort
}

impl Baseline {
    /// Returns the feeds that there were when the version was made, by their numbers.
    pub(crate) fn feeds(&self) -> &BTreeSet<i64> {
        &self.feeds
    }

    /// Reads the baseline of a version, whose signature was checked.
    pub(crate) fn of(loaded: &LoadedModel) -> Result<Self, AppError> {
        let attempt = || format!("`{}` has no baseline to compare with", loaded.id);
        let bytes = loaded.documents.get(BASELINE_FILE).ok_or_else(|| {
            AppError::refused("drift-no-baseline", attempt())
                .hint("it was made by an older program: train a new version")
        })?;
        let damaged = |attempt| AppError::refused("drift-baseline", attempt);
        let read: Self = serde_json::from_slice(bytes)
            .map_err(|error| damaged("cannot read the baseline".to_owned()).because(error))?;
        let sound = read.version == BASELINE_VERSION
            && [read.cut_hours, read.horizon_hours].iter().all(|it| it.is_finite() && 0.0 < *it)
            && read.series.iter().all(BaselineSeries::is_sound);
        if sound { Ok(read) } else { Err(damaged("the baseline does not fit together".to_owned())) }
    }
}

/// Reads the keep's own parameters, or takes the shipped ones.
fn parameters(app: &App) -> Result<DriftParameters, AppError> {
    Parameters {
        shipped: DriftParameters::SHIPPED,
        unreadable: "drift-parameters-read",
        parse: DriftParameters::parse,
        code: DriftParametersError::code,
    }
    .read(&app.layout.drift())
}

fn line(app: &App, parameters: &DriftParameters, finding: Finding) -> DriftLine {
    let titles: BTreeMap<&str, &str> = app
        .pack
        .variables()
        .iter()
        .map(|variable| (variable.code.as_str(), variable.title.as_str()))
        .chain(app.pack.windows().iter().map(|it| (it.code.as_str(), it.title.as_str())))
        .collect();
    let title = titles.get(finding.code.as_str()).copied().unwrap_or(&finding.code).to_owned();
    DriftLine { title, says: says(parameters, &finding), finding }
}

/// What a finding means, with the figure that decided and its threshold.
fn says(parameters: &DriftParameters, found: &Finding) -> String {
    if found.verdict == Verdict::TooFew {
        return format!("too few people to judge: fewer than {}", parameters.people_min);
    }
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let mut parts = Vec::new();
    if let Some(it) = found.distribution {
        let beyond = it.psi - it.psi_by_chance;
        let [before, now] = found.means.unwrap_or_default().map(|mean| format!("{mean:.3}"));
        parts.push(format!("mean {before}, now {now}"));
        parts.push(format!("PSI {beyond:.2} beyond chance, KS {:.2}", it.ks));
    }
    match found.about {
        About::Input => {
            let [before, now] = found.missing.map(percent);
            parts.push(format!("{now} have none, before {before}"));
            parts.push(format!("decides {}", percent(found.weight)));
            let [psi, missing] = [parameters.input_shift, parameters.input_missing];
            parts.push(format!("alarm from PSI {psi} or {} missing on", percent(missing)));
        }
        About::Error | About::ExpectedError => {
            let sign = if found.weight < 0.0 { "lower" } else { "higher" };
            parts.push(format!("{} {sign}", percent(found.weight.abs())));
            parts.push(format!("alarm from {} higher on", percent(parameters.error_rise)));
        }
        About::Level => {
            if let Some([before, now]) = found.coverage_90.map(|shares| shares.map(percent)) {
                parts.push(format!("90 % intervals hold {now}, before {before}"));
                parts.push(format!("alarm from {} less on", percent(parameters.coverage_fall)));
            }
        }
        About::Forecast => {}
    }
    if let Some(after) = found.risen_after {
        parts.push(format!("rose after {after} people"));
    }
    parts.join("; ")
}

/// What a series is about, in words.
pub(crate) fn about(about: About) -> &'static str {
    match about {
        About::Input => "values",
        About::Forecast => "forecast",
        About::ExpectedError => "expected error",
        About::Error => "error",
        About::Level => "calibration",
    }
}

impl DriftLine {
    /// What the line is about, in words.
    pub fn about(&self) -> &'static str {
        about(self.finding.about)
    }
}

impl DriftReport {
    /// Says which feeds this is about.
    pub fn span(&self) -> String {
        match self.feeds.as_slice() {
            [] => "no feed came since".to_owned(),
            [one] => one.clone(),
            [first, .., last] => format!("{} feeds from {first} to {last}", self.feeds.len()),
        }
    }
}

/// The document of a version that holds its baseline.
pub(crate) const BASELINE_FILE: &str = "baseline.json";

const BASELINE_VERSION: u32 = 1;

/// Alarms that the ledger names: an entry is small.
const ALARMS_TOLD: usize = 10;
