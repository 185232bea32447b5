//! The watch that `serve` keeps: a process that sees, and one that starts it again when it dies.
//!
//! Both have the privileges that the worker gives up, and neither has a key. They have the same
//! standard input and output, those that the worker gave. Whoever kills one of them blinds the keep
//! for a moment: that is told, and the other one starts it again.
//!
//! # Invariants
//!
//! - Neither outlives whoever started the first: each reads its standard input until that is closed.

use std::io::{self, Write as _};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::getppid;
use twinkeep_app::{AppError, FileNews, FileWatchMode, Keep, see_files};

use super::mode;
use crate::cli::{Global, WatchArgs};
use crate::clock;
use crate::command::edge::outlive_signals;

/// Starts the process that sees, and starts it again when it dies.
pub(in crate::command) fn supervise(global: &Global, args: &WatchArgs) -> Result<(), AppError> {
    outlive_signals()?;
    let keep = Keep::find(&global.keep)?;
    let closed = Arc::new(AtomicBool::new(false));
    when_input_ends({
        let closed = Arc::clone(&closed);
        move || closed.store(true, Ordering::SeqCst)
    });
    let mut pause = PAUSE_MIN;
    for count in 0_u64.. {
        let began = clock::now();
        let status = run_eyes(&keep, args)?;
        if closed.load(Ordering::SeqCst) {
            break;
        }
        if count == 0 && status.code().is_some() {
            // It has said why on the standard error that both have.
            let why = AppError::environment("watch-start", "cannot watch the files of the keep");
            return Err(why.hint(format!("the process that sees ended with {status}")));
        }
        tell(&FileNews::Died);
        let lived = clock::now().micros().abs_diff(began.micros());
        pause = if lived > LONG_LIFE_MICROS { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
        rest(pause, &closed);
        if closed.load(Ordering::SeqCst) {
            break;
        }
    }
    Ok(())
}

/// Watches for the worker of `serve`, which has the keys and writes the ledger: a line for each
/// sighting, until the other side is closed. If whoever started it is killed, another one starts
/// another one of it.
pub(in crate::command) fn see(global: &Global, args: &WatchArgs) -> Result<(), AppError> {
    outlive_signals()?;
    let keep = Keep::find(&global.keep)?;
    let stopped = Arc::new(AtomicBool::new(false));
    let (closed, left) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    when_input_ends({
        let (stopped, closed) = (Arc::clone(&stopped), Arc::clone(&closed));
        move || {
            closed.store(true, Ordering::SeqCst);
            stopped.store(true, Ordering::SeqCst);
        }
    });
    when_left_alone({
        let (stopped, left) = (Arc::clone(&stopped), Arc::clone(&left));
        move || {
            left.store(true, Ordering::SeqCst);
            stopped.store(true, Ordering::SeqCst);
        }
    });
    let mut pass_on = |news: FileNews| {
        if !tell(&news) {
            stopped.store(true, Ordering::SeqCst);
        }
    };
    see_files(&keep, mode(args), clock::now, &stopped, &mut pass_on)?;
    if left.load(Ordering::SeqCst) && !closed.load(Ordering::SeqCst) && tell(&FileNews::Died) {
        start(SUPERVISOR, &keep, args).spawn().map_err(cannot_start)?;
    }
    Ok(())
}

fn run_eyes(keep: &Keep, args: &WatchArgs) -> Result<ExitStatus, AppError> {
    start(EYES, keep, args).status().map_err(cannot_start)
}

/// The other one of both, with the same standard input and output.
fn start(which: &str, keep: &Keep, args: &WatchArgs) -> Command {
    let mut command = Command::new(OWN_PROGRAM);
    command.arg(which).arg("--keep").arg(keep.layout.root()).env_clear();
    if mode(args) == FileWatchMode::Deny {
        command.arg("--deny");
    }
    command
}

fn cannot_start(error: io::Error) -> AppError {
    AppError::environment("watch-start", "cannot watch the files of the keep").because(error)
}

/// Waits, unless nobody listens any more.
fn rest(pause: Duration, closed: &AtomicBool) {
    let mut left = pause;
    while !left.is_zero() && !closed.load(Ordering::SeqCst) {
        thread::sleep(LOOK_EVERY.min(left));
        left = left.saturating_sub(LOOK_EVERY);
    }
}

/// Reads the standard input until whoever started this process closes it, or is gone.
fn when_input_ends(end: impl FnOnce() + Send + 'static) {
    thread::spawn(move || {
        // Nothing is said here.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        end();
    });
}

/// Looks whether the process that started this one is there.
fn when_left_alone(left: impl FnOnce() + Send + 'static) {
    let parent = getppid();
    thread::spawn(move || {
        while getppid() == parent {
            thread::sleep(LOOK_EVERY);
        }
        left();
    });
}

fn tell(news: &FileNews) -> bool {
    let mut line = serde_json::to_string(news).unwrap_or_default();
    line.push('\n');
    // Whole: the other one may write as well.
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()).is_ok()
}

/// The program that runs here, whatever lies at its path meanwhile.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// What starts the process that sees.
const EYES: &str = "serve-watch-eyes";

/// What starts the process that starts it.
const SUPERVISOR: &str = "serve-watch";

/// How long files are not watched after the process that sees has died,
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// and at most, if it dies again and again.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How long it must have lived for its death to be no habit: a minute.
const LONG_LIFE_MICROS: u64 = 60_000_000;

const LOOK_EVERY: Duration = Duration::from_millis(100);
