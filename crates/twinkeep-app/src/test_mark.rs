//! Use case: find out whether a model was made of coarse answers, and whose they were.
//!
//! # Life of a test
//!
//! 1. The questions of [`crate::mark_questions`] are put to a suspect, by whoever can ask it.
//! 2. Its answers are compared with those of the version, by target and stretch of the last value.
//! 3. For each caller who ever got less, the directions in which their coarse answers were rounded
//!    are compared with what the suspect has beside the version, and so are 100,000 others that are
//!    drawn by chance. Holm's correction holds for all callers together.
//!
//! # Invariants
//!
//! - A suspect that learned nothing from a caller's answers is called marked with a chance of at most
//!   [`MARK_CHANCE`], for all callers together.
//! - Not shown means just that: few answers leave no mark, and neither do full ones. How many of the
//!   suspect's numbers are the version's to the last digit is counted.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use twinkeep_forecast::Model;
use twinkeep_ledger::{
    Activity, Class as EventClass, Detail, Entry, Found, Query, Severity, search,
};
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_watch::probe::{Compared, Departures, holm};

use crate::answer::ForecastAnswer;
use crate::answer_tiers::list_tiers;
use crate::mark_answers::Stretches;
use crate::mark_questions::{MARK_QUESTION_COUNT_MAX, MarkQuestion, population};
use crate::models::version_to_measure;
use crate::predict::{check_horizons, screened};
use crate::search_ledger::refused;
use crate::{App, AppError, Caller};

#[cfg(test)]
mod tests;

/// What to test.
#[derive(Clone, Copy, Debug)]
pub struct MarkTestRequest<'a> {
    /// Of which version it may be a copy; by default, of the one in service.
    pub model: Option<&'a str>,
    /// Whose answers; by default, those of everybody who ever got less.
    pub caller: Option<&'a str>,
    /// The questions, one a line.
    pub questions: &'a [u8],
    /// What the suspect answered, in the same order, one a line; `null` where it did not answer.
    pub answers: &'a [u8],
}

/// What a test found.
#[derive(Debug, Serialize)]
pub struct MarkReport {
    /// The version.
    pub model: String,
    /// How many questions there were.
    pub questions: usize,
    /// How many of them the suspect answered.
    pub answered: usize,
    /// How many numbers were compared.
    pub compared: u64,
    /// How many of them are the version's to the last digit.
    pub same: u64,
    /// In how many stretches of last values the others lie.
    pub stretches: usize,
    /// The digest of the answers.
    pub evidence: String,
    /// Under which other versions these callers were noticed: marks are others with each.
    pub other_versions: BTreeSet<String>,
    /// By caller, the clearest first.
    pub callers: Vec<MarkLine>,
}

/// What a test found about one caller.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MarkLine {
    /// Who.
    pub caller: String,
    /// Whether they ever got less, as far as the ledger knows.
    pub known: bool,
    /// How far the suspect lies in the directions of their answers, in deviations.
    pub statistic: f64,
    /// The chance of that, if the suspect has nothing to do with them.
    pub p_value: f64,
    /// The same, for all callers together.
    pub p_adjusted: f64,
    /// `marked`, or `not-shown`.
    pub verdict: &'static str,
}

/// What a suspect answered; whatever else it says does not matter.
#[derive(Deserialize)]
struct SuspectWire {
    targets: Vec<TargetWire>,
}

#[derive(Deserialize)]
struct TargetWire {
    code: String,
    #[serde(default)]
    points: Vec<PointWire>,
}

#[derive(Deserialize)]
struct PointWire {
    #[serde(default)]
    q50: Option<f32>,
    #[serde(default)]
    mean: Option<f32>,
}

/// Tests a suspect for the marks of callers.
pub fn test_mark(
    app: &App,
    caller: &Caller,
    request: &MarkTestRequest<'_>,
) -> Result<MarkReport, AppError> {
    let class = EventClass::DetectionFinding;
    let entry = app.entry(caller, class, Activity::Create, "probe.mark-tested");
    let result = test(app, request);
    let entry = match &result {
        Ok(report) => describe(entry, report),
        Err(_) => entry,
    };
    app.conclude(entry, result)
}

