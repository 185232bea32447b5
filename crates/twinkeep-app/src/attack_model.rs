//! Use case: attack a model version, to measure what it gives away, and keep the report beside it.
//!
//! # Life of an attack
//!
//! 1. The version is verified, and its model put together. It need not be in service.
//! 2. The people are those of its training: the splits must be the same, and the store must hold
//!    what it held, or members and strangers would be mixed up.
//! 3. `forecast::attack` trains shadows or students and measures; poisoning is planted and screened
//!    here, since screening is intake's.
//! 4. The report is signed, sealed, and recorded; [`limits`] says what of it is over the pack's
//!    limits, here and again whenever the version is to enter service.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use twinkeep_domain::{AttackKind, Cohort, Pack, Split};
use twinkeep_forecast::attack::{
    AttackError, AttackProgress, CanaryPlan, CanaryReport, ExtractionPlan, ExtractionReport,
    MembershipPlan, MembershipReport, SearchLevel, SearchPlan, canaries, extraction, membership,
    search,
};
use twinkeep_forecast::{Model, TrainConfig};
use twinkeep_ledger::{Activity, Class as EventClass};
use twinkeep_registry::{LoadedModel, VersionId};

use crate::evaluate_model::{EvaluateOn, Record};
use crate::given_splits::{GivenSplits, cohorts};
use crate::models::{parse_version, version_to_measure};
use crate::privacy_cost::NOISE_SOURCE;
use crate::time_text::rfc3339;
use crate::training_folder::data_digest;
use crate::{App, AppError, Caller, Progress};

mod limits;
mod poisoning;

pub use limits::OverLimit;
pub(crate) use limits::refuse_over_limits;
pub use poisoning::{PoisoningReport, PoisoningTrial};

/// What to attack, and how.
#[derive(Clone, Copy, Debug)]
pub struct AttackRequest<'a> {
    /// The version; by default, the one in service.
    pub model: Option<&'a str>,
    /// The attack.
    pub attack: Attack<'a>,
    /// The file of splits that the version was trained with, if it was trained with one.
    pub splits: Option<&'a Path>,
    /// Threads; the result does not depend on it.
    pub threads: Option<u32>,
    /// Start of the attacker's pseudo-random choices.
    pub seed: u64,
}

/// An attack, with its knobs.
#[derive(Clone, Copy, Debug)]
pub enum Attack<'a> {
    /// Who was in the training data?
    Membership {
        /// How many shadow models.
        shadow_count: usize,
        /// Fewest subjects in a leaf to try, each with shadows of its own; none to try nothing.
        search: &'a [usize],
        /// How many teachers to try with each of them.
        teachers: &'a [usize],
    },
    /// Can the model be copied by asking it?
    Extraction {
        /// How many answers a student gets, increasing.
        answer_counts: &'a [usize],
    },
    /// What do planted people and planted values do?
    Poisoning {
        /// How many canaries of each kind.
        canary_count: usize,
        /// Which poison; empty for the usual.
        kinds: &'a [String],
        /// Which shares of the rows or people are poisoned.
        rates: &'a [f64],
    },
}

impl Attack<'_> {
    fn kind(&self) -> AttackKind {
        match self {
            Self::Membership { .. } => AttackKind::Membership,
            Self::Extraction { .. } => AttackKind::Extraction,
            Self::Poisoning { .. } => AttackKind::Poisoning,
        }
    }
}

/// What an attack found; no personal data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttackReport {
    /// The form of this report: 1.
    pub version: u32,
    /// The model version.
    pub model: String,
    /// `membership`, `extraction`, or `poisoning`.
    pub attack: String,
    /// When it was run (RFC 3339).
    pub at: String,
    /// The attacker's seed.
    pub seed: u64,
    /// The program that ran it.
    pub program: String,
    /// Subjects that the version learned from, that it was tuned on, and that it never saw.
    pub subjects: [u64; 3],
    /// What membership inference found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub membership: Option<MembershipReport>,
    /// What other leaves would give, if that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<SearchLevel>,
    /// How well students repeat the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extraction: Option<ExtractionReport>,
    /// How well planted secrets are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canaries: Option<CanaryReport>,
    /// What planted poison does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poisoning: Option<PoisoningReport>,
    /// What is over the limits of the pack: the version does not enter service.
    #[serde(default)]
    pub over: Vec<OverLimit>,
}

