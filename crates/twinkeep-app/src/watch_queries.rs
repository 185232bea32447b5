//! Use case: follow what is asked of the model in service, and answer those with less who probe it.
//!
//! # Life of a question
//!
//! 1. Once an answer is made, what was asked moves into a queue of a fixed size ([`Questions`]): what
//!    finds no room pushes the oldest out, which is counted. Nobody waits for it.
//! 2. One thread takes it out, sees in which parts of the profile of the version it lies, and gives
//!    that to the detectors of `watch::probe`. What was asked is gone then.
//! 3. An alarm is recorded, makes the answers of whoever asked coarser, and is reported as a
//!    detection, so that an incident is opened.
//!
//! What the detectors know is in memory only: it begins anew with the process and with each version.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use twinkeep_domain::{Code, Event, Timestamp};
use twinkeep_forecast::SubjectState;
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_vault::digest::{hmac_sha256, sha256, to_hex};
use twinkeep_watch::probe::{Alarm, Asked, Callers, Group, ProbeParameters, Probing, Question};
use twinkeep_watch::{Detection, Detector, Severity as Weight, Target};

use crate::answer_tiers::{Tier, TierLine};
use crate::incidents::report_detection;
use crate::probe_config::{Profile, asked};
use crate::served::Served;
use crate::{App, AppError, Caller};

/// What was asked and not looked at yet.
#[derive(Default)]
pub(crate) struct Questions {
    queue: Mutex<Queue>,
    arrived: Condvar,
    open: AtomicBool,
    lost: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Tapped>,
    /// Events of all of them: a long history takes more room.
    events: usize,
}

/// Something that was asked, and answered.
pub(crate) struct Tapped {
    pub(crate) caller: Caller,
    pub(crate) at: Timestamp,
    pub(crate) served: Arc<Served>,
    pub(crate) what: What,
}

/// What was asked.
pub(crate) enum What {
    /// A forecast of a history.
    History {
        codes: Vec<Code>,
        events: Vec<Event>,
        state: Box<SubjectState>,
        prediction_time: Timestamp,
    },
    /// A forecast of a twin as it was at a moment, by the number of its pseudonym.
    Moment { subject: i64, time: Timestamp },
}

impl Questions {
    /// Returns whether anybody looks.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Puts something in; never waits for whoever takes it out.
    pub(crate) fn put(&self, tapped: Tapped) {
        if !self.is_open() {
            return;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.events += tapped.len();
        queue.waiting.push_back(tapped);
        let mut lost = 0;
        while QUESTION_COUNT_MAX < queue.waiting.len() || EVENT_COUNT_MAX < queue.events {
            let Some(oldest) = queue.waiting.pop_front() else { break };
            queue.events -= oldest.len();
            lost += 1;
        }
        drop(queue);
        self.lost.fetch_add(lost, Ordering::Relaxed);
        self.arrived.notify_one();
    }

    fn take(&self, wait: Duration) -> Option<Tapped> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.arrived.wait_timeout_while(queue, wait, |it| it.waiting.is_empty());
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let taken = queue.waiting.pop_front()?;
        queue.events -= taken.len();
        Some(taken)
    }
}

impl Tapped {
    fn len(&self) -> usize {
        match &self.what {
            What::History { events, .. } => events.len(),
            What::Moment { .. } => 0,
        }
    }
}

impl App {
    /// Returns how many questions found no room before they were looked at, since the start.
    pub fn questions_lost(&self) -> u64 {
        self.questions.lost.load(Ordering::Relaxed)
    }
}

/// Follows what is asked; one thread of the gate runs it.
pub struct QueryWatch {
    parameters: ProbeParameters,
    version: String,
    profile: Option<Profile>,
    callers: Option<Callers>,
    lost: u64,
}

impl QueryWatch {
    /// Begins; nothing if nobody is to be followed.
    pub fn begin(app: &App) -> Result<Option<Self>, AppError> {
        let parameters = app.probe_parameters()?;
        app.refresh_tiers()?;
        app.questions.open.store(parameters.enabled, Ordering::Relaxed);
        app.tiers.unmarked.store(!parameters.mark, Ordering::Relaxed);
        let watch =
            Self { parameters, version: String::new(), profile: None, callers: None, lost: 0 };
        Ok(parameters.enabled.then_some(watch))
    }

