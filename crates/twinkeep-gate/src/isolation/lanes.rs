//! Event loops, each on a thread of its own: as many as there are cores, and no task ever moves
//! from one to another.
//!
//! What a request needs in one process happens on one thread: waking another one for each of its
//! steps costs more than the steps. So each loop of the edge has a socket pair of its own to a loop
//! of the worker.

use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

/// Loops that run until they are stopped, or this is dropped.
pub(super) struct Lanes {
    handles: Vec<Handle>,
    stop: watch::Sender<Option<Duration>>,
    threads: Vec<JoinHandle<()>>,
}

impl Lanes {
    /// Starts `count` loops. Each may have `blocking` threads for what has to wait for a disk.
    pub(super) fn start(name: &str, count: usize, blocking: usize) -> io::Result<Self> {
        let (stop, _) = watch::channel(None);
        let mut lanes = Self { handles: Vec::new(), stop, threads: Vec::new() };
        for _ in 0..count {
            let mut stopped = lanes.stop.subscribe();
            let (sender, receiver) = mpsc::sync_channel(1);
            let runtime = Builder::new_current_thread()
                .thread_name(name)
                .max_blocking_threads(blocking.max(1))
                .enable_all()
                .build()?;
            let run = move || {
                // Whoever waits for it is told before anything runs.
                let _ = sender.send(runtime.handle().clone());
                let grace = runtime.block_on(async {
                    let told = stopped.wait_for(Option::is_some).await;
                    told.ok().and_then(|grace| *grace)
                });
                runtime.shutdown_timeout(grace.unwrap_or_default());
            };
            lanes.threads.push(thread::Builder::new().name(name.to_owned()).spawn(run)?);
            lanes.handles.push(receiver.recv().map_err(io::Error::other)?);
        }
        Ok(lanes)
    }

    /// Returns the loop with this number; numbers begin anew after the last.
    pub(super) fn get(&self, number: usize) -> Option<&Handle> {
        self.handles.get(number % self.handles.len().max(1))
    }

    /// Ends the loops; what waits for a disk is given so long. Blocks.
    pub(super) fn stop(mut self, grace: Duration) {
        self.stop.send_replace(Some(grace));
        for thread in self.threads.drain(..) {
            // A loop that panicked has nothing to finish.
            let _ = thread.join();
        }
    }
}

/// Returns how many loops a process has.
pub(super) fn lane_count() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(LANE_COUNT_MAX)
}

/// Beyond so many cores, the worker has better to do than to talk to the edge.
pub(super) const LANE_COUNT_MAX: usize = 16;
