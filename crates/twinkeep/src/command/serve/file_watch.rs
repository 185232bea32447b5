//! The watch that `serve` keeps on the files of models and keys: a process of its own, which asks
//! for privileges that the worker gives up and has no key of the keep.
//!
//! It starts again by itself what is killed of it (`serve-watch`). Who kills it again and again, or all
//! of it at once, ends it: `/readyz` says so until `serve` is started again.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Lines, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use twinkeep_app::{App, AppError, FeederState, FileNews, FileWatchMode, Keep, record_watch_ended};
use twinkeep_domain::Timestamp;

use crate::clock;
use crate::command::watch::Recorder;
use crate::output::Output;

/// The process, before the keep is open.
pub(super) struct FileWatch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    began: FileNews,
}

/// The process, and the thread that records what it sees.
pub(super) struct Recording {
    child: Child,
    closing: Arc<Closing>,
    thread: JoinHandle<()>,
}

/// What ends the process.
struct Closing {
    /// It is meant to end.
    meant: AtomicBool,
    /// It ends when this is closed.
    input: Mutex<Option<ChildStdin>>,
}

/// What is read of the process, and how often it died.
struct Reading<'a> {
    app: &'a App,
    closing: &'a Closing,
    recorder: Recorder<'a>,
    deaths: VecDeque<Timestamp>,
}

impl FileWatch {
    /// Starts it, if the operator chose so, while this process may still start programs. When this
    /// returns, it sees.
    pub(super) fn start(keep: &Keep) -> Result<Option<Self>, AppError> {
        let Some(mode) = keep.settings.watch.files.mode() else { return Ok(None) };
        let mut command = Command::new(OWN_PROGRAM);
        command.arg(COMMAND).arg("--keep").arg(keep.layout.root());
        if mode == FileWatchMode::Deny {
            command.arg("--deny");
        }
        let child = command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let cannot = || AppError::environment("watch-start", "cannot watch the files of the keep");
        let mut child = child.map_err(|error| cannot().because(error))?;
        let stdout = child.stdout.take().ok_or_else(cannot)?;
        let mut lines = BufReader::new(stdout).lines();
        let began = lines.next().and_then(Result::ok);
        match began.and_then(|line| serde_json::from_str(&line).ok()) {
            Some(began) => Ok(Some(Self { child, lines, began })),
            // It has said why on the standard error that both have.
            None => Err(cannot().hint("`watch.files = \"off\"` serves without")),
        }
    }

    /// Records what it sees.
    pub(super) fn record(self, app: &Arc<App>, out: &Output) -> Recording {
        let Self { mut child, lines, began } = self;
        let input = Mutex::new(child.stdin.take());
        let closing = Arc::new(Closing { meant: AtomicBool::new(false), input });
        let thread = thread::spawn({
            let (app, out, closing) = (Arc::clone(app), out.clone(), Arc::clone(&closing));
            move || {
                let recorder = Recorder::new(&app, &out);
                let deaths = VecDeque::new();
                let mut reading = Reading { app: &app, closing: &closing, recorder, deaths };
                reading.take(began);
                reading.lines(lines);
                if closing.is_meant() {
                    if let Err(error) = record_watch_ended(&app, true) {
                        out.remark(&format!("warning: {error}"));
                    }
                } else {
                    out.remark("warning: the watch of the files has ended; start `serve` again");
                    reading.take(FileNews::Died);
                }
            }
        });
        Recording { child, closing, thread }
    }
}

impl Reading<'_> {
    fn lines(&mut self, lines: Lines<BufReader<impl Read>>) {
        for line in lines.map_while(Result::ok) {
            if let Ok(news) = serde_json::from_str(&line) {
                self.take(news);
            }
        }
    }

    fn take(&mut self, news: FileNews) {
        match &news {
            FileNews::Began { .. } => self.app.note_file_watch(FeederState::Watching),
            // One of two that are about to end may have seen the other one end.
            FileNews::Died if self.closing.is_meant() => return,
            FileNews::Died => {
                self.app.note_file_watch(FeederState::Failing("watch-died"));
                self.died();
            }
            FileNews::Saw(_) | FileNews::Lost { .. } => {}
        }
        self.recorder.record(news);
    }

    /// It is started again, but not for whoever would fill the ledger so.
    fn died(&mut self) {
        let now = clock::now();
        let recent = |at: &Timestamp| now.micros().abs_diff(at.micros()) < HOUR_MICROS;
        self.deaths.retain(recent);
        self.deaths.push_back(now);
        if self.deaths.len() > DEATHS_MAX {
            self.closing.end();
        }
    }
}

impl Closing {
    fn is_meant(&self) -> bool {
        self.meant.load(Ordering::SeqCst)
    }

    fn end(&self) {
        drop(self.input.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Recording {
    /// Ends the process, and records what it saw last.
    pub(super) fn close(mut self) {
        self.closing.meant.store(true, Ordering::SeqCst);
        self.closing.end();
        let _ = self.thread.join();
        let _ = self.child.wait();
    }
}

/// The program that runs here, whatever lies at its path meanwhile.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// What starts it on the command line.
const COMMAND: &str = "serve-watch";

/// So often it is started again within an hour.
const DEATHS_MAX: usize = 12;

const HOUR_MICROS: u64 = 3_600_000_000;
