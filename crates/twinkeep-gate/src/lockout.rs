//! Lock-out: whoever shows wrong credentials again and again is not listened to for a while.
//!
//! Failures are counted by address. From an address that is locked only those are heard who were
//! recognized there before: somebody who guesses does not lock out a neighbor, and does not learn
//! from the answer whether a guess was right.
//!
//! # Invariants
//!
//! - The memory is bounded; addresses beyond the bound are bounded by their rate alone.
//! - Nothing here reads a clock.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::address::AddressKey;

#[cfg(test)]
mod tests;

/// All addresses.
#[derive(Default)]
pub(crate) struct Lockout(Mutex<BTreeMap<AddressKey, Record>>);

#[derive(Default)]
struct Record {
    /// Failures since `begun`.
    failures: u32,
    begun: Duration,
    locked_until: Duration,
    /// How often it was locked; each time is twice as long as the one before.
    times: u32,
    /// When somebody was last heard from here.
    last: Duration,
    /// Who was recognized here, the latest last.
    known: Vec<String>,
}

impl Lockout {
    /// Returns how long an address is not listened to, if nobody was ever recognized there.
    pub(crate) fn deaf(&self, address: AddressKey, now: Duration) -> Option<Duration> {
        self.with(address, |record| record.wait(now).filter(|_| record.known.is_empty()))
    }

    /// Counts a credential that was wrong; returns how long the address is locked, if it is.
    pub(crate) fn failed(&self, address: AddressKey, now: Duration) -> Option<Duration> {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let record = entry(&mut records, address, now)?;
        record.last = now;
        if let Some(wait) = record.wait(now) {
            return Some(wait);
        }
        if record.failures == 0 || WINDOW <= now.saturating_sub(record.begun) {
            (record.failures, record.begun) = (0, now);
        }
        record.failures += 1;
        if record.failures < FAILURE_COUNT_MAX {
            return None;
        }
        let time = LOCK_MIN.saturating_mul(1 << record.times.min(10)).min(LOCK_MAX);
        record.failures = 0;
        record.times += 1;
        record.locked_until = now + time;
        Some(time)
    }

    /// Takes note of who was recognized; returns how long they are not heard, if the address is
    /// locked and they were never here.
    pub(crate) fn recognized(
        &self,
        address: AddressKey,
        caller: &str,
        now: Duration,
    ) -> Option<Duration> {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let record = entry(&mut records, address, now)?;
        record.last = now;
        if record.known.last().is_some_and(|known| known == caller) {
            return None;
        }
        match record.known.iter().position(|known| known == caller) {
            Some(index) => _ = record.known.remove(index),
            None => {
                if let Some(wait) = record.wait(now) {
                    return Some(wait);
                }
                if KNOWN_COUNT_MAX <= record.known.len() {
                    record.known.remove(0);
                }
            }
        }
        record.known.push(caller.to_owned());
        None
    }

    /// Returns which addresses are locked, for how long yet, and how often they were.
    pub(crate) fn locked(&self, now: Duration) -> Vec<(AddressKey, Duration, u32)> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let locked = records.iter().filter_map(|(address, record)| {
            record.wait(now).map(|wait| (*address, wait, record.times))
        });
        locked.collect()
    }

    /// Listens to an address again; returns whether it was locked.
    pub(crate) fn lift(&self, address: AddressKey, now: Duration) -> bool {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let locked = records.get(&address).is_some_and(|record| record.wait(now).is_some());
        if locked {
            records.remove(&address);
        }
        locked
    }

    fn with<T>(&self, address: AddressKey, read: impl FnOnce(&Record) -> Option<T>) -> Option<T> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.get(&address).and_then(read)
    }
}

impl Record {
    fn wait(&self, now: Duration) -> Option<Duration> {
        self.locked_until.checked_sub(now).filter(|wait| !wait.is_zero())
    }
}

/// Finds the record of an address, or makes one where there is room.
fn entry(
    records: &mut BTreeMap<AddressKey, Record>,
    address: AddressKey,
    now: Duration,
) -> Option<&mut Record> {
    if !records.contains_key(&address) {
        if ADDRESS_COUNT_MAX <= records.len() {
            records.retain(|_, record| {
                record.wait(now).is_some() || now.saturating_sub(record.last) < FORGET_AFTER
            });
        }
        if ADDRESS_COUNT_MAX <= records.len() {
            return None;
        }
    }
    let record = records.entry(address).or_default();
    if record.wait(now).is_none() && FORGET_AFTER <= now.saturating_sub(record.last) {
        *record = Record::default();
    }
    Some(record)
}

/// A program that is set up wrong is noticed by then; a person types less.
pub(crate) const FAILURE_COUNT_MAX: u32 = 20;

/// In which so many failures lock.
const WINDOW: Duration = Duration::from_secs(60);

/// The first time.
const LOCK_MIN: Duration = Duration::from_secs(60);

/// However often.
const LOCK_MAX: Duration = Duration::from_secs(3600);

/// After which an address begins anew.
const FORGET_AFTER: Duration = Duration::from_secs(2 * 3600);

/// Callers behind one address who are told apart.
const KNOWN_COUNT_MAX: usize = 64;

/// Addresses: a few hundred bytes each.
const ADDRESS_COUNT_MAX: usize = 65_536;
