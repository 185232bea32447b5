//! The watch that `serve` keeps: a process that sees, and one that starts it again when it dies.
//!
//! Both have the privileges that the worker gives up, and neither has a key. Whoever kills the
//! process that sees blinds the keep for a moment: that is told, and the next one sees.
//!
//! # Invariants
//!
//! - Neither outlives whoever started it: each reads its standard input until that is closed.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use twinkeep_app::{AppError, FileNews, Keep, see_files};

use super::mode;
use crate::cli::{Global, WatchArgs};
use crate::clock;
use crate::command::edge::outlive_signals;

/// Starts the process that sees, passes on what it says, and starts it again when it dies.
pub(in crate::command) fn supervise(global: &Global, args: &WatchArgs) -> Result<(), AppError> {
    outlive_signals()?;
    let keep = Keep::find(&global.keep)?;
    let eyes = Eyes::default();
    let (mut told, mut pause) = (false, PAUSE_MIN);
    loop {
        let began = clock::now();
        let (status, said) = eyes.run(&keep, args)?;
        told |= said;
        if eyes.stopped() {
            return Ok(());
        }
        if !told {
            // It has said why on the standard error that both have.
            let why = AppError::environment("watch-start", "cannot watch the files of the keep");
            return Err(why.hint(format!("the process that sees ended with {status}")));
        }
        print(&serde_json::to_string(&FileNews::Died).unwrap_or_default());
        let lived = clock::now().micros().abs_diff(began.micros());
        pause = if lived > LONG_LIFE_MICROS { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
        eyes.pause(pause);
        if eyes.stopped() {
            return Ok(());
        }
    }
}

/// Watches for the worker of `serve`, which has the keys and writes the ledger: a line for each
/// sighting, until the other side is closed.
pub(in crate::command) fn see(global: &Global, args: &WatchArgs) -> Result<(), AppError> {
    outlive_signals()?;
    let keep = Keep::find(&global.keep)?;
    let stopped = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&stopped);
    when_input_ends(move || ended.store(true, Ordering::Relaxed));
    let mut tell = |news: FileNews| {
        if !print(&serde_json::to_string(&news).unwrap_or_default()) {
            stopped.store(true, Ordering::Relaxed);
        }
    };
    see_files(&keep, mode(args), clock::now, &stopped, &mut tell)
}

/// The process that sees, as the one that starts it knows it.
struct Eyes {
    stopped: Arc<AtomicBool>,
    /// Closed, so that it ends.
    input: Arc<Mutex<Option<ChildStdin>>>,
}

impl Default for Eyes {
    fn default() -> Self {
        let eyes = Self { stopped: Arc::default(), input: Arc::default() };
        let (stopped, input) = (Arc::clone(&eyes.stopped), Arc::clone(&eyes.input));
        when_input_ends(move || {
            stopped.store(true, Ordering::SeqCst);
            drop(input.lock().unwrap_or_else(PoisonError::into_inner).take());
        });
        eyes
    }
}

impl Eyes {
    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Runs it once; says whether it saw anything at all.
    fn run(&self, keep: &Keep, args: &WatchArgs) -> Result<(ExitStatus, bool), AppError> {
        let cannot = |error| {
            AppError::environment("watch-start", "cannot watch the files of the keep")
                .because(error)
        };
        let mut command = Command::new(OWN_PROGRAM);
        command.arg(EYES).arg("--keep").arg(keep.layout.root());
        if args.deny {
            command.arg("--deny");
        }
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(cannot)?;
        *self.input.lock().unwrap_or_else(PoisonError::into_inner) = child.stdin.take();
        if self.stopped() {
            drop(self.input.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
        let mut said = false;
        for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(|it| it.lines()) {
            match line {
                Ok(line) if print(&line) => said = true,
                // Nobody listens any more.
                _ => break,
            }
        }
        Ok((child.wait().map_err(cannot)?, said))
    }

    fn pause(&self, pause: Duration) {
        let mut left = pause;
        while !left.is_zero() && !self.stopped() {
            thread::sleep(LOOK_EVERY.min(left));
            left = left.saturating_sub(LOOK_EVERY);
        }
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

fn print(line: &str) -> bool {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_ok()
}

/// The program that runs here, whatever lies at its path meanwhile.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// What starts the process that sees.
const EYES: &str = "serve-watch-eyes";

/// How long files are not watched after the process that sees has died,
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// and at most, if it dies again and again.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How long it must have lived for its death to be no habit: a minute.
const LONG_LIFE_MICROS: u64 = 60_000_000;

const LOOK_EVERY: Duration = Duration::from_millis(100);
