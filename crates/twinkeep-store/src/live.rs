//! Live events: single events that are durable when they are answered, between two feeds.
//!
//! A feed becomes a file; a single event becomes a sealed row of the catalog, which counts at
//! once: timelines, cohorts, and counts include it. They are moved into files later (`fold`).
//! Requests that come at the same time share one transaction and so one write to the disk: each
//! caller puts its batch into a queue, and whoever gets the lock next commits all that wait.
//!
//! # Invariants
//!
//! - A batch is there as a whole or not at all; one that is refused takes no other with it.
//! - An event that is in the store already is not stored again, but kept as refused.
//! - The row of `store` has a count and a keyed sum of all rows, so that one that was added,
//!   changed, or removed without the key is noticed.

mod commit;
pub(crate) mod fold;
mod read;
mod request;
mod row;
mod set;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use twinkeep_domain::{Screened, SourceSubject, Subject, Timestamp};
use twinkeep_vault::{SecretBytes, SplitHasher};

use crate::{Store, StoreError};

use commit::Writer;
pub use fold::{Folded, LIVE_SOURCE, RefusedOrigin};
pub(crate) use read::{LiveEvent, LiveRow};
pub use request::LiveRequest;

/// Events that came in one request, screened.
pub struct LiveBatch {
    /// What makes a repeated request the same one, if the caller wants that.
    pub request: Option<LiveRequest>,
    /// When it came.
    pub received_at: Timestamp,
    /// The events that passed.
    pub screened: Screened,
    /// Where each of these events comes from, in the same order.
    pub origins: Vec<LiveOrigin>,
    /// Who is behind each pseudonym.
    pub mapping: Vec<(Subject, SourceSubject)>,
    /// The events that did not pass.
    pub refused: Vec<LiveRefused>,
    /// Makes the answer from the events that the store refused. It is kept with the request, and
    /// given again to whoever repeats it.
    pub answer: MakeAnswer,
}

/// Makes an answer from the events that the store refused; on whichever thread commits.
pub type MakeAnswer = Box<dyn Fn(&[LateRefusal]) -> Vec<u8> + Send>;

/// An event that passed screening and that the store refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateRefusal {
    /// Its number in the request, counted from 1.
    pub row: u64,
    /// `duplicate` or `erased-subject`.
    pub reason: &'static str,
}

/// Where an event comes from.
pub struct LiveOrigin {
    /// Its number in the request, counted from 1.
    pub row: u64,
    /// The event as it came.
    pub raw: SecretBytes,
}

/// An event that did not pass.
pub struct LiveRefused {
    /// Where it comes from.
    pub origin: LiveOrigin,
    /// Whom it is about, where that is known: it is sealed with that subject's key.
    pub subject: Option<Subject>,
    /// The field that was wrong, if it was one.
    pub field: Option<&'static str>,
    /// The permanent name of the reason.
    pub reason: &'static str,
}

/// What became of a batch.
pub struct LiveOutcome {
    /// The answer to give.
    pub answer: SecretBytes,
    /// Whether the same request was answered before, so that nothing was stored now.
    pub repeated: bool,
}

/// The queue of batches, and the connection that writes them.
#[derive(Default)]
pub(crate) struct Live {
    waiting: Mutex<Vec<Arc<Ticket>>>,
    writer: Mutex<Writer>,
}

/// One caller's batch on its way.
struct Ticket(Mutex<State>);

enum State {
    Waiting(Box<LiveBatch>),
    Done(Result<LiveOutcome, StoreError>),
    Taken,
}

impl Ticket {
    fn take(&self) -> State {
        std::mem::replace(&mut *lock(&self.0), State::Taken)
    }

    fn put(&self, state: State) {
        *lock(&self.0) = state;
    }
}

impl Store {
    /// Stores live events; when this returns, they are durable and count.
    ///
    /// Callers that come at the same time share one transaction.
    pub fn add_live(
        &self,
        batch: LiveBatch,
        splits: &SplitHasher,
    ) -> Result<LiveOutcome, StoreError> {
        let ticket = Arc::new(Ticket(Mutex::new(State::Waiting(Box::new(batch)))));
        lock(&self.live.waiting).push(Arc::clone(&ticket));
        let mut writer = lock(&self.live.writer);
        // Whoever held the lock before may have committed this batch with its own.
        let own = match ticket.take() {
            State::Done(result) => return result,
            State::Waiting(own) => own,
            // INVARIANT: only the thread of a ticket, and who commits it, take what is in it.
            State::Taken => return Err(LOST),
        };
        let mut others = self.next_batches(&ticket);
        let mut batches = vec![*own];
        batches.extend(others.iter_mut().filter_map(|(_, batch)| batch.take()).map(|batch| *batch));
        match self.commit_live(&mut writer, &batches, splits) {
            Ok(results) => {
                let mut results = results.into_iter();
                let own = results.next().unwrap_or(Err(LOST));
                for ((ticket, _), result) in others.into_iter().zip(results) {
                    ticket.put(State::Done(result));
                }
                own
            }
            Err(error) => {
                // Nothing was stored. The others try again themselves, and hear why at first hand.
                let mut waiting = lock(&self.live.waiting);
                for ((ticket, _), batch) in others.into_iter().zip(batches.drain(1..)) {
                    ticket.put(State::Waiting(Box::new(batch)));
                    waiting.push(ticket);
                }
                Err(error)
            }
        }
    }

    /// Takes the batches that wait, but for this one, and at most [`GROUP_COUNT_MAX`].
    fn next_batches(&self, own: &Arc<Ticket>) -> Vec<(Arc<Ticket>, Option<Box<LiveBatch>>)> {
        let mut waiting = lock(&self.live.waiting);
        waiting.retain(|ticket| !Arc::ptr_eq(ticket, own));
        let count = waiting.len().min(GROUP_COUNT_MAX);
        let take = |ticket: Arc<Ticket>| match ticket.take() {
            State::Waiting(batch) => Some((ticket, Some(batch))),
            State::Done(_) | State::Taken => None,
        };
        waiting.drain(..count).filter_map(take).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread that committed for others panicked.
const LOST: StoreError = StoreError::Refused { what: "batch of events", state: "not stored" };

/// Batches in one transaction: enough to share a write to the disk, few enough to wait for.
const GROUP_COUNT_MAX: usize = 256;

/// Rows before compaction must have run: opening the store reads them all, in about a second.
pub const LIVE_ROW_COUNT_MAX: u64 = 1 << 20;
