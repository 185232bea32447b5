//! What was turned away before there was a request: counted, and recorded once per interval.
//!
//! A connection that stalls has no request that an audit entry could be about, and whoever opens
//! a million of them must not be able to fill the ledger. So they are counted by kind.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::admission::Full;
use super::watch::Stall;

/// Counts by kind.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    /// Since they were last taken.
    fresh: BTreeMap<&'static str, u64>,
    /// Since the start.
    ever: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Counts a connection that was ended because it stalled.
    pub(crate) fn stalled(&self, stall: Stall) {
        self.count(stall.name());
    }

    /// Counts a connection that was not let in.
    pub(crate) fn full(&self, full: Full) {
        self.count(match full {
            Full::Gate => FULL,
            Full::Address => FULL_FOR_ADDRESS,
        });
    }

    /// Counts under one of a fixed set of names.
    pub(crate) fn count(&self, name: &'static str) {
        self.count_many([(name, 1)]);
    }

    /// Returns what was counted, and starts again from zero.
    pub(crate) fn take(&self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.lock().fresh)
    }

    /// Adds counts back that could not be recorded.
    pub(crate) fn put_back(&self, counts: BTreeMap<&'static str, u64>) {
        let mut kept = self.lock();
        counts.into_iter().for_each(|count| add(&mut kept.fresh, count));
    }

    /// Returns what was counted since the start.
    pub(crate) fn totals(&self) -> BTreeMap<&'static str, u64> {
        self.lock().ever.clone()
    }

    /// Adds what another process counted, as far as the names are known here.
    pub(crate) fn add(&self, counts: &BTreeMap<String, u64>) {
        let stalls = Stall::ALL.map(Stall::name);
        let names = stalls.into_iter().chain([FULL, FULL_FOR_ADDRESS, TLS_FAILED, ACCEPT_FAILED]);
        let known = names.filter_map(|name| Some((name, *counts.get(name)?)));
        self.count_many(known);
    }

    fn count_many(&self, counts: impl IntoIterator<Item = (&'static str, u64)>) {
        let mut kept = self.lock();
        for count in counts {
            add(&mut kept.fresh, count);
            add(&mut kept.ever, count);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(counts: &mut BTreeMap<&'static str, u64>, (name, count): (&'static str, u64)) {
    let sum = counts.entry(name).or_default();
    *sum = sum.saturating_add(count);
}

/// All connections there may be are open.
const FULL: &str = "connections-full";

/// All connections that one address may have are open.
const FULL_FOR_ADDRESS: &str = "connections-full-for-address";

/// The TLS handshake failed: not TLS 1.3, no common cipher, or a probe.
pub(crate) const TLS_FAILED: &str = "tls-failed";

/// The operating system gave no connection: usually too many open files.
pub(crate) const ACCEPT_FAILED: &str = "accept-failed";

#[cfg(test)]
mod tests {
    use super::Tally;
    use crate::edge::watch::Stall;

    #[test]
    fn counts_that_cannot_be_recorded_are_kept() {
        let tally = Tally::default();
        tally.stalled(Stall::Head);
        let taken = tally.take();
        tally.stalled(Stall::Head);
        tally.put_back(taken);
        assert_eq!(tally.take().into_iter().collect::<Vec<_>>(), [("head-stalled", 2)]);
        assert!(tally.take().is_empty());
        assert_eq!(tally.totals().into_iter().collect::<Vec<_>>(), [("head-stalled", 2)]);
    }

    #[test]
    fn what_another_process_counted_is_added_under_known_names_only() {
        let tally = Tally::default();
        tally.stalled(Stall::Head);
        let counts = [("head-stalled", 2), ("tls-failed", 1), ("idle", u64::MAX), ("lies", 7)];
        tally.add(&counts.map(|(name, count)| (name.to_owned(), count)).into());
        tally.stalled(Stall::Idle);
        let taken = tally.take().into_iter().collect::<Vec<_>>();
        assert_eq!(taken, [("head-stalled", 3), ("idle", u64::MAX), ("tls-failed", 1)]);
    }
}
