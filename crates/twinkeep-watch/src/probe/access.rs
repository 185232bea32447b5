//! Who reads what, when, and how much: habits of callers, from the entries of the ledger.
//!
//! What somebody never did is no alarm while they have no habits, or while they do something new
//! every other day. How likely something new is, is known from how much of what they did was seen
//! on one day only (Good: The population frequencies of species and the estimation of population
//! parameters, 1953); that an hour has more than any before, from how many hours there were (for
//! values that come in any order, 1 in n + 1). Whoever has no habits yet is measured by what
//! everybody does; and what many begin to do is no alarm for each of them.

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
    /// Somebody acts who never did, where new people are rare.
    NewActor {
        /// Who.
        actor: String,
        /// How likely somebody new was on a day.
        chance: f64,
        /// How many days there were before.
        days: u32,
    },
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
        /// How many.
        count: u64,
        /// The limit.
        limit: u64,
        /// In how many minutes.
        minutes: u32,
        /// When the first of them was.
        since_us: i64,
    },
}

/// Follows what the ledger tells.
#[derive(Clone)]
pub struct AccessWatch {
    parameters: ProbeParameters,
    actors: BTreeMap<String, Habits>,
    everybody: Everybody,
    refused: VecDeque<(i64, u64)>,
    told: bool,
    refused_an_hour: Busy,
}

/// What all do together.
#[derive(Clone, Default)]
struct Everybody {
    day: i64,
    /// Days with anything, and days on which somebody came whom nobody knew.
    days: u32,
    days_with_new: u32,
    new_today: bool,
    /// The most that anybody did in an hour, until today.
    most: u64,
    most_today: u64,
    /// When a new kind of action was told, by action: two others at most are told within a month.
    told: BTreeMap<String, VecDeque<i64>>,
}

/// How much there is in an hour, and how much there was at most before.
#[derive(Clone, Default)]
struct Busy {
    hour: i64,
    count: u64,
    most: u64,
    past_hours: u64,
    told: bool,
}

/// What somebody does as a rule.
#[derive(Clone, Default)]
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
    busy: Busy,
}

impl AccessWatch {
    /// Begins with no habits.
    pub fn new(parameters: ProbeParameters) -> Self {
        Self {
            parameters,
            actors: BTreeMap::new(),
            everybody: Everybody::default(),
            refused: VecDeque::new(),
            told: false,
            refused_an_hour: Busy::default(),
        }
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
        let slowly = self.refuse_slowly(at_us, count, limit);
        if all < limit {
            self.told &= limit < 2 * all;
            return slowly;
        }
        if self.told {
            return None;
        }
        self.told = true;
        let since_us = self.refused.front().map_or(at_us, |(then, _)| *then);
        Some(AccessAlarm::Refusals { count: all, limit, minutes: 10, since_us })
    }

    /// Whoever guesses slowly enough for ten minutes does not for an hour: as many as are an alarm in
    /// ten minutes, and twice as many as in any hour before.
    fn refuse_slowly(&mut self, at_us: i64, count: u64, limit: u64) -> Option<AccessAlarm> {
        let hour = at_us.div_euclid(HOUR_US);
        let busy = &mut self.refused_an_hour;
        busy.add(hour, count);
        let known = self.parameters.access_days_min <= self.everybody.days;
        let limit = limit.max(SLOW_FACTOR * busy.most);
        if !known || self.told || busy.told || busy.count < limit {
            return None;
        }
        busy.told = true;
        let since_us = hour * HOUR_US;
        Some(AccessAlarm::Refusals { count: busy.count, limit, minutes: 60, since_us })
    }

    fn done(&mut self, fact: &AccessFact, action: &str) -> Vec<AccessAlarm> {
        if ACTOR_COUNT_MAX <= self.actors.len() && !self.actors.contains_key(&fact.actor) {
            let mut ages: Vec<i64> = self.actors.values().map(|it| it.last_us).collect();
            ages.sort_unstable();
            let least = ages.get(ACTOR_COUNT_MAX / 10).copied().unwrap_or(i64::MAX);
            self.actors.retain(|_, habits| least <= habits.last_us);
        }
        let new = !self.actors.contains_key(&fact.actor);
        let mut alarms = Vec::new();
        alarms.extend(self.everybody.see(fact, new, &self.parameters));
        let habits = self.actors.entry(fact.actor.clone()).or_default();
        alarms.extend(habits.take(fact, action, &self.parameters, &mut self.everybody));
        alarms.truncate(ALARMS_AT_ONCE);
        alarms
    }
}

impl Busy {
    /// Counts; a new hour makes the last one a past one.
    fn add(&mut self, hour: i64, count: u64) {
        if hour != self.hour {
            self.past_hours += u64::from(0 < self.count);
            self.most = self.most.max(self.count);
            (self.hour, self.count, self.told) = (hour, 0, false);
        }
        self.count += count;
    }
}

