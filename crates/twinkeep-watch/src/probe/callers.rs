//! All callers, one by one and together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::ProbeParameters;
use super::cusum::Risen;
use super::keyed::{History, MemberIndex, Members};
use super::population::{Cells, Judge, Population};
use super::stream::{Plan, Rung, Seen, Stream};
use super::trail::Trails;

/// How somebody probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Probing {
    /// What is asked about is unlike real histories.
    Distance,
    /// One history again and again, with small changes.
    Repeats,
    /// The same, of somebody whom the model learned from.
    Members,
    /// One twin, at one moment after the other.
    Moments,
    /// More different inputs in a day than the model bears.
    Volume,
}

impl Probing {
    /// Returns the name in the ledger and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Distance => "distance",
            Self::Repeats => "repeats",
            Self::Members => "members",
            Self::Moments => "moments",
            Self::Volume => "volume",
        }
    }
}

/// Callers who are followed together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Those of one address, by its keyed digest.
    Address(String),
    /// Those of one issuer of tokens.
    Issuer(String),
    /// All of them.
    Everybody,
}

/// What somebody asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Who, as the ledger calls them.
    pub caller: String,
    /// With whom they are followed together.
    pub groups: Vec<Group>,
    /// When, in microseconds since 1970.
    pub at_us: i64,
    /// What.
    pub asked: Asked,
}

/// What a question is about.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A history that came with it.
    History {
        /// Where its features lie.
        cells: Cells,
        /// Its digests.
        history: History,
    },
    /// A twin, at a moment that the caller chose: keyed digests of both.
    Moment {
        /// Whom.
        person: u64,
        /// When.
        moment: u64,
    },
}

/// Somebody probes.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// How.
    pub probing: Probing,
    /// The group in which it was seen; none if it was one caller alone.
    pub group: Option<Group>,
    /// Whose questions spoke for it.
    pub callers: BTreeSet<String>,
    /// How clear it is.
    pub risen: Risen,
    /// What is kept of the questions, to be digested as evidence.
    pub trace: Vec<u8>,
}

/// All who ask.
pub struct Callers {
    parameters: ProbeParameters,
    inputs_a_day: u64,
    judge: Option<Judge>,
    members: MemberIndex,
    callers: BTreeMap<String, Caller>,
    groups: BTreeMap<Group, Together>,
    trails: Trails,
    clock: u64,
}

struct Caller {
    used: u64,
    stream: Stream,
    moments: VecDeque<(u64, BTreeSet<u64>)>,
}

struct Together {
    used: u64,
    stream: Stream,
}

impl Callers {
    /// Begins to follow; without a population only moments are judged.
    pub fn new(
        parameters: ProbeParameters,
        inputs_a_day: u64,
        known: Option<(&Population, &Members)>,
    ) -> Self {
        Self {
            parameters,
            inputs_a_day,
            judge: known.map(|(population, _)| population.judge()),
            members: known.map(|(_, members)| members.index()).unwrap_or_default(),
            callers: BTreeMap::new(),
            groups: BTreeMap::new(),
            trails: Trails::default(),
            clock: 0,
        }
    }

    /// Takes a question; returns alarms, those of the caller alone first.
    pub fn take(&mut self, question: &Question) -> Vec<Alarm> {
        self.clock += 1;
        match &question.asked {
            Asked::Moment { person, moment } => self.moment(question, *person, *moment),
            Asked::History { cells, history } => self.history(question, cells, history),
        }
    }

    /// Returns how many callers and groups are followed.
    pub fn len(&self) -> usize {
        self.callers.len() + self.groups.len()
    }

