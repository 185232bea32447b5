//! The mark that a batch of events went through screening.

use crate::Events;

/// Events that were screened against the pack; the store takes nothing else.
///
/// Only `twinkeep-intake` makes one: `cargo xtask tidy` refuses a call to
/// [`Screened::attest`] anywhere else.
#[derive(Debug)]
pub struct Screened(Events);

impl Screened {
    /// States that every event was checked against the pack. For the screening step only.
    pub fn attest(events: Events) -> Self {
        Self(events)
    }

    /// Returns the events, sorted by subject and time.
    pub fn events(&self) -> &Events {
        &self.0
    }

    /// Gives the events up. Whoever stores them must not change one, only leave some out.
    pub fn into_events(self) -> Events {
        self.0
    }
}
