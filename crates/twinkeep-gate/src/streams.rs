//! Answers that go on: who follows changes, and what keeps each of them short of harm.
//!
//! A stream is a task that asks the keep what changed after its cursor, and a body that hands on
//! what the task gives it. The keep's own rows are the buffer: a slow reader holds a few messages
//! in memory, and reads on from its cursor.
//!
//! # Life of a stream
//!
//! 1. [`Streams::admit`] gives it a place: so many in total, so many for each key.
//! 2. [`watch`] looks several times a second whether anything changed, and who may follow; a live
//!    event of this gate makes it look at once.
//! 3. The task ends when the client leaves or reads too slowly, when its key is revoked or expires,
//!    when the stream is old, and when the gate closes; the ledger gets why.
//!
//! # Invariants
//!
//! - Nothing is told to a key after it was found revoked.
//! - Every stream that was opened is closed in the ledger, also when the gate stops.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::Frame;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use twinkeep_app::{AppError, ChangeMessage, Follower, Pulse};

use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::use_case;

/// All streams of a gate.
pub(crate) struct Streams {
    open: Mutex<BTreeMap<String, usize>>,
    count: watch::Sender<usize>,
    pulse: watch::Sender<Option<Arc<Pulse>>>,
    closing: watch::Sender<bool>,
    nudge: Notify,
}

/// A place for one stream; dropping it gives the place back.
pub(crate) struct Place {
    gate: Arc<Gate>,
    caller: String,
}

/// Why a stream ended: the permanent name in the ledger and in the last message.
type Reason = &'static str;

impl Streams {
    pub(crate) fn new() -> Self {
        Self {
            open: Mutex::default(),
            count: watch::Sender::new(0),
            pulse: watch::Sender::new(None),
            closing: watch::Sender::new(false),
            nudge: Notify::new(),
        }
    }

    /// Says that something changed, so that nobody waits for the next look.
    pub(crate) fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Returns how many there are.
    pub(crate) fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Ends all streams, and waits until the ledger has it, at most `time`.
    pub(crate) async fn close(&self, time: Duration) {
        self.closing.send_replace(true);
        let mut count = self.count.subscribe();
        _ = timeout(time, count.wait_for(|count| *count == 0)).await;
    }

    /// Gives a caller's stream a place, if there is one.
    pub(crate) fn admit(gate: &Arc<Gate>, caller: &str) -> Result<Place, Refusal> {
        let streams = &gate.streams;
        let mut open = streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        if *streams.closing.borrow() || STREAM_COUNT_MAX <= open.values().sum() {
            return Err(Refusal::busy());
        }
        let own = open.entry(caller.to_owned()).or_default();
        if STREAM_COUNT_PER_CALLER_MAX <= *own {
            return Err(Refusal::too_many_streams());
        }
        *own += 1;
        streams.count.send_modify(|count| *count += 1);
        Ok(Place { gate: Arc::clone(gate), caller: caller.to_owned() })
    }
}

