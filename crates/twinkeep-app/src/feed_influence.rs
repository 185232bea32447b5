//! Use case: see what each feed, or each sender, does to the errors of models.
//!
//! # Life of a measurement
//!
//! 1. A model is learned from everybody; and for each feed one without the people whom the feed is
//!    about, as an incident that holds the feed would have it, and one without as many others, drawn
//!    by lot.
//! 2. All are measured on held-out people. What a feed does to a target is the difference of errors on
//!    the people whom the feed is not about, paired by person.
//! 3. The lots say how much another model differs by chance; `watch::poisoning` judges all feeds and
//!    targets together.
//! 4. A feed that makes a target worse is reported as a detection.
//!
//! # Invariants
//!
//! - What is learned here is never kept. So it is learned without the teachers and the noise that
//!   protect people from those who ask a model, and takes less time; figures are of groups.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use twinkeep_domain::{Cohort, Pack, Split, Subject, Variable};
use twinkeep_forecast::{Errors, EvaluationPlan, TrainConfig, train};
use twinkeep_ledger::{Activity, Class as EventClass, Entry, Severity as EntrySeverity};
use twinkeep_vault::digest::hmac_sha256;
use twinkeep_watch::poisoning::{
    Influence, InfluenceParameters, InfluenceVerdict, LeftOut, dispersion, judge_influence,
};
use twinkeep_watch::{Detection, Detector, Severity, Target};

use crate::given_splits::{GivenSplits, cohorts, regroup};
use crate::incidents::detected;
use crate::privacy_cost::protected;
use crate::train_model::without_held_feeds;
use crate::{App, AppError, Caller, Progress, report_detection};

mod sources;

use sources::{Source, sources};

/// Whose influence, and on what.
#[derive(Clone, Copy, Debug)]
pub struct InfluenceRequest<'a> {
    /// What is left out.
    pub by: InfluenceBy,
    /// Only these feeds or senders; by default, all.
    pub only: &'a [String],
    /// Only these targets, by their codes; by default, all that are about a value.
    pub targets: &'a [String],
    /// The file of splits that models are trained with, if they are trained with one.
    pub splits: Option<&'a Path>,
    /// The seed of all trainings; by default, that of the configuration.
    pub seed: Option<u64>,
    /// Threads; the result does not depend on it.
    pub threads: Option<u32>,
}

/// What is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InfluenceBy {
    /// One feed after the other.
    Feed,
    /// All feeds of one sender after the other; plain feeds by their site.
    Sender,
}

/// What feeds do to errors; no personal data.
#[derive(Debug, Serialize)]
pub struct InfluenceReport {
    /// What was left out.
    pub by: InfluenceBy,
    /// People whom models were learned from.
    pub learned_from: u64,
    /// How many models were learned.
    pub trainings: u64,
    /// By how many times chance is larger than people explain, because models differ.
    pub dispersion: f64,
    /// Each feed or sender that was left out.
    pub sources: Vec<SourceInfluence>,
    /// Those that were not, because of too few people, or too many.
    pub skipped: Vec<SkippedSource>,
}

/// What a feed or a sender does.
#[derive(Debug, Serialize)]
pub struct SourceInfluence {
    /// Its name.
    pub name: String,
    /// People whom it is about, of those whom models were learned from.
    pub people: u64,
    /// Those whom it is not about, of the held-out ones.
    pub measured_on: u64,
    /// By target.
    pub targets: Vec<TargetInfluence>,
}

/// What a feed or a sender does to one target.
#[derive(Debug, Serialize)]
pub struct TargetInfluence {
    /// The code.
    pub code: String,
    /// What people call it.
    pub title: String,
    /// The figures.
    #[serde(flatten)]
    pub influence: Influence,
}

/// A feed or a sender of which nothing can be said.
#[derive(Debug, Serialize)]
pub struct SkippedSource {
    /// Its name.
    pub name: String,
    /// People whom it is about, of those whom models were learned from.
    pub people: u64,
    /// `too-few`, or `too-many`.
    pub why: &'static str,
}

impl InfluenceReport {
    /// Returns each harm: by which feed or sender, and to which target.
    pub fn harms(&self) -> impl Iterator<Item = (&SourceInfluence, &TargetInfluence)> {
        let pairs = |source| move |target| (source, target);
        let all = self.sources.iter().flat_map(move |it| it.targets.iter().map(pairs(it)));
        all.filter(|(_, target)| target.influence.verdict == InfluenceVerdict::Harms)
    }
}

