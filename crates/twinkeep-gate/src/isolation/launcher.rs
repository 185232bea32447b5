//! The process that starts the edge, and the courier where there are upstreams; and another when
//! one dies.
//!
//! It is started before the keep is opened, and does nothing but this: it holds the listening
//! socket and never takes a connection from it.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::channel;
use super::sandbox::OWN_PROGRAM;
use crate::GateError;

/// What a worker says to the launcher: with the listener, start an edge,
pub(super) const OPEN: &[u8] = b"open";
/// or an edge and a courier;
pub(super) const OPEN_OUTWARDS: &[u8] = b"both";
/// and later, stop.
pub(super) const STOP: &[u8] = b"stop";

/// What the launcher says to the worker with the sockets of a process that it has started.
pub(super) const EDGE: &[u8] = b"edge";
pub(super) const COURIER: &[u8] = b"courier";

/// What both may look at: the worker's thread, and the one that waits for the edge.
#[derive(Default)]
struct State {
    /// The listener, and that for metrics if there is one; none once it is time to stop.
    listeners: Vec<OwnedFd>,
    edge: Option<Child>,
    courier: Option<Child>,
    stopping: bool,
}

/// Which of the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Edge,
    Courier,
}

impl State {
    fn child(&mut self, kind: Kind) -> &mut Option<Child> {
        match kind {
            Kind::Edge => &mut self.edge,
            Kind::Courier => &mut self.courier,
        }
    }
}

/// Runs until the worker is gone, or tells it to stop. `edge` is what starts an edge on the
/// program's command line, and `courier` a courier.
pub fn run_launcher(edge: &str, courier: &str) -> Result<(), GateError> {
    let cannot = |source| GateError::Edge { source };
    let worker = Arc::new(channel::from_parent().map_err(cannot)?);
    let mut word = [0; STOP.len()];
    let (_, listeners) = channel::receive(worker.as_fd(), &mut word).map_err(cannot)?;
    if listeners.is_empty() {
        // The worker never came so far.
        return Ok(());
    }
    let outwards = word == OPEN_OUTWARDS;
    let state = Arc::new(Mutex::new(State { listeners, ..State::default() }));
    thread::Builder::new()
        .name("worker".to_owned())
        .spawn({
            let (worker, state) = (Arc::clone(&worker), Arc::clone(&state));
            move || listen(&worker, &state)
        })
        .map_err(cannot)?;
    if outwards {
        let (worker, state, courier) =
            (Arc::clone(&worker), Arc::clone(&state), courier.to_owned());
        thread::Builder::new()
            .name("courier".to_owned())
            .spawn(move || keep_running(Kind::Courier, &courier, &worker, &state))
            .map_err(cannot)?;
    }
    keep_running(Kind::Edge, edge, &worker, &state).map_err(cannot)
}

/// Does what the worker says; without a worker, there is nothing to do.
fn listen(worker: &OwnedFd, state: &Mutex<State>) {
    let mut word = [0; STOP.len()];
    while let Ok((1.., _)) = channel::receive(worker.as_fd(), &mut word) {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.stopping = true;
        // From now on nobody gets through to a port that nobody answers at.
        state.listeners.clear();
    }
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let State { edge, courier, .. } = &mut *state;
    for child in [edge, courier].into_iter().flatten() {
        let _ = child.kill();
    }
    std::process::exit(0);
}

fn keep_running(
    kind: Kind,
    command: &str,
    worker: &OwnedFd,
    state: &Mutex<State>,
) -> io::Result<()> {
    let mut pause = PAUSE_MIN;
    loop {
        let started = Instant::now();
        let goes_on = match kind {
            Kind::Edge => start(command, worker, state)?,
            Kind::Courier => start_courier(command, worker, state)?,
        };
        if !goes_on {
            return Ok(());
        }
        while !ended(kind, state)? {
            thread::sleep(LOOK_EVERY);
        }
        pause = if started.elapsed() < LONG_LIFE { (pause * 2).min(PAUSE_MAX) } else { PAUSE_MIN };
        thread::sleep(pause);
    }
}

/// Starts an edge, unless it is time to stop.
fn start(edge: &str, worker: &OwnedFd, state: &Mutex<State>) -> io::Result<bool> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    if state.stopping {
        return Ok(false);
    }
    let (requests, far_requests) = channel::stream()?;
    let (signatures, far_signatures) = channel::messages()?;
    let (first, far_first) = channel::messages()?;
    channel::send(worker.as_fd(), EDGE, &[far_requests.as_fd(), far_signatures.as_fd()])?;
    let child = Command::new(OWN_PROGRAM)
        .arg(edge)
        .env_clear()
        .stdin(Stdio::from(far_first))
        .stdout(Stdio::null())
        .spawn()?;
    let sockets = [&requests, &signatures].into_iter().chain(&state.listeners);
    let sockets: Vec<_> = sockets.map(std::os::fd::AsFd::as_fd).collect();
    channel::send(first.as_fd(), b"edge", &sockets)?;
    state.edge = Some(child);
    Ok(true)
}

/// Starts a courier, unless it is time to stop. It is needed until the last request has been
/// answered, so it is killed with the launcher and not before.
fn start_courier(courier: &str, worker: &OwnedFd, state: &Mutex<State>) -> io::Result<bool> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let (requests, far_requests) = channel::stream()?;
    let (first, far_first) = channel::messages()?;
    channel::send(worker.as_fd(), COURIER, &[far_requests.as_fd()])?;
    let child = Command::new(OWN_PROGRAM)
        .arg(courier)
        .env_clear()
        .stdin(Stdio::from(far_first))
        .stdout(Stdio::null())
        .spawn()?;
    channel::send(first.as_fd(), COURIER, &[requests.as_fd()])?;
    state.courier = Some(child);
    Ok(true)
}

fn ended(kind: Kind, state: &Mutex<State>) -> io::Result<bool> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let child = state.child(kind);
    let ended = match child {
        Some(child) => child.try_wait()?.is_some(),
        None => true,
    };
    if ended {
        *child = None;
    }
    Ok(ended)
}

/// An edge that dies young is started again more and more slowly, so that one that cannot live
/// does not burn the processor; and never more slowly than a client tries again.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);
const LONG_LIFE: Duration = Duration::from_secs(30);

/// How late the death of an edge may be found.
const LOOK_EVERY: Duration = Duration::from_millis(20);
