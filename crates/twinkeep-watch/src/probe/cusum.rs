//! Cumulative sums: whether something began to happen more often, or to be larger.

use crate::detect::page_hinkley_run_length;

/// Whether values that are standard normal as a rule have become larger.
///
/// Page: Continuous inspection schemes, 1954. Between two false alarms there are as many values on
/// average as was asked for (Siegmund's approximation, as for drift).
#[derive(Clone, Debug)]
pub struct NormalCusum {
    allowance: f64,
    limit: f64,
    sum: f64,
    since_us: i64,
    count: u64,
}

/// Whether a share of events that was small as a rule has become large.
///
/// The cumulative sum of log-likelihood ratios of two Bernoulli variables; with a limit of ln(n)
/// there are n events or more between two false alarms on average (Lorden 1971).
#[derive(Clone, Debug)]
pub struct ShareCusum {
    hit: f64,
    miss: f64,
    limit: f64,
    sum: f64,
    since_us: i64,
    count: u64,
}

impl NormalCusum {
    /// Begins; `run_length` values lie between two false alarms on average.
    pub fn new(allowance: f64, run_length: f64) -> Self {
        let (mut low, mut high) = (0.0, LIMIT_MAX);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if page_hinkley_run_length(allowance, middle) < run_length {
                low = middle;
            } else {
                high = middle;
            }
        }
        Self { allowance, limit: high, sum: 0.0, since_us: 0, count: 0 }
    }

    /// Returns what a value adds to the sum.
    pub(crate) fn step(&self, value: f64) -> f64 {
        value - self.allowance
    }

    /// Takes the next value; returns whether this is an alarm. After one, it begins anew.
    pub fn add(&mut self, value: f64, at_us: i64) -> Option<Risen> {
        let step = self.step(value);
        Risen::take((&mut self.sum, &mut self.since_us, &mut self.count), step, self.limit, at_us)
    }

    /// Returns whether nothing speaks for an alarm now.
    pub(crate) fn is_calm(&self) -> bool {
        self.sum <= 0.0
    }
}

impl ShareCusum {
    /// Begins: the share is `usual` as a rule, and `high` is to be noticed.
    pub fn new(usual: f64, high: f64, run_length: f64) -> Self {
        Self {
            hit: (high / usual).ln(),
            miss: ((1.0 - high) / (1.0 - usual)).ln(),
            limit: run_length.ln(),
            sum: 0.0,
            since_us: 0,
            count: 0,
        }
    }

    /// Returns what an event adds to the sum.
    pub(crate) fn step(&self, hit: bool) -> f64 {
        if hit { self.hit } else { self.miss }
    }

    /// Takes the next event; returns whether this is an alarm. After one, it begins anew.
    pub fn add(&mut self, hit: bool, at_us: i64) -> Option<Risen> {
        let step = self.step(hit);
        Risen::take((&mut self.sum, &mut self.since_us, &mut self.count), step, self.limit, at_us)
    }

    /// Returns whether nothing speaks for an alarm now.
    pub(crate) fn is_calm(&self) -> bool {
        self.sum <= 0.0
    }
}

/// An alarm of a cumulative sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Risen {
    /// How high the sum came.
    pub sum: f64,
    /// What it must not reach.
    pub limit: f64,
    /// Since when it had not been zero: microseconds since 1970.
    pub since_us: i64,
    /// How many values that took.
    pub count: u64,
}

impl Risen {
    fn take(
        (sum, since_us, count): (&mut f64, &mut i64, &mut u64),
        step: f64,
        limit: f64,
        at_us: i64,
    ) -> Option<Self> {
        if *sum <= 0.0 {
            (*since_us, *count) = (at_us, 0);
        }
        *sum = (*sum + step).max(0.0);
        *count += 1;
        if *sum < limit {
            return None;
        }
        let found = Self { sum: *sum, limit, since_us: *since_us, count: *count };
        *sum = 0.0;
        Some(found)
    }
}

/// No rule has more: e^100 values.
const LIMIT_MAX: f64 = 100.0;

/// 100 / 2^60 is nothing.
const HALVINGS: u32 = 60;
