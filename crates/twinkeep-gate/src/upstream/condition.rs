//! Whether an upstream is to be asked: its circuit breaker, and what its health check says.
//!
//! A server that fails again and again is left alone for a while: its clients are told at once, and
//! it gets time. Then one request is let through; if that is answered, all are.
//!
//! The state machines are pure: they are told what happened and when.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use twinkeep_app::{UpstreamConfig, UpstreamState};

/// How one upstream is.
pub(crate) struct Condition {
    started: Instant,
    state: Mutex<State>,
    told: watch::Sender<UpstreamState>,
}

struct State {
    breaker: Breaker,
    health: Health,
}

impl Condition {
    pub(crate) fn new(config: &UpstreamConfig) -> Self {
        let state = State { breaker: Breaker::new(config), health: Health::new(config) };
        let told = watch::Sender::new(state.told());
        Self { started: Instant::now(), state: Mutex::new(state), told }
    }

    /// Returns whether a request would be let through, without letting one through.
    pub(crate) fn would_admit(&self) -> bool {
        let now = self.started.elapsed();
        let state = self.lock();
        state.health.well() && state.breaker.clone().admit(now)
    }

    /// Returns whether a request may go through.
    pub(crate) fn admit(&self) -> bool {
        let now = self.started.elapsed();
        self.change(|state| state.health.well() && state.breaker.admit(now))
    }

    /// A request was answered, or not.
    pub(crate) fn ended(&self, well: bool) {
        let now = self.started.elapsed();
        self.change(
            |state| if well { state.breaker.succeeded() } else { state.breaker.failed(now) },
        );
    }

    /// A request ended in a way that says nothing about the upstream.
    pub(crate) fn withdrawn(&self) {
        self.change(|state| state.breaker.withdrawn());
    }

    /// The health check was answered well, or not.
    pub(crate) fn probed(&self, well: bool) {
        self.change(|state| state.health.probed(well));
    }

    /// Tells of every change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<UpstreamState> {
        self.told.subscribe()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        let now = state.told();
        self.told.send_if_modified(|told| {
            let modified = *told != now;
            *told = now;
            modified
        });
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn told(&self) -> UpstreamState {
        UpstreamState {
            health: self.health.name().to_owned(),
            breaker: self.breaker.name().to_owned(),
            since: String::new(),
        }
    }
}

/// Leaves an upstream alone that fails again and again.
#[derive(Clone, Debug)]
struct Breaker {
    failures_max: u32,
    open_time: Duration,
    position: Position,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    Closed { failures: u32 },
    Open { since: Duration },
    HalfOpen { since: Duration },
}

impl Breaker {
    fn new(config: &UpstreamConfig) -> Self {
        Self {
            failures_max: config.breaker_failures,
            open_time: Duration::from_secs(config.breaker_seconds.into()),
            position: Position::Closed { failures: 0 },
        }
    }

    fn admit(&mut self, now: Duration) -> bool {
        match self.position {
            Position::Closed { .. } => true,
            // Whoever tries and never says what came of it does not keep the others out for ever.
            Position::Open { since } | Position::HalfOpen { since } => {
                let due = since + self.open_time <= now;
                if due {
                    self.position = Position::HalfOpen { since: now };
                }
                due
            }
        }
    }

    fn succeeded(&mut self) {
        match self.position {
            // It was sent before the others failed.
            Position::Open { .. } => {}
            Position::Closed { .. } | Position::HalfOpen { .. } => {
                self.position = Position::Closed { failures: 0 };
            }
        }
    }

    fn failed(&mut self, now: Duration) {
        self.position = match self.position {
            Position::Closed { failures } if failures + 1 < self.failures_max => {
                Position::Closed { failures: failures + 1 }
            }
            Position::Open { since } => Position::Open { since },
            Position::Closed { .. } | Position::HalfOpen { .. } => Position::Open { since: now },
        };
    }

    /// The next one may try at once.
    fn withdrawn(&mut self) {
        if let Position::HalfOpen { since } = self.position {
            self.position = Position::Open { since: since.saturating_sub(self.open_time) };
        }
    }

    fn name(&self) -> &'static str {
        match self.position {
            Position::Closed { .. } => "closed",
            Position::Open { .. } => "open",
            Position::HalfOpen { .. } => "half-open",
        }
    }
}

/// What the health check says. An upstream is taken for well until it says otherwise.
#[derive(Debug)]
struct Health {
    checked: bool,
    unwell_after: u32,
    well_after: u32,
    well: bool,
    /// Answers in a row that speak against how it is taken.
    against: u32,
}

impl Health {
    fn new(config: &UpstreamConfig) -> Self {
        Self {
            checked: config.health_path.is_some(),
            unwell_after: config.unwell_after,
            well_after: config.well_after,
            well: true,
            against: 0,
        }
    }

    fn well(&self) -> bool {
        self.well
    }

    fn probed(&mut self, well: bool) {
        if well == self.well {
            self.against = 0;
            return;
        }
        self.against += 1;
        let needed = if self.well { self.unwell_after } else { self.well_after };
        if needed <= self.against {
            self.well = well;
            self.against = 0;
        }
    }

    fn name(&self) -> &'static str {
        match (self.checked, self.well) {
            (false, _) => "unchecked",
            (true, true) => "well",
            (true, false) => "unwell",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Breaker, Health, Position};

    fn breaker() -> Breaker {
        let position = Position::Closed { failures: 0 };
        Breaker { failures_max: 3, open_time: Duration::from_secs(10), position }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn only_failures_in_a_row_open_the_breaker() {
        let mut breaker = breaker();
        for _ in 0..10 {
            breaker.failed(at(1));
            breaker.failed(at(1));
            breaker.succeeded();
        }
        assert!(breaker.admit(at(2)));
        for _ in 0..3 {
            assert!(breaker.admit(at(2)));
            breaker.failed(at(2));
        }
        assert_eq!(breaker.name(), "open");
        assert!(!breaker.admit(at(11)));
    }

    #[test]
    fn one_request_tries_and_decides_for_all() {
        let mut breaker = breaker();
        (0..3).for_each(|_| breaker.failed(at(0)));
        // One that was sent before does not close it.
        breaker.succeeded();
        assert!(!breaker.admit(at(9)));
        assert!(breaker.admit(at(10)));
        assert!(!breaker.admit(at(10)), "a second one goes through while the first tries");
        breaker.failed(at(11));
        assert!(!breaker.admit(at(20)));
        assert!(breaker.admit(at(21)));
        breaker.succeeded();
        assert_eq!(breaker.name(), "closed");
        assert!(breaker.admit(at(21)) && breaker.admit(at(21)));
    }

    #[test]
    fn who_tries_and_says_nothing_keeps_nobody_out_for_ever() {
        let mut breaker = breaker();
        (0..3).for_each(|_| breaker.failed(at(0)));
        assert!(breaker.admit(at(10)));
        assert!(!breaker.admit(at(19)));
        assert!(breaker.admit(at(20)));
        breaker.withdrawn();
        assert!(breaker.admit(at(20)));
    }

    #[test]
    fn health_turns_after_enough_answers_in_a_row() {
        let mut health =
            Health { checked: true, unwell_after: 3, well_after: 2, well: true, against: 0 };
        for well in [false, false, true, false, false] {
            health.probed(well);
            assert!(health.well());
        }
        health.probed(false);
        assert_eq!(health.name(), "unwell");
        health.probed(true);
        health.probed(false);
        health.probed(true);
        assert!(!health.well());
        health.probed(true);
        assert_eq!(health.name(), "well");
    }
}
