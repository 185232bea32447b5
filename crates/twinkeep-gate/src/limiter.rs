//! Rate limits: the generic cell rate algorithm, meaning what nginx means by `limit_req`.
//!
//! `5 requests a second, burst 10` lets eleven through at once and then five a second, exactly as
//! `limit_req rate=5r/s burst=10 nodelay` does; a refused request costs nothing. One number is
//! kept for each client: when its allowance would be whole again.
//!
//! # Invariants
//!
//! - The memory is bounded: clients beyond the bound share one allowance.
//! - Nothing here reads a clock: same arrivals, same decisions.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// How many requests a client may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    pub per_second: u32,
    /// At once, beyond the first.
    pub burst: u32,
}

/// Keeps count for clients that are told apart by `K`.
pub(crate) struct Limiter<K> {
    rate: Rate,
    key_count_max: usize,
    state: Mutex<State<K>>,
}

struct State<K> {
    /// When each client's allowance is whole again, in nanoseconds; whole ones may be missing.
    whole_at: BTreeMap<K, u64>,
    /// The same for all clients that found no room.
    overflow_whole_at: u64,
    swept_at: u64,
    /// The latest moment that anybody asked at: who read the clock and then waited for the others
    /// must not be judged by what was true before.
    latest: u64,
}

/// What was decided about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The rate that it was decided by.
    pub(crate) rate: Rate,
    /// Requests that are left at once.
    pub(crate) remaining: u32,
    /// Until the allowance is whole again.
    pub(crate) whole_in: Duration,
    /// Until the next request would be let through; `None` if this one was.
    pub(crate) retry_in: Option<Duration>,
}

impl Decision {
    /// A client that is not listened to for a while, whatever its rate.
    pub(crate) fn locked_out(rate: Rate, wait: Duration) -> Self {
        Self { rate, remaining: 0, whole_in: wait, retry_in: Some(wait) }
    }

    /// Returns whether the request was let through.
    pub(crate) fn allowed(&self) -> bool {
        self.retry_in.is_none()
    }

    /// The value of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11).
    pub(crate) fn policy_header(&self) -> String {
        let quota = u64::from(self.rate.burst) + 1;
        let window = quota.div_ceil(u64::from(self.rate.per_second.max(1)));
        format!("\"default\";q={quota};w={window}")
    }

    /// The value of `RateLimit`.
    pub(crate) fn state_header(&self) -> String {
        format!("\"default\";r={};t={}", self.remaining, whole_seconds(self.whole_in))
    }

    /// The value of `Retry-After`, if the request was not let through.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_in.map(|wait| whole_seconds(wait).max(1))
    }
}

impl<K: Ord + Clone> Limiter<K> {
    /// Starts with everybody's allowance whole.
    pub(crate) fn new(rate: Rate, key_count_max: usize) -> Self {
        let state =
            State { whole_at: BTreeMap::new(), overflow_whole_at: 0, swept_at: 0, latest: 0 };
        Self { rate, key_count_max, state: Mutex::new(state) }
    }

    /// Decides about one request of `key`, `now` after the start; charges it if it may pass.
    pub(crate) fn check(&self, key: &K, now: Duration) -> Decision {
        let now = nanos(now);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.max(state.latest);
        state.latest = now;
        state.make_room(key, self.key_count_max, now);
        let whole_at = state.whole_at.get(key).copied();
        let fits = whole_at.is_some() || state.whole_at.len() < self.key_count_max;
        let whole_at = if fits { whole_at.unwrap_or_default() } else { state.overflow_whole_at };
        let (decision, whole_at) = decide(self.rate, whole_at, now);
        if fits {
            state.whole_at.insert(key.clone(), whole_at);
        } else {
            state.overflow_whole_at = whole_at;
        }
        decision
    }
}

impl<K: Ord> State<K> {
    /// Forgets clients whose allowance is whole, when there is no room; at most once a second, so
    /// that a flood of new clients does not make every request walk the map.
    fn make_room(&mut self, key: &K, key_count_max: usize, now: u64) {
        let full = key_count_max <= self.whole_at.len() && !self.whole_at.contains_key(key);
        if full && self.swept_at.saturating_add(SWEEP_INTERVAL) <= now {
            self.whole_at.retain(|_, &mut whole_at| now < whole_at);
            self.swept_at = now;
        }
    }
}

/// Returns the decision, and when the allowance is whole after it.
fn decide(rate: Rate, whole_at: u64, now: u64) -> (Decision, u64) {
    let cost = SECOND / u64::from(rate.per_second.max(1));
    let burst = cost * u64::from(rate.burst);
    let whole_at = whole_at.max(now);
    let debt = whole_at - now;
    if burst < debt {
        let retry_in = Some(Duration::from_nanos(debt - burst));
        let whole_in = Duration::from_nanos(debt);
        return (Decision { rate, remaining: 0, whole_in, retry_in }, whole_at);
    }
    let whole_at = whole_at.saturating_add(cost);
    let debt = whole_at - now;
    let left = (burst + cost).saturating_sub(debt) / cost;
    let remaining = u32::try_from(left).unwrap_or(u32::MAX);
    let whole_in = Duration::from_nanos(debt);
    (Decision { rate, remaining, whole_in, retry_in: None }, whole_at)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn whole_seconds(time: Duration) -> u64 {
    time.as_nanos().div_ceil(u128::from(SECOND)).try_into().unwrap_or(u64::MAX)
}

const SECOND: u64 = 1_000_000_000;

const SWEEP_INTERVAL: u64 = SECOND;
