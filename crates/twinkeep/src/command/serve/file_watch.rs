//! The watch that `serve` keeps on the files of models and keys: a process of its own, which asks
//! for privileges that the worker gives up and has no key of the keep.

use std::io::{BufRead as _, BufReader, Lines, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use twinkeep_app::{App, AppError, FileNews, FileWatchMode, Keep, record_watch_ended};

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
    closing: Arc<AtomicBool>,
    thread: JoinHandle<()>,
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
        let Self { child, lines, began } = self;
        let closing = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (app, out, closing) = (Arc::clone(app), out.clone(), Arc::clone(&closing));
            move || {
                let mut recorder = Recorder::new(&app, &out);
                recorder.record(began);
                read(lines, &mut recorder);
                let meant = closing.load(Ordering::Relaxed);
                if !meant {
                    out.remark("warning: the watch of the files has ended; start `serve` again");
                    recorder.record(FileNews::Died);
                    return;
                }
                if let Err(error) = record_watch_ended(&app, meant) {
                    out.remark(&format!("warning: {error}"));
                }
            }
        });
        Recording { child, closing, thread }
    }
}

fn read(lines: Lines<BufReader<impl Read>>, recorder: &mut Recorder<'_>) {
    for line in lines.map_while(Result::ok) {
        if let Ok(news) = serde_json::from_str(&line) {
            recorder.record(news);
        }
    }
}

impl Recording {
    /// Ends the process, and records what it saw last.
    pub(super) fn close(mut self) {
        self.closing.store(true, Ordering::Relaxed);
        drop(self.child.stdin.take());
        let _ = self.thread.join();
        let _ = self.child.wait();
    }
}

/// The program that runs here, whatever lies at its path meanwhile.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// What starts it on the command line.
const COMMAND: &str = "serve-watch";
