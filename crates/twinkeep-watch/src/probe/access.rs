//! Who reads what, when, and how much: habits of callers, from the entries of the ledger.
//!
//! What somebody never did is no alarm while they have no habits, or while they do something new
//! every other day. How likely something new is, is known from how much of what they did was seen
//! on one day only (Good: The population frequencies of species and the estimation of population
//! parameters, 1953); that an hour has more than any before, from how many hours there were (for
//! values that come in any order, 1 in n + 1).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::ProbeParameters;

/// An entry of the ledger, as far as it is about access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessFact {
    /// When, in microseconds since 1970.
    pub at_us: i64,
    /// Who, as the ledger calls them.
    pub actor: String,
    /// What happened.
    pub kind: AccessKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessKind {
    /// Something was read or done: the name of the action.
    Done(String),
    /// A credential was not taken: how many, where they are counted.
    Refused(u64),
}

/// Something that is unusual, or always an alarm.
#[derive(Clone, Debug, PartialEq)]
pub enum AccessAlarm {
    /// Somebody does what they never did.
    NewKind {
        /// Who.
        actor: String,
        /// What.
        action: String,
        /// How likely something new was on a day.
        chance: f64,
        /// On how many days they did anything before.
        days: u32,
    },
    /// Somebody acts at an hour at which they never did.
    NewHour {
        /// Who.
        actor: String,
        /// The hour, in UTC.
        hour: u32,
        /// How likely a new one was on a day.
        chance: f64,
        /// On how many days they did anything before.
        days: u32,
    },
    /// Somebody does far more in an hour than in any before.
    Volume {
        /// Who.
        actor: String,
        /// How much.
        count: u64,
        /// The most in an hour before.
        most: u64,
        /// How many hours there were before.
        hours: u64,
    },
    /// Many credentials were refused.
    Refusals {
        /// How many in ten minutes.
        count: u64,
        /// The limit.
        limit: u64,
        /// When the first of them was.
        since_us: i64,
    },
}

/// Follows what the ledger tells.
pub struct AccessWatch {
    parameters: ProbeParameters,
    actors: BTreeMap<String, Habits>,
    refused: VecDeque<(i64, u64)>,
    told: bool,
}

/// What somebody does as a rule.
#[derive(Default)]
struct Habits {
    last_us: i64,
    day: i64,
    days: u32,
    /// On how many days there was something at this hour, or of this kind.
    hours: [u32; 24],
    kinds: BTreeMap<String, u32>,
    /// What there was today already.
    today: BTreeSet<String>,
    hours_today: BTreeSet<usize>,
    /// The hour that is counted, what it has, and what earlier ones had at most.
    hour: i64,
    count: u64,
    most: u64,
    past_hours: u64,
    told_hour: bool,
}

impl AccessWatch {
    /// Begins with no habits.
    pub fn new(parameters: ProbeParameters) -> Self {
        Self { parameters, actors: BTreeMap::new(), refused: VecDeque::new(), told: false }
    }

    /// Takes what happened next; returns what is unusual of it.
    pub fn take(&mut self, fact: &AccessFact) -> Vec<AccessAlarm> {
        match &fact.kind {
            AccessKind::Refused(count) => self.refuse(fact.at_us, *count).into_iter().collect(),
            AccessKind::Done(action) => self.done(fact, action),
        }
    }

    fn refuse(&mut self, at_us: i64, count: u64) -> Option<AccessAlarm> {
        while self.refused.front().is_some_and(|(then, _)| *then + WINDOW_US <= at_us)
            || REFUSED_KEPT <= self.refused.len()
        {
            self.refused.pop_front();
        }
        self.refused.push_back((at_us, count));
        let limit = self.parameters.refused_in_ten_minutes;
        let all = self.refused.iter().map(|(_, count)| count).sum::<u64>();
        if all < limit {
            self.told &= limit < 2 * all;
            return None;
        }
        if self.told {
            return None;
        }
        self.told = true;
        let since_us = self.refused.front().map_or(at_us, |(then, _)| *then);
        Some(AccessAlarm::Refusals { count: all, limit, since_us })
    }

    fn done(&mut self, fact: &AccessFact, action: &str) -> Vec<AccessAlarm> {
        if ACTOR_COUNT_MAX <= self.actors.len() && !self.actors.contains_key(&fact.actor) {
            let mut ages: Vec<i64> = self.actors.values().map(|it| it.last_us).collect();
            ages.sort_unstable();
            let least = ages.get(ACTOR_COUNT_MAX / 10).copied().unwrap_or(i64::MAX);
            self.actors.retain(|_, habits| least <= habits.last_us);
        }
        let habits = self.actors.entry(fact.actor.clone()).or_default();
        let mut alarms = habits.take(fact, action, &self.parameters);
        alarms.truncate(ALARMS_AT_ONCE);
        alarms
    }
}