    /// Looks at what was asked, and responds; waits at most so long for the next question.
    pub fn look(&mut self, app: &App, wait: Duration) -> Result<(), AppError> {
        let mut wait = wait;
        for _ in 0..LOOKS_AT_ONCE {
            let Some(tapped) = app.questions.take(wait) else { break };
            wait = Duration::ZERO;
            for alarm in self.judge(app, &tapped)? {
                report(app, &self.respond(app, &tapped, &alarm)?)?;
            }
        }
        self.count_lost(app)
    }

    /// Takes in what other processes decided about tiers.
    pub fn refresh(&self, app: &App) -> Result<(), AppError> {
        app.refresh_tiers()
    }

    fn judge(&mut self, app: &App, tapped: &Tapped) -> Result<Vec<Alarm>, AppError> {
        if tapped.served.version != self.version {
            self.change_version(app, &tapped.served)?;
        }
        let Some(callers) = &mut self.callers else { return Ok(Vec::new()) };
        let asked = match (&tapped.what, &self.profile) {
            (What::History { codes, events, state, prediction_time }, Some(profile)) => {
                let (cells, history) =
                    asked(app, &profile.population, (codes, events), (state, *prediction_time));
                Asked::History { cells, history }
            }
            (What::History { .. }, None) => return Ok(Vec::new()),
            (What::Moment { subject, time }, _) => {
                let key = app.probe_key();
                let person = key.digest(&[u64::from_be_bytes(subject.to_be_bytes())]);
                let moment = key.digest(&[u64::from_be_bytes(time.micros().to_be_bytes())]);
                Asked::Moment { person, moment }
            }
        };
        let question = Question {
            caller: app.budget_of(&tapped.caller)?,
            groups: groups(app, &tapped.caller),
            at_us: tapped.at.micros(),
            asked,
        };
        Ok(callers.take(&question))
    }

    /// Another version serves: what lies where is another question.
    fn change_version(&mut self, app: &App, served: &Served) -> Result<(), AppError> {
        self.version.clone_from(&served.version);
        self.profile = served.profile.as_ref().and_then(|bytes| Profile::read(&app.pack, bytes));
        let inputs = app.inputs_a_day(&self.parameters, &served.version).0;
        let known = self.profile.as_ref().map(|it| (&it.population, &it.members));
        self.callers = Some(Callers::new(self.parameters, inputs, known));
        if self.profile.is_none() {
            let entry = app
                .entry(
                    &Caller::system(),
                    EventClass::ApplicationLifecycle,
                    Activity::Other,
                    "probe.no-profile",
                )
                .severity(Severity::Low)
                .with("model", served.version.as_str());
            app.record(&entry)?;
        }
        Ok(())
    }

    /// Makes answers coarser, records it, and says what was found.
    fn respond(&self, app: &App, tapped: &Tapped, alarm: &Alarm) -> Result<Detection, AppError> {
        let mut lowered = Vec::new();
        if 0.0 < self.parameters.tier_hours {
            for whose in &alarm.callers {
                let name = alarm.probing.name();
                lowered.push(app.lower(whose, name, self.parameters.tier_hours)?);
            }
        }
        let evidence = format!("sha256:{}", to_hex(&sha256(&alarm.trace)));
        for whose in &alarm.callers {
            let line = lowered.iter().find(|line| line.caller == *whose);
            record(app, tapped, alarm, (whose, line), &evidence)?;
        }
        Ok(detection(app, tapped, alarm, &lowered, evidence))
    }

    fn count_lost(&mut self, app: &App) -> Result<(), AppError> {
        let lost = app.questions_lost();
        if lost == self.lost {
            return Ok(());
        }
        let new = lost - self.lost;
        self.lost = lost;
        let class = EventClass::ApplicationLifecycle;
        let entry = app.entry(&Caller::system(), class, Activity::Other, "probe.questions-lost");
        let count = i64::try_from(new).unwrap_or(i64::MAX);
        app.record(&entry.severity(Severity::Low).with("count", count)).map(drop)
    }
}

/// Says what was found to whoever opens incidents.
pub(crate) fn report(app: &App, detection: &Detection) -> Result<(), AppError> {
    report_detection(app, detection).map(drop)
}

/// Stops to follow: questions are not kept any more.
pub fn end_query_watch(app: &App) {
    app.questions.open.store(false, Ordering::Relaxed);
    app.questions.queue.lock().unwrap_or_else(PoisonError::into_inner).waiting.clear();
}