/// Learns with and without, and compares; that a feed harms is a report, not a refusal.
pub fn feed_influence(
    app: &App,
    caller: &Caller,
    request: &InfluenceRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<InfluenceReport, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Read, "feed.influence");
    let result = measure(app, request, progress);
    let entry = match &result {
        Ok((report, _)) => describe(entry, report),
        Err(_) => entry,
    };
    let (report, harmful) = app.conclude(entry, result)?;
    for found in harmful {
        report_detection(app, &found)?;
    }
    Ok(report)
}

fn describe(entry: Entry, report: &InfluenceReport) -> Entry {
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let harms: Vec<String> = report
        .harms()
        .take(HARMS_TOLD)
        .map(|(source, target)| format!("{} harms {}", source.name, target.code))
        .collect();
    let severity =
        if harms.is_empty() { EntrySeverity::Informational } else { EntrySeverity::High };
    entry
        .severity(severity)
        .with("left_out", number(report.sources.len()))
        .with("skipped", number(report.skipped.len()))
        .with("harms", number(report.harms().count()))
        .with("harms_of", harms.join(", ").as_str())
}

fn measure(
    app: &App,
    request: &InfluenceRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(InfluenceReport, Vec<Detection>), AppError> {
    let parameters = app.poisoning_parameters()?.influence;
    let pack = pack_of(&app.pack, request.targets)?;
    let given = request.splits.map(|path| GivenSplits::read(app, path)).transpose()?;
    let own = without_held_feeds(app, cohorts(app, given.as_ref())?)?;
    let all = sources(app, request, &own)?;
    let (judged, skipped) = enough(&parameters, all, &own)?;
    let config = TrainConfig {
        seed: request.seed.unwrap_or(app.settings.train.seed),
        threads: request.threads.unwrap_or(app.settings.train.threads) as usize,
        ..TrainConfig::default()
    };
    let config = TrainConfig { teachers: 0, noise: None, ..protected(&pack, config, None)? };
    let controls = controls(&parameters, judged.len());
    let total = 1 + judged.len() as u64 + controls;
    let mut trial = Trial { pack: &pack, config: &config, own: &own, done: 0, total, progress };
    let with = trial.errors(&BTreeSet::new())?;
    let mut lots = Vec::new();
    for (at, of) in judged.iter().cycle().take(controls as usize).enumerate() {
        let without = trial.errors(&by_lot(app, &own, of, at))?;
        let added = with.beyond(&without, &|_| true).by_target;
        lots.extend(added.into_values().map(|added| LeftOut { added }));
    }
    let without: Result<Vec<Errors>, AppError> =
        judged.iter().map(|source| trial.errors(&source.people)).collect();
    let dispersion = dispersion(&parameters, &lots);
    let bench = Bench { parameters, dispersion, with, without: without?, judged: &judged };
    let mut sources: Vec<SourceInfluence> = judged.iter().map(|it| it.report(&own)).collect();
    for (at, code, influence) in bench.judge() {
        let variable = pack.find(&code).and_then(|at| pack.variables().get(at));
        let title = variable.map_or_else(|| code.clone(), |variable| variable.title.clone());
        sources[at].targets.push(TargetInfluence { code, title, influence });
    }
    let learned_from = (own[0].timelines.len() + own[1].timelines.len()) as u64;
    let report = InfluenceReport {
        by: request.by,
        learned_from,
        trainings: total,
        dispersion,
        sources,
        skipped,
    };
    let harmful = detections(app, &report, &judged);
    Ok((report, harmful))
}

/// Models that were learned with and without, and what is to be compared.
struct Bench<'a> {
    parameters: InfluenceParameters,
    dispersion: f64,
    with: Errors,
    without: Vec<Errors>,
    judged: &'a [Source],
}

