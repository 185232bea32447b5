//! The record of one incident: what was found, and the journal of what was done about it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Measure, OnFailure};
use crate::{Detection, Detector, Severity, Target};

/// What was there before an action, by name: what undoing it needs.
pub type Before = BTreeMap<String, String>;

/// An incident, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// Who found it.
    pub detector: Detector,
    /// The detector that a drill rehearses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearses: Option<Detector>,
    /// What it is about.
    pub target: Target,
    /// The worst that was said of it.
    pub severity: Severity,
    /// When it began, as far as is known.
    pub began_us: i64,
    /// When the keep became aware of it: from here on the clocks of the law run.
    pub aware_us: i64,
    /// When it was reported last.
    pub last_us: i64,
    /// How often it was reported.
    pub count: u64,
    /// What was said of it last.
    pub says: String,
    /// What was measured last, by name.
    pub figures: BTreeMap<String, f64>,
    /// Digests of what proves it, by name.
    pub evidence: BTreeMap<String, String>,
    /// Keyed references of people concerned, as far as they are kept.
    pub subjects: BTreeSet<String>,
    /// How many more people are concerned than are named.
    pub subjects_more: u64,
    /// Model versions concerned.
    pub models: BTreeSet<String>,
    /// How many people each of them learned from, as far as that can be read: whoever has a copy of
    /// a version has what it knows of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub training_subjects: BTreeMap<String, u64>,
    /// The playbook that was chosen.
    pub playbook: Option<String>,
    /// The entry of the ledger that says that it was opened.
    pub entry: Option<u64>,
    /// What was done, is being done, and is to be done, in order.
    pub steps: Vec<Step>,
    /// What people wrote.
    pub notes: Vec<Note>,
    /// When all of the playbook was done.
    pub contained_us: Option<i64>,
    /// When somebody said that they look after it.
    pub acknowledged_us: Option<i64>,
    /// When it was closed.
    pub closed_us: Option<i64>,
}

/// How far an incident has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Something is wrong, and not all is done about it.
    Open,
    /// What the playbook says is done, and holds.
    Contained,
    /// Somebody looks after it.
    Acknowledged,
    /// It is over.
    Closed,
}

/// One action of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What is done, and to what.
    #[serde(flatten)]
    pub measure: Measure,
    /// How far it has come.
    pub state: StepState,
    /// What follows if it fails.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// What was there before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub before: Before,
    /// The exact commands, where it is done on the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// When the state was reached.
    pub at_us: i64,
    /// Why it failed or was left out: a permanent code; empty, if neither.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// What came of it, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
    /// When it failed, even if what may have been done of it was undone since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_us: Option<i64>,
}

/// How far an action has come. It only goes down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// It is to be done.
    Planned,
    /// It may have been done: what was there before is on record.
    Intended,
    /// It is not to be done.
    Skipped,
    /// It did not succeed.
    Failed,
    /// It is done.
    Done,
    /// It may have been undone.
    Undoing,
    /// It cannot be undone, and stays.
    Kept,
    /// It is undone.
    Undone,
}

/// What somebody wrote about an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// When.
    pub at_us: i64,
    /// Who, as the ledger calls them.
    pub by: String,
    /// What part of the report to a regulator it belongs to, if to any.
    pub about: About,
    /// In their words.
    pub text: String,
}

/// What a note is about: the parts of GDPR art. 33(3), or nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// A note for whoever looks after it.
    General,
    /// Whether it is a breach of personal data, and of what kind: art. 33(3)(a).
    Nature,
    /// Which kinds of people, and about how many: art. 33(3)(a).
    Subjects,
    /// Which kinds of records, and about how many: art. 33(3)(a).
    Records,
    /// Who can be asked: art. 33(3)(b).
    Contact,
    /// What it is likely to lead to: art. 33(3)(c).
    Consequences,
    /// What was done, and what is intended: art. 33(3)(d).
    Measures,
    /// Why somebody was told later than the law says: art. 33(1).
    Delay,
}