impl Habits {
    fn take(
        &mut self,
        fact: &AccessFact,
        action: &str,
        parameters: &ProbeParameters,
    ) -> Vec<AccessAlarm> {
        let (day, hour) = (fact.at_us.div_euclid(DAY_US), fact.at_us.div_euclid(HOUR_US));
        if day != self.day {
            self.end_day();
            self.day = day;
        }
        self.last_us = fact.at_us;
        let mut alarms = Vec::new();
        alarms.extend(self.count(fact, hour, parameters));
        alarms.extend(self.see_hour(fact, hour, parameters));
        alarms.extend(self.see_kind(fact, action, parameters));
        alarms
    }

    fn end_day(&mut self) {
        self.days += u32::from(!self.today.is_empty());
        for hour in std::mem::take(&mut self.hours_today) {
            self.hours[hour] += 1;
        }
        for kind in std::mem::take(&mut self.today) {
            *self.kinds.entry(kind).or_default() += 1;
        }
    }

    fn has_habits(&self, parameters: &ProbeParameters) -> bool {
        parameters.access_days_min <= self.days
    }

    /// Returns how likely something new is on a day.
    fn chance(&self, once: usize) -> f64 {
        (once as f64 + 0.5) / f64::from(self.days + 1)
    }

    fn count(
        &mut self,
        fact: &AccessFact,
        hour: i64,
        parameters: &ProbeParameters,
    ) -> Option<AccessAlarm> {
        if hour != self.hour {
            self.past_hours += u64::from(0 < self.count);
            self.most = self.most.max(self.count);
            (self.hour, self.count, self.told_hour) = (hour, 0, false);
        }
        self.count += 1;
        let chance = 1.0 / (self.past_hours + 1) as f64;
        let much = VOLUME_MIN <= self.count && VOLUME_FACTOR * self.most <= self.count;
        let known = self.has_habits(parameters) && chance <= parameters.access_chance;
        if self.told_hour || !much || !known {
            return None;
        }
        self.told_hour = true;
        let (count, most, hours) = (self.count, self.most, self.past_hours);
        Some(AccessAlarm::Volume { actor: fact.actor.clone(), count, most, hours })
    }

    fn see_hour(
        &mut self,
        fact: &AccessFact,
        hour: i64,
        parameters: &ProbeParameters,
    ) -> Option<AccessAlarm> {
        let hour = usize::try_from(hour.rem_euclid(24)).unwrap_or(0);
        if !self.hours_today.insert(hour) {
            return None;
        }
        // Whoever is early or late by an hour keeps their hours.
        let near = [(hour + 23) % 24, hour, (hour + 1) % 24];
        let known = near.iter().any(|&it| 0 < self.hours[it]);
        let chance = self.chance(self.hours.iter().filter(|&&days| days == 1).count());
        let sure = self.has_habits(parameters) && chance <= parameters.access_chance;
        (!known && sure).then(|| AccessAlarm::NewHour {
            actor: fact.actor.clone(),
            hour: hour as u32,
            chance,
            days: self.days,
        })
    }

    fn see_kind(
        &mut self,
        fact: &AccessFact,
        action: &str,
        parameters: &ProbeParameters,
    ) -> Option<AccessAlarm> {
        if self.today.contains(action) || KIND_COUNT_MAX <= self.today.len() {
            return None;
        }
        self.today.insert(action.to_owned());
        let chance = self.chance(self.kinds.values().filter(|&&days| days == 1).count());
        let sure = self.has_habits(parameters) && chance <= parameters.access_chance;
        let new = !self.kinds.contains_key(action);
        (new && sure).then(|| AccessAlarm::NewKind {
            actor: fact.actor.clone(),
            action: action.to_owned(),
            chance,
            days: self.days,
        })
    }
}

const DAY_US: i64 = 86_400_000_000;

const HOUR_US: i64 = 3_600_000_000;

/// Ten minutes.
const WINDOW_US: i64 = 600_000_000;

/// More at once than any limit.
const REFUSED_KEPT: usize = 10_000;

/// Some kilobytes each.
const ACTOR_COUNT_MAX: usize = 4_096;

/// There are fewer actions.
const KIND_COUNT_MAX: usize = 256;

/// One entry is one alarm of each kind at most.
const ALARMS_AT_ONCE: usize = 3;

/// Below this, "three times as much as ever" is a busy hour.
const VOLUME_MIN: u64 = 50;

const VOLUME_FACTOR: u64 = 3;
