//! What is kept of the questions of one caller, or of several together, and its tests.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Weak;

use super::cusum::{NormalCusum, Risen, ShareCusum};
use super::keyed::{History, MemberIndex};
use super::population::{Cells, Judge, Places};
use super::trail::Trail;
use super::{ProbeParameters, Probing};

/// How a stream of questions is followed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Questions that a new one is compared with.
    pub(crate) kept: usize,
    /// Questions between false alarms.
    pub(crate) run_length: f64,
    /// Different inputs in a day.
    pub(crate) inputs_a_day: u64,
}

/// The questions of one caller, or of several together.
pub(crate) struct Stream {
    distance: NormalCusum,
    repeats: ShareCusum,
    members: ShareCusum,
    recent: VecDeque<Recent>,
    plan: Plan,
    late_us: i64,
    day: i64,
    inputs: u64,
    told: bool,
    /// Whose questions spoke for an alarm since nothing did, and by how much.
    suspects: BTreeMap<String, f64>,
}

/// A question that was asked.
struct Recent {
    len: u32,
    sum: u64,
    places: Places,
    member: Option<u32>,
    /// Its events, while they are kept.
    trail: Weak<Trail>,
}

/// An alarm of one test.
pub(crate) struct Rung {
    pub(crate) probing: Probing,
    pub(crate) risen: Risen,
    pub(crate) suspects: BTreeSet<String>,
}

/// A question with what all streams need of it.
pub(crate) struct Seen<'a> {
    pub(crate) caller: &'a str,
    pub(crate) at_us: i64,
    pub(crate) places: Places,
    pub(crate) history: &'a History,
    pub(crate) score: f64,
    pub(crate) member: Option<u32>,
    trail: Weak<Trail>,
}

impl<'a> Seen<'a> {
    pub(crate) fn new(
        judge: &Judge,
        members: &MemberIndex,
        (caller, at_us): (&'a str, i64),
        (cells, history): (&'a Cells, &'a History),
        trail: Weak<Trail>,
    ) -> Self {
        let (score, places) = (judge.distance(cells), judge.places(cells));
        Self { caller, at_us, places, history, score, member: members.find(history), trail }
    }
}

impl Stream {
    pub(crate) fn new(parameters: &ProbeParameters, plan: Plan) -> Self {
        let share = |usual, high| ShareCusum::new(usual, high, plan.run_length);
        Self {
            distance: NormalCusum::new(parameters.distance_allowance, plan.run_length),
            repeats: share(parameters.repeats_usual, parameters.repeats_high),
            members: share(parameters.members_usual, parameters.members_high),
            recent: VecDeque::new(),
            plan,
            late_us: (parameters.late_hours * HOUR_US) as i64,
            day: 0,
            inputs: 0,
            told: false,
            suspects: BTreeMap::new(),
        }
    }

