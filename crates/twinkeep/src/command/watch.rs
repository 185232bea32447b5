//! `twinkeep watch`, and what is below it.

use std::collections::VecDeque;

use twinkeep_app::{
    App, AppError, FileNews, FileSighting, FileWatchMode, Keep, RetentionRequest, record_file_news,
    record_watch_ended, see_files,
};
use twinkeep_posture::report::plain;

use super::receive::stop_on_signals;
use crate::cli::{Global, WatchArgs, WatchCommand};
use crate::clock;
use crate::output::Output;
use crate::surroundings::open_keep;

mod audit;
mod worker;

pub(super) use worker::{see, supervise};

pub(crate) fn run(global: &Global, args: &WatchArgs, out: &Output) -> Result<(), AppError> {
    match &args.command {
        None => files(global, args, out),
        Some(WatchCommand::Search(args)) => audit::search(args, out),
        Some(WatchCommand::Rules(args)) => audit::rules(global, args, out),
        Some(WatchCommand::Retention { log, conf }) => {
            audit::retention(global, RetentionRequest { log, conf }, out)
        }
    }
}

fn files(global: &Global, args: &WatchArgs, out: &Output) -> Result<(), AppError> {
    let keep = Keep::find(&global.keep)?;
    let app = open_keep(global)?;
    let stopped = stop_on_signals()?;
    let mut recorder = Recorder::new(&app, out);
    let (mut printed, mut began) = (Ok(()), false);
    let mut tell = |news: FileNews| {
        began = true;
        let result = out.result(&news, text);
        if printed.is_ok() {
            printed = result;
        }
        recorder.record(news);
    };
    let seen = see_files(&keep, mode(args), clock::now, &stopped, &mut tell);
    // What did not begin does not end.
    if began {
        record_watch_ended(&app, seen.is_ok())?;
    }
    seen.and(printed)
}

fn mode(args: &WatchArgs) -> FileWatchMode {
    if args.deny { FileWatchMode::Deny } else { FileWatchMode::Record }
}

/// Writes what is seen into the ledger; what cannot be written is tried again with the next, so
/// that a full disk does not end the watch.
pub(super) struct Recorder<'a> {
    app: &'a App,
    out: &'a Output,
    pending: VecDeque<FileNews>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(app: &'a App, out: &'a Output) -> Self {
        Self { app, out, pending: VecDeque::new() }
    }

    pub(super) fn record(&mut self, news: FileNews) {
        if self.pending.len() >= PENDING_COUNT_MAX {
            self.pending.pop_front();
        }
        self.pending.push_back(news);
        while let Some(news) = self.pending.front() {
            if let Err(error) = record_file_news(self.app, news) {
                self.out.remark(&format!("warning: {error}; trying again"));
                return;
            }
            self.pending.pop_front();
        }
    }
}

fn text(news: &FileNews) -> String {
    match news {
        FileNews::Began { by, denies, blind, .. } => {
            let how = if *denies { "others are refused" } else { "others are recorded" };
            let blind: String =
                blind.iter().map(|what| format!("\nwarning: not seen is {what}")).collect();
            format!("watching models and keys by {by}; {how} (stop with Ctrl-C or SIGTERM){blind}")
        }
        FileNews::Lost { count } => format!("warning: changes were not told, {count} times"),
        FileNews::Died => "warning: the process that sees has died; it is started again".to_owned(),
        FileNews::Saw(seen) => sighting(seen),
    }
}

fn sighting(seen: &FileSighting) -> String {
    let answer = if seen.answer == "denied" { "DENIED " } else { "" };
    let times = if seen.count > 1 { format!(" {} times", seen.count) } else { String::new() };
    let mixed = if seen.mixed { " (and others)" } else { "" };
    let who = match (&seen.process, seen.pid) {
        (Some(process), Some(pid)) => {
            let program = seen.executable.as_deref().unwrap_or_default();
            let user = seen.user.map(|user| format!(" of user {user}")).unwrap_or_default();
            format!("{process} ({program}, process {pid}{user})")
        }
        (_, Some(pid)) => format!("process {pid}, which is gone"),
        _ => "nobody knows whom".to_owned(),
    };
    let line =
        format!("{} {answer}{} {}{times} by {who}{mixed}", seen.time, seen.action, seen.file);
    // A process calls itself what it likes, and this goes to a terminal.
    plain(&line).into_owned()
}

/// How many sightings wait for the ledger: more than come in half an hour.
const PENDING_COUNT_MAX: usize = 4096;
