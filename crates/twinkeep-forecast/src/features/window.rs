//! What is remembered about the events of a window target, and the features that follow from it.
//!
//! Totals, times, and exponentially weighted totals need constant space. The total of the window
//! that ends now needs the events in it, so those are kept, up to a limit.

use std::collections::VecDeque;

use twinkeep_domain::{Distinct, Timestamp, WindowKind, WindowTarget};

/// The events of one window target of one subject.
#[derive(Clone)]
pub(crate) struct WindowState {
    window_hours: f32,
    kind: Kind,
    /// How many events there were, after those that count as one.
    count: u32,
    /// Sum of what each event counts: its value, or 1.
    sum: f64,
    first: Timestamp,
    last: Timestamp,
    previous: Timestamp,
    last_value: f32,
    /// Exponentially weighted sums, as of `last`.
    weighted: [f64; 3],
    /// Events no older than the window before the last one, by time.
    recent: VecDeque<(Timestamp, f32)>,
    /// When something first happened that rules the event out.
    ruled_out: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sum,
    Count(Distinct),
}

impl WindowState {
    /// Returns the state of a subject to whom nothing has happened.
    pub(crate) fn new(target: &WindowTarget) -> Self {
        Self {
            window_hours: target.window_hours,
            kind: match target.kind {
                WindowKind::Sum => Kind::Sum,
                WindowKind::Count(distinct) => Kind::Count(distinct),
                WindowKind::Event(_) => Kind::Count(Distinct::Event),
            },
            count: 0,
            sum: 0.0,
            first: Timestamp::from_micros(i64::MAX),
            last: Timestamp::from_micros(i64::MIN),
            previous: Timestamp::from_micros(i64::MIN),
            last_value: f32::NAN,
            weighted: [0.0; 3],
            recent: VecDeque::new(),
            ruled_out: None,
        }
    }

    /// Absorbs an event; it may be late. One that is later than a window counts even if another
    /// of its day or moment did.
    pub(crate) fn observe(&mut self, time: Timestamp, value: Option<f32>, memory_hours: [f32; 3]) {
        let amount = match self.kind {
            Kind::Sum => match value.filter(|value| value.is_finite() && *value <= AMOUNT_MAX) {
                Some(value) => value,
                None => return,
            },
            Kind::Count(distinct) if self.is_known(time, distinct) => return,
            Kind::Count(_) => 1.0,
        };
        self.weigh(time, f64::from(amount), memory_hours);
        self.count = self.count.saturating_add(1);
        self.sum += f64::from(amount);
        self.first = self.first.min(time);
        if self.last <= time {
            (self.previous, self.last) = (self.last, time);
            self.last_value = value.unwrap_or(f32::NAN);
        } else if self.previous < time {
            self.previous = time;
        }
        self.keep(time, amount);
    }

    /// Absorbs something that rules the event out.
    pub(crate) fn rule_out(&mut self, time: Timestamp) {
        self.ruled_out = Some(self.ruled_out.map_or(time, |known| known.min(time)));
    }

    /// Returns how many events there were.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Returns whether something happened that rules the event out.
    pub(crate) fn is_ruled_out(&self) -> bool {
        self.ruled_out.is_some()
    }

    /// Returns the total of the window that ends now.
    pub(crate) fn before(&self, now: Timestamp) -> f32 {
        self.total(now, self.window_hours)
    }

    /// Returns the hours since the last event; NaN if there was none.
    pub(crate) fn age_hours(&self, now: Timestamp) -> f32 {
        if self.count == 0 { f32::NAN } else { now.hours_since(self.last) as f32 }
    }