    /// Returns whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn history(&mut self, question: &Question, cells: &Cells, history: &History) -> Vec<Alarm> {
        let Some(judge) = &self.judge else { return Vec::new() };
        let about = (question.caller.as_str(), question.at_us);
        let trail = self.trails.keep(history.trail());
        let seen = Seen::new(judge, &self.members, about, (cells, history), trail);
        let own = plan(&self.parameters, self.inputs_a_day, None);
        let caller = caller(&mut self.callers, &self.parameters, own, &question.caller, self.clock);
        let rung = caller.stream.take(judge, &seen);
        let mut alarms = name(rung, None, &caller.stream, Some(&question.caller));
        for group in &question.groups {
            let plan = plan(&self.parameters, self.inputs_a_day, Some(group));
            forget(&mut self.groups, GROUP_COUNT_MAX, &|it| it.used);
            let parameters = &self.parameters;
            let member = self
                .groups
                .entry(group.clone())
                .or_insert_with(|| Together { used: 0, stream: Stream::new(parameters, plan) });
            member.used = self.clock;
            let rung = member.stream.take(judge, &seen);
            // What one caller does alone is their alarm; the group's is of who share it.
            let shared = name(rung, Some(group), &member.stream, None);
            alarms.extend(shared.into_iter().filter(|alarm| 1 < alarm.callers.len()));
        }
        alarms
    }

    fn moment(&mut self, question: &Question, person: u64, moment: u64) -> Vec<Alarm> {
        let own = plan(&self.parameters, self.inputs_a_day, None);
        let most = self.parameters.moments_max as usize;
        let caller = caller(&mut self.callers, &self.parameters, own, &question.caller, self.clock);
        let at = caller.moments.iter().position(|(known, _)| *known == person);
        let mut known = at.and_then(|at| caller.moments.remove(at)).unwrap_or_default();
        known.0 = person;
        known.1.insert(moment);
        let count = known.1.len();
        if most < count {
            known.1.clear();
        }
        if MOMENT_PERSON_COUNT_MAX <= caller.moments.len() {
            caller.moments.pop_front();
        }
        caller.moments.push_back(known);
        if count <= most {
            return Vec::new();
        }
        let risen = Risen {
            sum: count as f64,
            limit: most as f64,
            since_us: question.at_us,
            count: count as u64,
        };
        vec![Alarm {
            probing: Probing::Moments,
            group: None,
            callers: BTreeSet::from([question.caller.clone()]),
            risen,
            trace: person.to_be_bytes().to_vec(),
        }]
    }
}

fn plan(parameters: &ProbeParameters, inputs_a_day: u64, group: Option<&Group>) -> Plan {
    let run_length = parameters.questions_between_false_alarms;
    match group {
        None => Plan { kept: KEPT, run_length, inputs_a_day },
        // Many who ask little are no one who asks much.
        Some(_) => Plan {
            kept: KEPT_OF_GROUP,
            run_length: GROUP_RUN_FACTOR * run_length,
            inputs_a_day: u64::MAX,
        },
    }
}

fn caller<'a>(
    callers: &'a mut BTreeMap<String, Caller>,
    parameters: &ProbeParameters,
    plan: Plan,
    name: &str,
    clock: u64,
) -> &'a mut Caller {
    forget(callers, CALLER_COUNT_MAX, &|it| it.used);
    let begin =
        || Caller { used: 0, stream: Stream::new(parameters, plan), moments: VecDeque::new() };
    let caller = callers.entry(name.to_owned()).or_insert_with(begin);
    caller.used = clock;
    caller
}

/// Forgets a tenth, whoever was not heard of for longest, when there is no room.
fn forget<K: Ord + Clone, V>(all: &mut BTreeMap<K, V>, most: usize, used: &dyn Fn(&V) -> u64) {
    if all.len() < most {
        return;
    }
    let mut ages: Vec<u64> = all.values().map(used).collect();
    ages.sort_unstable();
    let least = ages.get(most / 10).copied().unwrap_or(u64::MAX);
    all.retain(|_, value| least <= used(value));
}

fn name(
    rung: Vec<Rung>,
    group: Option<&Group>,
    stream: &Stream,
    caller: Option<&String>,
) -> Vec<Alarm> {
    let alarm = |rung: Rung| Alarm {
        probing: rung.probing,
        group: group.cloned(),
        callers: caller.map_or(rung.suspects, |caller| BTreeSet::from([caller.clone()])),
        risen: rung.risen,
        trace: stream.trace(),
    };
    rung.into_iter().map(alarm).collect()
}

/// Questions of a caller that a new one is compared with: some 10 KiB.
const KEPT: usize = 64;

/// Of ten callers who divide a run among them, 25 of each.
const KEPT_OF_GROUP: usize = 256;

const GROUP_RUN_FACTOR: f64 = 10.0;

/// Some 10 KiB each.
const CALLER_COUNT_MAX: usize = 4_096;

/// Some 40 KiB each.
const GROUP_COUNT_MAX: usize = 1_024;

/// Twins of whom a caller's moments are remembered.
const MOMENT_PERSON_COUNT_MAX: usize = 32;