impl Bench<'_> {
    /// Judges everything that was left out; returns which, the target, and what it does to it.
    ///
    /// Poison flatters on the people it came with: on these, a feed that contradicts it harms. So
    /// those that are suspected are judged again, on people who are of none of them.
    fn judge(&self) -> Vec<(usize, String, Influence)> {
        let everybody: Vec<usize> = (0..self.judged.len()).collect();
        let mut found =
            self.judge_on(&everybody, &|at, subject| !self.judged[at].people.contains(&subject));
        let harms = |it: &&(usize, String, Influence)| it.2.verdict == InfluenceVerdict::Harms;
        let suspects: BTreeSet<usize> = found.iter().filter(harms).map(|it| it.0).collect();
        if suspects.len() < 2 {
            return found;
        }
        let of_none = |_: usize, subject: Subject| {
            !suspects.iter().any(|at| self.judged[*at].people.contains(&subject))
        };
        let order: Vec<usize> = suspects.iter().copied().collect();
        for (at, code, again) in self.judge_on(&order, &of_none) {
            let same = |it: &&mut (usize, String, Influence)| it.0 == at && it.1 == code;
            let Some((_, _, first)) = found.iter_mut().find(same) else { continue };
            if first.verdict != InfluenceVerdict::Harms {
                continue;
            }
            match again.verdict {
                InfluenceVerdict::TooFew => first.verdict = InfluenceVerdict::Disputed,
                _ => *first = again,
            }
        }
        // A target of which nobody is left who has a value was not judged again.
        let seen = |errors: &Errors, code: &str| {
            self.with.beyond(errors, &|subject| of_none(0, subject)).by_target.contains_key(code)
        };
        for (at, code, influence) in &mut found {
            let harms = influence.verdict == InfluenceVerdict::Harms;
            if harms && !seen(&self.without[*at], code) {
                influence.verdict = InfluenceVerdict::Disputed;
            }
        }
        found
    }

    fn judge_on(
        &self,
        which: &[usize],
        counts: &dyn Fn(usize, Subject) -> bool,
    ) -> Vec<(usize, String, Influence)> {
        let (mut places, mut trials) = (Vec::new(), Vec::new());
        for &at in which {
            let added = self.with.beyond(&self.without[at], &|subject| counts(at, subject));
            for (code, added) in added.by_target {
                places.push((at, code));
                trials.push(LeftOut { added });
            }
        }
        let found = judge_influence(&self.parameters, self.dispersion, &trials);
        places.into_iter().zip(found).map(|((at, code), found)| (at, code, found)).collect()
    }
}

/// At least one for each that is left out, and as many as the parameters ask for.
fn controls(parameters: &InfluenceParameters, sources: usize) -> u64 {
    parameters.controls_min.max(sources as u64)
}

/// Parts sources that can be judged from those about too few or too many people.
fn enough(
    parameters: &InfluenceParameters,
    all: Vec<Source>,
    own: &[Cohort; 3],
) -> Result<(Vec<Source>, Vec<SkippedSource>), AppError> {
    let most = (own[0].timelines.len() + own[1].timelines.len()) as f64 * parameters.share_max;
    let (mut judged, mut skipped) = (Vec::new(), Vec::new());
    for source in all {
        let people = source.learned(own);
        let why = match people {
            _ if people < parameters.people_min => Some("too-few"),
            _ if most < people as f64 => Some("too-many"),
            _ => None,
        };
        match why {
            Some(why) => skipped.push(SkippedSource { name: source.name, people, why }),
            None => judged.push(source),
        }
    }
    if judged.is_empty() {
        let attempt = "there is nothing to leave out: each is about too few people, or too many";
        return Err(AppError::refused("influence-people", attempt)
            .hint("`poisoning.toml` says how many there must be; `--by` says what is left out"));
    }
    if SOURCE_COUNT_MAX < judged.len() {
        let attempt = format!(
            "there are {} to leave out, and each takes two trainings; the most are {}",
            judged.len(),
            SOURCE_COUNT_MAX
        );
        return Err(AppError::usage("influence-many", attempt)
            .hint("name some with `--only`, or leave out whole senders with `--by sender`"));
    }
    Ok((judged, skipped))
}

/// Returns as many people as a source is about, of those whom models are learned from: the same each
/// time, and others in each lot.
fn by_lot(app: &App, own: &[Cohort; 3], of: &Source, lot: usize) -> BTreeSet<Subject> {
    let mut drawn: Vec<([u8; 32], Subject)> = own[..2]
        .iter()
        .flat_map(|cohort| &cohort.timelines)
        .map(|timeline| {
            let subject = timeline.subject();
            let number = subject.reveal().to_be_bytes();
            let text = [b"influence\0".as_slice(), &lot.to_be_bytes(), &number].concat();
            (hmac_sha256(app.access_key(), &text), subject)
        })
        .collect();
    drawn.sort_by_key(|(digest, _)| *digest);
    let count = of.learned(own) as usize;
    drawn.into_iter().take(count).map(|(_, subject)| subject).collect()
}

