//! What brings feeds to a running server by itself, the drop folder and the message stream: how each
//! stands, and when that changed.
//!
//! # Invariants
//!
//! - It ends only when it is told to: a bug ends one turn, and the next one begins after a pause.
//! - A failure that lasts is one entry in the ledger, not one each turn.

use std::mem::discriminant;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use twinkeep_ledger::{Activity, Class as EventClass, Severity};

use crate::locking::lock;
use crate::{App, Caller};

/// How a feeder stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeederState {
    /// It is being opened.
    Opening,
    /// It is watched, and everything in it was dealt with.
    Watching,
    /// It cannot be used; the code says why. It is tried again.
    Failing(&'static str),
}

impl FeederState {
    /// Returns the name that programs see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Watching => "watching",
            Self::Failing(_) => "failing",
        }
    }
}

/// A feeder, and how it stands; `None` if there is none.
pub(crate) struct Feeder {
    /// What the ledger calls a change.
    action: &'static str,
    state: Mutex<Option<FeederState>>,
}

impl Feeder {
    pub(crate) fn new(action: &'static str) -> Self {
        Self { action, state: Mutex::default() }
    }

    pub(crate) fn state(&self) -> Option<FeederState> {
        *lock(&self.state)
    }

    /// Remembers how it stands, and returns how it stood.
    fn set(&self, state: FeederState) -> Option<FeederState> {
        lock(&self.state).replace(state)
    }

    /// Remembers how it stands, and records it where that changes.
    pub(crate) fn note(&self, app: &App, caller: &Caller, state: FeederState) {
        let before = self.set(state);
        if before.is_some_and(|before| discriminant(&before) == discriminant(&state)) {
            return;
        }
        let entry =
            app.entry(caller, EventClass::ApplicationLifecycle, Activity::Start, self.action);
        let entry = match state {
            FeederState::Failing(code) => entry.severity(Severity::Medium).failed(code),
            _ => entry,
        };
        // Nothing of a person was touched: a ledger that cannot be written must not end the watch.
        let _ = app.record(&entry);
    }

    /// Takes turns until `stop` says so. A turn that ends by a bug is told to `bug`.
    pub(crate) fn run(
        &self,
        stop: &dyn Fn() -> bool,
        turn: &mut dyn FnMut(),
        bug: &mut dyn FnMut(),
    ) {
        self.set(FeederState::Opening);
        while !stop() {
            if catch_unwind(AssertUnwindSafe(&mut *turn)).is_err() {
                bug();
                thread::sleep(PAUSE_AFTER_BUG);
            }
        }
    }
}

/// Long enough that a bug that comes each time costs nothing.
const PAUSE_AFTER_BUG: Duration = Duration::from_secs(1);