fn describe(entry: Entry, report: &MarkReport) -> Entry {
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let marked: Vec<&str> = report.marked().map(|line| line.caller.as_str()).collect();
    let severity = match (marked.is_empty(), report.compared < 2 * report.same) {
        (false, _) => Severity::High,
        (true, true) => Severity::Medium,
        (true, false) => Severity::Low,
    };
    // Only what is known to be a caller's name goes on record.
    let only = match report.callers.as_slice() {
        [only] if only.known => Some(only.caller.as_str()),
        _ => None,
    };
    let entry = entry
        .severity(severity)
        .with("model", report.model.as_str())
        .with("questions", number(report.questions))
        .with("answered", number(report.answered))
        .with("same", i64::try_from(report.same).unwrap_or(i64::MAX))
        .with("callers", number(report.callers.len()))
        .with("marked", number(marked.len()))
        .with("evidence", report.evidence.as_str());
    match marked.first().copied().or(only) {
        Some(caller) => entry.with("caller", caller),
        None => entry,
    }
}

impl MarkReport {
    /// Returns whose mark was found.
    pub fn marked(&self) -> impl Iterator<Item = &MarkLine> {
        self.callers.iter().filter(|line| line.verdict == MARKED)
    }
}

fn test(app: &App, request: &MarkTestRequest<'_>) -> Result<MarkReport, AppError> {
    let questions: Vec<MarkQuestion> = lines("mark-questions", "questions", request.questions)?;
    let answers: Vec<Option<SuspectWire>> = lines("mark-answers", "answers", request.answers)?;
    if questions.len() != answers.len() {
        let attempt = format!("{} questions have {} answers", questions.len(), answers.len());
        return Err(AppError::usage("mark-counts", attempt)
            .hint("one line for each question, in the same order, `null` where there is none"));
    }
    let Tested { callers, versions } = tested(app, request)?;
    let id = version_to_measure(app, request.model)?;
    let loaded = app.registry.load_to_measure(&id).map_err(|error| app.distrust(&id, error))?;
    let stretches = Stretches::of(&app.pack, &population(&app.pack, &loaded)?);
    let model = app.model_of(&loaded)?;
    let mut compared = Vec::new();
    for (number, (question, answer)) in questions.iter().zip(&answers).enumerate() {
        if let Some(answer) = answer {
            let own = own_answer(app, &model, question).map_err(|error| {
                let attempt = format!("cannot ask question {} of the version", number + 1);
                AppError::usage("mark-questions", attempt).because(error)
            })?;
            compare(app, &stretches, &own, answer, &mut compared);
        }
    }
    let departures = Departures::of(&compared);
    if departures.stretches() < STRETCH_COUNT_MIN && departures.same() < SAME_COUNT_MIN {
        let attempt = format!(
            "answers can be compared in {} stretches of last values, and {STRETCH_COUNT_MIN} are \
             the fewest that can show a mark",
            departures.stretches(),
        );
        return Err(AppError::refused("mark-too-few", attempt)
            .hint("ask more questions; only targets with a value at a moment are marked"));
    }
    let evidence = to_hex(&sha256(request.answers));
    Ok(MarkReport {
        callers: judge(app, id.as_str(), &evidence, &departures, callers),
        other_versions: versions.into_iter().filter(|it| it != id.as_str()).collect(),
        model: id.to_string(),
        questions: questions.len(),
        answered: answers.iter().flatten().count(),
        compared: departures.answers(),
        same: departures.same(),
        stretches: departures.stretches(),
        evidence: format!("sha256:{evidence}"),
    })
}

fn judge(
    app: &App,
    version: &str,
    evidence: &str,
    departures: &Departures,
    callers: BTreeMap<String, bool>,
) -> Vec<MarkLine> {
    let draws = app.mark_draws(evidence);
    let found: Vec<_> = callers
        .into_iter()
        .map(|(caller, known)| {
            let test = departures.test(&app.answer_mark(&caller, version), &draws);
            (caller, known, test)
        })
        .collect();
    let adjusted = holm(&found.iter().map(|(_, _, test)| test.p_value).collect::<Vec<_>>());
    let line = |((caller, known, test), p_adjusted): ((String, bool, _), f64)| {
        let twinkeep_watch::probe::MarkTest { statistic, p_value } = test;
        let verdict = if p_adjusted < MARK_CHANCE { MARKED } else { NOT_SHOWN };
        MarkLine { caller, known, statistic, p_value, p_adjusted, verdict }
    };
    let mut lines: Vec<MarkLine> = found.into_iter().zip(adjusted).map(line).collect();
    lines.sort_by(|one, other| one.p_value.total_cmp(&other.p_value));
    lines
}

/// Whose marks are tested for.
struct Tested {
    /// By name, whether they ever got less, as far as the ledger knows.
    callers: BTreeMap<String, bool>,
    /// Under which versions they were noticed.
    versions: BTreeSet<String>,
}