/// Returns the pack with only these targets.
fn pack_of(pack: &Pack, asked: &[String]) -> Result<Pack, AppError> {
    let known = |code: &str| pack.targets().any(|(_, target)| target.code.as_str() == code);
    if let Some(unknown) = asked.iter().find(|code| !known(code)) {
        let attempt = format!("the pack has no target `{unknown}` about a value");
        let all: Vec<&str> = pack.targets().map(|(_, target)| target.code.as_str()).collect();
        return Err(AppError::usage("target-unknown", attempt)
            .hint(format!("there are: {}", all.join(", "))));
    }
    let wanted = |code: &str| asked.is_empty() || asked.iter().any(|asked| asked == code);
    let variables = pack.variables().iter().map(|variable| Variable {
        target: variable.target && wanted(variable.code.as_str()),
        ..variable.clone()
    });
    let (name, title) = (pack.name().to_owned(), pack.title().to_owned());
    let (words, plan) = (pack.words().clone(), pack.forecast().clone());
    let chosen = Pack::new(name, title, pack.version(), words, variables.collect(), plan);
    let chosen = chosen.map_err(|error| {
        AppError::refused("influence-pack", "cannot take these targets of the pack").because(error)
    })?;
    if chosen.targets().next().is_none() {
        let attempt = "the pack has no target about a value, and errors of others are not compared";
        return Err(AppError::refused("influence-targets", attempt));
    }
    Ok(chosen)
}

/// Learns from some, and measures on all who are held out.
struct Trial<'a> {
    pack: &'a Pack,
    config: &'a TrainConfig,
    own: &'a [Cohort; 3],
    done: u64,
    total: u64,
    progress: &'a mut dyn FnMut(Progress),
}

impl Trial<'_> {
    fn errors(&mut self, left_out: &BTreeSet<Subject>) -> Result<Errors, AppError> {
        let splits: BTreeMap<Subject, Split> = self
            .own
            .iter()
            .zip(Split::ALL)
            .flat_map(|(cohort, split)| {
                cohort.timelines.iter().map(move |timeline| (timeline.subject(), split))
            })
            .filter(|(subject, split)| *split == Split::HeldOut || !left_out.contains(subject))
            .collect();
        let [training, tuning, held_out] =
            regroup(self.own, &|subject| splits.get(&subject).copied());
        let targets = self.pack.targets().count().max(1) as u64;
        let (done, total, progress) = (self.done, self.total, &mut self.progress);
        let model = train(self.pack, self.config, &training, &tuning, &mut |step| {
            let done = done * targets + (step.done_count as u64).min(targets);
            progress(Progress { done, total: total * targets });
        });
        self.done += 1;
        let model = model
            .map_err(|error| AppError::refused(error.code(), "cannot train").because(error))?;
        Ok(Errors::of(self.pack, &EvaluationPlan::of(self.pack), &model, &held_out))
    }
}

/// A feed that makes forecasts worse is held until somebody has looked at it; of a sender with many,
/// the newest.
fn detections(app: &App, report: &InfluenceReport, judged: &[Source]) -> Vec<Detection> {
    let mut found = Vec::new();
    for (source, of) in report.sources.iter().zip(judged) {
        let harmed: Vec<&TargetInfluence> = source
            .targets
            .iter()
            .filter(|target| target.influence.verdict == InfluenceVerdict::Harms)
            .collect();
        let Some(worst) =
            harmed.iter().max_by(|a, b| a.influence.adds.mean.total_cmp(&b.influence.adds.mean))
        else {
            continue;
        };
        let says = format!(
            "{} makes forecasts of {} targets worse, most of {}: its error is larger by {:.1} % of \
             carry-forward's than without",
            source.name,
            harmed.len(),
            worst.code,
            100.0 * worst.influence.adds.mean,
        );
        for feed in of.feeds.iter().rev().take(FEEDS_TOLD) {
            let target = Target::Feed(feed.clone());
            let mut detection =
                detected(app, Detector::FeedPoisoning, target, Severity::Low, &says);
            detection.figures =
                harmed.iter().map(|it| (it.code.clone(), it.influence.adds.mean)).collect();
            found.push(detection);
        }
    }
    found
}

/// Harms that the ledger names: an entry is small.
const HARMS_TOLD: usize = 10;

/// Feeds of one sender that are reported: as many as one incident holds.
const FEEDS_TOLD: usize = 10;

/// A hundred trainings are a night.
const SOURCE_COUNT_MAX: usize = 50;