impl Place {
    /// Waits until an answer of this caller that goes on must end: their key does not hold any
    /// more, the gate closes, or it is old.
    pub(crate) async fn until_ended(&self) -> Reason {
        let streams = &self.gate.streams;
        let (mut pulse, mut closing) = (streams.pulse.subscribe(), streams.closing.subscribe());
        let end = Instant::now() + STREAM_TIME;
        loop {
            tokio::select! {
                biased;
                () = told_to_close(&mut closing) => return CLOSED,
                () = sleep_until(end) => return OLD,
                _ = pulse.changed() => {}
            }
            let known = |pulse: &Option<Arc<Pulse>>| {
                pulse.as_ref().is_some_and(|it| it.knows(&self.caller))
            };
            if known(&pulse.borrow_and_update()) {
                continue;
            }
            // The last look may be from before the key was made.
            let fresh = use_case::blocking(&self.gate, |app| twinkeep_app::pulse(app).ok()).await;
            match fresh.ok().flatten() {
                Some(pulse) if pulse.knows(&self.caller) => {}
                Some(_) => return REVOKED,
                None => return UNREADABLE,
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let streams = &self.gate.streams;
        let mut open = streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.caller) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                open.remove(&self.caller);
            }
        }
        streams.count.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Looks after the keep while anybody follows.
pub(crate) async fn watch(gate: Arc<Gate>) {
    let mut count = gate.streams.count.subscribe();
    while count.wait_for(|count| 0 < *count).await.is_ok() {
        let pulse = use_case::blocking(&gate, |app| twinkeep_app::pulse(app).ok()).await;
        // A catalog that cannot be read lets nobody follow: fail closed.
        let pulse = pulse.ok().flatten().map(Arc::new);
        gate.streams.pulse.send_if_modified(|known| {
            let modified = *known != pulse;
            *known = pulse;
            modified
        });
        tokio::select! {
            () = sleep(PULSE_INTERVAL) => {}
            () = gate.streams.nudge.notified() => {}
        }
    }
}

/// Starts a stream; returns the body that hands it on.
pub(crate) fn start(place: Place, follower: Follower) -> Body {
    let (sender, receiver) = mpsc::channel(MESSAGES_WAITING_MAX);
    tokio::spawn(run(place, follower, sender));
    Body::new(StreamBody(receiver))
}

async fn run(place: Place, follower: Follower, sender: mpsc::Sender<Bytes>) {
    let gate = Arc::clone(&place.gate);
    let mut task = Task {
        pulse: gate.streams.pulse.subscribe(),
        closing: gate.streams.closing.subscribe(),
        end: Instant::now() + STREAM_TIME,
        spoke: Instant::now(),
        sender,
        gate,
    };
    let (follower, reason) = task.follow(follower).await;
    if let Some(follower) = follower {
        let last = format!("event: end\ndata: {{\"reason\":\"{reason}\"}}\n\n");
        _ = task.sender.try_send(Bytes::from(last));
        // The body ends here; the place is kept until the ledger has it.
        drop(task.sender);
        _ = use_case::blocking(&task.gate, move |app| follower.close(app, reason)).await;
    }
    drop(place);
}

struct Task {
    gate: Arc<Gate>,
    sender: mpsc::Sender<Bytes>,
    pulse: watch::Receiver<Option<Arc<Pulse>>>,
    closing: watch::Receiver<bool>,
    end: Instant,
    /// When the client was last told anything.
    spoke: Instant,
}

impl Task {
    /// Tells what changes until something ends it. The follower is gone if its work panicked.
    async fn follow(&mut self, mut follower: Follower) -> (Option<Follower>, Reason) {
        let caller = follower.caller().id.clone();
        if let Err(reason) = self.send(Bytes::from_static(RETRY.as_bytes()), &caller).await {
            return (Some(follower), reason);
        }
        loop {
            self.pulse.mark_unchanged();
            let (back, told) = match self.ask(follower).await {
                Some(done) => done,
                None => return (None, "internal"),
            };
            follower = back;
            let messages = match told {
                Ok(messages) => messages,
                Err(error) => return (Some(follower), error.code()),
            };
            for message in &messages {
                if let Err(reason) = self.send(frame(message), &caller).await {
                    return (Some(follower), reason);
                }
            }
            let beat = self.spoke + self.gate.settings.heartbeat;
            let waited = match messages.is_empty() {
                true => self.wait(beat, &caller).await,
                // There may be more.
                false => self.check(&caller).await,
            };
            match waited {
                Ok(Woken::Changed) => {}
                Ok(Woken::Beat) => {
                    let beat = Bytes::from_static(HEARTBEAT.as_bytes());
                    if let Err(reason) = self.send(beat, &caller).await {
                        return (Some(follower), reason);
                    }
                }
                Err(reason) => return (Some(follower), reason),
            }
        }
    }

    async fn ask(
        &self,
        mut follower: Follower,
    ) -> Option<(Follower, Result<Vec<ChangeMessage>, AppError>)> {
        let asked = use_case::blocking(&self.gate, move |app| {
            let told = follower.next(app);
            (follower, told)
        });
        asked.await.ok()
    }

