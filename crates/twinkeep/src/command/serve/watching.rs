//! Follows, while the gate is open, what is asked of the model and who reads what.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;
use twinkeep_app::{AccessReader, App, QueryWatch, end_query_watch};

/// Looks at questions as they come, until the gate closes.
pub(super) fn follow_questions(app: &App, closed: &Receiver<()>) {
    // A `probe.toml` that cannot be used was refused before the gate opened.
    let Ok(Some(mut watch)) = QueryWatch::begin(app) else { return };
    step_back();
    let mut refreshed = Instant::now();
    while closed.try_recv() == Err(TryRecvError::Empty) {
        // A failure to record is the ledger's, and every answer says so already.
        if watch.look(app, LOOK_FOR).is_err() {
            std::thread::sleep(LOOK_FOR);
        }
        if REFRESH_EVERY <= refreshed.elapsed() {
            let _ = watch.refresh(app);
            refreshed = Instant::now();
        }
    }
    end_query_watch(app);
}

/// Reads the ledger on, until the gate closes.
pub(super) fn follow_ledger(app: &App, closed: &Receiver<()>) {
    let Ok(mut reader) = AccessReader::begin(app) else { return };
    step_back();
    let mut pause = Duration::ZERO;
    while closed.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        pause = match reader.look(app) {
            Ok(true) => SOON,
            Ok(false) => READ_EVERY,
            Err(_) => AFTER_FAILURE,
        };
    }
}

/// Lets this thread run when requests leave time for it; where that may not be, it runs as they do.
fn step_back() {
    // On Linux this is about the thread that asks.
    let _ = setpriority_process(None, PRIORITY);
}

/// A tenth of what a thread that answers requests gets, where both want all of it.
const PRIORITY: i32 = 10;

/// How long the gate may wait for this thread when it closes.
const LOOK_FOR: Duration = Duration::from_millis(250);

/// How soon what another process decided holds here.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// A storm of tokens is seen within this.
const READ_EVERY: Duration = Duration::from_secs(2);

/// Habits are learned beside requests, not before them.
const SOON: Duration = Duration::from_millis(20);

const AFTER_FAILURE: Duration = Duration::from_secs(60);