    /// Writes the features of the target at a moment; `start` is when the subject was first seen.
    pub(crate) fn features(
        &self,
        now: Timestamp,
        start: Option<Timestamp>,
        memory_hours: [f32; 3],
        out: &mut [f32],
    ) {
        let age = self.age_hours(now);
        let several = 1 < self.count;
        let gap = if several {
            self.last.hours_since(self.first) / f64::from(self.count - 1)
        } else {
            f64::NAN
        } as f32;
        let last_gap = if several { self.last.hours_since(self.previous) as f32 } else { f32::NAN };
        let seen = start.map_or(f64::NAN, |start| now.hours_since(start));
        let usual =
            self.sum / seen.max(f64::from(self.window_hours)) * f64::from(self.window_hours);
        let fading = |at: usize| {
            let decay = (-f64::from(age.max(0.0)) / f64::from(memory_hours[at])).exp();
            if self.count == 0 { 0.0 } else { (self.weighted[at] * decay) as f32 }
        };
        let values: [f32; WINDOW_OWN_COUNT] = [
            self.before(now),
            self.total(now, self.window_hours / 4.0),
            self.sum as f32,
            usual as f32,
            (self.sum / f64::from(self.count.max(1))) as f32,
            self.last_value,
            age,
            gap,
            last_gap,
            age / gap.max(GAP_HOURS_MIN),
            fading(0),
            fading(1),
            fading(2),
        ];
        out.copy_from_slice(&values);
    }

    fn total(&self, now: Timestamp, hours: f32) -> f32 {
        let from = now.plus_hours(-f64::from(hours));
        let within = |time: Timestamp| from < time && time <= now;
        let sum: f64 = self
            .recent
            .iter()
            .filter(|(time, _)| within(*time))
            .map(|(_, amount)| f64::from(*amount))
            .sum();
        // The sum of nothing is -0, which nobody wants to read.
        (sum + 0.0) as f32
    }

    fn is_known(&self, time: Timestamp, distinct: Distinct) -> bool {
        self.recent.iter().rev().any(|(known, _)| same(*known, time, distinct))
    }

    fn keep(&mut self, time: Timestamp, amount: f32) {
        let at = self.recent.partition_point(|(known, _)| *known <= time);
        self.recent.insert(at, (time, amount));
        let oldest = self.last.plus_hours(-f64::from(self.window_hours));
        while self.recent.front().is_some_and(|(known, _)| *known < oldest)
            || RECENT_COUNT_MAX < self.recent.len()
        {
            self.recent.pop_front();
        }
    }

    /// Adds to the weighted sums, which are kept as of the latest time.
    fn weigh(&mut self, time: Timestamp, amount: f64, memory_hours: [f32; 3]) {
        let ahead = if self.count == 0 { 0.0 } else { time.hours_since(self.last) };
        for (sum, memory) in self.weighted.iter_mut().zip(memory_hours) {
            let decay = (-ahead.abs() / f64::from(memory)).exp();
            *sum = if ahead < 0.0 { *sum + amount * decay } else { *sum * decay + amount };
        }
    }
}

/// Returns whether two events count as one.
pub(crate) fn same(one: Timestamp, other: Timestamp, distinct: Distinct) -> bool {
    match distinct {
        Distinct::Event => false,
        Distinct::Moment => one == other,
        Distinct::Day => {
            one.micros().div_euclid(MICROS_PER_DAY) == other.micros().div_euclid(MICROS_PER_DAY)
        }
    }
}

/// How many features a window target has of its own.
pub(crate) const WINDOW_OWN_COUNT: usize = WINDOW_OWN.len();

/// The features that a window target has of its own, in order.
pub(super) const WINDOW_OWN: [&str; 13] = [
    "in the last window",
    "in the last quarter of a window",
    "so far",
    "usually in a window",
    "mean of each time",
    "last value",
    "hours since the last time",
    "usual hours between two times",
    "hours between the last two times",
    "how overdue it is",
    "very recently",
    "recently",
    "in the long term",
];

/// More events than this in one window are not told apart any more: it is one every 10 minutes
/// for four weeks.
const RECENT_COUNT_MAX: usize = 4_096;

/// No screened value is larger, and a sum of all events stays finite.
const AMOUNT_MAX: f32 = 1e15;

/// Two events at one moment must not make an hour look infinitely late.
const GAP_HOURS_MIN: f32 = 1.0;

const MICROS_PER_DAY: i64 = 86_400_000_000;