    /// Waits until something changes or it is time for a sign of life.
    async fn wait(&mut self, beat: Instant, caller: &str) -> Result<Woken, Reason> {
        tokio::select! {
            biased;
            () = told_to_close(&mut self.closing) => Err(CLOSED),
            () = self.sender.closed() => Err(LEFT),
            () = sleep_until(self.end) => Err(OLD),
            _ = self.pulse.changed() => self.check(caller).await,
            () = sleep_until(beat) => Ok(Woken::Beat),
        }
    }

    /// Looks whether the caller may go on.
    async fn check(&mut self, caller: &str) -> Result<Woken, Reason> {
        let allows =
            |pulse: &Option<Arc<Pulse>>| pulse.as_ref().is_some_and(|pulse| pulse.allows(caller));
        if *self.closing.borrow() {
            return Err(CLOSED);
        }
        if self.end <= Instant::now() {
            return Err(OLD);
        }
        if allows(&self.pulse.borrow_and_update()) {
            return Ok(Woken::Changed);
        }
        // The last look may be from before the key was made.
        let fresh = use_case::blocking(&self.gate, |app| twinkeep_app::pulse(app).ok()).await;
        match fresh.ok().flatten() {
            Some(pulse) if pulse.allows(caller) => Ok(Woken::Changed),
            Some(_) => Err(REVOKED),
            None => Err(UNREADABLE),
        }
    }

    /// Hands a message on, unless the client reads too slowly or must not have it any more.
    async fn send(&mut self, bytes: Bytes, caller: &str) -> Result<(), Reason> {
        let slow = Instant::now() + self.gate.settings.request_arrival_time;
        loop {
            tokio::select! {
                biased;
                () = told_to_close(&mut self.closing) => return Err(CLOSED),
                permit = self.sender.reserve() => {
                    permit.map_err(|_| LEFT)?.send(bytes);
                    self.spoke = Instant::now();
                    return Ok(());
                }
                () = sleep_until(slow) => return Err(SLOW),
                _ = self.pulse.changed() => {}
            }
            self.check(caller).await?;
        }
    }
}

async fn told_to_close(closing: &mut watch::Receiver<bool>) {
    _ = closing.wait_for(|closing| *closing).await;
}

enum Woken {
    Changed,
    Beat,
}

/// Writes a message as the HTML standard has it, "Server-sent events". JSON has no line breaks.
fn frame(message: &ChangeMessage) -> Bytes {
    let data = serde_json::to_string(&message.data).unwrap_or_default();
    let ChangeMessage { id, event, .. } = message;
    Bytes::from(format!("id: {id}\nevent: {event}\ndata: {data}\n\n"))
}

/// What a client reads of a stream.
struct StreamBody(mpsc::Receiver<Bytes>);

impl hyper::body::Body for StreamBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

const CLOSED: Reason = "gate-closed";
const LEFT: Reason = "client-left";
const OLD: Reason = "stream-old";
const REVOKED: Reason = "key-revoked";
const SLOW: Reason = "client-slow";
const UNREADABLE: Reason = "keep-unreadable";

/// How long a client waits before it connects again, in milliseconds.
const RETRY: &str = "retry: 2000\n\n";

/// A comment: it tells both sides and what stands between them that somebody is there.
const HEARTBEAT: &str = ": here\n\n";

/// Streams of all callers together: each asks the catalog whenever something changes.
const STREAM_COUNT_MAX: usize = 256;

/// Streams of one key: a few screens.
const STREAM_COUNT_PER_CALLER_MAX: usize = 16;

/// Messages of one stream that wait in memory for its reader.
const MESSAGES_WAITING_MAX: usize = 4;

/// A key that was revoked is noticed well within a second, and so is another process's change.
const PULSE_INTERVAL: Duration = Duration::from_millis(250);

/// Shorter than a connection may live, so that a stream ends by itself and goes on with its id.
const STREAM_TIME: Duration = Duration::from_secs(50 * 60);