    /// Takes a question; returns alarms.
    pub(crate) fn take(&mut self, judge: &Judge, seen: &Seen<'_>) -> Vec<Rung> {
        let len = u32::try_from(seen.history.len()).unwrap_or(u32::MAX);
        let sum = seen.history.sum();
        if self.recent.iter().any(|known| (known.len, known.sum) == (len, sum)) {
            return Vec::new();
        }
        let volume = self.count(seen);
        let trail = Weak::clone(&seen.trail);
        let now = Recent { len, sum, places: seen.places.clone(), member: seen.member, trail };
        let goes_on =
            self.recent.iter().position(|known| seen.history.continues(known.len, known.sum));
        let near: Vec<usize> = (0..self.recent.len())
            .filter(|&at| judge.alike(&self.recent[at].places, &seen.places))
            .collect();
        let later = |&at: &usize| self.is_later(&self.recent[at], seen);
        if let Some(at) = goes_on.or_else(|| near.iter().copied().find(later)) {
            // The same person, of whom more is known: what was said of them is said already.
            self.recent.remove(at);
            self.keep(now);
            return volume.into_iter().collect();
        }
        // A small step from what nearly was somebody's history is about them, however many follow.
        let known = near.iter().find_map(|&at| self.recent[at].member);
        let (repeats, again) = (!near.is_empty(), known.is_some());
        self.keep(Recent { member: now.member.or(known), ..now });
        let step = if repeats { self.repeats.step(true) } else { self.distance.step(seen.score) };
        self.suspect(seen.caller, step);
        let mut rung = Vec::new();
        let members = self.members.add(again, seen.at_us);
        let repeated = self.repeats.add(repeats, seen.at_us);
        match (members, repeated) {
            (Some(risen), _) => rung.push((Probing::Members, risen)),
            (None, Some(risen)) => rung.push((Probing::Repeats, risen)),
            (None, None) => {}
        }
        if !repeats && let Some(risen) = self.distance.add(seen.score, seen.at_us) {
            rung.push((Probing::Distance, risen));
        }
        let suspects = self.named();
        if !rung.is_empty() || self.is_calm() {
            self.suspects.clear();
        }
        let named = |(probing, risen)| Rung { probing, risen, suspects: suspects.clone() };
        rung.into_iter().map(named).chain(volume).collect()
    }

    /// Returns whether a question is about the history of another one, some time later.
    fn is_later(&self, known: &Recent, seen: &Seen<'_>) -> bool {
        let before = known.trail.upgrade();
        before.is_some_and(|before| seen.history.trail().is_later_than(&before, self.late_us))
    }

    /// Returns what is kept of the newest questions: what proves an alarm.
    pub(crate) fn trace(&self) -> Vec<u8> {
        self.recent.iter().flat_map(|known| known.places.0.iter().copied()).collect()
    }

    fn is_calm(&self) -> bool {
        self.distance.is_calm() && self.repeats.is_calm()
    }

    /// Counts for or against somebody, as their own sum would: whoever asks about people comes back
    /// to zero, whatever others ask meanwhile.
    fn suspect(&mut self, caller: &str, step: f64) {
        if let Some(sum) = self.suspects.get_mut(caller) {
            *sum = (*sum + step).max(0.0);
        } else if 0.0 < step && self.suspects.len() < SUSPECT_COUNT_MAX {
            self.suspects.insert(caller.to_owned(), step);
        }
    }

    /// Returns who has a part in an alarm that is worth naming.
    fn named(&self) -> BTreeSet<String> {
        let largest = self.suspects.values().copied().fold(0.0, f64::max);
        let named = |sum: f64| 0.0 < sum && NAMED_SHARE * largest <= sum;
        let named = self.suspects.iter().filter(|&(_, &sum)| named(sum));
        named.map(|(caller, _)| caller.clone()).collect()
    }

    fn keep(&mut self, now: Recent) {
        if self.plan.kept <= self.recent.len() {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
    }

    /// Counts different inputs by the day; an alarm comes once a day.
    fn count(&mut self, seen: &Seen<'_>) -> Option<Rung> {
        let day = seen.at_us.div_euclid(DAY_US);
        if day != self.day {
            (self.day, self.inputs, self.told) = (day, 0, false);
        }
        self.inputs += 1;
        if self.told || self.inputs <= self.plan.inputs_a_day {
            return None;
        }
        self.told = true;
        let risen = Risen {
            sum: self.inputs as f64,
            limit: self.plan.inputs_a_day as f64,
            since_us: day * DAY_US,
            count: self.inputs,
        };
        let suspects = BTreeSet::from([seen.caller.to_owned()]);
        Some(Rung { probing: Probing::Volume, risen, suspects })
    }
}

const DAY_US: i64 = 86_400_000_000;

const HOUR_US: f64 = 3_600_000_000.0;

/// Callers who may have divided a run among them; the incident names no more either.
const SUSPECT_COUNT_MAX: usize = 64;

/// Of what spoke against whoever asked most; those who divide a run have about the same each.
const NAMED_SHARE: f64 = 0.25;
