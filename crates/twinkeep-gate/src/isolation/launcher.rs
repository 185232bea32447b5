//! The process that starts the edge, another edge where operators have a listener of their own, and
//! the courier where there are upstreams; and each anew when it dies.
//!
//! It is started before the keep is opened, and does nothing but this: it holds the listening
//! sockets and never takes a connection from one.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::channel;
use super::lanes::lane_count;
use super::sandbox::OWN_PROGRAM;
use crate::GateError;

/// What a worker says to the launcher: with the listeners, which processes to start,
pub(super) const OPEN: &[u8] = b"open";
/// and later, stop.
pub(super) const STOP: &[u8] = b"stop";

/// Follows [`OPEN`]: a courier is needed,
pub(super) const OUTWARDS: u8 = 1;
/// and the last listener is that for operators.
pub(super) const WITH_ADMIN: u8 = 2;

/// What the launcher says to the worker with the sockets of a process that it has started.
pub(super) const EDGE: &[u8] = b"edge";
pub(super) const ADMIN_EDGE: &[u8] = b"admin";
pub(super) const COURIER: &[u8] = b"courier";

/// What all may look at: the worker's thread, and those that wait for a process each.
#[derive(Default)]
struct State {
    /// The listener, and that for metrics if there is one; none once it is time to stop.
    listeners: Vec<OwnedFd>,
    /// The listener for operators, in the same way.
    admin: Vec<OwnedFd>,
    children: BTreeMap<Kind, Child>,
    stopping: bool,
}

/// Which of the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// The one that clients reach.
    Edge,
    /// The one that operators reach: nobody else can get at its memory over the network.
    AdminEdge,
    Courier,
}

/// Runs until the worker is gone, or tells it to stop. `edge` is what starts an edge on the
/// program's command line, and `courier` a courier.
pub fn run_launcher(edge: &str, courier: &str) -> Result<(), GateError> {
    let cannot = |source| GateError::Edge { source };
    let worker = Arc::new(channel::from_parent().map_err(cannot)?);
    let mut word = [0; OPEN.len() + 1];
    let (_, mut listeners) = channel::receive(worker.as_fd(), &mut word).map_err(cannot)?;
    if listeners.is_empty() {
        // The worker never came so far.
        return Ok(());
    }
    let asked = word[OPEN.len()];
    let admin = if asked & WITH_ADMIN != 0 { listeners.pop() } else { None };
    let mut others = Vec::new();
    if admin.is_some() {
        others.push((Kind::AdminEdge, "admin", edge));
    }
    if asked & OUTWARDS != 0 {
        others.push((Kind::Courier, "courier", courier));
    }
    let admin = admin.into_iter().collect();
    let state = Arc::new(Mutex::new(State { listeners, admin, ..State::default() }));
    thread::Builder::new()
        .name("worker".to_owned())
        .spawn({
            let (worker, state) = (Arc::clone(&worker), Arc::clone(&state));
            move || listen(&worker, &state)
        })
        .map_err(cannot)?;
    for (kind, name, command) in others {
        let (worker, state, command) =
            (Arc::clone(&worker), Arc::clone(&state), command.to_owned());
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || keep_running(kind, &command, &worker, &state))
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
        state.admin.clear();
    }
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    for child in state.children.values_mut() {
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
            Kind::Edge | Kind::AdminEdge => start(kind, command, worker, state)?,
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
fn start(kind: Kind, edge: &str, worker: &OwnedFd, state: &Mutex<State>) -> io::Result<bool> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    if state.stopping {
        return Ok(false);
    }
    let (name, listeners, lanes) = match kind {
        Kind::AdminEdge => (ADMIN_EDGE, &state.admin, 1),
        _ => (EDGE, &state.listeners, lane_count()),
    };
    let pairs: io::Result<Vec<_>> = (0..lanes).map(|_| channel::stream()).collect();
    let (requests, far_requests): (Vec<_>, Vec<_>) = pairs?.into_iter().unzip();
    let (signatures, far_signatures) = channel::messages()?;
    let (first, far_first) = channel::messages()?;
    let far = [&far_signatures].into_iter().chain(&far_requests);
    let far: Vec<_> = far.map(std::os::fd::AsFd::as_fd).collect();
    channel::send(worker.as_fd(), name, &far)?;
    let child = Command::new(OWN_PROGRAM)
        .arg(edge)
        .env_clear()
        .stdin(Stdio::from(far_first))
        .stdout(Stdio::null())
        .spawn()?;
    let sockets = [&signatures].into_iter().chain(&requests).chain(listeners);
    let sockets: Vec<_> = sockets.map(std::os::fd::AsFd::as_fd).collect();
    // How many of them are for requests.
    channel::send(first.as_fd(), &[u8::try_from(lanes).unwrap_or(1)], &sockets)?;
    state.children.insert(kind, child);
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
    state.children.insert(Kind::Courier, child);
    Ok(true)
}

fn ended(kind: Kind, state: &Mutex<State>) -> io::Result<bool> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let ended = match state.children.get_mut(&kind) {
        Some(child) => child.try_wait()?.is_some(),
        None => true,
    };
    if ended {
        state.children.remove(&kind);
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