impl About {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::General,
        Self::Nature,
        Self::Subjects,
        Self::Records,
        Self::Contact,
        Self::Consequences,
        Self::Measures,
        Self::Delay,
    ];

    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Nature => "nature",
            Self::Subjects => "subjects",
            Self::Records => "records",
            Self::Contact => "contact",
            Self::Consequences => "consequences",
            Self::Measures => "measures",
            Self::Delay => "delay",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|about| about.name() == name)
    }
}

impl State {
    /// Returns the name on the command line and in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Contained => "contained",
            Self::Acknowledged => "acknowledged",
            Self::Closed => "closed",
        }
    }
}

impl Step {
    /// Returns whether it did not succeed, whatever became of it since.
    pub fn has_failed(&self) -> bool {
        self.state == StepState::Failed || self.failed_us.is_some()
    }
}

impl StepState {
    /// Returns the name that people read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Intended => "intended",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Done => "done",
            Self::Undoing => "undoing",
            Self::Kept => "kept",
            Self::Undone => "undone",
        }
    }

    /// Returns whether whoever finds it so has to go on with it.
    pub fn is_pending(self) -> bool {
        matches!(self, Self::Planned | Self::Intended | Self::Undoing)
    }
}

impl Incident {
    /// Opens one.
    pub fn open(detection: &Detection, now_us: i64) -> Self {
        let mut opened = Self {
            detector: detection.detector,
            rehearses: None,
            target: detection.target.clone(),
            severity: detection.severity,
            began_us: detection.began_us.min(now_us),
            aware_us: now_us,
            last_us: now_us,
            count: 0,
            says: String::new(),
            figures: BTreeMap::new(),
            evidence: BTreeMap::new(),
            subjects: BTreeSet::new(),
            subjects_more: 0,
            models: BTreeSet::new(),
            training_subjects: BTreeMap::new(),
            playbook: None,
            entry: None,
            steps: Vec::new(),
            notes: Vec::new(),
            contained_us: None,
            acknowledged_us: None,
            closed_us: None,
        };
        if let Target::Model(model) = &detection.target {
            opened.models.insert(plain(model, NAME_LEN_MAX));
        }
        opened.extend(detection, now_us);
        opened
    }

    /// Returns whether this is the open incident of what was detected, or of what a drill rehearses.
    pub fn is_of(&self, detection: &Detection, rehearses: Option<Detector>) -> bool {
        self.closed_us.is_none()
            && self.rehearses == rehearses
            && self.detector == detection.detector
            && self.target == detection.target
    }

    /// Adds what was detected again: only so much that a detector gone wild fills nothing.
    pub fn extend(&mut self, detection: &Detection, now_us: i64) {
        self.severity = self.severity.max(detection.severity);
        self.began_us = self.began_us.min(detection.began_us);
        self.last_us = self.last_us.max(now_us);
        self.count = self.count.saturating_add(1);
        self.says = plain(&detection.says, SAYS_LEN_MAX);
        for (name, figure) in &detection.figures {
            let room = self.figures.len() < FIGURE_COUNT_MAX || self.figures.contains_key(name);
            // JSON has no other numbers.
            if room && figure.is_finite() {
                self.figures.insert(plain(name, NAME_LEN_MAX), *figure);
            }
        }
        for (name, digest) in &detection.evidence {
            if self.evidence.len() < EVIDENCE_COUNT_MAX || self.evidence.contains_key(name) {
                self.evidence.insert(plain(name, NAME_LEN_MAX), plain(digest, NAME_LEN_MAX));
            }
        }
        self.add_subjects(detection.subjects.iter().cloned());
    }

    /// Adds people who are concerned.
    pub fn add_subjects(&mut self, subjects: impl IntoIterator<Item = String>) {
        let mut more = 0_u64;
        for subject in subjects {
            if self.subjects.len() < SUBJECT_COUNT_MAX {
                self.subjects.insert(plain(&subject, NAME_LEN_MAX));
            } else if !self.subjects.contains(&subject) {
                more = more.saturating_add(1);
            }
        }
        // Whoever is reported again, or by the ledger as well, is one person all the same.
        self.subjects_more = self.subjects_more.max(more);
    }