fn tested(app: &App, request: &MarkTestRequest<'_>) -> Result<Tested, AppError> {
    let query = Query { action: Some("probing.detected".to_owned()), ..Query::default() };
    let index = app.layout.ledger_index();
    let found = search(&app.ledger_view()?, Some(&index), &query, ALARM_COUNT_MAX);
    let (mut known, mut versions) = (BTreeSet::new(), BTreeSet::new());
    for Found { entry, .. } in found.map_err(refused)? {
        // Who was noticed where alarms do nothing got full answers.
        let (Some(caller), Some(_)) = (text(&entry, "caller"), text(&entry, "tier")) else {
            continue;
        };
        known.insert(caller.to_owned());
        if request.caller.is_none_or(|asked| asked == caller) {
            versions.extend(text(&entry, "model").map(str::to_owned));
        }
    }
    known.extend(list_tiers(app)?.into_iter().map(|line| line.caller));
    let callers: BTreeMap<String, bool> = match request.caller {
        Some(caller) => BTreeMap::from([(caller.to_owned(), known.contains(caller))]),
        None => known.into_iter().map(|caller| (caller, true)).collect(),
    };
    if callers.is_empty() {
        let attempt = "nobody ever got coarser answers, so that there is no mark to be found";
        return Err(AppError::refused("mark-nobody", attempt)
            .hint("`--caller` tests for one that the ledger does not have any more"));
    }
    Ok(Tested { callers, versions })
}

fn text<'a>(entry: &'a Entry, name: &str) -> Option<&'a str> {
    match entry.details.get(name) {
        Some(Detail::Text(text)) => Some(text.as_str()),
        _ => None,
    }
}

fn own_answer(
    app: &App,
    model: &Model,
    question: &MarkQuestion,
) -> Result<ForecastAnswer, AppError> {
    let request = question.request();
    let horizons = check_horizons(&app.pack, &request.horizons_hours)?;
    let history = screened(&app.pack, &request)?;
    let forecast = model.forecast(&history.state, history.prediction_time, &horizons);
    Ok(ForecastAnswer::new(&app.pack, "", None, &forecast))
}

/// Puts the suspect's numbers beside the version's, at the last horizon of each target.
fn compare(
    app: &App,
    stretches: &Stretches,
    own: &ForecastAnswer,
    suspect: &SuspectWire,
    compared: &mut Vec<Compared>,
) {
    for target in &own.targets {
        let stretch = stretches.find(&app.pack, target);
        let theirs = suspect.targets.iter().find(|theirs| theirs.code == target.code);
        let theirs = theirs.and_then(|theirs| theirs.points.last());
        let (Some(stretch), Some(own), Some(theirs)) = (stretch, target.points.last(), theirs)
        else {
            continue;
        };
        let pair = match (theirs.q50, theirs.mean) {
            (Some(suspect), _) => Some((own.q50, suspect)),
            (None, Some(suspect)) => Some((own.mean, suspect)),
            (None, None) => None,
        };
        compared.extend(pair.map(|(own, suspect)| Compared { stretch, own, suspect }));
    }
}

/// Reads one JSON value a line.
fn lines<T: serde::de::DeserializeOwned>(
    code: &'static str,
    what: &str,
    bytes: &[u8],
) -> Result<Vec<T>, AppError> {
    let mut read = Vec::new();
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        if MARK_QUESTION_COUNT_MAX as usize <= read.len() {
            let attempt = format!("the {what} have more than {MARK_QUESTION_COUNT_MAX} lines");
            return Err(AppError::usage(code, attempt));
        }
        read.push(serde_json::from_slice(line).map_err(|error| {
            // What the parser says may quote what is there.
            let attempt = format!("cannot read line {} of the {what}", number + 1);
            AppError::usage(code, attempt).hint(match error.is_eof() {
                true => "the line ends early",
                false => {
                    "each line is one JSON object, as `probe questions` and the API write them"
                }
            })
        })?);
    }
    Ok(read)
}

/// With which chance anybody may be named wrongly.
pub const MARK_CHANCE: f64 = 0.001;

const MARKED: &str = "marked";

const NOT_SHOWN: &str = "not-shown";

/// Of twenty, hardly one secret in a million agrees in all.
const STRETCH_COUNT_MIN: usize = 20;

/// So many numbers that are the version's own say something by themselves.
const SAME_COUNT_MIN: u64 = 20;

const ALARM_COUNT_MAX: usize = 100_000;