fn groups(app: &App, caller: &Caller) -> Vec<Group> {
    let address = caller.from.map(|from| {
        let digest =
            hmac_sha256(app.access_key(), &[b"address\0".as_slice(), &from.bytes()].concat());
        Group::Address(to_hex(&digest[..8]))
    });
    let issuer = caller.id.strip_prefix(crate::access_token::TOKEN_PREFIX);
    let issuer = issuer.and_then(|rest| rest.rsplit_once('/'));
    let issuer = issuer.map(|(name, _)| Group::Issuer(name.to_owned()));
    address.into_iter().chain(issuer).chain([Group::Everybody]).collect()
}

fn record(
    app: &App,
    tapped: &Tapped,
    alarm: &Alarm,
    (whose, line): (&str, Option<&TierLine>),
    evidence: &str,
) -> Result<(), AppError> {
    let class = EventClass::DetectionFinding;
    let entry = app
        .entry(&Caller::system(), class, Activity::Create, "probing.detected")
        .severity(severity(line).0)
        .with("caller", whose)
        .with("probing", alarm.probing.name())
        .with("model", tapped.served.version.as_str())
        .with("questions", i64::try_from(alarm.risen.count).unwrap_or(i64::MAX))
        .with("evidence", evidence);
    let entry = match &alarm.group {
        Some(group) => entry.with("together", group_name(group)),
        None => entry,
    };
    let entry = match line {
        Some(line) => entry.with("tier", line.tier.name()).with("until", line.until.as_str()),
        None => entry,
    };
    app.record(&entry).map(drop)
}

fn detection(
    app: &App,
    tapped: &Tapped,
    alarm: &Alarm,
    lowered: &[TierLine],
    evidence: String,
) -> Detection {
    let highest = lowered.iter().max_by_key(|line| line.tier);
    let target = match (&alarm.group, alarm.callers.first()) {
        (None, Some(caller)) => Target::Identity(caller.clone()),
        (Some(Group::Address(digest)), _) => Target::Address(digest.clone()),
        _ => Target::Model(tapped.served.version.clone()),
    };
    let subjects = match &tapped.what {
        What::Moment { subject, .. } => twinkeep_domain::Subject::from_pseudonym(*subject)
            .map(|subject| app.reference(subject))
            .into_iter()
            .collect(),
        What::History { .. } => BTreeSet::new(),
    };
    let answers = highest.map_or("full", |line| line.tier.name());
    Detection {
        detector: match alarm.probing {
            Probing::Members | Probing::Moments => Detector::MembershipProbing,
            Probing::Distance | Probing::Repeats | Probing::Volume => Detector::Extraction,
        },
        target,
        severity: severity(highest).1,
        began_us: alarm.risen.since_us,
        seen_us: tapped.at.micros(),
        says: format!(
            "{} ({} callers, {} questions); answers are {answers}",
            words(alarm.probing),
            alarm.callers.len(),
            alarm.risen.count,
        ),
        figures: BTreeMap::from([
            ("sum".to_owned(), alarm.risen.sum),
            ("limit".to_owned(), alarm.risen.limit),
            ("questions".to_owned(), alarm.risen.count as f64),
            ("callers".to_owned(), alarm.callers.len() as f64),
        ]),
        evidence: BTreeMap::from([("questions".to_owned(), evidence)]),
        subjects,
    }
}

fn severity(line: Option<&TierLine>) -> (Severity, Weight) {
    match line.map(|line| line.tier) {
        // What is left of answers contains it: a playbook for what is worse need not run.
        Some(Tier::Refused) => (Severity::High, Weight::Medium),
        Some(Tier::Labels) => (Severity::Medium, Weight::Medium),
        _ => (Severity::Medium, Weight::Low),
    }
}

fn words(probing: Probing) -> &'static str {
    match probing {
        Probing::Distance => "what is asked about is unlike real histories",
        Probing::Repeats => "one history is asked about again and again with small changes",
        Probing::Members => "somebody whom the model learned from is asked about again and again",
        Probing::Moments => "one twin is asked about at one moment after the other",
        Probing::Volume => "more different histories are asked about than the model bears",
    }
}

fn group_name(group: &Group) -> &str {
    match group {
        Group::Address(digest) => digest,
        Group::Issuer(name) => name,
        Group::Everybody => "everybody",
    }
}

/// Some minutes of a busy gate.
const QUESTION_COUNT_MAX: usize = 4_096;

/// Some 40 MiB.
const EVENT_COUNT_MAX: usize = 1_000_000;

/// So that other work has its turn.
const LOOKS_AT_ONCE: usize = 256;