    /// Returns how far it has come.
    pub fn state(&self) -> State {
        match self {
            Self { closed_us: Some(_), .. } => State::Closed,
            Self { acknowledged_us: Some(_), .. } => State::Acknowledged,
            Self { contained_us: Some(_), .. } if !self.is_undone() => State::Contained,
            _ => State::Open,
        }
    }

    /// Returns the first step that somebody has to go on with.
    pub fn pending(&self) -> Option<usize> {
        self.steps.iter().position(|step| step.state.is_pending())
    }

    /// Settles whether all is done that the playbook says, once nothing is pending.
    pub fn settle(&mut self, now_us: i64) {
        let done = self.steps.iter().any(|step| step.state == StepState::Done);
        let whole = done && !self.lacks_what_failed() && !self.is_cut_short();
        if self.contained_us.is_none() && self.pending().is_none() && whole {
            self.contained_us = Some(now_us);
        }
    }

    /// Returns whether something that contains did not succeed, and nobody did it since.
    pub fn lacks_what_failed(&self) -> bool {
        let failed = |step: &Step| step.has_failed() && step.measure.action.contains();
        self.steps.iter().any(|step| failed(step) && !self.has_done(&step.measure))
    }

    /// Returns what did not succeed when it was last tried.
    pub fn failed_last(&self) -> BTreeSet<Measure> {
        let mut failed = BTreeSet::new();
        for step in &self.steps {
            match step.state {
                StepState::Failed => _ = failed.insert(step.measure.clone()),
                _ => _ = failed.remove(&step.measure),
            }
        }
        failed
    }

    /// Returns whether a guard rail left something out that the playbook says, and nobody did it
    /// since.
    pub fn is_cut_short(&self) -> bool {
        let left_out = |step: &Step| {
            step.state == StepState::Skipped && LEFT_OUT.contains(&step.code.as_str())
        };
        self.steps.iter().any(|step| left_out(step) && !self.has_done(&step.measure))
    }

    /// Returns whether something was contained, and undone since.
    fn is_undone(&self) -> bool {
        let undone = |step: &Step| step.state == StepState::Undone;
        self.steps.iter().any(|step| undone(step) && !self.has_done(&step.measure))
    }

    fn has_done(&self, measure: &Measure) -> bool {
        let done = |step: &Step| step.state == StepState::Done && step.measure == *measure;
        self.steps.iter().any(done)
    }
}

/// Returns the name of an incident.
pub fn incident_id(number: u64) -> String {
    format!("{INCIDENT_PREFIX}{number}")
}

/// Reads the name of an incident.
pub fn parse_incident_id(id: &str) -> Option<u64> {
    let digits = id.strip_prefix(INCIDENT_PREFIX)?;
    let number = digits.parse().ok()?;
    (incident_id(number) == id).then_some(number)
}

/// Cuts what is too long, and keeps away from terminals what they obey.
fn plain(text: &str, length: usize) -> String {
    text.chars().map(|it| if it.is_control() { '?' } else { it }).take(length).collect()
}

/// Guard rails that leave something as it is: what was found goes on. Others leave out what holds
/// already.
const LEFT_OUT: [&str; 3] = ["blast-radius", "cool-down", "last-way-in"];

/// Before the number of an incident.
pub const INCIDENT_PREFIX: &str = "inc-";

/// A few sentences.
const SAYS_LEN_MAX: usize = 500;

const NAME_LEN_MAX: usize = 200;

const FIGURE_COUNT_MAX: usize = 64;

const EVIDENCE_COUNT_MAX: usize = 64;

/// References of 32 characters: some 80 kB. Who is not named is counted.
const SUBJECT_COUNT_MAX: usize = 2000;