/// Attacks a version.
pub fn attack_model(
    app: &App,
    caller: &Caller,
    request: &AttackRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<AttackReport, AppError> {
    let entry = app.entry(caller, EventClass::EntityManagement, Activity::Update, "model.attacked");
    let entry = entry.with("attack", request.attack.kind().name());
    let result = attack(app, caller, request, progress);
    let entry = match &result {
        Ok(report) => {
            let over: Vec<&str> = report.over.iter().map(|over| over.limit.as_str()).collect();
            entry.with("model", report.model.as_str()).with("over", over.join(" ").as_str())
        }
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

/// Returns the newest report of each attack on a version.
pub fn show_attacks(app: &App, version: &str) -> Result<Vec<AttackReport>, AppError> {
    Ok(reports(app, &parse_version(version)?)?.into_values().collect())
}

/// Returns the newest report of each attack, by its name.
fn reports(app: &App, id: &VersionId) -> Result<BTreeMap<String, AttackReport>, AppError> {
    let read = |(kind, bytes): (String, Vec<u8>)| {
        let report = serde_json::from_slice(&bytes).map_err(|error| {
            let attempt = format!("cannot read the report of the attack `{kind}` on `{id}`");
            AppError::refused("attack-report", attempt).because(error)
        })?;
        Ok((kind, report))
    };
    app.registry.attack_reports(id)?.into_iter().map(read).collect()
}

fn attack(
    app: &App,
    caller: &Caller,
    request: &AttackRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<AttackReport, AppError> {
    let id = version_to_measure(app, request.model)?;
    let loaded = app.registry.load_to_measure(&id).map_err(|error| app.distrust(&id, error))?;
    let target = Target::of(app, &loaded, request)?;
    let kind = request.attack.kind();
    let mut report = AttackReport {
        version: 1,
        model: id.to_string(),
        attack: kind.name().to_owned(),
        at: rfc3339(app.now()),
        seed: request.seed,
        program: format!("twinkeep {}", env!("CARGO_PKG_VERSION")),
        subjects: target.people.each_ref().map(|cohort| cohort.timelines.len() as u64),
        membership: None,
        search: Vec::new(),
        extraction: None,
        canaries: None,
        poisoning: None,
        over: Vec::new(),
    };
    target.run(request, &mut report, progress)?;
    report.over = limits::over(app.pack.privacy(), &report);
    let bytes = serde_json::to_vec(&report).map_err(|error| {
        AppError::environment("json", "cannot write the report of the attack").because(error)
    })?;
    app.registry.record_attack(&id, kind.name(), &bytes, &caller.id, app.now())?;
    app.remember_registry()?;
    Ok(report)
}

/// A model with the people of its training.
struct Target<'a> {
    pack: &'a Pack,
    model: Model,
    config: TrainConfig,
    /// Who taught it, who tuned it, and whom it never saw.
    people: [Cohort; 3],
}

impl<'a> Target<'a> {
    fn of(
        app: &'a App,
        loaded: &LoadedModel,
        request: &AttackRequest<'_>,
    ) -> Result<Self, AppError> {
        let model = app.model_of(loaded)?;
        let given = request.splits.map(|path| GivenSplits::read(app, path)).transpose()?;
        let record = Record::of(loaded);
        record.check_splits(given.as_ref(), EvaluateOn::Split(Split::HeldOut))?;
        let people = cohorts(app, given.as_ref())?;
        if record.data != Some(data_digest(&[&people[0], &people[1]])) {
            let attempt = "the store does not hold what the version was trained on any more";
            return Err(AppError::refused("attack-data-changed", attempt)
                .hint("train a new version, and attack that one before anything is ingested"));
        }
        let threads = request.threads.unwrap_or(app.settings.train.threads) as usize;
        let config = record.config.map(|config| TrainConfig {
            threads,
            noise_source: Some(NOISE_SOURCE),
            ..config
        });
        let config = config.ok_or_else(|| {
            AppError::refused("attack-record", "the version does not say how it was trained")
        })?;
        Ok(Self { pack: &app.pack, model, config, people })
    }

    fn run(
        &self,
        request: &AttackRequest<'_>,
        report: &mut AttackReport,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), AppError> {
        let seed = request.seed;
        match request.attack {
            Attack::Membership { shadow_count, search: leaf_subjects_min, teachers } => {
                let plan = self.membership_plan(shadow_count, seed);
                let wider = SearchPlan { membership: plan, teachers, leaf_subjects_min };
                let each = self.pack.targets().count() + self.pack.windows().len();
                let before = each * shadow_count;
                let total = (before + each * wider.training_count()) as u64;
                let shown = &mut |step: AttackProgress| {
                    progress(Progress { done: step.done as u64, total });
                };
                report.membership = Some(refused(membership(&plan, &self.model, shown))?);
                if 0 < wider.training_count() {
                    let shown = &mut |step: AttackProgress| {
                        progress(Progress { done: (before + step.done) as u64, total });
                    };
                    report.search = refused(search(&wider, shown))?;
                }
            }
            Attack::Extraction { answer_counts } => {
                let plan = ExtractionPlan {
                    pack: self.pack,
                    config: &self.config,
                    others: &self.people[2],
                    answer_counts,
                    seed,
                };
                let shown = &mut |step: AttackProgress| progress(of(step));
                report.extraction = Some(refused(extraction(&plan, &self.model, shown))?);
            }
            Attack::Poisoning { canary_count, kinds, rates } => {
                let plan = CanaryPlan {
                    pack: self.pack,
                    config: &self.config,
                    members: &self.people[0],
                    tuning: &self.people[1],
                    canary_count,
                    seed,
                };
                let shown = &mut |step: AttackProgress| progress(of(step));
                report.canaries = Some(refused(canaries(&plan, &self.model, shown))?);
                report.poisoning = Some(self.poison(kinds, rates, seed, progress)?);
            }
        }
        Ok(())
    }

    fn membership_plan(&self, shadow_count: usize, seed: u64) -> MembershipPlan<'_> {
        let [members, tuning, others] = &self.people;
        MembershipPlan {
            pack: self.pack,
            config: &self.config,
            members,
            others,
            tuning,
            shadow_count,
            seed,
        }
    }
}

fn of(step: AttackProgress) -> Progress {
    Progress { done: step.done as u64, total: step.total as u64 }
}

fn refused<T>(result: Result<T, AttackError>) -> Result<T, AppError> {
    result.map_err(|error| {
        AppError::refused(error.code(), "cannot attack the version").because(error)
    })
}