impl Everybody {
    /// Follows the days; returns an alarm if somebody came whom nobody knew, and that is rare.
    fn see(
        &mut self,
        fact: &AccessFact,
        new: bool,
        parameters: &ProbeParameters,
    ) -> Option<AccessAlarm> {
        let day = fact.at_us.div_euclid(DAY_US);
        if day != self.day {
            self.days += u32::from(self.day != 0 || 0 < self.most_today);
            self.days_with_new += u32::from(self.new_today);
            self.most = self.most.max(std::mem::take(&mut self.most_today));
            (self.day, self.new_today) = (day, false);
            // Where all were new at the beginning, that says nothing of later days.
            if self.days == FIRST_DAYS {
                self.days_with_new = 0;
            }
            let recent =
                |told: &mut VecDeque<i64>| told.retain(|then| day <= *then + ROLL_OUT_DAYS);
            self.told.values_mut().for_each(recent);
            self.told.retain(|_, told| !told.is_empty());
        }
        let days = self.days.saturating_sub(FIRST_DAYS);
        let chance = (f64::from(self.days_with_new) + 0.5) / f64::from(days + 1);
        let known = parameters.access_days_min <= days && chance <= parameters.access_chance;
        let first = new && !self.new_today;
        self.new_today |= new;
        (first && known).then(|| AccessAlarm::NewActor { actor: fact.actor.clone(), chance, days })
    }

    /// Returns whether one more who begins to do something is to be told: when a function comes into
    /// use, the first are, and the others are not.
    fn tells(&mut self, action: &str, day: i64) -> bool {
        let told = self.told.entry(action.to_owned()).or_default();
        if ROLL_OUT_TOLD <= told.len() {
            return false;
        }
        told.push_back(day);
        true
    }
}

impl Habits {
    fn take(
        &mut self,
        fact: &AccessFact,
        action: &str,
        parameters: &ProbeParameters,
        everybody: &mut Everybody,
    ) -> Vec<AccessAlarm> {
        let (day, hour) = (fact.at_us.div_euclid(DAY_US), fact.at_us.div_euclid(HOUR_US));
        if day != self.day {
            self.end_day();
            self.day = day;
        }
        self.last_us = fact.at_us;
        let mut alarms = Vec::new();
        alarms.extend(self.count(fact, hour, parameters, everybody));
        alarms.extend(self.see_hour(fact, hour, parameters));
        let kind = self.see_kind(fact, action, parameters);
        alarms.extend(kind.filter(|_| everybody.tells(action, day)));
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
        everybody: &mut Everybody,
    ) -> Option<AccessAlarm> {
        self.busy.add(hour, 1);
        everybody.most_today = everybody.most_today.max(self.busy.count);
        let Busy { count, most, past_hours, .. } = self.busy;
        let own = self.has_habits(parameters);
        let (most, chance, known) = match own {
            true => (most, 1.0 / (past_hours + 1) as f64, true),
            // Whoever is new may do as much as anybody.
            false => (everybody.most, 0.0, parameters.access_days_min <= everybody.days),
        };
        let much = VOLUME_MIN <= count && VOLUME_FACTOR * most <= count;
        if self.busy.told || !much || !known || parameters.access_chance < chance {
            return None;
        }
        self.busy.told = true;
        Some(AccessAlarm::Volume { actor: fact.actor.clone(), count, most, hours: past_hours })
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
        let known = self.near(hour).any(|days| 0 < days);
        // An hour of one day only, far from all others, is what came as new as this one.
        let once = (0..24).filter(|&it| self.hours[it] == 1 && self.near(it).sum::<u32>() == 1);
        let chance = self.chance(once.count());
        let sure = self.has_habits(parameters) && chance <= parameters.access_chance;
        (!known && sure).then(|| AccessAlarm::NewHour {
            actor: fact.actor.clone(),
            hour: hour as u32,
            chance,
            days: self.days,
        })
    }

    /// Returns on how many days there was something in the hours around one: whoever is early or late
    /// keeps their hours.
    fn near(&self, hour: usize) -> impl Iterator<Item = u32> {
        (0..=2 * HOURS_NEAR).map(move |step| self.hours[(hour + 24 + step - HOURS_NEAR) % 24])
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

/// Hours before and after one that are as usual as it is.
const HOURS_NEAR: usize = 3;

/// Refusals in an hour, beside the most in any hour before.
const SLOW_FACTOR: u64 = 2;

/// Days on which everybody comes for the first time, as far as is known.
const FIRST_DAYS: u32 = 21;

/// How many are told who begin to do the same within so many days.
const ROLL_OUT_TOLD: usize = 3;

const ROLL_OUT_DAYS: i64 = 30;

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
