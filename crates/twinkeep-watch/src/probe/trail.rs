//! What a history looked like, event by event, as keyed digests: whether another one is the same
//! person's, some time later.
//!
//! Who asks again about a person knows more of them by then. What they send begins as before and goes
//! on; or it has values that came late, with an earlier time; or, if they send the last day only, it
//! begins later. In none of that an event changes: whoever probes changes what they know.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

/// Digests of the events of a history, in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trail {
    /// Of what holds at all times.
    pub(crate) always: Vec<u32>,
    /// When each other event was, in microseconds, and its digest.
    pub(crate) timed: Vec<(i64, u32)>,
}

impl Trail {
    /// Returns whether this is the history `before`, some time later: with more events after it, with
    /// some that came late, but by no more than so many microseconds, or without its beginning.
    pub(crate) fn is_later_than(&self, before: &Self, late_us: i64) -> bool {
        let (Some(first), Some(last)) = (self.timed.first(), self.timed.last()) else {
            return false;
        };
        let Some(last_before) = before.timed.last() else { return false };
        let Some(begin) = before.timed.iter().position(|event| event == first) else {
            return false;
        };
        let rest = before.timed.get(begin..).unwrap_or_default();
        // A window goes on with time, or any part of a history would be the whole of it; and one that
        // has little in common with the window before may be about anybody.
        let is_window = last_before.0 < last.0 && before.timed.len() <= 2 * rest.len();
        if self.always != before.always || 0 < begin && !is_window {
            return false;
        }
        let from = last_before.0.saturating_sub(late_us);
        let mut left = rest.iter().peekable();
        for event in &self.timed {
            if left.peek() == Some(&event) {
                left.next();
            } else if event.0 < from {
                return false;
            }
        }
        left.peek().is_none()
    }
}

/// Trails of the newest questions, whoever asked them: those of older ones are forgotten.
#[derive(Debug, Default)]
pub(crate) struct Trails(VecDeque<Arc<Trail>>);

impl Trails {
    /// Keeps a trail for a while; a very long one is not kept.
    pub(crate) fn keep(&mut self, trail: &Trail) -> Weak<Trail> {
        if TRAIL_LEN_MAX < trail.always.len() + trail.timed.len() {
            return Weak::new();
        }
        if TRAIL_COUNT_MAX <= self.0.len() {
            self.0.pop_front();
        }
        let kept = Arc::new(trail.clone());
        let weak = Arc::downgrade(&kept);
        self.0.push_back(kept);
        weak
    }
}

/// With the longest ones some 60 MiB; a usual one has a few hundred events.
const TRAIL_COUNT_MAX: usize = 4_096;

const TRAIL_LEN_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::{TRAIL_COUNT_MAX, TRAIL_LEN_MAX, Trail, Trails};

    const HOUR_US: i64 = 3_600_000_000;

    /// Two values an hour, from one hour on until before another.
    fn hours(from: i64, to: i64) -> Trail {
        let each =
            |hour: i64| [(hour * HOUR_US, 1000 + hour as u32), (hour * HOUR_US, hour as u32)];
        Trail { always: vec![7, 8], timed: (from..to).flat_map(each).collect() }
    }

    fn later(now: &Trail, before: &Trail) -> bool {
        now.is_later_than(before, 6 * HOUR_US)
    }

    #[test]
    fn what_goes_on_comes_late_or_begins_later_is_the_same_person() {
        let before = hours(0, 24);
        assert!(later(&hours(0, 25), &before));
        assert!(later(&hours(1, 25), &before) && later(&hours(12, 36), &before));
        let mut late = hours(0, 25);
        let sorted = |trail: &mut Trail| trail.timed.sort_by_key(|event| event.0);
        late.timed.push((20 * HOUR_US + 1, 99));
        sorted(&mut late);
        assert!(later(&late, &before));
        late.timed.push((10 * HOUR_US, 98));
        sorted(&mut late);
        assert!(!later(&late, &before), "nothing comes so late");
        // The same value twice at a moment is one more, and not the one that was there.
        let mut twice = hours(0, 24);
        twice.timed.insert(9, twice.timed[8]);
        assert!(!later(&twice, &before));
    }

    #[test]
    fn what_was_changed_or_cut_is_not() {
        let before = hours(0, 24);
        for at in [0, 1, 20, 46, 47] {
            let mut changed = hours(0, 24);
            changed.timed[at].1 = 55;
            assert!(!later(&changed, &before), "{at}");
            changed.timed.push((24 * HOUR_US, 1));
            assert!(!later(&changed, &before), "{at}");
        }
        assert!(!later(&hours(0, 23), &before), "the end is gone");
        assert!(!later(&hours(1, 24), &before), "a part, and no time has passed");
        assert!(!later(&hours(13, 37), &before), "more is gone than is left");
        assert!(!later(&hours(24, 48), &before));
        let other = Trail { always: vec![7, 9], ..hours(0, 25) };
        assert!(!later(&other, &before), "another person");
        assert!(!later(&Trail::default(), &before) && !later(&before, &Trail::default()));
    }

    #[test]
    fn only_the_newest_are_kept() {
        let mut trails = Trails::default();
        let first = trails.keep(&hours(0, 2));
        assert_eq!(*first.upgrade().unwrap(), hours(0, 2));
        assert!(trails.keep(&hours(0, TRAIL_LEN_MAX as i64)).upgrade().is_none());
        for _ in 0..TRAIL_COUNT_MAX {
            trails.keep(&hours(0, 1));
        }
        assert!(first.upgrade().is_none());
    }
}
